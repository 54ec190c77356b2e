/** @file `maliang info` and `maliang again`: what a picture says, the same picture again, and files that say nothing, lie or attack. */
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { decodeImage } from '../../src/formats/image.js';
import { encodePng, readPngText } from '../../src/formats/png.js';
import { type Recipe, recipeJson } from '../../src/pipelines/provenance/recipe.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { hashLike, someRecipe } from '../some-recipe.js';
import { captureTerminal } from './captured-terminal.js';
import { expectFailure, expectNoControl, useScratchFolder, withoutProgress } from './scratch.js';

const scratch = useScratchFolder();
let model: ReferenceFolder;
beforeAll(() => {
  model = referenceFolder('xl-single-encoder');
});
afterAll(() => model[Symbol.dispose]());

/** The command in this process; only the engine is a child. */
const run = async (args: readonly string[], env = {}) => {
  const { terminal, stdout, stderr } = captureTerminal({ folder: scratch(), env });
  const exitCode = await main(args, terminal);
  return { exitCode, signal: null, stdout: stdout(), stderr: withoutProgress(stderr()) };
};
/** Draws the tiny model's picture of a fox. */
const draw = async (out: string, ...args: string[]) => {
  const all = [
    'a fox',
    '--seed',
    '5',
    '--steps',
    '2',
    '--model',
    model.path,
    '--out',
    out,
    ...args,
  ];
  const { exitCode, stderr } = await run(all);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
};
const done = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await run(args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout;
};
const place = (name: string): string => join(scratch(), name);
const pixels = (name: string) => decodeImage(readFileSync(place(name)), { channels: 3 });
const pixel = { width: 8, height: 8, channels: 3, data: new Uint8Array(192) } as const;
const foreign = (name: string, texts: Record<string, string>): void => {
  const text = Object.entries(texts).map(([keyword, one]) => ({ keyword, text: one }));
  writeFileSync(place(name), encodePng({ ...pixel, text }));
};

