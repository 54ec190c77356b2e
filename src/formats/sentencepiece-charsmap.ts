/** @file The precompiled character map of a SentencePiece model (google/sentencepiece `Normalizer`), applied as huggingface/tokenizers `Precompiled`. */
import { graphemes } from './graphemes.js';
import { refuse } from './tokenizer-fields.js';

const where = 'tokenizer: character map';
/** Longer graphemes are mapped character by character. */
const longestGrapheme = 5;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Without any of these, every code unit is a grapheme of its own: no CR, nothing from U+0300 on. */
const mayJoin = /\r|[^\0-\u02ff]/;

/** Fields of a unit of the double array (darts-clone). */
const hasLeaf = (unit: number): boolean => ((unit >>> 8) & 1) === 1;
const labelOf = (unit: number): number => (unit & 0x8000_00ff) >>> 0;
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
const targetOf = (unit: number): number => unit & 0x7fff_ffff;

/** Replaces characters and short graphemes: full-width forms, ligatures, control characters. */
export class SentencepieceCharsmap {
  readonly #units: Uint32Array;
  /** Replacements, each closed by a zero byte. */
  readonly #replacements: Uint8Array;
  readonly #known = new Map<string, string>();

  /** Reads the bytes of `precompiled_charsmap`. Throws TOKENIZER. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length < 4 ? -1 : view.getUint32(0, true);
    if (size < 4 || size % 4 !== 0 || size > bytes.length - 4) {
      throw refuse(where, 'a trie inside the map', `a size of ${size} in ${bytes.length} bytes`);
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#replacements = bytes.subarray(4 + size);
  }

  /** Throws TOKENIZER when the map leads outside itself. */
  normalize(text: string): string {
    if (!mayJoin.test(text)) return this.#eachChar(text);
    let out = '';
    for (const cluster of graphemes(text)) out += this.#grapheme(cluster);
    return out;
  }

  #grapheme(grapheme: string): string {
    if (grapheme.length > 1 && grapheme.length <= longestGrapheme) {
      const bytes = encoder.encode(grapheme);
      const whole = bytes.length <= longestGrapheme ? this.#find(bytes) : undefined;
      if (whole !== undefined) return whole;
    }
    return this.#eachChar(grapheme);
  }

  #eachChar(text: string): string {
    let out = '';
    for (const char of text) {
      let mapped = this.#known.get(char);
      if (mapped === undefined) {
        mapped = this.#find(encoder.encode(char)) ?? char;
        this.#known.set(char, mapped);
      }
      out += mapped;
    }
    return out;
  }

  /** The replacement of the shortest key that `bytes` begin with. */
  #find(bytes: Uint8Array): string | undefined {
    let at = offsetOf(this.#unit(0));
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      at ^= byte;
      const unit = this.#unit(at);
      if (labelOf(unit) !== byte) return undefined;
      at ^= offsetOf(unit);
      if (hasLeaf(unit)) return this.#replacement(targetOf(this.#unit(at)));
    }
    return undefined;
  }

  /**
   * The replacement of the longest key the text has from `at` on, and the key's length in code
   * units; this is how google/sentencepiece itself reads the map.
   */
  longest(text: string, at: number): { length: number; replacement: string } | undefined {
    let found: { length: number; start: number } | undefined;
    let node = offsetOf(this.#unit(0));
    for (let end = at; end < text.length; ) {
      const char = String.fromCodePoint(text.codePointAt(end)!);
      end += char.length;
      let leaf: number | undefined;
      for (const byte of encoder.encode(char)) {
        node ^= byte;
        const unit = this.#unit(node);
        if (byte === 0 || labelOf(unit) !== byte) return this.#replaced(found);
        node ^= offsetOf(unit);
        leaf = hasLeaf(unit) ? targetOf(this.#unit(node)) : undefined;
      }
      if (leaf !== undefined) found = { length: end - at, start: leaf };
    }
    return this.#replaced(found);
  }

  #replaced(found: { length: number; start: number } | undefined) {
    return found && { length: found.length, replacement: this.#replacement(found.start) };
  }

  #unit(at: number): number {
    const unit = this.#units[at];
    if (unit === undefined) throw refuse(where, `units below ${this.#units.length}`, `${at}`);
    return unit;
  }

  #replacement(start: number): string {
    const zero = this.#replacements.indexOf(0, start);
    const end = zero === -1 ? this.#replacements.length : zero;
    try {
      if (start <= end) return decoder.decode(this.#replacements.subarray(start, end));
    } catch {
      // Reported below.
    }
    throw refuse(where, 'a replacement in UTF-8', `place ${start}`);
  }
}
