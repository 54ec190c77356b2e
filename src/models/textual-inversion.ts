/** @file Textual inversion (Gal et al. 2022): learned word vectors, as diffusers, A1111 and SDXL trainers save them. */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import { parameter } from '../graph/tensor.js';
import type { ParameterBuilds } from './built-parameters.js';

/** A text tower that can learn a word. */
export interface InversionHost {
  /** Width of its word vectors. */
  readonly width: number;
}

/** The vectors of one file for one tower. */
export interface InversionVectors {
  /** Position of the tower among the hosts. */
  readonly host: number;
  /** Tensor in the file, [count, width] or [width]. */
  readonly key: string;
  readonly count: number;
}

export interface PlannedInversion {
  /** What stands for the vectors in a prompt. */
  readonly token: string;
  readonly vectors: readonly InversionVectors[];
  readonly warnings: readonly string[];
}

export interface InversionFacts {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  /** The word given by the user. */
  readonly token: string | undefined;
  /** The file's name without its ending, the word of files that hold none. */
  readonly stem: string;
}

/** Most vectors of one word; a prompt takes 75. */
const mostVectors = 75;

/** Names SDXL files give the vectors of their towers. */
const towerKeys: Readonly<Record<string, number>> = { clip_l: 0, clip_g: 1 };

/**
 * Decides which tensor belongs to which tower, and the word. Throws MODEL_UNSUPPORTED when a width
 * fits no tower, WEIGHTS when the file is no textual inversion.
 */
export function planInversion(
  facts: InversionFacts,
  hosts: readonly InversionHost[],
): PlannedInversion {
  const entries = [...facts.tensors].map(([key, { shape }]) => ({
    key,
    ...sizes(facts, key, shape),
  }));
  const isXl = entries.length > 0 && entries.every(({ key }) => Object.hasOwn(towerKeys, key));
  if (!isXl && entries.length !== 1) throw noInversion(facts);
  const [first] = entries;
  const isNamed = !isXl && first!.key !== 'emb_params';
  const token = facts.token ?? (isNamed ? first!.key : facts.stem);
  if (token.trim() === '' || token !== token.trim()) {
    throw complain('USAGE', {
      where: facts.path,
      expected: 'a word without white space around it',
      got: JSON.stringify(token),
      next: 'Give the word as `token`.',
    });
  }
  const vectors = entries.map(({ key, count, width }) => {
    const host = hostOf(key, width, hosts);
    if (host >= 0) return { host, key, count };
    throw complain('MODEL_UNSUPPORTED', {
      where: facts.path,
      expected: `vectors of ${hosts.map((known) => known.width).join(' or ')} values, as this model's words have`,
      got: `${JSON.stringify(key)} with ${width}`,
      next: 'Use a textual inversion made for this model’s family.',
    });
  });
  const without = hosts.filter((_, i) => !vectors.some(({ host }) => host === i));
  const warnings = without.map(
    ({ width }) =>
      `${facts.path}: has no vectors of ${width} values; that text encoder reads ${JSON.stringify(token)} as plain text.`,
  );
  return { token, vectors, warnings };
}

function hostOf(key: string, width: number, hosts: readonly InversionHost[]): number {
  const named = towerKeys[key];
  // The refiner has the large tower alone.
  const at = named === undefined || named < hosts.length ? named : hosts.length - 1;
  if (at !== undefined) return hosts[at]?.width === width ? at : -1;
  return hosts.findIndex((host) => host.width === width);
}

function sizes(
  { path }: InversionFacts,
  key: string,
  shape: readonly number[],
): { count: number; width: number } {
  const [count, width] = shape.length === 1 ? [1, shape[0]!] : (shape as [number, number]);
  const fits = (shape.length === 1 || shape.length === 2) && count >= 1 && count <= mostVectors;
  if (fits) return { count, width };
  throw complain('WEIGHTS', {
    where: path,
    expected: `word vectors [1 to ${mostVectors}, width]`,
    got: `${JSON.stringify(key.slice(0, 120))} [${shape}]`,
    next: 'This is not a textual inversion.',
  });
}

function noInversion({ path, tensors }: InversionFacts): Error {
  const keys = [...tensors.keys()].slice(0, 4).map((key) => JSON.stringify(key.slice(0, 80)));
  return complain('WEIGHTS', {
    where: path,
    expected: 'one tensor of word vectors, or clip_l and clip_g',
    got: `${tensors.size} tensors: ${keys.join(', ')}`,
    next: 'This is not a textual inversion.',
  });
}

const table = 'text_model.embeddings.token_embedding.weight';

/** Where the new rows of word list `i` are kept among a tower's weights. */
export function rowsName(i: number): string {
  return `${table}#words${i}`;
}

/** The word table, `counts` new rows below what it has. `vocabSize` is its size without them. */
export function withWords(
  builds: ParameterBuilds,
  vocabSize: number,
  counts: readonly number[],
): ParameterBuilds {
  if (counts.length === 0) return builds;
  const before = builds.get(table);
  const merged = new Map(builds);
  merged.set(table, ([, width]) => {
    const shape = [vocabSize, width!];
    const rows = counts.map((count, i) => parameter(rowsName(i), [count, width!]));
    return g.concat([before?.(shape) ?? parameter(table, shape), ...rows], 0);
  });
  return merged;
}
