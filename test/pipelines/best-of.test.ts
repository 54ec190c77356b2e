/** @file Best of N over a tiny model: the right pictures are kept, waiting half-drawn changes none, the report draws the losers again. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BestOfEvent, type BestOfOptions, bestOf } from '../../src/pipelines/best-of.js';
import type { Pixels } from '../../src/pipelines/decode-latents.js';
import type { Panel } from '../../src/pipelines/judging.js';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';

const meanOf = ({ pixels }: Pixels): number =>
  pixels.reduce((sum, value) => sum + value, 0) / pixels.length;

/** A judge by hand: what it makes of a picture under each prompt. */
type HandJudge = readonly [name: string, value: (picture: Pixels, prompt: string) => number];

/** Likes bright pictures, whatever they show. */
const bright: HandJudge = ['bright', meanOf];
/** Likes pictures as bright as the prompt is long. */
const fitting: HandJudge = [
  'fitting',
  (picture, prompt) => -Math.abs(meanOf(picture) - prompt.length),
];

function panelOf(...judges: readonly HandJudge[]): Panel {
  return {
    score: async (pictures, prompts) => ({
      scores: judges.map(([judge, value]) => ({
        judge,
        model: 'by hand',
        weightHash: '0',
        values: pictures.map(({ data, ...size }) => {
          const read = value.length > 1 ? prompts : prompts.slice(0, 1);
          return read.map((prompt) => value({ ...size, pixels: data }, prompt));
        }),
      })),
      warnings: [],
    }),
  };
}
const panel = panelOf(bright);

let folder: ReferenceFolder;
let pipe: TextToImage;
beforeAll(async () => {
  folder = referenceFolder('sd1');
  pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
});
afterAll(async () => {
  await pipe.dispose();
  folder[Symbol.dispose]();
});

const small = { width: 24, height: 16, steps: 4, guidanceScale: 3, seed: 40 } as const;

async function run(options: Omit<BestOfOptions, keyof typeof small>, prompt = 'a star') {
  const events: BestOfEvent[] = [];
  for await (const event of bestOf(pipe, prompt, { ...small, ...options })) events.push(event);
  const last = events.at(-1)!;
  if (last.kind !== 'ranking') throw new Error('no ranking at the end');
  return { events, ...last };
}

async function alone(seed: number, prompt = 'a star') {
  const { images } = await pipe.generate(prompt, { ...small, seed });
  return images[0]!;
}

