/** @file Multistep DPM-Solver, Lu et al. 2022 (DPM++ 2M and its kin), with the configuration of diffusers' DPMSolverMultistepScheduler. */
import { combine, scaledDifference } from './combine.js';
import { booleanField, type ConfigOf, choiceField } from './config.js';
import {
  checkedSolver,
  type DpmSolverSchedule,
  dpmSolverFields,
  refusal,
  solverOf,
  solverOutput,
} from './dpm-solver-config.js';
import { algorithmTypes, solverTerms } from './dpm-solver-terms.js';
import { numpyLog } from './numpy-log.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import { spacingFields } from './sigma-schedule.js';
import {
  checkedDistinct,
  evenFlowSigmas,
  noisedAtLevel,
  type VpLevel,
  vpSchedule,
} from './vp-schedule.js';

const f = Math.fround;
/** Below so many steps the last ones are of lower order. */
const fewSteps = 15;

/** Keys and defaults of diffusers' DPMSolverMultistepScheduler. */
export const dpmSolverMultistepFields = {
  ...dpmSolverFields,
  ...spacingFields,
  algorithmType: choiceField('dpmsolver++', [...algorithmTypes, 'deis']),
  eulerAtFinal: booleanField(false),
  useLuLambdas: booleanField(false),
  rescaleBetasZeroSnr: booleanField(false),
};
export type DpmSolverMultistepConfig = ConfigOf<typeof dpmSolverMultistepFields>;

/** Levels of a run and the order of each step. */
export interface DpmSolverMultistepSchedule extends DpmSolverSchedule {
  /** Highest order step i may take. */
  readonly orders: readonly number[];
}

/** Runs steps that look back at up to two earlier outputs; stochastic algorithms draw noise in every step. */
export async function sampleDpmSolverMultistep(
  denoise: Denoise,
  x: Float32Array,
  schedule: DpmSolverMultistepSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { levels, orders, algorithm, solverType } = schedule;
  const run = new SamplerRun('DPM-Solver multistep', schedule, denoise, options);
  const outputs: Float32Array[] = [];
  for (let step = run.start; step < run.end; step++) {
    const { output, denoised } = await solverOutput(run, schedule, x, step);
    outputs.unshift(output);
    const order = Math.min(orders[step]!, outputs.length);
    const terms = solverTerms(algorithm, levels[step]!, levels[step + 1]!);
    const sum: [number, Float32Array][] = [
      [terms.carry, x],
      [terms.direct, output],
    ];
    if (order === 2) {
      sum.push([terms[solverType], firstDifference(levels, step, outputs)]);
    } else if (order === 3) {
      const { first, second } = bothDifferences(levels, step, outputs);
      sum.push([terms.heun, first], [terms.third, second]);
    }
    if (algorithm.startsWith('sde')) sum.push([terms.noise, run.noise(step, x.length)]);
    x = run.finish(step, combine(...sum), denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planDpmSolverMultistep(
  config: DpmSolverMultistepConfig,
  request: PlanRequest,
): Trajectory {
  const where = 'DPM-Solver multistep';
  checkedSolver(where, config, config.algorithmType);
  if (config.algorithmType === 'sde-dpmsolver' && config.solverOrder === 3) {
    throw refusal(where, 'solver_order 1 or 2 for sde-dpmsolver', '3');
  }
  const plan = vpSchedule(config, request, {
    where,
    final: config.finalSigmasType === 'zero' ? 'zero' : 'training',
    roundsKarras: config.betaSchedule !== 'squaredcos_cap_v2',
    takesTimesteps: true,
    flowSigmas: (steps) => evenFlowSigmas(config, steps, request),
    ...(config.useLuLambdas && !config.useKarrasSigmas && { own: luSigmas }),
  });
  checkedDistinct(where, plan, config.solverOrder);
  const orders = stepOrders(config, plan.timesteps.length);
  const schedule = { ...plan, ...solverOf(config, config.algorithmType), orders };
  return {
    timesteps: plan.timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => noisedAtLevel(plan.levels[step]!, clean, noise),
    sample: (denoise, x, options) => sampleDpmSolverMultistep(denoise, x, schedule, options),
  };
}

/** Lu et al. 2022: even in log σ over the whole training range. */
function luSigmas(training: Float32Array, steps: number): Float64Array {
  const [low, high] = [numpyLog(training[0]!), numpyLog(training[training.length - 1]!)];
  const stride = steps > 1 ? 1 / (steps - 1) : 0;
  return Float64Array.from({ length: steps }, (_, i) => Math.exp(high + i * stride * (low - high)));
}

function stepOrders(config: DpmSolverMultistepConfig, count: number): number[] {
  const lowers = config.lowerOrderFinal && count < fewSteps;
  const endsFirst = config.eulerAtFinal || lowers || config.finalSigmasType === 'zero';
  return Array.from({ length: count }, (_, step) => {
    if (step === count - 1 && endsFirst) return 1;
    return step === count - 2 && lowers ? Math.min(config.solverOrder, 2) : config.solverOrder;
  });
}

type Levels = readonly VpLevel[];

function firstDifference(levels: Levels, step: number, [m0, m1]: readonly Float32Array[]) {
  const [h, h0] = [gap(levels, step), gap(levels, step - 1)];
  return scaledDifference(f(1 / f(h0 / h)), m0!, m1!);
}

function bothDifferences(levels: Levels, step: number, [m0, m1, m2]: readonly Float32Array[]) {
  const h = gap(levels, step);
  const [r0, r1] = [f(gap(levels, step - 1) / h), f(gap(levels, step - 2) / h)];
  const near = scaledDifference(f(1 / r0), m0!, m1!);
  const far = scaledDifference(f(1 / r1), m1!, m2!);
  const total = f(r0 + r1);
  const first = near.map((v, i) => v + f(f(r0 / total) * f(v - far[i]!)));
  return { first, second: scaledDifference(f(1 / total), near, far) };
}

/** λ gained in a step. */
function gap(levels: Levels, step: number): number {
  return f(levels[step + 1]!.lambda - levels[step]!.lambda);
}
