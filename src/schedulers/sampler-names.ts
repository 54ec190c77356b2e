/** @file What samplers are called in diffusers, stable-diffusion-webui, ComfyUI, InvokeAI and stable-diffusion.cpp. */
import type { ScheduleName } from './schedule-names.js';
import type { SchedulerClassName } from './table.js';

/** One sampler under all its names. */
export interface SamplerNames {
  /** The name lists show: that of stable-diffusion-webui, where it has one. */
  readonly label: string;
  readonly className: SchedulerClassName;
  /** Configuration keys that make the class this sampler. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What stable-diffusion-webui's "Automatic" schedule means. */
  readonly automatic: ScheduleName;
  /** All other names, in lower case. */
  readonly aliases: readonly string[];
}

const multistep = (algorithm: string, order: number, type = 'midpoint') => ({
  algorithm_type: algorithm,
  solver_order: order,
  solver_type: type,
});

type Row = [
  label: string,
  className: SchedulerClassName,
  automatic: ScheduleName,
  aliases: string,
  config?: Readonly<Record<string, unknown>>,
];

const rows: readonly Row[] = [
  ['Euler', 'EulerDiscreteScheduler', 'uniform', 'k_euler'],
  [
    'Euler a',
    'EulerAncestralDiscreteScheduler',
    'uniform',
    'k_euler_a k_euler_ancestral euler_a euler_ancestral',
  ],
  ['LMS', 'LMSDiscreteScheduler', 'uniform', 'k_lms'],
  ['Heun', 'HeunDiscreteScheduler', 'uniform', 'k_heun'],
  ['DPM2', 'KDPM2DiscreteScheduler', 'karras', 'k_dpm_2 dpm_2 kdpm_2'],
  ['DPM2 a', 'KDPM2AncestralDiscreteScheduler', 'karras', 'k_dpm_2_a dpm_2_ancestral kdpm_2_a'],
  [
    'DPM++ 2M',
    'DPMSolverMultistepScheduler',
    'karras',
    'k_dpmpp_2m dpmpp_2m dpm++2m',
    multistep('dpmsolver++', 2),
  ],
  ['DPM++ 3M', 'DPMSolverMultistepScheduler', 'karras', 'dpmpp_3m', multistep('dpmsolver++', 3)],
  ['DPM++ 2S', 'DPMSolverSinglestepScheduler', 'karras', 'dpmpp_2s', multistep('dpmsolver++', 2)],
  [
    'DPM++ 2S a',
    'DPMPP2SAncestralScheduler',
    'karras',
    'k_dpmpp_2s_a dpmpp_2s_ancestral dpm++2s_a',
  ],
  ['DPM++ SDE', 'DPMSolverSDEScheduler', 'karras', 'k_dpmpp_sde dpmpp_sde dpmpp_sde_gpu'],
  [
    'DPM++ 2M SDE',
    'DPMSolverMultistepScheduler',
    'exponential',
    'k_dpmpp_2m_sde dpmpp_2m_sde dpmpp_2m_sde_gpu dpm++2m_sde',
    multistep('sde-dpmsolver++', 2),
  ],
  [
    'DPM++ 2M SDE Heun',
    'DPMSolverMultistepScheduler',
    'exponential',
    'k_dpmpp_2m_sde_heun dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu',
    multistep('sde-dpmsolver++', 2, 'heun'),
  ],
  [
    'DPM++ 3M SDE',
    'DPMPP3MSDEScheduler',
    'exponential',
    'k_dpmpp_3m_sde dpmpp_3m_sde dpmpp_3m_sde_gpu',
  ],
  ['DDIM', 'DDIMScheduler', 'uniform', ''],
  ['DDIM Trailing', 'DDIMScheduler', 'uniform', 'ddim_trailing', { timestep_spacing: 'trailing' }],
  ['DDPM', 'DDPMScheduler', 'uniform', ''],
  ['PLMS', 'PNDMScheduler', 'uniform', '', { skip_prk_steps: true }],
  ['PNDM', 'PNDMScheduler', 'uniform', ''],
  ['DEIS', 'DEISMultistepScheduler', 'uniform', 'deis_multistep'],
  ['UniPC', 'UniPCMultistepScheduler', 'uniform', ''],
  ['UniPC bh1', 'UniPCMultistepScheduler', 'uniform', 'uni_pc', { solver_type: 'bh1' }],
  ['UniPC bh2', 'UniPCMultistepScheduler', 'uniform', 'uni_pc_bh2', { solver_type: 'bh2' }],
  ['LCM', 'LCMScheduler', 'uniform', ''],
  ['TCD', 'TCDScheduler', 'uniform', ''],
  ['EDM Euler', 'EDMEulerScheduler', 'karras', 'edm_euler'],
  ['Flow-match Euler', 'FlowMatchEulerDiscreteScheduler', 'uniform', 'flow_match_euler'],
  ['Flow-match Heun', 'FlowMatchHeunDiscreteScheduler', 'uniform', 'flow_match_heun'],
];

/** Every sampler that runs, in the order lists show. */
export const samplerNames: readonly SamplerNames[] = rows.map(
  ([label, className, automatic, aliases, config = {}]) => ({
    label,
    className,
    config,
    automatic,
    aliases: aliases.split(' ').filter((alias) => alias !== ''),
  }),
);

/** Names other systems know and Maliang does not run. */
export const namesNotRun: ReadonlySet<string> = new Set(
  `dpm fast|k_dpm_fast|dpm_fast|dpm adaptive|k_dpm_ad|dpm_adaptive|restart|ddim cfg++|ddim_cfgpp|heunpp2
  euler_cfg_pp|euler_ancestral_cfg_pp|dpmpp_2s_ancestral_cfg_pp|dpmpp_2m_cfg_pp|ipndm|ipndm_v|er_sde|seeds_2|seeds_3
  res_multistep|res_multistep_cfg_pp|res_multistep_ancestral|res_multistep_ancestral_cfg_pp|res_2s|gradient_estimation
  gradient_estimation_cfg_pp|sa_solver|sa_solver_pece|dpm++2mv2|euler_a_cfg_pp|euler_ge|dpm++2m_sde_bt`.split(
    /[|\n]\s*/,
  ),
);

/** Other spellings of schedules, in lower case with underscores. */
export const scheduleAliases: Readonly<Record<string, ScheduleName>> = {
  ays: 'align_your_steps',
  ddim: 'ddim_uniform',
  discrete: 'uniform',
};

/** What stable-diffusion-webui calls the schedules. */
export const scheduleLabels: Readonly<Record<ScheduleName, string>> = {
  uniform: 'Uniform',
  karras: 'Karras',
  exponential: 'Exponential',
  beta: 'Beta',
  sgm_uniform: 'SGM Uniform',
  simple: 'Simple',
  align_your_steps: 'Align Your Steps',
  polyexponential: 'Polyexponential',
  kl_optimal: 'KL Optimal',
  normal: 'Normal',
  ddim_uniform: 'DDIM',
};
