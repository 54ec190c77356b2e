/** @file What the multistep and the singlestep DPM-Solver of diffusers have in common: keys, refusals, the reading of outputs. */
import { complain } from '../core/errors.js';
import {
  booleanField,
  type ConfigOf,
  choiceField,
  integerField,
  nullable,
  unboundedField,
} from './config.js';
import { halves, learnsVariance, varianceTypes } from './ddpm.js';
import type { AlgorithmType } from './dpm-solver-terms.js';
import type { SamplerRun } from './run.js';
import type { PredictionType } from './sampler.js';
import { respacingFields, trainingFields } from './sigma-schedule.js';
import {
  epsilonOf,
  type VpLevel,
  type VpSchedule,
  vpDenoised,
  vpEpsilon,
  vpFields,
} from './vp-schedule.js';

/** Names of other solvers' algorithms and types, which diffusers reads as its default. */
const foreignTypes = ['logrho', 'bh1', 'bh2'] as const;

/** Keys both classes know. */
export const dpmSolverFields = {
  ...trainingFields,
  ...respacingFields,
  ...vpFields,
  solverOrder: integerField(2, 1),
  solverType: choiceField('midpoint', ['midpoint', 'heun', ...foreignTypes]),
  lowerOrderFinal: booleanField(true),
  finalSigmasType: choiceField('zero', ['zero', 'sigma_min']),
  lambdaMinClipped: unboundedField(Number.NEGATIVE_INFINITY),
  varianceType: nullable(choiceField('learned', varianceTypes)),
};
export type DpmSolverConfig = ConfigOf<typeof dpmSolverFields>;

/** How a run reads outputs and steps. */
export interface DpmSolverSchedule extends VpSchedule {
  readonly algorithm: AlgorithmType;
  readonly solverType: 'midpoint' | 'heun';
  readonly learnsVariance: boolean;
}

/** The parts of the schedule that the configuration names. */
export function solverOf(config: DpmSolverConfig, algorithm: AlgorithmType | 'deis') {
  return {
    algorithm: algorithm === 'deis' ? ('dpmsolver++' as const) : algorithm,
    solverType: config.solverType === 'heun' ? ('heun' as const) : ('midpoint' as const),
    learnsVariance: learnsVariance(config.varianceType),
  };
}

/** Throws CONFIG for what no solver of the family can do. */
export function checkedSolver(where: string, config: DpmSolverConfig, algorithm: string): void {
  const isPlain = algorithm === 'dpmsolver' || algorithm === 'sde-dpmsolver';
  if (config.solverOrder > 3)
    throw refusal(where, 'solver_order of 1, 2 or 3', `${config.solverOrder}`);
  if (isPlain && config.finalSigmasType === 'zero') {
    throw refusal(where, `final_sigmas_type sigma_min for ${algorithm}`, 'zero');
  }
  if (isPlain && config.predictionType === 'flow_prediction') {
    throw refusal(where, 'an algorithm_type with ++ for flow_prediction', algorithm);
  }
  if (learnsVariance(config.varianceType) && config.predictionType !== 'epsilon') {
    throw refusal(where, 'epsilon where the variance is learned', config.predictionType);
  }
}

export function refusal(where: string, expected: string, got: string) {
  return complain('CONFIG', { where, expected, got });
}

/** One call of the model: what the solver goes on with, and the picture. */
export async function solverOutput(
  run: SamplerRun,
  schedule: DpmSolverSchedule,
  x: Float32Array,
  call: number,
): Promise<{ readonly output: Float32Array; readonly denoised: Float32Array }> {
  const { levels, predictionType, algorithm } = schedule;
  const batch = run.options.batch ?? 1;
  const level = levels[call]!;
  const raw = await run.output(x, call, schedule.learnsVariance ? 2 : 1);
  const prediction = schedule.learnsVariance ? halves(raw, batch)[0] : raw;
  const keep = (picture: Float32Array) => schedule.keep(picture, batch);
  if (algorithm.endsWith('++')) {
    const denoised = keep(vpDenoised(predictionType, level, x, prediction));
    return { output: denoised, denoised };
  }
  return noiseOutput(predictionType, level, x, { prediction, keep });
}

function noiseOutput(
  type: PredictionType,
  level: VpLevel,
  x: Float32Array,
  { prediction, keep }: { prediction: Float32Array; keep: (picture: Float32Array) => Float32Array },
) {
  const epsilon = vpEpsilon(type as 'epsilon', level, x, prediction);
  const picture = vpDenoised('epsilon', level, x, epsilon);
  const denoised = keep(picture);
  return { output: denoised === picture ? epsilon : epsilonOf(level, x, denoised), denoised };
}