describe('best of N', () => {
  it('keeps the best, which are the pictures their seeds draw alone', async () => {
    const { kept, report } = await run({ n: 5, keep: 2, panel });
    const singles = await Promise.all([40, 41, 42, 43, 44].map((seed) => alone(seed)));
    const order = [...singles].sort((a, b) => meanOf(b) - meanOf(a));
    expect(report.candidates.map(({ seed }) => seed)).toEqual(order.map(({ seed }) => seed));
    expect(report.candidates.map(({ rank }) => rank)).toEqual([1, 2, 3, 4, 5]);
    expect(report.candidates.map(({ isKept }) => isKept)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(kept.map(({ pixels }) => pixels)).toEqual(order.slice(0, 2).map(({ pixels }) => pixels));
    expect(report.candidates[0]!.scores.bright!.value).toBe(meanOf(order[0]!));
  });

  it('gives weak candidates up and draws the others as if alone', async () => {
    const earlyRejection = { after: 0.5, survivors: 0.4 };
    const { events, finished, report } = await run({ n: 5, panel, earlyRejection });
    expect(finished.length).toBe(2);
    const gone = events.filter(({ kind }) => kind === 'rejected');
    expect(gone.length).toBe(3);
    expect(report.candidates.slice(2).map(({ rejectedAfter }) => rejectedAfter)).toEqual([2, 2, 2]);
    const seeds = report.candidates.map(({ seed }) => Number(seed));
    expect([...seeds].sort()).toEqual([40, 41, 42, 43, 44]);
    for (const picture of finished) {
      expect(picture.pixels).toEqual((await alone(Number(picture.seed))).pixels);
    }
    const steps = events.filter(({ kind }) => kind === 'step').length;
    expect(steps).toBe(5 * 2 + 2 * 2);
  });

  it('gives nothing up when only the last step is left', async () => {
    const { events, finished } = await run({ n: 3, panel, earlyRejection: { after: 0.9 } });
    expect(finished.length).toBe(3);
    expect(events.filter(({ kind }) => kind === 'rejected')).toEqual([]);
    expect(events.filter(({ kind }) => kind === 'image').length).toBe(3);
  });

  it('never gives up so many that too few are left to keep', async () => {
    const earlyRejection = { survivors: 0.1 };
    const { kept } = await run({ n: 4, keep: 3, panel, earlyRejection });
    expect(kept.length).toBe(3);
  });

  it('judges by the margin over near misses', async () => {
    const nearMisses = ['x'.repeat(128), 'x'.repeat(200)];
    const { report, finished } = await run({ n: 3, panel: panelOf(fitting, bright), nearMisses });
    expect(report.judges).toEqual([
      { judge: 'fitting', model: 'by hand', weightHash: '0' },
      { judge: 'bright', model: 'by hand', weightHash: '0' },
    ]);
    report.candidates.forEach(({ scores }, at) => {
      const mean = meanOf(finished[at]!);
      const [own, ...others] = [6, 128, 200].map((length) => -Math.abs(mean - length));
      expect(scores.fitting!.value).toBeCloseTo(own!, 10);
      expect(scores.fitting!.margin).toBeCloseTo(own! - Math.max(...others), 10);
      expect(scores.bright!.value).toBe(mean);
    });
  });

  it('is a way to call generate', async () => {
    const options = { ...small, n: 3, keep: 2 };
    const { images, report } = await pipe.generate('a star', { ...options, judge: panel });
    const { kept } = await run({ n: 3, keep: 2, panel });
    expect(images.map(({ pixels }) => pixels)).toEqual(kept.map(({ pixels }) => pixels));
    expect(report!.candidates.length).toBe(3);
    const byClip = await pipe.generate('a star', options);
    expect(byClip.report!.judges).toMatchObject([{ judge: 'clip', model: 'builtin' }]);
    await expect(pipe.generate('a star', { ...options, judge: ['blip-itm'] })).rejects.toThrow(
      'judge blip: expected the folder or id of its model, got none.',
    );
  });

  it('counts judges by weight', async () => {
    const both = panelOf(bright, ['dark', (picture) => -meanOf(picture)]);
    const { report } = await run({ n: 3, panel: both, weights: { bright: 0 } });
    const means = report.candidates.map(({ scores }) => scores.bright!.value);
    expect(means).toEqual([...means].sort((a, b) => a - b));
  });

  it('turns variations one by one', async () => {
    const { report } = await run({
      n: 2,
      panel,
      variationSeed: 7,
      variationStrength: 0.4,
    });
    const told = report.candidates.map(({ seed, variationSeed }) => [seed, variationSeed]);
    expect(told.sort()).toEqual([
      [40, 7],
      [40, 8],
    ]);
  });

  it('tells a warning once', async () => {
    const { events } = await run({ n: 3, panel }, 'word '.repeat(100));
    expect(events.filter(({ kind }) => kind === 'warning').length).toBe(1);
  });

  it('ends at once when aborted', async () => {
    const controller = new AbortController();
    const stream = bestOf(pipe, 'a star', {
      ...small,
      n: 50,
      panel,
      signal: controller.signal,
    });
    await stream.next();
    controller.abort();
    await expect(
      (async () => {
        for await (const _ of stream);
      })(),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
    await alone(1);
  });

  it.each([
    [{ n: 0, panel }, 'n: expected a whole number from 1 to 1000, got 0'],
    [{ n: 3, keep: 4, panel }, 'keep: expected a whole number from 1 to 3, got 4'],
    [{ n: 3, panel, earlyRejection: { after: 1 } }, 'earlyRejection.after: expected'],
    [{ n: 3, panel, earlyRejection: { survivors: 0 } }, 'earlyRejection.survivors:'],
  ])('refuses %j', async (options, message) => {
    await expect(run(options)).rejects.toThrow(`best of: ${message}`);
  });
});
