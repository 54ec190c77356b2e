/** @file Safetensors files, after the format section of huggingface/safetensors: strict header, tensors, writer. */
import { complain, type MaliangError } from '../core/errors.js';
import {
  type Dtype,
  type DtypeArrays,
  describe,
  dtypeBytes,
  elementCount,
  type TensorData,
} from '../core/tensor-data.js';
import { JsonNumber, parseStrictJson, type StrictJson } from './strict-json.js';

/** Limits on untrusted headers; see also the shard limits of the model store. */
export const safetensorsLimits = {
  headerBytes: 25_000_000,
  tensors: 100_000,
  rank: 32,
} as const;

/** One tensor of a header. `begin` and `end` are absolute byte offsets in the file. */
export interface SafetensorsEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** The `__metadata__` strings, empty when the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors by name, in the order of the header. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** Bytes before the first tensor, the 8-byte length included. */
  readonly headerBytes: number;
}

/** Metadata to write, in the order given. */
export type SafetensorsMetadata = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

/** What a header needs to know of a tensor. */
export type TensorSpec = Pick<SafetensorsEntry, 'dtype' | 'shape'>;

const metadataKey = '__metadata__';
const dtypeNames = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  F8_E4M3: 'f8e4m3fn',
  F8_E5M2: 'f8e5m2',
  I64: 'i64',
  I32: 'i32',
  I16: 'i16',
  I8: 'i8',
  U64: 'u64',
  U32: 'u32',
  U16: 'u16',
  U8: 'u8',
  BOOL: 'bool',
} as const satisfies Record<string, Dtype>;
const dtypeOfName = new Map<string, Dtype>(Object.entries(dtypeNames));
const nameOfDtype = new Map<Dtype, string>(
  Object.entries(dtypeNames).map(([name, dtype]) => [dtype, name]),
);
const unsupportedDtype = /^(?:F8_E8M0|F8_E4M3FNUZ|F8_E5M2FNUZ|F6_E2M3|F6_E3M2|F4|C64)$/;

/**
 * How many bytes of the file the header takes, its 8-byte length included.
 * `firstBytes` holds at least the first 8 bytes. Throws SAFETENSORS.
 */
export function safetensorsHeaderBytes(firstBytes: Uint8Array, fileSize: number): number {
  if (!Number.isSafeInteger(fileSize) || fileSize < 10) {
    throw refuse('a file of at least 10 bytes', `${fileSize}`);
  }
  if (firstBytes.length < 8) throw refuse('the first 8 bytes', `${firstBytes.length}`);
  const view = new DataView(firstBytes.buffer, firstBytes.byteOffset, 8);
  const length = view.getBigUint64(0, true);
  if (length < 2n || length > BigInt(safetensorsLimits.headerBytes)) {
    throw refuse(`a header of 2 to ${safetensorsLimits.headerBytes} bytes`, `${length}`);
  }
  const total = 8 + Number(length);
  if (total > fileSize) throw refuse(`a file of at least ${total} bytes`, `${fileSize}`);
  return total;
}

/**
 * Parses and checks the header. `bytes` holds at least the header; `fileSize` is the size of the
 * whole file in bytes. Throws SAFETENSORS on anything but a file whose tensors cover all bytes
 * after the header exactly once.
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileSize: number): SafetensorsHeader {
  const headerBytes = safetensorsHeaderBytes(bytes, fileSize);
  if (bytes.length < headerBytes) {
    throw refuse(`the ${headerBytes} bytes of the header`, `${bytes.length}`);
  }
  const root = parseJson(bytes.subarray(8, headerBytes));
  const metadata = readMetadata(root.get(metadataKey));
  const count = root.size - (root.has(metadataKey) ? 1 : 0);
  if (count > safetensorsLimits.tensors) {
    throw refuse(`at most ${safetensorsLimits.tensors} tensors`, `${count}`);
  }
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, value] of root) {
    if (name !== metadataKey) tensors.set(name, readEntry(name, value, headerBytes, fileSize));
  }
  checkCoverage(tensors, headerBytes, fileSize);
  return { metadata, tensors, headerBytes };
}

/** Copies one tensor out of the bytes of the whole file. Throws SAFETENSORS when they end too early. */
export function readTensor(fileBytes: Uint8Array, entry: SafetensorsEntry): TensorData {
  if (fileBytes.length < entry.end) {
    throw refuse(`a file of ${entry.end} bytes for ${describe(entry)}`, `${fileBytes.length}`);
  }
  return tensorFromBytes(fileBytes.subarray(entry.begin, entry.end), entry);
}

/** Copies one tensor out of exactly its own bytes, which may be unaligned. Throws SAFETENSORS. */
export function tensorFromBytes(bytes: Uint8Array, spec: TensorSpec): TensorData {
  const { dtype, shape } = spec;
  const wanted = elementCount(shape) * dtypeBytes[dtype];
  if (bytes.length !== wanted) {
    throw refuse(`${wanted} bytes for ${describe(spec)}`, `${bytes.length}`);
  }
  const aligned = new Uint8Array(bytes).buffer; // a copy, even of a Buffer, whose slice() is a view
  return { dtype, shape: [...shape], data: new arrayOf[dtype](aligned) } as TensorData;
}

