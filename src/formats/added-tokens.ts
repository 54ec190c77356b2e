/** @file Tokens cut out of the text before it is split into words, after huggingface/tokenizers `AddedVocabulary`. */

/** A token that is matched literally in the text, such as `<|endoftext|>`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Special tokens can be left out of decoded text. */
  readonly isSpecial: boolean;
  /** Matched in the normalised text, in its own normalised form. */
  readonly isNormalized: boolean;
  /** Takes the white space before it. */
  readonly stripsLeft: boolean;
  /** Takes the white space after it. */
  readonly stripsRight: boolean;
  /** Only matched when no word character touches it. */
  readonly isSingleWord: boolean;
}

/** Either a piece of text or the token found in its place. */
export type TextPiece = string | AddedToken;

const wordClass = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';
const startsWithWord = new RegExp(`^${wordClass}`, 'u');
const endsWithWord = new RegExp(`${wordClass}$`, 'u');
const spaceChar = /\p{White_Space}/u;

/** Finds the tokens of one list, the leftmost first and of those the longest. */
export class AddedTokenMatcher {
  readonly #tokenOf: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp | undefined;

  /** `form` gives the text a token is matched by. */
  constructor(tokens: readonly AddedToken[], form: (content: string) => string) {
    this.#tokenOf = new Map(tokens.map((token) => [form(token.content), token]));
    const longestFirst = [...this.#tokenOf.keys()].sort((a, b) => b.length - a.length);
    this.#pattern =
      longestFirst.length === 0
        ? undefined
        : new RegExp(longestFirst.map(escapePattern).join('|'), 'gu');
  }

  /** Cuts `text` at every token; pieces are never empty strings. */
  split(text: string): TextPiece[] {
    const pieces: TextPiece[] = [];
    if (text === '') return pieces;
    if (this.#pattern === undefined) return [text];
    let done = 0;
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#tokenOf.get(match[0])!;
      let start = match.index;
      let end = start + match[0].length;
      if (token.isSingleWord && touchesWord(text, start, end)) continue;
      if (token.stripsLeft) while (start > done && spaceChar.test(text[start - 1]!)) start--;
      if (token.stripsRight) while (end < text.length && spaceChar.test(text[end]!)) end++;
      if (done < start) pieces.push(text.slice(done, start));
      pieces.push(token);
      done = end;
    }
    if (done < text.length) pieces.push(text.slice(done));
    return pieces;
  }
}

function touchesWord(text: string, start: number, end: number): boolean {
  return (
    endsWithWord.test(text.slice(Math.max(0, start - 2), start)) ||
    startsWithWord.test(text.slice(end, end + 2))
  );
}

function escapePattern(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
