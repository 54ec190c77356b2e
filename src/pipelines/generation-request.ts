/** @file What a caller may ask of a text-to-image pipeline, checked and filled with the model's defaults. */
import { randomInt } from 'node:crypto';
import { complain, type MaliangError } from '../core/errors.js';
import type { PredictionType, Sampler } from '../schedulers/sampler.js';
import { loadSampler } from '../schedulers/table.js';
import { latentFactor } from './decode-latents.js';
import type { Task } from './families.js';
import type { Guidance } from './guidance.js';
import { type PictureSize, pictureSize } from './picture-size.js';
import type { GenerationDefaults, TextToImageModel } from './text-to-image-model.js';
import { type SizeConditions, type TimeIds, timeIdsOf } from './time-ids.js';

export interface GenerateOptions extends SizeConditions {
  /** 0 to 2⁶⁴ − 1, bigint above 2⁵³ − 1; picture k has seed + k. Default: random below 2³². */
  readonly seed?: number | bigint | undefined;
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
  /** Pixels, a multiple of the decoder's factor. Default: the model's. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Share of fresh noise in samplers of the DDIM family, 0 to 1. Default 0. */
  readonly eta?: number | undefined;
  /** Layers of the text encoders to leave out at their end. Default 0. */
  readonly clipSkip?: number | undefined;
  /** diffusers' class name of another sampler on the model's noise levels. */
  readonly sampler?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A request with nothing left open. */
export interface GenerationRequest extends PictureSize {
  readonly prompt: string;
  /** Undefined when nobody gave one, which is not the empty text for every model. */
  readonly negativePrompt: string | undefined;
  readonly seeds: readonly bigint[];
  readonly steps: number;
  readonly guidance: Guidance;
  readonly eta: number;
  readonly clipSkip: number;
  readonly sampler: Sampler;
  /** [channels, height, width]. */
  readonly latentShape: readonly [number, number, number];
  readonly timeIds: TimeIds;
  readonly signal: AbortSignal | undefined;
}

const mostPictures = 10_000;
const largestSeed = 2n ** 64n - 1n;

/** Throws USAGE, naming the option; MODEL_UNSUPPORTED for samplers that do not run on this model. */
export function resolveRequest(
  model: TextToImageModel,
  prompt: string,
  options: GenerateOptions,
): GenerationRequest {
  const defaults = defaultsOf(model, 'text');
  const size = pictureSize(model, options);
  const factor = latentFactor(model.vae);
  const num = inRange('num', options.num ?? 1, { from: 1, to: mostPictures, whole: true });
  const sampler = samplerOf(model, options.sampler);
  const steps = options.steps ?? defaults.steps;
  return {
    ...size,
    prompt: checkedText('prompt', prompt),
    negativePrompt: options.negativePrompt ?? defaults.negativePrompt,
    seeds: seedsFrom(options.seed ?? randomInt(2 ** 32), num),
    steps: inRange('steps', steps, { from: 1, to: sampler.trainTimesteps, whole: true }),
    guidance: {
      scale: inRange('guidanceScale', options.guidanceScale ?? defaults.guidanceScale, {}),
      rescale: inRange('guidanceRescale', options.guidanceRescale ?? 0, { to: 1 }),
    },
    eta: inRange('eta', options.eta ?? 0, { to: 1 }),
    clipSkip: options.clipSkip ?? 0,
    sampler,
    latentShape: [model.vae.config.latentChannels, size.height / factor, size.width / factor],
    timeIds: timeIdsOf(checkedSizes(options), {
      size,
      wantsAestheticScore: model.wantsAestheticScore,
      fromPicture: false,
    }),
    signal: options.signal,
  };
}

/** A seed as a number where numbers are exact. */
export function plainSeed(seed: bigint): number | bigint {
  return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
}

function samplerOf(model: TextToImageModel, className: string | undefined): Sampler {
  if (className === undefined) return model.sampler;
  const sampler = loadSampler(model.schedulerConfig, className);
  const [own, other] = [model.sampler, sampler].map(
    ({ predictionType }): PredictionType => predictionType,
  );
  if (own === other) return sampler;
  throw complain('MODEL_UNSUPPORTED', {
    where: 'sampler',
    expected: `one for the model's ${own}`,
    got: `${className}, which is for ${other}`,
    next: 'Leave it out to use the sampler of the model.',
  });
}

function seedsFrom(seed: number | bigint, num: number): bigint[] {
  const isInteger = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  const first = isInteger ? BigInt(seed) : -1n;
  if (first >= 0n && first + BigInt(num - 1) <= largestSeed) {
    return Array.from({ length: num }, (_, k) => first + BigInt(k));
  }
  const next = 'Give seeds above 9007199254740991 as bigint.';
  throw misuse('seed', `a whole number from 0 to ${largestSeed - BigInt(num - 1)}`, seed, next);
}

/** The defaults of a task: the folder's own before the family's. */
export function defaultsOf(model: TextToImageModel, task: Task): GenerationDefaults {
  const { family, given } = model;
  return {
    steps: given.steps ?? family.steps,
    guidanceScale: given.guidanceScale ?? family.defaults[task].guidanceScale,
    negativePrompt: given.negativePrompt,
  };
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

function checkedText(name: string, text: unknown): string {
  if (typeof text === 'string') return text;
  throw misuse(name, 'a text', text);
}

function misuse(where: string, expected: string, got: unknown, next?: string): MaliangError {
  const how = next ?? 'Leave it out to use the default.';
  return complain('USAGE', { where, expected, got: `${got}`, next: how });
}
