/**
 * @file DPM-Solver-2 samplers of k-diffusion, plain and ancestral (Karras et al. 2022, Lu et al. 2022), with the
 * configurations of diffusers' KDPM2DiscreteScheduler and KDPM2AncestralDiscreteScheduler.
 */
import { combine, slope } from './combine.js';
import { type ConfigOf, choiceField, numberField } from './config.js';
import { denoisedAtSigma, noisedAtSigma, scaledInput } from './denoisers.js';
import { ancestralStep } from './euler-ancestral.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import {
  respacingFields,
  type SigmaSchedule,
  sigmaSchedule,
  spacingFields,
  trainingFields,
} from './sigma-schedule.js';
import { timestepOf } from './training-sigmas.js';

const f = Math.fround;

/** Keys and defaults of both classes. */
export const kdpm2Fields = {
  ...trainingFields,
  ...spacingFields,
  ...respacingFields,
  betaStart: numberField(0.00085, 0),
  betaEnd: numberField(0.012, 0),
  predictionType: choiceField('epsilon', ['epsilon', 'v_prediction']),
};
export type Kdpm2Config = ConfigOf<typeof kdpm2Fields>;

/** Levels of a run: step i goes from `sigmas[i]` by `middles[i]` to `downs[i]`, then adds noise of size `ups[i]`. */
export interface Kdpm2Schedule extends SigmaSchedule {
  readonly middles: readonly number[];
  readonly downs: readonly number[];
  /** Null without fresh noise. */
  readonly ups: readonly number[] | null;
}

/** Runs steps of second order over the middle of each step; noise is drawn once per whole step. */
export async function sampleKdpm2(
  denoise: Denoise,
  x: Float32Array,
  schedule: Kdpm2Schedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, middles, downs, ups, predictionType } = schedule;
  const run = new SamplerRun('DPM2', schedule, denoise, { ...options, order: 2 });
  const denoisedBy = async (input: Float32Array, sigma: number, call: number) =>
    denoisedAtSigma(
      predictionType,
      sigma,
      input,
      await run.output(scaledInput(input, sigma), call),
    );
  for (let call = run.start; call < run.end; call += 2) {
    const step = call / 2;
    const [sigma, middle] = [sigmas[step]!, middles[step]!];
    const denoised = await denoisedBy(x, sigma, call);
    const first = slope(x, denoised, sigma);
    const halfway = run.finish(call, combine([1, x], [f(middle - sigma), first]), denoised);
    if (call + 1 === run.end) return halfway;
    const again = await denoisedBy(halfway, middle, call + 1);
    const second = slope(halfway, again, middle);
    const moved = combine([1, x], [f(downs[step]! - sigma), second]);
    const next = ups ? combine([1, moved], [ups[step]!, run.noise(call + 1, x.length)]) : moved;
    x = run.finish(call + 1, next, again);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planKdpm2(
  config: Kdpm2Config,
  request: PlanRequest,
  isAncestral: boolean,
): Trajectory {
  const where = isAncestral ? 'DPM2 ancestral' : 'DPM2';
  const levels = sigmaSchedule(config, request, { where, roundsKarras: true });
  const steps = levels.sigmas
    .slice(0, -1)
    .map((sigma, i) => stepOf(sigma, levels.sigmas[i + 1]!, isAncestral));
  const toTimestep = timestepOf(levels.training, 'f32');
  const timesteps = levels.timesteps.flatMap((t, i) =>
    i === 0 ? [t] : [toTimestep(steps[i - 1]!.middle), t],
  );
  const schedule: Kdpm2Schedule = {
    ...levels,
    timesteps,
    middles: steps.map(({ middle }) => middle),
    downs: steps.map(({ down }) => down),
    ups: isAncestral ? steps.map(({ up }) => up) : null,
  };
  return {
    timesteps,
    order: 2,
    initialNoiseScale: levels.initialNoiseScale,
    addNoise: (clean, noise, call) =>
      noisedAtSigma(levels.sigmas[Math.ceil(call / 2)]!, clean, noise),
    sample: (denoise, x, options) => sampleKdpm2(denoise, x, schedule, options),
  };
}

function stepOf(sigma: number, next: number, isAncestral: boolean) {
  const { up, down } = isAncestral ? ancestralStep(sigma, next) : { up: 0, down: next };
  if (next === 0) return { up, down: 0, middle: 0 };
  // torch's lerp of the logarithms at ½ counts back from its end.
  const [from, to] = isAncestral ? [sigma, down] : [next, sigma];
  const [start, end] = [f(Math.log(from)), f(Math.log(to))];
  return { up, down, middle: f(Math.exp(f(end - f(f(end - start) * 0.5)))) };
}
