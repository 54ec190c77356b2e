/** @file Trajectory consistency sampler, Zheng et al. 2024 (strategic stochastic sampling), with the configuration of diffusers' TCDScheduler. */
import { combine } from './combine.js';
import { booleanField, type ConfigOf, choiceField, integerField, numberField } from './config.js';
import { checkedEta } from './ddim.js';
import { trainedTimesteps } from './ddpm.js';
import { checkedSignal, estimateAt, noisedAt } from './denoisers.js';
import { distilledTimesteps, distributed } from './lcm.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, PredictionType, SampleOptions, Trajectory } from './sampler.js';
import { alphasCumprod, checkedSteps } from './schedules.js';
import { trainingFields } from './sigma-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' TCDScheduler that have an effect. */
export const tcdFields = {
  ...trainingFields,
  betaStart: numberField(0.00085, 0),
  betaEnd: numberField(0.012, 0),
  betaSchedule: choiceField('scaled_linear', ['linear', 'scaled_linear', 'squaredcos_cap_v2']),
  originalInferenceSteps: integerField(50, 1),
  predictionType: choiceField('epsilon', ['epsilon', 'sample', 'v_prediction']),
  rescaleBetasZeroSnr: booleanField(false),
};
export type TcdConfig = ConfigOf<typeof tcdFields>;

/** Noise levels of a run: step i goes from `timesteps[i]` to `timesteps[i + 1]`, at the end to 0. */
export interface TcdSchedule {
  readonly timesteps: readonly number[];
  /** ᾱ of every training timestep. */
  readonly alphas: Float32Array;
  readonly predictionType: PredictionType;
}

/** Runs TCD. With `eta` it denoises further than asked and renoises to the level asked for. */
export async function sampleTcd(
  denoise: Denoise,
  x: Float32Array,
  schedule: TcdSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { timesteps, alphas, predictionType } = schedule;
  const run = new SamplerRun('TCD', schedule, denoise, options);
  const eta = checkedEta(options.eta ?? 0, 'TCD');
  for (let step = run.start; step < run.end; step++) {
    const next = timesteps[step + 1] ?? 0;
    const target = alphas[Math.floor(f(f(1 - eta) * next))]!;
    const output = await run.output(x, step);
    const estimate = estimateAt(predictionType, alphas[timesteps[step]!]!, x, output);
    const moved = noisedAt(target, estimate.denoised, estimate.epsilon);
    const isRenoised = eta > 0 && step + 1 < run.end;
    x = run.finish(
      step,
      isRenoised ? renoised(moved, f(alphas[next]! / target), run.noise(step, x.length)) : moved,
      estimate.denoised,
    );
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planTcd(config: TcdConfig, request: PlanRequest): Trajectory {
  const alphas = alphasCumprod(config);
  const timesteps = timestepsOf(config, request);
  const own = timesteps.map((t) => alphas[t]!);
  checkedSignal('TCD', config, own, timesteps);
  const schedule = { ...config, timesteps, alphas };
  return {
    timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => noisedAt(own[step]!, clean, noise),
    sample: (denoise, x, options) => sampleTcd(denoise, x, schedule, options),
  };
}

/** As LCM; a number of original steps given with the run stands for all training timesteps. */
function timestepsOf(config: TcdConfig, request: PlanRequest): number[] {
  const { numTrainTimesteps: train } = config;
  if (request.timesteps) return trainedTimesteps('TCD', request.timesteps, train);
  if (request.originalSteps === undefined) return distilledTimesteps('TCD', config, request);
  checkedSteps(request.steps, Math.min(request.originalSteps, train));
  return distributed(train, request.steps).map((i) => train - 1 - i);
}

function renoised(x: Float32Array, kept: number, noise: Float32Array): Float32Array {
  return combine([Math.sqrt(kept), x], [Math.sqrt(f(1 - kept)), noise]);
}
