/** @file Ctrl-C and kill in the middle of a picture. */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireFreshBuild } from '../package/fresh-build.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { isRunning } from '../runtime/process-state.js';
import { cliFile, plainEnv } from './run-cli.js';
import { filesIn, useScratchFolder } from './scratch.js';

const scratch = useScratchFolder();
let model: ReferenceFolder;
beforeAll(() => {
  requireFreshBuild();
  model = referenceFolder('sd1');
});
afterAll(() => model[Symbol.dispose]());

const childrenOf = (pid: number): number[] =>
  spawnSync('ps', ['-o', 'pid=', '--ppid', `${pid}`], { encoding: 'utf8' })
    .stdout.split('\n')
    .map(Number)
    .filter((child) => child > 0);

interface Drawing {
  readonly child: ChildProcess;
  /** Process id of the engine. */
  readonly engine: number;
  readonly output: () => string;
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
}

/** Starts many pictures in a process group of their own, and waits until the first is on disk. */
async function startDrawing(...args: string[]): Promise<Drawing> {
  const words = ['a fox', '--num', '1000', '--steps', '3', '--model', model.path, ...args];
  const child = spawn(process.execPath, [cliFile, ...words], {
    cwd: scratch(),
    env: plainEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  const ended = once(child, 'close') as Drawing['ended'];
  while (filesIn(scratch()).length === 0) {
    if (child.exitCode !== null) throw new Error(text);
    await wait(20);
  }
  const [engine] = childrenOf(child.pid!);
  return { child, engine: engine!, output: () => text, ended };
}

async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 100 && isRunning(pid); i++) await wait(20);
  return !isRunning(pid);
}

describe.skipIf(process.platform === 'win32')('interrupted', () => {
  it.each([
    ['SIGINT', 130, 'process'],
    ['SIGINT', 130, 'group'],
    ['SIGTERM', 143, 'process'],
  ] as const)(
    'by %s: exit code %i, whole pictures only, no process left (%s)',
    async (name, code, whom) => {
      const { child, engine, output, ended } = await startDrawing('--quiet');
      expect(isRunning(engine)).toBe(true);
      process.kill(whom === 'group' ? -child.pid! : child.pid!, name);
      expect(await ended).toEqual([code, null]);
      expect(await isGone(engine)).toBe(true);
      const files = filesIn(scratch());
      expect(files.every((file) => /^maliang-a-fox-\d+\.png$/.test(file))).toBe(true);
      expect(output()).toBe(
        `${output()
          .match(/^maliang-.*$/gm)!
          .join('\n')}\nStopped.\n`,
      );
      expect(output().match(/\.png$/gm)).toHaveLength(files.length);
    },
  );

  it('with --json: says which pictures it kept, and prints no result', async () => {
    const { child, output, ended } = await startDrawing('--json');
    process.kill(child.pid!, 'SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(output()).toMatch(/^Kept: \S+\.png( \S+\.png)*\nStopped\.\n$/m);
    expect(output()).not.toContain('{');
  });

  it('twice: ends at once', async () => {
    const { child, engine, ended } = await startDrawing('--quiet');
    process.kill(child.pid!, 'SIGINT');
    process.kill(child.pid!, 'SIGINT');
    // Two signals may arrive as one; the second one kills as it would kill any program.
    expect([
      [130, null],
      [null, 'SIGINT'],
    ]).toContainEqual(await ended);
    expect(await isGone(engine)).toBe(true);
  });

  it('by SIGKILL: the engine ends too', async () => {
    const { child, engine, ended } = await startDrawing();
    process.kill(child.pid!, 'SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(await isGone(engine)).toBe(true);
  });
});
