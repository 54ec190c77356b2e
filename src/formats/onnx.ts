/** @file Writer of ONNX models as protocol buffers, after onnx.proto (IR version 10). */
import { Buffer } from 'node:buffer';
import type { Dtype, TensorData } from '../core/tensor-data.js';

/** ONNX numbers of our dtypes (TensorProto.DataType). */
export const onnxDtypes: { readonly [D in Dtype]: number } = {
  f32: 1,
  u8: 2,
  i8: 3,
  u16: 4,
  i16: 5,
  i32: 6,
  i64: 7,
  bool: 9,
  f16: 10,
  f64: 11,
  u32: 12,
  u64: 13,
  bf16: 16,
  f8e4m3fn: 17,
  f8e5m2: 19,
};

export type OnnxAttribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly string: string };

export interface OnnxNode {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** Bytes of a tensor that stay in their own file. */
export interface ExternalTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Path relative to the folder the session is told. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export interface OnnxValue {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, TensorData | ExternalTensor>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Operator set version per domain; '' is ai.onnx. */
  readonly opsets: Readonly<Record<string, number>>;
}

/** Protocol-buffer fields appended to a list of chunks. */
class Message {
  readonly #chunks: Uint8Array[] = [];

  varint(field: number, value: number | bigint): this {
    this.#chunks.push(encodeVarint(BigInt(field << 3)), encodeVarint(BigInt(value)));
    return this;
  }

  float(field: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    this.#chunks.push(encodeVarint(BigInt((field << 3) | 5)), bytes);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#chunks.push(
      encodeVarint(BigInt((field << 3) | 2)),
      encodeVarint(BigInt(value.length)),
      value,
    );
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.finish());
  }

  /** Packed 64-bit integers. */
  packed(field: number, values: readonly number[]): this {
    return this.bytes(field, Buffer.concat(values.map((value) => encodeVarint(BigInt(value)))));
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}

function encodeVarint(value: bigint): Uint8Array {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function attributeMessage(name: string, value: OnnxAttribute): Message {
  const message = new Message().string(1, name);
  if ('float' in value) return message.float(2, value.float).varint(20, 1);
  if ('int' in value) return message.varint(3, value.int).varint(20, 2);
  if ('string' in value) return message.string(4, value.string).varint(20, 3);
  return message.packed(8, value.ints).varint(20, 7);
}

function nodeMessage(node: OnnxNode, index: number): Message {
  const message = new Message();
  for (const input of node.inputs) message.string(1, input);
  for (const output of node.outputs) message.string(2, output);
  message.string(3, `${node.opType}_${index}`).string(4, node.opType);
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    message.message(5, attributeMessage(name, value));
  }
  return node.domain ? message.string(7, node.domain) : message;
}

function externalEntry(key: string, value: string): Message {
  return new Message().string(1, key).string(2, value);
}

function tensorMessage(name: string, tensor: TensorData | ExternalTensor): Message {
  const message = new Message()
    .packed(1, tensor.shape)
    .varint(2, onnxDtypes[tensor.dtype])
    .string(8, name);
  if ('data' in tensor) {
    const { buffer, byteOffset, byteLength } = tensor.data;
    return message.bytes(9, new Uint8Array(buffer, byteOffset, byteLength));
  }
  return message
    .message(13, externalEntry('location', tensor.location))
    .message(13, externalEntry('offset', String(tensor.offset)))
    .message(13, externalEntry('length', String(tensor.length)))
    .varint(14, 1);
}

function valueMessage({ name, dtype, shape }: OnnxValue): Message {
  const dimensions = new Message();
  for (const size of shape) dimensions.message(1, new Message().varint(1, size));
  const tensorType = new Message().varint(1, onnxDtypes[dtype]).message(2, dimensions);
  return new Message().string(1, name).message(2, new Message().message(1, tensorType));
}

/** A ModelProto. Graph values must be in topological order. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const graph = new Message();
  for (const [i, node] of model.nodes.entries()) graph.message(1, nodeMessage(node, i));
  graph.string(2, 'maliang');
  for (const [name, tensor] of model.initializers) graph.message(5, tensorMessage(name, tensor));
  for (const input of model.inputs) graph.message(11, valueMessage(input));
  for (const output of model.outputs) graph.message(12, valueMessage(output));
  const message = new Message().varint(1, 10).string(2, 'maliang').message(7, graph);
  for (const [domain, version] of Object.entries(model.opsets)) {
    message.message(8, new Message().string(1, domain).varint(2, version));
  }
  return message.finish();
}
