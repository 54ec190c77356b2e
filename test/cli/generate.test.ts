/** @file Pictures by the command: files, what is said of them, and the same picture again. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { optionNames, type optionTable } from '../../src/cli/option-table.js';
import { decodeImage } from '../../src/formats/image.js';
import { readPngText } from '../../src/formats/png.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { cliFile, collect, plainEnv, startCli } from './run-cli.js';
import { expectNoControl, filesIn, useScratchFolder, withoutProgress } from './scratch.js';

const scratch = useScratchFolder();
let model: ReferenceFolder;
beforeAll(() => {
  model = referenceFolder('xl-single-encoder');
});
afterAll(() => model[Symbol.dispose]());

/** Runs the command on the tiny model; four steps unless told otherwise. */
async function draw(...args: string[]) {
  const steps = args.some((arg) => arg.startsWith('--steps')) ? [] : ['--steps', '4'];
  const all = [...steps, '--model', model.path, ...args];
  const result = await startCli(all, { cwd: scratch() });
  return { ...result, stderr: withoutProgress(result.stderr), files: filesIn(scratch()) };
}
const bytes = (name: string): Buffer => readFileSync(join(scratch(), name));
const pixels = (name: string) => decodeImage(bytes(name), { channels: 3 });

interface JsonResult {
  images: Record<string, unknown>[];
  warnings: string[];
}
const json = (stdout: string): JsonResult => JSON.parse(stdout) as JsonResult;

it('writes a PNG and says its path, its seed and the command to draw it again', async () => {
  const { exitCode, stdout, stderr, files } = await draw('a red apple, flat', '--seed', '7');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(files).toEqual(['maliang-a-red-apple-flat-7.png']);
  const [path, seed, again, end] = stdout.split('\n');
  expect([path, seed, end]).toEqual(['maliang-a-red-apple-flat-7.png', 'seed 7', '']);
  expect(again).toMatch(/^again: node .*cli\.js 'a red apple, flat' --seed 7 --steps 4 --model /);
  const { width, height } = await pixels(files[0]!);
  expect([width, height]).toEqual([64, 64]);
});

const prompts = [
  '两只猫，🍎 it\'s "$HOME" `id` \\',
  'two\nlines and \u001b[31mred',
  '--seed',
  'docter',
];
it('the command it prints draws any prompt again, byte for byte', async () => {
  const drawTwice = async (prompt: string, at: number): Promise<void> => {
    const first = await draw('--steps', '1', '--out', `first${at}`, '--', prompt);
    expectNoControl(first.stdout);
    const command = /^again: (.*)$/m.exec(first.stdout)![1]!;
    const again = await collect('bash', ['-c', command], { cwd: scratch(), env: plainEnv() });
    expect({ prompt, again }).toMatchObject({ again: { exitCode: 0 } });
    const [name, , sameCommand] = again.stdout.split('\n');
    expect(sameCommand).toBe(`again: ${command}`);
    expect(bytes(name!)).toEqual(bytes(join(`first${at}`, name!)));
  };
  for (let at = 0; at < prompts.length; at += 2) {
    await Promise.all(prompts.slice(at, at + 2).map((prompt, i) => drawTwice(prompt, at + i)));
  }
});

it('words without quotes are the prompt', async () => {
  const { files } = await draw('a', 'red', 'apple', '--seed', '1');
  expect(files).toEqual(['maliang-a-red-apple-1.png']);
  expect(readPngText(bytes(files[0]!))[0]).toMatchObject({
    keyword: 'parameters',
    text: expect.stringMatching(/^a red apple\nSteps: 4, .*Seed: 1, .*Version: Maliang/),
  });
});

