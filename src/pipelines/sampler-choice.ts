/** @file Which sampler and schedule a request takes: the model's own, or another by any of its names. */
import { complain } from '../core/errors.js';
import { chooseSampler } from '../schedulers/choose.js';
import { distributed } from '../schedulers/lcm.js';
import { resolveSampler, resolveSchedule } from '../schedulers/names.js';
import type { Sampler } from '../schedulers/sampler.js';
import type { ScheduleName } from '../schedulers/schedule-names.js';
import type { Task } from './families.js';
import type { TextToImageModel } from './text-to-image-model.js';

export interface ChosenSampler {
  readonly sampler: Sampler;
  /** Undefined: what the configuration says. */
  readonly schedule: ScheduleName | undefined;
}

/**
 * Throws USAGE for unknown names, MODEL_UNSUPPORTED for samplers that do not run or are for another
 * kind of model.
 */
export function samplerFor(
  { sampler: own, schedulerConfig }: TextToImageModel,
  asked: { readonly sampler?: string | undefined; readonly schedule?: string | undefined },
): ChosenSampler {
  if (asked.sampler !== undefined) {
    const choice = resolveSampler(asked.sampler, asked.schedule);
    const sampler = chooseSampler(schedulerConfig, choice);
    if (isClassName(asked.sampler) && sampler.className !== choice.className) {
      throw anotherClass(choice.className, sampler.className);
    }
    return { sampler, schedule: choice.schedule };
  }
  const schedule = asked.schedule === undefined ? undefined : resolveSchedule(asked.schedule);
  // What goes with the model's sampler by itself is what its configuration says.
  return { sampler: own, schedule: schedule === 'automatic' ? undefined : schedule };
}

/** Whether a name means one class of diffusers: "Euler" has a class for flows too, "EulerDiscreteScheduler" is none. */
function isClassName(name: string): boolean {
  return name.trim().toLowerCase().endsWith('scheduler');
}

function anotherClass(asked: string, fitting: string): Error {
  return complain('MODEL_UNSUPPORTED', {
    where: 'sampler',
    expected: `${fitting}, as this is a flow model`,
    got: asked,
    next: 'Leave it out to use the sampler of the model.',
  });
}

/**
 * LCM pipelines from pictures spread their steps over the last `strength` of the distilled schedule,
 * instead of leaving steps out (diffusers' LCMScheduler.set_timesteps).
 */
export function distilledTimesteps(
  { family, schedulerConfig }: TextToImageModel,
  { className, trainTimesteps }: Sampler,
  {
    task,
    steps,
    strength,
  }: { readonly task: Task; readonly steps: number; readonly strength: number },
): number[] | undefined {
  if (!family.spreadsStrength || task === 'text' || className !== 'LCMScheduler') return undefined;
  const { original_inference_steps: original = 50 } = schedulerConfig as {
    original_inference_steps?: number;
  };
  const stride = Math.floor(trainTimesteps / original);
  const count = Math.trunc(original * strength);
  if (count < steps) return undefined;
  return distributed(count, steps).map((i) => (count - i) * stride - 1);
}
