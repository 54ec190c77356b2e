/** @file The package as users get it: packed, installed into an empty folder, drawing. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, plainEnv } from '../cli/run-cli.js';
import { referenceFolder } from '../reference-folder.js';
import { requireFreshBuild, root } from './fresh-build.js';

const hasBuiltIn = existsSync(join(root, 'assets/model/model_index.json'));
const largestBytes = 48 * 2 ** 20;
let place: string;
let project: string;
let packed: { filename: string; size: number; files: { path: string; mode: number }[] };

const npm = (args: readonly string[], cwd: string): string =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', env: plainEnv(), stdio: 'pipe' });

beforeAll(() => {
  requireFreshBuild();
  place = realpathSync(mkdtempSync(join(tmpdir(), 'maliang-package-')));
  project = join(place, 'project');
  mkdirSync(project);
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', place];
  [packed] = JSON.parse(npm(args, root)) as [typeof packed];
  writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}');
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  npm(['install', ...quiet, join(place, packed.filename)], project);
  using model = referenceFolder('sd1');
  cpSync(model.path, join(project, 'tiny'), { recursive: true });
}, 300_000);
afterAll(() => rmSync(place, { recursive: true, force: true }));

it('holds the compiled library, the assets and the first pages, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const path of [
    'package.json',
    'LICENSE',
    'README.md',
    'README.zh-CN.md',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/runtime/host.js',
  ]) {
    expect(paths).toContain(path);
  }
  const elsewhere =
    /^(package\.json|LICENSE|README(\.zh-CN)?\.md|dist\/.+\.(js|d\.ts)|assets\/.+)$/;
  expect(paths.filter((path) => !elsewhere.test(path))).toEqual([]);
  expect(paths.filter((path) => /\.(test|bench)\./.test(path))).toEqual([]);
  expect(packed.files.find(({ path }) => path === 'dist/cli.js')!.mode & 0o111).toBe(0o111);
  expect(packed.size).toBeLessThan(largestBytes);
});

it('installs with two dependencies of its own', () => {
  const manifest = readFileSync(join(project, 'node_modules/maliang/package.json'), 'utf8');
  const { dependencies, scripts } = JSON.parse(manifest);
  expect(Object.keys(dependencies)).toEqual(['onnxruntime-node', 'sharp']);
  for (const hook of ['preinstall', 'install', 'postinstall'])
    expect(scripts).not.toHaveProperty(hook);
});

describe('the command', () => {
  const maliang = (program: string, ...args: string[]) =>
    collect(program, args, { cwd: project, env: plainEnv() });

  it('draws', async () => {
    const bin = join(project, 'node_modules/.bin/maliang');
    const result = await maliang(bin, 'a red apple, flat', '--model', 'tiny', '--seed', '7');
    expect(result).toEqual({
      exitCode: 0,
      signal: null,
      stderr: '',
      stdout:
        'maliang-a-red-apple-flat-7.png\nseed 7\n' +
        "again: maliang 'a red apple, flat' --seed 7 --model tiny\n",
    });
    expect(readdirSync(project)).toContain('maliang-a-red-apple-flat-7.png');
  });

  it('draws through npx, and says so in the command to draw again', async () => {
    const words = ['--no', 'maliang', 'a fox', '--model', 'tiny', '--seed', '7'];
    const { exitCode, stdout } = await maliang('npx', ...words);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("again: npx maliang 'a fox' --seed 7 --model tiny\n");
  });

  it.skipIf(!hasBuiltIn)('draws with the model that comes with it, and is sound', async () => {
    const bin = join(project, 'node_modules/.bin/maliang');
    const drawn = await maliang(bin, 'a red apple, flat', '--json');
    expect(drawn.exitCode).toBe(0);
    expect(JSON.parse(drawn.stdout).images[0]).toMatchObject({ model: 'builtin' });
    expect((await maliang(bin, 'doctor')).exitCode).toBe(0);
  });
});

describe('the library', () => {
  const snippetOf = (readme: string): string => {
    const code = /```ts\n(.*?)```/s.exec(readFileSync(join(root, readme), 'utf8'))![1]!;
    return hasBuiltIn ? code : code.replace('fromPretrained()', "fromPretrained('tiny')");
  };

  it.each(['README.md', 'README.zh-CN.md'])('runs the lines of %s', async (readme) => {
    writeFileSync(join(project, 'readme.js'), snippetOf(readme));
    const result = await collect(process.execPath, ['readme.js'], { cwd: project });
    expect(result).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    for (const name of ['apple-7.png', 'apple-8.png']) {
      expect(readFileSync(join(project, name)).subarray(1, 4).toString()).toBe('PNG');
      rmSync(join(project, name));
    }
  });

  it('has types that a strict program accepts', async () => {
    writeFileSync(join(project, 'readme.ts'), snippetOf('README.md'));
    const options = {
      ...{ module: 'nodenext', target: 'es2023', strict: true, noEmit: true },
      lib: ['ES2023', 'ESNext.Disposable'],
      typeRoots: [join(root, 'node_modules/@types')],
      types: ['node'],
    };
    const config = { compilerOptions: options, files: ['readme.ts'] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const result = await collect(process.execPath, [tsc, '-p', '.'], { cwd: project });
    expect(result).toMatchObject({ exitCode: 0, stdout: '' });
  });
});
