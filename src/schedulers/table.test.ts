/** @file Loading of samplers and what every run refuses; trajectories are in test/schedulers. */
import { describe, expect, it } from 'vitest';
import { TorchGenerator } from '../core/random.js';
import { loadSampler, samplerTable, supportedSamplers } from './table.js';

describe('loadSampler', () => {
  it('knows every class of diffusers and runs some', () => {
    expect(Object.keys(samplerTable)).toHaveLength(49);
    expect(supportedSamplers).toHaveLength(21);
    expect(supportedSamplers).toContain('DDIMScheduler');
  });

  it('runs another class on the same noise levels', () => {
    const json = { _class_name: 'PNDMScheduler', skip_prk_steps: true, beta_start: 0.00085 };
    const sampler = loadSampler(json, 'DDIMScheduler');
    expect(sampler.className).toBe('DDIMScheduler');
    expect(sampler.warnings).toEqual([]);
  });

  it('keeps keys that only the class of the file declares, as from_config does', () => {
    const json = { sigma_min: 0.5, use_karras_sigmas: true };
    const lastSigma = (own: string, className?: string) =>
      loadSampler({ ...json, _class_name: own }, className)
        .plan({ steps: 4 })
        .timesteps.at(-1);
    expect(lastSigma('HeunDiscreteScheduler')).toBeGreaterThan(100);
    expect(lastSigma('EulerDiscreteScheduler')).toBeGreaterThan(100);
    const switched = lastSigma('EulerDiscreteScheduler', 'HeunDiscreteScheduler');
    expect(switched).toBe(lastSigma('HeunDiscreteScheduler'));
  });

  it('lists what it supports when asked for more', () => {
    expect(() =>
      loadSampler({ _class_name: 'VQDiffusionScheduler' }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: scheduler: expected one of DDIMScheduler, DDPMScheduler, DEISMultistepScheduler, DPMSolverMultistepScheduler, DPMSolverSDEScheduler, DPMSolverSinglestepScheduler, EDMEulerScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler, HeunDiscreteScheduler, KDPM2AncestralDiscreteScheduler, KDPM2DiscreteScheduler, LCMScheduler, LMSDiscreteScheduler, PNDMScheduler, TCDScheduler, UniPCMultistepScheduler, DPMPP2SAncestralScheduler, DPMPP3MSDEScheduler, got VQDiffusionScheduler, which does not run yet. Choose one of these; it takes its noise levels from the same configuration.]`,
    );
    expect(() => loadSampler({ _class_name: 'NoScheduler' })).toThrow(
      /the unknown class NoScheduler/,
    );
    expect(() => loadSampler({})).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: scheduler_config.json: expected _class_name, a diffusers class name, got undefined. Correct the field the message names.]`,
    );
    expect(() => loadSampler([])).toThrow(/expected a JSON object, got an array/);
  });
});

describe('a run', () => {
  const plan = (config: object, steps = 4) =>
    loadSampler({ _class_name: 'DDIMScheduler', ...config }).plan({ steps });
  const model = async (x: Float32Array) => x.slice();
  const x = new TorchGenerator(1).randn(8);

  it('stops between steps when its signal is aborted', async () => {
    const controller = new AbortController();
    let calls = 0;
    const run = plan({}).sample(model, x, {
      signal: controller.signal,
      onStep: () => {
        calls += 1;
        controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(calls).toBe(1);
  });

  it('goes on with adjusted latents', async () => {
    const last = await plan({}).sample(model, x, { adjust: (latents, step) => latents.fill(step) });
    expect(last).toEqual(new Float32Array(8).fill(3));
  });

  it('leaves its input as it was', async () => {
    const copy = x.slice();
    await plan({}).sample(model, copy);
    expect(copy).toEqual(x);
  });

  it('does nothing when it starts at its end', async () => {
    expect(await plan({}).sample(model, x, { start: 4 })).toEqual(x);
  });

  it('says what is wrong with a call', async () => {
    const run = plan({});
    await expect(run.sample(model, x, { start: 5 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: DDIM: expected a start from 0 to 4, got 5. See \`maliang --help\`.]`,
    );
    await expect(run.sample(model, x, { eta: 1 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: DDIM: expected options.noise to give 8 standard normals, got no noise. Stochastic sampling draws noise in every step.]`,
    );
    await expect(run.sample(model, x, { eta: 2 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: DDIM: expected eta from 0 to 1, got 2. See \`maliang --help\`.]`,
    );
    const short = async () => new Float32Array(3);
    await expect(run.sample(short, x)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: DDIM: expected a model output of 8 values, got 3. Compare the shapes in the message with the operation’s contract.]`,
    );
  });

  it('refuses impossible plans', () => {
    const zeroSnr = {
      rescale_betas_zero_snr: true,
      timestep_spacing: 'trailing',
      clip_sample: false,
    };
    expect(() => plan(zeroSnr)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: DDIM: expected v_prediction or sample where the noise level is total, got epsilon at timestep 999. A zero-SNR schedule cannot start from an epsilon prediction.]`,
    );
    expect(() => plan({ steps_offset: 1 }, 1000)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: timesteps: expected all below 1000, got 1000 for 1000 steps with steps_offset 1. Take fewer steps.]`,
    );
    expect(() => plan({}, 1001)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: steps: expected an integer from 1 to 1000, got 1001. Choose another number of steps.]`,
    );
    expect(() => plan({}, 0)).toThrow(/integer from 1 to 1000/);
    expect(() => plan({ trained_betas: [0.1, 0.2] })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: noise schedule: expected 1000 trained_betas, as num_train_timesteps says, got 2. Correct the field the message names.]`,
    );
    const flow = (config: object, steps: number) =>
      loadSampler({ _class_name: 'FlowMatchEulerDiscreteScheduler', ...config }).plan({ steps });
    expect(() => flow({ use_dynamic_shifting: true }, 4)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: flow-match Euler: expected imageTokens, as use_dynamic_shifting is true, got none. Give the number of tokens of one picture.]`,
    );
    expect(() => flow({ shift_terminal: 0.1 }, 1)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: flow-match Euler: expected at least 2 steps, as shift_terminal is set, got 1. Choose another number of steps.]`,
    );
    expect(() => flow({}, 1.5)).toThrow(/integer of 1 or more/);
    const two = { use_karras_sigmas: true, use_beta_sigmas: true };
    expect(() => flow(two, 4)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: flow-match Euler: expected at most one of use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas, got 2. Correct the field the message names.]`,
    );
  });
});
