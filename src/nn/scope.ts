/** @file A position in the tree of parameter names; names equal those of published checkpoints. */
import { complain } from '../core/errors.js';
import { parameter, type Tensor } from '../graph/tensor.js';

/** Weights are trained; buffers, such as running statistics, are stored beside them but are not. */
export type ParameterKind = 'weight' | 'buffer';

/** Gives the tensor that stands for a parameter. Called once per use, so it must remember names. */
export type Declare = (name: string, shape: readonly number[], kind: ParameterKind) => Tensor;

/**
 * Declares f32 parameter nodes and gives the same node for the same name, so that gradients of
 * shared weights add up. Fills `weights` in the order of first use, and `buffers`, which is the
 * same table unless given. Throws SHAPE when a name comes back with another shape.
 */
export function declareOnce(
  weights: Map<string, Tensor> = new Map(),
  buffers: Map<string, Tensor> = weights,
): Declare {
  return (name, shape, kind) => {
    const table = kind === 'weight' ? weights : buffers;
    const known = table.get(name);
    if (known === undefined) {
      const fresh = parameter(name, shape);
      table.set(name, fresh);
      return fresh;
    }
    if (known.shape.join() === shape.join()) return known;
    throw complain('SHAPE', {
      where: `parameter "${name}"`,
      expected: `[${known.shape.join(',')}] as declared before`,
      got: `[${shape.join(',')}]`,
    });
  };
}

/** Where a layer stands in a model: `scope.child('conv1')` names its weight `….conv1.weight`. */
export class Scope {
  readonly prefix: string;
  readonly #declare: Declare;

  /** `prefix` is empty at the root of a model, else a dotted path without a dot at the end. */
  constructor(prefix = '', declare: Declare = declareOnce()) {
    this.prefix = prefix;
    this.#declare = declare;
  }

  /** The scope one level down; numbers count the items of a list. */
  child(name: string | number): Scope {
    return new Scope(this.#path(name), this.#declare);
  }

  /** The parameter `name` of this scope, f32 unless the declaring function says otherwise. */
  parameter(name: string, shape: readonly number[]): Tensor {
    return this.#declare(this.#path(name), shape, 'weight');
  }

  /** A stored value of this scope that is not trained. */
  buffer(name: string, shape: readonly number[]): Tensor {
    return this.#declare(this.#path(name), shape, 'buffer');
  }

  #path(name: string | number): string {
    return this.prefix === '' ? `${name}` : `${this.prefix}.${name}`;
  }
}
