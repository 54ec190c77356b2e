/** @file Pictures from words, with models in the layout of diffusers: encode, denoise, decode. */
import { fileURLToPath } from 'node:url';
import { complain, throwIfAborted } from '../core/errors.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import type { DownloadProgress } from '../hub/download-meter.js';
import { resolveModel } from '../hub/resolve-model.js';
import { Engine } from '../runtime/engine.js';
import { decodeLatents, type Pixels } from './decode-latents.js';
import { type Conditionings, countSteps, denoise } from './denoise.js';
import { cutWarnings, encodePrompt, zeroed } from './encode-prompt.js';
import {
  type GenerateOptions,
  type GenerationRequest,
  plainSeed,
  resolveRequest,
} from './generation-request.js';
import { nativeSize, type PictureSize } from './picture-size.js';
import { previewLatents } from './preview.js';
import { SessionCache } from './session-cache.js';
import {
  type GenerationDefaults,
  readTextToImageModel,
  type TextToImageModel,
} from './text-to-image-model.js';
import { isGuided } from './unet-denoiser.js';

/** A finished picture and what made it. */
export interface GeneratedImage extends Pixels {
  readonly prompt: string;
  readonly negativePrompt: string | undefined;
  /** bigint above 2⁵³ − 1. */
  readonly seed: number | bigint;
  readonly steps: number;
  readonly guidanceScale: number;
  /** diffusers' class name of the sampler. */
  readonly sampler: string;
  readonly model: string;
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
}

/** What loading tells: a component is read from its folder, or loaded into the engine. */
export interface LoadProgress {
  readonly stage: 'read' | 'load';
  /** Folder name, such as `unet`. */
  readonly component: string;
}

export interface FromPretrainedOptions {
  /** Threads for one operation; defaults to all cores. */
  readonly threads?: number | undefined;
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

/** The model that comes with the package. */
const builtInFolder = fileURLToPath(new URL('../../assets/model', import.meta.url));

/**
 * A loaded model. Pictures are drawn one at a time in a child process, so a picture depends on its
 * own seed only, not on the others asked for with it.
 */
export class TextToImage implements AsyncDisposable {
  readonly #model: TextToImageModel;
  readonly #engine: Engine;
  readonly #sessions: SessionCache;
  #isDisposed = false;

  private constructor(model: TextToImageModel, engine: Engine, onLoad: (part: string) => void) {
    this.#model = model;
    this.#engine = engine;
    this.#sessions = new SessionCache(engine, onLoad);
  }

