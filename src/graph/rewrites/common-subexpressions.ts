/** @file Merges nodes with equal operation, attributes and inputs. */
import { Buffer } from 'node:buffer';
import { elementCount } from '../../core/tensor-data.js';
import { rewrite } from '../rewrite.js';
import type { Graph, Tensor } from '../tensor.js';

/** Constants up to this many elements are compared by value; larger ones by identity. */
const comparedElements = 1024;

export function commonSubexpressions(graph: Graph): Graph {
  const ids = new Map<unknown, number>();
  const idOf = (object: unknown): number => {
    const id = ids.get(object) ?? ids.size;
    ids.set(object, id);
    return id;
  };
  const known = new Map<string, Tensor>();
  const attributesKey = (tensor: Tensor): string => {
    if (tensor.op !== 'Constant') return JSON.stringify(tensor.attributes);
    const { data } = tensor.attributes.value;
    if (elementCount(tensor.shape) > comparedElements) return `#${idOf(data)}`;
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
  };
  return rewrite(graph, (tensor) => {
    const inputs = tensor.inputs.map(idOf).join();
    const type = `${tensor.dtype}[${tensor.shape.join()}]`;
    const key = `${tensor.op}(${inputs})${attributesKey(tensor)}${type}`;
    const other = known.get(key);
    if (other) return other;
    known.set(key, tensor);
    return undefined;
  });
}
