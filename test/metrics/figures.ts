/** @file The figures of the reference packages on small feature matrices; see tools/reference/make_metrics.py. */
import { readdirSync, readFileSync } from 'node:fs';
import type { FeatureRows } from '../../src/metrics/feature-rows.js';

const folder = new URL('../fixtures/metrics/', import.meta.url);

interface Figures {
  readonly seed: number;
  readonly fid: number;
  readonly fidByRoot: number;
  readonly kid: readonly (Readonly<Record<string, number>> & {
    readonly value: number;
    readonly deviation: number;
    readonly subsetSize: number;
  })[];
  readonly cmmd: number;
  readonly prdc: readonly Record<'k' | 'precision' | 'recall' | 'density' | 'coverage', number>[];
  readonly inceptionScore: readonly Record<'splits' | 'value' | 'deviation', number>[];
  readonly clipScore: number;
  readonly clipScoreNegated: number;
}

export interface FigureCase {
  readonly real: FeatureRows;
  readonly fake: FeatureRows;
  readonly figures: Figures;
}

/** Values of a base64 text of little-endian f32. */
export function floatsOf(text: string): Float32Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return new Float32Array(bytes.buffer);
}

export function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as T;
}

const others = ['resize', 'permutation', 'inception'];
export const figureCases = readdirSync(folder)
  .map((file) => file.replace('.json', ''))
  .filter((name) => !others.includes(name));

export function readFigureCase(name: string): FigureCase {
  const { size, real, fake, ...figures } = readFixture<
    Figures & { size: number; real: string; fake: string }
  >(name);
  const rows = (text: string): FeatureRows => {
    const data = floatsOf(text);
    return { count: data.length / size, size, data };
  };
  return { real: rows(real), fake: rows(fake), figures };
}
