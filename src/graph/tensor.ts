/** @file Symbolic tensors: immutable nodes of a dataflow graph with static shape and dtype. */
import { complain } from '../core/errors.js';
import { arity, type GraphDtype, type Op, type OpAttributes } from './ops.js';
import { shapeRules } from './shape.js';

/** One node and its single output. Two nodes are the same only if they are the same object. */
export interface TensorOf<O extends Op> {
  readonly op: O;
  readonly inputs: readonly Tensor[];
  readonly attributes: OpAttributes[O];
  readonly shape: readonly number[];
  readonly dtype: GraphDtype;
}

export type Tensor = { [K in Op]: TensorOf<K> }[Op];

/** Named outputs of a computation; everything they need hangs below them. */
export type Graph = ReadonlyMap<string, Tensor>;

/** Makes a node; the shape rule checks the inputs. Throws SHAPE when they do not fit. */
export function node<O extends Op>(
  op: O,
  inputs: readonly Tensor[],
  attributes: OpAttributes[O],
): Tensor {
  const [fewest, most] = arity[op];
  if (inputs.length < fewest || inputs.length > most) {
    throw complain('SHAPE', {
      where: op,
      expected: fewest === most ? `${fewest} inputs` : `${fewest} to ${most} inputs`,
      got: `${inputs.length}`,
    });
  }
  const { shape, dtype } = shapeRules[op](inputs, attributes);
  return { op, inputs, attributes, shape, dtype } as Tensor;
}

/** A value fed at every run. */
export function input(name: string, shape: readonly number[], dtype: GraphDtype = 'f32'): Tensor {
  return { op: 'Input', inputs: [], attributes: { name }, shape, dtype };
}

/** A weight, filled by name from a file or a training state. */
export function parameter(
  name: string,
  shape: readonly number[],
  dtype: GraphDtype = 'f32',
): Tensor {
  return { op: 'Parameter', inputs: [], attributes: { name }, shape, dtype };
}

/** Every node the outputs need, inputs before users, in a deterministic order. */
export function topologicalOrder(outputs: Iterable<Tensor>): Tensor[] {
  const order: Tensor[] = [];
  const state = new Map<Tensor, 'open' | 'done'>();
  const stack = [...outputs].reverse();
  while (stack.length > 0) {
    const tensor = stack[stack.length - 1]!;
    const seen = state.get(tensor);
    if (seen === undefined) {
      state.set(tensor, 'open');
      for (let i = tensor.inputs.length - 1; i >= 0; i--) {
        const source = tensor.inputs[i]!;
        if (!state.has(source)) stack.push(source);
      }
    } else {
      stack.pop();
      if (seen === 'open') {
        state.set(tensor, 'done');
        order.push(tensor);
      }
    }
  }
  return order;
}

/** Input nodes below the outputs, by name. Throws GRAPH when two differ under one name. */
export function inputsOf(outputs: Iterable<Tensor>): Map<string, TensorOf<'Input'>> {
  return leavesOf(outputs, 'Input');
}

/** Parameter nodes below the outputs, by name. Throws GRAPH when two differ under one name. */
export function parametersOf(outputs: Iterable<Tensor>): Map<string, TensorOf<'Parameter'>> {
  return leavesOf(outputs, 'Parameter');
}

function leavesOf<O extends 'Input' | 'Parameter'>(
  outputs: Iterable<Tensor>,
  op: O,
): Map<string, TensorOf<O>> {
  const leaves = new Map<string, TensorOf<O>>();
  for (const tensor of topologicalOrder(outputs)) {
    if (tensor.op !== op) continue;
    const leaf = tensor as unknown as TensorOf<O>;
    const { name } = leaf.attributes as { name: string };
    const other = leaves.get(name);
    if (other && (other.shape.join() !== leaf.shape.join() || other.dtype !== leaf.dtype)) {
      throw complain('GRAPH', {
        where: `${op} "${name}"`,
        expected: `one shape per name, ${other.dtype}[${other.shape}]`,
        got: `also ${leaf.dtype}[${leaf.shape}]`,
      });
    }
    leaves.set(name, leaf);
  }
  return leaves;
}
