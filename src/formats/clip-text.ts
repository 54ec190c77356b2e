/** @file How CLIP turns text into byte-level words: normalisation, splitting, byte alphabet (openai/CLIP `simple_tokenizer.py`, as huggingface/tokenizers runs it). */
import { complain } from '../core/errors.js';

/** Marks the last symbol of a word in a CLIP vocabulary. */
export const endOfWord = '</w>';

/** The two literals that the splitting pattern of newer files keeps apart from their neighbours. */
export const clipMarkers = ['<|startoftext|>', '<|endoftext|>'] as const;

const whiteSpace = /\p{White_Space}+/gu;

const combiningMarks = /\p{M}+/gu;
/** Longest run of combining marks; the platform's NFC takes quadratic time over a run. */
const maxMarks = 4096;

/**
 * NFC, runs of white space to one space, and lower case per code point (no final sigma, no locale).
 * The reference orders combining marks newer than Unicode 9 as they come; here they are sorted.
 * Throws TOKENIZER on more than 4096 combining marks in a row.
 */
export function normalizeClipText(text: string): string {
  if (text.length > maxMarks) refuseLongMarks(text);
  return text.normalize('NFC').replace(whiteSpace, ' ').replaceAll('Σ', 'σ').toLowerCase();
}

function refuseLongMarks(text: string): void {
  for (const [run] of text.matchAll(combiningMarks)) {
    if (run.length <= maxMarks) continue;
    throw complain('TOKENIZER', {
      where: 'tokenizer: text',
      expected: `at most ${maxMarks} combining marks in a row`,
      got: `${run.length}`,
      next: 'Shorten the text.',
    });
  }
}

const classes = { unknown: 0, letter: 1, number: 2, space: 3, other: 4 } as const;
const classOfCodePoint = new Uint8Array(0x110000);
const letterPattern = /\p{L}/u;
const numberPattern = /\p{N}/u;
const spacePattern = /\p{White_Space}/u;

const plainPattern = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/** The two splitting patterns met in `tokenizer.json` files, as they are written there. */
export const clipSplitPatterns = {
  plain: plainPattern,
  withMarkers: `<\\|startoftext\\|>|<\\|endoftext\\|>|${plainPattern}`,
} as const;

/**
 * Splits normalised text as the pattern
 * `'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+` does, white space dropped. With
 * `keepsMarkers` the pattern begins with the two marker literals, which are then split on their own.
 * Letters and numbers are those of the Unicode version of the running Node.
 */
export function splitClipWords(text: string, keepsMarkers: boolean): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    const marker = keepsMarkers ? markerAt(text, at) : undefined;
    if (marker !== undefined) {
      words.push('<|', marker.slice(2, -2), '|>');
      at += marker.length;
      continue;
    }
    const end = wordEnd(text, at);
    if (classAt(text, at) !== classes.space) words.push(text.slice(at, end));
    at = end;
  }
  return words;
}

function markerAt(text: string, at: number): string | undefined {
  if (text[at] !== '<') return undefined;
  return clipMarkers.find((marker) => text.startsWith(marker, at));
}

const contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

function wordEnd(text: string, at: number): number {
  if (text[at] === "'") {
    const contraction = contractions.find((suffix) => text.startsWith(suffix, at));
    if (contraction !== undefined) return at + contraction.length;
  }
  const first = classAt(text, at);
  let end = at + unitsAt(text, at);
  if (first === classes.number) return end;
  while (end < text.length && classAt(text, end) === first) end += unitsAt(text, end);
  return end;
}

function unitsAt(text: string, at: number): number {
  return text.codePointAt(at)! > 0xffff ? 2 : 1;
}

function classAt(text: string, at: number): number {
  const codePoint = text.codePointAt(at)!;
  const known = classOfCodePoint[codePoint]!;
  if (known !== classes.unknown) return known;
  const found = classify(String.fromCodePoint(codePoint));
  classOfCodePoint[codePoint] = found;
  return found;
}

function classify(char: string): number {
  if (letterPattern.test(char)) return classes.letter;
  if (numberPattern.test(char)) return classes.number;
  return spacePattern.test(char) ? classes.space : classes.other;
}

/**
 * The printable character of each byte 0..255, after GPT-2: printable Latin-1 bytes stand for
 * themselves, the rest take the code points from U+0100 on.
 */
export const byteToChar: readonly string[] = makeByteToChar();

/** The byte of each printable character. */
export const charToByte: ReadonlyMap<string, number> = new Map(
  byteToChar.map((char, byte) => [char, byte]),
);

/** The byte alphabet in the order of CLIP vocabularies: printable bytes first. */
export const byteAlphabet: readonly string[] = [
  ...byteToChar.filter((_, byte) => isPrintableByte(byte)),
  ...byteToChar.filter((_, byte) => !isPrintableByte(byte)),
];

function isPrintableByte(byte: number): boolean {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

function makeByteToChar(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(isPrintableByte(byte) ? byte : next++),
  );
}

const encoder = new TextEncoder();

/** A word as one printable character per UTF-8 byte. */
export function toByteChars(word: string): string {
  let chars = '';
  for (const byte of encoder.encode(word)) chars += byteToChar[byte];
  return chars;
}
