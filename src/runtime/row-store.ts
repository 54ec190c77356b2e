/** @file Rows of a picture that stay in the engine's process between runs, so that no whole picture crosses over. */
import { internal } from '../core/errors.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';

/** Rows `from` to `to`, which lies outside, of a kept picture. */
export interface KeptRows {
  /** Number of the picture among those kept. */
  readonly store: number;
  readonly from: number;
  readonly to: number;
}

/** What a run takes from kept pictures and leaves there. */
export interface RowTraffic {
  /** Fed, by input. */
  readonly reads: ReadonlyMap<string, KeptRows>;
  /** Kept instead of returned, by output; a picture comes into being with its first rows. */
  readonly writes: ReadonlyMap<string, KeptRows>;
  /** After the run, rows below `from` are given up; `Infinity` gives up the whole picture. */
  readonly drops: readonly { readonly store: number; readonly from: number }[];
}

interface Chunk {
  readonly from: number;
  readonly to: number;
  /** [1, c, rows, w]. */
  readonly rows: FloatTensor;
}

/** Pictures [1, c, h, w] in pieces of some rows each. */
export class RowStore {
  readonly #pictures = new Map<number, Chunk[]>();

  write({ store, from, to }: KeptRows, rows: FloatTensor): void {
    const chunks = this.#pictures.get(store) ?? [];
    this.#pictures.set(store, chunks);
    chunks.push({ from, to, rows });
  }

  /** Rows that were written, in one piece [1, c, rows, w]. */
  read({ store, from, to }: KeptRows): FloatTensor {
    const chunks = this.#pictures.get(store) ?? [];
    const [, channels = 0, , width = 0] = chunks[0]?.rows.shape ?? [];
    const out = new Float32Array(channels * (to - from) * width);
    let found = 0;
    for (const chunk of chunks) {
      const [first, end] = [Math.max(from, chunk.from), Math.min(to, chunk.to)];
      if (first >= end) continue;
      found += end - first;
      const height = chunk.to - chunk.from;
      for (let c = 0; c < channels; c++) {
        const at = (c * height + first - chunk.from) * width;
        const part = chunk.rows.data.subarray(at, at + (end - first) * width);
        out.set(part, (c * (to - from) + first - from) * width);
      }
    }
    if (found !== to - from) throw internal('rows', `${found} of ${to - from} rows are there`);
    return floatTensor(out, [1, channels, to - from, width]);
  }

  /** Gives up pieces that lie wholly below row `from`. */
  drop(store: number, from: number): void {
    const kept = (this.#pictures.get(store) ?? []).filter(({ to }) => to > from);
    if (kept.length === 0) this.#pictures.delete(store);
    else this.#pictures.set(store, kept);
  }
}
