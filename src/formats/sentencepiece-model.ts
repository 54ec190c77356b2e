/** @file Reads a SentencePiece model (`spiece.model`), the message ModelProto of google/sentencepiece, from untrusted bytes. */
import { refuse } from './tokenizer-fields.js';
import type { UnigramPiece } from './unigram.js';

const where = 'spiece.model';

/** What Maliang reads of the model. */
export interface SentencepieceModel {
  readonly pieces: readonly UnigramPiece[];
  /** Ids of control and user-defined pieces: cut out of the text before anything else. */
  readonly markers: readonly number[];
  readonly charsmap: Uint8Array | undefined;
  /** The type of each piece, one of `pieceTypes`. */
  readonly types: readonly number[];
  readonly settings: SentencepieceSettings;
}

/** How the model's own normalizer treats spaces. */
export interface SentencepieceSettings {
  readonly addsDummyPrefix: boolean;
  readonly removesExtraSpaces: boolean;
  readonly escapesSpaces: boolean;
  /** A setting that `SentencepieceProcessor` does not run; readers of the pieces alone may pass over it. */
  readonly unsupported: string | undefined;
}

/** Field numbers of sentencepiece_model.proto. */
const modelFields = { pieces: 1, trainer: 2, normalizer: 3 };
const pieceFields = { piece: 1, score: 2, type: 3 };
export const pieceTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };
const trainerFields = { modelType: 3, spaceAsSuffix: 24, byteFallback: 35 };
const unigramType = 1;
const normalizerFields = { charsmap: 2, dummyPrefix: 3, extraSpaces: 4, escapes: 5 };

/** One field of a message: a whole number, a float's bits, or bytes. */
type Field = readonly [number: number, value: number | Uint8Array];

/** Throws TOKENIZER on a damaged file, and on a model that is not a unigram model. */
export function readSentencepieceModel(bytes: Uint8Array): SentencepieceModel {
  const pieces: UnigramPiece[] = [];
  const markers: number[] = [];
  const types: number[] = [];
  let unsupported: string | undefined;
  let normalizer = readNormalizer(new Uint8Array());
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === modelFields.pieces) {
      const { piece, type } = readPiece(asBytes(value));
      if (type === pieceTypes.control || type === pieceTypes.userDefined) {
        markers.push(pieces.length);
      }
      pieces.push(piece);
      types.push(type);
    } else if (field === modelFields.trainer) unsupported = checkTrainer(asBytes(value));
    else if (field === modelFields.normalizer) normalizer = readNormalizer(asBytes(value));
  }
  if (pieces.length === 0) throw refuse(where, 'pieces', 'none');
  const { charsmap, ...spaces } = normalizer;
  return { pieces, markers, charsmap, types, settings: { ...spaces, unsupported } };
}

function readPiece(bytes: Uint8Array): { readonly piece: UnigramPiece; readonly type: number } {
  let [text, score, type] = ['', 0, 1];
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === pieceFields.piece) text = asText(asBytes(value));
    else if (field === pieceFields.score) score = asFloat(value);
    else if (field === pieceFields.type) type = asNumber(value);
  }
  return { piece: [text, score], type };
}

/** Gives the setting that only readers of the pieces may pass over. */
function checkTrainer(bytes: Uint8Array): string | undefined {
  let unsupported: string | undefined;
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === trainerFields.spaceAsSuffix && value !== 0) {
      unsupported = 'treat_whitespace_as_suffix';
    }
    if (field === trainerFields.byteFallback && value !== 0) unsupported = 'byte_fallback';
    if (field !== trainerFields.modelType || value === unigramType) continue;
    throw refuse(where, 'a unigram model, model_type 1', `${value}`);
  }
  return unsupported;
}

function readNormalizer(bytes: Uint8Array) {
  const fields = new Map(fieldsOf(bytes));
  const flag = (field: number): boolean => (fields.get(field) ?? 1) !== 0;
  const charsmap = asBytes(fields.get(normalizerFields.charsmap) ?? new Uint8Array());
  return {
    charsmap: charsmap.length > 0 ? charsmap : undefined,
    addsDummyPrefix: flag(normalizerFields.dummyPrefix),
    removesExtraSpaces: flag(normalizerFields.extraSpaces),
    escapesSpaces: flag(normalizerFields.escapes),
  };
}

/** The fields of a message in order (protobuf wire format). */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (size: number): number => {
    const start = at;
    at += size;
    if (at > bytes.length) throw refuse(where, `${size} bytes at byte ${start}`, 'the end');
    return start;
  };
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = bytes[take(1)]!;
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) return value;
    }
    throw refuse(where, 'a whole number of at most 10 bytes', 'a longer one');
  };
  while (at < bytes.length) {
    const key = varint();
    const [field, wire] = [Math.floor(key / 8), key % 8];
    if (wire === 0) yield [field, varint()];
    else if (wire === 1) take(8);
    else if (wire === 2) {
      const size = varint();
      const start = take(size);
      yield [field, bytes.subarray(start, at)];
    } else if (wire === 5) yield [field, view.getUint32(take(4), true)];
    else throw refuse(where, 'wire types 0, 1, 2 and 5', `${wire}`);
  }
}

function asBytes(value: number | Uint8Array): Uint8Array {
  if (typeof value !== 'number') return value;
  throw refuse(where, 'bytes', 'a number');
}

function asNumber(value: number | Uint8Array): number {
  if (typeof value === 'number') return value;
  throw refuse(where, 'a number', 'bytes');
}

function asText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuse(where, 'pieces in UTF-8', 'other bytes');
  }
}

function asFloat(bits: number | Uint8Array): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, asNumber(bits));
  const score = view.getFloat32(0);
  if (Number.isFinite(score)) return score;
  throw refuse(where, 'finite scores', `${score}`);
}
