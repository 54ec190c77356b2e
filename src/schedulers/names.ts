/** @file From a name of any system to a sampler and a schedule. */
import { complain } from '../core/errors.js';
import { namesNotRun, type SamplerNames, samplerNames, scheduleAliases } from './sampler-names.js';
import { type ScheduleName, scheduleNames } from './schedule-names.js';
import { loadSampler } from './table.js';

/** What a name stands for. */
export interface SamplerChoice {
  /** diffusers' class name, or that of a sampler only k-diffusion has. */
  readonly className: string;
  /** Keys that replace those of the model's scheduler_config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Undefined: what the configuration says. */
  readonly schedule: ScheduleName | undefined;
}

/** A row of `maliang samplers`. */
export interface SamplerListing extends SamplerNames {
  readonly schedules: readonly ScheduleName[];
  /** Whether it draws fresh noise after the start. */
  readonly isStochastic: boolean;
}

/**
 * The sampler a name stands for, and the schedule. Names are those of diffusers' classes,
 * stable-diffusion-webui, ComfyUI, InvokeAI (`_k` for Karras) and stable-diffusion.cpp in any letter case;
 * a name may end in a schedule ("DPM++ 2M SDE Karras"). `schedule` "automatic" takes the one
 * stable-diffusion-webui pairs with the sampler. Throws USAGE with the nearest names.
 */
export function resolveSampler(name: string, schedule?: string): SamplerChoice {
  const { row, spoken } = rowOf(name);
  const asked = schedule === undefined ? undefined : resolveSchedule(schedule);
  const chosen = asked === 'automatic' ? (spoken ?? row.automatic) : asked;
  if (chosen !== undefined && spoken !== undefined && chosen !== spoken) {
    throw complain('USAGE', {
      where: 'sampler',
      expected: `the ${spoken} schedule, as the name ${name} says`,
      got: chosen,
      next: 'Leave one of them out.',
    });
  }
  return { className: row.className, config: row.config, schedule: chosen ?? spoken };
}

/** A schedule by its name or label in any letter case; USAGE with the nearest names. */
export function resolveSchedule(text: string): ScheduleName | 'automatic' {
  const key = text
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_');
  if (key === 'automatic') return key;
  const name = Object.hasOwn(scheduleAliases, key) ? scheduleAliases[key] : undefined;
  const found = name ?? scheduleNames.find((candidate) => candidate === key);
  if (found) return found;
  throw unknown('schedule', text, ['automatic', ...scheduleNames]);
}

/** Every sampler that runs, with the schedules it can take. */
export function listSamplers(): SamplerListing[] {
  return samplerNames.map((row) => {
    const sampler = loadSampler({ ...row.config, _class_name: row.className });
    const isStochastic = sampler.usesNoise === 'always' || sampler.usesBrownian;
    return { ...row, schedules: sampler.schedules, isStochastic };
  });
}

/**
 * What stable-diffusion-webui calls a sampler: the label of a name, or of the class a name means; the
 * name itself where it has none.
 */
export function samplerLabel(name: string): string {
  const key = normal(name);
  const isName = ({ label, aliases }: SamplerNames): boolean =>
    [label, ...aliases].some((one) => normal(one) === key);
  const isClass = ({ className }: SamplerNames): boolean => normal(className) === key;
  const row = samplerNames.find(isName) ?? samplerNames.find(isClass);
  if (row) return row.label;
  for (const [ending] of endings) {
    if (key.endsWith(ending)) return samplerLabel(name.trim().slice(0, -ending.length));
  }
  return name;
}

interface Found {
  readonly row: Pick<SamplerNames, 'className' | 'config' | 'automatic'>;
  /** The schedule the name ends in. */
  readonly spoken: ScheduleName | undefined;
}

function rowOf(name: string): Found {
  const key = normal(name);
  const whole = known.get(key);
  if (whole) return { row: whole, spoken: undefined };
  for (const [ending, schedule] of endings) {
    const row = key.endsWith(ending) ? known.get(key.slice(0, -ending.length)) : undefined;
    if (row) return { row, spoken: schedule };
  }
  if (!namesNotRun.has(key)) throw unknown('sampler', name, spellings);
  throw complain('MODEL_UNSUPPORTED', {
    where: 'sampler',
    expected: `one of ${labels.join(', ')}`,
    got: `${name}, which does not run yet`,
    next: 'Choose one of these.',
  });
}

const labels = samplerNames.map(({ label }) => label);
const spellings = samplerNames.flatMap((row) => [row.label, ...row.aliases, row.className]);

/** Rows by every name; a class name alone means the class without further keys. */
const known = new Map<string, Found['row']>(
  samplerNames.flatMap((row) => {
    const plain = { ...row, config: {} };
    const first = samplerNames.find(({ className }) => className === row.className) === row;
    const names: [string, Found['row']][] = [row.label, ...row.aliases].map((n) => [
      normal(n),
      row,
    ]);
    if (!first) return names;
    return [
      ...names,
      [normal(row.className), plain],
      [normal(row.className.replace(/Scheduler$/, '')), plain],
    ];
  }),
);

/** How a name may end to name a schedule too. */
const endings: readonly [string, ScheduleName][] = [
  ...scheduleNames.map((name): [string, ScheduleName] => [` ${name.replaceAll('_', ' ')}`, name]),
  ...scheduleNames.map((name): [string, ScheduleName] => [`_${name}`, name]),
  ['_k', 'karras'],
];

function normal(name: string): string {
  return name.trim().toLowerCase().replace(/\s+/g, ' ');
}

function unknown(where: string, got: string, names: readonly string[]) {
  const key = normal(got);
  const near = [...new Set(names)]
    .map((name) => ({ name, edits: editsBetween(key, normal(name)) }))
    .filter(({ name, edits }) => edits <= Math.max(2, name.length / 3))
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map(({ name }) => name);
  return complain('USAGE', {
    where,
    expected:
      near.length > 0 ? `a known ${where}, near to this ${near.join(', ')}` : `a known ${where}`,
    got: got.length > 80 ? `${got.slice(0, 80)}…` : got,
    next: 'Run `maliang samplers` for all of them.',
  });
}

/** Levenshtein distance, of the first 80 letters. */
function editsBetween(a: string, b: string): number {
  const from = a.slice(0, 80);
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const exchanged = row[j]! + (letter === b[j] ? 0 : 1);
      next.push(Math.min(exchanged, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
