/** @file Runs an autoencoder in bands of rows, equal to the whole up to rounding: norms get the statistics of all bands. */
import { internal } from '../core/errors.js';
import { elementCount, type FloatTensor, type TensorData } from '../core/tensor-data.js';
import { type Band, bandOf, cutAt, groupMoments, type Rows } from '../graph/bands.js';
import { type Graph, input, type Tensor, type TensorOf } from '../graph/tensor.js';
import type { KeptRows, RowTraffic } from '../runtime/row-store.js';
import { GroupMoments } from './group-moments.js';
import type { ModelPart } from './model-part.js';
import { bandsOf, rowsOf, stackedRows } from './picture-rows.js';
import type { Tiling } from './run-mode.js';
import { floatOutput, type Job, type SessionCache } from './session-cache.js';
import {
  isLarge,
  type Pass,
  passesOf,
  type Regions,
  regionsOf,
  type TilingLimits,
} from './tiling-plan.js';

/** A picture through an autoencoder. */
export interface AutoencoderJob {
  readonly part: ModelPart;
  /** Names the graph among those of the part. */
  readonly form: string;
  /** From the source to outputs that are pictures. */
  readonly build: (source: Tensor) => Graph;
  /** Name and value of the input. */
  readonly source: readonly [string, FloatTensor];
  /** Default auto. */
  readonly tiling?: Tiling | undefined;
  readonly limits?: TilingLimits | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Outputs by name, in bands where the job asks for it or its size does. Throws what a run throws. */
export async function runAutoencoder(
  sessions: SessionCache,
  { part, form, build, source: [name, value], tiling = 'auto', limits, signal }: AutoencoderJob,
): Promise<ReadonlyMap<string, TensorData>> {
  const source = input(name, value.shape) as TensorOf<'Input'>;
  const graph = build(source);
  const isTiled = tiling === 'always' || (tiling === 'auto' && isLarge(graph, source));
  const regions = isTiled ? regionsOf(graph, source) : undefined;
  if (!regions) {
    const feeds = new Map([[name, value]]);
    return sessions.run({ part, form, build: () => graph, feeds, signal });
  }
  const run = new TiledRun(sessions, { part, form, graph, regions, source, value, limits, signal });
  try {
    return await run.outputs();
  } finally {
    // In its turn; an abort does not wait for it.
    void sessions.dropStores(run.stores);
  }
}

interface TiledJob {
  readonly part: ModelPart;
  readonly form: string;
  readonly graph: Graph;
  readonly regions: Regions;
  readonly source: TensorOf<'Input'>;
  readonly value: FloatTensor;
  readonly limits: TilingLimits | undefined;
  readonly signal: AbortSignal | undefined;
}

interface BandStep {
  readonly pass: Pass;
  /** Position of the pass. */
  readonly index: number;
  readonly rows: Rows;
  readonly band: Band;
  /** The band below. */
  readonly next: Band | undefined;
}

class TiledRun {
  readonly #sessions: SessionCache;
  readonly #job: TiledJob;
  /** Pictures in the engine. */
  readonly #kept = new Map<Tensor, number>();
  readonly #names = new Map<Tensor, string>();
  readonly #norms = new Map<Tensor, string>();
  readonly #statistics: [string, FloatTensor][] = [];
  readonly #outputs = new Map<string, TensorData>();
  #live = new Set<Tensor>();

  constructor(sessions: SessionCache, job: TiledJob) {
    this.#sessions = sessions;
    this.#job = job;
  }

