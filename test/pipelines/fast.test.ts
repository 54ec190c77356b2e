/** @file The fast mode: what it leaves out is what was planned, and leaving nothing out changes no byte. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interpret } from '../../src/graph/interpret.js';
import { input, inputsOf, parametersOf, type Tensor } from '../../src/graph/tensor.js';
import { parseComponent, Scope } from '../../src/models/registry.js';
import { skipConnections, unet2dCondition } from '../../src/models/unet-2d-condition.js';
import { fastPlan } from '../../src/pipelines/fast-plan.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import { infotext } from '../../src/pipelines/infotext.js';
import { generateOptionsOf, modelOptionsOf } from '../../src/pipelines/provenance/replay.js';
import { type GeneratedImage, TextToImage } from '../../src/pipelines/text-to-image.js';
import { values } from '../graph/case.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { caseConfig } from './stored-part.js';

describe('a plan', () => {
  const calls = (plan: ReturnType<typeof fastPlan>, count: number, start = 0) => ({
    guided: Array.from({ length: count }, (_, i) => (plan!.isGuided(start + i) ? 'g' : '-')).join(
      '',
    ),
    full: Array.from({ length: count }, (_, i) => (plan!.isFull(start + i) ? 'F' : '.')).join(''),
  });

  it('guides the middle and runs the whole network every so many steps', () => {
    const request = { range: { start: 0, end: 10 }, order: 1, branches: 12 };
    const plan = fastPlan({ guidance: [0.2, 0.7], interval: 3 }, request);
    // Guidance sets in at step 2, where nothing is kept for the other side.
    expect(calls(plan, 10)).toEqual({ guided: '--ggggg---', full: 'F.FF..F..F' });
  });

  it('counts from where a picture starts, and treats both calls of a step alike', () => {
    const request = { range: { start: 4, end: 15 }, order: 2, branches: 12 };
    const plan = fastPlan({ guidance: [0, 0.5], interval: 2 }, request);
    expect(calls(plan, 11, 4)).toEqual({ guided: 'gggggg-----', full: 'FF..FF..FF.' });
  });

  it('is none without being asked, and whole where there are no skip connections', () => {
    const request = { range: { start: 0, end: 4 }, order: 1, branches: 0 };
    expect([fastPlan(undefined, request), fastPlan(false, request)]).toEqual([
      undefined,
      undefined,
    ]);
    expect(fastPlan(true, request)).toMatchObject({ interval: 1, isExact: false });
  });

  it.each([
    [{ interval: 0 }, 'fast.interval: expected a whole number from 1 to 100, got 0'],
    [{ interval: 1.5 }, 'fast.interval'],
    [{ branch: 12 }, 'fast.branch: expected a whole number from 0 to 11, got 12'],
    [{ guidance: [0.5, 0.2] as const }, 'fast.guidance: expected two shares'],
    [{ guidance: [0, 1.1] as const }, 'fast.guidance'],
  ])('refuses %j', (asked, message) => {
    const request = { range: { start: 0, end: 10 }, order: 1, branches: 12 };
    expect(() => fastPlan(asked, request)).toThrow(message);
  });
});

/** The model's output, with other features below `branch` where given; and the features below it. */
function cutUnet(name: string, branch: number, isShallow: boolean) {
  const component = parseComponent('UNet2DConditionModel', caseConfig(name));
  if (component.className !== 'UNet2DConditionModel') throw new Error('no UNet');
  const { config } = component;
  let deep: Tensor | undefined;
  const width = config.encoderHidDim ?? config.crossAttentionDim[0]!;
  const { additionEmbed } = config;
  const output = unet2dCondition(new Scope(), config, {
    sample: input('sample', [1, config.inChannels, 8, 4]),
    timesteps: input('timesteps', [1]),
    encoderHiddenStates: input('states', [1, 2, width]),
    addedConditions:
      additionEmbed.kind === 'text_time'
        ? {
            textEmbeds: input('embeds', [1, additionEmbed.inputSize - 6 * additionEmbed.timeSize]),
            timeIds: input('ids', [1, 6]),
          }
        : undefined,
    below: {
      branch,
      pass: (features) => {
        deep = features;
        return isShallow ? input('deep', features.shape) : features;
      },
    },
  });
  return { output, deep: deep!, branches: skipConnections(config) };
}

describe.each(['unet-sd1', 'unet-sdxl', 'unet-one-stage', 'unet-mid-none'])(
  '%s cut in two',
  (name) => {
    it('gives the same at every skip connection when the features are fresh', () => {
      const { branches } = cutUnet(name, 0, false);
      for (const branch of new Set([0, 1, branches - 1])) {
        const whole = cutUnet(name, branch, false);
        const half = cutUnet(name, branch, true);
        const leaves = [...parametersOf([whole.output]), ...inputsOf([whole.output])];
        const feeds = new Map(
          leaves.map(([key, { shape }], i) => [key, values(shape, 'any', i).map((v) => v / 8)]),
        );
        const [output, deep] = interpret([whole.output, whole.deep], feeds);
        const [shallow] = interpret([half.output], new Map([...feeds, ['deep', deep!]]));
        const most = output!.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
        output!.forEach((value, i) => {
          expect(Math.abs(value - shallow![i]!)).toBeLessThanOrEqual(1e-9 * most);
        });
        const [all, above] = [whole, half].map((cut) => parametersOf([cut.output]).size);
        // Below the innermost one lies the middle block alone, if there is one.
        if (branch === 0) expect(above!).toBeLessThan(all!);
      }
    });
  },
);

