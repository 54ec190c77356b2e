/** @file What a caller may ask of a pipeline, checked and filled with the model's defaults. */
import { complain, type MaliangError } from '../core/errors.js';
import type { NoiseDevice } from '../core/random-source.js';
import type { FloatTensor } from '../core/tensor-data.js';
import type { Sampler, Trajectory } from '../schedulers/sampler.js';
import type { ScheduleName } from '../schedulers/schedule-names.js';
import { latentFactor } from './decode-latents.js';
import { branchesOf } from './denoiser.js';
import type { EncodeMode } from './encode-picture.js';
import type { Task } from './families.js';
import { type FastOptions, type FastPlan, fastPlan } from './fast-plan.js';
import type { Guidance } from './guidance.js';
import { type PictureOptions, type PreparedPicture, preparePicture } from './input-picture.js';
import { inpaintingChannels } from './model-fit.js';
import { type PictureSeed, pictureSeeds, type SeedOptions } from './picture-seeds.js';
import { type PictureSize, pictureSize, sideFactor } from './picture-size.js';
import type { Emphasis, PromptSyntax } from './prompt-chunks.js';
import type { AltTextOptions } from './provenance/alt-text.js';
import type { OriginOptions } from './provenance/record-picture.js';
import { type Tiling, tilings } from './run-mode.js';
import { distilledTimesteps, samplerFor } from './sampler-choice.js';
import { type StepRange, stepRange } from './step-range.js';
import type { GenerationDefaults, TextToImageModel } from './text-to-image-model.js';
import { type SizeConditions, type TimeIds, timeIdsOf } from './time-ids.js';

