/** @file Dtypes and dense host arrays: the values that cross every layer. */
import { complain } from './errors.js';

/** Bytes per element of every dtype Maliang stores or computes with. */
export const dtypeBytes = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  f8e4m3fn: 1,
  f8e5m2: 1,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u64: 8,
  u32: 4,
  u16: 2,
  u8: 1,
  bool: 1,
} as const;

export type Dtype = keyof typeof dtypeBytes;

/** How each dtype lies in host memory; f16, bf16 and the f8 types are raw bits. */
export interface DtypeArrays {
  f64: Float64Array;
  f32: Float32Array;
  f16: Uint16Array;
  bf16: Uint16Array;
  f8e4m3fn: Uint8Array;
  f8e5m2: Uint8Array;
  i64: BigInt64Array;
  i32: Int32Array;
  i16: Int16Array;
  i8: Int8Array;
  u64: BigUint64Array;
  u32: Uint32Array;
  u16: Uint16Array;
  u8: Uint8Array;
  bool: Uint8Array;
}

/** A dense row-major array on the host. */
export type TensorData = {
  [D in Dtype]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: DtypeArrays[D];
  };
}[Dtype];

/** A dense f32 array, the common case. */
export interface FloatTensor {
  readonly dtype: 'f32';
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  }
  return strides;
}

/** `f32[2,3]`, as every message prints a tensor. */
export function describe(tensor: { dtype: Dtype; shape: readonly number[] }): string {
  return `${tensor.dtype}[${tensor.shape.join(',')}]`;
}

/** Wraps a Float32Array; throws SHAPE when the length does not fit. */
export function floatTensor(data: Float32Array, shape: readonly number[]): FloatTensor {
  if (data.length !== elementCount(shape)) {
    throw complain('SHAPE', {
      where: 'floatTensor',
      expected: `${elementCount(shape)} values for [${shape.join(',')}]`,
      got: `${data.length}`,
    });
  }
  return { dtype: 'f32', shape, data };
}

/** Bits of an IEEE half to a number. */
export function f16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const f32View = new Float32Array(1);
const u32View = new Uint32Array(f32View.buffer);

/** A number to the bits of the nearest IEEE half, ties to even; overflow gives infinity. */
export function numberToF16(value: number): number {
  f32View[0] = value;
  const bits = u32View[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // at least 65536: infinity
  if (magnitude < 0x38800000) {
    // Subnormal half: the value in units of 2⁻²⁴, rounded to even.
    return sign | roundHalfEven(Math.abs(f32View[0]!) * 2 ** 24);
  }
  const rounded = magnitude + 0x0fff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** Bits of a bfloat16 to a number. */
export function bf16ToNumber(bits: number): number {
  u32View[0] = bits << 16;
  return f32View[0]!;
}

/** A number to the bits of the nearest bfloat16, ties to even. */
export function numberToBf16(value: number): number {
  f32View[0] = value;
  const bits = u32View[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) & 0xffff) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Bits of an OCP E4M3 byte without infinities (Micikevicius et al. 2022) to a number. */
export function f8e4m3fnToNumber(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 0xf;
  const fraction = bits & 0x7;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  if (exponent === 15 && fraction === 7) return Number.NaN;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}

/** Bits of an OCP E5M2 byte, the upper half of an IEEE half, to a number. */
export function f8e5m2ToNumber(bits: number): number {
  return f16ToNumber(bits << 8);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}

/** A copy of any tensor as f32. Integers above 2²⁴ round as f32 does. */
export function toFloat32(tensor: TensorData): Float32Array {
  switch (tensor.dtype) {
    case 'f32':
      return tensor.data.slice();
    case 'f16':
      return Float32Array.from(tensor.data, f16ToNumber);
    case 'bf16':
      return Float32Array.from(tensor.data, bf16ToNumber);
    case 'f8e4m3fn':
      return Float32Array.from(tensor.data, f8e4m3fnToNumber);
    case 'f8e5m2':
      return Float32Array.from(tensor.data, f8e5m2ToNumber);
    case 'i64':
    case 'u64': {
      const out = new Float32Array(tensor.data.length);
      for (let i = 0; i < out.length; i++) out[i] = Number(tensor.data[i]);
      return out;
    }
    default:
      return Float32Array.from(tensor.data);
  }
}
