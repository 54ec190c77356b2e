/** @file One component of a model folder: its configuration, and where each of its parameters lies. */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { readComponent } from '../hub/local-folder.js';
import { weightsOf } from '../metrics/component-weights.js';
import type { ParameterBuilds } from '../models/built-parameters.js';
import { type ComponentClass, type ComponentConfigs, parseComponent } from '../models/registry.js';
import type { TensorInFile } from '../runtime/weights.js';
import type { ModelSource } from './model-source.js';

/** A component of one of the classes `K`. */
export type ModelPart<K extends ComponentClass = ComponentClass> = {
  [C in K]: {
    readonly className: C;
    readonly config: ComponentConfigs[C];
    /** Folder name, such as `unet`. */
    readonly name: string;
    /** Stored tensors by the parameter they fill, or by the names `builds` ask for. */
    readonly weights: ReadonlyMap<string, TensorInFile>;
    /** Parameters that are computed from stored tensors when the part is loaded. */
    readonly builds?: ParameterBuilds | undefined;
  };
}[K];

export interface ReadPartOptions<K extends ComponentClass> {
  /** Classes that fit at this place. */
  readonly classes: readonly K[];
  readonly variant?: string | undefined;
}

/**
 * Reads component `name` of a folder. Throws MODEL_UNSUPPORTED for other classes, CONFIG, WEIGHTS
 * when tensors are missing, unused or of another shape, and what `readComponent` throws.
 */
export async function readPart<K extends ComponentClass>(
  folder: ModelSource,
  name: string,
  { classes, variant }: ReadPartOptions<K>,
): Promise<ModelPart<K>> {
  const className = folder.components.get(name)?.className;
  if (!classes.some((known) => known === className)) {
    throw complain('MODEL_UNSUPPORTED', {
      where: `${folder.path}: ${name}`,
      expected: `${classes.join(' or ')}`,
      got: className === undefined ? 'no such component' : JSON.stringify(className.slice(0, 80)),
      next: 'Maliang does not run this combination of components.',
    });
  }
  const given = folder.file?.parts.get(name);
  if (given) return given as ModelPart<K>;
  const stored = await readComponent(join(folder.path, name), { variant });
  return partOf(className as K, name, stored);
}

/** Reads a component that lies in a folder of its own, its class in its config.json. Throws as `readPart`. */
export async function readPartFolder<K extends ComponentClass>(
  path: string,
  { name, classes }: { readonly name: string; readonly classes: readonly K[] },
): Promise<ModelPart<K>> {
  const stored = await readComponent(path);
  const className = stored.config._class_name;
  if (classes.some((known) => known === className)) return partOf(className as K, name, stored);
  throw complain('MODEL_UNSUPPORTED', {
    where: path,
    expected: `_class_name of ${classes.join(' or ')}`,
    got: JSON.stringify(className) ?? 'none',
  });
}

function partOf<K extends ComponentClass>(
  className: K,
  name: string,
  stored: Awaited<ReturnType<typeof readComponent>>,
): ModelPart<K> {
  const component = parseComponent(className, stored.config);
  const weights = weightsOf(component, stored.tensors);
  return { ...component, name, weights } as unknown as ModelPart<K>;
}