describe('every option', () => {
  // In command.test, train.test and models.test.
  const elsewhere = 'help version config resume revision variant offline yes';
  const tested = new Set<string>(elsewhere.split(' '));
  const option = (name: keyof typeof optionTable, run: () => Promise<void>): void => {
    tested.add(name);
    it(`--${name}`, run);
  };
  const record = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await draw('a fox', '--seed', '5', '--json', ...args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    return json(stdout);
  };
  /** Pixels of the same picture with other options. */
  const drawn = async (...args: string[]) => {
    const { images } = await record('--out', `o${args.join('')}`, ...args);
    return decodeImage(readFileSync(images[0]!.path as string), { channels: 3 });
  };
  let baseline: ReturnType<typeof drawn> | undefined;
  const plain = () => {
    baseline ??= drawn();
    return baseline;
  };

  option('seed', async () => {
    const { stdout } = await draw('a fox', '--seed', '6', '--json');
    const [six] = json(stdout).images;
    expect(six).toMatchObject({ seed: 6 });
    expect(await pixels('maliang-a-fox-6.png')).not.toEqual(await plain());
  });

  option('num', async () => {
    const { images } = await record('--num', '3', '--out', 'batch');
    expect(images.map(({ seed }) => seed)).toEqual([5, 6, 7]);
    for (const { seed, path } of images.slice(1)) {
      const single = await draw('a fox', '--seed', `${seed}`);
      const name = single.stdout.split('\n')[0]!;
      expect(bytes(name).equals(readFileSync(path as string))).toBe(true);
    }
  });

  option('steps', async () => {
    const { images } = await record('--steps', '2');
    expect(images[0]).toMatchObject({ steps: 2 });
    expect(await pixels('maliang-a-fox-5.png')).not.toEqual(await plain());
  });

  option('guidance', async () => {
    const { images } = await record('--guidance', '2.5');
    expect(images[0]).toMatchObject({ guidanceScale: 2.5 });
    expect(await pixels('maliang-a-fox-5.png')).not.toEqual(await plain());
  });

  option('negative', async () => {
    expect(await drawn('--negative', 'blue')).not.toEqual(await plain());
  });

  option('size', async () => {
    const { images } = await record('--size', '96x32');
    expect(images[0]).toMatchObject({ width: 96, height: 32 });
    expect(await pixels('maliang-a-fox-5.png')).toMatchObject({ width: 96, height: 32 });
  });

  option('model', async () => {
    expect((await record()).images[0]).toMatchObject({ model: model.path });
  });

  option('out', async () => {
    expect((await draw('x', '--out', 'a/b.png')).stdout).toMatch(/^a\/b\.png\n/);
    expect((await draw('x', '--seed', '1', '--out', 'c/d')).stdout).toMatch(/^c\/d\/maliang-x-1/);
    const before = bytes('a/b.png');
    await draw('y', '--out', 'a/b.png');
    expect(bytes('a/b.png').equals(before)).toBe(false);
    expect(filesIn(scratch())).toEqual(['a/b.png', 'c/d/maliang-x-1.png']);
  });

  option('threads', async () => {
    const [one, all] = [await drawn('--threads', '1'), await plain()];
    const difference = Math.max(...one.data.map((value, i) => Math.abs(value - all.data[i]!)));
    expect(difference).toBeLessThanOrEqual(1);
  });

  option('json', async () => {
    const { stdout } = await draw('a 🦊\n', '--seed', '9', '--num', '2', '--json');
    const { images, warnings } = json(stdout);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(warnings).toEqual([]);
    expect(images).toEqual(
      [9, 10].map((seed) => ({
        path: join(scratch(), `maliang-a-${seed}.png`),
        seed,
        width: 64,
        height: 64,
        prompt: 'a 🦊\n',
        model: model.path,
        steps: 4,
        guidanceScale: 5,
        elapsedMs: expect.any(Number),
      })),
    );
    for (const { path } of images) expect(existsSync(path as string)).toBe(true);
  });

  option('quiet', async () => {
    const { stdout, stderr } = await draw('x', '--seed', '1', '--num', '2', '--quiet');
    expect(stdout).toBe('maliang-x-1.png\nmaliang-x-2.png\n');
    expect(stderr).toBe('');
  });

  it('has a test', () => {
    expect(optionNames.filter((name) => !tested.has(name))).toEqual([]);
  });
});

it('never overwrites a picture, also when two runs draw at once', async () => {
  const results = await Promise.all([1, 2, 3].map(() => draw('a fox', '--seed', '1')));
  for (const { exitCode, stderr } of results) {
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  }
  const files = filesIn(scratch());
  expect(files).toEqual(['maliang-a-fox-1-2.png', 'maliang-a-fox-1-3.png', 'maliang-a-fox-1.png']);
  for (const file of files) expect(bytes(file)).toEqual(bytes(files[0]!));
  const paths = results.map(({ stdout }) => stdout.split('\n')[0]);
  expect(paths.toSorted()).toEqual(files);
});

describe('in a terminal', () => {
  const hasScript = existsSync('/usr/bin/script') && process.platform === 'linux';
  const inTerminal = async (env: NodeJS.ProcessEnv, ...args: string[]) => {
    const words = [process.execPath, cliFile, '--model', model.path, 'a fox', ...args];
    const command = words.map((word) => `'${word}'`).join(' ');
    const options = { cwd: scratch(), env: plainEnv({ TERM: 'xterm-256color', ...env }) };
    return collect('script', ['-qec', command, '/dev/null'], options);
  };

  it.skipIf(!hasScript)(
    'draws progress over one line, and the picture in half blocks',
    async () => {
      const { exitCode, stdout } = await inTerminal({ COLORTERM: 'truecolor' }, '--steps', '40');
      expect(exitCode).toBe(0);
      const lines = stdout.split('\r\u001b[K');
      expect(lines[1]).toBe('loading the model');
      expect(lines[2]).toMatch(/^drawing {2}[█░]{20} {2}\d+%/);
      expect(lines.at(-2)).toMatch(/^drawing {2}█{20} {2}100% {2}0 s left$/);
      expect(stdout.match(/▀/g)).toHaveLength(32 * 16);
      expect(stdout).toContain('\u001b[1mmaliang-a-fox-');
    },
  );

  it.skipIf(!hasScript)(
    'shows a PNG to kitty, and neither colour nor picture with NO_COLOR',
    async () => {
      const kitty = await inTerminal({ TERM: 'xterm-kitty' }, '--steps', '1');
      expect(kitty.stdout).toContain('\u001b_Ga=T,f=100,q=2,c=32,r=16,m=');
      const plain = await inTerminal({ COLORTERM: 'truecolor', NO_COLOR: '1' }, '--steps', '1');
      const [before, result] = plain.stdout.split('\r\u001b[Kmaliang-a-fox-');
      expect(before).toContain('loading the model');
      expectNoControl(result!.replaceAll('\r\n', '\n'));
    },
  );
});
