/** @file Several judges over one stream of pictures: opened from folders or ids, asked in batches of fixed size. */
import { availableParallelism } from 'node:os';
import { ahead } from '../core/ahead.js';
import { complain } from '../core/errors.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import { type RasterImage, readPicture } from '../formats/image.js';
import { sha256OfFiles } from '../hub/file-hash.js';
import { type ResolveOptions, resolveModel } from '../hub/resolve-model.js';
import { regularFileSize } from '../hub/weight-file.js';
import { Engine, type EngineOptions } from '../runtime/engine.js';
import { openAesthetic } from './aesthetic-judge.js';
import { openBlip } from './blip-judge.js';
import { openBuiltInClip, openClip, openSiglip } from './dual-tower.js';
import type { JudgeModel, MeasureOptions } from './judge-model.js';
import { type JudgeModelKind, type JudgeName, judgeNames, judgeTable } from './judge-table.js';
import { fittedPicture } from './preprocess-picture.js';

/** Where the models of judges lie: folders, or ids of a hub. */
export interface JudgeSources {
  /** Default: the pair that comes with the package. */
  readonly clip?: string | undefined;
  readonly siglip?: string | undefined;
  readonly blip?: string | undefined;
  /** The CLIP a head was trained on, and the head. */
  readonly aesthetic?: { readonly clip: string; readonly head: string } | undefined;
}

export interface OpenJudgesOptions
  extends EngineOptions,
    Omit<ResolveOptions, 'revision' | 'variant'> {
  readonly models?: JudgeSources | undefined;
  /** Pictures judged at a time, from 1 to 64; memory grows with it. Default 16. */
  readonly batchSize?: number | undefined;
  /**
   * Batches judged side by side, 1 (default) or 2: faster for many pictures. Each lane has an engine with
   * half the threads and its own copy of the weights, so models above 1 GB keep to one.
   */
  readonly lanes?: 1 | 2 | undefined;
}

/** Pixels, or the bytes of a PNG, JPEG or WebP file. */
export type JudgedPicture = RasterImage | Uint8Array;

export interface ScoreOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called after each batch with the number of pictures judged so far. */
  readonly onPictures?: ((count: number) => void) | undefined;
}

/** What one judge says. */
export interface JudgeScores {
  readonly judge: JudgeName;
  readonly unit: (typeof judgeTable)[JudgeName]['unit'];
  /** The id or folder of the model; `builtin` for the one of the package. */
  readonly model: string;
  /** SHA-256 of the weight file; of several files, of their digests. */
  readonly weightHash: string;
  /** For every picture one value for each prompt; a lone one where the prompt is not read. */
  readonly values: readonly (readonly number[])[];
}

export interface JudgeReport {
  readonly scores: readonly JudgeScores[];
  readonly warnings: readonly string[];
}

interface OpenedModel {
  readonly kind: JudgeModelKind;
  readonly model: JudgeModel;
  readonly name: string;
  readonly wanted: readonly JudgeName[];
  /** Of the weight files; begun when it is first asked for. */
  readonly hash: () => Promise<string>;
}

/** A batch of pictures, each in the form of every model. */
type Prepared = ReadonlyMap<JudgeModelKind, Float32Array>[];

/** For every picture, values by judge. */
type Rows = ReadonlyMap<JudgeName, readonly (readonly number[])[]>;

/** All models in one engine. */
class Lane {
  readonly engine: Engine;
  readonly models: readonly OpenedModel[];
  readonly #batchSize: number;
  readonly #largeForms = new Set<OpenedModel>();

  constructor(engine: Engine, models: readonly OpenedModel[], batchSize: number) {
    this.engine = engine;
    this.models = models;
    this.#batchSize = batchSize;
  }

  async judge(batch: Prepared, options: Omit<MeasureOptions, 'wanted'>): Promise<Rows> {
    const rows = new Map<JudgeName, readonly (readonly number[])[]>();
    for (const opened of this.models) {
      for (const [name, values] of await this.#measure(opened, batch, options)) {
        rows.set(name, values);
      }
    }
    return rows;
  }

  /** A batch of full size in one run; fewer pictures one by one, unless the large form is loaded anyway. */
  async #measure(
    opened: OpenedModel,
    batch: Prepared,
    options: Omit<MeasureOptions, 'wanted'>,
  ): Promise<Rows> {
    const { kind, model, wanted } = opened;
    const whole = batch.length === this.#batchSize || this.#largeForms.has(opened);
    if (whole) this.#largeForms.add(opened);
    const size = whole ? this.#batchSize : 1;
    const rows = new Map<JudgeName, (readonly number[])[]>(wanted.map((name) => [name, []]));
    for (let from = 0; from < batch.length; from += size) {
      const part = batch.slice(from, from + size).map((values) => values.get(kind)!);
      const pixels = stacked(part, size, model.imageSize);
      const found = await model.measure(pixels, { ...options, wanted });
      for (const name of wanted) rows.get(name)!.push(...found.get(name)!.slice(0, part.length));
    }
    return rows;
  }
}

/** Models with more weights have one lane. */
const mostLaneBytes = 1e9;

