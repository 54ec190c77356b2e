/** @file Reads a component's config.json strictly: every field known, typed and in range, or an error that names it. */
import { complain, type MaliangError } from '../core/errors.js';

/** A parsed config.json, in the published spelling. */
export type ConfigJson = Readonly<Record<string, unknown>>;

/** Inclusive bounds of a number. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

const widest = 1_000_000;
const unsupported = 'Maliang does not run models with this setting.';

/** Takes the fields of one configuration; `done` complains of any that nothing asked for. */
export class ConfigReader {
  readonly #className: string;
  readonly #fields: ConfigJson;
  readonly #asked = new Set<string>();

  /** Throws CONFIG unless `json` is an object. */
  constructor(className: string, json: unknown) {
    this.#className = className;
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw this.#wrong('a JSON object', json);
    }
    this.#fields = json as ConfigJson;
  }

  /** The raw value; undefined when the field is absent. */
  raw(field: string): unknown {
    this.#asked.add(field);
    return Object.hasOwn(this.#fields, field) ? this.#fields[field] : undefined;
  }

  /** An integer from 1 to a million unless another range is given. */
  integer(field: string, fallback: number, range: Range = {}): number {
    return this.#integerOf(field, this.raw(field) ?? fallback, range);
  }

  /** As `integer`; null or absent gives undefined. */
  optionalInteger(field: string, range: Range = {}): number | undefined {
    const value = this.raw(field) ?? undefined;
    return value === undefined ? undefined : this.#integerOf(field, value, range);
  }

  number(field: string, fallback: number, range: Range = {}): number {
    const value = this.raw(field) ?? fallback;
    const { min = -Number.MAX_VALUE, max = Number.MAX_VALUE } = range;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw this.#wrong(`${field} a number${rangeText(range)}`, value);
  }

  boolean(field: string, fallback: boolean): boolean {
    const value = this.raw(field) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.#wrong(`${field} true or false`, value);
  }

  /** One of the named values. Another string is MODEL_UNSUPPORTED. */
  choice<T extends string>(field: string, allowed: readonly T[], fallback: T): T {
    return this.#choiceOf(field, allowed, this.raw(field) ?? fallback);
  }

  /** As `choice`; null or absent gives undefined. */
  optionalChoice<T extends string>(field: string, allowed: readonly T[]): T | undefined {
    const value = this.raw(field) ?? undefined;
    return value === undefined ? undefined : this.#choiceOf(field, allowed, value);
  }

  /** A non-empty list of integers. */
  integers(field: string, fallback: readonly number[], range: Range = {}): readonly number[] {
    return this.#list(field, this.raw(field) ?? fallback).map((item, i) =>
      this.#integerOf(`${field}[${i}]`, item, range),
    );
  }

  /** A list of `count` integers; a single integer stands for `count` equal ones. */
  integerPerBlock(field: string, fallback: number | readonly number[], count: number): number[] {
    return this.perBlock(field, this.raw(field) ?? fallback, count).map((item, i) =>
      this.#integerOf(`${field}[${i}]`, item, {}),
    );
  }

  /** A list of `count` booleans; a single one stands for `count` equal ones. */
  booleanPerBlock(field: string, fallback: boolean, count: number): boolean[] {
    return this.perBlock(field, this.raw(field) ?? fallback, count).map((item) => {
      if (typeof item === 'boolean') return item;
      throw this.#wrong(`${field} true, false or a list of them`, item);
    });
  }

  /** A non-empty list of the named values. Another string is MODEL_UNSUPPORTED. */
  choices<T extends string>(
    field: string,
    allowed: readonly T[],
    fallback: readonly T[],
  ): readonly T[] {
    return this.#list(field, this.raw(field) ?? fallback).map((item, i) =>
      this.#choiceOf(`${field}[${i}]`, allowed, item),
    );
  }

  /** A list of `count` values, or one value repeated. */
  perBlock(field: string, value: unknown, count: number): readonly unknown[] {
    if (!Array.isArray(value)) return new Array<unknown>(count).fill(value);
    if (value.length === count) return value;
    throw this.#wrong(`${field} with ${count} items, one per block`, value);
  }

  /** Refuses with MODEL_UNSUPPORTED anything but the given values; absent counts as the first. */
  only(field: string, ...values: readonly unknown[]): void {
    const value = this.raw(field);
    const fits = values.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value));
    if (value === undefined || fits) return;
    throw complain('MODEL_UNSUPPORTED', {
      where: this.#className,
      expected: `${field} ${values.map((item) => JSON.stringify(item)).join(' or ')}`,
      got: show(value),
      next: unsupported,
    });
  }

  /** Fields that change no result: they are not read and not complained of. */
  ignore(...fields: readonly string[]): void {
    for (const field of fields) this.#asked.add(field);
  }

  /** Complains of a combination of fields. */
  wrong(expected: string, got: unknown): MaliangError {
    return this.#wrong(expected, got);
  }

  /** Throws CONFIG when the file has a field nothing asked for. Names beginning with `_` pass. */
  done(): void {
    const unknown = Object.keys(this.#fields).filter(
      (field) => !field.startsWith('_') && !this.#asked.has(field),
    );
    if (unknown.length === 0) return;
    throw complain('CONFIG', {
      where: this.#className,
      expected: `fields of ${[...this.#asked].sort().join(', ')}`,
      got: unknown.map((field) => JSON.stringify(field.slice(0, 80))).join(', '),
      next: 'Check the spelling, or remove the field if it changes nothing.',
    });
  }

  #integerOf(field: string, value: unknown, range: Range): number {
    const { min = 1, max = widest } = range;
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) {
      return value as number;
    }
    throw this.#wrong(`${field} a whole number from ${min} to ${max}`, value);
  }

  #choiceOf<T extends string>(field: string, allowed: readonly T[], value: unknown): T {
    const found = allowed.find((item) => item === value);
    if (found !== undefined) return found;
    const expected = `${field} one of ${allowed.join(', ')}`;
    if (typeof value !== 'string') throw this.#wrong(expected, value);
    throw complain('MODEL_UNSUPPORTED', {
      where: this.#className,
      expected,
      got: show(value),
      next: unsupported,
    });
  }

  #list(field: string, value: unknown): readonly unknown[] {
    if (Array.isArray(value) && value.length > 0) return value;
    throw this.#wrong(`${field} a list with at least one item`, value);
  }

  #wrong(expected: string, got: unknown): MaliangError {
    return complain('CONFIG', { where: this.#className, expected, got: show(got) });
  }
}

function rangeText({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? '' : ` of at most ${max}`;
}

/** A value for a message: JSON, cut after 80 characters. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
