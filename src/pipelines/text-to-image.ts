/** @file Pictures from words, and from pictures and masks: encode, denoise, decode, with models in the layout of diffusers. */
import { fileURLToPath } from 'node:url';
import { complain, throwIfAborted } from '../core/errors.js';
import type { NoiseDevice } from '../core/random-source.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import type { DownloadProgress } from '../hub/download-meter.js';
import { resolveModel } from '../hub/resolve-model.js';
import type { JudgeName } from '../metrics/judge-table.js';
import { type JudgeSources, Judges } from '../metrics/judges.js';
import type { Device } from '../runtime/devices.js';
import { Engine, type EngineOptions } from '../runtime/engine.js';
import { orAborted } from '../runtime/or-aborted.js';
import { type BestOfOptions, type BestOfReport, bestOf } from './best-of.js';
import { encodeRequest, textWarnings } from './conditionings.js';
import { decodeLatents, latentFactor, type Pixels } from './decode-latents.js';
import { type Drawn, denoise, type Prepared } from './denoise.js';
import { type CallTally, emptyTally, type FastReport, fastText, reportOf } from './fast-plan.js';
import {
  defaultsOf,
  type GenerateOptions,
  type GenerationRequest,
  resolveRequest,
} from './generation-request.js';
import type { Panel } from './judging.js';
import type { AdapterOptions } from './model-adapters.js';
import type { OpenModelOptions } from './model-source.js';
import { type PictureSeed, plainSeed } from './picture-seeds.js';
import { nativeSize, type PictureSize } from './picture-size.js';
import { previewLatents } from './preview.js';
import { type AltText, describePicture } from './provenance/alt-text.js';
import { type ModelFacts, type ModelOrigin, readModelFacts } from './provenance/model-facts.js';
import type { Recipe } from './provenance/recipe.js';
import {
  fastRecord,
  type RecordedRun,
  recipeOf,
  requestRecord,
} from './provenance/record-picture.js';
import { type Precision, runMode } from './run-mode.js';
import { SessionCache } from './session-cache.js';
import { encodeSource } from './start-latents.js';
import {
  type Autoencoder,
  type GenerationDefaults,
  readPreviewDecoder,
  readTextToImageModel,
  type TextToImageModel,
} from './text-to-image-model.js';

/** A finished picture and what made it. */
export interface GeneratedImage extends Pixels {
  readonly prompt: string;
  readonly negativePrompt: string | undefined;
  /** bigint above 2⁵³ − 1. */
  readonly seed: number | bigint;
  /** Where the noise was turned to, and how far; undefined without a variation. */
  readonly variationSeed: number | bigint | undefined;
  readonly variationStrength: number | undefined;
  /** As asked for; a strength below 1 takes fewer. */
  readonly steps: number;
  readonly guidanceScale: number;
  /** diffusers' class name of the sampler. */
  readonly sampler: string;
  /** Spacing of the noise levels, where one was asked for. */
  readonly schedule: string | undefined;
  /** How much of the given picture was drawn anew; undefined for pictures from words. */
  readonly strength: number | undefined;
  /** Layers of the text encoders left out. */
  readonly clipSkip: number;
  readonly noiseSource: NoiseDevice;
  /** What the fast mode left out; undefined for exact pictures. */
  readonly fast: FastReport | undefined;
  /** As the last step left them, [1, c, h, w]; `initLatents` of a refiner. */
  readonly latents: FloatTensor;
  readonly model: string;
  /** Everything it was made of; `encodePicture` writes it into files. */
  readonly recipe: Recipe;
  /** What it shows, in words. */
  readonly altText: AltText;
  /** Time for this picture; the first one's includes loading. */
  readonly elapsedMs: number;
}

