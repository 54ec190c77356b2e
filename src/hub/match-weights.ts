/** @file Compares the parameters of a model with the tensors of its files, and says what does not fit. */
import { complain, type MaliangError } from '../core/errors.js';

/** Anything that has a shape. */
interface Shaped {
  readonly shape: readonly number[];
}

export interface MatchedWeights<T> {
  /** The tensor of each parameter, by parameter name. */
  readonly matched: ReadonlyMap<string, T>;
  readonly missing: readonly string[];
  /** Names in the file that fill no parameter; stored values nothing reads are not among them. */
  readonly unused: readonly string[];
  readonly misshapen: readonly {
    readonly name: string;
    readonly expected: readonly number[];
    readonly got: readonly number[];
  }[];
}

/**
 * Pairs parameters with tensors. `weightName` gives the parameter a tensor fills, or undefined for
 * a tensor nothing reads; without it names are equal.
 */
export function matchWeights<T extends Shaped>(
  parameters: ReadonlyMap<string, Shaped>,
  tensors: ReadonlyMap<string, T>,
  weightName: (nameInFile: string) => string | undefined = (name) => name,
): MatchedWeights<T> {
  const matched = new Map<string, T>();
  const unused: string[] = [];
  const misshapen: MatchedWeights<T>['misshapen'][number][] = [];
  for (const [nameInFile, tensor] of tensors) {
    const name = weightName(nameInFile);
    if (name === undefined) continue;
    const expected = parameters.get(name)?.shape;
    if (expected === undefined || matched.has(name)) {
      unused.push(nameInFile);
      continue;
    }
    matched.set(name, tensor);
    if (!fits(expected, tensor.shape)) misshapen.push({ name, expected, got: tensor.shape });
  }
  const missing = [...parameters.keys()].filter((name) => !matched.has(name));
  return { matched, missing, unused, misshapen };
}

/** Equal, or equal once trailing sizes of 1 are gone: 1×1 convolutions and linear layers store the same values. */
function fits(expected: readonly number[], got: readonly number[]): boolean {
  const core = (shape: readonly number[]): string => shape.join().replace(/(?:,1)+$/, '');
  return core(expected) === core(got);
}

/** Throws WEIGHTS when a tensor is missing, of another shape, or unused. `className` names the model. */
export function requireMatch<T>(className: string, total: number, match: MatchedWeights<T>): void {
  const problem = mismatch(className, total, match);
  if (problem) throw problem;
}

function mismatch<T>(
  className: string,
  total: number,
  { missing, unused, misshapen }: MatchedWeights<T>,
): MaliangError | undefined {
  const parts: string[] = [];
  if (missing.length > 0) {
    parts.push(`${missing.length} of ${total} missing, first ${JSON.stringify(missing[0])}`);
  }
  const [wrong] = misshapen;
  if (wrong) {
    const shapes = `[${wrong.got.join(',')}] where the config asks for [${wrong.expected.join(',')}]`;
    parts.push(
      `${misshapen.length} of another shape, first ${JSON.stringify(wrong.name)} ${shapes}`,
    );
  }
  if (unused.length > 0) {
    parts.push(`${unused.length} unused, first ${JSON.stringify(unused[0]?.slice(0, 120))}`);
  }
  if (parts.length === 0) return undefined;
  const expected = `the ${total} tensors of ${className}`;
  return complain('WEIGHTS', { where: 'weights', expected, got: parts.join('; ') });
}
