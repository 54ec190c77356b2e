/** @file Weights of a trained component: read back as f32, or written from a run's averages. */
import { complain } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import { type JsonObject, readComponent } from '../hub/local-folder.js';
import { matchWeights, requireMatch } from '../hub/match-weights.js';
import { readFloats } from '../hub/read-tensor.js';
import { type Library, writeComponentTensors } from '../hub/write-folder.js';
import {
  type ComponentClass,
  componentParameters,
  components,
  parseComponent,
} from '../models/registry.js';

export interface LoadedComponent {
  readonly className: string;
  readonly config: JsonObject;
  /** Every parameter of the class, f32. */
  readonly weights: ReadonlyMap<string, TensorData>;
}

/**
 * Reads a component folder whole, every float as f32. Throws MODEL_NOT_FOUND, FILE_READ, CONFIG,
 * MODEL_UNSUPPORTED, SAFETENSORS, or WEIGHTS when the tensors are not those of the class.
 * `expected` is the class it must have.
 */
export async function loadComponent(
  folder: string,
  expected?: ComponentClass,
): Promise<LoadedComponent> {
  const { className, config, tensors } = await readComponent(folder);
  if (expected !== undefined && className !== expected) {
    throw complain('CONFIG', { where: folder, expected: `a ${expected}`, got: className });
  }
  const component = parseComponent(className, config);
  const parameters = componentParameters(component);
  const { weightName } = components[component.className];
  const match = matchWeights(parameters.weights, tensors, (stored) => {
    const name = weightName(stored);
    return name !== undefined && parameters.buffers.has(name) ? undefined : name;
  });
  requireMatch(className, parameters.weights.size, match);
  const weights = new Map<string, TensorData>();
  for (const [name, stored] of match.matched) {
    weights.set(name, { dtype: 'f32', shape: stored.shape, data: await readFloats(stored) });
  }
  return { className, config, weights };
}

/** Writes a component in f32, as training keeps it. Throws DISK_FULL or FILE_WRITE. */
export async function saveComponent(
  folder: string,
  { library, className }: { library: Library; className: ComponentClass },
  config: JsonObject,
  weights: ReadonlyMap<string, TensorData>,
): Promise<void> {
  const { _class_name, ...fields } = config;
  await writeComponentTensors(folder, { library, className, config: fields }, weights);
}
