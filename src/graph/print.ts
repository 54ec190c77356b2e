/** @file Graphs as text: one numbered line per node, leaves first; the same graph gives the same text. */
import { describe, f16ToNumber, type TensorData } from '../core/tensor-data.js';
import { type Graph, type Tensor, topologicalOrder } from './tensor.js';

/** Constants up to this many values are printed whole. */
const shownValues = 8;

/** The outputs with the names they print under; lists are named by position. */
export function namedOutputs(outputs: Graph | readonly Tensor[]): [string, Tensor][] {
  if ('size' in outputs) return [...outputs];
  return outputs.map((output, i) => [`${i}`, output]);
}

/**
 * Every node with the number it prints under: Inputs, then Parameters, then the rest in an order
 * of computation. Error messages use the same numbers.
 */
export function numberNodes(outputs: Graph | readonly Tensor[]): Map<Tensor, number> {
  const order = topologicalOrder(namedOutputs(outputs).map(([, output]) => output));
  const rank = (tensor: Tensor): number =>
    tensor.op === 'Input' ? 0 : tensor.op === 'Parameter' ? 1 : 2;
  const sorted = [0, 1, 2].flatMap((part) => order.filter((tensor) => rank(tensor) === part));
  return new Map(sorted.map((tensor, i) => [tensor, i]));
}

/** A number that no other number prints as; keeps the sign of zero. */
export function formatNumber(value: number): string {
  return Object.is(value, -0) ? '-0' : `${value}`;
}

function formatValue(value: unknown): string {
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map(formatValue).join(',')}]`;
  return `${value}`;
}

/** `name=value` of every attribute, sorted by name. */
export function formatAttributes(attributes: object): string {
  const entries: [string, unknown][] = Object.entries(attributes);
  return entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${formatValue(value)}`)
    .join(' ');
}

/** Values of a host array as text, f16 as numbers. */
export function formatData(tensor: TensorData, limit = Number.POSITIVE_INFINITY): string {
  const values: string[] = [];
  for (let i = 0; i < Math.min(tensor.data.length, limit); i++) {
    const value = tensor.data[i]!;
    const number = tensor.dtype === 'f16' ? f16ToNumber(value as number) : value;
    values.push(typeof number === 'bigint' ? `${number}` : formatNumber(number));
  }
  if (tensor.data.length > limit) values.push('…');
  return tensor.shape.length === 0 ? values.join() : `[${values.join(',')}]`;
}

function formatNode(tensor: Tensor, numbers: ReadonlyMap<Tensor, number>): string {
  if (tensor.op === 'Input' || tensor.op === 'Parameter') {
    return `${tensor.op} "${tensor.attributes.name}"`;
  }
  if (tensor.op === 'Constant') {
    return `Constant ${formatData(tensor.attributes.value, shownValues)}`;
  }
  const inputs = tensor.inputs.map((source) => `%${numbers.get(source)}`).join(', ');
  return `${tensor.op}(${inputs}) ${formatAttributes(tensor.attributes)}`.trimEnd();
}

/**
 * The graph as text, for people and for comparing two graphs:
 * `%12 = Conv(%3, %7, %8) dilation=[1,1] groups=1 … : f32[1,64,32,32]`, then one line per output.
 */
export function printGraph(outputs: Graph | readonly Tensor[]): string {
  const numbers = numberNodes(outputs);
  const lines = [...numbers].map(
    ([tensor, number]) => `%${number} = ${formatNode(tensor, numbers)} : ${describe(tensor)}`,
  );
  for (const [name, output] of namedOutputs(outputs)) {
    lines.push(`output ${name} = %${numbers.get(output)}`);
  }
  return `${lines.join('\n')}\n`;
}
