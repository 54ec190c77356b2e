/** @file UniPC, Zhao et al. 2023, with the configuration of diffusers' UniPCMultistepScheduler. */
import { combine, slope } from './combine.js';
import {
  booleanField,
  type ConfigOf,
  choiceField,
  emptyField,
  indicesField,
  integerField,
  nullable,
  numberField,
} from './config.js';
import { refusal } from './dpm-solver-config.js';
import { dynamicShift } from './dynamic-shift.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import { linspace } from './schedules.js';
import { respacingFields, spacingFields, trainingFields } from './sigma-schedule.js';
import { solved } from './solve.js';
import {
  checkedDistinct,
  flowShift,
  noisedAtLevel,
  type VpLevel,
  type VpSchedule,
  vpDenoised,
  vpEpsilon,
  vpFields,
  vpSchedule,
} from './vp-schedule.js';

const f = Math.fround;

/** Keys and defaults of diffusers' UniPCMultistepScheduler. */
export const unipcFields = {
  ...trainingFields,
  ...spacingFields,
  ...respacingFields,
  ...vpFields,
  solverOrder: integerField(2, 1),
  predictX0: booleanField(true),
  solverType: choiceField('bh2', ['bh1', 'bh2', 'midpoint', 'heun', 'logrho']),
  lowerOrderFinal: booleanField(true),
  disableCorrector: indicesField(),
  solverP: emptyField(),
  finalSigmasType: choiceField('zero', ['zero', 'sigma_min']),
  rescaleBetasZeroSnr: booleanField(false),
  shiftTerminal: nullable(numberField(0.1)),
};
export type UnipcConfig = ConfigOf<typeof unipcFields>;

/** Levels of a run and how its steps predict and correct. */
export interface UnipcSchedule extends VpSchedule {
  readonly config: UnipcConfig;
}

