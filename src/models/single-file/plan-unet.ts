/** @file Checkpoints around a UNet: SD 1, SD 2, SDXL and its refiner, with their inpainting and LCM forms. */
import type { ConfigJson } from '../config-reader.js';
import type { Component } from '../registry.js';
import type { ComponentSketch } from './component.js';
import { type Origin, type StoredShapes, whole } from './origin.js';
import {
  type CheckpointFacts,
  type CheckpointOverrides,
  decide,
  type FamilyName,
  type Plan,
  unetPrefix,
  unsupported,
} from './plan.js';
import { planText } from './plan-text.js';
import type { Prediction } from './prediction.js';
import { publishedSchedules } from './schedules.js';
import { originalUnetLayer, type UnetFacts } from './unet-layout.js';
import { vaeSketches } from './vae-sketch.js';

export function planUnet(
  facts: CheckpointFacts,
  overrides: CheckpointOverrides,
  unet: UnetFacts,
): Plan {
  const { path, tensors } = facts;
  const kind = inputKind(path, tensors, unet);
  const text = planText(facts, unet);
  const { family } = text;
  const isXl = family === 'sdxl' || family === 'sdxl-refiner';
  const pooled = text.sketches.at(-1)?.config.projection_dim;
  const isLcm = unet.config.time_cond_proj_dim !== undefined;
  const prediction = decide(facts, overrides, {
    isAmbiguous: family === 'sd2',
    isInpainting: kind === 'inpainting',
  });
  const config: ConfigJson = {
    ...unet.config,
    sample_size: sampleSize(facts, family, prediction),
    ...(isXl ? additionFields(unet.labelSize, pooled as number, family) : {}),
  };
  return {
    family,
    className: pipelineClass(family, kind, isLcm),
    options: isXl ? xlOptions(family) : {},
    sketches: [
      ...text.sketches,
      unetSketch(config),
      ...vaeSketches(facts, overrides, { scaling_factor: isXl ? 0.13025 : 0.18215 }),
    ],
    tokenizers: text.tokenizers,
    scheduler: isLcm
      ? publishedSchedules.lcm
      : publishedSchedules[isXl ? 'sdxl' : (family as 'sd1')],
    prediction,
  };
}

/** The first convolution tells what is fed beside the latents. */
function inputKind(
  path: string,
  tensors: StoredShapes,
  { inChannels, labelSize }: UnetFacts,
): 'text' | 'inpainting' {
  const isXl = tensors.has('conditioner.embedders.1.model.token_embedding.weight');
  if (inChannels === 4 && labelSize !== undefined && !isXl && !isRefiner(tensors)) {
    throw unsupported(path, 'Stable unCLIP, which reads pictures');
  }
  if (inChannels === 4) return 'text';
  if (inChannels === 9) return 'inpainting';
  const known: Readonly<Record<number, string>> = {
    5: 'a depth-to-image model (5 input channels)',
    7: 'the ×4 upscaler (7 input channels)',
    8: 'InstructPix2Pix or CosXL Edit (8 input channels)',
  };
  throw unsupported(path, known[inChannels] ?? `a UNet with ${inChannels} input channels`);
}

function isRefiner(tensors: StoredShapes): boolean {
  return (
    tensors.has('conditioner.embedders.0.model.token_embedding.weight') &&
    tensors.has(`${unetPrefix}label_emb.0.0.weight`)
  );
}

function unetSketch(config: ConfigJson): ComponentSketch {
  return {
    name: 'unet',
    className: 'UNet2DConditionModel',
    prefix: unetPrefix,
    config,
    origin: unetOrigin,
  };
}

/** Where a parameter of the UNet lies. */
export function unetOrigin(parameter: string, component: Component): Origin {
  if (component.className !== 'UNet2DConditionModel') return whole(parameter);
  const { layersPerBlock, upBlockTypes } = component.config;
  const dot = parameter.lastIndexOf('.');
  const layer = originalUnetLayer(parameter.slice(0, dot), {
    layers: layersPerBlock,
    upAttention: upBlockTypes.map((type) => type === 'CrossAttnUpBlock2D'),
  });
  return whole(layer + parameter.slice(dot));
}

function additionFields(
  labelSize: number | undefined,
  pooled: number,
  family: FamilyName,
): ConfigJson {
  const ids = family === 'sdxl-refiner' ? 5 : 6;
  return {
    addition_embed_type: 'text_time',
    addition_time_embed_dim: ((labelSize ?? 0) - pooled) / ids,
    projection_class_embeddings_input_dim: labelSize ?? null,
  };
}

function xlOptions(family: FamilyName): ConfigJson {
  return family === 'sdxl'
    ? { force_zeros_for_empty_prompt: true }
    : { force_zeros_for_empty_prompt: false, requires_aesthetics_score: true };
}

function pipelineClass(family: FamilyName, kind: 'text' | 'inpainting', isLcm: boolean): string {
  if (family === 'sdxl-refiner') return 'StableDiffusionXLImg2ImgPipeline';
  const root = family === 'sdxl' ? 'StableDiffusionXL' : 'StableDiffusion';
  if (kind === 'inpainting') return `${root}InpaintPipeline`;
  return isLcm && family !== 'sdxl' ? 'LatentConsistencyModelPipeline' : `${root}Pipeline`;
}

/** Side of the latents: what the metadata says, else that of the published model. */
function sampleSize(
  { metadata }: CheckpointFacts,
  family: FamilyName,
  { type }: Prediction,
): number {
  const stated = /^(\d{2,4})x\1$/.exec(metadata.get('modelspec.resolution') ?? '');
  const side = Number(stated?.[1]);
  if (side >= 64 && side % 8 === 0) return side / 8;
  if (family === 'sdxl' || family === 'sdxl-refiner') return 128;
  return family === 'sd2' && type === 'v_prediction' ? 96 : 64;
}
