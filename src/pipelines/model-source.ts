/** @file Opens a model: a folder in the diffusers layout, or one safetensors file with the original key names. */
import { basename, join, resolve } from 'node:path';
import { complain } from '../core/errors.js';
import { toFloat32 } from '../core/tensor-data.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import { readBundledClipTokenizer } from '../hub/bundled-tokenizer.js';
import {
  type ComponentReference,
  type JsonObject,
  type ModelFolder,
  readJson,
  readModelFolder,
} from '../hub/local-folder.js';
import { readTensorAt } from '../hub/read-tensor.js';
import { isFile, readSidecarFile } from '../hub/sidecar-file.js';
import { readTokenizerFolder } from '../hub/tokenizer-folder.js';
import { readWeightFile, type WeightFile } from '../hub/weight-file.js';
import { type Checkpoint, readCheckpoint } from '../models/single-file/checkpoint.js';
import type { PredictionType } from '../models/single-file/prediction.js';
import { type Sidecar, sidecarOfJson, sidecarOfYaml } from '../models/single-file/sidecar.js';
import { partOf } from './located-part.js';
import type { ModelPart } from './model-part.js';

export interface OpenModelOptions {
  /** What the UNet predicts, where the files say nothing or something wrong. */
  readonly predictionType?: PredictionType | undefined;
  /**
   * A folder in the diffusers layout whose configurations, scheduler and tokenizers are used with a
   * single file in place of those its shapes suggest. It needs no weights.
   */
  readonly config?: string | undefined;
}

/** A folder, or what was read of a single file in a folder's place. */
export interface ModelSource extends ModelFolder {
  readonly file?: OpenedFile | undefined;
}

interface OpenedFile {
  readonly parts: ReadonlyMap<string, ModelPart>;
  readonly scheduler: JsonObject;
  readonly tokenizer: (name: string) => Promise<ClipTokenizer>;
  readonly warnings: readonly string[];
}

/**
 * Opens `path`. Throws MODEL_NOT_FOUND, MODEL_UNSUPPORTED, CONFIG, WEIGHTS, SAFETENSORS or
 * FILE_READ.
 */
export async function openModel(
  path: string,
  options: OpenModelOptions & { readonly vae?: string | undefined } = {},
): Promise<ModelSource> {
  const whole = resolve(path);
  if (await isFile(whole)) return openFile(whole, options);
  const { config } = options;
  if (config === undefined) return readModelFolder(whole);
  throw complain('USAGE', {
    where: 'config',
    expected: 'a model in a single file beside it',
    got: `the folder ${whole}`,
    next: 'A folder has its own configurations; leave config out.',
  });
}

/** model_index.json's warnings, if any, and those of the file. */
export function sourceWarnings({ file }: ModelSource): readonly string[] {
  return file?.warnings ?? [];
}

/** The tokenizer `name` of a model. Throws MODEL_NOT_FOUND, TOKENIZER or FILE_READ. */
export function readTokenizer(source: ModelSource, name: string): Promise<ClipTokenizer> {
  return source.file?.tokenizer(name) ?? readTokenizerFolder(join(source.path, name));
}

/** The scheduler's configuration and where it lies. Throws CONFIG or FILE_READ. */
export async function readSchedulerConfig(
  { path, file }: ModelSource,
  predictionType?: PredictionType,
): Promise<{ where: string; config: JsonObject }> {
  if (file) return { where: path, config: file.scheduler };
  const where = join(path, 'scheduler', 'scheduler_config.json');
  const config = await readJson(where);
  return {
    where,
    config: predictionType ? { ...config, prediction_type: predictionType } : config,
  };
}

async function openFile(
  path: string,
  options: OpenModelOptions & { readonly vae?: string | undefined },
): Promise<ModelSource> {
  const stored = await readWeightFile(path);
  const configs = options.config === undefined ? undefined : await readConfigs(options.config);
  const checkpoint = readCheckpoint(
    {
      path,
      tensors: stored.tensors,
      metadata: stored.metadata,
      globalStep: await readGlobalStep(stored),
      sidecar: await readSidecar(path),
    },
    {
      predictionType: options.predictionType,
      configs: configs?.byName,
      withoutVae: options.vae !== undefined,
    },
  );
  return sourceOf(path, checkpoint, stored, configs?.folder);
}

function sourceOf(
  path: string,
  checkpoint: Checkpoint,
  { tensors }: WeightFile,
  config: ModelFolder | undefined,
): ModelSource {
  const { components, tokenizers, scheduler, warnings } = checkpoint;
  const parts = new Map(components.map((located) => [located.name, partOf(located, tensors)]));
  const references = components.map(({ name, component }): [string, ComponentReference] => [
    name,
    { name, library: 'diffusers', className: component.className },
  ]);
  const className = config?.className ?? checkpoint.className;
  const index = config?.index ?? { _class_name: className, ...checkpoint.options };
  const tokenizer = (name: string): Promise<ClipTokenizer> => {
    if (config) return readTokenizerFolder(join(config.path, name));
    const known = tokenizers.find((row) => row.name === name);
    return readBundledClipTokenizer(known?.padToken ?? '<|endoftext|>');
  };
  const file = { parts, scheduler, tokenizer, warnings };
  return { path, className, components: new Map(references), index, file };
}

/** Configurations of a folder in the diffusers layout, by component. */
async function readConfigs(
  path: string,
): Promise<{ folder: ModelFolder; byName: Record<string, JsonObject> }> {
  const folder = await readModelFolder(path);
  const byName: Record<string, JsonObject> = {};
  for (const name of folder.components.keys()) {
    const place = join(folder.path, name);
    const files = [join(place, 'config.json'), join(place, `${name}_config.json`)];
    for (const file of files) if (await isFile(file)) byName[name] = await readJson(file);
  }
  return { folder, byName };
}

async function readSidecar(path: string): Promise<Sidecar | undefined> {
  const file = await readSidecarFile(path);
  if (!file) return undefined;
  const name = basename(file.path);
  return file.kind === 'json'
    ? sidecarOfJson(name, file.content)
    : sidecarOfYaml(name, file.content);
}

/** A trainer's step counter, of any dtype. */
async function readGlobalStep({ tensors }: WeightFile): Promise<number | undefined> {
  const tensor = tensors.get('global_step');
  if (!tensor || tensor.shape.some((size) => size !== 1)) return undefined;
  return toFloat32(await readTensorAt(tensor))[0];
}
