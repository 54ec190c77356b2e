/** @file The total table from diffusers' scheduler class names to samplers. */
import { complain } from '../core/errors.js';
import { type ConfigOf, type Fields, readConfig } from './config.js';
import { ddimFields, planDdim } from './ddim.js';
import { flowMatchEulerFields, planFlowMatchEuler } from './flow-match-euler.js';
import type { PlanRequest, PredictionType, Sampler, Trajectory } from './sampler.js';

type Json = Readonly<Record<string, unknown>>;
type Loader = (className: string, json: Json) => Sampler;

/** What a sampler brings to the table. */
interface Row<F extends Fields> {
  readonly fields: F;
  readonly predictionType: (config: ConfigOf<F>) => PredictionType;
  readonly trainTimesteps: (config: ConfigOf<F>) => number;
  readonly plan: (config: ConfigOf<F>, request: PlanRequest) => Trajectory;
}

function sampler<F extends Fields>(row: Row<F>): Loader {
  return (className, json) => {
    const { config, warnings } = readConfig('scheduler_config.json', row.fields, json);
    return {
      className,
      predictionType: row.predictionType(config),
      trainTimesteps: row.trainTimesteps(config),
      warnings,
      plan: (request) => row.plan(config, request),
    };
  };
}

/** A class that diffusers has and Maliang does not run. */
const notRun = null;

/** Every scheduler class of diffusers. */
export const samplerTable = {
  DDIMScheduler: sampler({
    fields: ddimFields,
    predictionType: (config) => config.predictionType,
    trainTimesteps: (config) => config.numTrainTimesteps,
    plan: planDdim,
  }),
  FlowMatchEulerDiscreteScheduler: sampler({
    fields: flowMatchEulerFields,
    predictionType: () => 'flow_prediction',
    trainTimesteps: (config) => config.numTrainTimesteps,
    plan: planFlowMatchEuler,
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
  DDPMScheduler: notRun,
  DDPMWuerstchenScheduler: notRun,
  DEISMultistepScheduler: notRun,
  DiscreteDDIMScheduler: notRun,
  DPMSolverMultistepInverseScheduler: notRun,
  DPMSolverMultistepScheduler: notRun,
  DPMSolverSDEScheduler: notRun,
  DPMSolverSinglestepScheduler: notRun,
  EDMDPMSolverMultistepScheduler: notRun,
  EDMEulerScheduler: notRun,
  EntropyBoundScheduler: notRun,
  EulerAncestralDiscreteScheduler: notRun,
  EulerDiscreteScheduler: notRun,
  FlowMapEulerDiscreteScheduler: notRun,
  FlowMatchHeunDiscreteScheduler: notRun,
  FlowMatchLCMScheduler: notRun,
  HeliosDMDScheduler: notRun,
  HeliosScheduler: notRun,
  HeunDiscreteScheduler: notRun,
  IPNDMScheduler: notRun,
  KarrasVeScheduler: notRun,
  KDPM2AncestralDiscreteScheduler: notRun,
  KDPM2DiscreteScheduler: notRun,
  LCMScheduler: notRun,
  LMSDiscreteScheduler: notRun,
  LTXEulerAncestralRFScheduler: notRun,
  MiniMaxH3Scheduler: notRun,
  PNDMScheduler: notRun,
  RePaintScheduler: notRun,
  SASolverScheduler: notRun,
  SCMScheduler: notRun,
  ScoreSdeVeScheduler: notRun,
  ScoreSdeVpScheduler: notRun,
  TCDScheduler: notRun,
  UnCLIPScheduler: notRun,
  UniPCMultistepScheduler: notRun,
  VQDiffusionScheduler: notRun,
} as const satisfies Record<string, Loader | null>;

export type SchedulerClassName = keyof typeof samplerTable;

const rows = new Map<string, Loader | null>(Object.entries(samplerTable));

/** The class names that run. */
export const supportedSamplers: readonly string[] = [...rows.keys()].filter((name) =>
  rows.get(name),
);

/**
 * The sampler that a parsed scheduler_config.json describes. `className` runs another class on the
 * same noise levels. Throws CONFIG for wrong values, MODEL_UNSUPPORTED for classes that do not run.
 */
export function loadSampler(json: unknown, className?: string): Sampler {
  const config = checkedObject(json);
  const name = className ?? checkedName(config._class_name);
  const load = rows.get(name);
  if (load) return load(name, config);
  throw complain('MODEL_UNSUPPORTED', {
    where: 'scheduler',
    expected: `one of ${supportedSamplers.join(', ')}`,
    got: load === null ? `${name}, which does not run yet` : `the unknown class ${name}`,
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