/** Runs steps that predict by up to `solverOrder` outputs and are corrected by the next one. */
export async function sampleUnipc(
  denoise: Denoise,
  x: Float32Array,
  schedule: UnipcSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { config, levels, keep, predictionType } = schedule;
  const run = new SamplerRun('UniPC', schedule, denoise, options);
  const outputs: Float32Array[] = [];
  let last: { readonly x: Float32Array; readonly order: number } | undefined;
  for (let step = run.start; step < run.end; step++) {
    const raw = await run.output(x, step);
    const picture = vpDenoised(predictionType, levels[step]!, x, raw);
    const denoised = config.predictX0 ? keep(picture, options.batch ?? 1) : picture;
    const output = config.predictX0
      ? denoised
      : vpEpsilon(predictionType as 'epsilon', levels[step]!, x, raw);
    if (last && !config.disableCorrector.includes(step - 1)) {
      x = update(config, levels, step - 1, {
        x: last.x,
        outputs,
        order: last.order,
        corrected: output,
      });
    }
    outputs.unshift(output);
    const order = Math.min(orderOf(config, run.end - step), outputs.length);
    last = { x, order };
    x = run.finish(step, update(config, levels, step, { x, outputs, order }), denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planUnipc(config: UnipcConfig, request: PlanRequest): Trajectory {
  const where = 'UniPC';
  checkedConfig(where, config);
  const plan = vpSchedule(config, request, {
    where,
    final: config.finalSigmasType === 'zero' ? 'zero' : 'training',
    respacedFinal: config.finalSigmasType === 'zero' ? 'zero' : 'repeat',
    roundsKarras: true,
    hasKarrasFlow: true,
    takesFlowSigmas: true,
    flowSigmas: (steps) => flowSigmas(config, steps, request),
  });
  checkedDistinct(where, plan, config.solverOrder);
  const schedule: UnipcSchedule = { ...plan, config };
  return {
    timesteps: plan.timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => noisedAtLevel(plan.levels[step]!, clean, noise),
    sample: (denoise, x, options) => sampleUnipc(denoise, x, schedule, options),
  };
}

/** What an update starts from; `corrected` is the output at its end, once it is known. */
interface UpdateInput {
  readonly x: Float32Array;
  /** Earlier outputs, the newest first. */
  readonly outputs: readonly Float32Array[];
  readonly order: number;
  readonly corrected?: Float32Array;
}

/** UniP (algorithm 2) from step `step` to the next, or UniC (algorithm 1) when the output there is known. */
function update(
  config: UnipcConfig,
  levels: readonly VpLevel[],
  step: number,
  { x, outputs, order, corrected }: UpdateInput,
): Float32Array {
  const [from, to] = [levels[step]!, levels[step + 1]!];
  const h = f(to.lambda - from.lambda);
  const hh = config.predictX0 ? -h : h;
  const phi = f(Math.expm1(hh));
  const scale = config.solverType === 'bh1' ? hh : phi;
  const m0 = outputs[0]!;
  const ratios = Array.from({ length: order - 1 }, (_, i) =>
    f(f(levels[step - 1 - i]!.lambda - from.lambda) / h),
  );
  const differences = ratios.map((ratio, i) => slope(outputs[i + 1]!, m0, ratio));
  if (corrected) differences.push(slope(corrected, m0));
  const weights = weightsOf({ ratios: [...ratios, 1], hh, phi, scale }, corrected !== undefined);
  const [carry, outer] = config.predictX0
    ? [f(to.sigma / from.sigma), to.alpha]
    : [f(to.alpha / from.alpha), to.sigma];
  const base = combine([carry, x], [-f(outer * phi), m0]);
  if (differences.length === 0) return base;
  const residual = combine(...differences.map((values, i) => [weights[i]!, values] as const));
  return combine([1, base], [-f(outer * scale), residual]);
}

interface BhTerms {
  /** λ of the nodes relative to the step, 1 the step's end. */
  readonly ratios: readonly number[];
  readonly hh: number;
  readonly phi: number;
  readonly scale: number;
}

/** The factors ρ of the differences: fixed to ½ where one unknown is left, else solved for. */
function weightsOf({ ratios, hh, phi, scale }: BhTerms, isCorrector: boolean): number[] {
  const order = ratios.length;
  if (order === 1) return isCorrector ? [0.5] : [];
  if (order === 2 && !isCorrector) return [0.5];
  const rows: number[][] = [];
  const sides: number[] = [];
  let factorial = 1;
  let phiK = f(f(phi / hh) - 1);
  for (let i = 1; i <= order; i++) {
    rows.push(ratios.map((ratio) => f(ratio ** (i - 1))));
    sides.push(f(f(phiK * factorial) / scale));
    factorial *= i + 1;
    phiK = f(f(phiK / hh) - f(1 / factorial));
  }
  if (isCorrector) return solved(rows, sides);
  return solved(
    rows.slice(0, -1).map((row) => row.slice(0, -1)),
    sides.slice(0, -1),
  );
}

function orderOf({ solverOrder, lowerOrderFinal }: UnipcConfig, left: number): number {
  return lowerOrderFinal ? Math.min(solverOrder, left) : solverOrder;
}

/** Flow levels: even or named, then shifted and stretched. */
function flowSigmas(config: UnipcConfig, steps: number, request: PlanRequest): Float64Array {
  const plain = request.sigmas
    ? Float64Array.from(request.sigmas)
    : linspace(1, 1 / config.numTrainTimesteps, steps + 1).slice(0, -1);
  let sigmas = plain.map(shiftOf(config, request));
  const { shiftTerminal } = config;
  if (shiftTerminal !== null && shiftTerminal !== 0) {
    const factor = (1 - sigmas[sigmas.length - 1]!) / (1 - shiftTerminal);
    sigmas = sigmas.map((sigma) => 1 - (1 - sigma) / factor);
  }
  if (Math.abs(sigmas[0]! - 1) < 1e-6) sigmas[0] = sigmas[0]! - 1e-6;
  return sigmas;
}

function shiftOf(config: UnipcConfig, request: PlanRequest): (sigma: number) => number {
  const factor = flowShift(config, request);
  if (!config.useDynamicShifting) return (s) => (factor * s) / (1 + (factor - 1) * s);
  const isLinear = config.timeShiftType === 'linear';
  const mu = isLinear ? dynamicShift(config, request.imageTokens!) : factor;
  return (s) => mu / (mu + (1 / s - 1));
}

/** Throws CONFIG for what divides by zero or infinity in diffusers. */
function checkedConfig(where: string, config: UnipcConfig): void {
  const { predictX0, finalSigmasType, lowerOrderFinal, solverOrder } = config;
  if (!predictX0 && config.predictionType === 'flow_prediction') {
    throw refusal(where, 'predict_x0 true for flow_prediction', 'false');
  }
  if (!predictX0 && finalSigmasType === 'zero') {
    throw refusal(where, 'final_sigmas_type sigma_min, as predict_x0 is false', 'zero');
  }
  if (!lowerOrderFinal && finalSigmasType === 'zero' && solverOrder > 1) {
    throw refusal(where, 'lower_order_final true where the last σ is zero', 'false');
  }
  if (config.shiftTerminal !== null && !config.useFlowSigmas) {
    throw refusal(where, 'use_flow_sigmas true, as shift_terminal is set', 'false');
  }
}
