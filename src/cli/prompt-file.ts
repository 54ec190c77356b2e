/** @file Reads the texts of made pictures: lines, a JSON list or object, or the metadata.jsonl of Hugging Face's picture folders. */
import { readFile } from 'node:fs/promises';
import { complain } from '../core/errors.js';
import { regularFileSize, unreadable } from '../hub/weight-file.js';
import type { Prompts } from '../metrics/picture-prompts.js';

const limitBytes = 100_000_000;

/**
 * - `.json`: a list in the order of the names, or an object of texts by file name.
 * - `.jsonl`: objects with `file_name` and `text`, `prompt` or `caption`.
 * - else: lines in the order of the names; lines that all hold a tab are `name<TAB>text`.
 *
 * Throws FILE_READ or DATA.
 */
export async function readPromptFile(path: string): Promise<Prompts> {
  const size = await regularFileSize(path);
  if (size > limitBytes) throw wrong(path, `at most ${limitBytes} bytes`, `${size} bytes`);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const content = text.replace(/^\ufeff/, '');
  if (/\.json$/i.test(path)) return ofJson(path, parsed(path, content));
  const lines = content.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (/\.jsonl$/i.test(path)) return ofRecords(path, lines);
  if (lines.length === 0) throw wrong(path, 'a text a line', 'an empty file');
  if (!lines.every((line) => line.includes('\t'))) return lines;
  return unique(
    path,
    lines.map((line) => splitAt(line, line.indexOf('\t'))),
  );
}

function ofJson(path: string, value: unknown): Prompts {
  if (Array.isArray(value) && value.every(isText)) return value;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const entries = isObject ? Object.entries(value) : [];
  if (isObject && entries.every(([, text]) => isText(text))) return new Map(entries);
  throw wrong(path, 'a list of texts, or an object of texts by file name', 'other JSON');
}

function ofRecords(path: string, lines: readonly string[]): Prompts {
  const records = lines
    .filter((line) => line.trim() !== '')
    .map((line, i): [string, string] => {
      const record = (parsed(path, line) ?? {}) as Record<string, unknown>;
      const text = record.text ?? record.prompt ?? record.caption;
      if (isText(record.file_name) && isText(text)) return [record.file_name, text];
      throw wrong(path, 'file_name and text in every line', `line ${i + 1} without them`);
    });
  return unique(path, records);
}

function unique(path: string, entries: readonly [string, string][]): Prompts {
  const texts = new Map<string, string>();
  for (const [name, text] of entries) {
    if (texts.has(name)) throw wrong(path, 'each name once', `${JSON.stringify(name)} twice`);
    texts.set(name, text);
  }
  return texts;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const splitAt = (line: string, at: number): [string, string] => [
  line.slice(0, at),
  line.slice(at + 1),
];

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw wrong(path, 'JSON', (cause as Error).message);
  }
}

function wrong(where: string, expected: string, got: string): Error {
  return complain('DATA', { where, expected, got, next: 'Correct the file of prompts.' });
}
