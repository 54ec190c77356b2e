/** @file Model families as data: what the pipeline class in model_index.json says, and nothing else does. */
import type { JsonObject } from '../hub/local-folder.js';

/** What is drawn from: words alone, a picture too, or a picture with a mask. */
export type Task = 'text' | 'image' | 'inpaint';

/** A text encoder of a family. */
export interface TowerSpec {
  /** Folder names. */
  readonly encoder: string;
  readonly tokenizer: string;
  readonly className: 'CLIPTextModel' | 'CLIPTextModelWithProjection';
  /** Folders without it are read too. */
  readonly isOptional?: boolean;
}

/** diffusers' defaults of one task. */
export interface TaskDefaults {
  /** The family's where it is not said. */
  readonly steps?: number;
  readonly guidanceScale: number;
  /** How much of the picture is drawn anew, 0 to 1. */
  readonly strength: number;
}

/** Latent spaces whose colours are known. */
export type LatentSpace = 'sd1' | 'sdxl' | 'sd3';

export interface Family {
  /** In the order their states are joined. */
  readonly towers: readonly TowerSpec[];
  /** Which CLIP states guide the denoiser: after the last layer and its norm, or before the last layer. */
  readonly textStates: 'last' | 'penultimate';
  /** A T5 encoder after the CLIP towers; a folder without it is read too, as zeros. */
  readonly t5?: { readonly encoder: string; readonly tokenizer: string };
  /** Folder of a LatentDraft over the pooled text, which the denoiser sees beside the latents. */
  readonly draft?: string;
  readonly denoiser: {
    readonly folder: string;
    readonly className: 'UNet2DConditionModel' | 'SD3Transformer2DModel';
  };
  /** How a decoder's latents become the denoiser's: times the factor, with statistics where given, or shifted. */
  readonly latentScaling: 'factor' | 'statistics' | 'shift';
  readonly latentSpace: LatentSpace;
  /** Strength shortens the schedule instead of the number of steps, as LCM pipelines do. */
  readonly spreadsStrength?: boolean;
  readonly steps: number;
  readonly defaults: Readonly<Record<Task, TaskDefaults>>;
  /** Which way a strength that asks for part of a step goes. */
  readonly strengthRounding: 'fewer-steps' | 'more-steps';
  /** diffusers' own corrections of old scheduler files. */
  readonly schedulerFixes: JsonObject;
}

const unet = { folder: 'unet', className: 'UNet2DConditionModel' } as const;

const stableDiffusion: Family = {
  towers: [{ encoder: 'text_encoder', tokenizer: 'tokenizer', className: 'CLIPTextModel' }],
  textStates: 'last',
  denoiser: unet,
  latentScaling: 'factor',
  latentSpace: 'sd1',
  steps: 50,
  defaults: {
    text: { guidanceScale: 7.5, strength: 1 },
    image: { guidanceScale: 7.5, strength: 0.8 },
    inpaint: { guidanceScale: 7.5, strength: 1 },
  },
  strengthRounding: 'fewer-steps',
  schedulerFixes: { steps_offset: 1, clip_sample: false },
};

const stableDiffusionXl: Family = {
  towers: [
    {
      encoder: 'text_encoder',
      tokenizer: 'tokenizer',
      className: 'CLIPTextModel',
      isOptional: true,
    },
    {
      encoder: 'text_encoder_2',
      tokenizer: 'tokenizer_2',
      className: 'CLIPTextModelWithProjection',
    },
  ],
  textStates: 'penultimate',
  denoiser: unet,
  latentScaling: 'statistics',
  latentSpace: 'sdxl',
  steps: 50,
  defaults: {
    text: { guidanceScale: 5, strength: 1 },
    image: { guidanceScale: 5, strength: 0.3 },
    inpaint: { guidanceScale: 7.5, strength: 0.9999 },
  },
  strengthRounding: 'fewer-steps',
  schedulerFixes: {},
};

const projectedClip = 'CLIPTextModelWithProjection';

const stableDiffusion3: Family = {
  towers: [
    { encoder: 'text_encoder', tokenizer: 'tokenizer', className: projectedClip },
    { encoder: 'text_encoder_2', tokenizer: 'tokenizer_2', className: projectedClip },
  ],
  textStates: 'penultimate',
  t5: { encoder: 'text_encoder_3', tokenizer: 'tokenizer_3' },
  denoiser: { folder: 'transformer', className: 'SD3Transformer2DModel' },
  latentScaling: 'shift',
  latentSpace: 'sd3',
  steps: 28,
  defaults: {
    text: { guidanceScale: 7, strength: 1 },
    image: { guidanceScale: 7, strength: 0.6, steps: 50 },
    inpaint: { guidanceScale: 7, strength: 0.6, steps: 50 },
  },
  strengthRounding: 'more-steps',
  schedulerFixes: {},
};

const latentConsistency: Family = {
  ...stableDiffusion,
  spreadsStrength: true,
  steps: 4,
  defaults: {
    text: { guidanceScale: 8.5, strength: 1 },
    image: { guidanceScale: 8.5, strength: 0.8 },
    inpaint: { guidanceScale: 8.5, strength: 1 },
  },
  schedulerFixes: {},
};

/** By the pipeline class that saved the folder; the task is the caller's choice. The one with a draft is Maliang's own. */
export const families: Readonly<Record<string, Family>> = {
  StableDiffusionPipeline: stableDiffusion,
  StableDiffusionImg2ImgPipeline: stableDiffusion,
  StableDiffusionInpaintPipeline: {
    ...stableDiffusion,
    schedulerFixes: { steps_offset: 1, skip_prk_steps: true },
  },
  StableDiffusionXLPipeline: stableDiffusionXl,
  StableDiffusionXLImg2ImgPipeline: stableDiffusionXl,
  StableDiffusionXLInpaintPipeline: stableDiffusionXl,
  StableDiffusionXLDraftPipeline: { ...stableDiffusionXl, draft: 'draft' },
  StableDiffusion3Pipeline: stableDiffusion3,
  StableDiffusion3Img2ImgPipeline: stableDiffusion3,
  StableDiffusion3InpaintPipeline: stableDiffusion3,
  LatentConsistencyModelPipeline: latentConsistency,
  LatentConsistencyModelImg2ImgPipeline: latentConsistency,
};
