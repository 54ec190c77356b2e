/** @file Another sampler for a model: keeps its noise levels, and refuses samplers of another kind of model. */
import { complain } from '../core/errors.js';
import type { SamplerChoice } from './names.js';
import type { Sampler } from './sampler.js';
import { loadSampler } from './table.js';

type Json = Readonly<Record<string, unknown>>;

/** Kinds of noise a model may be trained for; a sampler serves one of them. */
type Kind = 'diffusion' | 'flow' | 'EDM';

/** Samplers that a flow model runs by a class of its own. */
const flowClasses: Readonly<Record<string, string>> = {
  EulerDiscreteScheduler: 'FlowMatchEulerDiscreteScheduler',
  HeunDiscreteScheduler: 'FlowMatchHeunDiscreteScheduler',
};

/** Samplers that serve flows when told to. */
const flowSolvers: ReadonlySet<string> = new Set([
  'DEISMultistepScheduler',
  'DPMSolverMultistepScheduler',
  'DPMSolverSinglestepScheduler',
  'UniPCMultistepScheduler',
]);

/**
 * The sampler `choice` on the noise levels of a model's scheduler_config.json. Euler, Heun and the solvers over
 * log-SNR run flow models too, with the model's shift. Throws MODEL_UNSUPPORTED for other kinds of model.
 */
export function chooseSampler(
  json: Json,
  choice: Pick<SamplerChoice, 'className' | 'config'>,
): Sampler {
  const kind = kindOf(json);
  const className =
    kind === 'flow' ? (flowClasses[choice.className] ?? choice.className) : choice.className;
  if (className === 'FlowMatchHeunDiscreteScheduler' && json.use_dynamic_shifting === true) {
    throw noDynamicShift(className);
  }
  if (kind === 'flow' && flowSolvers.has(className)) {
    return loadSampler(json, className, { ...flowKeys(json), ...choice.config });
  }
  const sampler = loadSampler(json, className, choice.config);
  const own = kindOf({ _class_name: className, prediction_type: sampler.predictionType });
  if (own === kind) return sampler;
  throw complain('MODEL_UNSUPPORTED', {
    where: 'sampler',
    expected: `one for ${kind} models, as this one is`,
    got: `${choice.className}, for ${own} models`,
    next: 'Leave it out to use the sampler of the model.',
  });
}

/** The class has no such key; diffusers' pipelines fail too. */
function noDynamicShift(className: string) {
  return complain('MODEL_UNSUPPORTED', {
    where: 'sampler',
    expected: 'one with dynamic shifting, as the model is trained',
    got: className,
    next: 'Take FlowMatchEulerDiscreteScheduler or a DPM++ solver.',
  });
}

function kindOf(json: Json): Kind {
  const name = `${json._class_name}`;
  if (name.startsWith('FlowMatch') || json.prediction_type === 'flow_prediction') return 'flow';
  return name.startsWith('EDM') ? 'EDM' : 'diffusion';
}

/** What makes a solver run a flow as its own scheduler would. */
function flowKeys(json: Json): Json {
  return {
    use_flow_sigmas: true,
    prediction_type: 'flow_prediction',
    flow_shift: json.flow_shift ?? json.shift ?? 1,
  };
}
