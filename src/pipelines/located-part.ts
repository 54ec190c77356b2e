/** @file Turns what a checkpoint's layout says of a component into a part whose weights lie in the file. */
import { internal } from '../core/errors.js';
import type { StoredTensor } from '../hub/weight-file.js';
import type { ParameterBuild } from '../models/built-parameters.js';
import type { ComponentClass } from '../models/registry.js';
import type { LocatedComponent } from '../models/single-file/component.js';
import { buildOf, type Origin, type Piece, pieceName } from '../models/single-file/origin.js';
import type { TensorInFile } from '../runtime/weights.js';
import type { ModelPart } from './model-part.js';

/** Tensors stay mapped where they lie; only turned or joined ones are computed, when the part is loaded. */
export function partOf(
  { name, component, origins }: LocatedComponent,
  tensors: ReadonlyMap<string, StoredTensor>,
): ModelPart<ComponentClass> {
  const weights = new Map<string, TensorInFile>();
  const builds = new Map<string, ParameterBuild>();
  for (const [parameter, origin] of origins) {
    const build = buildOf(parameter, origin);
    if (build) builds.set(parameter, build);
    for (const [key, tensor] of storedAs(parameter, origin, tensors)) weights.set(key, tensor);
  }
  return { ...component, name, weights, builds } as ModelPart<ComponentClass>;
}

function storedAs(
  parameter: string,
  origin: Origin,
  tensors: ReadonlyMap<string, StoredTensor>,
): [string, TensorInFile][] {
  if (origin.kind === 'identity') return [];
  if (origin.kind === 'transposed') {
    const whole: Piece = { key: origin.key, index: 0, count: 1 };
    return [[pieceName(parameter, 0), cut(whole, tensors)]];
  }
  const { pieces } = origin;
  if (pieces.length === 1) return [[parameter, cut(pieces[0]!, tensors)]];
  return pieces.map((piece, i) => [pieceName(parameter, i), cut(piece, tensors)]);
}

/** An equal part along the first axis is a range of bytes. */
function cut(
  { key, index, count }: Piece,
  tensors: ReadonlyMap<string, StoredTensor>,
): TensorInFile {
  const tensor = tensors.get(key);
  if (!tensor) throw internal('partOf', `${key} was located but is not there`);
  const { file, dtype, shape, begin, end } = tensor;
  const bytes = (end - begin) / count;
  const rows = count === 1 ? shape : [shape[0]! / count, ...shape.slice(1)];
  const from = begin + index * bytes;
  return { file, dtype, shape: rows, begin: from, end: from + bytes };
}
