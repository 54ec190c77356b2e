/** @file Reads scheduler_config.json by tables of fields: defaults, types and ranges as diffusers has them. */
import { complain } from '../core/errors.js';

/** How one key is read: its default and the check of a given value. */
export interface Field<T> {
  readonly fallback: T;
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

/** Fields by camelCase name; in the file the same words stand in snake_case. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The configuration a table of fields describes. */
export type ConfigOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

export function integerField(fallback: number, least = 0): Field<number> {
  return {
    fallback,
    expected: `an integer of ${least} or more`,
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= least,
  };
}

/** A finite number, above `above` when that is given. */
export function numberField(fallback: number, above = Number.NEGATIVE_INFINITY): Field<number> {
  return {
    fallback,
    expected: above === Number.NEGATIVE_INFINITY ? 'a number' : `a number above ${above}`,
    accepts: (value) => Number.isFinite(value) && (value as number) > above,
  };
}

export function booleanField(fallback: boolean): Field<boolean> {
  return { fallback, expected: 'true or false', accepts: (value) => typeof value === 'boolean' };
}

export function choiceField<const T extends string>(
  fallback: NoInfer<T>,
  choices: readonly T[],
): Field<T> {
  return {
    fallback,
    expected: `one of ${choices.join(', ')}`,
    accepts: (value) => choices.includes(value as T),
  };
}

/** A list of betas between 0 and 1, or null for none. */
export function betasField(): Field<readonly number[] | null> {
  const isBeta = (value: unknown) => typeof value === 'number' && value >= 0 && value <= 1;
  return {
    fallback: null,
    expected: 'a list of numbers from 0 to 1, or null',
    accepts: (value) =>
      value === null || (Array.isArray(value) && value.length > 0 && value.every(isBeta)),
  };
}

/** A number or an infinity; JSON has no infinities, so the words "Infinity" and "-Infinity" count too. */
export function unboundedField(fallback: number): Field<number | string> {
  return {
    fallback,
    expected: 'a number or an infinity',
    accepts: (value) =>
      (typeof value === 'number' && !Number.isNaN(value)) ||
      value === 'Infinity' ||
      value === '-Infinity',
  };
}

/** A list of integers from 0. */
export function indicesField(): Field<readonly number[]> {
  return {
    fallback: [],
    expected: 'a list of integers from 0',
    accepts: (value) =>
      Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0),
  };
}

/** Null and nothing else: a key that only Python can fill. */
export function emptyField(): Field<null> {
  return { fallback: null, expected: 'null', accepts: (value) => value === null };
}

/** The same field, where null is a value too and the default. */
export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    fallback: null,
    expected: `${field.expected}, or null`,
    accepts: (value) => value === null || field.accepts(value),
  };
}

/** Keys of other diffusers samplers that say nothing about the noise levels of this one. */
const keysOfOtherSamplers = new Set([
  'algorithm_type',
  'base_image_seq_len',
  'base_shift',
  'clip_sample',
  'clip_sample_range',
  'dynamic_thresholding_ratio',
  'euler_at_final',
  'final_sigmas_type',
  'interpolation_type',
  'lambda_min_clipped',
  'lower_order_final',
  'max_image_seq_len',
  'max_shift',
  'original_inference_steps',
  'predict_x0',
  'sample_max_value',
  'set_alpha_to_one',
  'skip_prk_steps',
  'solver_order',
  'solver_type',
  'steps_offset',
  'time_shift_type',
  'timestep_scaling',
  'timestep_type',
  'variance_type',
]);

/**
 * Reads `json` by `fields`. A value out of its range is a CONFIG error. A key without a field is
 * listed in `warnings`, unless it says nothing here: null, false, a leading underscore, or a key
 * that only another sampler looks at.
 */
export function readConfig<F extends Fields>(
  where: string,
  fields: F,
  json: Readonly<Record<string, unknown>>,
): { config: ConfigOf<F>; warnings: string[] } {
  const config: Record<string, unknown> = {};
  const known = new Set<string>();
  for (const [name, field] of Object.entries(fields)) {
    const key = snakeCase(name);
    known.add(key);
    config[name] = readField(where, key, field, json[key]);
  }
  const unread = Object.entries(json).filter(
    ([key, value]) => !known.has(key) && speaks(key, value),
  );
  const warnings = unread.map(([key]) => `${where}: ${key} has no effect here and is ignored.`);
  return { config: config as ConfigOf<F>, warnings };
}

/** `stepsOffset` as it stands in the file: `steps_offset`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function readField(where: string, key: string, field: Field<unknown>, value: unknown): unknown {
  if (value === undefined) return field.fallback;
  if (field.accepts(value)) return value;
  const got = JSON.stringify(value) ?? String(value);
  throw complain('CONFIG', {
    where,
    expected: `${key} to be ${field.expected}`,
    got: got.length > 80 ? `${got.slice(0, 80)}…` : got,
  });
}

function speaks(key: string, value: unknown): boolean {
  const isSilent = value === null || value === false || key.startsWith('_');
  return !isSilent && !keysOfOtherSamplers.has(key);
}
