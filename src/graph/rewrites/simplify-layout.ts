/** @file Identities of operations that only move values. */
import { concat, expand, pad, reshape, slice, transpose } from '../build.js';
import type { Tensor, TensorOf } from '../tensor.js';
import type { SimplifyRules } from './simplify-arithmetic.js';

function simplifyReshape(node: TensorOf<'Reshape'>): Tensor | undefined {
  const x = node.inputs[0]!;
  if (x.shape.join() === node.shape.join()) return x;
  return x.op === 'Reshape' ? reshape(x.inputs[0]!, node.shape) : undefined;
}

function simplifyTranspose(node: TensorOf<'Transpose'>): Tensor | undefined {
  const x = node.inputs[0]!;
  const { permutation } = node.attributes;
  if (x.op === 'Transpose') {
    const inner = x.attributes.permutation;
    return transpose(
      x.inputs[0]!,
      permutation.map((axis) => inner[axis]!),
    );
  }
  const moved = permutation.filter((axis) => x.shape[axis] !== 1);
  const isOrdered = moved.every((axis, i) => i === 0 || axis > moved[i - 1]!);
  return isOrdered ? reshape(x, node.shape) : undefined;
}

function simplifyExpand(node: TensorOf<'Expand'>): Tensor | undefined {
  const x = node.inputs[0]!;
  if (x.shape.join() === node.shape.join()) return x;
  return x.op === 'Expand' ? expand(x.inputs[0]!, node.shape) : undefined;
}

function simplifySlice(node: TensorOf<'Slice'>): Tensor | undefined {
  const x = node.inputs[0]!;
  const { starts, sizes, steps } = node.attributes;
  if (sizes.join() === x.shape.join() && steps.every((step) => step === 1)) return x;
  if (x.op === 'Slice') {
    const inner = x.attributes;
    return slice(
      x.inputs[0]!,
      starts.map((start, axis) => inner.starts[axis]! + start * inner.steps[axis]!),
      sizes,
      steps.map((step, axis) => step * inner.steps[axis]!),
    );
  }
  if (x.op === 'Pad') return sliceOfPad(node, x);
  return x.op === 'Concat' ? sliceOfConcat(node, x) : undefined;
}

/** A slice that reads nothing but the padded tensor itself. */
function sliceOfPad(node: TensorOf<'Slice'>, padded: TensorOf<'Pad'>): Tensor | undefined {
  const { starts, sizes, steps } = node.attributes;
  const x = padded.inputs[0]!;
  const moved = starts.map((start, axis) => start - padded.attributes.before[axis]!);
  const isInside = moved.every((start, axis) => {
    const last = start + (sizes[axis]! - 1) * steps[axis]!;
    return Math.min(start, last) >= 0 && Math.max(start, last) < x.shape[axis]!;
  });
  return isInside ? slice(x, moved, sizes, steps) : undefined;
}

/** A slice that reads only one of the tensors joined. */
function sliceOfConcat(node: TensorOf<'Slice'>, joined: TensorOf<'Concat'>): Tensor | undefined {
  const { starts, sizes, steps } = node.attributes;
  const { axis } = joined.attributes;
  const end = starts[axis]! + (sizes[axis]! - 1) * steps[axis]!;
  const [first, last] = [Math.min(starts[axis]!, end), Math.max(starts[axis]!, end)];
  let before = 0;
  for (const part of joined.inputs) {
    const size = part.shape[axis]!;
    if (first >= before && last < before + size) {
      return slice(part, starts.with(axis, starts[axis]! - before), sizes, steps);
    }
    before += size;
  }
  return undefined;
}

function simplifyConcat(node: TensorOf<'Concat'>): Tensor | undefined {
  const { axis } = node.attributes;
  if (node.inputs.length === 1) return node.inputs[0];
  const isNested = (part: Tensor): boolean => part.op === 'Concat' && part.attributes.axis === axis;
  if (!node.inputs.some(isNested)) return undefined;
  return concat(
    node.inputs.flatMap((part) => (isNested(part) ? part.inputs : [part])),
    axis,
  );
}

function simplifyPad(node: TensorOf<'Pad'>): Tensor | undefined {
  const x = node.inputs[0]!;
  const { before, after, mode, value } = node.attributes;
  if (x.shape.join() === node.shape.join()) return x;
  if (mode !== 'constant' || x.op !== 'Pad') return undefined;
  const inner = x.attributes;
  if (inner.mode !== 'constant' || inner.value !== value) return undefined;
  const both = (outside: readonly number[], inside: readonly number[]): number[] =>
    outside.map((size, axis) => size + inside[axis]!);
  return pad(x.inputs[0]!, both(before, inner.before), both(after, inner.after), mode, value);
}

export const layoutRules: SimplifyRules = {
  Reshape: simplifyReshape,
  Transpose: simplifyTranspose,
  Expand: simplifyExpand,
  Slice: simplifySlice,
  Concat: simplifyConcat,
  Pad: simplifyPad,
};
