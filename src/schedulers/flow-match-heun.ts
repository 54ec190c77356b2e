/** @file Heun sampler for flow matching, Karras et al. 2022 and Lipman et al. 2023, with the configuration of diffusers' FlowMatchHeunDiscreteScheduler. */
import { combine, slope } from './combine.js';
import { type ConfigOf, integerField, numberField } from './config.js';
import { churned } from './euler.js';
import { mixed, plainFlowSigmas } from './flow-match-euler.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import { twice } from './sigma-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' FlowMatchHeunDiscreteScheduler. */
export const flowMatchHeunFields = {
  numTrainTimesteps: integerField(1000, 1),
  shift: numberField(1, 0),
};
export type FlowMatchHeunConfig = ConfigOf<typeof flowMatchHeunFields>;

/** Noise shares of a run: step i goes from `sigmas[i]` to `sigmas[i + 1]` in two calls, the last in one. */
export interface FlowMatchHeunSchedule {
  readonly timesteps: readonly number[];
  readonly sigmas: readonly number[];
}

/** Runs steps of second order along the flow. */
export async function sampleFlowMatchHeun(
  denoise: Denoise,
  x: Float32Array,
  schedule: FlowMatchHeunSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas } = schedule;
  const run = new SamplerRun('flow-match Heun', schedule, denoise, { ...options, order: 2 });
  const levels = run.end + 1;
  for (let call = run.start; call < run.end; call += 2) {
    const [sigma, next] = [sigmas[call / 2]!, sigmas[call / 2 + 1]!];
    const output = await run.output(x, call);
    const { hat, sample } = churned(run, x, sigma, { step: call, levels });
    const denoised = combine([1, sample], [-sigma, output]);
    const first = slope(sample, denoised, hat);
    const distance = f(next - hat);
    const ahead = run.finish(call, combine([1, sample], [distance, first]), denoised);
    if (call + 1 === run.end) return ahead;
    const outputAgain = await run.output(ahead, call + 1);
    const later = churned(run, ahead, sigma, { step: call + 1, levels }).sample;
    const again = combine([1, later], [-next, outputAgain]);
    const second = slope(later, again, next);
    const mean = first.map((v, i) => 0.5 * f(v + second[i]!));
    x = run.finish(call + 1, combine([1, sample], [distance, mean]), again);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planFlowMatchHeun(config: FlowMatchHeunConfig, request: PlanRequest): Trajectory {
  const { numTrainTimesteps: train, shift } = config;
  const plain = plainFlowSigmas(train, shift, request.steps);
  const inner = Float32Array.from(plain, (s) => (shift * s) / (1 + (shift - 1) * s));
  const sigmas = [...inner, 0];
  const timesteps = twice(Array.from(inner, (sigma) => f(sigma * train)));
  return {
    timesteps,
    order: 2,
    initialNoiseScale: 1,
    addNoise: (clean, noise, call) => mixed(clean, noise, sigmas[Math.ceil(call / 2)]!),
    sample: (denoise, x, options) =>
      sampleFlowMatchHeun(denoise, x, { timesteps, sigmas }, options),
  };
}
