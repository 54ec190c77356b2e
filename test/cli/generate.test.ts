/** @file Pictures by the command: files, what is said of them, and the same picture again. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { optionNames, type optionTable } from '../../src/cli/option-table.js';
import { referenceWeight } from '../../src/core/reference-weights.js';
import { type FloatTensor, floatTensor } from '../../src/core/tensor-data.js';
import { decodeImage, type RasterImage } from '../../src/formats/image.js';
import { encodePng, readPngText } from '../../src/formats/png.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
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
  // In command.test, train.test, models.test, evaluate.test, rank.test and best-of.test.
  const elsewhere =
    'help version config resume revision variant offline yes ' +
    'real fake features metrics resize prompts bootstrap batch ' +
    'best-of keep judge near-miss early sheet captioner begin beams';
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
  /** The same, warnings aside. */
  const drawnAnyhow = async (...args: string[]) => {
    const out = `w${args.join('').replaceAll(/[^a-z0-9]/g, '')}.png`;
    expect((await draw('a fox', '--seed', '5', '--out', out, ...args)).exitCode).toBe(0);
    return pixels(out);
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

  const fixture = (path: string): string =>
    fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

  option('lora', async () => {
    const layer = 'unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q';
    const half = (name: string, ...shape: number[]): [string, FloatTensor] => [
      `${layer}.${name}.weight`,
      floatTensor(referenceWeight(name, shape), shape),
    ];
    const tensors = [half('lora_A', 2, 32), half('lora_B', 32, 2)];
    writeFileSync(join(scratch(), 'a:b.safetensors'), writeSafetensors(tensors));
    const file = 'a:b.safetensors';
    const [whole, weaker] = [await drawn('--lora', file), await drawn('--lora', `${file}:0.5`)];
    expect(whole).not.toEqual(await plain());
    expect(weaker).not.toEqual(whole);
    expect(await drawn('--lora', `${file}:0.5`, '--lora', `${file}:0.5`)).not.toEqual(weaker);
  });

  option('embedding', async () => {
    const file = fixture('inversion/sd1/toy.safetensors');
    const ask = async (...args: string[]) => {
      const { exitCode, stderr } = await draw('a toy', '--seed', '5', '--out', 'toy.png', ...args);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      return pixels('toy.png');
    };
    const before = await ask();
    expect(await ask('--embedding', file)).not.toEqual(before);
  });

  option('vae', async () => {
    expect(await drawn('--vae', join(model.path, 'vae'))).toEqual(await plain());
    const { exitCode, stderr } = await draw('a fox', '--vae', 'none');
    expect(exitCode).toBe(3);
    expect(stderr).toContain(join('none', 'config.json'));
  });

  option('prediction', async () => {
    expect(await drawn('--prediction', 'epsilon')).not.toEqual(await plain());
  });

  /** A picture file; red left, blue right, and transparent below the middle when asked. */
  const pictureFile = (name: string, width = 32, height = 32, channels: 3 | 4 = 3): string => {
    const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
      const [pixel, channel] = [Math.floor(i / channels), i % channels];
      if (channel === 3) return pixel < (width * height) / 2 ? 255 : 0;
      return channel === (pixel % width < width / 2 ? 0 : 2) ? 230 : 20;
    });
    writeFileSync(join(scratch(), name), encodePng({ width, height, channels, data }));
    return name;
  };
  const maskFile = (name: string, white: (x: number) => boolean, width = 32): string => {
    const data = Uint8Array.from({ length: width * 32 }, (_, i) => (white(i % width) ? 255 : 0));
    writeFileSync(join(scratch(), name), encodePng({ width, height: 32, channels: 1, data }));
    return name;
  };
  /** Mean difference between two pictures, columns from x0 to x1. */
  const distance = (a: RasterImage, b: RasterImage, [x0, x1]: [number, number]): number => {
    let sum = 0;
    for (let y = 0; y < a.height; y++) {
      for (let i = 3 * x0; i < 3 * x1; i++) {
        sum += Math.abs(a.data[y * a.width * 3 + i]! - b.data[y * a.width * 3 + i]!);
      }
    }
    return sum / (a.height * 3 * (x1 - x0));
  };

  option('init', async () => {
    const init = pictureFile('init.png', 45, 33);
    const { images, warnings } = json((await draw('a fox', '--init', init, '--json')).stdout);
    expect(images[0]).toMatchObject({ width: 44, height: 32, strength: 0.3 });
    expect(warnings).toEqual([
      'init: scaled from 45x33 to 44x32; sides are multiples of 4 pixels.',
    ]);
  });

  option('strength', async () => {
    const init = pictureFile('init.png');
    const start = await drawnAnyhow('--init', init, '--strength', '0.0001');
    const [little, much] = [
      await drawn('--init', init, '--strength', '0.3'),
      await drawn('--init', init, '--strength', '1'),
    ];
    const change = (picture: RasterImage) => distance(picture, start, [0, 32]);
    expect(change(little)).toBeGreaterThan(0);
    expect(change(much)).toBeGreaterThan(change(little));
  });

  option('mask', async () => {
    const [init, mask] = [pictureFile('init.png'), maskFile('mask.png', (x) => x >= 16)];
    const args = ['--init', init, '--strength', '1', '--mask'];
    const kept = await drawnAnyhow(
      ...args,
      maskFile('black.png', () => false),
    );
    const half = await drawn(...args, mask);
    expect(distance(kept, half, [0, 8])).toBeLessThan(distance(kept, half, [20, 32]) / 4);
    const alpha = pictureFile('alpha.png', 32, 32, 4);
    expect((await record('--init', alpha, '--mask', 'alpha')).warnings).toEqual([]);
  });

  option('mask-blur', async () => {
    const mask = maskFile('m.png', (x) => x >= 8 && x < 20);
    const args = ['--init', pictureFile('init.png'), '--mask', mask, '--only-masked', '4'];
    expect(await drawn(...args)).not.toEqual(await drawn(...args, '--mask-blur', '3'));
  });

  option('only-masked', async () => {
    const init = pictureFile('init.png', 80, 32);
    const mask = maskFile('mask.png', (x) => x > 60 && x < 70, 80);
    const original = await pixels(init);
    const part = await drawn('--init', init, '--mask', mask, '--only-masked', '4');
    expect(part).toMatchObject({ width: 80, height: 32 });
    expect(distance(part, original, [0, 60])).toBe(0);
    expect(distance(part, original, [61, 70])).toBeGreaterThan(1);
  });

  option('vary', async () => {
    const { images } = await record(
      '--vary',
      pictureFile('init.png'),
      '--num',
      '2',
      '--variation-seed',
      '3',
    );
    expect(images).toMatchObject(
      [3, 4].map((variationSeed) => ({
        seed: 5,
        variationSeed,
        variationStrength: 0.3,
        strength: 0.5,
      })),
    );
    expect(await pixels('maliang-a-fox-5.png')).not.toEqual(await pixels('maliang-a-fox-5-2.png'));
  });

  option('variation-strength', async () => {
    const near = await drawn('--variation-strength', '0.1', '--variation-seed', '9');
    const far = await drawn('--variation-strength', '1', '--variation-seed', '9');
    const own = await plain();
    expect(distance(near, own, [0, 64])).toBeLessThan(distance(far, own, [0, 64]));
    const nine = await draw('a fox', '--seed', '9', '--out', 'nine.png');
    expect(nine.exitCode).toBe(0);
    expect((await pixels('nine.png')).data).toEqual(far.data);
  });

  option('variation-seed', async () => {
    const { stdout, stderr } = await draw('a fox', '--seed', '1', '--variation-strength', '0.5');
    expect(stderr).toBe('');
    const command = /^again: (.*)$/m.exec(stdout)![1]!;
    expect(command).toContain(' --variation-seed ');
    await collect('bash', ['-c', command], { cwd: scratch(), env: plainEnv() });
    expect(bytes('maliang-a-fox-1-2.png')).toEqual(bytes('maliang-a-fox-1.png'));
  });

  option('sampler', async () => {
    expect(await drawn('--sampler', 'ddim')).toEqual(await plain());
    expect(await drawn('--sampler', 'Euler a')).not.toEqual(await plain());
    const { exitCode, stderr } = await draw('x', '--sampler', 'FlowMatchEulerDiscreteScheduler');
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('sampler: expected one for diffusion models'),
    });
  });

  option('schedule', async () => {
    const args = ['--sampler', 'dpm++ 2m'];
    const [even, karras] = [await drawn(...args), await drawn(...args, '--schedule', 'Karras')];
    expect(karras).not.toEqual(even);
    expect(await drawn('--sampler', 'DPM++ 2M Karras')).toEqual(karras);
    expect((await draw('x', '--schedule', 'karas')).stderr).toContain('near to this karras');
  });

  option('clip-skip', async () => {
    expect(await drawn('--clip-skip', '1')).not.toEqual(await plain());
  });

  option('guidance-rescale', async () => {
    expect(await drawn('--guidance-rescale', '0.7')).not.toEqual(await plain());
  });

  option('syntax', async () => {
    const say = async (...args: string[]) =>
      (await draw('a (fox:1.4)', '--seed', '5', ...args)).exitCode;
    expect([await say('--out', 'w.png'), await say('--syntax', 'plain', '--out', 'p.png')]).toEqual(
      [0, 0],
    );
    expect(await pixels('w.png')).not.toEqual(await pixels('p.png'));
  });

  option('noise', async () => {
    expect(await drawn('--noise', 'cuda')).not.toEqual(await plain());
    expect(await drawn('--noise', 'cpu')).toEqual(await plain());
  });

  option('device', async () => {
    expect(await drawn('--device', 'cpu')).toEqual(await plain());
    for (const [device, need] of [
      ['coreml', 'It needs macOS'],
      ['dml', 'It needs Windows'],
    ]) {
      const { exitCode, stderr } = await draw('x', '--device', device!);
      if (exitCode === 0) continue; // The machine has it.
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(
        new RegExp(`device: expected ${device} to be there, got .*${need}.* Or use cpu\\.`),
      );
    }
  });

  const farthest = (a: RasterImage, b: RasterImage): number =>
    a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0);

  option('tile', async () => {
    expect(await drawn('--tile', 'never')).toEqual(await plain());
    expect(farthest(await drawn('--tile', 'always'), await plain())).toBeLessThanOrEqual(1);
  });

  option('low-memory', async () => {
    expect(farthest(await drawn('--low-memory'), await plain())).toBeLessThanOrEqual(1);
  });

  option('precision', async () => {
    expect(await drawn('--precision', 'f32')).toEqual(await plain());
    expect(await drawn('--precision', 'int8')).not.toEqual(await plain());
  });

  option('fast', async () => {
    const { stdout } = await draw('a fox', '--seed', '5', '--json', '--fast');
    const { images, warnings } = json(stdout);
    expect(warnings).toEqual([expect.stringContaining('fast: not the exact picture')]);
    expect(images[0]).toMatchObject({ fast: { interval: 4, branch: 0, full: 2, shallow: 4 } });
    const { stdout: said } = await draw('a fox', '--seed', '5', '--fast');
    expect(said).toMatch(/^again: .* --fast( |$)/m);
    expect(said).not.toContain('--fast true');
  });

  option('preview-decoder', async () => {
    const decoder = ['--preview-decoder', join(model.path, 'vae')];
    expect(await drawn(...decoder)).toEqual(await plain());
    const { stdout } = await draw('a fox', '--json', '--fast', ...decoder);
    expect(json(stdout).images[0]).toMatchObject({ fast: { smallDecoder: true } });
    const wrong = await draw('x', '--preview-decoder', join(model.path, 'unet'));
    expect(wrong.stderr).toContain('_class_name of AutoencoderTiny');
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
        altText: {
          alt: 'Machine-made picture, prompt: a 🦊',
          description: expect.stringContaining('nobody has looked'),
          source: 'prompt',
        },
      })),
    );
    for (const { path } of images) expect(existsSync(path as string)).toBe(true);
  });

  option('quiet', async () => {
    const { stdout, stderr } = await draw('x', '--seed', '1', '--num', '2', '--quiet');
    expect(stdout).toBe('maliang-x-1.png\nmaliang-x-2.png\n');
    expect(stderr).toBe('');
  });

  option('format', async () => {
    const { images } = await record('--format', 'jpeg', '--num', '2');
    const paths = images.map(({ path }) => path as string);
    expect(paths.map((path) => basename(path))).toEqual([
      'maliang-a-fox-5.jpg',
      'maliang-a-fox-6.jpg',
    ]);
    const [own, other] = await Promise.all(
      paths.map(async (path) => {
        const picture = await decodeImage(readFileSync(path), { channels: 3 });
        return distance(picture, await plain(), [0, 64]);
      }),
    );
    expect(own).toBeLessThan(other! / 4);
    const { stderr, exitCode } = await draw('x', '--format', 'jpeg', '--out', 'a.webp');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--format: expected webp, as --out ends, got jpeg.');
  });

  option('quality', async () => {
    expect(await drawn('--format', 'webp', '--quality', 'lossless')).toEqual(await plain());
    const size = async (quality: string) => {
      await record('--out', 'q.jpg', '--quality', quality);
      return bytes('q.jpg').length;
    };
    expect(await size('10')).toBeLessThan(await size('95'));
    for (const [out, quality, message] of [
      [
        'a.png',
        '80',
        '--quality: expected JPEG or WebP, by --format or the end of --out, got PNG.',
      ],
      ['a.jpg', 'lossless', '--quality: expected WebP for lossless files'],
    ]) {
      const { exitCode, stderr } = await draw('x', '--out', out!, '--quality', quality!);
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(message!),
      });
    }
  });

  option('metadata', async () => {
    const keywords = async (level: string) => {
      await record('--out', 'm.png', '--metadata', level);
      return readPngText(bytes('m.png')).map(({ keyword }) => keyword);
    };
    expect(await keywords('full')).toContain('maliang');
    expect(await keywords('minimal')).toEqual(['Software', 'XML:com.adobe.xmp']);
    expect(await keywords('mark')).toEqual(['XML:com.adobe.xmp']);
    expect(await pixels('m.png')).toEqual(await plain());
  });

  option('alt', async () => {
    const { images } = await record('--alt', 'A fox, 坐着', '--out', 'alt.png');
    expect(images[0]).toMatchObject({ altText: { alt: 'A fox, 坐着', source: 'given' } });
    const texts = readPngText(bytes('alt.png'));
    expect(texts.find(({ keyword }) => keyword === 'AltText')?.text).toBe('A fox, 坐着');
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
