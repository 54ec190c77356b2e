/** @file DEIS, Zhang, Chen 2022 (exponential integrator, polynomials in log ρ), with the configuration of diffusers' DEISMultistepScheduler. */
import { combine } from './combine.js';
import { booleanField, type ConfigOf, choiceField, integerField } from './config.js';
import { refusal } from './dpm-solver-config.js';
import { solverTerms } from './dpm-solver-terms.js';
import { numpyLog } from './numpy-log.js';
import { SamplerRun } from './run.js';
import type { Denoise, PlanRequest, SampleOptions, Trajectory } from './sampler.js';
import { respacingFields, spacingFields, trainingFields } from './sigma-schedule.js';
import {
  checkedDistinct,
  epsilonOf,
  evenFlowSigmas,
  noisedAtLevel,
  type VpLevel,
  type VpSchedule,
  vpDenoised,
  vpFields,
  vpSchedule,
} from './vp-schedule.js';

const f = Math.fround;
const fewSteps = 15;

/** Keys and defaults of diffusers' DEISMultistepScheduler. */
export const deisFields = {
  ...trainingFields,
  ...spacingFields,
  ...respacingFields,
  ...vpFields,
  solverOrder: integerField(2, 1),
  algorithmType: choiceField('deis', ['deis', 'dpmsolver', 'dpmsolver++']),
  solverType: choiceField('logrho', ['logrho', 'midpoint', 'heun', 'bh1', 'bh2']),
  lowerOrderFinal: booleanField(true),
};
export type DeisConfig = ConfigOf<typeof deisFields>;

/** Levels of a run and the order of each step. */
export interface DeisSchedule extends VpSchedule {
  readonly orders: readonly number[];
}

/** Runs steps that integrate the polynomial through up to three noise estimates. */
export async function sampleDeis(
  denoise: Denoise,
  x: Float32Array,
  schedule: DeisSchedule,
  options: SampleOptions = {},
): Promise<Float32Array> {
  const { levels, orders, predictionType, keep } = schedule;
  const run = new SamplerRun('DEIS', schedule, denoise, options);
  const outputs: Float32Array[] = [];
  for (let step = run.start; step < run.end; step++) {
    const level = levels[step]!;
    const output = await run.output(x, step);
    const denoised = keep(vpDenoised(predictionType, level, x, output), options.batch ?? 1);
    outputs.unshift(epsilonOf(level, x, denoised));
    const order = Math.min(orders[step]!, outputs.length);
    const next =
      order === 1
        ? firstOrder(levels, step, x, outputs)
        : higherOrder(levels, step, x, outputs.slice(0, order));
    x = run.finish(step, next, denoised);
  }
  return x;
}

/** The trajectory of one run under `config`. */
export function planDeis(config: DeisConfig, request: PlanRequest): Trajectory {
  const where = 'DEIS';
  if (config.solverOrder > 3) {
    throw refusal(where, 'solver_order of 1, 2 or 3', `${config.solverOrder}`);
  }
  const plan = vpSchedule(config, request, {
    where,
    final: 'training',
    respacedFinal: 'repeat',
    roundsKarras: true,
    flowSigmas: (steps) => evenFlowSigmas(config, steps, request),
  });
  checkedDistinct(where, plan, config.solverOrder);
  const schedule = { ...plan, orders: stepOrders(config, plan.timesteps.length) };
  return {
    timesteps: plan.timesteps,
    order: 1,
    initialNoiseScale: 1,
    addNoise: (clean, noise, step) => noisedAtLevel(plan.levels[step]!, clean, noise),
    sample: (denoise, x, options) => sampleDeis(denoise, x, schedule, options),
  };
}

function stepOrders({ solverOrder, lowerOrderFinal }: DeisConfig, count: number): number[] {
  const lowers = lowerOrderFinal && count < fewSteps;
  return Array.from({ length: count }, (_, step) =>
    lowers ? Math.min(solverOrder, count - step) : solverOrder,
  );
}

type Outputs = readonly Float32Array[];

function firstOrder(levels: readonly VpLevel[], step: number, x: Float32Array, [m0]: Outputs) {
  const { carry, direct } = solverTerms('dpmsolver', levels[step]!, levels[step + 1]!);
  return combine([carry, x], [direct, m0!]);
}

/** α_t·(x/α_s + Σ cᵢ·εᵢ), cᵢ the integral of a Lagrange polynomial in log ρ, ρ = σ/α. */
function higherOrder(levels: readonly VpLevel[], step: number, x: Float32Array, outputs: Outputs) {
  const rho = (i: number) => f(levels[i]!.sigma / levels[i]!.alpha);
  const end = rho(step + 1);
  const nodes = outputs.map((_, k) => rho(step - k));
  const scaled = x.map((v) => v / levels[step]!.alpha);
  const sum = outputs.map((values, k) => {
    const others = [...nodes.slice(k + 1), ...nodes.slice(0, k)];
    const integral = (t: number) => antiderivative(t, nodes[k]!, others);
    return [f(integral(end) - integral(nodes[0]!)), values] as const;
  });
  return combine([levels[step + 1]!.alpha, combine([1, scaled], ...sum)]);
}

/** ∫ Π (log τ − log other)/(log node − log other) dτ at `t`, rounded in the order of diffusers. */
function antiderivative(t: number, node: number, [c, d]: readonly number[]): number {
  const [lt, lb, lc] = [numpyLog(t), numpyLog(node), numpyLog(c!)];
  if (d === undefined) return f(f(t * f(f(-lc + lt) - 1)) / f(lb - lc));
  const ld = numpyLog(d);
  const inner = f(f(lc * f(f(ld - lt) + 1)) - f(ld * lt));
  const numerator = f(t * f(f(f(f(inner + ld) + f(lt * lt)) - f(2 * lt)) + 2));
  return f(numerator / f(f(lb - lc) * f(lb - ld)));
}