/** SDXL's size conditions are looked at by models that are told sizes only. */
export interface GenerateOptions
  extends SizeConditions,
    PictureOptions,
    SeedOptions,
    OriginOptions {
  /** What the picture shows, for those who cannot see it. Default: the prompt, said to be that. */
  readonly altText?: AltTextOptions | undefined;
  /** Pictures, 1 to 10,000. Default 1. */
  readonly num?: number | undefined;
  /** Denoising steps. Default: the model's. */
  readonly steps?: number | undefined;
  /** How strongly the text pulls, 0 or more; up to 1 the negative prompt is not looked at. */
  readonly guidanceScale?: number | undefined;
  /** 0 to 1, default 0; tames the contrast of high guidance. */
  readonly guidanceRescale?: number | undefined;
  /** What the picture should not show. */
  readonly negativePrompt?: string | undefined;
  /**
   * `a1111` reads weights such as (word:1.3), BREAK and AND, and long prompts in chunks; `plain`
   * takes prompts literally and reads their beginning only, as diffusers does. Default a1111.
   */
  readonly promptSyntax?: PromptSyntax | undefined;
  /** What weights do. Default original, the webui's. */
  readonly emphasis?: Emphasis | undefined;
  /** Pixels, a multiple of the decoder's factor. Default: the picture's to start from, else the model's. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Share of fresh noise in samplers of the DDIM family, 0 to 1. Default 0. */
  readonly eta?: number | undefined;
  /** Layers of the text encoders to leave out at their end. Default 0. */
  readonly clipSkip?: number | undefined;
  /** Tokens a T5 encoder reads, 1 to 512; more text is cut. Default 256. */
  readonly maxSequenceLength?: number | undefined;
  /** Another sampler on the model's noise levels, by any of its names; see `listSamplers`. */
  readonly sampler?: string | undefined;
  /** Spacing of the noise levels, such as karras. Default: what sampler and model say. */
  readonly schedule?: string | undefined;
  /** Whose random numbers. Default cpu, torch's. */
  readonly noiseSource?: NoiseDevice | undefined;
  /** How much of `init` is drawn anew, 0 to 1. Default: the model's. */
  readonly strength?: number | undefined;
  /** Whether `init` becomes a sample of its latents or the likeliest. Default sample. */
  readonly encodeMode?: EncodeMode | undefined;
  /** Latents [1, c, h, w] to start from instead of `init`; a picture's `latents`. */
  readonly initLatents?: FloatTensor | undefined;
  /** Goes on from `init` or `initLatents` at this share of the noise schedule, adding no noise. */
  readonly denoisingStart?: number | undefined;
  /** Stops at this share of the noise schedule; a refiner goes on from there. */
  readonly denoisingEnd?: number | undefined;
  /**
   * Whether large pictures pass the autoencoder in bands of rows, which takes a fraction of the memory
   * and changes nothing but rounding. Default auto: above about 512×512, always in low memory.
   */
  readonly tiling?: Tiling | undefined;
  /**
   * Draws faster and no longer exactly: guidance in part of the steps, most of the UNet only now and
   * then, and the preview decoder, where one was given, for the picture. Default false.
   */
  readonly fast?: boolean | FastOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A request with nothing left open. */
export interface GenerationRequest extends PictureSize {
  readonly task: Task;
  readonly prompt: string;
  /** Undefined when nobody gave one, which is not the empty text for every model. */
  readonly negativePrompt: string | undefined;
  readonly promptSyntax: PromptSyntax;
  readonly emphasis: Emphasis;
  readonly seeds: readonly PictureSeed[];
  readonly noiseSource: NoiseDevice;
  readonly steps: number;
  readonly guidance: Guidance;
  readonly eta: number;
  readonly clipSkip: number;
  readonly maxSequenceLength: number;
  readonly sampler: Sampler;
  /** Undefined: what the configuration says. */
  readonly schedule: ScheduleName | undefined;
  readonly trajectory: Trajectory;
  /** The steps that are taken. */
  readonly range: StepRange;
  readonly denoisingStart: number | undefined;
  readonly strength: number;
  readonly encodeMode: EncodeMode;
  readonly picture: PreparedPicture | undefined;
  readonly initLatents: Float32Array | undefined;
  /** Whether the denoiser looks at mask and masked picture itself. */
  readonly isInpainting: boolean;
  /** [channels, height, width]. */
  readonly latentShape: readonly [number, number, number];
  readonly timeIds: TimeIds;
  readonly tiling: Tiling;
  readonly fast: FastPlan | undefined;
  readonly warnings: readonly string[];
  readonly signal: AbortSignal | undefined;
}

const mostPictures = 10_000;

/** Throws USAGE, naming the option; MODEL_UNSUPPORTED for what does not run on this model; IMAGE. */
export async function resolveRequest(
  model: TextToImageModel,
  prompt: string,
  options: GenerateOptions,
): Promise<GenerationRequest> {
  const { vae } = model;
  const picture = await preparePicture(model, options);
  const size = picture?.size ?? sizeOf(model, options);
  const task = taskOf(options, picture);
  const defaults = defaultsOf(model, task);
  const num = inRange('num', options.num ?? 1, { from: 1, to: mostPictures, whole: true });
  const { sampler, schedule } = samplerFor(model, options);
  const steps = inRange('steps', options.steps ?? defaults.steps, {
    from: 1,
    to: sampler.trainTimesteps,
    whole: true,
  });
  const factor = latentFactor(vae);
  const latentShape = [
    vae.config.latentChannels,
    size.height / factor,
    size.width / factor,
  ] as const;
  const ranged = rangeOf(model, options, { task, sampler, schedule, steps, size });
  const { range, trajectory } = ranged;
  const branches = branchesOf(model.denoiser);
  const fast = fastPlan(options.fast, { range, order: trajectory.order, branches });
  return {
    ...size,
    ...ranged,
    task,
    prompt: checkedText('prompt', prompt),
    negativePrompt: options.negativePrompt ?? defaults.negativePrompt,
    promptSyntax: oneOf('promptSyntax', options.promptSyntax, ['a1111', 'plain']),
    emphasis: oneOf('emphasis', options.emphasis, ['original', 'no-norm', 'ignore', 'none']),
    seeds: pictureSeeds(options, num),
    noiseSource: oneOf('noiseSource', options.noiseSource, ['cpu', 'cuda']),
    steps,
    guidance: {
      scale: inRange('guidanceScale', options.guidanceScale ?? defaults.guidanceScale, {}),
      rescale: inRange('guidanceRescale', options.guidanceRescale ?? 0, { to: 1 }),
    },
    eta: inRange('eta', options.eta ?? 0, { to: 1 }),
    clipSkip: options.clipSkip ?? 0,
    maxSequenceLength: inRange('maxSequenceLength', options.maxSequenceLength ?? 256, {
      from: 1,
      to: 512,
      whole: true,
    }),
    sampler,
    schedule,
    encodeMode: oneOf('encodeMode', options.encodeMode, ['sample', 'mode']),
    picture,
    initLatents: checkedLatents(options, latentShape),
    isInpainting: isInpainting(model, task),
    latentShape,
    timeIds: timeIdsOf(checkedSizes(options), {
      size,
      wantsAestheticScore: model.wantsAestheticScore,
      fromPicture: task !== 'text',
    }),
    fast,
    tiling: oneOf('tiling', options.tiling, tilings),
    warnings: [...(picture?.warnings ?? []), ...ranged.warnings],
    signal: options.signal,
  };
}

/** The defaults of a task: the folder's own before the family's. */
export function defaultsOf(model: TextToImageModel, task: Task): GenerationDefaults {
  const { family, given } = model;
  return {
    steps: given.steps ?? family.defaults[task].steps ?? family.steps,
    guidanceScale: given.guidanceScale ?? family.defaults[task].guidanceScale,
    negativePrompt: given.negativePrompt,
  };
}

function taskOf(
  { initLatents, strength, denoisingStart }: GenerateOptions,
  picture: PreparedPicture | undefined,
): Task {
  if (picture?.mask) return 'inpaint';
  if (picture || initLatents) return 'image';
  for (const [name, value] of Object.entries({ strength, denoisingStart })) {
    if (value !== undefined)
      throw misuse(name, 'init beside it', 'none', 'Give a picture to start from.');
  }
  return 'text';
}

/** Models made for inpainting draw nothing else. */
function isInpainting({ denoiser, vae }: TextToImageModel, task: Task): boolean {
  const { inChannels } = denoiser.config;
  const isMade = inChannels === inpaintingChannels(vae.config.latentChannels);
  if (!isMade || task === 'inpaint') return isMade;
  throw complain('MODEL_UNSUPPORTED', {
    where: 'generate',
    expected: 'init and mask, as this is an inpainting model',
    got: task === 'text' ? 'neither' : 'no mask',
    next: 'Give both, or use a model that draws from words.',
  });
}

interface Planned {
  readonly task: Task;
  readonly sampler: Sampler;
  readonly schedule: ScheduleName | undefined;
  readonly steps: number;
  readonly size: PictureSize;
}

function rangeOf(
  model: TextToImageModel,
  options: GenerateOptions,
  { task, sampler, schedule, steps, size }: Planned,
): Pick<GenerationRequest, 'trajectory' | 'range' | 'strength' | 'denoisingStart' | 'warnings'> {
  const fallback = model.family.defaults[task].strength;
  const strength = inRange('strength', options.strength ?? fallback, { to: 1 });
  const denoisingStart = optionalShare('denoisingStart', options.denoisingStart);
  const denoisingEnd = optionalShare('denoisingEnd', options.denoisingEnd);
  const distilled = distilledTimesteps(model, sampler, { task, steps, strength });
  const trajectory = sampler.plan({
    steps,
    imageTokens: imageTokens(model, size),
    alignYourSteps: model.family.latentSpace === 'sd1' ? 'sd1' : 'sdxl',
    ...(schedule && { schedule }),
    ...(distilled && { timesteps: distilled }),
  });
  const { trainTimesteps } = sampler;
  const rounding = model.family.strengthRounding;
  const share = distilled ? 1 : strength;
  const request = {
    steps,
    strength: share,
    rounding,
    denoisingStart,
    denoisingEnd,
    trainTimesteps,
  };
  const range = stepRange(trajectory, request);
  if (range.start < range.end) return { trajectory, range, strength, denoisingStart, warnings: [] };
  const why =
    denoisingStart === undefined
      ? `strength: ${strength} of ${steps} steps is none`
      : `denoisingStart: no step is left after ${denoisingStart}`;
  const warnings = [`${why}; the picture only goes through the autoencoder.`];
  return { trajectory, range, strength, denoisingStart, warnings };
}

/** Patches of a picture inside a transformer; dynamic shifting asks for them. */
function imageTokens(model: TextToImageModel, { width, height }: PictureSize): number {
  const factor = sideFactor(model);
  return (width / factor) * (height / factor);
}

function optionalShare(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (value > 0 && value < 1)) return value;
  throw misuse(name, 'a number between 0 and 1', value);
}