/** What `stream` tells; `image` counts pictures from 0. */
export type GenerationEvent =
  | { readonly kind: 'warning'; readonly message: string }
  | {
      readonly kind: 'step';
      readonly image: number;
      /** Counts from 1 to `steps`. */
      readonly step: number;
      readonly steps: number;
      readonly timestep: number;
      /** After the step, [1, c, h, w]. */
      readonly latents: FloatTensor;
      /** The picture as the model sees it now; computed when called. */
      readonly preview: () => Promise<Pixels>;
    }
  | { readonly kind: 'image'; readonly image: number; readonly picture: GeneratedImage };

export interface GenerationResult {
  readonly images: readonly GeneratedImage[];
  readonly warnings: readonly string[];
  /** Of all candidates, where the best of several were asked for. */
  readonly report?: BestOfReport;
}

/** Pictures of one request that are drawn apart. */
export interface Candidates {
  readonly warnings: readonly string[];
  readonly pictures: readonly {
    readonly seed: number | bigint;
    readonly variationSeed: number | bigint | undefined;
    readonly events: AsyncGenerator<GenerationEvent, void, undefined>;
  }[];
}

interface Work {
  readonly prepared: Prepared;
  readonly record: ReturnType<typeof requestRecord>;
  readonly asked: GenerateOptions;
}

/** Draws `n` candidates and keeps the best. */
export interface ChoiceOptions extends Omit<BestOfOptions, 'panel'> {
  /** Judges by name, or an open panel such as `Judges`. Default: the built-in CLIP. */
  readonly judge?: readonly JudgeName[] | Panel | undefined;
  /** Folders or ids of the models of judges that are given by name. */
  readonly judgeModels?: JudgeSources | undefined;
}

/** What loading tells: a component is read from its folder, or loaded into the engine. */
export interface LoadProgress {
  readonly stage: 'read' | 'load';
  /** Folder name, such as `unet`. */
  readonly component: string;
}

export interface FromPretrainedOptions extends OpenModelOptions, AdapterOptions, EngineOptions {
  /** Where to compute. Default cpu; another one that is not there is a DEVICE error at the first run. */
  readonly device?: Device | undefined;
  /** Folder of an AutoencoderTiny (TAESD) for the model's latents, to preview pictures at full size. */
  readonly previewDecoder?: string | undefined;
  /**
   * Least memory: weights stay mapped from their files, one component is loaded at a time, guidance
   * takes one call per text and pictures pass the autoencoder in bands. Slower. Default false.
   */
  readonly lowMemory?: boolean | undefined;
  /** How linear layers of the denoiser multiply: int8 is faster and no longer exact. Default f32. */
  readonly precision?: Precision | undefined;
  /** Weight files of a variant, such as `fp16`, where a component has them. */
  readonly variant?: string | undefined;
  /** Branch, tag or commit of a hub's model; default `main`. */
  readonly revision?: string | undefined;
  /** Downloads nothing; default as HF_HUB_OFFLINE says. */
  readonly offline?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Told while a hub's model is downloaded. */
  readonly onDownload?: ((progress: DownloadProgress) => void) | undefined;
}

interface OpenPipeline {
  readonly model: TextToImageModel;
  readonly previewDecoder: Autoencoder | undefined;
  readonly sessions: SessionCache;
  readonly engine: Engine;
  readonly origin: ModelOrigin & RecordedRun;
}

/** The model that comes with the package. */
const builtInFolder = fileURLToPath(new URL('../../assets/model', import.meta.url));

/**
 * A loaded model. Pictures are drawn one at a time in a child process, so a picture depends on its
 * own seed only, not on the others asked for with it.
 */
export class TextToImage implements AsyncDisposable {
  readonly #model: TextToImageModel;
  readonly #previewDecoder: Autoencoder | undefined;
  readonly #engine: Engine;
  readonly #sessions: SessionCache;
  readonly #origin: ModelOrigin & RecordedRun;
  readonly #hashing = new AbortController();
  #facts: Promise<ModelFacts> | undefined;
  #isDisposed = false;