describe('a picture', () => {
  const small: GenerateOptions = { width: 32, height: 24, steps: 5, seed: 3, guidanceScale: 5 };
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
  const draw = async (options: GenerateOptions): Promise<GeneratedImage> =>
    (await pipe.generate('a red apple', { ...small, ...options })).images[0]!;

  it('with nothing left out is the exact one', async () => {
    const exact = await draw({});
    const fast = await draw({ fast: { interval: 1, guidance: [0, 1] } });
    expect(fast.pixels).toEqual(exact.pixels);
    expect(exact.fast).toBeUndefined();
    expect(fast.fast).toMatchObject({ full: 10, shallow: 0, unguided: 0 });
  });

  it('makes the calls that were planned, and says so', async () => {
    const events = [];
    const fast = { interval: 2, guidance: [0, 0.6] as const };
    for await (const event of pipe.stream('a', { ...small, fast })) events.push(event);
    expect(events.map(({ kind }) => kind)).toEqual([
      ...['warning', 'step', 'step', 'step', 'step', 'step', 'image'],
    ]);
    expect(events[0]).toEqual({
      kind: 'warning',
      message:
        'fast: not the exact picture (guidance 0 to 0.6; UNet every 2 steps down from branch 0).',
    });
    const { picture } = events.at(-1) as { picture: GeneratedImage };
    // Guided steps 0, 1, 2 take two calls; steps 0, 2 and 4 the whole network.
    const report = { full: 2 + 2 + 1, shallow: 2 + 1, unguided: 2 };
    expect(picture.fast).toEqual({ ...fast, ...report, branch: 0, smallDecoder: false });
    expect(infotext(picture)).toContain('Fast: guidance 0 to 0.6; UNet every 2 steps');
  });

  it('of a sampler of second order, from a picture, under a mask, is drawn too', async () => {
    const heun = await draw({ sampler: 'heun', fast: { interval: 2, guidance: [0, 1] } });
    // Calls 0 and 1, 4 and 5, 8 are whole: steps 0, 2 and 4, the last of one call.
    expect(heun.fast).toMatchObject({ full: 10, shallow: 8, unguided: 0 });
    const { width, height, pixels } = heun;
    const init = { width, height, channels: 3 as const, data: pixels };
    const grey = pixels.map((_, i) => (Math.floor(i / 3) % width < 16 ? 255 : 0));
    const mask = { ...init, data: grey };
    const image = await draw({ init, strength: 0.6, fast: true });
    expect(image.fast).toMatchObject({ full: 2, shallow: 3, unguided: 1 });
    const masked = await draw({ init, mask, strength: 0.6, fast: true });
    expect(masked.fast).toMatchObject({ full: 2, shallow: 3, unguided: 1 });
  });

  it('is near the exact one, and the nearer the less is left out', async () => {
    const exact = await draw({});
    const far = async (fast: GenerateOptions['fast']): Promise<number> => {
      const { latents } = await draw({ fast });
      return Math.hypot(...latents.data.map((value, i) => value - exact.latents.data[i]!));
    };
    const size = Math.hypot(...exact.latents.data);
    const [little, much] = [
      await far({ interval: 2, guidance: [0, 1] }),
      await far({ interval: 5, guidance: [0, 0] }),
    ];
    expect(little).toBeGreaterThan(0);
    expect(little).toBeLessThan(much);
    expect(much).toBeLessThan(size);
  });
});

it('the preview decoder, where given, draws the picture', async () => {
  using folder = referenceFolder('sd1');
  using tiny = referenceFolder('xl-single-encoder');
  const previewDecoder = `${tiny.path}/vae`;
  await using pipe = await TextToImage.fromPretrained(folder.path, { threads: 1, previewDecoder });
  const small = { steps: 2, seed: 1, width: 32, height: 32 };
  const fast = { interval: 1, guidance: [0, 1] as const };
  const { images, warnings } = await pipe.generate('a', { ...small, fast });
  expect(images[0]!.fast).toMatchObject({ smallDecoder: true });
  expect(warnings[0]).toContain('small decoder');
  const { recipe } = images[0]!;
  expect(generateOptionsOf(recipe).fast).toEqual({ ...fast, branch: 0 });
  expect(modelOptionsOf(recipe)).toMatchObject({ previewDecoder });
  const exact = await pipe.generate('a', small);
  expect(exact.images[0]!.latents.data).toEqual(images[0]!.latents.data);
  expect(exact.images[0]!.pixels).not.toEqual(images[0]!.pixels);
});
