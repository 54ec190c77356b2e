/** @file Dot products of rows by the engine's matrix multiplication, in doubles: for sets of thousands of pictures. */
import * as g from '../graph/build.js';
import { input } from '../graph/tensor.js';
import type { Engine, RemoteSession } from '../runtime/engine.js';
import type { FeatureRows } from './feature-rows.js';
import { type RowProducts, tileRows } from './row-products.js';

/** Products of tiles of at most `tileRows` rows, fewer for smaller sets; dispose it when done. */
export class EngineProducts implements AsyncDisposable {
  readonly #session: RemoteSession;
  readonly #rows: number;
  readonly #signal: AbortSignal | undefined;

  private constructor(session: RemoteSession, rows: number, signal: AbortSignal | undefined) {
    this.#session = session;
    this.#rows = rows;
    this.#signal = signal;
  }

  /** For sets of at most `count` rows of `size` features. Throws what `Engine` throws. */
  static async load(
    engine: Engine,
    { count, size, signal }: { count: number; size: number; signal?: AbortSignal | undefined },
  ): Promise<EngineProducts> {
    const rows = Math.min(count, tileRows);
    const [a, b] = [input('a', [rows, size], 'f64'), input('b', [rows, size], 'f64')];
    const dots = g.matmul(a, g.transpose(b, [1, 0]));
    const session = await engine.load(new Map([['dots', dots]]), { signal });
    return new EngineProducts(session, rows, signal);
  }

  readonly products: RowProducts = async (a, b) => {
    const feeds = new Map([
      ['a', padded(a, this.#rows)],
      ['b', padded(b, this.#rows)],
    ]);
    const outputs = await this.#session.run(feeds, { signal: this.#signal });
    const dots = outputs.get('dots')!.data as Float64Array; // [#rows, #rows]
    const out = new Float64Array(a.count * b.count);
    for (let i = 0; i < a.count; i++) {
      out.set(dots.subarray(i * this.#rows, i * this.#rows + b.count), i * b.count);
    }
    return out;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.dispose();
  }
}

function padded({ size, data }: FeatureRows, rows: number) {
  const values = new Float64Array(rows * size);
  values.set(data);
  return { dtype: 'f64', shape: [rows, size], data: values } as const;
}