  private constructor({ model, previewDecoder, sessions, engine, origin }: OpenPipeline) {
    this.#model = model;
    this.#previewDecoder = previewDecoder;
    this.#sessions = sessions;
    this.#engine = engine;
    this.#origin = origin;
  }

  /**
   * Reads a model folder or a single safetensors file with original key names, or the built-in model
   * when no path is given, and starts the engine. `owner/name` is a model of the hub, unless there
   * is such a folder: read from the cache, or downloaded. Weights are loaded when first needed.
   * Throws MODEL_NOT_FOUND, MODEL_UNSUPPORTED, CONFIG, WEIGHTS, SAFETENSORS, TOKENIZER, FILE_READ,
   * USAGE, CANCELLED and what `resolveModel` throws.
   */
  static async fromPretrained(
    path?: string,
    options: FromPretrainedOptions = {},
  ): Promise<TextToImage> {
    const { threads, device, rewrites, prepared, previewDecoder, signal, onProgress } = options;
    throwIfAborted('fromPretrained', signal);
    const mode = runMode(options);
    const place = { ...options, onProgress: options.onDownload };
    const found = await resolveModel(path ?? builtInFolder, place);
    const engine = Engine.start({ threads, device, rewrites, prepared });
    try {
      const model = await readTextToImageModel(found.path, {
        ...options,
        name: path === undefined ? 'builtin' : found.name,
        onPart: (component) => {
          throwIfAborted('fromPretrained', signal);
          onProgress?.({ stage: 'read', component });
        },
      });
      const decoder =
        previewDecoder === undefined ? undefined : await readPreviewDecoder(model, previewDecoder);
      throwIfAborted('fromPretrained', signal);
      const warnings = [...found.warnings, ...model.warnings];
      const onLoad = (component: string) => onProgress?.({ stage: 'load', component });
      const sessions = new SessionCache(engine, onLoad, mode);
      const source = path === undefined ? 'builtin' : found.commit ? found.name : model.path;
      return new TextToImage({
        model: { ...model, warnings },
        previewDecoder: decoder,
        sessions,
        engine,
        origin: { ...options, device, threads, source, commit: found.commit },
      });
    } catch (cause) {
      await engine.dispose();
      throw cause;
    }
  }

  /** Folder name of the model; `builtin` for the one that comes with the package. */
  get name(): string {
    return this.#model.name;
  }

  /** Absolute path of the model. */
  get path(): string {
    return this.#model.path;
  }

