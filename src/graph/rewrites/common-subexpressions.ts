/** @file Merges nodes that compute the same thing, by structural hashing. */
import { formatAttributes, formatData } from '../print.js';
import { type RewriteRule, rewrite } from '../rewrite.js';
import type { Graph, Tensor } from '../tensor.js';

/** Constants up to this many values are compared by content, larger ones by their array. */
const comparedValues = 1024;

/** One node per distinct computation: same operation, attributes and inputs. Results are unchanged. */
export function commonSubexpressions(graph: Graph): Graph {
  return rewrite(graph, mergeRule());
}

function mergeRule(): RewriteRule {
  const known = new Map<string, Tensor>();
  const identify = numbering();
  return (node) => {
    const key = keyOf(node, identify);
    const first = known.get(key);
    if (!first) known.set(key, node);
    return first;
  };
}

/** Numbers objects in the order they are first seen. */
function numbering(): (object: object) => number {
  const numbers = new WeakMap<object, number>();
  let count = 0;
  return (object) => {
    const number = numbers.get(object) ?? count++;
    numbers.set(object, number);
    return number;
  };
}

function keyOf(node: Tensor, identify: (object: object) => number): string {
  const type = `${node.op} ${node.dtype}[${node.shape}]`;
  if (node.op === 'Constant') {
    const { value } = node.attributes;
    const isSmall = value.data.length <= comparedValues;
    return `${type} ${isSmall ? formatData(value) : `#${identify(value.data)}`}`;
  }
  const inputs = node.inputs.map(identify).join();
  return `${type} ${inputs} ${formatAttributes(node.attributes)}`;
}