describe('info', () => {
  it('says how a picture was made, in both languages and as JSON', async () => {
    await draw('a.jpg', '--negative', 'rain', '--alt', 'A small fox');
    const text = await done('info', 'a.jpg');
    expect(text).toMatch(/^a\.jpg: JPEG 64x64\nmade by: Maliang \d/);
    for (const line of ['prompt: a fox', 'negative: rain', 'alt text: A small fox']) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(/settings: .*seed 5, steps 2, sampler DDIMScheduler/);
    expect(text).toMatch(
      /mark: machine-made \(http:\/\/cv\.iptc\.org\/.*trainedAlgorithmicMedia\)/,
    );
    expect(text).toMatch(/again: .* again a\.jpg\n$/);
    const chinese = (await run(['info', 'a.jpg'], { LANG: 'zh_CN.UTF-8' })).stdout;
    expect(chinese).toContain('提示词: a fox');
    const record = JSON.parse(await done('info', 'a.jpg', '--json'));
    expect(record).toMatchObject({
      path: place('a.jpg'),
      format: 'jpeg',
      width: 64,
      height: 64,
      program: { name: 'Maliang' },
      prompt: 'a fox',
      settings: { seed: 5, steps: 2, negativePrompt: 'rain' },
      recipe: { recipe: 1, prompt: 'a fox', model: { source: model.path } },
      alt: 'A small fox',
      marks: {
        digitalSourceType: expect.stringMatching(/\/trainedAlgorithmicMedia$/),
        c2pa: false,
      },
      notHonoured: [],
      warnings: [],
    });
  });

  it('lists what would not be followed of another program', async () => {
    foreign('w.png', {
      parameters:
        'a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 512x512, Model: m, Hires upscale: 2, Version: v1.9.0',
    });
    const text = await done('info', 'w.png');
    expect(text).toContain('made by: AUTOMATIC1111 v1.9.0\nprompt: a cat\n');
    expect(text).toContain('not followed: Hires upscale: 2\n');
    expect(JSON.parse(await done('info', 'w.png', '--json')).notHonoured).toEqual([
      { field: 'Hires upscale', value: '2' },
    ]);
  });

  it('never shows a control character, and cuts what is long', async () => {
    const evil = '\u001b]0;x\u0007\u001b[2J\u202eevil\u009b31m\r';
    foreign('e.png', {
      parameters: `${evil}${'x'.repeat(5000)}\nSteps: 1, Sampler: ${evil}, Seed: 1, Model: ${evil}`,
      [`k${'y'.repeat(20)}`]: evil,
    });
    for (const args of [['e.png'], ['e.png', '--json']]) {
      const { stdout, stderr } = await run(['info', ...args]);
      expectNoControl(stdout + stderr);
      expect(stdout).not.toContain('\u202e');
      expect(stdout).toContain('evil');
    }
    expect(await done('info', 'e.png')).toContain('characters; --json has all)');
    const { stderr } = await run(['info', 'no\u001b[31m.png']);
    expectNoControl(stderr);
  });

  it('a picture that says nothing is no failure', async () => {
    foreign('plain.png', {});
    expect(await done('info', 'plain.png')).toBe(
      'plain.png: PNG 8x8\nNothing in the file says how it was made.\n',
    );
    expect(JSON.parse(await done('info', 'plain.png', '--json'))).toMatchObject({
      program: null,
      recipe: null,
      prompt: null,
    });
  });

  it('what is no picture is an error with a next step', async () => {
    writeFileSync(place('empty.png'), '');
    writeFileSync(place('words.png'), 'hello there');
    mkdirSync(place('folder'));
    for (const [file, code, message] of [
      ['empty.png', 1, 'empty.png: expected a PNG, JPEG or WebP file, got zero bytes. Convert it'],
      [
        'words.png',
        1,
        'words.png: expected a PNG, JPEG or WebP file, got a file beginning with 68656c6c',
      ],
      ['none.png', 3, 'none.png: expected a picture file, got nothing there. Check the path'],
      ['folder', 3, 'folder: expected a picture file, got something else.'],
    ] as const) {
      for (const command of ['info', 'again'])
        expectFailure(await run([command, file]), code, message);
    }
    expectFailure(
      await run(['info']),
      2,
      'info: expected one picture file, got nothing. For example:',
    );
    expectFailure(
      await run(['again', 'a', 'red', 'fox']),
      2,
      "again: expected one picture file, got a red fox. See `maliang --help`. To draw those words: maliang -- 'again a red fox'",
    );
  });

  it('a chunk of 100 MB, a bomb of pixels, an animation', async () => {
    const png = Buffer.from(encodePng(pixel));
    const size = 100 * 2 ** 20;
    const head = Buffer.from('\0\0\0\0tEXtprompt\0');
    head.writeUInt32BE(size);
    writeFileSync(place('big.png'), Buffer.concat([png.subarray(0, 33), head]));
    truncateSync(place('big.png'), 33 + 12 + size);
    appendFileSync(place('big.png'), png.subarray(33));
    const { exitCode, stderr } = await run(['info', 'big.png']);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr:
        'warning: big.png: chunk tEXt "prompt" has 104857600 bytes, more than 1048576; it is not read.\n',
    });
    const bomb = Buffer.from(png);
    bomb.writeUInt32BE(100_000, 16);
    bomb.writeUInt32BE(100_000, 20);
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    writeFileSync(place('bomb.png'), bomb);
    expect(await done('info', 'bomb.png')).toContain('bomb.png: PNG 100000x100000\n');
    const raw = { width: 8, height: 16, channels: 3, pageHeight: 8 } as const;
    const frames = Buffer.from(Array.from({ length: 384 }, (_, i) => i % 256));
    writeFileSync(place('moving.webp'), await sharp(frames, { raw }).webp({ loop: 0 }).toBuffer());
    expect((await run(['info', 'moving.webp'])).stderr).toBe(
      'warning: moving.webp: an animation of 2 frames.\n',
    );
  });
});

