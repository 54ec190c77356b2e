/** @file The part of YAML 1.2 that model configurations use: nested maps, lists and plain values, no anchors or tags. */
import { complain } from '../core/errors.js';

export type YamlValue = string | number | boolean | null | YamlValue[] | YamlMap;
export interface YamlMap {
  readonly [key: string]: YamlValue;
}

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

const limitBytes = 1_000_000;
const limitDepth = 32;

/** Reads a map. Throws CONFIG, with the line, on anything outside this part of YAML. */
export function parsePlainYaml(text: string, where: string): YamlMap {
  if (text.length > limitBytes) throw wrong(where, 0, `at most ${limitBytes} characters`, 'more');
  const reader = new Reader(linesOf(text, where), where);
  const value = reader.block(0, 0);
  if (!reader.isDone) throw wrong(where, reader.line, 'lines of one indentation', 'another');
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw wrong(where, 1, 'a map of names and values', 'something else');
}

function linesOf(text: string, where: string): Line[] {
  return text.split(/\r?\n/).flatMap((raw, i) => {
    const body = withoutComment(raw).trimEnd();
    const content = body.trimStart();
    if (content === '' || content === '---') return [];
    const indent = body.length - content.length;
    if (body.slice(0, indent).includes('\t'))
      throw wrong(where, i + 1, 'spaces before text', 'a tab');
    return [{ number: i + 1, indent, text: content }];
  });
}

/** A comment begins with # after white space, outside quotes. */
function withoutComment(line: string): string {
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!;
    if (quote) {
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '#' && (i === 0 || /\s/.test(line[i - 1]!))) return line.slice(0, i);
  }
  return line;
}

class Reader {
  readonly #lines: readonly Line[];
  readonly #where: string;
  #at = 0;

  constructor(lines: readonly Line[], where: string) {
    this.#lines = lines;
    this.#where = where;
  }

  get isDone(): boolean {
    return this.#at >= this.#lines.length;
  }

  get line(): number {
    return this.#lines[this.#at]?.number ?? 0;
  }

  /** The map or list whose lines have exactly the indentation of the next one, at least `least`. */
  block(least: number, depth: number): YamlValue {
    const first = this.#lines[this.#at];
    if (first === undefined || first.indent < least) return null;
    if (depth > limitDepth) throw wrong(this.#where, first.number, `depth ${limitDepth}`, 'more');
    return isItem(first) ? this.#list(first.indent, depth) : this.#map(first.indent, depth);
  }

  #list(indent: number, depth: number): YamlValue[] {
    const items: YamlValue[] = [];
    for (let line = this.#next(indent); line && isItem(line); line = this.#next(indent)) {
      const rest = line.text.slice(1).trimStart();
      if (rest === '') {
        this.#at++;
        items.push(this.block(indent + 1, depth + 1));
      } else if (keyOf(rest) !== undefined) items.push(this.#mapInItem(line, rest, depth));
      else {
        this.#at++;
        items.push(this.#value(rest, line.number, depth + 1));
      }
    }
    return items;
  }

  /** `- name: value`, whose further names stand below `name`. */
  #mapInItem(line: Line, rest: string, depth: number): YamlValue {
    const indent = line.indent + line.text.length - rest.length;
    (this.#lines as Line[])[this.#at] = { number: line.number, indent, text: rest };
    return this.#map(indent, depth + 1);
  }

  #map(indent: number, depth: number): YamlMap {
    const map: Record<string, YamlValue> = Object.create(null);
    for (let line = this.#next(indent); line && !isItem(line); line = this.#next(indent)) {
      const key = keyOf(line.text);
      if (key === undefined) throw wrong(this.#where, line.number, 'name: value', line.text);
      const rest = line.text.slice(key.length + 1).trim();
      const name = unquoted(key);
      if (name in map) throw wrong(this.#where, line.number, 'every name once', name);
      this.#at++;
      map[name] =
        rest === '' ? this.#below(indent, depth) : this.#value(rest, line.number, depth + 1);
    }
    return map;
  }

  /** A list below a name may stand at the name's own indentation. */
  #below(indent: number, depth: number): YamlValue {
    const line = this.#lines[this.#at];
    const isList = line !== undefined && line.indent === indent && isItem(line);
    return this.block(isList ? indent : indent + 1, depth + 1);
  }

  #next(indent: number): Line | undefined {
    const line = this.#lines[this.#at];
    return line?.indent === indent ? line : undefined;
  }

  #value(text: string, number: number, depth: number): YamlValue {
    const fault = (expected: string): Error => wrong(this.#where, number, expected, text);
    if (/^[&*!|>%@`]/.test(text)) throw fault('a plain value');
    if (!/^[[{]/.test(text)) return scalar(text);
    if (depth > limitDepth) throw fault(`depth of at most ${limitDepth}`);
    if (!/[\]}]$/.test(text)) throw fault('brackets closed on the line');
    const isList = text.startsWith('[');
    const items = splitFlow(text.slice(1, -1));
    if (isList) return items.map((item) => this.#value(item, number, depth + 1));
    const pairs = items.map((item): [string, YamlValue] => {
      const key = keyOf(item);
      if (key === undefined) throw fault('name: value between braces');
      return [unquoted(key), this.#value(item.slice(key.length + 1).trim(), number, depth + 1)];
    });
    return Object.fromEntries(pairs);
  }
}

const isItem = (line: Line): boolean => line.text === '-' || line.text.startsWith('- ');

/** The name before a colon that ends the text or has a space behind it. */
function keyOf(text: string): string | undefined {
  return /^("[^"]*"|'[^']*'|[^\s"'[{&*!|>#][^:]*(?::\S[^:]*)*):(?=\s|$)/.exec(text)?.[1];
}

/** Items between commas outside brackets and quotes. */
function splitFlow(text: string): string[] {
  const items: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const char = text[i] ?? ',';
    if (quote) quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '[' || char === '{') depth++;
    else if (char === ']' || char === '}') depth--;
    else if (char === ',' && depth === 0) {
      const item = text.slice(start, i).trim();
      if (item !== '') items.push(item);
      start = i + 1;
    }
  }
  return items;
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}

function scalar(text: string): YamlValue {
  if (/^(["']).*\1$/.test(text)) return text.slice(1, -1);
  if (/^(?:null|Null|NULL|~)$/.test(text)) return null;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  return /^[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text)
    ? Number(text.replaceAll('_', ''))
    : text;
}

function wrong(where: string, line: number, expected: string, got: string): Error {
  return complain('CONFIG', {
    where: line > 0 ? `${where}: line ${line}` : where,
    expected,
    got: got.slice(0, 80),
  });
}
