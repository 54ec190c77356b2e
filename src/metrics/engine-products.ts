/** @file Dot products of rows by the engine's matrix multiplication, in doubles: for sets of thousands of pictures. */
import * as g from '../graph/build.js';
import { input } from '../graph/tensor.js';
import type { Engine, RemoteSession } from '../runtime/engine.js';
import type { FeatureRows } from './feature-rows.js';
import { type RowProducts, tileRows } from './row-products.js';

/** Products of tiles of at most `tileRows` rows; dispose it when done. */
export class EngineProducts implements AsyncDisposable {
  readonly #session: RemoteSession;
  readonly #signal: AbortSignal | undefined;

  private constructor(session: RemoteSession, signal: AbortSignal | undefined) {
    this.#session = session;
    this.#signal = signal;
  }

  /** For rows of `size` features. Throws what `Engine` throws. */
  static async load(engine: Engine, size: number, signal?: AbortSignal): Promise<EngineProducts> {
    const [a, b] = [input('a', [tileRows, size], 'f64'), input('b', [tileRows, size], 'f64')];
    const dots = g.matmul(a, g.transpose(b, [1, 0]));
    const session = await engine.load(new Map([['dots', dots]]), { signal });
    return new EngineProducts(session, signal);
  }

  readonly products: RowProducts = async (a, b) => {
    const feeds = new Map([
      ['a', padded(a)],
      ['b', padded(b)],
    ]);
    const outputs = await this.#session.run(feeds, { signal: this.#signal });
    const dots = outputs.get('dots')!.data as Float64Array; // [tileRows, tileRows]
    const out = new Float64Array(a.count * b.count);
    for (let i = 0; i < a.count; i++) {
      out.set(dots.subarray(i * tileRows, i * tileRows + b.count), i * b.count);
    }
    return out;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.dispose();
  }
}

function padded({ size, data }: FeatureRows) {
  const rows = new Float64Array(tileRows * size);
  rows.set(data);
  return { dtype: 'f64', shape: [tileRows, size], data: rows } as const;
}
