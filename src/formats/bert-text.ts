/** @file How BERT turns text into words: cleaning, spaces around Chinese, accents, case, punctuation (google-research/bert BasicTokenizer, as huggingface/tokenizers runs it). */
import { accents, punctuation, strippable, unclean } from './bert-unicode.js';

export interface BertTextRule {
  readonly lowercases: boolean;
  readonly stripsAccents: boolean;
  /** Every Chinese character is a word. */
  readonly splitsChinese: boolean;
}

const spaces = /\p{White_Space}/gu;
const chinese =
  /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/** Cleaned text, words not yet split. Case changes per code point: no final sigma, no locale. */
export function normalizeBertText(text: string, rule: BertTextRule): string {
  let out = text.replace(unclean, '').replace(spaces, ' ');
  if (rule.splitsChinese) out = out.replace(chinese, ' $& ');
  if (rule.stripsAccents) {
    out = out.replace(strippable, (run) => run.normalize('NFD').replace(accents, ''));
  }
  return rule.lowercases ? out.replaceAll('Σ', 'σ').toLowerCase() : out;
}

const classes = { unknown: 0, space: 1, punctuation: 2, other: 3 } as const;
const classOfCodePoint = new Uint8Array(0x110000);
const space = /\p{White_Space}/u;

/** Splits at white space, and around every punctuation character. */
export function splitBertWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  const end = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (const char of text) {
    const found = classOf(char);
    if (found === classes.other) {
      word += char;
      continue;
    }
    end();
    if (found === classes.punctuation) words.push(char);
  }
  end();
  return words;
}

function classOf(char: string): number {
  const codePoint = char.codePointAt(0)!;
  const known = classOfCodePoint[codePoint]!;
  if (known !== classes.unknown) return known;
  const isMark = punctuation.test(char);
  const found = space.test(char) ? classes.space : isMark ? classes.punctuation : classes.other;
  classOfCodePoint[codePoint] = found;
  return found;
}