const arrayOf: { [D in Dtype]: new (buffer: ArrayBuffer) => DtypeArrays[D] } = {
  f64: Float64Array,
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  f8e4m3fn: Uint8Array,
  f8e5m2: Uint8Array,
  i64: BigInt64Array,
  i32: Int32Array,
  i16: Int16Array,
  i8: Int8Array,
  u64: BigUint64Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  bool: Uint8Array,
};

/** The bytes of a tensor as the file stores them: a view, not a copy. Throws SAFETENSORS. */
export function tensorBytes(name: string, tensor: TensorData): Uint8Array {
  if (tensor.data.length !== elementCount(tensor.shape)) {
    throw refuseWrite(
      `${elementCount(tensor.shape)} values for ${JSON.stringify(name)} ${describe(tensor)}`,
      `${tensor.data.length}`,
    );
  }
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * The header of a file that holds `specs` in this order, padded with spaces so that the first
 * tensor begins at a multiple of `alignment` bytes, itself one of 8.
 * Throws SAFETENSORS on duplicate or reserved names and on shapes beyond the limits.
 */
export function encodeSafetensorsHeader(
  specs: Iterable<readonly [string, TensorSpec]>,
  metadata?: SafetensorsMetadata,
  alignment = 8,
): Uint8Array {
  const fields: string[] = [];
  const pairs = metadataPairs(metadata);
  if (pairs.length > 0) {
    const strings = pairs.map(([key, value]) => `${jsonString(key)}:${jsonString(value)}`);
    fields.push(`"${metadataKey}":{${strings.join(',')}}`);
  }
  const seen = new Set([metadataKey]);
  let offset = 0;
  for (const [name, { dtype, shape }] of specs) {
    if (seen.has(name)) throw refuseWrite('every tensor name once', JSON.stringify(name));
    seen.add(name);
    const end = offset + spanOf(name, dtype, shape);
    fields.push(
      `${jsonString(name)}:{"dtype":"${nameOfDtype.get(dtype)}","shape":[${shape.join(',')}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  if (seen.size - 1 > safetensorsLimits.tensors) {
    throw refuseWrite(`at most ${safetensorsLimits.tensors} tensors`, `${seen.size - 1}`);
  }
  return frameHeader(`{${fields.join(',')}}`, alignment);
}

/** A whole file in memory, tensors in the order given. Throws SAFETENSORS. */
export function writeSafetensors(
  tensors: Iterable<readonly [string, TensorData]>,
  metadata?: SafetensorsMetadata,
): Uint8Array {
  const list = [...tensors];
  const chunks = [encodeSafetensorsHeader(list, metadata)];
  for (const [name, tensor] of list) chunks.push(tensorBytes(name, tensor));
  const file = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
}

/**
 * The same file as chunks: the header, then each tensor's bytes without a copy. `load` is called
 * once per tensor, in order, so only one needs to be in memory. Throws SAFETENSORS when a loaded
 * tensor differs from its spec.
 */
export async function* streamSafetensors(
  specs: Iterable<readonly [string, TensorSpec]>,
  load: (name: string) => TensorData | Promise<TensorData>,
  metadata?: SafetensorsMetadata,
  alignment?: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const list = [...specs];
  yield encodeSafetensorsHeader(list, metadata, alignment);
  for (const [name, spec] of list) {
    const tensor = await load(name);
    if (describe(tensor) !== describe(spec)) {
      throw refuseWrite(`${describe(spec)} for ${JSON.stringify(name)}`, describe(tensor));
    }
    yield tensorBytes(name, tensor);
  }
}

function parseJson(bytes: Uint8Array): ReadonlyMap<string, StrictJson> {
  if (bytes[0] !== 0x7b) throw refuse('a header that begins with "{"', `byte ${bytes[0]}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refuse('a header in UTF-8', 'other bytes', cause);
  }
  const options = { where: 'safetensors: header', code: 'SAFETENSORS', maxDepth: 3 } as const;
  return parseStrictJson(text, options) as ReadonlyMap<string, StrictJson>;
}

function readMetadata(value: StrictJson | undefined): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  if (value === undefined) return metadata;
  if (!(value instanceof Map)) throw refuse('an object of strings in __metadata__', kindOf(value));
  for (const [key, text] of value as ReadonlyMap<string, StrictJson>) {
    if (typeof text !== 'string') {
      throw refuse(`a string in __metadata__.${printName(key)}`, kindOf(text));
    }
    metadata.set(key, text);
  }
  return metadata;
}

function readEntry(
  name: string,
  value: StrictJson,
  headerBytes: number,
  fileSize: number,
): SafetensorsEntry {
  const where = `tensor ${printName(name)}`;
  if (!(value instanceof Map)) throw refuse(`an object for ${where}`, kindOf(value));
  const fields = value as ReadonlyMap<string, StrictJson>;
  if (fields.size !== 3) {
    throw refuse(`dtype, shape and data_offsets for ${where}`, `${fields.size} fields`);
  }
  const dtype = readDtype(where, fields.get('dtype'));
  const shape = readIntegers(where, 'shape', fields.get('shape'), safetensorsLimits.rank);
  const offsets = readIntegers(where, 'data_offsets', fields.get('data_offsets'), 2);
  const [from, to] = offsets;
  if (from === undefined || to === undefined || from > to) {
    throw refuse(`data_offsets [begin, end] for ${where}`, `[${offsets.join(', ')}]`);
  }
  const begin = headerBytes + from;
  const end = headerBytes + to;
  if (end > fileSize) throw refuse(`the end of ${where} within ${fileSize} bytes`, `${end}`);
  const span = spanOfShape(dtype, shape);
  if (span !== to - from) {
    throw refuse(
      `${span ?? 'less than 2^53'} bytes for ${where} ${describe({ dtype, shape })}`,
      `${to - from}`,
    );
  }
  return { dtype, shape, begin, end };
}

function readDtype(where: string, value: StrictJson | undefined): Dtype {
  if (typeof value !== 'string') throw refuse(`a dtype for ${where}`, kindOf(value));
  const dtype = dtypeOfName.get(value);
  if (dtype !== undefined) return dtype;
  const expected = `a dtype of ${[...dtypeOfName.keys()].join(', ')} for ${where}`;
  if (!unsupportedDtype.test(value)) throw refuse(expected, printName(value));
  throw complain('SAFETENSORS', {
    where: 'safetensors',
    expected,
    got: value,
    next: `Maliang does not read ${value} yet; convert the file to F16 or F32.`,
  });
}

function readIntegers(
  where: string,
  field: string,
  value: StrictJson | undefined,
  maxLength: number,
): number[] {
  if (!Array.isArray(value)) throw refuse(`${field} of ${where} as a list`, kindOf(value));
  const items = value as readonly StrictJson[];
  if (items.length > maxLength) {
    throw refuse(`at most ${maxLength} numbers in ${field} of ${where}`, `${items.length}`);
  }
  return items.map((item) => {
    const text = item instanceof JsonNumber ? item.text : kindOf(item);
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(number)) {
      throw refuse(`whole numbers from 0 to 2^53-1 in ${field} of ${where}`, text.slice(0, 40));
    }
    return number;
  });
}

