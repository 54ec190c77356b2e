/** @file Sample sheets of a diffusion run: pictures of the pool above drawings from their captions, on fixed seeds. */
import { TorchGenerator } from '../core/random.js';
import { elementCount, type TensorData } from '../core/tensor-data.js';
import { emitOnnx } from '../graph/emit.js';
import { LocalSession } from '../runtime/session.js';
import { planDdim } from '../schedulers/ddim.js';
import type { Denoise } from '../schedulers/sampler.js';
import { type DiffusionTraining, denoiserOutput } from './diffusion.js';
import { timeIdsOf } from './diffusion-batch.js';
import type { LatentPool, PoolEncoder } from './latent-pool.js';
import { sheetCount as count, sheetEntries, writeLatentSheet } from './latent-sheet.js';
import { createTextSession, encodeTexts, type TextTower } from './text-tower.js';
import type { TrainingRun } from './training-run.js';

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
  const { pool, autoencoder, training } = parts;
  const captions = sheetEntries(pool).map((entry) => pool.captions[entry]!);
  const latents = await drawLatents(parts, run, captions);
  const { pictureSize, run: settings } = training;
  const { threads } = settings;
  await writeLatentSheet(path, { pool, autoencoder, latents, pictureSize, threads });
}

/** Latents drawn from captions with classifier-free guidance, [count, c, h, w]; picture i has seed i. */
async function drawLatents(
  { training, pool, text, signal }: SheetParts,
  run: TrainingRun,
  captions: readonly string[],
): Promise<Float32Array> {
  const { generator, scheduler, run: settings } = training;
  const n = 2 * count; // captions, then as many empty texts
  await using textSession = await createTextSession(text, n, settings.threads);
  const texts = await encodeTexts(textSession, text, [...captions, ...captions.map(() => '')]);
  const output = denoiserOutput(generator, text, n, pool.shape);
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
