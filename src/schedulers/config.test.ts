/** @file Reading of scheduler_config.json: defaults, warnings, refusals. */
import { describe, expect, it } from 'vitest';
import { readConfig } from './config.js';
import { ddimFields } from './ddim.js';
import { flowMatchEulerFields } from './flow-match-euler.js';

const read = (json: Record<string, unknown>) =>
  readConfig('scheduler_config.json', ddimFields, json);

describe('readConfig', () => {
  it('takes defaults for what is missing', () => {
    const { config, warnings } = read({ _class_name: 'DDIMScheduler', _diffusers_version: '0.20' });
    expect(config).toMatchObject({ numTrainTimesteps: 1000, clipSample: true, trainedBetas: null });
    expect(warnings).toEqual([]);
  });

  it('reads the configuration of Stable Diffusion 1', () => {
    const { config, warnings } = read({
      beta_end: 0.012,
      beta_schedule: 'scaled_linear',
      beta_start: 0.00085,
      clip_sample: false,
      num_train_timesteps: 1000,
      set_alpha_to_one: false,
      skip_prk_steps: true,
      steps_offset: 1,
      trained_betas: null,
    });
    expect(config).toMatchObject({ betaEnd: 0.012, betaSchedule: 'scaled_linear', stepsOffset: 1 });
    expect(warnings).toEqual([]);
  });

  it('warns of keys that have no effect', () => {
    const { warnings } = read({ use_karras_sigmas: true, timestep_spacings: 'trailing', x: null });
    expect(warnings).toEqual([
      'scheduler_config.json: use_karras_sigmas has no effect here and is ignored.',
      'scheduler_config.json: timestep_spacings has no effect here and is ignored.',
    ]);
  });

  it('refuses wrong values by name', () => {
    expect(() => read({ timestep_spacing: 'even' })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: scheduler_config.json: expected timestep_spacing to be one of leading, linspace, trailing, got "even". Correct the field the message names.]`,
    );
    expect(() => read({ num_train_timesteps: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: scheduler_config.json: expected num_train_timesteps to be an integer of 1 or more, got 0. Correct the field the message names.]`,
    );
    expect(() => read({ beta_start: '0.1' })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: scheduler_config.json: expected beta_start to be a number above 0, got "0.1". Correct the field the message names.]`,
    );
    expect(() => read({ clip_sample: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: scheduler_config.json: expected clip_sample to be true or false, got 1. Correct the field the message names.]`,
    );
    expect(() => read({ trained_betas: [2] })).toThrow(/numbers from 0 to 1, or null/);
    const flow = { shift_terminal: 'no' };
    expect(() => readConfig('here', flowMatchEulerFields, flow)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: here: expected shift_terminal to be a number, or null, got "no". Correct the field the message names.]`,
    );
  });
});
