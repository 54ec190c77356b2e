/** @file `maliang evaluate`: every option, what it prints in both languages, and its end when asked. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { evaluate } from '../../src/cli/evaluate.js';
import { Interruption } from '../../src/cli/interruption.js';
import { sayIn } from '../../src/cli/messages.js';
import { parseCommandLine } from '../../src/cli/parse.js';
import { readPromptFile } from '../../src/cli/prompt-file.js';
import { writeClipFolder, writePictures } from '../metrics/picture-folders.js';
import { requireFreshBuild } from '../package/fresh-build.js';
import { isRunning } from '../runtime/process-state.js';
import { captureTerminal } from './captured-terminal.js';
import { startCli } from './run-cli.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let place: string;
beforeAll(async () => {
  requireFreshBuild();
  place = mkdtempSync(join(tmpdir(), 'maliang-evaluate-cli-'));
  writePictures(join(place, 'real'), 9, { seed: 1 });
  writePictures(join(place, 'fake'), 8, { seed: 2 });
  await writeClipFolder(join(place, 'clip'));
  const lines = Array.from({ length: 8 }, (_, i) => `picture ${i}`);
  writeFileSync(join(place, 'prompts.txt'), `${lines.join('\n')}\n`);
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const folders = ['--real', 'real', '--fake', 'fake'];
const quick = ['--features', 'clip', '--bootstrap', '3', '--threads', '1'];

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { terminal, stdout, stderr } = captureTerminal({ folder: place, env });
  using interruption = new Interruption(terminal);
  const invocation = parseCommandLine(['evaluate', ...args], sayIn('en', 'maliang'));
  expect(await evaluate(invocation, terminal, interruption)).toBe(0);
  return { stdout: stdout(), stderr: stderr() };
}

const figuresOf = async (...args: readonly string[]) =>
  JSON.parse((await run([...folders, ...quick, ...args, '--json'])).stdout).figures;

describe('prints', () => {
  it('a table, what the figures rest on, and warnings beside it', async () => {
    const { stdout, stderr } = await run([...folders, ...quick]);
    expect(
      stdout.split('\n').map((line) => line.replace(/\s{2,}/g, '|').replace(/-?\d+\.\d+/g, '#')),
    ).toEqual([
      'figure|value|95 % interval|pictures',
      ...['fid', 'kid', 'cmmd', 'precision', 'recall', 'density', 'coverage'].map((name) =>
        expect.stringMatching(new RegExp(`^${name}\\|\\S+\\|\\S+ to \\S+\\|9 / 8$`)),
      ),
      '',
      expect.stringMatching(/^Features: clip, .*clip, 16 values, sha256 [0-9a-f]{12}$/),
      'Resized to 32x32 by the rule clip.',
      '',
    ]);
    expect(stderr).toMatch(/^warning: fid: 8 pictures where 10000 are usual: /m);
  });

  it('the same as JSON', async () => {
    const { stdout, stderr } = await run([...folders, ...quick, '--json']);
    const printed = JSON.parse(stdout);
    expect(Object.keys(printed).sort()).toEqual(
      ['fake', 'features', 'figures', 'real', 'resize', 'seed', 'warnings'].sort(),
    );
    expect(printed.figures[0]).toEqual({
      ...{ name: 'fid', value: expect.any(Number), samples: { real: 9, fake: 8 }, resize: 'clip' },
      features: printed.features.sha256,
      interval: { low: expect.any(Number), high: expect.any(Number), level: 0.95, resamples: 3 },
    });
    expect(stderr.match(/^warning: /gm)).toHaveLength(printed.warnings.length);
  });

  it('Chinese', async () => {
    const { stdout, stderr } = await run([...folders, ...quick, '--metrics', 'fid'], {
      LANG: 'zh_CN.UTF-8',
    });
    expect(stdout).toMatch(/^指标 {2}数值 .*95% 区间 .*图片数\n/);
    expect(stdout).toContain('按 clip 规则缩放到 32x32。');
    expect(stderr).toMatch(/^警告: /m);
  });
});

describe('takes', () => {
  it('--metrics, --bootstrap and --resize', async () => {
    const figures = await figuresOf('--metrics', 'cmmd,fid', '--resize', 'clean');
    expect(figures).toMatchObject([
      { name: 'fid', resize: 'clean', interval: { resamples: 3 } },
      { name: 'cmmd', resize: 'clean' },
    ]);
    const { stdout } = await run([
      ...folders,
      '--features',
      'clip',
      '--metrics',
      'cmmd',
      '--bootstrap',
      '0',
      '--json',
    ]);
    expect(JSON.parse(stdout).figures).toMatchObject([{ interval: null }]);
  });

  it('--seed and --batch', async () => {
    const kid = async (...args: string[]) => (await figuresOf('--metrics', 'kid', ...args))[0];
    const first = await kid('--seed', '1');
    expect(await kid('--seed', '1')).toEqual(first);
    expect((await kid('--seed', '2')).value).not.toBe(first.value);
    expect((await kid('--seed', '1', '--batch', '3')).value).toBeCloseTo(first.value, 4);
  });

  it('--prompts', async () => {
    const figures = await figuresOf('--metrics', 'clip', '--prompts', 'prompts.txt');
    expect(figures).toMatchObject([{ name: 'clip-score', samples: { fake: 8 } }]);
    const all = await figuresOf('--prompts', 'prompts.txt');
    expect(all.at(-1)).toEqual(figures[0]);
  });

  it('--quiet: no progress', async () => {
    const { stderr } = await run([...folders, ...quick, '--quiet']);
    expect(stderr.split('\n').filter((line) => line !== '' && !/^warning: /.test(line))).toEqual(
      [],
    );
  });
});

describe('refuses', () => {
  const refused = (...args: string[]) => expect(run(args)).rejects;

  it('a missing folder option, words and unknown metrics', async () => {
    const folderOptions = 'maliang evaluate: expected --real FOLDER and --fake FOLDER';
    await refused().toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(`${folderOptions}, got nothing`),
    });
    await refused('--real', 'a').toMatchObject({
      message: expect.stringContaining(`${folderOptions}, got --real`),
    });
    await refused('--fake', 'a').toMatchObject({
      message: expect.stringContaining(`${folderOptions}, got --fake`),
    });
    await refused('real', 'fake').toMatchObject({
      message: expect.stringContaining('no further words, got real'),
    });
    await refused(...folders, '--metrics', 'fid,lpips').toMatchObject({
      message: expect.stringContaining('a list of fid, kid, cmmd, pr, is, clip, such as fid,kid'),
    });
  });

  it('files of prompts that are none', async () => {
    const read = (name: string, text: string) => {
      writeFileSync(join(place, name), text);
      return readPromptFile(join(place, name));
    };
    await expect(read('a.json', '{"a.png": 1}')).rejects.toMatchObject({ code: 'DATA' });
    await expect(read('b.json', '{')).rejects.toMatchObject({ code: 'DATA' });
    await expect(read('c.jsonl', '{"file_name":"a.png"}')).rejects.toMatchObject({
      message: expect.stringContaining('line 1 without them'),
    });
    await expect(read('d.txt', '')).rejects.toMatchObject({ code: 'DATA' });
    await expect(read('e.txt', 'a.png\tx\na.png\ty')).rejects.toMatchObject({
      message: expect.stringContaining('"a.png" twice'),
    });
    await expect(readPromptFile(join(place, 'none.txt'))).rejects.toMatchObject({
      code: 'FILE_READ',
    });
  });
});

it.each([
  ['a.txt', 'one\ntwo\n', ['one', 'two']],
  ['b.txt', '\ufeffone\r\n\r\nthree', ['one', '', 'three']],
  [
    'c.tsv',
    'a.png\tone\tmore\nb.png\ttwo',
    new Map([
      ['a.png', 'one\tmore'],
      ['b.png', 'two'],
    ]),
  ],
  ['d.json', '["one","two"]', ['one', 'two']],
  ['e.json', '{"a.png":"one"}', new Map([['a.png', 'one']])],
  [
    'f.jsonl',
    '{"file_name":"a.png","text":"one"}\n{"file_name":"b.png","prompt":"two"}\n',
    new Map([
      ['a.png', 'one'],
      ['b.png', 'two'],
    ]),
  ],
])('reads prompts of %s', async (name, text, prompts) => {
  writeFileSync(join(place, name), text);
  expect(await readPromptFile(join(place, name))).toEqual(prompts);
});

it.skipIf(process.platform === 'win32')('Ctrl-C: exit code 130, no process left', async () => {
  const many = writePictures(join(place, 'many'), 60, { seed: 3, width: 400, height: 400 });
  const args = ['evaluate', '--real', many, '--fake', many, '--threads', '1', '--batch', '1'];
  let child: ChildProcess | undefined;
  const children = (): number[] =>
    spawnSync('ps', ['-o', 'pid=', '--ppid', `${child?.pid}`], { encoding: 'utf8' })
      .stdout.split('\n')
      .map(Number)
      .filter((pid) => pid > 0);
  let engine: number | undefined;
  const onStart = (started: ChildProcess): void => {
    child = started;
    const poll = setInterval(() => {
      [engine] = children();
      if (engine === undefined) return;
      clearInterval(poll);
      setTimeout(() => started.kill('SIGINT'), 200);
    }, 50);
  };
  const result = await startCli(args, { cwd: place, onStart });
  expect(result).toMatchObject({ exitCode: 130, stdout: '' });
  expect(result.stderr).toMatch(/Stopped\.\n$/);
  await vi.waitUntil(() => !isRunning(engine!), 5000);
});
