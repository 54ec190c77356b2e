/** @file Puts trained components together as one model folder in the diffusers layout, weights in f16. */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { numberToF16, type TensorData } from '../core/tensor-data.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import type { JsonObject } from '../hub/local-folder.js';
import { type Library, writeComponentTensors } from '../hub/write-folder.js';
import { loadComponent } from './component-weights.js';

export interface ModelParts {
  /** Component folders of the runs. */
  readonly autoencoder: string;
  readonly clip: string;
  /** Model folder of a draft run: its text tower takes the place of that of `clip`. */
  readonly draft: string;
  readonly generator: string;
  readonly tokenizer: string;
  /** The sampler's configuration, with `_class_name`. */
  readonly scheduler: JsonObject;
  /** What a picture is drawn with when nothing else is asked for. */
  readonly defaults: { readonly steps: number; readonly guidanceScale: number };
}

const diffusersVersion = '0.42.1';
const tokenizerFiles = [
  'vocab.json',
  'merges.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
] as const;

function halved(weights: ReadonlyMap<string, TensorData>): Map<string, TensorData> {
  const result = new Map<string, TensorData>();
  for (const [name, { shape, data }] of weights) {
    const bits = Uint16Array.from(data as Float32Array, numberToF16);
    result.set(name, { dtype: 'f16', shape, data: bits });
  }
  return result;
}

function pick(
  weights: ReadonlyMap<string, TensorData>,
  prefixes: readonly string[],
): Map<string, TensorData> {
  const wanted = [...weights].filter(([name]) =>
    prefixes.some((prefix) => name.startsWith(prefix)),
  );
  return new Map(wanted);
}

async function writeHalf(
  folder: string,
  library: Library,
  className: string,
  config: JsonObject,
  weights: ReadonlyMap<string, TensorData>,
): Promise<void> {
  const { _class_name, architectures, ...fields } = config;
  await writeComponentTensors(folder, { library, className, config: fields }, halved(weights));
}

/**
 * Writes an SDXL-shaped folder with one text tower and a draft: diffusers and transformers open its
 * parts, but no pipeline of theirs knows the draft. The vision tower lies beside it in `judge`, for
 * scoring.
 */
export async function assembleModel(folder: string, parts: ModelParts): Promise<void> {
  const { scheduler, defaults } = parts;
  const clip = await loadComponent(parts.clip);
  const { vision_config: vision } = clip.config as { vision_config: JsonObject };
  const towers = [
    ['text_encoder_2', await loadComponent(join(parts.draft, 'text_encoder'))],
    ['draft', await loadComponent(join(parts.draft, 'draft'))],
  ] as const;
  for (const [name, { className, config, weights }] of towers) {
    const library = name === 'draft' ? 'diffusers' : 'transformers';
    await writeHalf(join(folder, name), library, className, config, weights);
  }
  await writeHalf(
    join(folder, 'judge'),
    'transformers',
    'CLIPVisionModelWithProjection',
    { model_type: 'clip_vision_model', ...vision },
    pick(clip.weights, ['vision_model.', 'visual_projection.']),
  );
  const autoencoder = await loadComponent(parts.autoencoder);
  await writeHalf(
    join(folder, 'vae'),
    'diffusers',
    'AutoencoderTiny',
    autoencoder.config,
    autoencoder.weights,
  );
  const generator = await loadComponent(parts.generator);
  const { className } = generator;
  await writeHalf(
    join(folder, 'unet'),
    'diffusers',
    className,
    generator.config,
    generator.weights,
  );
  await mkdir(join(folder, 'tokenizer_2'), { recursive: true });
  for (const name of tokenizerFiles) {
    await copyFile(join(parts.tokenizer, name), join(folder, 'tokenizer_2', name));
  }
  await writeJson(join(folder, 'scheduler', 'scheduler_config.json'), scheduler);
  await writeJson(join(folder, 'model_index.json'), {
    _class_name: 'StableDiffusionXLDraftPipeline',
    _diffusers_version: diffusersVersion,
    _maliang: { steps: defaults.steps, guidance_scale: defaults.guidanceScale },
    force_zeros_for_empty_prompt: false,
    text_encoder: [null, null],
    text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
    tokenizer: [null, null],
    tokenizer_2: ['transformers', 'CLIPTokenizer'],
    draft: ['maliang', 'LatentDraft'],
    unet: ['diffusers', className],
    vae: ['diffusers', 'AutoencoderTiny'],
    scheduler: ['diffusers', String(scheduler._class_name)],
  });
  await writeChecksums(folder);
}

const weightFiles = [
  'draft/diffusion_pytorch_model.safetensors',
  'judge/model.safetensors',
  'text_encoder_2/model.safetensors',
  'unet/diffusion_pytorch_model.safetensors',
  'vae/diffusion_pytorch_model.safetensors',
] as const;

/** `SHA256SUMS`, which `maliang doctor` compares the weights with. */
async function writeChecksums(folder: string): Promise<void> {
  const lines = weightFiles.map(async (name) => {
    const digest = createHash('sha256').update(await readFile(join(folder, name)));
    return `${digest.digest('hex')}  ${name}\n`;
  });
  await writeFileAtomically(join(folder, 'SHA256SUMS'), (await Promise.all(lines)).join(''));
}

function writeJson(path: string, value: JsonObject): Promise<void> {
  return writeFileAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}
