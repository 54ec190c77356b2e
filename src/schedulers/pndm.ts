/** @file PNDM sampler, Liu et al. 2022 (Runge-Kutta start, then linear multistep), with the configuration of diffusers' PNDMScheduler. */
import { complain } from '../core/errors.js';
import { combine } from './combine.js';
import { booleanField, type ConfigOf, choiceField } from './config.js';
import { estimateAt, noisedAt } from './denoisers.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, PredictionType, SampleOptions, Trajectory } from './sampler.js';
import { alphasCumprod, spacedTimesteps, timestepSpacings } from './schedules.js';
import { spacingFields, trainingFields } from './sigma-schedule.js';

const f = Math.fround;
const order = 4;
/** Model calls of the Runge-Kutta start: three steps of four. */
const startCalls = 12;
/** Of the four calls of a Runge-Kutta step. */
const weights = [1 / 6, 1 / 3, 1 / 3, 1 / 6] as const;

/** Keys and defaults of diffusers' PNDMScheduler. */
export const pndmFields = {
  ...trainingFields,
  ...spacingFields,
  timestepSpacing: choiceField('leading', timestepSpacings),
  skipPrkSteps: booleanField(false),
  setAlphaToOne: booleanField(false),
  predictionType: choiceField('epsilon', ['epsilon', 'v_prediction']),
};
export type PndmConfig = ConfigOf<typeof pndmFields>;

/** Timesteps of a run: those of the start, if any, then those of the multistep part. */
export interface PndmSchedule {
  readonly timesteps: readonly number[];
  /** Calls of the Runge-Kutta start, 0 without. */
  readonly starting: number;
  /** Training timesteps of a step. */
  readonly stride: number;
  readonly alphaAt: (timestep: number) => number;
  readonly predictionType: PredictionType;
}

/** The schedule of a run. */
export function pndmSchedule(config: PndmConfig, steps: number): PndmSchedule {
  const all = alphasCumprod({ ...config, rescaleBetasZeroSnr: false });
  const rising = spacedTimesteps({ ...config, steps }).reverse();
  const stride = Math.floor(config.numTrainTimesteps / steps);
  const starting = config.skipPrkSteps ? [] : startTimesteps(rising, stride);
  const following = config.skipPrkSteps
    ? [...rising.slice(0, -1), ...rising.slice(-2, -1), ...rising.slice(-1)]
    : rising.slice(0, -3);
  const final = config.setAlphaToOne ? 1 : all[0]!;
  return {
    timesteps: [...starting, ...following.reverse()],
    starting: starting.length,
    stride,
    alphaAt: (t) => (t >= 0 ? all[t]! : final),
    predictionType: config.predictionType,
  };
}

/** Runs PNDM. Each call moves the latents. */
export async function samplePndm(
  denoise: Denoise,
  x: Float32Array,
  schedule: PndmSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const run = new SamplerRun('PNDM', schedule, denoise, options);
  const outputs: Float32Array[] = [];
  x = await rungeKutta(run, x, schedule, outputs);
  return multistep(run, x, schedule, outputs);
}

/**
 * Three steps of classical Runge-Kutta of fourth order; fills `outputs` with one output per step. A run that starts
 * late goes on along its own timesteps, yet from the noise levels of the first ones, as in diffusers.
 */
async function rungeKutta(
  run: SamplerRun,
  x: Float32Array,
  schedule: PndmSchedule,
  outputs: Float32Array[],
): Promise<Float32Array> {
  const { timesteps, starting, stride } = schedule;
  const half = Math.floor(stride / 2);
  const end = Math.min(run.start + starting, run.end);
  let [first, sum] = [x, x];
  for (let call = run.start; call < end; call++) {
    const stage = (call - run.start) % 4;
    const t = timesteps[call]!;
    const output = await run.output(x, call);
    const weighted = [weights[stage]!, output] as const;
    if (stage === 0) {
      outputs.push(output);
      first = x;
    }
    sum = stage === 0 ? combine(weighted) : combine([1, sum], weighted);
    const from = timesteps[call - run.start - stage]!;
    const to = stage % 2 === 1 ? t : t - half;
    const next = moved(schedule, first, stage === 3 ? sum : output, [from, to]);
    x = run.finish(call, next, denoisedBy(schedule, x, output, t));
  }
  return x;
}

