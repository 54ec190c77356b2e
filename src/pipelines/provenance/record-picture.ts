/** @file Writes down what a picture was made of while it is made. */
import { availableParallelism } from 'node:os';
import type { Device } from '../../runtime/devices.js';
import { engineVersion } from '../../runtime/engine-version.js';
import type { FastPlan } from '../fast-plan.js';
import type { GenerateOptions, GenerationRequest } from '../generation-request.js';
import type { PictureInput } from '../input-picture.js';
import { type PictureSeed, plainSeed } from '../picture-seeds.js';
import type { Precision } from '../run-mode.js';
import { writtenPath } from './home-path.js';
import { type ModelFacts, sha256 } from './model-facts.js';
import { program } from './program.js';
import type { Recipe } from './recipe.js';

/** The file a picture to start from was read from. */
export interface PictureOrigin {
  readonly path: string;
  /** Of the file. */
  readonly sha256: string;
}

export interface OriginOptions {
  /** Files that `init` and `mask` come from, for the recipe. Default: their pixels or bytes are hashed. */
  readonly origins?:
    | { readonly init?: PictureOrigin | undefined; readonly mask?: PictureOrigin | undefined }
    | undefined;
}

export interface RecordedRun {
  readonly device: Device | undefined;
  readonly threads: number | undefined;
  readonly lowMemory?: boolean | undefined;
  readonly precision?: Precision | undefined;
  readonly previewDecoder?: string | undefined;
}

type StartFile = NonNullable<Recipe['start']>;

/** What all pictures of a request have in common, prepared once. */
export function requestRecord(
  request: GenerationRequest,
  options: GenerateOptions,
  /** Folder of the small decoder that draws the picture. */
  decoder?: string,
): Omit<Recipe, 'seed' | 'variation' | 'pixels' | 'run' | keyof Omit<ModelFacts, 'weights'>> {
  const { init, initLatents, mask, origins } = options;
  const hasStart = init !== undefined || initLatents !== undefined;
  return {
    recipe: 1,
    program,
    prompt: request.prompt,
    negativePrompt: request.negativePrompt ?? null,
    promptSyntax: request.promptSyntax,
    emphasis: request.emphasis,
    steps: request.steps,
    sampler: { name: options.sampler ?? null, class: request.sampler.className },
    schedule: request.schedule ?? null,
    guidanceScale: request.guidance.scale,
    guidanceRescale: request.guidance.rescale,
    eta: request.eta,
    clipSkip: request.clipSkip,
    maxSequenceLength: request.maxSequenceLength,
    noiseSource: request.noiseSource,
    width: request.width,
    height: request.height,
    start: init ? pictureStart(init, origins?.init) : latentStart(options),
    mask: mask === undefined || mask === 'alpha' ? mask : pictureStart(mask, origins?.mask),
    strength: hasStart ? request.strength : undefined,
    encodeMode: hasStart ? request.encodeMode : undefined,
    fit: options.fit,
    maskBlur: options.maskBlur,
    onlyMasked: options.onlyMasked,
    denoisingStart: options.denoisingStart,
    denoisingEnd: options.denoisingEnd,
    tiling: options.tiling === 'auto' ? undefined : options.tiling,
    fast: request.fast && fastRecord(request.fast, decoder),
    sizes: sizesOf(options),
  };
}

/** The fast mode as recipes say it; `decoder` is the folder of a small decoder that draws the picture. */
export function fastRecord(
  { guidance: [guidedFrom, guidedTo], interval, branch }: FastPlan,
  decoder: string | undefined,
): NonNullable<Recipe['fast']> {
  const path = decoder === undefined ? undefined : writtenPath(decoder);
  return { guidedFrom, guidedTo, interval, branch, decoder: path };
}

/** The recipe of one picture. */
export function recipeOf(
  record: ReturnType<typeof requestRecord>,
  { seed, variation }: PictureSeed,
  {
    facts,
    run,
    pixels,
  }: { readonly facts: ModelFacts; readonly run: RecordedRun; readonly pixels: Uint8Array },
): Recipe {
  const { weights, ...model } = facts;
  return {
    ...record,
    seed: plainSeed(seed),
    variation: variation && { seed: plainSeed(variation.seed), strength: variation.strength },
    ...model,
    run: {
      device: run.device ?? 'cpu',
      threads: run.threads ?? null,
      memory: run.lowMemory ? 'low' : undefined,
      precision: run.precision === 'int8' ? 'int8' : undefined,
      cores: availableParallelism(),
      platform: `${process.platform}-${process.arch}`,
      engine: `onnxruntime ${engineVersion()}`,
      weights,
    },
    pixels: sha256(pixels),
  };
}

function pictureStart(picture: PictureInput, origin: PictureOrigin | undefined): StartFile {
  if (origin) return { of: 'file', sha256: origin.sha256, path: writtenPath(origin.path) };
  const isFile = picture instanceof Uint8Array;
  const hash = sha256(isFile ? picture : picture.data);
  return { of: isFile ? 'file' : 'pixels', sha256: hash, path: undefined };
}

function latentStart({ initLatents }: GenerateOptions): StartFile | undefined {
  if (!initLatents) return undefined;
  const { buffer, byteOffset, byteLength } = initLatents.data;
  const hash = sha256(new Uint8Array(buffer, byteOffset, byteLength));
  return { of: 'latents', sha256: hash, path: undefined };
}

function sizesOf(options: GenerateOptions): Recipe['sizes'] {
  const { originalSize, cropTopLeft, targetSize, aestheticScore } = options;
  const { negativeOriginalSize, negativeCropTopLeft, negativeTargetSize } = options;
  const { negativeAestheticScore } = options;
  const sizes = {
    ...{ originalSize, cropTopLeft, targetSize, negativeOriginalSize, negativeCropTopLeft },
    ...{ negativeTargetSize, aestheticScore, negativeAestheticScore },
  };
  return Object.values(sizes).some((value) => value !== undefined) ? sizes : undefined;
}
