/** @file Trains an AutoencoderTiny on pictograms: L1 plus L1 of edges at three scales, noisy unit-variance latents. */
import { TorchGenerator } from '../core/random.js';
import { elementCount, type TensorData } from '../core/tensor-data.js';
import { PictogramDataset } from '../data/pictograms.js';
import * as g from '../graph/build.js';
import { input, type Tensor } from '../graph/tensor.js';
import {
  type AutoencoderTinyConfig,
  autoencoderTinyDecode,
  autoencoderTinyEncode,
} from '../models/autoencoder-tiny.js';
import { initialise } from '../nn/initialise.js';
import { Scope } from '../nn/scope.js';
import type { Objective } from './gradient-session.js';
import { deriveSeed, type RunSettings } from './run-settings.js';
import { type OnSample, type RunOptions, TrainingRun } from './training-run.js';

export interface AutoencoderTraining {
  readonly run: RunSettings;
  readonly model: AutoencoderTinyConfig;
  /** Folder of the pictogram data set. */
  readonly data: string;
  /** Side of the square crops trained on; the network is fully convolutional. */
  readonly cropSize: number;
  /** Standard deviation of the noise added to latents before decoding. */
  readonly latentNoise: number;
}

/** How many pixels a latent spans per side. */
export function latentFactor({ encoderBlocks }: AutoencoderTinyConfig): number {
  return 2 ** (encoderBlocks.length - 1);
}

/** Mean absolute difference of neighbouring pixels' steps, down and across. */
function edgeLoss(a: Tensor, b: Tensor): Tensor {
  const difference = g.sub(a, b);
  const step = (axis: number): Tensor => {
    const size = difference.shape[axis]! - 1;
    const here = g.sliceAxis(difference, axis, 0, size);
    return g.mean(g.abs(g.sub(g.sliceAxis(difference, axis, 1, size), here)));
  };
  return g.add(step(2), step(3));
}

/** Distance of each latent channel from mean 0 and variance 1 over the batch. */
function momentLoss(latents: Tensor): Tensor {
  const mean = g.mean(latents, [0, 2, 3], true);
  const variance = g.mean(g.square(g.sub(latents, mean)), [0, 2, 3]);
  return g.add(g.mean(g.square(mean)), g.mean(g.square(g.sub(variance, 1))));
}

/** Inputs: pixels [n, 3, crop, crop] in [−1, 1] and noise of the latents' shape. */
export function autoencoderObjective(config: AutoencoderTraining): Objective {
  const { model, cropSize, latentNoise } = config;
  const n = config.run.microBatch;
  const side = cropSize / latentFactor(model);
  const pixels = input('pixels', [n, 3, cropSize, cropSize]);
  const noise = input('noise', [n, model.latentChannels, side, side]);
  const scope = new Scope();
  const latents = autoencoderTinyEncode(scope, model, pixels);
  const noisy = g.add(latents, g.mul(noise, latentNoise));
  let restored = autoencoderTinyDecode(scope, model, noisy);
  const difference = g.sub(restored, pixels);
  const l1 = g.mean(g.abs(difference));
  let edges = edgeLoss(restored, pixels);
  let target = pixels;
  for (let scale = 1; scale < 3; scale++) {
    restored = g.averagePool(restored, { kernel: 2 });
    target = g.averagePool(target, { kernel: 2 });
    edges = g.add(edges, edgeLoss(restored, target));
  }
  const moments = momentLoss(latents);
  const loss = g.add(g.add(l1, g.mul(edges, 0.5)), g.mul(moments, 0.1));
  return { loss, reports: { l1, mse: g.mean(g.square(difference)), moments } };
}

/** Two random crops of each drawn picture: drawing costs more than cropping. */
export function autoencoderBatch(
  data: PictogramDataset,
  config: AutoencoderTraining,
  first: number,
  size: number,
): Map<string, TensorData> {
  const { cropSize: crop, run, model, latentNoise } = config;
  const pixels = new Float32Array(size * 3 * crop * crop);
  for (let i = 0; i < size; i++) {
    const sample = data.sampleAt((first + i) >> 1, run.seed);
    const random = deriveSeed(run.seed, 1, first + i);
    const room = data.size - crop + 1;
    const [left, top] = [random % room, Math.floor(random / 65536) % room];
    for (let row = 0; row < 3 * crop; row++) {
      const [channel, y] = [Math.floor(row / crop), row % crop];
      const from = (channel * data.size + top + y) * data.size + left;
      const line = sample.pixels.subarray(from, from + crop);
      pixels.set(line, (i * 3 * crop + row) * crop);
    }
  }
  const side = crop / latentFactor(model);
  const shape = [size, model.latentChannels, side, side];
  const count = elementCount(shape);
  const noise =
    latentNoise > 0
      ? new TorchGenerator(deriveSeed(run.seed, 2, first)).randn(count)
      : new Float32Array(count);
  return new Map<string, TensorData>([
    ['pixels', { dtype: 'f32', shape: [size, 3, crop, crop], data: pixels }],
    ['noise', { dtype: 'f32', shape, data: noise }],
  ]);
}

/** Runs to the last step; `onSample` gets the averaged weights on the way and at the end. */
export async function trainAutoencoder(
  config: AutoencoderTraining,
  options: RunOptions,
  onSample?: OnSample,
): Promise<void> {
  const { seed } = config.run;
  using data = PictogramDataset.open(config.data, { sceneShare: 0.25, backgroundShare: 0.5 });
  await using run = await TrainingRun.open(
    autoencoderObjective(config),
    (parameters) => initialise(parameters, { seed }),
    config.run,
    options,
  );
  await run.toEnd(async (first, size) => autoencoderBatch(data, config, first, size), onSample);
}
