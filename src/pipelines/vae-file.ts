/** @file Another autoencoder in place of a model's own: a component folder, a model folder or a single file. */
import { join, resolve } from 'node:path';
import { readModelFolder } from '../hub/local-folder.js';
import { isFile } from '../hub/sidecar-file.js';
import { readWeightFile } from '../hub/weight-file.js';
import { readLoneVae } from '../models/single-file/lone-vae.js';
import type { LatentSpace } from './families.js';
import { partOf } from './located-part.js';
import { type ModelPart, readPart, readPartFolder } from './model-part.js';

type Autoencoder = ModelPart<'AutoencoderKL' | 'AutoencoderTiny'>;

export interface VaeFile {
  readonly vae: Autoencoder;
  readonly warnings: readonly string[];
}

/** Factors of the published models, which no weight file holds. */
const publishedScaling: Readonly<
  Record<LatentSpace, { readonly scaling_factor: number; readonly shift_factor?: number }>
> = {
  sd1: { scaling_factor: 0.18215 },
  sdxl: { scaling_factor: 0.13025 },
  sd3: { scaling_factor: 1.5305, shift_factor: 0.0609 },
};

/**
 * Reads the autoencoder at `path` for a model whose own is `own`; a single file takes from it what
 * weights do not show: scaling, shift, groups of the norms. Throws what reading a component throws.
 */
export async function readVae(
  path: string,
  own: Autoencoder | undefined,
  space: LatentSpace,
): Promise<VaeFile> {
  const classes = ['AutoencoderKL', 'AutoencoderTiny'] as const;
  const whole = resolve(path);
  if (await isFile(join(whole, 'model_index.json'))) {
    return { vae: await readPart(await readModelFolder(whole), 'vae', { classes }), warnings: [] };
  }
  if (!(await isFile(whole))) {
    return { vae: await readPartFolder(whole, { name: 'vae', classes }), warnings: [] };
  }
  const { tensors } = await readWeightFile(whole);
  const located = readLoneVae(whole, tensors, scalingOf(own, space));
  return { vae: partOf(located, tensors) as Autoencoder, warnings: located.warnings };
}

function scalingOf(own: Autoencoder | undefined, space: LatentSpace) {
  if (own?.className !== 'AutoencoderKL') return publishedScaling[space];
  const { scalingFactor, shiftFactor, latentsMean, latentsStd, normGroups, activation } =
    own.config;
  return {
    norm_num_groups: normGroups,
    act_fn: activation,
    scaling_factor: scalingFactor,
    shift_factor: shiftFactor,
    latents_mean: latentsMean ?? null,
    latents_std: latentsStd ?? null,
  };
}
