/** @file The total table from diffusers' scheduler class names to samplers. */
import { complain } from '../core/errors.js';
import { type ConfigOf, type Fields, readConfig } from './config.js';
import { ddimFields, planDdim } from './ddim.js';
import { ddpmFields, learnsVariance, planDdpm } from './ddpm.js';
import { deisFields, planDeis } from './deis.js';
import { dpmSolverMultistepFields, planDpmSolverMultistep } from './dpm-solver-multistep.js';
import { dpmSolverSdeFields, planDpmSolverSde } from './dpm-solver-sde.js';
import { dpmSolverSinglestepFields, planDpmSolverSinglestep } from './dpm-solver-singlestep.js';
import { edmEulerFields, planEdmEuler } from './edm-euler.js';
import { eulerFields, planEuler } from './euler.js';
import { eulerAncestralFields, planEulerAncestral } from './euler-ancestral.js';
import { flowMatchEulerFields, planFlowMatchEuler } from './flow-match-euler.js';
import { flowMatchHeunFields, planFlowMatchHeun } from './flow-match-heun.js';
import { heunFields, planHeun } from './heun.js';
import { planDpmpp2sAncestral, planDpmpp3mSde } from './k-diffusion.js';
import { kdpm2Fields, planKdpm2 } from './kdpm2.js';
import { lcmFields, planLcm } from './lcm.js';
import { lmsFields, planLms } from './lms.js';
import { planPndm, pndmFields } from './pndm.js';
import type { PlanRequest, PredictionType, Sampler, Trajectory } from './sampler.js';
import { ownSchedules, type ScheduleName, scheduleNames } from './schedule-names.js';
import { planTcd, tcdFields } from './tcd.js';
import { planUnipc, unipcFields } from './unipc.js';

type Json = Readonly<Record<string, unknown>>;

/** How a class is made from its configuration. */
interface Loader {
  readonly load: (className: string, json: Json) => Sampler;
}

/** What a sampler brings to the table. */
interface Row<F extends Fields> {
  readonly fields: F;
  readonly predictionType: (config: ConfigOf<F>) => PredictionType;
  readonly trainTimesteps: (config: ConfigOf<F>) => number;
  readonly plan: (config: ConfigOf<F>, request: PlanRequest) => Trajectory;
  /** Default: uniform alone. */
  readonly schedules?: (config: ConfigOf<F>) => readonly ScheduleName[];
  /** Default: never. */
  readonly usesNoise?: (config: ConfigOf<F>) => Sampler['usesNoise'];
  readonly usesBrownian?: true;
  readonly outputWidth?: (config: ConfigOf<F>) => 1 | 2;
}

function sampler<F extends Fields>(row: Row<F>): Loader {
  return {
    load: (className, json) => {
      const { config, warnings } = readConfig('scheduler_config.json', row.fields, json);
      const schedules = row.schedules?.(config) ?? ['uniform'];
      return {
        className,
        predictionType: row.predictionType(config),
        trainTimesteps: row.trainTimesteps(config),
        schedules,
        usesNoise: row.usesNoise?.(config) ?? 'never',
        usesBrownian: row.usesBrownian ?? false,
        outputWidth: row.outputWidth?.(config) ?? 1,
        warnings,
        plan: (request) => row.plan(config, withSchedule(className, schedules, request)),
      };
    },
  };
}

/** Throws USAGE when a run asks for a schedule the sampler does not have. */
function withSchedule(
  className: string,
  schedules: readonly ScheduleName[],
  request: PlanRequest,
): PlanRequest {
  const { schedule } = request;
  if (schedule === undefined || schedules.includes(schedule)) return request;
  throw complain('USAGE', {
    where: className,
    expected: `one of the schedules ${schedules.join(', ')}`,
    got: schedule,
    next: 'Choose one of these, or another sampler.',
  });
}

/** A class that diffusers has and Maliang does not run. */
const notRun = null;

