/** @file Linear layers over stored weights as ONNX Gemm, which reads [out, in] as files hold it: no transposed copy. */
import type { Emitter } from './emitter.js';
import type { Tensor } from './tensor.js';

export interface LinearForm {
  /** [.., in] */
  readonly x: Tensor;
  /** The stored parameter, [out, in]. */
  readonly weight: Tensor;
  /** [out] */
  readonly bias: Tensor | undefined;
  /** [.., out] */
  readonly shape: readonly number[];
}

export interface LinearForms {
  /** Nodes to emit as a Gemm. */
  readonly forms: ReadonlyMap<Tensor, LinearForm>;
  /** Nodes those stand for, not emitted themselves. */
  readonly absorbed: ReadonlySet<Tensor>;
}

type Users = ReadonlyMap<Tensor, readonly Tensor[]>;

/** Finds `x·Wᵀ` and `x·Wᵀ + b` whose W is a stored parameter. */
export function linearForms(
  order: readonly Tensor[],
  outputs: Iterable<Tensor>,
  isStored: (parameter: string) => boolean,
): LinearForms {
  const users = usersOf(order);
  const kept = new Set(outputs);
  const forms = new Map<Tensor, LinearForm>();
  const absorbed = new Set<Tensor>();
  for (const turned of order) {
    const products = users.get(turned) ?? [];
    if (kept.has(turned) || !isTurnedWeight(turned, isStored)) continue;
    if (!products.every((product) => isProductWith(product, turned))) continue;
    absorbed.add(turned);
    for (const product of products) {
      const sum = kept.has(product) ? undefined : biasedSum(product, users);
      const [x, weight, shape] = [product.inputs[0]!, turned.inputs[0]!, product.shape];
      const bias = sum?.inputs.find((term) => term !== product);
      forms.set(sum ?? product, { x, weight, bias, shape });
      if (sum) absorbed.add(product);
    }
  }
  return { forms, absorbed };
}

function usersOf(order: readonly Tensor[]): Users {
  const users = new Map<Tensor, Tensor[]>();
  for (const node of order) {
    for (const source of node.inputs) {
      const known = users.get(source);
      if (known) known.push(node);
      else users.set(source, [node]);
    }
  }
  return users;
}

function isTurnedWeight(node: Tensor, isStored: (parameter: string) => boolean): boolean {
  if (node.op !== 'Transpose' || node.dtype !== 'f32') return false;
  if (node.attributes.permutation.join() !== '1,0') return false;
  const weight = node.inputs[0]!;
  return weight.op === 'Parameter' && isStored(weight.attributes.name);
}

function isProductWith({ op, inputs }: Tensor, turned: Tensor): boolean {
  return (
    op === 'MatMul' && inputs[1] === turned && inputs[0] !== turned && inputs[0]!.shape.length >= 2
  );
}

/** The one node that reads a product, if it adds a vector over the last axis. */
function biasedSum(product: Tensor, users: Users): Tensor | undefined {
  const [sum, ...others] = users.get(product) ?? [];
  if (sum?.op !== 'Add' || others.length > 0) return undefined;
  const bias = sum.inputs.find((term) => term !== product)!;
  return bias.shape.length === 1 && bias.shape[0] === product.shape.at(-1) ? sum : undefined;
}

/** Gemm takes matrices: axes before the last become rows. */
export function emitLinear(
  { x, weight, bias, shape }: LinearForm,
  nameOf: (tensor: Tensor) => string,
  to: Emitter,
): string {
  const isMatrix = shape.length === 2;
  const features = weight.shape[1]!;
  const count = x.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const rows = isMatrix ? nameOf(x) : to.reshape(nameOf(x), [count, features]);
  const inputs = [rows, nameOf(weight), ...(bias ? [nameOf(bias)] : [])];
  const product = to.node('Gemm', inputs, { transB: { int: 1 } });
  return isMatrix ? product : to.reshape(product, shape);
}
