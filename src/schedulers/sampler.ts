/** @file The one interface of all samplers: a plan of timesteps and a run over a denoise callback. */
import { complain } from '../core/errors.js';
import type { AlignYourStepsTable } from './listed-sigmas.js';
import type { ScheduleName } from './schedule-names.js';

/** What the model's raw output means. */
export type PredictionType = 'epsilon' | 'v_prediction' | 'sample' | 'flow_prediction';

/**
 * The model, guidance included. `x` is already scaled to what the model expects; `timestep` is what
 * the model is conditioned on; `index` counts model calls along `Trajectory.timesteps`. Gives the
 * raw model output, as long as `x` (twice as long for learned variance).
 */
export type Denoise = (x: Float32Array, timestep: number, index: number) => Promise<Float32Array>;

/** What a sampler tells after each step. */
export interface StepEvent {
  /** Index into `Trajectory.timesteps` of the call just made. */
  readonly step: number;
  readonly timestep: number;
  /** Latents after the step. */
  readonly x: Float32Array;
  /** The model's present estimate of the finished latents, for previews. */
  readonly denoised: Float32Array;
}

/** Extra noise before a step, Karras et al. 2022, algorithm 2; samplers of the Euler family look at it. */
export interface Churn {
  /** Total churn, 0 or more. Default 0: none. */
  readonly amount?: number;
  /** Least and largest σ at which noise is added. Defaults 0 and infinity. */
  readonly least?: number;
  readonly largest?: number;
  /** Factor on the added noise; DPM-Solver SDE and the samplers of k-diffusion take it too. Default 1. */
  readonly noiseScale?: number;
}

export interface SampleOptions {
  /** First index into `Trajectory.timesteps`, a multiple of `order`; later than 0 for image-to-image. Default 0. */
  readonly start?: number;
  /** Number of pictures in `x`. Only samplers with per-picture statistics look at it. Default 1. */
  readonly batch?: number;
  /** Share of fresh noise, 0 to 1, in DDIM and TCD. Default 0. */
  readonly eta?: number;
  readonly churn?: Churn;
  /** DDIM: takes the noise estimate again from the clipped or thresholded picture. Default false. */
  readonly useClippedOutput?: boolean;
  /** Seeds of the Brownian paths, one per picture of the batch. Samplers with `usesBrownian` demand them. */
  readonly brownianSeeds?: readonly (bigint | number)[];
  /** Fresh standard normals, as many as `x` has values. Stochastic samplers demand it. */
  readonly noise?: (step: number) => Float32Array;
  /** Replaces the latents after a step, before the next one; inpainting puts known parts back. */
  readonly adjust?: (x: Float32Array, step: number) => Float32Array;
  readonly onStep?: (event: StepEvent) => void;
  readonly signal?: AbortSignal;
}

/** What a run is asked for. */
export interface PlanRequest {
  /** Number of denoising steps, 1 or more. */
  readonly steps: number;
  /** Tokens of one picture inside a transformer; dynamic shifting needs it. */
  readonly imageTokens?: number;
  /** Spacing of the noise levels. Default: what the configuration says. */
  readonly schedule?: ScheduleName;
  /** Whose published table `align_your_steps` takes. Default sd1. */
  readonly alignYourSteps?: AlignYourStepsTable;
  /**
   * Noise levels in place of a schedule, as diffusers' `set_timesteps(sigmas=…)` takes them: with the
   * last, final level for samplers over σ; without it, before shifting, for flow matching.
   */
  readonly sigmas?: readonly number[];
  /** Falling timesteps in place of a spacing, for the samplers whose diffusers class takes them. */
  readonly timesteps?: readonly number[];
  /** LCM and TCD: steps of the distilled schedule the run picks from. Default: the configuration's. */
  readonly originalSteps?: number;
}

/** One run: what a pipeline needs to know, whatever the sampler. */
export interface Trajectory {
  /** What the model is called with, in order. */
  readonly timesteps: readonly number[];
  /** Entries of `timesteps` per step: 1, or 2 for samplers of second order. */
  readonly order: number;
  /** Factor on standard normals to start from pure noise. */
  readonly initialNoiseScale: number;
  /** Clean latents at the noise level where step `step` begins. */
  addNoise(clean: Float32Array, noise: Float32Array, step: number): Float32Array;
  /** From latents at the level of `options.start` to clean latents. */
  sample(denoise: Denoise, x: Float32Array, options?: SampleOptions): Promise<Float32Array>;
}

/** A sampler with its configuration. */
export interface Sampler {
  readonly className: string;
  readonly predictionType: PredictionType;
  readonly trainTimesteps: number;
  /** Schedules `PlanRequest.schedule` may name. */
  readonly schedules: readonly ScheduleName[];
  /** Whether `SampleOptions.noise` is asked for: never, always, or when `eta` or `churn` say so. */
  readonly usesNoise: 'never' | 'always' | 'on request';
  /** Whether `SampleOptions.brownianSeeds` are asked for. */
  readonly usesBrownian: boolean;
  /** Model outputs are so many times as long as the latents: 2 where the variance is learned. */
  readonly outputWidth: 1 | 2;
  /** Configuration keys that have no effect here. */
  readonly warnings: readonly string[];
  plan(request: PlanRequest): Trajectory;
}

/** Tells the outcome of a step and gives the latents to go on with. */
export function finishStep(event: StepEvent, options: SampleOptions): Float32Array {
  options.onStep?.(event);
  return options.adjust?.(event.x, event.step) ?? event.x;
}

/** Throws USAGE unless `start` is an index into the timesteps (or their end: nothing to do). */
export function checkedStart(where: string, start: number, count: number): number {
  if (Number.isInteger(start) && start >= 0 && start <= count) return start;
  throw complain('USAGE', { where, expected: `a start from 0 to ${count}`, got: `${start}` });
}

/** Throws SHAPE when the model gives another number of values than it got. */
export function checkedOutput(where: string, output: Float32Array, length: number): Float32Array {
  if (output.length === length) return output;
  throw complain('SHAPE', {
    where,
    expected: `a model output of ${length} values`,
    got: `${output.length}`,
  });
}

/** Fresh noise for a step; USAGE when the caller gave no source or too few values. */
export function freshNoise(
  where: string,
  options: SampleOptions,
  step: number,
  length: number,
): Float32Array {
  const noise = options.noise?.(step);
  if (noise?.length === length) return noise;
  throw complain('USAGE', {
    where,
    expected: `options.noise to give ${length} standard normals`,
    got: noise === undefined ? 'no noise' : `${noise.length}`,
    next: 'Stochastic sampling draws noise in every step.',
  });
}