const trained = {
  predictionType: (config: { readonly predictionType: PredictionType }) => config.predictionType,
  trainTimesteps: (config: { readonly numTrainTimesteps: number }) => config.numTrainTimesteps,
};
const flow = { ...trained, predictionType: (): PredictionType => 'flow_prediction' };
const allSchedules = { schedules: () => scheduleNames };
const onRequest = { usesNoise: () => 'on request' as const };
const always = { usesNoise: () => 'always' as const };
const solver = {
  ...trained,
  schedules: (config: { readonly useFlowSigmas: boolean }) =>
    config.useFlowSigmas ? (['uniform'] as const) : scheduleNames,
};
const dpmSolver = {
  ...solver,
  usesNoise: (config: { readonly algorithmType: string }) =>
    config.algorithmType.startsWith('sde') ? ('always' as const) : ('never' as const),
  outputWidth: (config: { readonly varianceType: string | null }) =>
    learnsVariance(config.varianceType) ? (2 as const) : (1 as const),
};

/** Every scheduler class of diffusers. */
export const samplerTable = {
  DDIMScheduler: sampler({ ...trained, ...onRequest, fields: ddimFields, plan: planDdim }),
  DDPMScheduler: sampler({
    ...trained,
    ...always,
    fields: ddpmFields,
    outputWidth: (config) => (learnsVariance(config.varianceType) ? 2 : 1),
    plan: planDdpm,
  }),
  DEISMultistepScheduler: sampler({
    ...solver,
    fields: deisFields,
    plan: planDeis,
  }),
  DPMSolverMultistepScheduler: sampler({
    ...dpmSolver,
    fields: dpmSolverMultistepFields,
    plan: planDpmSolverMultistep,
  }),
  DPMSolverSDEScheduler: sampler({
    ...trained,
    ...allSchedules,
    fields: dpmSolverSdeFields,
    usesBrownian: true,
    plan: planDpmSolverSde,
  }),
  DPMSolverSinglestepScheduler: sampler({
    ...dpmSolver,
    fields: dpmSolverSinglestepFields,
    plan: planDpmSolverSinglestep,
  }),
  EDMEulerScheduler: sampler({
    ...trained,
    ...onRequest,
    schedules: () => ['karras', 'exponential'],
    fields: edmEulerFields,
    plan: planEdmEuler,
  }),
  EulerAncestralDiscreteScheduler: sampler({
    ...trained,
    ...allSchedules,
    ...always,
    fields: eulerAncestralFields,
    plan: planEulerAncestral,
  }),
  EulerDiscreteScheduler: sampler({
    ...trained,
    ...allSchedules,
    ...onRequest,
    fields: eulerFields,
    plan: planEuler,
  }),
  FlowMatchEulerDiscreteScheduler: sampler({
    ...flow,
    schedules: () => ownSchedules,
    fields: flowMatchEulerFields,
    usesNoise: (config) => (config.stochasticSampling ? 'always' : 'never'),
    plan: planFlowMatchEuler,
  }),
  FlowMatchHeunDiscreteScheduler: sampler({
    ...flow,
    ...onRequest,
    fields: flowMatchHeunFields,
    plan: planFlowMatchHeun,
  }),
  HeunDiscreteScheduler: sampler({
    ...trained,
    ...allSchedules,
    fields: heunFields,
    plan: planHeun,
  }),
  KDPM2AncestralDiscreteScheduler: sampler({
    ...trained,
    ...allSchedules,
    ...always,
    fields: kdpm2Fields,
    plan: (config, request) => planKdpm2(config, request, true),
  }),
  KDPM2DiscreteScheduler: sampler({
    ...trained,
    ...allSchedules,
    fields: kdpm2Fields,
    plan: (config, request) => planKdpm2(config, request, false),
  }),
  LCMScheduler: sampler({ ...trained, ...always, fields: lcmFields, plan: planLcm }),
  LMSDiscreteScheduler: sampler({
    ...trained,
    ...allSchedules,
    fields: lmsFields,
    plan: planLms,
  }),
  PNDMScheduler: sampler({ ...trained, fields: pndmFields, plan: planPndm }),
  TCDScheduler: sampler({ ...trained, ...onRequest, fields: tcdFields, plan: planTcd }),
  UniPCMultistepScheduler: sampler({
    ...trained,
    schedules: (config) => (config.useFlowSigmas ? ['uniform', 'karras'] : scheduleNames),
    fields: unipcFields,
    plan: planUnipc,
  }),
  AmusedScheduler: notRun,
  BlockRefinementScheduler: notRun,
  CMStochasticIterativeScheduler: notRun,
  CogVideoXDDIMScheduler: notRun,
  CogVideoXDPMScheduler: notRun,
  ConsistencyDecoderScheduler: notRun,
  CosineDPMSolverMultistepScheduler: notRun,
  DDIMInverseScheduler: notRun,
  DDIMParallelScheduler: notRun,
  DDPMParallelScheduler: notRun,
  DDPMWuerstchenScheduler: notRun,
  DiscreteDDIMScheduler: notRun,
  DPMSolverMultistepInverseScheduler: notRun,
  EDMDPMSolverMultistepScheduler: notRun,
  EntropyBoundScheduler: notRun,
  FlowMapEulerDiscreteScheduler: notRun,
  FlowMatchLCMScheduler: notRun,
  HeliosDMDScheduler: notRun,
  HeliosScheduler: notRun,
  IPNDMScheduler: notRun,
  KarrasVeScheduler: notRun,
  LTXEulerAncestralRFScheduler: notRun,
  MiniMaxH3Scheduler: notRun,
  RePaintScheduler: notRun,
  SASolverScheduler: notRun,
  SCMScheduler: notRun,
  ScoreSdeVeScheduler: notRun,
  ScoreSdeVpScheduler: notRun,
  UnCLIPScheduler: notRun,
  VQDiffusionScheduler: notRun,
} as const satisfies Record<string, Loader | null>;

