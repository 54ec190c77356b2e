/** @file Training by the command: a run, an interruption, the rest of the run, and what is refused. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TinySet, tinyAutoencoder } from '../train/tiny-set.js';
import { collect, plainEnv, startCli } from './run-cli.js';
import { expectFailure, filesIn, useScratchFolder } from './scratch.js';

const scratch = useScratchFolder();
let set: TinySet;
beforeAll(async () => {
  set = await TinySet.create();
});
afterAll(() => set[Symbol.dispose]());

const config = (fields: object = {}): void =>
  writeFileSync(
    join(scratch(), 'config.json'),
    JSON.stringify({ ...tinyAutoencoder(set), ...fields }),
  );
const train = (...args: string[]) =>
  startCli(['train', 'autoencoder', '--config', 'config.json', ...args], { cwd: scratch() });
const steps = (folder: string): number[] =>
  readFileSync(join(scratch(), folder, 'loss.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { step: number }).step);

it('trains, says where, and leaves model, checkpoint and loss log in the folder', async () => {
  config();
  const { exitCode, stdout, stderr } = await train('--out', 'run', '--threads', '1');
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 0,
    stdout: 'Done at step 6; the run is in run.\n',
    stderr: 'training autoencoder in run\n',
  });
  expect(steps('run')).toEqual([1, 2, 3, 4, 5, 6]);
  const files = filesIn(join(scratch(), 'run'));
  for (const file of ['checkpoint.safetensors', 'model/config.json']) expect(files).toContain(file);
});

it('without --out the run lies in runs/autoencoder; --quiet says only the result', async () => {
  config({ steps: 1 });
  const { stdout, stderr } = await train('--quiet');
  expect(stdout).toBe('Done at step 1; the run is in runs/autoencoder.\n');
  expect(stderr).toBe('');
  expect(steps('runs/autoencoder')).toEqual([1]);
  const again = await train('--quiet', '--resume');
  expect(again.stdout).toBe(
    'No step was left to train; the run is in runs/autoencoder. Raise `steps` to train on.\n',
  );
});

it('Ctrl-C keeps a checkpoint and says how to go on; that command does', async () => {
  config({ steps: 100_000 });
  const log = join(scratch(), 'a run/loss.jsonl');
  const stop = setInterval(() => {
    if (existsSync(log) && readFileSync(log, 'utf8').split('\n').length > 3) kill?.();
  }, 20);
  let kill: (() => void) | undefined;
  const { exitCode, stdout, stderr } = await startCli(
    ['train', 'autoencoder', '--config', 'config.json', '--out', 'a run'],
    {
      cwd: scratch(),
      onStart: (child) => {
        kill = () => {
          clearInterval(stop);
          child.kill('SIGINT');
        };
      },
    },
  );
  expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: '' });
  const done = steps('a run').length;
  const [, stopped, resume, last] = stderr.trim().split('\n');
  expect(stopped).toBe(`Stopped after step ${done}; the checkpoint is in a run.`);
  expect(last).toBe('Stopped.');
  config({ steps: done + 2 });
  const command = /^Go on with: (.*)$/.exec(resume!)![1]!;
  const again = await collect('bash', ['-c', command], { cwd: scratch(), env: plainEnv() });
  expect(again).toMatchObject({
    exitCode: 0,
    stdout: `Done at step ${done + 2}; the run is in a run.\n`,
  });
  expect(steps('a run')).toEqual(Array.from({ length: done + 2 }, (_, i) => i + 1));
});

describe('refuses', () => {
  it('a configuration that is not there, no JSON, or wrong', async () => {
    expectFailure(await train(), 3, 'config.json: expected a readable file, got nothing there.');
    writeFileSync(join(scratch(), 'config.json'), '{"steps": 1,}');
    expectFailure(await train(), 1, /config\.json: expected JSON, got /);
    config({ stepps: 3 });
    expectFailure(
      await train(),
      1,
      /training configuration: expected fields of .*, got "stepps"\./,
    );
    config({ steps: 0 });
    expectFailure(await train(), 1, /expected steps a whole number from 1 to .*, got 0\./);
    config({ data: 'nowhere' });
    expectFailure(await train(), 1, /expected a built data set, got no .*nowhere.*Build it with/);
  });

  it('to start over a run, or to resume nothing', async () => {
    config({ steps: 1 });
    expectFailure(await train('--resume'), 1, /expected a checkpoint, got /);
    expect((await train()).exitCode).toBe(0);
    const before = readFileSync(join(scratch(), 'runs/autoencoder/checkpoint.safetensors'));
    expectFailure(await train(), 1, /expected a folder without a checkpoint/);
    const after = readFileSync(join(scratch(), 'runs/autoencoder/checkpoint.safetensors'));
    expect(after.equals(before)).toBe(true);
  });

  it('a folder that cannot be written', async () => {
    config({ steps: 1 });
    writeFileSync(join(scratch(), 'file'), '');
    expectFailure(await train('--out', 'file/run'), 1, /^error: (?!internal).*file/m);
  });
});
