/** @file A component's configuration and where each of its parameters lies, out of a folder as published. */
import { complain } from '../core/errors.js';
import { readComponent } from '../hub/local-folder.js';
import { matchWeights, requireMatch } from '../hub/match-weights.js';
import {
  type Component,
  type ComponentClass,
  type ComponentConfigs,
  componentParameters,
  components,
  parseComponent,
} from '../models/registry.js';
import type { TensorInFile } from '../runtime/weights.js';

/** A component of one of the classes `K`, read from its folder. */
export type StoredModel<K extends ComponentClass = ComponentClass> = {
  [C in K]: {
    readonly className: C;
    readonly config: ComponentConfigs[C];
    readonly weights: ReadonlyMap<string, TensorInFile>;
    /** Weight files, in order. */
    readonly files: readonly string[];
  };
}[K];

/**
 * Reads a component folder. Throws MODEL_UNSUPPORTED for other classes, CONFIG, WEIGHTS when tensors
 * are missing, unused or of another shape, and what `readComponent` throws.
 */
export async function readStoredModel<K extends ComponentClass>(
  path: string,
  classes: readonly K[],
): Promise<StoredModel<K>> {
  const { className, config, tensors, files } = await readComponent(path);
  if (!classes.some((known) => known === className)) {
    throw complain('MODEL_UNSUPPORTED', {
      where: path,
      expected: classes.join(' or '),
      got: JSON.stringify(className.slice(0, 80)),
      next: 'Give the folder of a model this judge runs.',
    });
  }
  const component = parseComponent(className, config);
  const weights = weightsOf(component, tensors);
  return { ...component, weights, files } as unknown as StoredModel<K>;
}

/** Stored tensors by the parameter they fill. Throws WEIGHTS unless they fit exactly. */
export function weightsOf(
  component: Component,
  tensors: ReadonlyMap<string, TensorInFile>,
): ReadonlyMap<string, TensorInFile> {
  const { className } = component;
  const { weightName, tiedNames } = components[className];
  const { weights, buffers } = componentParameters(component);
  const parameters = new Map([...weights, ...buffers]);
  const match = matchWeights(parameters, untied(tensors, tiedNames), weightName);
  requireMatch(className, parameters.size, match);
  return match.matched;
}

/** Each shared parameter once, by its own name. */
function untied(
  tensors: ReadonlyMap<string, TensorInFile>,
  tiedNames: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, TensorInFile> {
  const out = new Map(tensors);
  for (const [name, own] of tiedNames) {
    const tensor = out.get(name);
    out.delete(name);
    if (tensor && !out.has(own)) out.set(own, tensor);
  }
  return out;
}
