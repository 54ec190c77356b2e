/** @file Named values of a file by a stranger: read by type, and those that nobody read are listed. */
import { MaliangError } from '../../core/errors.js';
import { JsonNumber, parseStrictJson, type StrictJson } from '../../formats/strict-json.js';
import type { FoundRecipeBuilder } from './found-settings.js';

export type JsonMap = ReadonlyMap<string, StrictJson>;

/** An object, or undefined for any other text. Never throws for what a stranger wrote. */
export function readObject(text: string): JsonMap | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  const value = parsed(text) ?? parsed(withoutNaN(text));
  return value instanceof Map ? (value as JsonMap) : undefined;
}

function parsed(text: string): StrictJson | undefined {
  try {
    return parseStrictJson(text, { where: 'metadata', code: 'IMAGE', maxDepth: 64 });
  } catch (error) {
    if (error instanceof MaliangError) return undefined;
    throw error;
  }
}

/** Python writes numbers JSON does not know. */
function withoutNaN(text: string): string {
  return text.replace(/([[:,]\s{0,8})(?:NaN|-?Infinity)(?=\s{0,8}[,\]}])/g, '$1null');
}

export function asText(value: StrictJson | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Numbers, and texts that are one. */
export function asNumber(value: StrictJson | undefined): number | undefined {
  const text = value instanceof JsonNumber ? value.text : value;
  if (typeof text !== 'string' || !/^\s*-?\d+(\.\d*)?([eE][-+]?\d+)?\s*$/.test(text))
    return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

const largestSeed = 2n ** 64n - 1n;

/** A whole number from 0 to 2⁶⁴ − 1. */
export function asSeed(value: StrictJson | undefined): number | bigint | undefined {
  const text = value instanceof JsonNumber ? value.text : value;
  if (typeof text !== 'string' || !/^\s*\d{1,20}\s*$/.test(text)) return undefined;
  const seed = BigInt(text.trim());
  if (seed > largestSeed) return undefined;
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
}

export function asMap(value: StrictJson | undefined): JsonMap | undefined {
  return value instanceof Map ? (value as JsonMap) : undefined;
}

export function asList(value: StrictJson | undefined): readonly StrictJson[] | undefined {
  return Array.isArray(value) ? (value as readonly StrictJson[]) : undefined;
}

/** A value in one line, for lists of what is not followed. */
export function lineOf(value: StrictJson | undefined, depth = 0): string {
  if (value instanceof JsonNumber) return value.text;
  if (typeof value === 'string')
    return depth === 0 ? value.slice(0, 400) : JSON.stringify(value.slice(0, 80));
  if (value === null || typeof value !== 'object') return String(value);
  if (depth > 2) return '…';
  if (value instanceof Map) {
    const entries = [...(value as JsonMap)].slice(0, 8);
    return `{${entries.map(([name, one]) => `${name}: ${lineOf(one, depth + 1)}`).join(', ')}}`;
  }
  return `[${(value as readonly StrictJson[])
    .slice(0, 8)
    .map((one) => lineOf(one, depth + 1))
    .join(', ')}]`;
}

/** Values that mean that something is off. */
const nothing = new Set(['', 'None', 'none', 'null', 'false', 'False', '[]', '{}']);

/** The fields of one object; each that is read is taken away, and the rest is listed. */
export class Fields {
  readonly #fields: Map<string, StrictJson>;

  constructor(fields: JsonMap) {
    this.#fields = new Map(fields);
  }

  text(name: string): string | undefined {
    return this.#take(name, asText);
  }

  number(name: string): number | undefined {
    return this.#take(name, asNumber);
  }

  seed(name: string): number | bigint | undefined {
    return this.#take(name, asSeed);
  }

  map(name: string): JsonMap | undefined {
    return this.#take(name, asMap);
  }

  list(name: string): readonly StrictJson[] | undefined {
    return this.#take(name, asList);
  }

  /** Takes away what has no part in the drawing. */
  drop(...names: readonly string[]): void {
    for (const name of names) this.#fields.delete(name);
  }

  /** Names that are left. */
  names(): string[] {
    return [...this.#fields.keys()];
  }

  /** Lists what is left and says something. */
  listRest(builder: FoundRecipeBuilder): void {
    for (const [name, value] of this.#fields) {
      const line = lineOf(value);
      if (!nothing.has(line)) builder.refuse(name, line);
    }
  }

  #take<T>(name: string, read: (value: StrictJson | undefined) => T | undefined): T | undefined {
    const value = read(this.#fields.get(name));
    if (value !== undefined) this.#fields.delete(name);
    return value;
  }
}