  get stores(): readonly number[] {
    return [...this.#kept.values()];
  }

  async outputs(): Promise<ReadonlyMap<string, TensorData>> {
    const { regions, graph, limits } = this.#job;
    await this.#before();
    for (const [i, pass] of passesOf(regions, limits).entries()) await this.#pass(pass, i);
    const rest = [...graph].filter(([name]) => !this.#outputs.has(name));
    if (rest.length === 0) return this.#outputs;
    const cuts = new Map(regions.exits.map((exit) => [exit, this.#nameOf(exit)]));
    const reads = new Map(regions.exits.map((exit) => [this.#nameOf(exit), this.#whole(exit)]));
    const job = this.#jobOf('after', () => cutAt(new Map(rest), cuts), { reads });
    for (const [name, value] of await this.#sessions.run(job)) this.#outputs.set(name, value);
    return this.#outputs;
  }

  /** The entries, computed whole. */
  async #before(): Promise<void> {
    const { regions, source, value } = this.#job;
    this.#live = new Set(regions.entries);
    const computed = regions.entries.filter((entry) => entry !== source);
    if (computed.length === 0) return;
    const graph = new Map(computed.map((entry) => [this.#nameOf(entry), entry]));
    const writes = new Map(computed.map((entry) => [this.#nameOf(entry), this.#whole(entry)]));
    const job = this.#jobOf('before', () => graph, { writes });
    await this.#sessions.run({ ...job, feeds: new Map([[source.attributes.name, value]]) });
  }

  async #pass(pass: Pass, index: number): Promise<void> {
    const { target, norms, dying, height } = pass;
    const names = [...this.#job.graph].flatMap(([name, node]) => (node === target ? name : []));
    const moments = norms.map(({ attributes }) => new GroupMoments(attributes.groups));
    const collected: FloatTensor[] = [];
    const sources = { stored: this.#storedNames(), norms: this.#norms };
    const bands = bandsOf(target, height).map((rows) => ({
      rows,
      band: bandOf(target, rows, sources),
    }));
    for (const [i, { rows, band }] of bands.entries()) {
      const outputs = await this.#band({ pass, rows, band, next: bands[i + 1]?.band, index });
      for (const [n, moment] of moments.entries()) {
        const [mean, squares] = ['mean', 'squares'].map((key) =>
          floatOutput(outputs, `${key} ${n}`),
        );
        const values = elementCount(band.output.shape) / mean!.data.length;
        moment.add(values, mean!.data, squares!.data);
      }
      if (names.length > 0) collected.push(floatOutput(outputs, 'rows'));
    }
    for (const name of names) this.#outputs.set(name, stackedRows(collected, target.shape));
    for (const [n, norm] of norms.entries()) {
      const name = `norm ${this.#norms.size}`;
      this.#norms.set(norm, name);
      this.#statistics.push(...moments[n]!.feeds(name, norm.attributes.eps));
    }
    for (const picture of dying) this.#live.delete(picture);
    if (pass.isKept) this.#live.add(target);
  }

  /** One band: moments of its rows, and the rows where they are the result. */
  #band({ pass, rows, band, next, index }: BandStep): Promise<ReadonlyMap<string, TensorData>> {
    const { target, norms, isKept, isResult, dying } = pass;
    const graph = new Map<string, Tensor>();
    for (const [n, { attributes }] of norms.entries()) {
      const { mean, squares } = groupMoments(band.output, attributes.groups);
      graph.set(`mean ${n}`, mean).set(`squares ${n}`, squares);
    }
    if (isKept || isResult) graph.set('rows', band.output);
    const writes = new Map(isKept ? [['rows', this.#rowsOf(target, rows)]] : []);
    const drops = dying.flatMap((picture) => {
      const store = this.#kept.get(picture);
      const from = next?.reads.get(this.#nameOf(picture))?.from ?? Number.POSITIVE_INFINITY;
      return store === undefined ? [] : [{ store, from }];
    });
    const form = `${index}, ${rows.to - rows.from} rows ${band.key}`;
    const job = this.#jobOf(form, () => graph, { reads: this.#reads(band.reads), writes, drops });
    return this.#sessions.run({ ...job, feeds: this.#feeds(band.reads) });
  }

  #jobOf(form: string, build: () => Graph, rows: Partial<RowTraffic>): Job {
    const { part, signal } = this.#job;
    const { reads = new Map(), writes = new Map(), drops = [] } = rows;
    return {
      part,
      form: `${this.#job.form} tiled ${form}`,
      build,
      feeds: new Map(),
      rows: { reads, writes, drops },
      keep: 1,
      signal,
    };
  }

  #nameOf(picture: Tensor): string {
    const name = this.#names.get(picture) ?? `picture ${this.#names.size}`;
    this.#names.set(picture, name);
    return name;
  }

  #storedNames(): Map<Tensor, string> {
    return new Map([...this.#live].map((picture) => [picture, this.#nameOf(picture)]));
  }

  #rowsOf(picture: Tensor, { from, to }: Rows): KeptRows {
    const store = this.#kept.get(picture) ?? this.#sessions.newStore();
    this.#kept.set(picture, store);
    return { store, from, to };
  }

  #whole(picture: Tensor): KeptRows {
    return this.#rowsOf(picture, { from: 0, to: picture.shape[2]! });
  }

  #pictureOf(name: string): Tensor {
    for (const [picture, own] of this.#names) if (own === name) return picture;
    throw internal('tiling', `no picture is called ${name}`);
  }

  #reads(reads: ReadonlyMap<string, Rows>): Map<string, KeptRows> {
    const kept = [...reads].filter(([name]) => this.#pictureOf(name) !== this.#job.source);
    return new Map(kept.map(([name, rows]) => [name, this.#rowsOf(this.#pictureOf(name), rows)]));
  }

  /** The statistics, and rows of the source where it is read itself. */
  #feeds(reads: ReadonlyMap<string, Rows>): Map<string, FloatTensor> {
    const { source, value } = this.#job;
    const feeds = new Map(this.#statistics);
    const rows = reads.get(this.#nameOf(source));
    return rows ? feeds.set(this.#nameOf(source), rowsOf(value, rows)) : feeds;
  }
}
