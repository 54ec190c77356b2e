/** @file Autoencoders in bands of rows: equal to the whole up to rounding, at any size, within the memory planned. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FloatTensor, floatTensor } from '../../src/core/tensor-data.js';
import type { Graph, Tensor, TensorOf } from '../../src/graph/tensor.js';
import { input } from '../../src/graph/tensor.js';
import { autoencoderKlDecode, autoencoderKlEncode } from '../../src/models/autoencoder-kl.js';
import {
  autoencoderKlPresets,
  parseAutoencoderKlConfig,
} from '../../src/models/autoencoder-kl-config.js';
import { autoencoderTinyDecode, autoencoderTinyEncode } from '../../src/models/autoencoder-tiny.js';
import { Scope } from '../../src/models/registry.js';
import { floatOutput, SessionCache } from '../../src/pipelines/session-cache.js';
import { TextToImage } from '../../src/pipelines/text-to-image.js';
import { runAutoencoder } from '../../src/pipelines/tiled-run.js';
import { isLarge, passesOf, regionsOf, usualLimits } from '../../src/pipelines/tiling-plan.js';
import { Engine } from '../../src/runtime/engine.js';
import { values } from '../graph/case.js';
import { referenceFolder } from '../reference-folder.js';
import { caseConfig, type StoredPart, storedPart } from './stored-part.js';

let engine: Engine;
let sessions: SessionCache;
beforeAll(() => {
  engine = Engine.start({ threads: 1 });
  sessions = new SessionCache(engine);
});
afterAll(() => engine.dispose());

function decoder({ className, config }: StoredPart['part']): (latents: Tensor) => Graph {
  return (latents) =>
    new Map([
      [
        'picture',
        className === 'AutoencoderKL'
          ? autoencoderKlDecode(new Scope(), config, latents)
          : autoencoderTinyDecode(new Scope(), config as never, latents),
      ],
    ]);
}

function encoder({ className, config }: StoredPart['part']): (pictures: Tensor) => Graph {
  return (pictures) => {
    if (className !== 'AutoencoderKL') {
      return new Map([['mean', autoencoderTinyEncode(new Scope(), config as never, pictures)]]);
    }
    const { mean, logVariance } = autoencoderKlEncode(new Scope(), config, pictures);
    return new Map([
      ['mean', mean],
      ['logVariance', logVariance],
    ]);
  };
}

const random = (shape: readonly number[]): FloatTensor =>
  floatTensor(Float32Array.from(values(shape, 'any', 5)), shape);

/** Largest difference between banded and whole, over the largest value. */
async function difference(
  part: StoredPart['part'],
  build: (source: Tensor) => Graph,
  shape: readonly number[],
  limits = usualLimits,
): Promise<number> {
  const job = { part, form: shape.join('x'), build, source: ['x', random(shape)] as const };
  const whole = await runAutoencoder(sessions, { ...job, tiling: 'never' });
  const bands = await runAutoencoder(sessions, { ...job, tiling: 'always', limits });
  expect([...bands.keys()]).toEqual([...whole.keys()]);
  let worst = 0;
  for (const name of whole.keys()) {
    const [a, b] = [floatOutput(whole, name), floatOutput(bands, name)];
    expect(b.shape).toEqual([...a.shape]);
    const most = a.data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    a.data.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(value - b.data[i]!) / most);
    });
  }
  return worst;
}

const channels = (name: string): number => (caseConfig(name).latent_channels as number) ?? 4;

describe.each([
  'autoencoder-kl',
  'autoencoder-kl-four-stages',
  'autoencoder-kl-no-mid-attention',
  'autoencoder-tiny-gelu',
  'autoencoder-tiny-unequal-blocks',
])('%s', (name) => {
  it('decodes in bands', async () => {
    using stored = await storedPart(caseConfig(name));
    const shape = [1, channels(name), 9, 5];
    expect(await difference(stored.part, decoder(stored.part), shape)).toBeLessThan(1e-5);
  });

  it('encodes in bands', async () => {
    using stored = await storedPart(caseConfig(name));
    const shape = [1, stored.part.config.inChannels, 40, 24];
    expect(await difference(stored.part, encoder(stored.part), shape)).toBeLessThan(1e-5);
  });
});

