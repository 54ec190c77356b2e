/** @file Networks that turn pictures into features: CLIP's vision tower, the built-in one or a folder's, and FID's Inception-v3. */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { sha256OfFiles } from '../hub/file-hash.js';
import { readComponent, readJson } from '../hub/local-folder.js';
import { matchWeights, requireMatch } from '../hub/match-weights.js';
import { isFile } from '../hub/sidecar-file.js';
import { readWeightFile } from '../hub/weight-file.js';
import type { ClipVisionConfig } from '../models/clip-config.js';
import { clipVisionWithProjection } from '../models/clip-vision.js';
import { fidInception, inceptionPictureSize } from '../models/inception-v3.js';
import {
  type Component,
  componentParameters,
  components,
  parseComponent,
  Scope,
} from '../models/registry.js';
import type { TensorInFile } from '../runtime/weights.js';
import { type ClipTexts, readClipTexts } from './clip-texts.js';
import type { ResizeRule } from './picture-resize.js';

export type NetworkKind = 'clip' | 'inception';

export interface NetworkOutputs {
  /** [n, size]. */
  readonly features: Tensor;
  /** Class logits of the inception score, [n, classes]. */
  readonly logits?: Tensor;
}

export interface FeatureNetwork {
  readonly kind: NetworkKind;
  /** `builtin`, or the path that was given. */
  readonly source: string;
  /** Of the weight files. */
  readonly sha256: string;
  /** Pixels a side. */
  readonly pictureSize: number;
  /** Features of a picture. */
  readonly size: number;
  /** Classes of the logits, if there are any. */
  readonly classes: number | undefined;
  /** The rule it is usually fed by. */
  readonly resize: ResizeRule;
  readonly weights: ReadonlyMap<string, TensorInFile>;
  /** Pixels [n, 3, pictureSize, pictureSize] of 0 to 255. */
  readonly build: (pixels: Tensor) => NetworkOutputs;
  /** The text side, read when it is needed. Throws MODEL_NOT_FOUND or MODEL_UNSUPPORTED when there is none. */
  readonly readTexts: () => Promise<ClipTexts>;
  readonly warnings: readonly string[];
}

const builtInFolder = fileURLToPath(new URL('../../assets/model', import.meta.url));

/**
 * Opens a safetensors file of FID's Inception-v3, or a folder in the Hugging Face layout of a CLIP
 * model or CLIP vision tower; without a path the CLIP that comes with the package. Throws
 * FILE_READ, MODEL_NOT_FOUND, MODEL_UNSUPPORTED, CONFIG, WEIGHTS or SAFETENSORS.
 */
export async function openFeatureNetwork(path?: string): Promise<FeatureNetwork> {
  if (path === undefined) return openBuiltIn();
  if (await isFile(resolve(path))) return openInceptionFile(path);
  return openFolder(path);
}

async function openBuiltIn(): Promise<FeatureNetwork> {
  const folder = await readWeights(join(builtInFolder, 'judge'));
  return clipNetwork(folder, {
    source: 'builtin',
    // As it was trained: −1 to 1.
    pixels: { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] },
    warnings: [],
    readTexts: () =>
      readClipTexts({
        model: join(builtInFolder, 'text_encoder_2'),
        tokenizer: join(builtInFolder, 'tokenizer_2'),
      }),
  });
}

async function openFolder(path: string): Promise<FeatureNetwork> {
  const folder = await readWeights(resolve(path));
  if (folder.component.className === 'FidInceptionV3') return inceptionNetwork(path, folder);
  const { pixels, warnings } = await readPixelScale(path);
  const readTexts = (): Promise<ClipTexts> => readClipTexts({ model: path, tokenizer: path });
  return clipNetwork(folder, { source: path, pixels, warnings, readTexts });
}

async function openInceptionFile(path: string): Promise<FeatureNetwork> {
  const file = resolve(path);
  const { tensors } = await readWeightFile(file);
  if (!tensors.has('Conv2d_1a_3x3.conv.weight')) {
    throw complain('MODEL_UNSUPPORTED', {
      where: path,
      expected: 'a safetensors file of the Inception-v3 of FID, or a folder of a CLIP model',
      got: `a file without "Conv2d_1a_3x3.conv.weight"`,
      next: 'docs/metrics.md says how to make the file.',
    });
  }
  const component = parseComponent('FidInceptionV3', {});
  return inceptionNetwork(path, fit({ component, tensors, files: [file] }));
}

/** A component with its weights in place. */
interface OpenedWeights {
  readonly component: Component;
  readonly weights: ReadonlyMap<string, TensorInFile>;
  readonly files: readonly string[];
}

