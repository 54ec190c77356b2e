/** @file The schedules a run may ask for, whatever system named them first. */

/** Schedules that samplers of diffusers know themselves. */
export const ownSchedules = ['uniform', 'karras', 'exponential', 'beta'] as const;

/** Schedules of other systems, given to a sampler as a list of σ. */
export const listedSchedules = [
  'sgm_uniform',
  'simple',
  'align_your_steps',
  'polyexponential',
  'kl_optimal',
  'normal',
  'ddim_uniform',
] as const;

export type OwnSchedule = (typeof ownSchedules)[number];
export type ListedSchedule = (typeof listedSchedules)[number];
export type ScheduleName = OwnSchedule | ListedSchedule;

export const scheduleNames: readonly ScheduleName[] = [...ownSchedules, ...listedSchedules];

export function isListedSchedule(name: ScheduleName): name is ListedSchedule {
  return (listedSchedules as readonly string[]).includes(name);
}
