/** @file What is known of a checkpoint before its parameters are looked for, and what a family makes of it. */
import { complain } from '../../core/errors.js';
import type { ConfigJson } from '../config-reader.js';
import type { ComponentSketch } from './component.js';
import type { StoredShapes } from './origin.js';
import { decidePrediction, type Prediction, type PredictionType } from './prediction.js';
import type { Sidecar } from './sidecar.js';

export type FamilyName = 'sd1' | 'sd2' | 'sdxl' | 'sdxl-refiner' | 'sd3';

/** What was read of the file without its weights. */
export interface CheckpointFacts {
  /** For messages. */
  readonly path: string;
  readonly tensors: StoredShapes;
  readonly metadata: ReadonlyMap<string, string>;
  /** Value of the `global_step` tensor, where there is one. */
  readonly globalStep?: number | undefined;
  readonly sidecar?: Sidecar | undefined;
}

export interface CheckpointOverrides {
  readonly predictionType?: PredictionType | undefined;
  /** Whole configurations by component folder, `scheduler` among them, as diffusers' `config` gives. */
  readonly configs?: Readonly<Record<string, ConfigJson>> | undefined;
  /** True when another autoencoder is used, so that the file need not have one. */
  readonly withoutVae?: boolean | undefined;
}

/** A text encoder's tokenizer: CLIP's, but for the padding. */
export interface CheckpointTokenizer {
  readonly name: string;
  readonly padToken: '<|endoftext|>' | '!';
}

export const unetPrefix = 'model.diffusion_model.';

/** What a family makes of a file, before parameters are looked for. */
export interface Plan {
  readonly family: FamilyName;
  readonly className: string;
  readonly options: ConfigJson;
  readonly sketches: readonly ComponentSketch[];
  readonly tokenizers: readonly CheckpointTokenizer[];
  readonly scheduler: ConfigJson;
  /** Undefined for models that predict a velocity by construction. */
  readonly prediction?: Prediction | undefined;
}

export function decide(
  { metadata, tensors, globalStep, sidecar }: CheckpointFacts,
  { predictionType }: CheckpointOverrides,
  family: { readonly isAmbiguous: boolean; readonly isInpainting: boolean },
): Prediction {
  return decidePrediction({
    override: predictionType,
    sidecar: sidecar?.prediction && { type: sidecar.prediction, file: sidecar.file },
    metadata,
    has: (key) => tensors.has(key),
    globalStep,
    ...family,
  });
}

export function tokenizers(
  ...rows: readonly (readonly [string, CheckpointTokenizer['padToken']])[]
): CheckpointTokenizer[] {
  return rows.map(([name, padToken]) => ({ name, padToken }));
}

export function lacking(path: string, what: string): Error {
  return complain('WEIGHTS', {
    where: path,
    expected: `${what} beside the denoiser`,
    got: 'no such tensors',
    next: 'Use the full checkpoint, or the folder in the diffusers layout.',
  });
}

export function unsupported(path: string, got: string): Error {
  return complain('MODEL_UNSUPPORTED', {
    where: path,
    expected: 'a checkpoint of SD 1, SD 2, SDXL, its refiner or SD 3 in the original key names',
    got,
    next: 'Maliang does not run this file as a model.',
  });
}
