/** @file The files of a CLIP tokenizer folder, as huggingface/transformers reads them. */
import { complain } from '../core/errors.js';
import type { TrainedBpe } from './bpe-trainer.js';
import { clipMarkers, clipSplitPatterns, endOfWord } from './clip-text.js';

/** Texts by file name; write them side by side. */
export interface ClipTokenizerFolder {
  readonly 'vocab.json': string;
  readonly 'merges.txt': string;
  readonly 'tokenizer.json': string;
  readonly 'tokenizer_config.json': string;
  readonly 'special_tokens_map.json': string;
}

/**
 * Writes a trained vocabulary as the files every CLIP tokenizer folder has. `maxLength` is the
 * number of ids per prompt, default 77. Throws TOKENIZER when BOS or EOS are missing.
 */
export function writeClipTokenizer(
  trained: TrainedBpe,
  options: { readonly maxLength?: number } = {},
): ClipTokenizerFolder {
  const { vocab, merges } = trained;
  const [bos, eos] = clipMarkers;
  const named = { bos_token: bos, eos_token: eos, pad_token: eos, unk_token: eos };
  const config = {
    add_prefix_space: false,
    ...named,
    clean_up_tokenization_spaces: false,
    do_lower_case: true,
    errors: 'replace',
    model_max_length: options.maxLength ?? 77,
    tokenizer_class: 'CLIPTokenizer',
  };
  return {
    'vocab.json': vocabText(vocab),
    'merges.txt': ['#version: 0.2', ...merges.map((merge) => merge.join(' ')), ''].join('\n'),
    'tokenizer.json': pipelineText(trained),
    'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`,
    'special_tokens_map.json': `${JSON.stringify(named, null, 2)}\n`,
  };
}

function vocabText(vocab: ReadonlyMap<string, number>): string {
  const entries = [...vocab].map(([token, id]) => `${JSON.stringify(token)}:${id}`);
  return `{${entries.join(',')}}`;
}

function pipelineText({ vocab, merges }: TrainedBpe): string {
  const [bos, eos] = clipMarkers;
  const addedTokens = [bos, eos].map((content) => ({
    id: idIn(vocab, content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
  const split = {
    type: 'Split',
    pattern: { Regex: clipSplitPatterns.withMarkers },
    behavior: 'Removed',
    invert: true,
  };
  const pipeline = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [split, { ...byteLevel, use_regex: true }],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [eos, idIn(vocab, eos)],
      cls: [bos, idIn(vocab, bos)],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { ...byteLevel, add_prefix_space: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: eos,
      continuing_subword_prefix: '',
      end_of_word_suffix: endOfWord,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: '@vocab',
      merges,
    },
  };
  return JSON.stringify(pipeline).replace('"@vocab"', () => vocabText(vocab));
}

function idIn(vocab: ReadonlyMap<string, number>, token: string): number {
  const id = vocab.get(token);
  if (id !== undefined) return id;
  throw complain('TOKENIZER', {
    where: 'writeClipTokenizer',
    expected: `${token} in the vocabulary`,
    got: 'no such token',
    next: 'Write a vocabulary that trainBpe made.',
  });
}
