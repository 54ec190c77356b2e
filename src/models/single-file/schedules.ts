/** @file Scheduler configurations of the published models, as their scheduler_config.json has them. */
import type { ConfigJson } from '../config-reader.js';

const stableDiffusion: ConfigJson = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  num_train_timesteps: 1000,
  clip_sample: false,
  set_alpha_to_one: false,
  steps_offset: 1,
};

/** By the model whose folder holds the file. */
export const publishedSchedules = {
  sd1: { _class_name: 'PNDMScheduler', ...stableDiffusion, skip_prk_steps: true },
  sd2: { _class_name: 'DDIMScheduler', ...stableDiffusion, skip_prk_steps: true },
  sd2Base: { _class_name: 'PNDMScheduler', ...stableDiffusion, skip_prk_steps: true },
  sdxl: {
    _class_name: 'EulerDiscreteScheduler',
    ...stableDiffusion,
    interpolation_type: 'linear',
    sample_max_value: 1,
    skip_prk_steps: true,
    timestep_spacing: 'leading',
    use_karras_sigmas: false,
  },
  lcm: {
    _class_name: 'LCMScheduler',
    ...stableDiffusion,
    set_alpha_to_one: true,
    steps_offset: 0,
    original_inference_steps: 50,
    timestep_scaling: 10,
    timestep_spacing: 'leading',
  },
  sd3: { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 1000, shift: 3 },
} as const satisfies Record<string, ConfigJson>;
