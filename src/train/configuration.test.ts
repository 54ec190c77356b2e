/** @file What is said of configuration files: every mistake names its field; the recipes are sound. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { MaliangError } from '../core/errors.js';
import {
  readAutoencoderTraining,
  readClipTraining,
  readDiffusionFiles,
  readDiffusionTraining,
  readDraftFiles,
  readDraftTraining,
} from './configuration.js';

type Json = Readonly<Record<string, unknown>>;
const recipe = (name: string): Json => {
  const file = new URL(`../../assets/recipe/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Json;
};
const autoencoder = recipe('autoencoder');
const clip = recipe('clip');
const draft = recipe('draft');
const diffusion = recipe('diffusion');

function complaint(read: (json: unknown) => unknown, json: unknown): string {
  try {
    read(json);
  } catch (error) {
    if (error instanceof MaliangError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'read';
}
const within = (json: Json, block: string, fields: Json): Json => ({
  ...json,
  [block]: { ...(json[block] as Json), ...fields },
});
const without = (json: Json, field: string): Json =>
  Object.fromEntries(Object.entries(json).filter(([name]) => name !== field));

it('reads the recipes', () => {
  expect(readAutoencoderTraining(autoencoder)).toMatchObject({
    cropSize: 64,
    run: { microBatch: 32, threads: undefined },
  });
  expect(readClipTraining(clip)).toMatchObject({ pictureSize: 128, run: { batchSize: 128 } });
  expect(readDiffusionTraining(diffusion)).toMatchObject({
    pictureSize: 128,
    generator: { className: 'UNet2DConditionModel' },
    scheduler: { predictionType: 'v_prediction' },
  });
  expect(readDraftTraining(draft)).toMatchObject({ pictureSize: 128, model: { sampleSize: 16 } });
  expect(readDiffusionFiles(diffusion)).toMatchObject({ draft: 'runs/builtin/draft/model' });
  // The denoiser learns from drafts of captions the draft has not seen.
  expect(readDraftFiles(draft).pool).not.toBe(readDiffusionFiles(diffusion).pool);
  expect(draft.seed).not.toBe(diffusion.seed);
});

it('takes either optimiser for every objective, AdamW when none is named', () => {
  for (const [read, json] of [
    [readAutoencoderTraining, autoencoder],
    [readClipTraining, clip],
    [readDraftTraining, draft],
    [readDiffusionTraining, diffusion],
  ] as const) {
    const { optimizer: _, ...plain } = json as Json;
    const named = (fields: Json): string => read({ ...plain, ...fields }).run.optimizer.name;
    expect([named({}), named({ optimizer: 'adamw' }), named({ optimizer: 'muon' })]).toEqual([
      'adamw',
      'adamw',
      'muon',
    ]);
  }
});

it('names the field of settings every run has', () => {
  const rows: Json[] = [
    { steps: 0 },
    { steps: '10' },
    { batch_size: 1.5 },
    { batch_size: 32, micro_batch: 5 },
    { learning_rate: -1 },
    { decay_share: 2 },
    { optimizer: 'sgd' },
    { optimizer: ['muon'] },
    { beta1: 1 },
    { clip_norm: 0 },
    { average_decay: null, eps: 'small' },
    { seed: -1 },
    { threads: 0 },
    { checkpoint_minutes: 'often' },
    { data: '' },
    { data: 7 },
    { learning_rat: 1e-3 },
  ];
  const messages = rows.map((fields) =>
    complaint(readAutoencoderTraining, { ...autoencoder, ...fields }),
  );
  expect(messages).toMatchInlineSnapshot(`
    [
      "CONFIG training configuration: expected steps a whole number from 1 to 1000000000, got 0. Correct the field the message names.",
      "CONFIG training configuration: expected steps a whole number from 1 to 1000000000, got "10". Correct the field the message names.",
      "CONFIG training configuration: expected batch_size a whole number from 1 to 1000000, got 1.5. Correct the field the message names.",
      "CONFIG training: micro_batch: expected a divisor of batch_size 32, got 5. Correct the field the message names.",
      "CONFIG training configuration: expected learning_rate a number of at least 0, got -1. Correct the field the message names.",
      "CONFIG training configuration: expected decay_share a number from 0 to 1, got 2. Correct the field the message names.",
      "CONFIG training configuration: expected optimizer "adamw" or "muon", got "sgd". Correct the field the message names.",
      "CONFIG training configuration: expected optimizer "adamw" or "muon", got ["muon"]. Correct the field the message names.",
      "CONFIG training configuration: expected beta1 a number from 0 to 0.9999, got 1. Correct the field the message names.",
      "CONFIG training configuration: expected clip_norm a number of at least 1e-9, got 0. Correct the field the message names.",
      "CONFIG training configuration: expected eps a number of at least 0, got "small". Correct the field the message names.",
      "CONFIG training configuration: expected seed a whole number from 0 to 4294967295, got -1. Correct the field the message names.",
      "CONFIG training configuration: expected threads a whole number from 1 to 256, got 0. Correct the field the message names.",
      "CONFIG training configuration: expected checkpoint_minutes a number of at least 0, got "often". Correct the field the message names.",
      "CONFIG training configuration: expected data a path, got "". Correct the field the message names.",
      "CONFIG training configuration: expected data a path, got 7. Correct the field the message names.",
      "CONFIG training configuration: expected fields of average_decay, batch_size, beta1, beta2, checkpoint_minutes, clip_norm, crop_size, data, decay_share, eps, latent_noise, learning_rate, micro_batch, model, optimizer, sample_every_steps, seed, start_from, steps, threads, warmup_steps, weight_decay, got "learning_rat". Check the spelling, or remove the field if it changes nothing.",
    ]
  `);
});

it('names the field of each objective', () => {
  const rows: [(json: unknown) => unknown, unknown][] = [
    [readAutoencoderTraining, []],
    [readAutoencoderTraining, null],
    [readAutoencoderTraining, { ...autoencoder, crop_size: 60 }],
    [readAutoencoderTraining, { ...autoencoder, latent_noise: -0.1 }],
    [readAutoencoderTraining, without(autoencoder, 'model')],
    [readAutoencoderTraining, { ...autoencoder, model: diffusion.model }],
    [readAutoencoderTraining, within(autoencoder, 'model', { latent_channels: 0 })],
    [readClipTraining, { ...clip, micro_batch: 32 }],
    [readClipTraining, { ...clip, scene_share: 1.5 }],
    [readClipTraining, without(clip, 'tokenizer')],
    [readClipTraining, within(clip, 'model', { vision_config: { image_size: 96 } })],
    [readClipTraining, within(clip, 'model', { projection_dims: 4 })],
    [readDraftTraining, { ...draft, tokens: 2 }],
    [readDraftTraining, { ...draft, contrast: -1 }],
    [readDraftTraining, { ...draft, model: diffusion.model }],
    [readDraftTraining, within(draft, 'model', { sample_size: 15 })],
    [readDraftTraining, { ...draft, start_from: 'runs/builtin/draft/model' }],
    [readDraftTraining, { ...draft, logit_mean: 1 }],
    [readDraftFiles, { ...draft, augment: 'no' }],
    [readDiffusionFiles, { ...diffusion, draft: 3 }],
    [readDiffusionTraining, { ...diffusion, picture_size: 100 }],
    [readDiffusionTraining, { ...diffusion, caption_dropout: -1 }],
    [readDiffusionTraining, without(diffusion, 'model')],
    [readDiffusionTraining, { ...diffusion, model: autoencoder.model }],
    [readDiffusionTraining, within(diffusion, 'model', { block_out_channels: [64, 100, 256] })],
    [readDiffusionTraining, without(diffusion, 'scheduler')],
    [readDiffusionTraining, { ...diffusion, scheduler: 'ddim' }],
    [readDiffusionTraining, within(diffusion, 'scheduler', { prediction_type: 'epsilon' })],
    [readDiffusionTraining, within(diffusion, 'scheduler', { beta_schedule: 'wavy' })],
    [readDiffusionTraining, within(diffusion, 'scheduler', { beta_shedule: 'linear' })],
    [readDiffusionTraining, { ...diffusion, pool_sise: 4 }],
    [readDiffusionFiles, without(diffusion, 'clip')],
    [readDiffusionFiles, { ...diffusion, pool_size: 0 }],
  ];
  expect(rows.map(([read, json]) => complaint(read, json))).toMatchInlineSnapshot(`
    [
      "CONFIG training configuration: expected a JSON object, got []. Correct the field the message names.",
      "CONFIG training configuration: expected a JSON object, got null. Correct the field the message names.",
      "CONFIG training configuration: expected crop_size a multiple of 8, the pixels a latent spans, got 60. Correct the field the message names.",
      "CONFIG training configuration: expected latent_noise a number of at least 0, got -0.1. Correct the field the message names.",
      "CONFIG training configuration: expected model an object, got nothing. Correct the field the message names.",
      "CONFIG training configuration: expected model._class_name AutoencoderTiny, got "UNet2DConditionModel". Correct the field the message names.",
      "CONFIG AutoencoderTiny: expected latent_channels a whole number from 1 to 1000000, got 0. Correct the field the message names.",
      "CONFIG training configuration: expected micro_batch equal to batch_size: all pairs are compared, got 32. Correct the field the message names.",
      "CONFIG training configuration: expected scene_share a number from 0 to 1, got 1.5. Correct the field the message names.",
      "CONFIG training configuration: expected tokenizer a path, got nothing. Correct the field the message names.",
      "CONFIG training configuration: expected model.vision_config.image_size 64 or 128, the sizes pictograms are drawn in, got 96. Correct the field the message names.",
      "CONFIG CLIPModel: expected fields of add_cross_attention, architectures, attention_dropout, bad_words_ids, begin_suppress_tokens, bos_token_id, chunk_size_feed_forward, cross_attention_hidden_size, decoder_start_token_id, diversity_penalty, do_sample, dropout, dtype, early_stopping, encoder_no_repeat_ngram_size, eos_token_id, exponential_decay_length_penalty, finetuning_task, forced_bos_token_id, forced_eos_token_id, gradient_checkpointing, id2label, initializer_factor, initializer_range, is_decoder, is_encoder_decoder, label2id, length_penalty, logit_scale_init_value, max_length, min_length, model_type, no_repeat_ngram_size, num_beam_groups, num_beams, num_return_sequences, output_attentions, output_hidden_states, output_scores, pad_token_id, prefix, problem_type, projection_dim, pruned_heads, remove_invalid_values, repetition_penalty, return_dict, return_dict_in_generate, sep_token_id, suppress_tokens, task_specific_params, temperature, text_config, text_config_dict, tf_legacy_loss, tie_encoder_decoder, tie_word_embeddings, tokenizer_class, top_k, top_p, torch_dtype, torchscript, transformers_version, typical_p, use_bfloat16, use_cache, vision_config, vision_config_dict, got "projection_dims". Check the spelling, or remove the field if it changes nothing.",
      "CONFIG training configuration: expected tokens a whole number from 3 to 1000000, got 2. Correct the field the message names.",
      "CONFIG training configuration: expected contrast a number of at least 0, got -1. Correct the field the message names.",
      "CONFIG training configuration: expected model._class_name LatentDraft, got "UNet2DConditionModel". Correct the field the message names.",
      "CONFIG LatentDraft: expected sample_size a multiple of 4, got 15. Correct the field the message names.",
      "CONFIG training configuration: expected no start_from: a draft begins with the tower of \`clip\`, got "runs/builtin/draft/model". Correct the field the message names.",
      "CONFIG training configuration: expected fields of augment, autoencoder, average_decay, batch_size, beta1, beta2, caption_dropout, checkpoint_minutes, clip, clip_norm, contrast, data, decay_share, eps, learning_rate, micro_batch, model, optimizer, picture_size, pool, pool_size, sample_every_steps, scene_share, seed, start_from, steps, threads, tokenizer, tokens, warmup_steps, weight_decay, got "logit_mean". Check the spelling, or remove the field if it changes nothing.",
      "CONFIG training configuration: expected augment true or false, got "no". Correct the field the message names.",
      "CONFIG training configuration: expected draft a path, got 3. Correct the field the message names.",
      "CONFIG training configuration: expected picture_size 64 or 128, the sizes pictograms are drawn in, got 100. Correct the field the message names.",
      "CONFIG training configuration: expected caption_dropout a number from 0 to 1, got -1. Correct the field the message names.",
      "MODEL_UNSUPPORTED training: model._class_name: expected UNet2DConditionModel or SD3Transformer2DModel, got nothing. Set \`_class_name\` in the \`model\` block of the configuration.",
      "MODEL_UNSUPPORTED training: model._class_name: expected UNet2DConditionModel or SD3Transformer2DModel, got "AutoencoderTiny". Set \`_class_name\` in the \`model\` block of the configuration.",
      "CONFIG UNet2DConditionModel: expected block_out_channels divisible by norm_num_groups 16, got [64,100,256]. Correct the field the message names.",
      "CONFIG training configuration: expected scheduler.prediction_type "v_prediction", got "epsilon". Correct the field the message names.",
      "CONFIG training configuration: expected scheduler an object, got "ddim". Correct the field the message names.",
      "CONFIG training configuration: expected scheduler.prediction_type "v_prediction", got "epsilon". Correct the field the message names.",
      "CONFIG training: scheduler: expected beta_schedule to be one of linear, scaled_linear, squaredcos_cap_v2, got "wavy". Correct the field the message names.",
      "CONFIG training configuration: expected scheduler without fields that have no effect, got "training: scheduler: beta_shedule has no effect here and is ignored.". Correct the field the message names.",
      "CONFIG training configuration: expected fields of augment, autoencoder, average_decay, batch_size, beta1, beta2, caption_dropout, checkpoint_minutes, clip, clip_norm, data, decay_share, draft, eps, learning_rate, logit_mean, micro_batch, model, optimizer, picture_size, pool, pool_size, sample_every_steps, scene_share, scheduler, seed, start_from, steps, threads, tokenizer, warmup_steps, weight_decay, got "pool_sise". Check the spelling, or remove the field if it changes nothing.",
      "CONFIG training configuration: expected clip a path, got nothing. Correct the field the message names.",
      "CONFIG training configuration: expected pool_size a whole number from 1 to 1000000, got 0. Correct the field the message names.",
    ]
  `);
});
