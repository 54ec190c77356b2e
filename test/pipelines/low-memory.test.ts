/** @file Low memory and 8-bit linear layers: the same pictures within their lines, one component loaded at a time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { floatTensor } from '../../src/core/tensor-data.js';
import { input } from '../../src/graph/tensor.js';
import { autoencoderTinyDecode } from '../../src/models/autoencoder-tiny.js';
import { clipText } from '../../src/models/clip-text.js';
import { Scope } from '../../src/models/registry.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import type { ModelPart } from '../../src/pipelines/model-part.js';
import { readRecipe, recipeJson } from '../../src/pipelines/provenance/recipe.js';
import { modelOptionsOf } from '../../src/pipelines/provenance/replay.js';
import { plainMode } from '../../src/pipelines/run-mode.js';
import { SessionCache } from '../../src/pipelines/session-cache.js';
import {
  type FromPretrainedOptions,
  type GeneratedImage,
  TextToImage,
} from '../../src/pipelines/text-to-image.js';
import { readTextToImageModel } from '../../src/pipelines/text-to-image-model.js';
import { Engine } from '../../src/runtime/engine.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';

const small: GenerateOptions = { width: 32, height: 24, steps: 3, seed: 3, guidanceScale: 5 };

async function draw(
  path: string,
  how: FromPretrainedOptions,
  options: GenerateOptions = {},
): Promise<GeneratedImage> {
  await using pipe = await TextToImage.fromPretrained(path, { threads: 1, ...how });
  return (await pipe.generate('a red apple', { ...small, ...options })).images[0]!;
}

function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}

describe.each(['sd1', 'xl', 'sd3', 'lcm'])('%s in low memory', (name) => {
  it('draws the same picture', async () => {
    using folder = referenceFolder(name);
    const plain = await draw(folder.path, {});
    const lean = await draw(folder.path, { lowMemory: true });
    const size = plain.latents.data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    expect(largest(lean.latents.data, plain.latents.data)).toBeLessThan(1e-4 * size);
    expect(largest(lean.pixels, plain.pixels)).toBeLessThanOrEqual(1);
  });
});

it('draws from a picture and in the fast mode too', async () => {
  using folder = referenceFolder('sd1');
  const { width, height, pixels } = await draw(folder.path, {});
  const init = { width, height, channels: 3 as const, data: pixels };
  const options = { init, strength: 0.7, fast: { interval: 2, guidance: [0, 0.5] as const } };
  const plain = await draw(folder.path, {}, options);
  const lean = await draw(folder.path, { lowMemory: true }, options);
  expect(largest(lean.pixels, plain.pixels)).toBeLessThanOrEqual(1);
  expect(lean.fast).toEqual(plain.fast);
});

describe('components', () => {
  let folder: ReferenceFolder;
  let engine: Engine;
  beforeAll(() => {
    folder = referenceFolder('xl-single-encoder');
    engine = Engine.start({ threads: 1 });
  });
  afterAll(async () => {
    await engine.dispose();
    folder[Symbol.dispose]();
  });

  const runs = async (sessions: SessionCache): Promise<string[][]> => {
    const { towers, vae } = await readTextToImageModel(folder.path);
    const text = towers[0]!.part;
    const read = () =>
      sessions.run({
        part: text as ModelPart,
        form: 'text',
        build: () => {
          const ids = input('ids', [1, 4], 'i64');
          const eosPosition = input('eosPosition', [1], 'i64');
          const { lastHiddenState } = clipText(new Scope(), text.config, { ids, eosPosition });
          return new Map([['states', lastHiddenState]]);
        },
        feeds: new Map([
          ['ids', { dtype: 'i64', shape: [1, 4], data: new BigInt64Array(4) }],
          ['eosPosition', { dtype: 'i64', shape: [1], data: new BigInt64Array(1) }],
        ]),
      });
    const decode = (side: number) => {
      const shape = [1, 4, side, side];
      return sessions.run({
        part: vae,
        form: `${side}`,
        build: () =>
          new Map([
            ['y', autoencoderTinyDecode(new Scope(), vae.config as never, input('x', shape))],
          ]),
        feeds: new Map([['x', floatTensor(new Float32Array(4 * side * side), shape)]]),
      });
    };
    const loaded: string[][] = [];
    for (const run of [read, () => decode(2), () => decode(3), read]) {
      await run();
      loaded.push([...sessions.loaded]);
    }
    return loaded;
  };

  it('are loaded one at a time', async () => {
    const lean = new SessionCache(engine, undefined, { ...plainMode, lowMemory: true });
    const [text, vae] = ['text_encoder_2', 'vae'];
    expect(await runs(lean)).toEqual([[text], [vae], [vae], [text]]);
  });

  it('stay loaded otherwise', async () => {
    const [text, vae] = ['text_encoder_2', 'vae'];
    expect((await runs(new SessionCache(engine))).at(-1)).toEqual([vae, vae, text]);
  });
});

describe('8-bit linear layers', () => {
  it.each(['sd1', 'sd3'])(
    'of %s draw nearly the same picture, in low memory as well',
    async (name) => {
      using folder = referenceFolder(name);
      const plain = await draw(folder.path, {});
      const rounded = await draw(folder.path, { precision: 'int8' });
      const lean = await draw(folder.path, { precision: 'int8', lowMemory: true });
      const norm = (values: Float32Array): number => Math.hypot(...values);
      const again = modelOptionsOf(readRecipe(recipeJson(lean.recipe)));
      expect(again).toMatchObject({ precision: 'int8', lowMemory: true });
      for (const { latents } of [rounded, lean]) {
        const error = latents.data.map((value, i) => value - plain.latents.data[i]!);
        expect(norm(error)).toBeGreaterThan(0);
        expect(norm(error) / norm(plain.latents.data)).toBeLessThan(0.05);
      }
    },
  );

  it('are refused in another precision', async () => {
    using folder = referenceFolder('sd1');
    const run = TextToImage.fromPretrained(folder.path, { precision: 'int4' as never });
    await expect(run).rejects.toMatchObject({ code: 'USAGE' });
  });
});
