/** @file A drawn pictogram set of twelve concepts and configurations small enough to train in seconds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPictograms } from '../../src/data/pictogram-builder.js';
import type { PictogramSources, SourceConcept } from '../../src/data/pictogram-sources.js';
import { pictogramStyles } from '../../src/data/styles.js';
import { trainTokenizer } from '../../src/train/tokenizer.js';

const labels =
  'red apple,banana,lemon,key,hammer,dog face,cat face,bell,pear,carrot,star,crab'.split(',');
const shapes = [
  '<circle cx="4" cy="4" r="3"/>',
  '<rect x="1" y="1" width="3" height="6"/>',
  '<path d="M1 7 4 1 7 7Z"/>',
  '<path d="M0 4h8v1H0z"/>',
];

function tinySources(): PictogramSources {
  const concepts = labels.map((label, at): SourceConcept => {
    const drawing = (style: number) => ({
      body: `<g transform="rotate(${at * 11} 4 4)" fill="hsl(${at * 30} 90% ${30 + style * 12}%)">${shapes[(at + style) % 4]}</g>`,
      left: 0,
      top: 0,
      width: 8,
      height: 8,
    });
    return {
      hexcode: `F${at}`,
      group: 'objects',
      subgroup: 'tool',
      en: { label, tags: ['thing'] },
      zh: { label: `词${label}`, tags: ['东西'] },
      drawings: Object.fromEntries(pictogramStyles.map((style, s) => [style, drawing(s)])),
    };
  });
  return {
    concepts,
    packages: [{ name: 'tiny', version: '1.0.0', licence: 'MIT', credit: 'this test' }],
  };
}

/** A temporary folder with `pictograms` and `tokenizer` inside. */
export class TinySet implements Disposable {
  readonly folder: string;
  readonly data: string;
  readonly tokenizer: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.data = join(folder, 'pictograms');
    this.tokenizer = join(folder, 'tokenizer');
  }

  static async create(): Promise<TinySet> {
    const set = new TinySet(mkdtempSync(join(tmpdir(), 'maliang-train-')));
    await buildPictograms({ folder: set.data, sources: tinySources() });
    await trainTokenizer(labels, set.tokenizer, { vocabSize: tinyVocab, maxLength: tinyTokens });
    return set;
  }

  /** A path inside the folder. */
  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** 256 bytes, as many with end-of-word mark, BOS and EOS, and a few merges. */
export const tinyVocab = 516;
export const tinyTokens = 12;

/** What every tiny run shares. */
const quick = {
  learning_rate: 3e-3,
  warmup_steps: 2,
  decay_share: 0,
  beta2: 0.95,
  average_decay: 0.9,
  seed: 5,
  checkpoint_minutes: 60,
  sample_every_steps: 0,
  threads: 1,
};

export const tinyAutoencoder = ({ data }: TinySet) => ({
  ...quick,
  data,
  model: {
    _class_name: 'AutoencoderTiny',
    latent_channels: 4,
    encoder_block_out_channels: [8, 8, 8, 8],
    decoder_block_out_channels: [8, 8, 8, 8],
    num_encoder_blocks: [0, 0, 0, 1],
    num_decoder_blocks: [1, 0, 0, 0],
  },
  crop_size: 32,
  latent_noise: 0.1,
  steps: 6,
  batch_size: 4,
});

const tower = {
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  hidden_act: 'gelu',
};

export const tinyClip = ({ data, tokenizer }: TinySet) => ({
  ...quick,
  data,
  tokenizer,
  model: {
    _class_name: 'CLIPModel',
    projection_dim: 12,
    text_config: {
      ...tower,
      vocab_size: tinyVocab,
      max_position_embeddings: tinyTokens,
      bos_token_id: tinyVocab - 2,
      eos_token_id: tinyVocab - 1,
    },
    vision_config: { ...tower, image_size: 64, patch_size: 32 },
  },
  scene_share: 0,
  steps: 6,
  batch_size: 8,
});

const unet = {
  _class_name: 'UNet2DConditionModel',
  sample_size: 8,
  in_channels: 4,
  out_channels: 4,
  block_out_channels: [8, 16],
  layers_per_block: 1,
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D'],
  up_block_types: ['CrossAttnUpBlock2D', 'UpBlock2D'],
  cross_attention_dim: 16,
  attention_head_dim: [1, 2],
  norm_num_groups: 4,
  addition_embed_type: 'text_time',
  addition_time_embed_dim: 4,
  projection_class_embeddings_input_dim: 36,
};

const sd3 = {
  _class_name: 'SD3Transformer2DModel',
  sample_size: 8,
  in_channels: 4,
  out_channels: 4,
  num_layers: 2,
  attention_head_dim: 8,
  num_attention_heads: 2,
  joint_attention_dim: 16,
  caption_projection_dim: 16,
  pooled_projection_dim: 12,
  pos_embed_max_size: 4,
  qk_norm: 'rms_norm',
};

/** Sees the draft beside the latents. */
const drafted = { ...unet, in_channels: 8 };

export const tinyGenerators = { unet, sd3, drafted };

/** What runs over a pool share. */
const tinyPool = (set: TinySet) => ({
  ...quick,
  data: set.data,
  autoencoder: set.path('autoencoder', 'model'),
  clip: set.path('clip', 'model'),
  tokenizer: set.tokenizer,
  pool: set.path('pool'),
  pool_size: 40,
  scene_share: 0,
  picture_size: 64,
  steps: 6,
  batch_size: 8,
  micro_batch: 4,
});

export const tinyDraft = (set: TinySet) => ({
  ...tinyPool(set),
  model: {
    _class_name: 'LatentDraft',
    input_size: 12,
    hidden_size: 16,
    block_out_channels: [8, 8],
    out_channels: 4,
    sample_size: 8,
  },
  tokens: tinyTokens,
});

export const tinyDiffusion = (set: TinySet, generator: keyof typeof tinyGenerators = 'unet') => ({
  ...tinyPool(set),
  ...(generator === 'drafted' ? { draft: set.path('draft', 'model') } : {}),
  scheduler: {
    _class_name: 'DDIMScheduler',
    beta_schedule: 'squaredcos_cap_v2',
    prediction_type: 'v_prediction',
    timestep_spacing: 'trailing',
    clip_sample: false,
  },
  model: tinyGenerators[generator],
});