  /**
   * Reads a model folder, or the built-in model when no path is given, and starts the engine.
   * `owner/name` is a model of the hub, unless there is such a folder: read from the cache, or
   * downloaded. Weights are loaded when first needed. Throws MODEL_NOT_FOUND, MODEL_UNSUPPORTED,
   * CONFIG, WEIGHTS, SAFETENSORS, TOKENIZER, FILE_READ, USAGE, CANCELLED and what `resolveModel`
   * throws.
   */
  static async fromPretrained(
    path?: string,
    options: FromPretrainedOptions = {},
  ): Promise<TextToImage> {
    const { threads, variant, signal, onProgress } = options;
    throwIfAborted('fromPretrained', signal);
    const place = { ...options, onProgress: options.onDownload };
    const found = await resolveModel(path ?? builtInFolder, place);
    const engine = Engine.start({ threads });
    try {
      const model = await readTextToImageModel(found.path, {
        name: path === undefined ? 'builtin' : found.name,
        variant,
        onPart: (component) => {
          throwIfAborted('fromPretrained', signal);
          onProgress?.({ stage: 'read', component });
        },
      });
      throwIfAborted('fromPretrained', signal);
      const warnings = [...found.warnings, ...model.warnings];
      return new TextToImage({ ...model, warnings }, engine, (component) =>
        onProgress?.({ stage: 'load', component }),
      );
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
    return { ...this.#model.defaults, ...nativeSize(this.#model) };
  }

  /** Settings of the model's files that are read otherwise or have no effect. */
  get warnings(): readonly string[] {
    return this.#model.warnings;
  }

  /** Process id of the engine's child, while it runs. */
  get enginePid(): number | undefined {
    return this.#engine.pid;
  }

  /** All pictures at once; see `stream` for what it throws. */
  async generate(prompt: string, options: GenerateOptions = {}): Promise<GenerationResult> {
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
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    if (this.#isDisposed) throw disposed();
    const request = resolveRequest(this.#model, prompt, options);
    throwIfAborted('generate', request.signal);
    for (const message of this.#warningsOf(request)) yield { kind: 'warning', message };
    let start = performance.now();
    const conditionings = await this.#encode(request);
    for (const [image, seed] of request.seeds.entries()) {
      const latents = yield* this.#steps(request, conditionings, image, seed);
      const { signal } = request;
      const pixels = await decodeLatents(this.#model.vae, this.#sessions, latents, { signal });
      const elapsedMs = performance.now() - start;
      yield { kind: 'image', image, picture: this.#picture(request, seed, pixels, elapsedMs) };
      start = performance.now();
    }
  }

  /** Ends the engine and gives its memory back; pending work rejects. Safe to call twice. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #warningsOf({ prompt, negativePrompt, guidance }: GenerationRequest): string[] {
    const warnings = cutWarnings(this.#model, 'prompt', prompt);
    if (negativePrompt === undefined) return warnings;
    if (isGuided(this.#model.unet, guidance)) {
      return [...warnings, ...cutWarnings(this.#model, 'negativePrompt', negativePrompt)];
    }
    const reason = `negativePrompt: not looked at with a guidanceScale of ${guidance.scale}.`;
    return negativePrompt === '' ? warnings : [...warnings, reason];
  }

  async #encode(request: GenerationRequest): Promise<Conditionings> {
    const { prompt, negativePrompt, guidance, clipSkip, signal } = request;
    const model = this.#model;
    const positive = await encodePrompt(model, this.#sessions, prompt, { clipSkip, signal });
    if (!isGuided(model.unet, guidance)) return { positive, negative: undefined };
    if (negativePrompt === undefined && model.zeroesForEmptyPrompt) {
      return { positive, negative: zeroed(positive) };
    }
    // diffusers leaves no layers out here.
    const text = negativePrompt ?? '';
    return { positive, negative: await encodePrompt(model, this.#sessions, text, { signal }) };
  }

  async *#steps(
    request: GenerationRequest,
    conditionings: Conditionings,
    image: number,
    seed: bigint,
  ): AsyncGenerator<GenerationEvent, FloatTensor, undefined> {
    const { latentShape, signal } = request;
    const { vae } = this.#model;
    const steps = countSteps(request);
    const tensor = (x: Float32Array): FloatTensor => floatTensor(x, [1, ...latentShape]);
    const events = denoise(this.#model, this.#sessions, request, conditionings, seed);
    try {
      for (;;) {
        const next = await events.next();
        if (next.done) return tensor(next.value);
        const { step, timestep, x, denoised } = next.value;
        const preview = () => previewLatents(vae, this.#sessions, tensor(denoised), signal);
        const latents = tensor(x);
        yield { kind: 'step', image, step: step + 1, steps, timestep, latents, preview };
      }
    } finally {
      await events.return(new Float32Array());
    }
  }

  #picture(
    request: GenerationRequest,
    seed: bigint,
    pixels: Pixels,
    elapsedMs: number,
  ): GeneratedImage {
    const { prompt, negativePrompt, steps, guidance, sampler } = request;
    return {
      ...pixels,
      prompt,
      negativePrompt,
      seed: plainSeed(seed),
      steps,
      guidanceScale: guidance.scale,
      sampler: sampler.className,
      model: this.name,
      elapsedMs,
    };
  }
}

function disposed(): Error {
  const [expected, got] = ['a live pipeline', 'a disposed one'];
  return complain('DISPOSED', { where: 'TextToImage', expected, got });
}
