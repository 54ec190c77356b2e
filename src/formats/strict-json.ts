/** @file Strict JSON (RFC 8259) for untrusted bytes: duplicate keys refused, depth limited, objects as Maps. */
import { complain, type ErrorCode } from '../core/errors.js';
import { atOnce, type InPieces, itemsPerPiece } from '../core/pieces.js';

/** A parsed value. Numbers keep their source text, so the caller decides which spellings it takes. */
export type StrictJson =
  | string
  | boolean
  | null
  | JsonNumber
  | readonly StrictJson[]
  | ReadonlyMap<string, StrictJson>;

/** A number as it was spelled. */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export interface StrictJsonOptions {
  /** Start of every message. */
  readonly where: string;
  /** Code of every error. */
  readonly code: ErrorCode;
  /** Deepest nesting of arrays and objects allowed. */
  readonly maxDepth: number;
}

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const spacePattern = /[ \t\n\r]*/y;
const loneSurrogate = /\p{Surrogate}/u;
const literals = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** Parses all of `text`; throws `options.code` on anything RFC 8259 does not allow, and on duplicate keys. */
export function parseStrictJson(text: string, options: StrictJsonOptions): StrictJson {
  return atOnce(parsingStrictJson(text, options));
}

/** `parseStrictJson` in pieces. */
export function* parsingStrictJson(text: string, options: StrictJsonOptions): InPieces<StrictJson> {
  const parser = new Parser(text, options);
  const value = yield* parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #text: string;
  readonly #options: StrictJsonOptions;
  #at = 0;

  constructor(text: string, options: StrictJsonOptions) {
    this.#text = text;
    this.#options = options;
  }

  *value(depth: number): InPieces<StrictJson> {
    this.#space();
    const char = this.#text[this.#at];
    if (char === '{' || char === '[') {
      if (depth >= this.#options.maxDepth) this.#fail(`at most ${this.#options.maxDepth} levels`);
      return char === '{' ? yield* this.#object(depth + 1) : yield* this.#array(depth + 1);
    }
    if (char === '"') return this.#string();
    const number = this.#match(numberPattern);
    if (number !== undefined) return new JsonNumber(number);
    for (const [word, value] of literals) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#fail('a JSON value');
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail('the end of the JSON text');
  }

  *#object(depth: number): InPieces<ReadonlyMap<string, StrictJson>> {
    const entries = new Map<string, StrictJson>();
    this.#at++;
    this.#space();
    if (this.#take('}')) return entries;
    do {
      this.#space();
      const keyAt = this.#at;
      const key = this.#string();
      if (entries.has(key)) {
        this.#at = keyAt;
        this.#fail('every key once');
      }
      this.#space();
      if (!this.#take(':')) this.#fail('":"');
      entries.set(key, yield* this.value(depth));
      this.#space();
      if (entries.size % itemsPerPiece === 0) yield;
    } while (this.#take(','));
    if (!this.#take('}')) this.#fail('"," or "}"');
    return entries;
  }

  *#array(depth: number): InPieces<readonly StrictJson[]> {
    const items: StrictJson[] = [];
    this.#at++;
    this.#space();
    if (this.#take(']')) return items;
    do {
      items.push(yield* this.value(depth));
      this.#space();
      if (items.length % itemsPerPiece === 0) yield;
    } while (this.#take(','));
    if (!this.#take(']')) this.#fail('"," or "]"');
    return items;
  }

  #string(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') return this.#fail('a string');
    let at = start + 1;
    let isEscaped = false;
    for (; ; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === 0x22) break;
      if (code === 0x5c) {
        isEscaped = true;
        at++;
      } else if (!(code >= 0x20)) {
        this.#at = at;
        return this.#fail('a closing quote, no control character');
      }
    }
    this.#at = at + 1;
    const text = isEscaped ? this.#unescape(start, at + 1) : this.#text.slice(start + 1, at);
    if (loneSurrogate.test(text)) this.#fail('text without lone surrogates before this');
    return text;
  }

  #unescape(start: number, end: number): string {
    try {
      return JSON.parse(this.#text.slice(start, end)) as string;
    } catch {
      this.#at = start;
      return this.#fail('a string with JSON escapes');
    }
  }

  #space(): void {
    spacePattern.lastIndex = this.#at;
    spacePattern.test(this.#text);
    this.#at = spacePattern.lastIndex;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 24);
    const got = rest === '' ? 'the end of the text' : JSON.stringify(rest);
    throw complain(this.#options.code, {
      where: this.#options.where,
      expected: `${expected} at character ${this.#at}`,
      got,
    });
  }
}
