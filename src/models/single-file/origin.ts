/** @file Where the values of a parameter lie in a file with other names: tensors, equal parts of them, or none. */
import * as g from '../../graph/build.js';
import { parameter, type Tensor } from '../../graph/tensor.js';
import type { ParameterBuild } from '../built-parameters.js';

/** Anything that has a shape. */
export interface Shaped {
  readonly shape: readonly number[];
}

/** Tensors of a file by name. */
export type StoredShapes = ReadonlyMap<string, Shaped>;

/** Part `index` of `count` equal parts of a stored tensor, cut along its first axis. */
export interface Piece {
  readonly key: string;
  readonly index: number;
  readonly count: number;
}

/**
 * `pieces` are joined along the first axis; one piece is a range of bytes of the file.
 * `transposed` is a matrix stored the other way round, `identity` is stored nowhere.
 */
export type Origin =
  | { readonly kind: 'pieces'; readonly pieces: readonly Piece[] }
  | { readonly kind: 'transposed'; readonly key: string }
  | { readonly kind: 'identity' };

export function whole(key: string): Origin {
  return { kind: 'pieces', pieces: [{ key, index: 0, count: 1 }] };
}

/** Query, key or value (0, 1, 2) of a fused projection. */
export function third(key: string, index: number): Origin {
  return { kind: 'pieces', pieces: [{ key, index, count: 3 }] };
}

/** The second half before the first. */
export function swappedHalves(key: string): Origin {
  const half = (index: number): Piece => ({ key, index, count: 2 });
  return { kind: 'pieces', pieces: [half(1), half(0)] };
}

/** The stored tensors an origin reads. */
export function keysOf(origin: Origin): string[] {
  if (origin.kind === 'identity') return [];
  if (origin.kind === 'transposed') return [origin.key];
  return [...new Set(origin.pieces.map(({ key }) => key))];
}

/** The shape of what an origin gives, undefined when a tensor is missing or cannot be cut so. */
export function shapeOf(
  origin: Origin,
  stored: StoredShapes,
  asked: readonly number[],
): readonly number[] | undefined {
  if (origin.kind === 'identity') return asked.length === 2 && asked[0] === asked[1] ? asked : [];
  if (origin.kind === 'transposed') return stored.get(origin.key)?.shape.toReversed();
  let rows = 0;
  let rest: readonly number[] = [];
  for (const { key, count } of origin.pieces) {
    const shape = stored.get(key)?.shape;
    if (shape === undefined) return undefined;
    if (count === 1 && origin.pieces.length === 1) return shape;
    if ((shape[0] ?? 1) % count !== 0) return [];
    rows += shape[0]! / count;
    rest = shape.slice(1);
  }
  return [rows, ...rest];
}

/** Where one piece is kept among a part's weights when several make a parameter. */
export function pieceName(parameterName: string, index: number): string {
  return `${parameterName}#${index}`;
}

/** How to compute a parameter from its stored tensors; undefined when it is stored as it is. */
export function buildOf(name: string, origin: Origin): ParameterBuild | undefined {
  if (origin.kind === 'identity') return ([size]) => identity(size!);
  if (origin.kind === 'transposed') {
    return (shape) => g.transpose(parameter(pieceName(name, 0), shape.toReversed()), [1, 0]);
  }
  const { pieces } = origin;
  if (pieces.length === 1) return undefined;
  return ([rows, ...rest]) => {
    const shape = [rows! / pieces.length, ...rest];
    return g.concat(
      pieces.map((_, i) => parameter(pieceName(name, i), shape)),
      0,
    );
  };
}

/** [size, size], ones on the diagonal. */
function identity(size: number): Tensor {
  const numbers = Array.from({ length: size }, (_, i) => i);
  return g.cast(g.equal(g.indices(numbers, [size, 1]), g.indices(numbers, [1, size])), 'f32');
}
