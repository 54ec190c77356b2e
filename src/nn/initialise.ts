/** @file Starting values of parameters by name and shape: torch's defaults (He et al. 2015 with a = √5) unless a rule says otherwise. */
import { complain } from '../core/errors.js';
import { TorchGenerator } from '../core/random.js';
import { fnv1a64 } from '../core/reference-weights.js';
import { elementCount } from '../core/tensor-data.js';

/** How to fill one parameter. */
export type Fill =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number }
  /** Uniform in ± bound. */
  | { readonly kind: 'uniform'; readonly bound: number }
  /** Values given outright; their count must fit. */
  | { readonly kind: 'values'; readonly values: (shape: readonly number[]) => Float32Array };

/** Applies to every parameter whose name matches; the first matching rule wins. */
export interface InitialRule {
  readonly pattern: RegExp;
  readonly fill: Fill;
}

export const zeros: Fill = { kind: 'constant', value: 0 };
export const ones: Fill = { kind: 'constant', value: 1 };

export interface InitialiseOptions {
  /** Integer from 0; each parameter draws from its own stream of seed and name. */
  readonly seed: number;
  /** Rules of the architecture, before the defaults. */
  readonly rules?: readonly InitialRule[];
}

/** A parameter's shape, or anything that has one, such as a tensor. */
export type Shaped = { readonly shape: readonly number[] };

/**
 * Values for all parameters. They depend on seed, name and shape alone (a bias also on the shape
 * of the weight beside it), never on order or on what else is in the model.
 */
export function initialise(
  parameters: ReadonlyMap<string, Shaped>,
  options: InitialiseOptions,
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const [name, { shape }] of parameters) {
    values.set(name, fillArray(name, shape, fillOf(name, parameters, options.rules), options.seed));
  }
  return values;
}

function fillOf(
  name: string,
  parameters: ReadonlyMap<string, Shaped>,
  rules: readonly InitialRule[] = [],
): Fill {
  const rule = rules.find(({ pattern }) => pattern.test(name));
  return rule ? rule.fill : defaultFill(name, parameters);
}

/**
 * Torch's defaults: linear and convolution uniform in ± 1/√fanIn, weight and bias; norms 1 and 0.
 * Embedding tables, and vectors torch has no default for, are normal with standard deviation 0.02.
 */
function defaultFill(name: string, parameters: ReadonlyMap<string, Shaped>): Fill {
  const shape = parameters.get(name)!.shape;
  if (shape.length === 2 && name.endsWith('embedding.weight')) return { kind: 'normal', std: 0.02 };
  if (shape.length >= 2) return kaiming(shape);
  if (/(?:^|\.)(?:weight|running_var)$/.test(name)) return ones;
  if (/(?:^|\.)running_mean$/.test(name)) return zeros;
  if (!/(?:^|\.)bias$/.test(name)) return { kind: 'normal', std: 0.02 };
  const weight = parameters.get(name.replace(/bias$/, 'weight'));
  return weight !== undefined && weight.shape.length >= 2 ? kaiming(weight.shape) : zeros;
}

function kaiming(shape: readonly number[]): Fill {
  return { kind: 'uniform', bound: 1 / Math.sqrt(elementCount(shape.slice(1))) };
}

function fillArray(name: string, shape: readonly number[], fill: Fill, seed: number): Float32Array {
  const count = elementCount(shape);
  if (fill.kind === 'constant') return new Float32Array(count).fill(fill.value);
  if (fill.kind === 'values') return checked(name, count, fill.values(shape));
  const generator = new TorchGenerator(fnv1a64(`${seed}:${name}`));
  if (fill.kind === 'normal') return generator.randn(count).map((value) => value * fill.std);
  return generator.uniform(count).map((value) => (2 * value - 1) * fill.bound);
}

function checked(name: string, count: number, values: Float32Array): Float32Array {
  if (values.length === count) return values;
  throw complain('SHAPE', {
    where: `initialise "${name}"`,
    expected: `${count} values`,
    got: `${values.length}`,
  });
}
