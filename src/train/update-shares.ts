/** @file Which optimiser takes which parameters, and which worker of a run updates them. */
import { elementCount } from '../core/tensor-data.js';
import type { Range } from './adamw.js';
import type { ParameterLayout } from './flat-parameters.js';
import { orthogonalizingCost } from './newton-schulz.js';

export const optimizerNames = ['adamw', 'muon'] as const;
export type OptimizerName = (typeof optimizerNames)[number];

/** A parameter as a matrix: convolutions [out, in, kh, kw] as [out, in·kh·kw]. */
export interface Matrix {
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
}

/** What one worker updates. */
export interface UpdateShare {
  /** Taken by AdamW. */
  readonly ranges: readonly Range[];
  /** Taken by Muon. */
  readonly matrices: readonly Matrix[];
}

/**
 * Names of matrices that are no hidden weights and stay with AdamW: tables of embeddings, the layers
 * that give a model's result, and layers that see one row per picture (time, size and pooled text,
 * and the modulations made from them), whose gradients span few directions.
 */
const notHidden: readonly RegExp[] = [
  /(^|\.)(token|position)_embedding\./,
  /^proj_out\./,
  /(^|\.)(text|visual)_projection\./,
  /(^|\.)(time_embedding|add_embedding|time_emb_proj|time_text_embed)\./,
  /(^|\.)norm\w*\.linear\./,
];

/**
 * The parameters Muon takes: those of two or more dimensions, except the names above, the first and
 * the last convolution in the order of the computation, and matrices with a side of one.
 */
export function muonMatrices({ entries }: ParameterLayout): Matrix[] {
  const convolutions = [...entries].filter(([, { shape }]) => shape.length === 4);
  const outer = [convolutions.at(0)?.[0], convolutions.at(-1)?.[0]];
  return [...entries].flatMap(([name, { offset, shape }]) => {
    const [rows = 1, ...rest] = shape;
    const columns = elementCount(rest);
    if (Math.min(rows, columns) < 2 || outer.includes(name)) return [];
    return notHidden.some((pattern) => pattern.test(name)) ? [] : [{ offset, rows, columns }];
  });
}

/** Shares the update out: AdamW's by length, Muon's by cost. It depends on nothing but its arguments. */
export function shareUpdate(
  layout: ParameterLayout,
  optimizer: OptimizerName,
  workers: number,
): UpdateShare[] {
  const matrices = optimizer === 'muon' ? muonMatrices(layout) : [];
  const rest = rangesBeside(matrices, layout.length);
  const shares = shareMatrices(matrices, workers);
  return shares.map((own, index) => ({ ranges: cut(rest, index, workers), matrices: own }));
}

/** An even share of the whole vector. */
export function evenShare(length: number, index: number, workers: number): Range {
  const at = (share: number): number => Math.floor((length * share) / workers);
  return { from: at(index), to: at(index + 1) };
}

function rangesBeside(matrices: readonly Matrix[], length: number): Range[] {
  const ranges: Range[] = [];
  let from = 0;
  for (const { offset, rows, columns } of matrices) {
    if (offset > from) ranges.push({ from, to: offset });
    from = offset + rows * columns;
  }
  if (length > from) ranges.push({ from, to: length });
  return ranges;
}

/** The share of a worker in ranges laid end to end. */
function cut(ranges: readonly Range[], index: number, workers: number): Range[] {
  const total = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  const share = evenShare(total, index, workers);
  let before = 0;
  return ranges.flatMap(({ from, to }) => {
    const start = from - before;
    before += to - from;
    const own = { from: Math.max(from, start + share.from), to: Math.min(to, start + share.to) };
    return own.from < own.to ? [own] : [];
  });
}

/** The costliest first, each to the worker with the least to do; in the order of the vector again. */
function shareMatrices(matrices: readonly Matrix[], workers: number): Matrix[][] {
  const cost = ({ rows, columns }: Matrix): number => orthogonalizingCost(rows, columns);
  const shares = Array.from({ length: workers }, () => ({ load: 0, own: [] as Matrix[] }));
  for (const matrix of [...matrices].sort((x, y) => cost(y) - cost(x) || x.offset - y.offset)) {
    const idlest = shares.reduce((best, share) => (share.load < best.load ? share : best));
    idlest.load += cost(matrix);
    idlest.own.push(matrix);
  }
  return shares.map(({ own }) => own.sort((x, y) => x.offset - y.offset));
}
