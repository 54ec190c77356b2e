/** @file Singlestep DPM-Solver, Lu et al. 2022 (DPM++ 2S and its kin), with the configuration of diffusers' DPMSolverSinglestepScheduler. */
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
import { solverTerms } from './dpm-solver-terms.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import {
  checkedDistinct,
  evenFlowSigmas,
  noisedAtLevel,
  type VpLevel,
  vpSchedule,
} from './vp-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' DPMSolverSinglestepScheduler. */
export const dpmSolverSinglestepFields = {
  ...dpmSolverFields,
  lowerOrderFinal: booleanField(false),
  algorithmType: choiceField('dpmsolver++', [
    'dpmsolver',
    'dpmsolver++',
    'sde-dpmsolver++',
    'deis',
  ]),
};
export type DpmSolverSinglestepConfig = ConfigOf<typeof dpmSolverSinglestepFields>;

/** Levels of a run and the order of each call: 1 begins a step, 2 and 3 take it again with more. */
export interface DpmSolverSinglestepSchedule extends DpmSolverSchedule {
  readonly orders: readonly number[];
}

/** Runs steps of one to three calls, all from the step's beginning; stochastic ones draw in every call. */
export async function sampleDpmSolverSinglestep(
  denoise: Denoise,
  x: Float32Array,
  schedule: DpmSolverSinglestepSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { levels, orders, algorithm, solverType } = schedule;
  const run = new SamplerRun('DPM-Solver singlestep', schedule, denoise, options);
  const outputs: Float32Array[] = [];
  let first = x;
  for (let call = run.start; call < run.end; call++) {
    const { output, denoised } = await solverOutput(run, schedule, x, call);
    outputs.unshift(output);
    const noise = algorithm.startsWith('sde') ? run.noise(call, x.length) : undefined;
    const order = Math.min(orders[call]!, outputs.length);
    if (order === 1) first = x;
    const terms = solverTerms(algorithm, levels[call - order + 1]!, levels[call + 1]!);
    const sum: [number, Float32Array][] = [
      [terms.carry, first],
      [terms.direct, outputs[order - 1]!],
    ];
    if (order === 2) sum.push([terms[solverType], firstDifference(levels, call, outputs)]);
    if (order === 3) {
      const { middle, slope, bend } = thirdDifferences(levels, call, outputs);
      if (solverType === 'midpoint') sum.push([terms.heun, middle]);
      else sum.push([terms.heun, slope], [terms.third, bend]);
    }
    if (noise) sum.push([terms.noise, noise]);
    x = run.finish(call, combine(...sum), denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planDpmSolverSinglestep(
  config: DpmSolverSinglestepConfig,
  request: PlanRequest,
): Trajectory {
  const where = 'DPM-Solver singlestep';
  checkedSolver(where, config, config.algorithmType);
  if (config.thresholding && config.algorithmType === 'dpmsolver') {
    throw refusal(where, 'an algorithm_type with ++ for thresholding', config.algorithmType);
  }
  const plan = vpSchedule(config, request, {
    where,
    final: config.finalSigmasType === 'zero' ? 'zero' : 'training',
    roundsKarras: true,
    takesTimesteps: true,
    flowSigmas: (steps) => evenFlowSigmas(config, steps, request),
  });
  checkedDistinct(where, plan, config.solverOrder);
  const orders = callOrders(config, plan.timesteps.length);
  const schedule = { ...plan, ...solverOf(config, config.algorithmType), orders };
  return {
    timesteps: plan.timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, call) => noisedAtLevel(plan.levels[call]!, clean, noise),
    sample: (denoise, x, options) => sampleDpmSolverSinglestep(denoise, x, schedule, options),
  };
}

/** Orders of the calls; steps that do not come out even end with lower ones, as does σ = 0. */
export function callOrders(
  config: Pick<DpmSolverSinglestepConfig, 'solverOrder' | 'lowerOrderFinal' | 'finalSigmasType'>,
  count: number,
): number[] {
  const order = config.solverOrder;
  const endsAtZero = config.finalSigmasType === 'zero';
  const lowers = config.lowerOrderFinal || count % order !== 0 || endsAtZero;
  const orders = Array.from({ length: count }, (_, call) => (call % order) + 1);
  if (endsAtZero || (lowers && count % order === 0)) orders[count - 1] = 1;
  return orders;
}

type Levels = readonly VpLevel[];

function firstDifference(levels: Levels, call: number, [m0, m1]: readonly Float32Array[]) {
  const from = levels[call - 1]!.lambda;
  const h = f(levels[call + 1]!.lambda - from);
  const r0 = f(f(levels[call]!.lambda - from) / h);
  return scaledDifference(f(1 / r0), m0!, m1!);
}

function thirdDifferences(levels: Levels, call: number, [m0, m1, m2]: readonly Float32Array[]) {
  const from = levels[call - 2]!.lambda;
  const h = f(levels[call + 1]!.lambda - from);
  const r0 = f(f(levels[call]!.lambda - from) / h);
  const r1 = f(f(levels[call - 1]!.lambda - from) / h);
  const near = scaledDifference(f(1 / r1), m1!, m2!);
  const middle = scaledDifference(f(1 / r0), m0!, m2!);
  const spread = f(r0 - r1);
  const slope = near.map((v, i) => f(f(r0 * v) - f(r1 * middle[i]!)) / spread);
  const bend = near.map((v, i) => f(2 * f(middle[i]! - v)) / spread);
  return { middle, slope, bend };
}