async function weightBytes({ models }: Lane): Promise<number> {
  const files = models.flatMap(({ model }) => model.files);
  const sizes = await Promise.all(files.map((file) => regularFileSize(file)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

interface OpenedJudges {
  readonly lanes: readonly Lane[];
  readonly batchSize: number;
  readonly warnings: readonly string[];
}

export class Judges implements AsyncDisposable {
  readonly names: readonly JudgeName[];
  readonly #lanes: readonly Lane[];
  readonly #batchSize: number;
  readonly #warnings: readonly string[];

  private constructor(names: readonly JudgeName[], { lanes, batchSize, warnings }: OpenedJudges) {
    this.names = names;
    this.#lanes = lanes;
    this.#batchSize = batchSize;
    this.#warnings = warnings;
  }

  /**
   * Reads the models of the judges; weights are loaded when they are first used. Throws USAGE for an
   * unknown judge or one without a model, and what reading a model throws.
   */
  static async open(names: readonly JudgeName[], options: OpenJudgesOptions = {}): Promise<Judges> {
    const { models: sources = {}, batchSize = 16, lanes: count = 1, ...rest } = options;
    const { threads, device, ...place } = rest;
    checkNames(names);
    checkWhole('batchSize', batchSize, 64, 16);
    checkWhole('lanes', count, 2, 1);
    const warnings = new Set<string>();
    const find = async (source: string): Promise<string> => {
      const found = await resolveModel(source, place);
      for (const warning of found.warnings) warnings.add(warning);
      return found.path;
    };
    const engines: Engine[] = [];
    const openLane = async (share: number | undefined): Promise<Lane> => {
      const engine = Engine.start({ threads: share, device });
      engines.push(engine);
      return new Lane(engine, await openModels(names, { sources, engine, find }), batchSize);
    };
    const half = Math.max(1, Math.floor((threads ?? availableParallelism()) / 2));
    try {
      const first = await openLane(count === 2 ? half : threads);
      let lanes = [first];
      if (count === 2 && (await weightBytes(first)) <= mostLaneBytes) {
        lanes.push(await openLane(half));
      } else if (count === 2) {
        await first.engine.dispose();
        lanes = [await openLane(threads)];
      }
      return new Judges([...names], { lanes, batchSize, warnings: [...warnings] });
    } catch (cause) {
      for (const engine of engines) await engine.dispose(); // A second time does nothing.
      throw cause;
    }
  }

  /**
   * Judges pictures by one or several prompts; besides those being judged, one batch is in memory. Throws USAGE
   * without a prompt where one is read, IMAGE for what is no picture, CANCELLED, and what the engine throws.
   */
  async score(
    pictures: Iterable<JudgedPicture> | AsyncIterable<JudgedPicture>,
    prompt: string | readonly string[],
    { signal, onPictures }: ScoreOptions = {},
  ): Promise<JudgeReport> {
    const prompts = typeof prompt === 'string' ? [prompt] : prompt;
    this.#requirePrompts(prompts);
    const warnings = [...this.#warnings, ...this.#promptNotes(prompts)];
    const values = new Map<JudgeName, (readonly number[])[]>(this.names.map((name) => [name, []]));
    const batches = this.#preparedBatches(pictures, warnings);
    const judging: Promise<Rows>[] = [];
    let begun = 0;
    const takeFirst = async (): Promise<void> => {
      const rows = await judging.shift()!;
      for (const name of this.names) values.get(name)!.push(...rows.get(name)!);
      onPictures?.(values.get(this.names[0]!)!.length);
    };
    try {
      let next = ahead(batches.next());
      for (;;) {
        const { done, value: batch } = await next;
        if (done) break;
        // Batches end in their turn, so the lane of the first of them is free.
        if (judging.length === this.#lanes.length) await takeFirst();
        next = ahead(batches.next());
        const lane = this.#lanes[begun++ % this.#lanes.length]!;
        judging.push(ahead(lane.judge(batch, { prompts, signal })));
      }
      while (judging.length > 0) await takeFirst();
    } finally {
      await batches.return(undefined);
    }
    const scores = await Promise.all(
      this.#models().map((opened) => this.#scoresOf(opened, values)),
    );
    const flat = scores.flat();
    return {
      scores: this.names.map((name) => flat.find(({ judge }) => judge === name)!),
      warnings,
    };
  }

  /** Ends the computing processes. */
  async dispose(): Promise<void> {
    for (const { engine } of this.#lanes) await engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #scoresOf(
    { wanted, name: model, hash }: OpenedModel,
    values: ReadonlyMap<JudgeName, readonly (readonly number[])[]>,
  ): Promise<JudgeScores[]> {
    const weightHash = await hash();
    return wanted.map((judge) => {
      const { unit } = judgeTable[judge];
      return { judge, unit, model, weightHash, values: values.get(judge)! };
    });
  }

  #requirePrompts(prompts: readonly string[]): void {
    const reader = this.names.find((name) => judgeTable[name].readsPrompt);
    if (prompts.length > 0 || reader === undefined) return;
    throw complain('USAGE', {
      where: `judge ${reader}`,
      expected: 'a prompt',
      got: 'none',
      next: 'Give the text the pictures are judged by.',
    });
  }

  #promptNotes(prompts: readonly string[]): string[] {
    return [
      ...new Set(
        prompts.flatMap((text) => this.#models().flatMap(({ model }) => model.notes(text))),
      ),
    ];
  }

  /** Every model once; the lanes have the same. */
  #models(): readonly OpenedModel[] {
    return this.#lanes[0]!.models;
  }

  async *#preparedBatches(
    pictures: Iterable<JudgedPicture> | AsyncIterable<JudgedPicture>,
    warnings: string[],
  ): AsyncGenerator<Prepared, undefined> {
    let batch: Promise<Prepared[number]>[] = [];
    let index = 0;
    for await (const picture of pictures) {
      batch.push(ahead(this.#prepared(picture, `picture ${++index}`, warnings)));
      if (batch.length < this.#batchSize) continue;
      yield await Promise.all(batch);
      batch = [];
    }
    if (batch.length > 0) yield await Promise.all(batch);
    return undefined;
  }

  /** One picture in the form of each model. */
  async #prepared(
    picture: JudgedPicture,
    where: string,
    warnings: string[],
  ): Promise<Prepared[number]> {
    const image = picture instanceof Uint8Array ? await decoded(picture, where, warnings) : picture;
    const values = new Map<JudgeModelKind, Float32Array>();
    for (const { kind, model } of this.#models()) {
      values.set(kind, await fittedPicture(image, model.processor, model.imageSize));
    }
    return values;
  }
}

async function decoded(bytes: Uint8Array, where: string, warnings: string[]): Promise<RasterImage> {
  const { image, notes } = await readPicture(bytes, { channels: 4, where });
  warnings.push(...notes);
  return image;
}

/** Pictures [3 · side · side] and zeros up to `size` of them. */
function stacked(pictures: readonly Float32Array[], size: number, side: number): FloatTensor {
  const data = new Float32Array(size * 3 * side * side);
  pictures.forEach((values, i) => {
    data.set(values, i * values.length);
  });
  return floatTensor(data, [size, 3, side, side]);
}

interface OpenContext {
  readonly sources: JudgeSources;
  readonly engine: Engine;
  readonly find: (source: string) => Promise<string>;
}

type Opened = Pick<OpenedModel, 'model' | 'name'>;

/** One row per model. */
const openers: { readonly [K in JudgeModelKind]: (context: OpenContext) => Promise<Opened> } = {
  clip: async ({ sources: { clip }, engine, find }) =>
    clip === undefined
      ? { model: await openBuiltInClip(engine), name: 'builtin' }
      : { model: await openClip(await find(clip), engine), name: clip },
  siglip: async ({ sources: { siglip: name }, engine, find }) => {
    const source = given('siglip', name);
    return { model: await openSiglip(await find(source), engine), name: source };
  },
  blip: async ({ sources: { blip: name }, engine, find }) => {
    const source = given('blip', name);
    return { model: await openBlip(await find(source), engine), name: source };
  },
  aesthetic: async ({ sources: { aesthetic }, engine, find }) => {
    const { clip, head } = given('aesthetic', aesthetic);
    const model = await openAesthetic({ clip: await find(clip), head: await find(head) }, engine);
    return { model, name: head };
  },
};

/** The models of the judges; no weights are loaded yet. */
async function openModels(
  names: readonly JudgeName[],
  context: OpenContext,
): Promise<OpenedModel[]> {
  const models: OpenedModel[] = [];
  for (const kind of new Set(names.map((name) => judgeTable[name].model))) {
    const wanted = names.filter((name) => judgeTable[name].model === kind);
    const opened = await openModel(kind, context);
    models.push({ kind, wanted, ...opened, hash: once(() => sha256OfFiles(opened.model.files)) });
  }
  return models;
}

function openModel(kind: JudgeModelKind, context: OpenContext): Promise<Opened> {
  return openers[kind](context);
}

function given<T>(kind: JudgeModelKind, source: T | undefined): T {
  if (source !== undefined) return source;
  throw complain('USAGE', {
    where: `judge ${kind}`,
    expected: 'the folder or id of its model',
    got: 'none',
    next: 'Only clip comes with the package; name a model for the others.',
  });
}

function checkNames(names: readonly string[]): void {
  const wrong = names.find((name) => !Object.hasOwn(judgeTable, name));
  const isTwice = new Set(names).size < names.length;
  if (names.length > 0 && wrong === undefined && !isTwice) return;
  throw complain('USAGE', {
    where: 'judges',
    expected: `one or more of ${judgeNames.join(', ')}, each once`,
    got: wrong === undefined ? names.join(', ') || 'none' : JSON.stringify(wrong.slice(0, 80)),
  });
}

function checkWhole(name: string, value: number, most: number, usual: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw complain('USAGE', {
    where: 'judges',
    expected: `${name} as a whole number from 1 to ${most}`,
    got: `${value}`,
    next: `Leave it out for ${usual}.`,
  });
}

function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    found ??= compute();
    return found;
  };
}