  get defaults(): GenerationDefaults & PictureSize {
    return { ...defaultsOf(this.#model, 'text'), ...nativeSize(this.#model) };
  }

  /** Settings of the model's files that are read otherwise or have no effect. */
  get warnings(): readonly string[] {
    return this.#model.warnings;
  }

  /** Process id of the engine's child, while it runs. */
  get enginePid(): number | undefined {
    return this.#engine.pid;
  }

  /**
   * All pictures at once; with `n`, the best of so many candidates by `judge`, best first, and a
   * report of all. See `stream`, `bestOf` and `Judges` for what it throws.
   */
  async generate(
    prompt: string,
    options: GenerateOptions | ChoiceOptions = {},
  ): Promise<GenerationResult> {
    if ('n' in options) return this.#choose(prompt, options);
    const images: GeneratedImage[] = [];
    const warnings: string[] = [];
    for await (const event of this.stream(prompt, options)) {
      if (event.kind === 'image') images.push(event.picture);
      if (event.kind === 'warning') warnings.push(event.message);
    }
    return { images, warnings };
  }

  /**
   * Draws while it is asked for events: warnings first, then every step of every picture and the
   * picture itself. Leaving the loop ends the work. Throws USAGE or MODEL_UNSUPPORTED for options
   * that do not fit, CANCELLED when `signal` aborts, RUNTIME or RUNTIME_EXITED, DISPOSED.
   */
  async *stream(
    prompt: string,
    asked: GenerateOptions = {},
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const { request, warnings } = await this.#resolve(prompt, asked);
    for (const message of warnings) yield { kind: 'warning', message };
    let start = performance.now();
    const work = await this.#prepare(request, asked);
    for (const image of request.seeds.keys()) {
      yield* this.#draw(work, image, start);
      start = performance.now();
    }
  }

  /**
   * The pictures of `stream` one by one: each may wait half-drawn while others go on. What they have
   * in common is computed once. End every one, drawn or not, with `return`. Throws as `stream`.
   */
  async candidates(prompt: string, asked: GenerateOptions = {}): Promise<Candidates> {
    const { request, warnings } = await this.#resolve(prompt, asked);
    const work = await this.#prepare(request, asked);
    const pictures = request.seeds.map(({ seed, variation }, image) => ({
      seed: plainSeed(seed),
      variationSeed: variation && plainSeed(variation.seed),
      events: this.#draw(work, image),
    }));
    return { warnings, pictures };
  }

  /** Ends the engine and gives its memory back; pending work rejects. Safe to call twice. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#hashing.abort();
    await this.#engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #choose(
    prompt: string,
    { judge = ['clip'], judgeModels: models, ...options }: ChoiceOptions,
  ): Promise<GenerationResult> {
    const opened = 'score' in judge ? undefined : await Judges.open(judge, { models });
    const panel = opened ?? (judge as Panel);
    const warnings: string[] = [];
    try {
      for await (const event of bestOf(this, prompt, { ...options, panel })) {
        if (event.kind === 'warning') warnings.push(event.message);
        if (event.kind !== 'ranking') continue;
        return { images: event.kept, warnings, report: event.report };
      }
      return { images: [], warnings };
    } finally {
      await opened?.dispose();
    }
  }

  async #resolve(
    prompt: string,
    asked: GenerateOptions,
  ): Promise<{ request: GenerationRequest; warnings: readonly string[] }> {
    if (this.#isDisposed) throw disposed();
    throwIfAborted('generate', asked.signal);
    const request = await resolveRequest(this.#model, prompt, this.#inMode(asked));
    const told = [...textWarnings(this.#model, request), ...this.#fastWarnings(request, asked)];
    return { request, warnings: [...request.warnings, ...told] };
  }

  /** What all pictures of a request have in common. */
  async #prepare(request: GenerationRequest, asked: GenerateOptions): Promise<Work> {
    const record = requestRecord(request, asked, this.#smallDecoderPath(request));
    this.#facts ??= readModelFacts(this.#model, this.#origin, this.#hashing.signal);
    this.#facts.catch(() => undefined); // Told when the first picture is there.
    const conditionings = await encodeRequest(this.#model, this.#sessions, request);
    const source = await encodeSource(this.#model, this.#sessions, request);
    return { prepared: { request, conditionings, source }, record, asked };
  }

  /** Steps and picture `image`; its time counts from `start`, or else from its first step. */
  async *#draw(
    { prepared, record, asked }: Work,
    image: number,
    start?: number,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const began = start ?? performance.now();
    const { request } = prepared;
    const seed = request.seeds[image]!;
    const tally = emptyTally();
    const latents = yield* this.#steps(prepared, image, { ...seed, tally });
    const { signal, task, tiling } = request;
    const decoder = { vae: this.#decoderFor(request), family: this.#model.family };
    const drawn = await decodeLatents(decoder, this.#sessions, latents, { task, tiling, signal });
    const pixels = request.picture?.finish(drawn) ?? drawn;
    for (const message of this.#sessions.takeWarnings()) yield { kind: 'warning', message };
    const facts = await orAborted('generate', this.#facts!, signal);
    const recipe = recipeOf(record, seed, { facts, run: this.#origin, pixels: pixels.pixels });
    const elapsedMs = performance.now() - began;
    const picture = this.#picture(request, seed, {
      ...{ ...pixels, latents, elapsedMs, recipe, tally },
      altText: describePicture({ ...request, ...pixels, model: this.name }, asked.altText),
    });
    yield { kind: 'image', image, picture };
  }

  async *#steps(
    prepared: Prepared,
    image: number,
    seed: Drawn,
  ): AsyncGenerator<GenerationEvent, FloatTensor, undefined> {
    const { latentShape, signal, range } = prepared.request;
    const steps = range.end - range.start;
    const tensor = (x: Float32Array): FloatTensor => floatTensor(x, [1, ...latentShape]);
    const rule = { model: this.#model, decoder: this.#previewDecoder };
    const events = denoise(this.#model, this.#sessions, prepared, seed);
    try {
      for (;;) {
        const next = await events.next();
        if (next.done) return tensor(next.value);
        const { timestep, x, denoised } = next.value;
        const preview = () => previewLatents(rule, this.#sessions, tensor(denoised), signal);
        const latents = tensor(x);
        const step = next.value.step - range.start + 1;
        yield { kind: 'step', image, step, steps, timestep, latents, preview };
      }
    } finally {
      await events.return(new Float32Array());
    }
  }

  #inMode(asked: GenerateOptions): GenerateOptions {
    return this.#sessions.mode.lowMemory ? { ...asked, tiling: asked.tiling ?? 'always' } : asked;
  }

  /** In the fast mode the small decoder, where there is one that draws the size asked for. */
  #decoderFor({ fast }: GenerationRequest): Autoencoder {
    const { vae } = this.#model;
    const small = fast && this.#previewDecoder;
    return small && latentFactor(small) === latentFactor(vae) ? small : vae;
  }

  #smallDecoderPath(request: GenerationRequest): string | undefined {
    const isOwn = this.#decoderFor(request) === this.#model.vae;
    return isOwn ? undefined : this.#origin.previewDecoder;
  }

  #fastWarnings(request: GenerationRequest, { fast: asked }: GenerateOptions): string[] {
    const { fast } = request;
    if (!fast) return [];
    const decoder = this.#smallDecoderPath(request);
    const smallDecoder = decoder !== undefined;
    const text = fastText(fastRecord(fast, decoder));
    const isVain = typeof asked === 'object' && asked.interval !== undefined && asked.interval > 1;
    return [
      `fast: not the exact picture (${text}).`,
      ...(isVain && fast.interval === 1
        ? ['fast.interval: has no effect, as this model is no UNet.']
        : []),
      ...(this.#previewDecoder && !smallDecoder
        ? ['previewDecoder: draws another size, so the model’s own decoder draws the picture.']
        : []),
    ];
  }

  #picture(
    request: GenerationRequest,
    { seed, variation }: PictureSeed,
    { tally, ...drawn }: Pixels & Made,
  ): GeneratedImage {
    const { prompt, negativePrompt, steps, guidance, sampler, clipSkip, fast } = request;
    const smallDecoder = this.#smallDecoderPath(request) !== undefined;
    return {
      ...drawn,
      prompt,
      negativePrompt,
      seed: plainSeed(seed),
      variationSeed: variation && plainSeed(variation.seed),
      variationStrength: variation?.strength,
      steps,
      guidanceScale: guidance.scale,
      sampler: sampler.className,
      schedule: request.schedule,
      strength: request.task === 'text' ? undefined : request.strength,
      clipSkip,
      noiseSource: request.noiseSource,
      fast: fast && { ...reportOf(fast), ...tally, smallDecoder },
      model: this.name,
    };
  }
}

/** What a picture has beside its pixels. */
interface Made extends Pick<GeneratedImage, 'latents' | 'elapsedMs' | 'recipe' | 'altText'> {
  readonly tally: CallTally;
}

function disposed(): Error {
  const [expected, got] = ['a live pipeline', 'a disposed one'];
  return complain('DISPOSED', { where: 'TextToImage', expected, got });
}
