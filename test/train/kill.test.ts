/** @file Processes killed while they save: the checkpoint is always one whole step, and training goes on. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { ParameterLayout } from '../../src/train/flat-parameters.js';

const folder = mkdtempSync(join(tmpdir(), 'maliang-kill-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'checkpoint.safetensors');
const program = fileURLToPath(new URL('./kill.mjs', import.meta.url));
const length = 500_000;
const layout = new ParameterLayout([{ name: 'w', shape: [length] }]);

/** Lets the program save and kills it a while after its first save. Gives the last step it told of. */
function saveAndKill(first: number, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [program, path, `${length}`, `${first}`]);
  let told = first - 1;
  let complaint = '';
  child.stderr.on('data', (bytes: Buffer) => {
    complaint += String(bytes);
  });
  child.stdout.on('data', (bytes: Buffer) => {
    if (told < first) setTimeout(() => child.kill('SIGKILL'), afterMs);
    told = Number(String(bytes).trimEnd().split('\n').at(-1));
  });
  return new Promise((resolve, reject) => {
    child.on('close', (_, signal) =>
      signal === 'SIGKILL' ? resolve(told) : reject(new Error(complaint)),
    );
  });
}

it('leaves a whole checkpoint at whatever moment', async () => {
  let interrupted = 0;
  let step = 0;
  for (const afterMs of [0, 3, 7, 11, 16, 22]) {
    const told = await saveAndKill(step + 1, afterMs);
    const found = await readCheckpoint(path, layout);
    // The last save may have ended without the time to tell of it.
    expect([told, told + 1]).toContain(found.step);
    for (const vector of Object.values(found.state) as Float32Array[]) {
      expect(vector.every((value) => value === found.step)).toBe(true);
    }
    interrupted += readdirSync(folder).length - 1;
    step = found.step;
  }
  expect(step).toBeGreaterThanOrEqual(6);
  expect(interrupted).toBeGreaterThan(0);
});
