/** @file Collects ONNX nodes, constants and inputs while a graph is being written out. */
import { Buffer } from 'node:buffer';
import { elementCount, numberToF16, type TensorData } from '../core/tensor-data.js';
import {
  type ExternalTensor,
  type OnnxAttribute,
  type OnnxNode,
  type OnnxValue,
  onnxDtypes,
} from '../formats/onnx.js';
import type { GraphDtype } from './ops.js';
import type { Tensor } from './tensor.js';

export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, TensorData | ExternalTensor>();
  readonly inputs: OnnxValue[] = [];
  /** Layer norms with 1/std already emitted, by `normKey`. */
  readonly norms = new Map<string, { y: string; invStdDev: string }>();
  readonly #sharedNorms = new Set<string>();
  readonly #ids = new Map<Tensor, number>();
  readonly #constants = new Map<string, string>();
  readonly #taken: ReadonlySet<string>;
  #count = 0;
  #constantCount = 0;

  /**
   * Notes every InvStdDev, so that the layer norm of the same tensor gives 1/std too. `taken` are
   * the names of inputs, parameters and outputs, which no value in between may have.
   */
  constructor(order: readonly Tensor[], taken: ReadonlySet<string>) {
    this.#taken = taken;
    for (const tensor of order) {
      if (tensor.op !== 'InvStdDev') continue;
      this.#sharedNorms.add(this.normKey(tensor.inputs[0]!, tensor.attributes.eps));
    }
  }

  /** Layer norms of one tensor with one eps share statistics. */
  normKey(x: Tensor, eps: number): string {
    const id = this.#ids.get(x) ?? this.#ids.size;
    this.#ids.set(x, id);
    return `${id}/${eps}`;
  }

  sharesNorm(x: Tensor, eps: number): boolean {
    return this.#sharedNorms.has(this.normKey(x, eps));
  }

  fresh(): string {
    return this.#free(() => `t${this.#count++}`);
  }

  #free(next: () => string): string {
    let name = next();
    while (this.#taken.has(name)) name = next();
    return name;
  }

  /** Appends a node with one output and returns the output's name. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain = '',
  ): string {
    const output = this.fresh();
    this.nodes.push({ opType, inputs, outputs: [output], attributes, domain });
    return output;
  }

  /** Appends a node with several outputs. */
  nodeWithOutputs(
    count: number,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => this.fresh());
    this.nodes.push({ opType, inputs, outputs, attributes });
    return outputs;
  }

  /** An initializer; equal small ones are kept once. */
  constant(value: TensorData): string {
    const small = elementCount(value.shape) <= 64;
    const { buffer, byteOffset, byteLength } = value.data;
    const bytes = small ? Buffer.from(buffer, byteOffset, byteLength).toString('latin1') : '';
    const key = `${value.dtype}[${value.shape}]${bytes}`;
    const known = small ? this.#constants.get(key) : undefined;
    if (known) return known;
    const name = this.#free(() => `c${this.#constantCount++}`);
    this.initializers.set(name, value);
    if (small) this.#constants.set(key, name);
    return name;
  }

  ints(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.constant({ dtype: 'i64', shape: [values.length], data });
  }

  /** A float constant of the dtype of `like`. */
  floats(values: Float64Array, shape: readonly number[], like: Pick<Tensor, 'dtype'>): string {
    if (like.dtype === 'f64') return this.constant({ dtype: 'f64', shape, data: values });
    if (like.dtype === 'f16') {
      return this.constant({ dtype: 'f16', shape, data: Uint16Array.from(values, numberToF16) });
    }
    return this.constant({ dtype: 'f32', shape, data: Float32Array.from(values) });
  }

  float(value: number, like: Pick<Tensor, 'dtype'>): string {
    return this.floats(Float64Array.of(value), [], like);
  }

  zeros(shape: readonly number[], like: Pick<Tensor, 'dtype'>): string {
    return this.floats(new Float64Array(elementCount(shape)), shape, like);
  }

  ones(shape: readonly number[], like: Pick<Tensor, 'dtype'>): string {
    return this.floats(new Float64Array(elementCount(shape)).fill(1), shape, like);
  }

  /** The same name when the dtypes are equal. */
  cast(x: string, from: GraphDtype, dtype: GraphDtype): string {
    return from === dtype ? x : this.node('Cast', [x], { to: { int: onnxDtypes[dtype] } });
  }

  reshape(x: string, shape: readonly number[]): string {
    return this.node('Reshape', [x, this.ints(shape)]);
  }

  transpose(x: string, permutation: readonly number[]): string {
    return this.node('Transpose', [x], { perm: { ints: permutation } });
  }

  /** Slices named axes; `ends` as ONNX wants them. */
  slice(
    x: string,
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps: readonly number[],
  ): string {
    const lists = [starts, ends, axes, steps].map((list) => this.ints(list));
    return this.node('Slice', [x, ...lists]);
  }
}
