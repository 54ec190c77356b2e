/** @file The text-to-image pipeline as its users see it: seeds, streams, cancelling, disposal. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPngText } from '../../src/formats/png.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import { picturePng } from '../../src/pipelines/picture-png.js';
import { type GenerationEvent, TextToImage } from '../../src/pipelines/text-to-image.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { isRunning, median, residentKib } from '../runtime/process-state.js';

const small: GenerateOptions = { width: 32, height: 24, steps: 2 };

let folder: ReferenceFolder;
let pipe: TextToImage;

beforeAll(async () => {
  folder = referenceFolder('xl-single-encoder');
  pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
});
afterAll(async () => {
  await pipe.dispose();
  folder[Symbol.dispose]();
});

async function collect(prompt: string, options: GenerateOptions): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of pipe.stream(prompt, options)) events.push(event);
  return events;
}

describe('seeds', () => {
  it('draw the same picture alone and in a batch', async () => {
    const { images } = await pipe.generate('a red apple', { ...small, seed: 41, num: 4, eta: 0.5 });
    expect(images.map(({ seed }) => seed)).toEqual([41, 42, 43, 44]);
    for (const image of images) {
      const alone = await pipe.generate('a red apple', { ...small, seed: image.seed, eta: 0.5 });
      expect(alone.images[0]!.pixels).toEqual(image.pixels);
    }
    expect(new Set(images.map(({ pixels }) => pixels.join())).size).toBe(4);
  });

  it('are drawn below 2³² when not given, and told', async () => {
    const runs = [await pipe.generate('a', small), await pipe.generate('a', small)];
    const [first, second] = runs.map(({ images }) => images[0]!);
    expect(first!.seed).not.toBe(second!.seed);
    expect(first!.seed).toBeLessThan(2 ** 32);
    const again = await pipe.generate('a', { ...small, seed: first!.seed });
    expect(again.images[0]!.pixels).toEqual(first!.pixels);
  });

  it('stay exact above 2⁵³', async () => {
    const seed = 2n ** 53n - 1n;
    const { images } = await pipe.generate('a', { ...small, seed, num: 2 });
    expect(images.map((image) => image.seed)).toEqual([Number(seed), seed + 1n]);
  });
});

describe('a stream', () => {
  it('tells every step, then the picture, for each picture', async () => {
    const events = await collect('a red apple', { ...small, num: 2, seed: 1 });
    const told = events.map((e) =>
      e.kind === 'step'
        ? `${e.image}:${e.step}/${e.steps}`
        : `${e.kind} ${'image' in e && e.image}`,
    );
    expect(told).toEqual(['0:1/2', '0:2/2', 'image 0', '1:1/2', '1:2/2', 'image 1']);
  });

  it('previews the picture to come; the last preview is the picture', async () => {
    const previews: Uint8Array[] = [];
    for await (const event of pipe.stream('a red apple', { ...small, seed: 1, guidanceScale: 3 })) {
      if (event.kind === 'step') {
        const { width, height, pixels } = await event.preview();
        expect([width, height]).toEqual([32, 24]);
        previews.push(pixels);
      }
      if (event.kind === 'image') expect(previews.at(-1)).toEqual(event.picture.pixels);
    }
    expect(previews[0]).not.toEqual(previews[1]);
  });

  it('can be left at any point, and does no more work then', async () => {
    let steps = 0;
    for await (const event of pipe.stream('a', { ...small, steps: 500 })) {
      if (event.kind === 'step' && ++steps === 2) break;
    }
    const start = performance.now();
    await pipe.generate('a', small);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(steps).toBe(2);
  });

  it('shares the engine with another one without mixing them up', async () => {
    const ask = (prompt: string, seed: number) => pipe.generate(prompt, { ...small, seed });
    const alone = [await ask('a red apple', 1), await ask('a green frog', 2)];
    const together = await Promise.all([ask('a red apple', 1), ask('a green frog', 2)]);
    together.forEach(({ images }, i) => {
      expect(images[0]!.pixels).toEqual(alone[i]!.images[0]!.pixels);
    });
  });
});

describe('cancelling', () => {
  it('rejects at once, in the middle of a picture, and leaves the pipeline usable', async () => {
    const controller = new AbortController();
    const work = pipe.generate('a', { ...small, steps: 900, signal: controller.signal });
    work.catch(() => undefined);
    await sleep(150);
    const start = performance.now();
    controller.abort();
    await expect(work).rejects.toMatchObject({ code: 'CANCELLED', exitCode: 130 });
    expect(performance.now() - start).toBeLessThan(100);
    expect((await pipe.generate('a', small)).images).toHaveLength(1);
  });

  it('rejects between steps too', async () => {
    const controller = new AbortController();
    const stream = pipe.stream('a', { ...small, signal: controller.signal });
    expect((await stream.next()).value).toMatchObject({ kind: 'step', step: 1 });
    controller.abort();
    await expect(stream.next()).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('rejects before it begins', async () => {
    const signal = AbortSignal.abort();
    await expect(pipe.generate('a', { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    const load = TextToImage.fromPretrained(folder.path, { signal });
    await expect(load).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a pipeline', () => {
  it('ends its child when disposed, in the middle of work', async () => {
    const other = await TextToImage.fromPretrained(folder.path, { threads: 1 });
    const work = other.generate('a', { ...small, steps: 900 });
    work.catch(() => undefined);
    await sleep(300);
    const pid = other.enginePid!;
    await other.dispose();
    await expect(work).rejects.toMatchObject({ code: 'DISPOSED' });
    await expect(other.generate('a')).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(isRunning(pid)).toBe(false);
    await other.dispose();
  });

  it('works beside another one', async () => {
    await using other = await TextToImage.fromPretrained(folder.path, { threads: 1 });
    const asked = [pipe, other].map((p) => p.generate('a', { ...small, seed: 5 }));
    const [one, two] = await Promise.all(asked);
    expect(one!.images[0]!.pixels).toEqual(two!.images[0]!.pixels);
    expect(other.enginePid).not.toBe(pipe.enginePid);
  });

  it('goes on after its child was killed', async () => {
    await using other = await TextToImage.fromPretrained(folder.path, { threads: 1 });
    const before = await other.generate('a', { ...small, seed: 5 });
    const work = other.generate('a', { ...small, steps: 900 });
    work.catch(() => undefined);
    await sleep(100);
    process.kill(other.enginePid!, 'SIGKILL');
    await expect(work).rejects.toMatchObject({ code: 'RUNTIME_EXITED' });
    const after = await other.generate('a', { ...small, seed: 5 });
    expect(after.images[0]!.pixels).toEqual(before.images[0]!.pixels);
  });

  it('takes any size, more of them than stay loaded', async () => {
    const sizes = [4, 8, 12, 20, 36, 44];
    for (const side of [...sizes, 4]) {
      const { images } = await pipe.generate('a', { width: side, height: 8, steps: 1, seed: 1 });
      expect(images[0]).toMatchObject({ width: side, height: 8, elapsedMs: expect.any(Number) });
      expect(images[0]!.pixels).toHaveLength(side * 8 * 3);
    }
  });

  it('gives all memory back: twenty loads, one after the other', { timeout: 180_000 }, async () => {
    const resident: number[] = [];
    const pids: number[] = [];
    for (let cycle = 0; cycle < 20; cycle++) {
      await using other = await TextToImage.fromPretrained(folder.path, { threads: 1 });
      await other.generate('a', { ...small, steps: 1 });
      pids.push(other.enginePid!);
      resident.push(residentKib([process.pid, other.enginePid!]));
    }
    const [early, late] = [median(resident.slice(3, 8)), median(resident.slice(-5))];
    expect(late, `${resident}`).toBeLessThan(early * 1.1);
    expect(pids.filter(isRunning)).toEqual([]);
  });
});

describe('a prompt', () => {
  it('may be empty', async () => {
    const { warnings } = await pipe.generate('', small);
    expect(warnings).toEqual([]);
  });

  it('is cut with a warning when it is too long', async () => {
    const words = Array.from({ length: 5000 }, (_, i) => `w${i}`).join(' ');
    const plain = { ...small, steps: 1, promptSyntax: 'plain' } as const;
    const { warnings } = await pipe.generate(words, plain);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /^prompt: only the first 16 tokens are read; left out: "w \d.{190,}… and \d+ more characters"\.$/,
    );
    const negative = { ...plain, negativePrompt: words, guidanceScale: 2 };
    expect((await pipe.generate('a', negative)).warnings[0]).toMatch(/^negativePrompt: only/);
    const chunked = await pipe.generate(words, { ...small, steps: 1 });
    expect(chunked.warnings).toEqual([
      expect.stringMatching(/^prompt: only the first 512 tokens are read; left out: "/),
    ]);
  });

  it('warns when the negative prompt has no say', async () => {
    const options = { ...small, steps: 1, negativePrompt: 'rain', guidanceScale: 1 };
    expect((await pipe.generate('a', options)).warnings).toEqual([
      'negativePrompt: not looked at with a guidanceScale of 1.',
    ]);
  });

  it('is refused when it is not Unicode', async () => {
    await expect(pipe.generate('\ud800')).rejects.toMatchObject({ code: 'TOKENIZER' });
  });
});

it('writes PNG files that say how they were made', async () => {
  const options = { ...small, seed: 7, negativePrompt: 'rain', guidanceScale: 3 };
  const { images } = await pipe.generate('一个红苹果, flat', options);
  const [text] = readPngText(picturePng(images[0]!));
  expect(text!.keyword).toBe('parameters');
  const lines = text!.text.split('\n');
  expect(lines.slice(0, 2)).toEqual(['一个红苹果, flat', 'Negative prompt: rain']);
  expect(lines[2]).toMatch(
    /^Steps: 2, Sampler: DDIM, CFG scale: 3, Seed: 7, Size: 32x24, Model hash: [\da-f]{10}, Model: .+, Version: Maliang \d/,
  );
});

const refused: [GenerateOptions, string][] = [
  [
    { width: 33 },
    'width: expected a multiple of 4 pixels, up to 16384, got 33. The nearest is 32 or 36.',
  ],
  [{ height: 0 }, 'height: expected a multiple of 4 pixels, up to 16384, got 0. The nearest is 4.'],
  [
    { height: 1e9 },
    'height: expected a multiple of 4 pixels, up to 16384, got 1000000000. The nearest is 16384.',
  ],
  [{ steps: 0 }, 'steps: expected a whole number from 1 to 1000, got 0.'],
  [{ num: 1.5 }, 'num: expected a whole number from 1 to 10000, got 1.5.'],
  [{ seed: -1 }, 'seed: expected a whole number from 0 to 18446744073709551615, got -1.'],
  [{ seed: 2 ** 60 }, 'seed: expected'],
  [
    { seed: 2n ** 64n - 1n, num: 2 },
    'seed: expected a whole number from 0 to 18446744073709551614',
  ],
  [{ guidanceScale: Number.NaN }, 'guidanceScale: expected a number from 0 to 1000000, got NaN.'],
  [{ guidanceRescale: 2 }, 'guidanceRescale: expected a number from 0 to 1, got 2.'],
  [{ eta: -1 }, 'eta: expected a number from 0 to 1, got -1.'],
  [{ clipSkip: 3 }, 'clipSkip: expected a whole number from 0 to 2, got 3.'],
];

it.each(refused)('refuses %o', async (options, message) => {
  await expect(pipe.generate('a', options)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message),
  });
});

it.each([
  ['Nonsense', 'USAGE', 'sampler: expected a known sampler'],
  ['Eulr', 'USAGE', 'near to this Euler'],
  ['FlowMatchEulerDiscreteScheduler', 'MODEL_UNSUPPORTED', 'one for diffusion models'],
])('refuses the sampler %s', async (sampler, code, message) => {
  await expect(pipe.generate('a', { sampler })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

it('draws with any sampler that runs on the model, and the same again', {
  timeout: 120_000,
}, async () => {
  const pictures = new Set<string>();
  for (const sampler of ['Euler', 'DPM++ SDE', 'Heun', 'DPM++ 2M Karras', 'UniPC']) {
    const [one, two] = [
      await pipe.generate('a', { ...small, sampler, seed: 3 }),
      await pipe.generate('a', { ...small, sampler, seed: 3 }),
    ];
    expect(one.images[0]!.pixels).toEqual(two.images[0]!.pixels);
    pictures.add(one.images[0]!.pixels.join());
  }
  expect(pictures.size).toBe(5);
});
