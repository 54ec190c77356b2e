/** @file Parameters that are computed from what files store: transposed, joined or with low-rank additions. */
import { rewrite } from '../graph/rewrite.js';
import { type Graph, parameter, type Tensor } from '../graph/tensor.js';

/** Gives a parameter's value out of other parameters, in the shape the model asks for. */
export type ParameterBuild = (shape: readonly number[]) => Tensor;

/** Builds by the name of the parameter they stand for. */
export type ParameterBuilds = ReadonlyMap<string, ParameterBuild>;

/**
 * The graph with built parameters in place of declared ones. ONNX Runtime computes them once while
 * it loads, as everything they depend on is constant by then.
 */
export function withBuiltParameters(graph: Graph, builds: ParameterBuilds): Graph {
  if (builds.size === 0) return graph;
  return rewrite(graph, (node) =>
    node.op === 'Parameter' ? builds.get(node.attributes.name)?.(node.shape) : undefined,
  );
}

/** The value of `name`, built or stored, for a build that goes on from there. */
export function builtOrStored(
  name: string,
  shape: readonly number[],
  builds: ParameterBuilds,
): Tensor {
  return builds.get(name)?.(shape) ?? parameter(name, shape);
}
