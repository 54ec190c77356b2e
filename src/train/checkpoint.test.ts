/** @file Checkpoints: exact round trips, and a named complaint for every kind of damage. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { TensorData } from '../core/tensor-data.js';
import { writeSafetensors } from '../formats/safetensors.js';
import { createOptimizerState } from './adamw.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { ParameterLayout } from './flat-parameters.js';

const folder = mkdtempSync(join(tmpdir(), 'maliang-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'checkpoint.safetensors');

const layout = new ParameterLayout([
  { name: 'w', shape: [2, 2] },
  { name: 'b', shape: [3] },
]);
const state = createOptimizerState(Float32Array.of(1, -0, 1e-40, 3e38, 5, 6, 7));
state.firstMoment.fill(0.1);
state.secondMoment.fill(0.2);
state.average.fill(0.3);
const progress = { step: 12, elapsedMs: 3456.75, optimizer: 'muon' } as const;
beforeEach(() => writeCheckpoint(path, layout, state, progress));

async function complaint(of: ParameterLayout = layout, file = path): Promise<string> {
  const error = (await readCheckpoint(file, of).catch((cause: unknown) => cause)) as {
    code: string;
    message: string;
  };
  return `${error.code} ${error.message.replaceAll(folder, '<folder>')}`;
}

it('gives back every bit', async () => {
  expect(await readCheckpoint(path, layout)).toEqual({ state, ...progress });
  expect(readdirSync(folder)).toEqual(['checkpoint.safetensors']);
});

describe('refuses', () => {
  it('a missing file', async () => {
    expect(await complaint(layout, join(folder, 'none'))).toMatchInlineSnapshot(
      `"CHECKPOINT <folder>/none: expected a checkpoint, got no file. Start without --resume, or name the folder of the run."`,
    );
  });

  it('another architecture', async () => {
    const other = new ParameterLayout([{ name: 'v', shape: [7] }]);
    expect(await complaint(other)).toMatchInlineSnapshot(
      `"CHECKPOINT <folder>/checkpoint.safetensors: expected the parameters of this configuration (e847fac571b4cbc5), got others (1c7b58e98bc56885). Resume with the model the run was started with."`,
    );
  });

  it('files cut short at every length', async () => {
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length += 13) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      expect(await complaint()).toMatch(/^CHECKPOINT /);
    }
    expect(await complaint()).toMatchInlineSnapshot(
      `"CHECKPOINT <folder>/checkpoint.safetensors: expected a sound checkpoint, got a truncated or damaged one. Restore a copy of the file, or delete it and start again."`,
    );
  });

  it('flipped bytes in the header, or reads what they say', async () => {
    const whole = readFileSync(path);
    const header = 8 + Number(whole.readBigUint64LE());
    for (let at = 0; at < header; at += 3) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x14;
      writeFileSync(path, bytes);
      const result = await readCheckpoint(path, layout).catch((error: unknown) => error);
      expect(result instanceof Error ? result : 'read').toSatisfy(
        (found: unknown) => found === 'read' || (found as { code?: string }).code === 'CHECKPOINT',
      );
    }
  });

  it('other contents', async () => {
    const tag = readFileSync(path, 'latin1').match(/"layout":"(\w+)"/)![1]!;
    const vector = (length: number): TensorData => ({
      dtype: 'f32',
      shape: [length],
      data: new Float32Array(length),
    });
    const write = (names: string[], length: number, metadata: Record<string, string>): void =>
      writeFileSync(
        path,
        writeSafetensors(
          names.map((name) => [name, vector(length)] as const),
          metadata,
        ),
      );
    const all = ['parameters', 'firstMoment', 'secondMoment', 'average'];
    const sound = { layout: tag, step: '3', elapsedMs: '1' };
    write(all, 7, sound);
    expect(await readCheckpoint(path, layout)).toMatchObject({ step: 3, optimizer: 'adamw' });
    const complaints: string[] = [];
    write(all.slice(0, 3), 7, sound);
    complaints.push(await complaint());
    write(all, 6, sound);
    complaints.push(await complaint());
    write(all, 7, { ...sound, step: '2.5' });
    complaints.push(await complaint());
    write(all, 7, { layout: tag });
    complaints.push(await complaint());
    write(all, 7, { ...sound, optimizer: 'sgd' });
    complaints.push(await complaint());
    expect(complaints).toMatchInlineSnapshot(`
      [
        "CHECKPOINT <folder>/checkpoint.safetensors: expected a sound checkpoint, got average missing. Restore a copy of the file, or delete it and start again.",
        "CHECKPOINT <folder>/checkpoint.safetensors: expected a sound checkpoint, got parameters f32[6]. Restore a copy of the file, or delete it and start again.",
        "CHECKPOINT <folder>/checkpoint.safetensors: expected a sound checkpoint, got step 2.5, 1 ms. Restore a copy of the file, or delete it and start again.",
        "CHECKPOINT <folder>/checkpoint.safetensors: expected a sound checkpoint, got step undefined, undefined ms. Restore a copy of the file, or delete it and start again.",
        "CHECKPOINT <folder>/checkpoint.safetensors: expected a sound checkpoint, got optimizer sgd. Restore a copy of the file, or delete it and start again.",
      ]
    `);
  });
});

it.skipIf(!existsSync('/dev/full'))('keeps the old file when the disk is full', async () => {
  const before = readFileSync(path);
  for (let n = 0; n < 200; n++) symlinkSync('/dev/full', `${path}.${process.pid}-${n}.partial`);
  await expect(
    writeCheckpoint(path, layout, state, { ...progress, step: 13 }),
  ).rejects.toMatchObject({
    code: 'DISK_FULL',
  });
  expect(readFileSync(path).equals(before)).toBe(true);
});
