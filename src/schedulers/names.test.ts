/** @file Names of samplers and schedules, whatever system they come from. */
import { describe, expect, it } from 'vitest';
import { chooseSampler } from './choose.js';
import { listSamplers, resolveSampler, resolveSchedule } from './names.js';
import { namesNotRun, samplerNames } from './sampler-names.js';

const multistep = 'DPMSolverMultistepScheduler';

describe('resolveSampler', () => {
  it.each([
    ['EulerDiscreteScheduler', 'EulerDiscreteScheduler', undefined],
    ['eulerdiscrete', 'EulerDiscreteScheduler', undefined],
    ['Euler', 'EulerDiscreteScheduler', undefined],
    ['EULER A', 'EulerAncestralDiscreteScheduler', undefined],
    ['k_euler_ancestral', 'EulerAncestralDiscreteScheduler', undefined],
    ['euler_a', 'EulerAncestralDiscreteScheduler', undefined],
    ['dpm_2_ancestral', 'KDPM2AncestralDiscreteScheduler', undefined],
    ['kdpm_2_a_k', 'KDPM2AncestralDiscreteScheduler', 'karras'],
    ['dpmpp_2m_k', multistep, 'karras'],
    ['dpmpp_2m_sde_k', multistep, 'karras'],
    ['DPM++ 2M SDE Karras', multistep, 'karras'],
    ['dpm++ 2m  exponential', multistep, 'exponential'],
    ['DPM++ 2M SGM Uniform', multistep, 'sgm_uniform'],
    ['dpm++2s_a', 'DPMPP2SAncestralScheduler', undefined],
    ['DPM++ SDE', 'DPMSolverSDEScheduler', undefined],
    ['DPM++ 3M SDE Exponential', 'DPMPP3MSDEScheduler', 'exponential'],
    ['plms', 'PNDMScheduler', undefined],
    ['ddim_trailing', 'DDIMScheduler', undefined],
    ['uni_pc_bh2', 'UniPCMultistepScheduler', undefined],
    ['UniPC', 'UniPCMultistepScheduler', undefined],
  ])('reads %s', (name, className, schedule) => {
    expect(resolveSampler(name)).toMatchObject({ className, schedule });
  });

  it('gives the keys that make the class the sampler', () => {
    expect(resolveSampler('DPM++ 2M SDE Heun').config).toEqual({
      algorithm_type: 'sde-dpmsolver++',
      solver_order: 2,
      solver_type: 'heun',
    });
    expect(resolveSampler('uni_pc').config).toEqual({ solver_type: 'bh1' });
    expect(resolveSampler(multistep).config).toEqual({});
  });

  it('takes the schedule the webui pairs with a sampler', () => {
    expect(resolveSampler('DPM++ 2M', 'Automatic').schedule).toBe('karras');
    expect(resolveSampler('DPM++ 2M SDE', 'automatic').schedule).toBe('exponential');
    expect(resolveSampler('Euler a', 'automatic').schedule).toBe('uniform');
    expect(resolveSampler('DPM++ 2M Beta', 'automatic').schedule).toBe('beta');
    expect(resolveSampler('DPM++ 2M Karras', 'karras').schedule).toBe('karras');
  });

  it('knows every name once', () => {
    const names = samplerNames.flatMap(({ label, aliases }) => [label.toLowerCase(), ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => namesNotRun.has(name))).toEqual([]);
    for (const { label, className, config } of samplerNames) {
      expect(resolveSampler(label)).toEqual({ className, config, schedule: undefined });
    }
  });

  it('says what is wrong with a name', () => {
    expect(() => resolveSampler('eulr a')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: sampler: expected a known sampler, near to this Euler a, euler_a, got eulr a. Run \`maliang samplers\` for all of them.]`,
    );
    expect(() => resolveSampler('quantum leap')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: sampler: expected a known sampler, got quantum leap. Run \`maliang samplers\` for all of them.]`,
    );
    expect(() => resolveSampler('DPM adaptive')).toThrow(/does not run yet/);
    expect(() => resolveSampler('DPM++ 2M Karras', 'beta')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: sampler: expected the karras schedule, as the name DPM++ 2M Karras says, got beta. Leave one of them out.]`,
    );
    expect(() => resolveSampler('Euler', 'karas')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: schedule: expected a known schedule, near to this karras, got karas. Run \`maliang samplers\` for all of them.]`,
    );
  });
});

it('reads schedules in any spelling', () => {
  const read = [
    'Karras',
    'SGM Uniform',
    'sgm-uniform',
    'AYS',
    'Align Your Steps',
    'DDIM',
    'discrete',
  ];
  expect(read.map(resolveSchedule)).toEqual([
    'karras',
    'sgm_uniform',
    'sgm_uniform',
    'align_your_steps',
    'align_your_steps',
    'ddim_uniform',
    'uniform',
  ]);
});

it('lists every sampler with what it can do', () => {
  const list = listSamplers();
  expect(list).toHaveLength(samplerNames.length);
  const named = (label: string) => list.find((row) => row.label === label);
  expect(named('DPM++ 2M SDE')).toMatchObject({ isStochastic: true });
  expect(named('Euler')).toMatchObject({ isStochastic: false });
  expect(named('DDIM')?.schedules).toEqual(['uniform']);
  expect(named('Euler')?.schedules).toContain('align_your_steps');
});

describe('chooseSampler', () => {
  const flow = { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 };
  const diffusion = { _class_name: 'PNDMScheduler', beta_start: 0.00085 };
  const choose = (json: object, name: string) => chooseSampler({ ...json }, resolveSampler(name));

  it('runs flow models by the flow side of a sampler', () => {
    expect(choose(flow, 'Euler').className).toBe('FlowMatchEulerDiscreteScheduler');
    expect(choose(flow, 'Heun').className).toBe('FlowMatchHeunDiscreteScheduler');
    const solver = choose(flow, 'DPM++ 2M');
    expect(solver.predictionType).toBe('flow_prediction');
    expect(solver.plan({ steps: 4 }).timesteps).toEqual([999, 899, 749, 499]);
  });

  it('keeps the noise levels of the model', () => {
    expect(choose(diffusion, 'DPM++ 2M').predictionType).toBe('epsilon');
  });

  it('refuses samplers of another kind of model', () => {
    expect(() => choose(flow, 'LMS')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: sampler: expected one for flow models, as this one is, got LMSDiscreteScheduler, for diffusion models. Leave it out to use the sampler of the model.]`,
    );
    expect(() => choose(diffusion, 'flow_match_euler')).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: sampler: expected one for diffusion models, as this one is, got FlowMatchEulerDiscreteScheduler, for flow models. Leave it out to use the sampler of the model.]`,
    );
    expect(() => choose(diffusion, 'EDM Euler')).toThrow(/for EDM models/);
    expect(() => choose({ _class_name: 'EDMEulerScheduler' }, 'Euler')).toThrow(
      /one for EDM models/,
    );
  });
});
