/** @file However a program ends, the engine's child ends with it, even in the middle of a run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { isRunning } from './process-state.js';

const program = fileURLToPath(new URL('./parent.mjs', import.meta.url));

/** Starts the program in a process group of its own, as a shell does. */
async function begin(ending: string) {
  const parent = spawn(process.execPath, [program, ending], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = once(parent, 'exit');
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  return { parent: parent.pid!, child: Number(line.toString()), exit };
}

async function expectGone(child: number): Promise<void> {
  for (let waited = 0; waited < 2000 && isRunning(child); waited += 20) await sleep(20);
  expect(isRunning(child)).toBe(false);
}

it.each(['idle', 'exit', 'throw'])('%s', async (ending) => {
  const { child, exit } = await begin(ending);
  await exit;
  await expectGone(child);
});

it.each([
  ['kill -9', 'SIGKILL', 1],
  ['kill', 'SIGTERM', 1],
  ['Ctrl-C, which reaches the child too', 'SIGINT', -1],
] as const)('%s', async (_, signal, group) => {
  const { parent, child, exit } = await begin('wait');
  expect(isRunning(child)).toBe(true);
  process.kill(group * parent, signal);
  await exit;
  await expectGone(child);
});