/** Tensors, sorted by offset, must touch: no hole, no overlap, and the last one ends the file. */
function checkCoverage(
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  headerBytes: number,
  fileSize: number,
): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = headerBytes;
  for (const [name, { begin, end }] of sorted) {
    if (begin !== at) {
      const fault = begin > at ? 'a hole before it' : 'an overlap with the tensor before it';
      throw refuse(`tensor ${printName(name)} at byte ${at}`, `byte ${begin}, ${fault}`);
    }
    at = end;
  }
  if (at !== fileSize) throw refuse(`${at} bytes in the file`, `${fileSize}`);
}

/** Bytes of a tensor; undefined when its sizes, zeros left out, multiply to 2^53 bytes or more. */
function spanOfShape(dtype: Dtype, shape: readonly number[]): number | undefined {
  let span: number = dtypeBytes[dtype];
  for (const size of shape) {
    if (size !== 0) span *= size;
    if (!Number.isSafeInteger(span)) return undefined;
  }
  return shape.includes(0) ? 0 : span;
}

function spanOf(name: string, dtype: Dtype, shape: readonly number[]): number {
  const printed = `${JSON.stringify(name)} ${describe({ dtype, shape })}`;
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw refuseWrite('whole sizes from 0', printed);
  }
  if (shape.length > safetensorsLimits.rank) {
    throw refuseWrite(`at most ${safetensorsLimits.rank} axes`, printed);
  }
  const span = spanOfShape(dtype, shape);
  if (span === undefined) throw refuseWrite('less than 2^53 bytes', printed);
  return span;
}

function frameHeader(json: string, alignment: number): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil((8 + text.length) / alignment) * alignment - 8;
  if (length > safetensorsLimits.headerBytes) {
    throw refuseWrite(`a header of at most ${safetensorsLimits.headerBytes} bytes`, `${length}`);
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return header;
}

function metadataPairs(metadata: SafetensorsMetadata | undefined): [string, string][] {
  if (metadata === undefined) return [];
  return metadata instanceof Map ? [...metadata] : Object.entries(metadata);
}

function jsonString(text: string): string {
  if (/\p{Surrogate}/u.test(text)) {
    throw refuseWrite('text without lone surrogates', JSON.stringify(text));
  }
  return JSON.stringify(text);
}

/** A name out of an untrusted file: quoted, control characters escaped, cut. */
function printName(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

function kindOf(value: StrictJson | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (value instanceof JsonNumber) return 'a number';
  if (value instanceof Map) return 'an object';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function refuse(expected: string, got: string, cause?: unknown): MaliangError {
  return complain('SAFETENSORS', { where: 'safetensors', expected, got }, cause);
}

function refuseWrite(expected: string, got: string): MaliangError {
  const next = 'Correct the tensors given to the writer.';
  return complain('SAFETENSORS', { where: 'writeSafetensors', expected, got, next });
}