/** Samplers of k-diffusion that diffusers has no class for, on the configuration of its Euler class. */
export const kDiffusionTable = {
  DPMPP2SAncestralScheduler: sampler({
    ...trained,
    ...allSchedules,
    ...always,
    fields: eulerFields,
    plan: planDpmpp2sAncestral,
  }),
  DPMPP3MSDEScheduler: sampler({
    ...trained,
    ...allSchedules,
    usesBrownian: true,
    fields: eulerFields,
    plan: planDpmpp3mSde,
  }),
} as const satisfies Record<string, Loader>;

export type SchedulerClassName = keyof typeof samplerTable | keyof typeof kDiffusionTable;

const rows = new Map<string, Loader | null>([
  ...Object.entries(samplerTable),
  ...Object.entries(kDiffusionTable),
]);

/** The class names that run. */
export const supportedSamplers: readonly string[] = [...rows.keys()].filter((name) =>
  rows.get(name),
);

/**
 * The sampler that a parsed scheduler_config.json describes. `className` runs another class on the
 * same noise levels; `overrides` replace keys of the file. Throws CONFIG for wrong values, MODEL_UNSUPPORTED for classes that do not run.
 */
export function loadSampler(json: unknown, className?: string, overrides: Json = {}): Sampler {
  const config = checkedObject(json);
  const name = className ?? checkedName(config._class_name);
  const loader = rows.get(name);
  if (loader) return loader.load(name, { ...config, ...overrides });
  throw complain('MODEL_UNSUPPORTED', {
    where: 'scheduler',
    expected: `one of ${supportedSamplers.join(', ')}`,
    got: loader === null ? `${name}, which does not run yet` : `the unknown class ${name}`,
    next: 'Choose one of these; it takes its noise levels from the same configuration.',
  });
}

function checkedObject(json: unknown): Json {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Json;
  throw complain('CONFIG', {
    where: 'scheduler_config.json',
    expected: 'a JSON object',
    got: Array.isArray(json) ? 'an array' : `${json}`,
  });
}

function checkedName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw complain('CONFIG', {
    where: 'scheduler_config.json',
    expected: '_class_name, a diffusers class name',
    got: `${name}`,
  });
}
