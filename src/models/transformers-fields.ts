/** @file The fields of a transformers config.json that no model of Maliang looks at, and names its fields take. */
import type { ActivationName } from '../nn/activation.js';

/** Fields transformers writes into every file that change nothing Maliang computes. */
export const bookkeeping = `
  add_cross_attention architectures attention_dropout bad_words_ids begin_suppress_tokens
  bos_token_id chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id
  diversity_penalty do_sample dropout dtype early_stopping encoder_no_repeat_ngram_size
  exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id
  gradient_checkpointing id2label initializer_factor initializer_range is_decoder
  is_encoder_decoder label2id length_penalty max_length min_length model_type
  no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_attentions
  output_hidden_states output_scores pad_token_id prefix problem_type pruned_heads
  remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id
  suppress_tokens task_specific_params temperature tf_legacy_loss tie_encoder_decoder
  tie_word_embeddings tokenizer_class top_k top_p torch_dtype torchscript transformers_version
  typical_p use_bfloat16 use_cache`
  .trim()
  .split(/\s+/);

/** Activations a transformers config.json may name. */
export const activationNames = [
  'quick_gelu',
  'gelu',
  'gelu_new',
  'gelu_pytorch_tanh',
  'relu',
  'silu',
  'swish',
] as const satisfies readonly ActivationName[];
