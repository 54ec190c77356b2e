/** @file One component inside a checkpoint: which keys are its own, its configuration, and where every parameter lies. */
import { complain } from '../../core/errors.js';
import type { ConfigJson } from '../config-reader.js';
import {
  type Component,
  type ComponentClass,
  componentParameters,
  parseComponent,
} from '../registry.js';
import { keysOf, type Origin, type StoredShapes, shapeOf } from './origin.js';

/** Tensors a component stores and nothing reads. */
export interface UnusedKeys {
  readonly pattern: RegExp;
  /** Ends the sentence `3 tensors …`. */
  readonly reason: string;
}

export interface ComponentSketch {
  /** Folder name in the diffusers layout, such as `unet`. */
  readonly name: string;
  readonly className: ComponentClass;
  /** What its keys begin with. */
  readonly prefix: string;
  readonly config: ConfigJson;
  /** Where a parameter lies, keys without the prefix. */
  readonly origin: (parameter: string, component: Component) => Origin;
  readonly unused?: readonly UnusedKeys[];
  /** Parameters a file may lack: what needs them is refused later. */
  readonly optional?: RegExp | undefined;
}

export interface LocatedComponent {
  readonly name: string;
  readonly component: Component;
  /** Where every parameter lies, whole keys. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly warnings: readonly string[];
}

/** The tensors below `prefix`, keys without it. */
export function below(stored: StoredShapes, prefix: string): StoredShapes {
  if (prefix === '') return stored;
  return new Map(
    [...stored].flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : [],
    ),
  );
}

/**
 * Finds every parameter. Throws WEIGHTS when one is missing or of another shape or when tensors
 * below the prefix fill none, CONFIG or MODEL_UNSUPPORTED for the configuration.
 */
export function locateComponent(sketch: ComponentSketch, file: StoredShapes): LocatedComponent {
  const { name, className, prefix, config, origin, optional } = sketch;
  const stored = below(file, prefix);
  const component = parseComponent(className, config);
  const { weights, buffers } = componentParameters(component);
  const origins = new Map<string, Origin>();
  const used = new Set<string>();
  const faults: string[] = [];
  const absent: string[] = [];
  for (const [parameter, { shape }] of [...weights, ...buffers]) {
    const from = origin(parameter, component);
    const got = shapeOf(from, stored, shape);
    if (got === undefined) {
      const missing = keysOf(from).find((key) => !stored.has(key));
      if (optional?.test(parameter)) absent.push(parameter);
      else faults.push(`no ${JSON.stringify(prefix + missing)} for ${parameter}`);
      continue;
    }
    for (const key of keysOf(from)) used.add(key);
    if (fits(shape, got)) origins.set(parameter, withPrefix(from, prefix));
    else {
      const stands = `${JSON.stringify(prefix + keysOf(from)[0])} gives [${got}]`;
      faults.push(`${stands} where ${parameter} is [${shape}]`);
    }
  }
  const rest = [...stored.keys()].filter((key) => !used.has(key));
  const warnings = setAside(sketch, rest, faults);
  if (absent.length > 0) {
    warnings.push(`${name}: the file lacks ${absent.length} tensors, first ${absent[0]}.`);
  }
  if (faults.length === 0) return { name, component, origins, warnings };
  throw complain('WEIGHTS', {
    where: name,
    expected: `the ${weights.size + buffers.size} tensors of ${className}`,
    got: listed(faults, '; '),
    next: 'If the model has an unusual shape, give its configuration: `config`, or a YAML or JSON file beside it.',
  });
}

/** Warnings for tensors known to be of no use; the others are faults. */
function setAside(sketch: ComponentSketch, rest: readonly string[], faults: string[]): string[] {
  const warnings: string[] = [];
  let unknown = rest;
  for (const { pattern, reason } of sketch.unused ?? []) {
    const keys = unknown.filter((key) => pattern.test(key));
    unknown = unknown.filter((key) => !pattern.test(key));
    if (keys.length > 0) warnings.push(unusedWarning(sketch.prefix, keys, reason));
  }
  if (unknown.length > 0) {
    const names = unknown.map((key) => JSON.stringify(sketch.prefix + key.slice(0, 120)));
    faults.push(`${unknown.length} unused: ${listed(names, ', ')}`);
  }
  return warnings;
}

/** `3 tensors … are not read: reason`. */
export function unusedWarning(prefix: string, keys: readonly string[], reason: string): string {
  const names = listed(
    keys.map((key) => prefix + key.slice(0, 120)),
    ', ',
  );
  return `not read: ${reason} (${keys.length}: ${names}).`;
}

/** The first three, and how many more. */
export function listed(items: readonly string[], separator: string): string {
  const shown = items.slice(0, 3).join(separator);
  return items.length > 3 ? `${shown}${separator}and ${items.length - 3} more` : shown;
}

function withPrefix(origin: Origin, prefix: string): Origin {
  if (origin.kind === 'identity') return origin;
  if (origin.kind === 'transposed') return { ...origin, key: prefix + origin.key };
  return {
    ...origin,
    pieces: origin.pieces.map((piece) => ({ ...piece, key: prefix + piece.key })),
  };
}

/** Equal once trailing sizes of 1 are gone: 1×1 convolutions and linear layers store the same values. */
function fits(expected: readonly number[], got: readonly number[]): boolean {
  const core = (shape: readonly number[]): string => shape.join().replace(/(?:,1)+$/, '');
  return core(expected) === core(got);
}