describe('bands', () => {
  it('compute again what may not be kept', async () => {
    using stored = await storedPart(caseConfig('autoencoder-kl'));
    const shape = [1, channels('autoencoder-kl'), 16, 12];
    const graph = decoder(stored.part)(input('x', shape));
    const regions = regionsOf(graph, sourceOf(graph))!;
    const limits = { kept: 1, band: 1 };
    const kept = (passes: ReturnType<typeof passesOf>): number =>
      passes.filter(({ isKept }) => isKept).length;
    expect(kept(passesOf(regions, limits))).toBeLessThan(kept(passesOf(regions)));
    expect(await difference(stored.part, decoder(stored.part), shape, limits)).toBeLessThan(1e-5);
  });

  it('differ where the enlargement is bilinear, and still fit', async () => {
    const config = { ...caseConfig('autoencoder-tiny'), upsample_fn: 'bilinear' };
    using stored = await storedPart(config);
    const shape = [1, channels('autoencoder-tiny'), 13, 6];
    expect(await difference(stored.part, decoder(stored.part), shape)).toBeLessThan(1e-5);
  });

  it('leave nothing behind in the engine, and end with an abort', async () => {
    using stored = await storedPart(caseConfig('autoencoder-kl'));
    const shape = [1, channels('autoencoder-kl'), 16, 12];
    const job = { part: stored.part, form: 'aborted', build: decoder(stored.part) };
    const signal = AbortSignal.abort();
    const run = runAutoencoder(sessions, {
      ...job,
      source: ['x', random(shape)],
      tiling: 'always',
      signal,
    });
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await difference(stored.part, decoder(stored.part), shape)).toBeLessThan(1e-5);
  });
});

function sourceOf(graph: Graph): TensorOf<'Input'> {
  const seen = [...graph.values()];
  for (const node of seen) {
    if (node.op === 'Input') return node;
    seen.push(...node.inputs.filter((one) => !seen.includes(one)));
  }
  throw new Error('no input');
}

/** Bytes kept at the busiest moment of a plan: rows of dying pictures give way to those of the target. */
function mostKept(graph: Graph, source: Tensor): number {
  const regions = regionsOf(graph, source)!;
  const bytes = ({ shape }: Tensor): number => 4 * shape.reduce((a, b) => a * b, 1);
  const live = new Set(regions.entries);
  let most = 0;
  for (const { target, isKept, dying } of passesOf(regions)) {
    const before = [...live].reduce((sum, one) => sum + bytes(one), 0);
    for (const one of dying) live.delete(one);
    if (isKept) live.add(target);
    const after = [...live].reduce((sum, one) => sum + bytes(one), 0);
    most = Math.max(most, before, after);
  }
  return most;
}

describe('the plan', () => {
  const config = parseAutoencoderKlConfig(autoencoderKlPresets.sd);

  it('leaves 512² whole and tiles 768²', () => {
    for (const [side, isTiled] of [
      [64, false],
      [96, true],
    ] as const) {
      const latents = input('latents', [1, 4, side, side]);
      const graph = new Map([['y', autoencoderKlDecode(new Scope(), config, latents)]]);
      expect(isLarge(graph, latents)).toBe(isTiled);
    }
  });

  it('keeps less than 640 MiB of a picture of 1024², decoding and encoding', () => {
    const latents = input('latents', [1, 4, 128, 128]);
    const decode = new Map([['y', autoencoderKlDecode(new Scope(), config, latents)]]);
    expect(mostKept(decode, latents)).toBeLessThanOrEqual(640 * 2 ** 20);
    const pixels = input('pixels', [1, 3, 1024, 1024]);
    const encode = new Map([['y', autoencoderKlEncode(new Scope(), config, pixels).mean]]);
    expect(mostKept(encode, pixels)).toBeLessThanOrEqual(640 * 2 ** 20);
  });
});

describe('a pipeline', () => {
  it('draws the same picture in bands, from words and from a picture', async () => {
    using folder = referenceFolder('xl-single-encoder');
    await using pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
    const small = { width: 32, height: 24, steps: 2, seed: 3 };
    const { images } = await pipe.generate('a', { ...small, tiling: 'never' });
    const bands = await pipe.generate('a', { ...small, tiling: 'always' });
    expect(largest(bands.images[0]!.pixels, images[0]!.pixels)).toBeLessThanOrEqual(1);
    const { width, height, pixels } = images[0]!;
    const init = { width, height, channels: 3 as const, data: pixels };
    const from = { ...small, init, strength: 0.5 };
    const plain = await pipe.generate('a', { ...from, tiling: 'never' });
    const tiled = await pipe.generate('a', { ...from, tiling: 'always' });
    expect(largest(tiled.images[0]!.pixels, plain.images[0]!.pixels)).toBeLessThanOrEqual(1);
  });

  it('refuses another word', async () => {
    using folder = referenceFolder('xl-single-encoder');
    await using pipe = await TextToImage.fromPretrained(folder.path, { threads: 1 });
    const run = pipe.generate('a', { tiling: 'sometimes' as never });
    await expect(run).rejects.toMatchObject({ code: 'USAGE' });
  });
});

function largest(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}
