/** @file Readers of JSON by a stranger: each takes a value or complains of the place where it is. */
import { complain, type MaliangError } from '../../core/errors.js';
import type { StrictJson } from '../../formats/strict-json.js';
import { asList, asMap, asNumber, asSeed } from './fields.js';

/** Reads the value at a place such as `model.name`; throws RECIPE. */
export type Reader<T> = (value: StrictJson | undefined, at: string) => T;
export type Read<R> = R extends Reader<infer T> ? T : never;

export function text(most = 1_000_000): Reader<string> {
  return (value, at) => {
    if (typeof value === 'string' && value.length <= most) return value;
    throw damaged(at, `a text of at most ${most} characters`);
  };
}

export function number(from: number, to: number): Reader<number> {
  return (value, at) => {
    const read = typeof value === 'string' ? undefined : asNumber(value);
    if (read !== undefined && read >= from && read <= to) return read;
    throw damaged(at, `a number from ${from} to ${to}`);
  };
}

export function whole(from: number, to: number): Reader<number> {
  return (value, at) => {
    const read = number(from, to)(value, at);
    if (Number.isInteger(read)) return read;
    throw damaged(at, 'a whole number');
  };
}

/** 0 to 2⁶⁴ − 1; written as text above 2⁵³ − 1. */
export const seed: Reader<number | bigint> = (value, at) => {
  const read = asSeed(value);
  if (read !== undefined) return read;
  throw damaged(at, 'a seed');
};

export function oneOf<const T extends string>(...choices: readonly T[]): Reader<T> {
  return (value, at) => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw damaged(at, `one of ${choices.join(', ')}`);
  };
}

export const hash: Reader<string> = (value, at) => {
  if (typeof value === 'string' && /^[\da-f]{64}$/.test(value)) return value;
  throw damaged(at, '64 hexadecimal digits');
};

/** May be left out. */
export function optional<T>(read: Reader<T>): Reader<T | undefined> {
  return (value, at) => (value === undefined ? undefined : read(value, at));
}

export function nullable<T>(read: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? null : read(value, at));
}

export function either<A, B>(first: Reader<A>, second: Reader<B>): Reader<A | B> {
  return (value, at) => {
    try {
      return first(value, at);
    } catch {
      return second(value, at);
    }
  };
}

export function list<T>(read: Reader<T>, most = 100): Reader<readonly T[]> {
  return (value, at) => {
    const items = asList(value);
    if (items && items.length <= most) return items.map((item, i) => read(item, `${at}[${i}]`));
    throw damaged(at, `a list of at most ${most}`);
  };
}

export function object<S extends Readonly<Record<string, Reader<unknown>>>>(
  shape: S,
): Reader<{ readonly [K in keyof S]: Read<S[K]> }> {
  return (value, at) => {
    const fields = asMap(value);
    if (!fields) throw damaged(at, 'an object');
    const entries = Object.entries(shape).map(([name, read]) => {
      const place = at === '' ? name : `${at}.${name}`;
      return [name, read(fields.get(name), place)] as const;
    });
    return Object.fromEntries(entries) as { readonly [K in keyof S]: Read<S[K]> };
  };
}

function damaged(at: string, expected: string): MaliangError {
  const got = 'something else';
  return complain('RECIPE', { where: 'recipe', expected: `${at || 'it'} as ${expected}`, got });
}
