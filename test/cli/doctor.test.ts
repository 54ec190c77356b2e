/** @file `maliang doctor`: what it checks, and what it calls broken. */
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMemory, checkNode } from '../../src/cli/doctor.js';
import { sayIn } from '../../src/cli/messages.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { plainEnv, startCli } from './run-cli.js';
import { filesIn, useScratchFolder } from './scratch.js';

const scratch = useScratchFolder();
const say = sayIn('en', 'maliang');
let model: ReferenceFolder;
beforeAll(() => {
  model = referenceFolder('sd1');
});
afterAll(() => model[Symbol.dispose]());

const examine = (env: NodeJS.ProcessEnv = {}) =>
  startCli(['doctor', '--model', model.path], { cwd: scratch(), env: plainEnv(env) });
const weights = (): string[] => filesIn(model.path).filter((file) => file.endsWith('.safetensors'));

it('finds a sound installation sound, and changes nothing', async () => {
  const { exitCode, stdout, stderr } = await examine();
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const lines = stdout.trim().split('\n');
  expect(lines.map((line) => line.replace(/(?<=\] [a-z ]+): .*/i, ''))).toEqual([
    '[ok] Node',
    '[ok] engine',
    '[ok] threads',
    expect.stringMatching(/^\[(ok|note)\] memory$/),
    '[ok] disk',
    '[ok] prepared weights',
    '[note] model',
    '[ok] drawing',
    '[note] data set',
    '[ok] terminal',
    '',
    expect.stringMatching(/^All is well\. Try: /),
  ]);
  expect(stdout).toMatch(/ONNX Runtime \d+\.\d+\.\d+ computes in a child process/);
  expect(stdout).toContain('no SHA256SUMS to compare with');
  expect(stdout).toContain(
    'none in .cache/pictograms; only training needs it: npm run data:pictograms',
  );
  expect(filesIn(scratch())).toEqual([]);
});

describe('weights', () => {
  it('that fit their sums are fine; one changed byte is broken', async () => {
    const sums = weights().map((file) => {
      const sum = createHash('sha256')
        .update(readFileSync(join(model.path, file)))
        .digest('hex');
      return `${sum}  ${file}\n`;
    });
    const sumsFile = join(model.path, 'SHA256SUMS');
    writeFileSync(sumsFile, sums.join(''));
    expect((await examine()).stdout).toMatch(
      /^\[ok\] model: .* in 3 weight files, all sums are right$/m,
    );
    const changed = join(model.path, 'unet/diffusion_pytorch_model.safetensors');
    const bytes = readFileSync(changed);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(changed, bytes);
    const { exitCode, stdout } = await examine();
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^\[broken\] model: sha256 of \S+: expected [0-9a-f]{12}…, got [0-9a-f]{12}…\. /m,
    );
    expect(stdout).toContain('Something is broken; see the lines above.');
    rmSync(sumsFile);
  });

  it('that are damaged are broken, for the file and for drawing', async () => {
    using broken = referenceFolder('sd1');
    appendFileSync(join(broken.path, 'unet/diffusion_pytorch_model.safetensors'), 'x');
    const result = await startCli(['doctor', '--model', broken.path], { cwd: scratch() });
    expect(result.exitCode).toBe(1);
    expect(result.stdout).toMatch(/^\[broken\] model: \S+safetensors: /m);
    expect(result.stdout).toMatch(/^\[broken\] drawing: \S+safetensors: /m);
  });
});

it('speaks Chinese', async () => {
  const { stdout } = await examine({ LANG: 'zh_CN.UTF-8' });
  expect(stdout).toMatch(/^\[正常\] 引擎: /m);
  expect(stdout).toContain('一切正常。');
});

it.each([
  ['18.20.0', 'broken'],
  ['20.9.0', 'broken'],
  ['20.18.3', 'broken'],
  ['20.19.0', 'ok'],
  ['22.4.1', 'ok'],
  ['100.0.0', 'ok'],
])('Node %s is %s', (version, state) => {
  expect(checkNode(version, say)).toMatchObject({ state });
});

it('little memory is noted with what drawing needs', () => {
  expect(checkMemory(8 * 2 ** 30, 16 * 2 ** 30, say)).toEqual({
    state: 'ok',
    text: '8 GB free of 16 GB',
  });
  expect(checkMemory(300 * 2 ** 20, 4 * 2 ** 30, say)).toEqual({
    state: 'note',
    text: '300 MB free of 4 GB; drawing needs about 700 MB',
  });
});