function sizeOf(model: TextToImageModel, options: GenerateOptions): PictureSize {
  const { initLatents, width, height } = options;
  if (!initLatents || width !== undefined || height !== undefined) {
    return pictureSize(model, options);
  }
  const [, , rows = 0, columns = 0] = initLatents.shape;
  const factor = latentFactor(model.vae);
  return { width: columns * factor, height: rows * factor };
}

function checkedLatents(
  { init, initLatents }: GenerateOptions,
  shape: readonly number[],
): Float32Array | undefined {
  if (!initLatents) return undefined;
  if (init !== undefined) throw misuse('initLatents', 'no init beside it', 'both', 'Give one.');
  const wanted = [1, ...shape].join(',');
  if (initLatents.shape.join(',') === wanted) return initLatents.data;
  throw misuse('initLatents', `f32[${wanted}]`, `f32[${initLatents.shape.join(',')}]`);
}

function checkedSizes(options: GenerateOptions): SizeConditions {
  const { originalSize, targetSize, negativeOriginalSize, negativeTargetSize } = options;
  const { cropTopLeft, negativeCropTopLeft } = options;
  const sizes = { originalSize, targetSize, negativeOriginalSize, negativeTargetSize };
  for (const [name, size] of Object.entries({ ...sizes, cropTopLeft, negativeCropTopLeft })) {
    for (const value of Object.values(size ?? {})) inRange(name, value, { whole: true });
  }
  const { aestheticScore, negativeAestheticScore } = options;
  for (const [name, score] of Object.entries({ aestheticScore, negativeAestheticScore })) {
    if (score !== undefined) inRange(name, score, { to: 100 });
  }
  return options;
}

function inRange(
  name: string,
  value: number,
  { from = 0, to = 1e6, whole = false }: { from?: number; to?: number; whole?: boolean },
): number {
  const isNumber = whole ? Number.isInteger(value) : Number.isFinite(value);
  if (isNumber && value >= from && value <= to) return value;
  throw misuse(name, `a ${whole ? 'whole ' : ''}number from ${from} to ${to}`, value);
}

/** The first choice when nothing is given. */
function oneOf<T extends string>(name: string, value: T | undefined, choices: readonly T[]): T {
  if (value === undefined) return choices[0]!;
  if (choices.includes(value)) return value;
  throw misuse(name, `one of ${choices.join(', ')}`, value);
}

function checkedText(name: string, text: unknown): string {
  if (typeof text === 'string') return text;
  throw misuse(name, 'a text', text);
}

function misuse(where: string, expected: string, got: unknown, next?: string): MaliangError {
  const how = next ?? 'Leave it out to use the default.';
  return complain('USAGE', { where, expected, got: `${got}`, next: how });
}
