/** @file The command around its commands: help, usage errors, languages, colours, streams. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../package/fresh-build.js';
import { cliFile, collect, plainEnv, startCli } from './run-cli.js';
import { expectFailure, expectNoControl, useScratchFolder } from './scratch.js';

const scratch = useScratchFolder();
const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  startCli(args, { cwd: scratch(), env: plainEnv(env) });
const shell = (script: string) =>
  collect('bash', ['-c', script, process.execPath, cliFile], { cwd: scratch() });

it('--help names every command and ends with 0', async () => {
  const { exitCode, stdout, stderr } = await run(['--help']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  for (const word of ['generate', 'train', 'doctor', '--seed N', '130']) {
    expect(stdout).toContain(word);
  }
});

it('--help of a command shows its own options', async () => {
  const { stdout } = await run(['train', '--help']);
  expect(stdout).toContain('--config FILE');
  expect(stdout).not.toContain('--seed');
  expect((await run(['help', 'train'])).stdout).toBe(stdout);
});

it('--help takes at most 0.3 s, or on a busy machine little more than Node itself', async () => {
  const times = { help: [] as number[], node: [] as number[] };
  const time = async (into: number[], args: string[]): Promise<void> => {
    const start = performance.now();
    await collect(process.execPath, args, { cwd: scratch() });
    into.push(performance.now() - start);
  };
  for (let i = 0; i < 5; i++) {
    await time(times.help, [cliFile, '--help']);
    await time(times.node, ['-e', '0']);
  }
  expect(Math.min(...times.help)).toBeLessThan(Math.max(300, 5 * Math.min(...times.node)));
});

it('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(await run(['--version'])).toMatchObject({ exitCode: 0, stdout: `${version}\n` });
});

it('no arguments give help on stderr and exit code 2', async () => {
  const { exitCode, stdout, stderr } = await run([]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toContain('Usage');
});

describe('usage errors', () => {
  it.each([
    [[''], 'expected a prompt in words, got "". For example: '],
    [['  \n'], 'expected a prompt in words, got "  \\n". For example: '],
    [['\u200b\u2060'], 'expected a prompt in words, got "\\u{200b}\\u{2060}". For example: '],
    [['--seed', '3'], 'expected a prompt in words, got nothing. For example: '],
    [['generate'], 'expected a prompt in words, got nothing. For example: '],
    [['x', '--sed', '3'], 'expected a known option, got --sed. Did you mean --seed?'],
    [['genrate'], 'got genrate. Did you mean `'],
    [['docter'], 'got docter. Did you mean `'],
    [['x', '--steps', 'many'], '--steps: expected a whole number from 1 to 1000, got "many". See '],
    [
      ['x', '--seed', '9007199254740991', '--num', '2'],
      '--seed: expected a whole number from 0 to',
    ],
    [
      ['x', '--out', 'a.gif'],
      '--out: expected a folder, or a file name ending in .png, .jpg or .webp, got a.gif.',
    ],
    [['doctor', 'who'], 'doctor: expected no further words, got who. See '],
    [['doctor', 'who'], 'To draw those words: node '],
    [['train', 'station', 'at', 'night'], "-- 'train station at night'"],
    [['train'], 'train: expected one of autoencoder, clip, draft, diffusion, got nothing. See '],
    [['train', 'clap'], 'got clap. Did you mean clip?'],
    [['train', 'clip', 'now'], 'train clip: expected no further words, got now. See '],
    [['train', 'clip'], 'train clip: expected --config FILE, got nothing. For example: '],
  ])('%j', async (args, message) => {
    expectFailure(await run(args), 2, message);
  });
});

it('what was typed cannot steer the terminal', async () => {
  const { stderr } = await run(['x', '--\u001b[2Jsteps\u0007']);
  expect(stderr).toContain('got --\\x1b[2Jsteps\\x07. ');
  expectNoControl(stderr);
});

it('speaks Chinese where the locale does', async () => {
  const env = { LANG: 'zh_CN.UTF-8' };
  expect((await run(['--help'], env)).stdout).toContain('用文字画画');
  const { exitCode, stderr } = await run(['x', '--steps', '0'], env);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^错误: --steps：应为1 到 1000 的整数，实为"0"。/);
  const missing = await run(['x', '--model', 'none'], env);
  expect(missing.exitCode).toBe(3);
  expect(missing.stderr).toMatch(/^错误: 该路径下没有模型。/);
  expect((await run(['--help'], { ...env, LC_ALL: 'C.UTF-8' })).stdout).toContain('Usage');
});

it('obeys FORCE_COLOR and NO_COLOR', async () => {
  expect((await run(['--help'])).stdout).not.toContain('\u001b');
  expect((await run(['--help'], { FORCE_COLOR: '1' })).stdout).toContain('\u001b[1mUsage\u001b[0m');
  expect((await run(['--help'], { FORCE_COLOR: '0' })).stdout).not.toContain('\u001b');
  expect((await run(['x', '--num'], { FORCE_COLOR: '1' })).stderr).toContain('\u001b[31merror:');
});

describe('streams', () => {
  it('a reader that goes away is no error', async () => {
    const { stdout, stderr } = await shell(
      'for i in 1 2 3 4 5; do "$0" "$1" --help | true; printf "%s " "$PIPESTATUS"; done',
    );
    expect({ stdout, stderr }).toEqual({ stdout: '0 0 0 0 0 ', stderr: '' });
  });

  it.skipIf(!existsSync('/dev/full'))('a result that cannot be written is one', async () => {
    const { exitCode, stderr } = await shell('"$0" "$1" --help > /dev/full');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error: write stdout: expected free space, got ENOSPC\./);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('closed streams end nothing', async () => {
    const { stdout } = await shell('"$0" "$1" --help >&- 2>&-; echo "ended with $?"');
    expect(stdout).toMatch(/^ended with [01]\n$/);
  });
});

it('a current folder that is gone is a message', async () => {
  const gone = 'mkdir gone && cd gone && rmdir ../gone';
  expectFailure(
    await shell(`${gone} && "$0" "$1" "a fox" --model /nowhere`),
    3,
    '/nowhere/model_index.json: expected a model folder with a model_index.json, got nothing there.',
  );
});
