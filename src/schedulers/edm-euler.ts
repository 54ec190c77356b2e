/** @file Euler sampler with the preconditioning of Karras et al. 2022 (EDM), with the configuration of diffusers' EDMEulerScheduler. */
import { combine, slope } from './combine.js';
import { type ConfigOf, choiceField, integerField, numberField } from './config.js';
import { noisedAtSigma } from './denoisers.js';
import { churned } from './euler.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, PredictionType, SampleOptions, Trajectory } from './sampler.js';
import { checkedSteps, linspaceF32 } from './schedules.js';
import { karrasSigmas } from './sigmas.js';

const f = Math.fround;

/** Keys and defaults of diffusers' EDMEulerScheduler. */
export const edmEulerFields = {
  sigmaMin: numberField(0.002, 0),
  sigmaMax: numberField(80, 0),
  sigmaData: numberField(0.5, 0),
  sigmaSchedule: choiceField('karras', ['karras', 'exponential']),
  numTrainTimesteps: integerField(1000, 1),
  predictionType: choiceField('epsilon', ['epsilon', 'v_prediction']),
  rho: numberField(7, 0),
  finalSigmasType: choiceField('zero', ['zero', 'sigma_min']),
};
export type EdmEulerConfig = ConfigOf<typeof edmEulerFields>;

/** Noise levels of a run, the last one final, and the deviation of clean latents. */
export interface EdmEulerSchedule {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
  readonly sigmaData: number;
  readonly predictionType: PredictionType;
}

/** The schedule of a run; the model is told ¼·log σ. */
export function edmEulerSchedule(config: EdmEulerConfig, request: PlanRequest): EdmEulerSchedule {
  const count = checkedSteps(request.steps, Number.MAX_SAFE_INTEGER);
  const { sigmaMin: least, sigmaMax: largest } = config;
  const name = request.schedule ?? config.sigmaSchedule;
  const inner =
    name === 'karras'
      ? Float32Array.from(karrasSigmas({ least, largest, count }, config.rho))
      : linspaceF32(Math.log(least), Math.log(largest), count).map(Math.exp).reverse();
  const final = config.finalSigmasType === 'zero' ? 0 : inner[count - 1]!;
  return {
    ...config,
    timesteps: Array.from(inner, (sigma) => f(0.25 * f(Math.log(sigma)))),
    sigmas: [...inner, final],
  };
}

/** Runs Euler steps on preconditioned outputs. */
export async function sampleEdmEuler(
  denoise: Denoise,
  x: Float32Array,
  schedule: EdmEulerSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, sigmaData } = schedule;
  const run = new SamplerRun('EDM Euler', schedule, denoise, options);
  const data2 = sigmaData ** 2;
  for (let step = run.start; step < run.end; step++) {
    const sigma = sigmas[step]!;
    const scale = f(1 / f(Math.sqrt(f(f(sigma * sigma) + f(data2)))));
    const output = await run.output(combine([scale, x]), step);
    const { hat, sample } = churned(run, x, sigma, { step, levels: sigmas.length });
    const denoised = preconditioned(schedule, hat, sample, output);
    const derivative = slope(sample, denoised, hat);
    x = run.finish(step, combine([1, sample], [f(sigmas[step + 1]! - hat), derivative]), denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planEdmEuler(config: EdmEulerConfig, request: PlanRequest): Trajectory {
  const schedule = edmEulerSchedule(config, request);
  return {
    timesteps: schedule.timesteps,
    order: 1,
    initialNoiseScale: Math.sqrt(config.sigmaMax ** 2 + 1),
    addNoise: (clean, noise, step) => noisedAtSigma(schedule.sigmas[step]!, clean, noise),
    sample: (denoise, x, options) => sampleEdmEuler(denoise, x, schedule, options),
  };
}

/** c_skip·x + c_out·output, table 1. */
function preconditioned(
  { sigmaData, predictionType }: EdmEulerSchedule,
  sigma: number,
  x: Float32Array,
  output: Float32Array,
): Float32Array {
  const data2 = sigmaData ** 2;
  const total = f(f(sigma * sigma) + f(data2));
  const signed = predictionType === 'epsilon' ? sigma : -sigma;
  const out = f(f(signed * f(sigmaData)) / f(Math.sqrt(total)));
  return combine([f(f(data2) / total), x], [out, output]);
}