describe('again', () => {
  it.each(['png', 'jpg', 'webp'])('draws the same pixels from a .%s', async (ending) => {
    await draw(
      'first.png',
      '--sampler',
      'dpmpp_2m',
      '--schedule',
      'karras',
      '--negative',
      'rain',
      '--threads',
      '1',
    );
    const file = `a.${ending}`;
    await draw(
      file,
      '--sampler',
      'dpmpp_2m',
      '--schedule',
      'karras',
      '--negative',
      'rain',
      '--threads',
      '1',
    );
    const text = await done('again', file, '--out', 'b.png');
    expect(text).toMatch(new RegExp(`^b\\.png\nseed 5\nagain: .* again a\\.${ending} --seed 5\n`));
    expect(text).toMatch(new RegExp(`\nThe same pixels as a\\.${ending}\\.\n$`));
    expect(await pixels('b.png')).toEqual(await pixels('first.png'));
  });

  it('shifts seeds, takes other options, and says what is not as it was', async () => {
    await draw('a.png');
    const text = await done('again', 'a.png', '--seed', '+1', '--steps', '3', '--out', 'b.png');
    expect(text).toContain('Other pixels than a.png.\n  seed: 5 -> 6\n  steps: 2 -> 3\n');
    const shifted = await run(['again', 'a.png', '--seed=+1', '--out', 'c.png', '--json']);
    const result = JSON.parse(shifted.stdout);
    expect(result).toMatchObject({
      images: [{ path: place('c.png'), seed: 6, prompt: 'a fox', steps: 2 }],
      warnings: [],
      again: {
        file: place('a.png'),
        samePixels: false,
        differs: [{ what: 'seed', before: '5', now: '6' }],
      },
    });
    await done('again', 'c.png', '--seed', '-1', '--out', 'five.png', '--quiet');
    expect(await pixels('five.png')).toEqual(await pixels('a.png'));
    await done(
      'again',
      'a.png',
      '--seed',
      '6',
      '--num',
      '2',
      '--out',
      'many',
      '--quiet',
      '--metadata',
      'mark',
    );
    expect(await pixels('many/maliang-a-fox-6.png')).toEqual(await pixels('c.png'));
    expect(readPngText(readFileSync(place('many/maliang-a-fox-7.png')))).toHaveLength(1);
    expectFailure(
      await run(['again', 'a.png', '--seed', '-6']),
      2,
      '--seed: expected a seed that is shifted to no less than 0, got 5 -6.',
    );
    expectFailure(
      await run(['a fox', '--seed', '+1']),
      2,
      '--seed: expected a whole number from 0 to 9007199254740991, got +1.',
    );
  });

  it('finds the start picture and the mask again, and says when they changed', async () => {
    const data = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 7) % 256);
    const write = (name: string, channels: 1 | 3, bytes: Uint8Array) =>
      writeFileSync(place(name), encodePng({ width: 32, height: 32, channels, data: bytes }));
    write('init.png', 3, data);
    write('mask.png', 1, new Uint8Array(1024).fill(255, 512));
    await draw(
      'a.png',
      '--init',
      'init.png',
      '--mask',
      'mask.png',
      '--mask-blur',
      '2',
      '--strength',
      '0.9',
    );
    expect(await done('info', 'a.png')).toMatch(
      /started from: a picture and a mask\n[\s\S]*compositeWithTrainedAlgorithmicMedia/,
    );
    expect(await done('again', 'a.png', '--out', 'b.png')).toContain('The same pixels as a.png.');
    write('init.png', 3, data.toReversed());
    expect(await done('again', 'a.png', '--out', 'b.png')).toMatch(
      /Other pixels than a\.png\.\n {2}start\.sha256: [\da-f]{12} -> [\da-f]{12}\n$/,
    );
    rmSync(place('init.png'));
    expectFailure(
      await run(['again', 'a.png']),
      3,
      /a\.png: expected a file with SHA-256 [\da-f]{12}… to start from, got nothing at .*init\.png\. Give the picture with --init\./,
    );
  });

  it('another start picture takes the mask of the file', async () => {
    const write = (name: string, channels: 1 | 3, value: number) => {
      const data = new Uint8Array(1024 * channels).fill(value, 512 * channels);
      writeFileSync(place(name), encodePng({ width: 32, height: 32, channels, data }));
    };
    write('init.png', 3, 90);
    write('other.png', 3, 200);
    write('mask.png', 1, 255);
    const masked = ['--mask', 'mask.png', '--mask-blur', '1', '--strength', '0.9'];
    await draw('a.png', '--init', 'init.png', ...masked);
    await draw('b.png', '--init', 'other.png', ...masked);
    await done('again', 'a.png', '--init', 'other.png', '--out', 'c.png');
    expect(await pixels('c.png')).toEqual(await pixels('b.png'));
    await done('again', 'a.png', '--vary', 'other.png', '--variation-seed', '1', '--out', 'd.png');
    expect(await pixels('d.png')).not.toEqual(await pixels('b.png'));
  });

  it('a recipe by a stranger opens no network, no device and downloads nothing unasked', async () => {
    const write = (change: Partial<Recipe>): void =>
      foreign('s.png', { maliang: recipeJson({ ...someRecipe, ...change }) });
    const model = someRecipe.model;
    write({ model: { ...model, source: '//server/share' } });
    const network =
      's.png: expected the model mine (SHA-256 aaaaaaaaaaaa…) at //server/share, got a network path, which is not opened.';
    expectFailure(await run(['again', 's.png']), 3, network);
    write({ model: { ...model, source: '//server/share', commit: 'c' } });
    expectFailure(await run(['again', 's.png']), 3, network);
    write({ start: { of: 'file', sha256: hashLike('1'), path: '/dev/zero' }, strength: 0.5 });
    expectFailure(
      await run(['again', 's.png']),
      3,
      's.png: expected a file with SHA-256 111111111111… to start from, got nothing at /dev/zero. Give the picture with --init.',
    );
    write({ model: { ...model, source: 'owner/name', commit: '0'.repeat(40) } });
    const env = { HF_HOME: scratch(), HF_ENDPOINT: 'http://127.0.0.1:9' };
    expectFailure(await run(['again', 's.png'], env), 3, 'owner/name');
    write({ start: { of: 'latents', sha256: hashLike('1'), path: undefined } });
    expectFailure(
      await run(['again', 's.png']),
      3,
      's.png: expected latents to start from, got no place where they are. Give the picture with --init.',
    );
  });

  it('a model that moved must be shown, and is compared', async () => {
    await draw('a.png');
    const { path } = model;
    renameSync(path, `${path}-moved`);
    try {
      expectFailure(
        await run(['again', 'a.png']),
        3,
        /a\.png: expected the model .* \(SHA-256 [\da-f]{12}…\) at .*, got nothing there\. Say where it is with --model\./,
      );
      const text = await done('again', 'a.png', '--model', `${path}-moved`, '--out', 'b.png');
      expect(text).toContain('The same pixels as a.png.');
    } finally {
      renameSync(`${path}-moved`, path);
    }
    const text = await done(
      'again',
      'a.png',
      '--model',
      'builtin',
      '--out',
      'c.png',
      '--size',
      '64',
    );
    expect(text).toMatch(
      /Other pixels than a\.png\.\n {2}model\.sha256: [\da-f]{12} -> [\da-f]{12}\n/,
    );
  });

  it('of another program with --model; what cannot be followed is said', async () => {
    foreign('w.png', {
      parameters:
        'a fox <lora:ink:0.5>\nSteps: 2, Sampler: DDIM, CFG scale: 5, Seed: 5, Size: 64x64, Model hash: abc, Model: m, RNG: CPU, Hires upscale: 2',
    });
    expectFailure(
      await run(['again', 'w.png']),
      3,
      'w.png: expected --model, got a picture by AUTOMATIC1111 with the model m (abc). Say where the model is with --model; `--model builtin` draws with the built-in one.',
    );
    const { exitCode, stdout, stderr } = await run([
      'again',
      'w.png',
      '--model',
      model.path,
      '--out',
      'b.png',
    ]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr:
        'warning: AUTOMATIC1111, not followed: Hires upscale: 2\nwarning: AUTOMATIC1111, not followed: LoRA ink at 0.5; add it with --lora\n',
    });
    expect(stdout).toContain('Whether these are the pixels of w.png cannot be told.');
    await draw('a.png');
    expect(await pixels('b.png')).toEqual(await pixels('a.png'));
    foreign('i.png', {
      parameters:
        'a fox\nSteps: 2, Sampler: DDIM, CFG scale: 5, Seed: 5, Size: 64x64, Denoising strength: 0.5',
    });
    expectFailure(
      await run(['again', 'i.png', '--model', model.path]),
      3,
      'i.png: expected --init, got a picture that was started from a picture. Give it with --init.',
    );
  });

  it('a picture without a recipe, or with a broken or later one, is refused with a next step', async () => {
    foreign('plain.png', {});
    const next = 'See what it says with `maliang info`, and give the rest as options.';
    expectFailure(
      await run(['again', 'plain.png']),
      3,
      `plain.png: expected a recipe, got a picture that does not say how it was made. ${next}`,
    );
    await draw('min.png', '--metadata', 'minimal');
    expectFailure(await run(['again', 'min.png']), 3, 'min.png: expected a recipe');
    foreign('later.png', { maliang: '{"recipe":2}' });
    const { exitCode, stderr } = await run(['again', 'later.png']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('recipe: expected version 1, got 2. Update Maliang.');
    const chinese = await run(['again', 'plain.png'], { LANG: 'zh_CN.UTF-8' });
    expect(chinese.stderr).toContain('图片没有说明自己是怎样画出来的');
  });
});
