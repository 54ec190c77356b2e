/** @file Sample sheets of a diffusion run: pictures of the pool above drawings from their captions, on fixed seeds. */
import { TorchGenerator } from '../core/random.js';
import { elementCount, type TensorData } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import { autoencoderTinyDecode } from '../models/autoencoder-tiny.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import { planDdim } from '../schedulers/ddim.js';
import type { Denoise } from '../schedulers/sampler.js';
import type { DiffusionTraining } from './diffusion.js';
import { timeIdsOf } from './diffusion-batch.js';
import { timeIdCount } from './generator.js';
import type { LatentPool, PoolEncoder } from './latent-pool.js';
import { encodeSheet } from './sheet.js';
import { createTextSession, encodeTexts, type TextTower } from './text-tower.js';
import type { TrainingRun } from './training-run.js';

const count = 8;
const steps = 20;
const guidanceScale = 3;

export interface SheetParts {
  readonly training: DiffusionTraining;
  readonly pool: LatentPool;
  readonly text: TextTower;
  readonly autoencoder: PoolEncoder;
  readonly signal?: AbortSignal | undefined;
}

/** Draws with the averaged weights. Throws CANCELLED, RUNTIME, DISK_FULL or FILE_WRITE. */
export async function writeDiffusionSheet(
  parts: SheetParts,
  run: TrainingRun,
  path: string,
): Promise<void> {
  const { pool } = parts;
  const entries = Array.from({ length: count }, (_, i) => Math.floor((i * pool.size) / count));
  const captions = entries.map((entry) => pool.captions[entry]!);
  const drawn = await drawLatents(parts, run, captions);
  const known = entries.map((entry) => pool.latents(entry));
  const latents = Float32Array.from([...known.flatMap((one) => [...one]), ...drawn]);
  const size = parts.training.pictureSize;
  const pixels = await decode(parts, latents);
  const pictures = Array.from({ length: 2 * count }, (_, i) =>
    pixels.subarray(i * 3 * size * size, (i + 1) * 3 * size * size),
  );
  await writeFileAtomically(path, encodeSheet(pictures, size, count));
}

/** Latents drawn from captions with classifier-free guidance, [count, c, h, w]; picture i has seed i. */
async function drawLatents(
  { training, pool, text, signal }: SheetParts,
  run: TrainingRun,
  captions: readonly string[],
): Promise<Float32Array> {
  const { generator, scheduler, run: settings } = training;
  const n = 2 * count; // captions, then as many empty texts
  await using textSession = await createTextSession(text.config, n, settings.threads);
  const texts = await encodeTexts(textSession, text, [...captions, ...captions.map(() => '')]);
  const output = generator.build(new Scope(), {
    sample: input('sample', [n, ...pool.shape]),
    timesteps: input('timesteps', [n]),
    textStates: input('textStates', [n, text.config.maxPositions, text.config.hiddenSize]),
    textEmbeds: input('textEmbeds', [n, text.config.projectionDim]),
    timeIds: input('timeIds', [n, timeIdCount]),
  });
  const model = emitOnnx(new Map([['output', output]]));
  await using session = await LocalSession.create(model, { threads: settings.threads });
  const fixed = new Map<string, TensorData>([
    ...run.averages(),
    ...generator.frozen,
    ...texts,
    ['timeIds', timeIdsOf(n, training.pictureSize)],
  ]);
  const denoise: Denoise = async (x, timestep) => {
    const sample: TensorData = {
      dtype: 'f32',
      shape: [n, ...pool.shape],
      data: Float32Array.from([...x, ...x]),
    };
    const timesteps: TensorData = {
      dtype: 'f32',
      shape: [n],
      data: new Float32Array(n).fill(timestep),
    };
    const results = await session.run(
      new Map([...fixed, ['sample', sample], ['timesteps', timesteps]]),
    );
    const both = results.get('output')!.data as Float32Array;
    return x.map((_, i) => {
      const without = both[x.length + i]!;
      return without + guidanceScale * (both[i]! - without);
    });
  };
  const values = elementCount(pool.shape);
  const noise = captions.flatMap((_, i) => [...new TorchGenerator(i).randn(values)]);
  return await planDdim(scheduler, { steps }).sample(denoise, Float32Array.from(noise), {
    batch: count,
    ...(signal ? { signal } : {}),
  });
}

/** Latents [2·count, c, h, w] -> pictures [2·count, 3, size, size]. */
async function decode(
  { training, pool, autoencoder }: SheetParts,
  data: Float32Array,
): Promise<Float32Array> {
  const { config, weights } = autoencoder;
  const latents = input('latents', [2 * count, ...pool.shape]);
  const unscaled = g.add(g.div(latents, config.scalingFactor), config.shiftFactor);
  const pictures = autoencoderTinyDecode(new Scope(), config, unscaled);
  const model = emitOnnx(new Map([['pictures', pictures]]));
  const { threads } = training.run;
  await using session = await LocalSession.create(model, { threads });
  const feed: TensorData = { dtype: 'f32', shape: latents.shape, data };
  const results = await session.run(new Map([...weights, ['latents', feed]]));
  return results.get('pictures')!.data as Float32Array;
}
