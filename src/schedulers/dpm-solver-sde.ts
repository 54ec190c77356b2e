/** @file DPM-Solver++ SDE of k-diffusion (dpmpp_sde), with the configuration of diffusers' DPMSolverSDEScheduler. */
import { complain } from '../core/errors.js';
import { brownianNoise } from './brownian.js';
import { combine, slope } from './combine.js';
import { type ConfigOf, choiceField, type Field, numberField } from './config.js';
import { denoisedAtSigma, noisedAtSigma, scaledInput } from './denoisers.js';
import { checkedChurn } from './euler.js';
import { ancestralStep } from './euler-ancestral.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import {
  respacingFields,
  type SigmaSchedule,
  sigmaSchedule,
  spacingFields,
  trainingFields,
  twice,
} from './sigma-schedule.js';
import { timestepOf } from './training-sigmas.js';

const f = Math.fround;
const isSeed = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

const seedField: Field<number | readonly number[] | null> = {
  fallback: null,
  expected: 'an integer of 0 or more, a list of them, or null',
  accepts: (value) =>
    value === null ||
    isSeed(value) ||
    (Array.isArray(value) && value.length > 0 && value.every(isSeed)),
};

/** Keys and defaults of diffusers' DPMSolverSDEScheduler. */
export const dpmSolverSdeFields = {
  ...trainingFields,
  ...spacingFields,
  ...respacingFields,
  betaStart: numberField(0.00085, 0),
  betaEnd: numberField(0.012, 0),
  predictionType: choiceField('epsilon', ['epsilon', 'v_prediction']),
  noiseSamplerSeed: seedField,
};
export type DpmSolverSdeConfig = ConfigOf<typeof dpmSolverSdeFields>;

/** Noise levels of a run and the seed its configuration fixes. */
export interface DpmSolverSdeSchedule extends SigmaSchedule {
  readonly seed: number | readonly number[] | null;
}

/** Runs steps of second order with noise from a Brownian path, which does not depend on the steps taken. */
export async function sampleDpmSolverSde(
  denoise: Denoise,
  x: Float32Array,
  schedule: DpmSolverSdeSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { sigmas, predictionType } = schedule;
  const run = new SamplerRun('DPM++ SDE', schedule, denoise, { ...options, order: 2 });
  const { noiseScale } = checkedChurn(options.churn);
  const noise = pathsOf(schedule, x.length, options);
  const denoisedBy = async (input: Float32Array, sigma: number, call: number) =>
    denoisedAtSigma(
      predictionType,
      sigma,
      input,
      await run.output(scaledInput(input, sigma), call),
    );
  for (let call = run.start; call < run.end; call += 2) {
    const [sigma, next] = [sigmas[call / 2]!, sigmas[call / 2 + 1]!];
    const denoised = await denoisedBy(x, sigma, call);
    if (next === 0)
      return run.finish(call, combine([1, x], [-sigma, slope(x, denoised, sigma)]), denoised);
    const [from, to] = [timeOf(sigma), timeOf(next)];
    const middle = f(from + f(f(to - from) * 0.5));
    const move = (target: number, estimate: Float32Array) => {
      const { carry, share, up } = stepTo(from, target);
      const fresh = combine([noiseScale, noise(sigmaOf(from), sigmaOf(target))]);
      return combine([carry, x], [share, estimate], [up, fresh]);
    };
    const halfway = run.finish(call, move(middle, denoised), denoised);
    const again = await denoisedBy(halfway, sigmaOf(middle), call + 1);
    x = run.finish(call + 1, move(to, again), again);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planDpmSolverSde(config: DpmSolverSdeConfig, request: PlanRequest): Trajectory {
  const rules = { where: 'DPM++ SDE', ignoresKarrasEnds: true, keepsF64: true };
  const levels = sigmaSchedule(config, request, rules);
  const toTimestep = timestepOf(levels.training);
  const timesteps = twice(levels.timesteps).map((t, i) => {
    if (i % 2 === 0) return t;
    const [sigma, next] = [levels.sigmas[(i - 1) / 2]!, levels.sigmas[(i + 1) / 2]!];
    return toTimestep(Math.sqrt(sigma * next));
  });
  const schedule = { ...levels, timesteps, seed: config.noiseSamplerSeed };
  return {
    timesteps,
    order: 2,
    initialNoiseScale: levels.initialNoiseScale,
    addNoise: (clean, noise, call) =>
      noisedAtSigma(levels.sigmas[Math.ceil(call / 2)]!, clean, noise),
    sample: (denoise, x, options) => sampleDpmSolverSde(denoise, x, schedule, options),
  };
}

/** Factors of an ancestral step in time −log σ. */
function stepTo(from: number, target: number) {
  const sigma = sigmaOf(from);
  const { up, down } = ancestralStep(sigma, sigmaOf(target));
  const end = timeOf(down);
  return { carry: f(sigmaOf(end) / sigma), share: -f(Math.expm1(f(from - end))), up };
}

function timeOf(sigma: number): number {
  return -f(Math.log(sigma));
}

function sigmaOf(time: number): number {
  return f(Math.exp(-time));
}

/** Noise between levels: by the configured seed, which all pictures share, else by those of the pictures. */
function pathsOf({ seed, sigmas }: DpmSolverSdeSchedule, count: number, options: SampleOptions) {
  const levels = sigmas.filter((sigma) => sigma > 0);
  const ends = [Math.min(...levels), Math.max(...levels)] as const;
  if (typeof seed === 'number') return brownianNoise([seed], count, ends);
  const brownianSeeds = seed ?? options.brownianSeeds ?? [];
  return brownianNoise(brownianSeedsOf('DPM++ SDE', { ...options, brownianSeeds }), count, ends);
}

/** The seeds of the pictures' paths; USAGE unless there is one for each. */
export function brownianSeedsOf(where: string, options: SampleOptions) {
  const { brownianSeeds = [], batch = 1 } = options;
  if (brownianSeeds.length === batch) return brownianSeeds;
  throw complain('USAGE', {
    where,
    expected: `options.brownianSeeds to give ${batch} seeds, one per picture`,
    got: `${brownianSeeds.length}`,
    next: 'The noise of this sampler is a path fixed by its seed.',
  });
}