/** Adams-Bashforth steps; without a Runge-Kutta start the first step is taken twice. */
async function multistep(
  run: SamplerRun,
  x: Float32Array,
  schedule: PndmSchedule,
  outputs: Float32Array[],
): Promise<Float32Array> {
  const { timesteps, starting, stride } = schedule;
  const begin = run.start + starting;
  let first = x;
  for (let call = begin; call < run.end; call++) {
    const t = timesteps[call]!;
    const output = await run.output(x, call);
    const isAgain = starting === 0 && call === begin + 1;
    let ahead: Float32Array;
    if (isAgain) {
      const mean = outputs[0]!.map((v, i) => f(output[i]! + v) / 2);
      ahead = moved(schedule, first, mean, [t + stride, t]);
    } else {
      outputs.push(output);
      first = x;
      ahead = moved(schedule, x, extrapolated(outputs), [t, t - stride]);
    }
    x = run.finish(call, ahead, denoisedBy(schedule, x, output, t));
  }
  return x;
}

/** Adams-Bashforth of the last outputs, up to fourth order. */
function extrapolated(outputs: readonly Float32Array[]): Float32Array {
  const [e1, e2, e3, e4] = outputs.slice(-order).reverse() as [
    Float32Array,
    ...(Float32Array | undefined)[],
  ];
  if (!e2) return e1;
  if (!e3) return combine([3, e1], [-1, e2]).map((v) => v / 2);
  if (!e4) return combine([23, e1], [-16, e2], [5, e3]).map((v) => v / 12);
  return combine([1 / 24, combine([55, e1], [-59, e2], [37, e3], [-9, e4])]);
}

/** Equation 11: latents at `from` moved to `to` along an output. */
function moved(
  { alphaAt, predictionType }: PndmSchedule,
  x: Float32Array,
  output: Float32Array,
  [from, to]: readonly [number, number],
): Float32Array {
  const [alpha, next] = [alphaAt(from), alphaAt(to)];
  const [rest, nextRest] = [f(1 - alpha), f(1 - next)];
  const epsilon =
    predictionType === 'v_prediction'
      ? combine([Math.sqrt(alpha), output], [Math.sqrt(rest), x])
      : output;
  const denominator = f(
    f(alpha * f(Math.sqrt(nextRest))) + f(Math.sqrt(f(f(alpha * rest) * next))),
  );
  const distance = f(next - alpha);
  const scale = f(Math.sqrt(f(next / alpha)));
  return x.map((v, i) => f(scale * v) - f(f(distance * epsilon[i]!) / denominator));
}

function denoisedBy(
  schedule: PndmSchedule,
  x: Float32Array,
  output: Float32Array,
  timestep: number,
): Float32Array {
  return estimateAt(schedule.predictionType, schedule.alphaAt(timestep), x, output).denoised;
}

/** The trajectory of one run under `config`. */
export function planPndm(config: PndmConfig, request: PlanRequest): Trajectory {
  const schedule = pndmSchedule(config, request.steps);
  const { timesteps, alphaAt } = schedule;
  return {
    timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, call) => noisedAt(alphaAt(timesteps[call]!), clean, noise),
    sample: (denoise, x, options) => samplePndm(denoise, x, schedule, options),
  };
}

/** The last four timesteps and their middles, as the stages of three steps. */
function startTimesteps(rising: readonly number[], stride: number): number[] {
  if (rising.length < order) throw tooFew(rising.length);
  const half = Math.floor(stride / 2);
  const points = rising.slice(-order).flatMap((t) => [t, t + half]);
  const stages = points.slice(0, -1).flatMap((t) => [t, t]);
  return stages.slice(1, -1).reverse().slice(0, startCalls);
}

function tooFew(steps: number) {
  return complain('USAGE', {
    where: 'PNDM',
    expected: `at least ${order} steps, as skip_prk_steps is false`,
    got: `${steps}`,
    next: 'Choose another number of steps.',
  });
}