async function readWeights(folder: string): Promise<OpenedWeights> {
  const { className, config, tensors, files } = await readComponent(folder);
  return fit({ component: parseComponent(className, config), tensors, files });
}

function fit({
  component,
  tensors,
  files,
}: {
  readonly component: Component;
  readonly tensors: ReadonlyMap<string, TensorInFile>;
  readonly files: readonly string[];
}): OpenedWeights {
  const { weights, buffers } = componentParameters(component);
  const parameters = new Map([...weights, ...buffers]);
  const match = matchWeights(parameters, tensors, components[component.className].weightName);
  requireMatch(component.className, parameters.size, match);
  return { component, weights: match.matched, files };
}

async function inceptionNetwork(
  source: string,
  { component, weights, files }: OpenedWeights,
): Promise<FeatureNetwork> {
  if (component.className !== 'FidInceptionV3') throw notVision(source, component.className);
  const { config } = component;
  return {
    kind: 'inception',
    source,
    sha256: await sha256OfFiles(files),
    pictureSize: inceptionPictureSize,
    size: 2048,
    classes: config.classes,
    resize: 'clean',
    weights,
    warnings: [],
    build: (pixels) => {
      const scaled = g.div(g.sub(pixels, 128), 128);
      const { pool, logitsUnbiased } = fidInception(new Scope(), config, scaled);
      return { features: pool, logits: logitsUnbiased };
    },
    readTexts: () => Promise.reject(notVision(source, component.className, 'a CLIP model')),
  };
}

interface PixelScale {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

async function clipNetwork(
  { component, weights, files }: OpenedWeights,
  rest: Pick<FeatureNetwork, 'source' | 'warnings' | 'readTexts'> & { readonly pixels: PixelScale },
): Promise<FeatureNetwork> {
  const { pixels: scale, ...described } = rest;
  const config = visionConfig(component, rest.source);
  return {
    ...described,
    kind: 'clip',
    sha256: await sha256OfFiles(files),
    pictureSize: config.imageSize,
    size: config.projectionDim,
    classes: undefined,
    resize: 'clip',
    weights,
    build: (pixels) => {
      const centred = g.sub(g.mul(pixels, 1 / 255), perChannel(scale.mean));
      const scaled = g.div(centred, perChannel(scale.deviation));
      return { features: clipVisionWithProjection(new Scope(), config, scaled).imageEmbeds };
    },
  };
}

/** [1, 3, 1, 1]. */
function perChannel(values: readonly number[]): Tensor {
  return g.constant({ dtype: 'f32', shape: [1, 3, 1, 1], data: Float32Array.from(values) });
}

function visionConfig(component: Component, source: string): ClipVisionConfig {
  switch (component.className) {
    case 'CLIPModel':
      return component.config.vision;
    case 'CLIPVisionModelWithProjection':
      return component.config;
    default:
      throw notVision(source, component.className);
  }
}

function notVision(
  where: string,
  got: string,
  expected = 'CLIPModel, CLIPVisionModelWithProjection or FidInceptionV3',
): Error {
  const next = 'Give another --features, or leave it out.';
  return complain('MODEL_UNSUPPORTED', { where, expected, got, next });
}

/** Mean and deviation of CLIP's own training (Radford et al. 2021). */
const clipPixels: PixelScale = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711],
};

async function readPixelScale(
  path: string,
): Promise<{ readonly pixels: PixelScale; readonly warnings: readonly string[] }> {
  const file = join(resolve(path), 'preprocessor_config.json');
  if (!(await isFile(file))) {
    const warning = `${path}: no preprocessor_config.json; pixels are scaled as OpenAI's CLIP takes them.`;
    return { pixels: clipPixels, warnings: [warning] };
  }
  const json = await readJson(file);
  const read = (field: string, fallback: readonly number[]): readonly number[] => {
    const value = Object.hasOwn(json, field) ? json[field] : fallback;
    const fits = Array.isArray(value) && value.length === 3 && value.every(Number.isFinite);
    if (fits) return value as number[];
    const got = JSON.stringify(value).slice(0, 80);
    throw complain('CONFIG', { where: `${file}: ${field}`, expected: 'three numbers', got });
  };
  const pixels = {
    mean: read('image_mean', clipPixels.mean),
    deviation: read('image_std', clipPixels.deviation),
  };
  const isUsual = (json.resample ?? 3) === 3 && json.do_center_crop !== false;
  const warning = `${file}: asks for another resize than the rule clip, which is not followed.`;
  return { pixels, warnings: isUsual ? [] : [warning] };
}
