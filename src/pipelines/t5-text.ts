/** @file Stage 1 of SD 3: CLIP states padded to the width of T5, its states behind them, both pooled texts (diffusers' encode_prompt). */
import { complain } from '../core/errors.js';
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import { type Graph, input } from '../graph/tensor.js';
import { Scope } from '../models/registry.js';
import { t5Encoder } from '../models/t5-encoder.js';
import type { Conditioning, PromptRule } from './encode-prompt.js';
import { shortened } from './prompt-chunks.js';
import { readWeights } from './prompt-weights.js';
import { concatenated } from './rows.js';
import { floatOutput, type SessionCache } from './session-cache.js';
import type { TextToImageModel } from './text-to-image-model.js';
import type { T5Tower } from './text-towers.js';

export interface T5Request extends PromptRule {
  /** Without a T5 encoder its states are zeros. */
  readonly model: Pick<TextToImageModel, 't5' | 'denoiser'>;
  readonly signal?: AbortSignal | undefined;
}

/** T5's states of a text, [1, maxSequenceLength, width]. */
export async function readT5(
  sessions: SessionCache,
  text: string,
  request: T5Request,
): Promise<FloatTensor> {
  const { model, maxSequenceLength: tokens, signal } = request;
  const { t5: tower, denoiser } = model;
  if (!tower) {
    const width = 'jointAttentionDim' in denoiser.config ? denoiser.config.jointAttentionDim : 0;
    return floatTensor(new Float32Array(tokens * width), [1, tokens, width]);
  }
  const { part } = tower;
  const { ids } = t5Ids(text, tower, request);
  const beyond = ids.find((id) => id >= part.config.vocabSize);
  if (beyond !== undefined) {
    throw complain('TOKENIZER', {
      where: part.name,
      expected: `ids below its vocab_size ${part.config.vocabSize}`,
      got: `${beyond}`,
    });
  }
  const outputs = await sessions.run({
    part,
    form: `${tokens} tokens`,
    build: () => t5Graph(tower, tokens),
    feeds: new Map([
      ['ids', { dtype: 'i64', shape: [1, tokens], data: BigInt64Array.from(ids, BigInt) }],
    ]),
    signal,
  });
  return floatOutput(outputs, 'states');
}

/** What T5 does not read of a text. */
export function t5Notes(label: string, text: string, tower: T5Tower, rule: PromptRule): string[] {
  const { cut } = t5Ids(text, tower, rule);
  if (cut.length === 0) return [];
  const left = JSON.stringify(shortened(tower.tokenizer.decode(cut)));
  const most = rule.maxSequenceLength - 1;
  return [`${label}: T5 reads only the first ${most} tokens; left out: ${left}.`];
}

/** Weights have no effect here, as in the webui: their brackets are only taken away. */
function t5Ids(text: string, { tokenizer }: T5Tower, rule: PromptRule) {
  const { syntax, emphasis, maxSequenceLength: tokens } = rule;
  const isLiteral = syntax === 'plain' || emphasis === 'none';
  const stretches = isLiteral
    ? [text]
    : readWeights(text).flatMap((s) => (s.isBreak ? [] : s.text));
  const all = stretches.flatMap((stretch) => tokenizer.encode(stretch));
  const kept = all.slice(0, tokens - 1);
  const padding = new Array<number>(tokens - 1 - kept.length).fill(tokenizer.padId);
  return { ids: [...kept, tokenizer.eosId, ...padding], cut: all.slice(kept.length) };
}

/** Input ids i64 [1, t]; output states [1, t, c]. */
function t5Graph({ part }: T5Tower, tokens: number): Graph {
  const ids = input('ids', [1, tokens], 'i64');
  return new Map([['states', t5Encoder(new Scope(), part.config, ids)]]);
}

/** States [1, s, c] and [1, t, d] -> [1, s + t, d], zeros where CLIP is narrower. */
export function joinPadded(
  clip: FloatTensor,
  t5: FloatTensor,
  pooled: readonly FloatTensor[],
): Conditioning {
  const [, tokens, own] = clip.shape as [number, number, number];
  const width = t5.shape[2]!;
  const padded = new Float32Array(tokens * width);
  for (let t = 0; t < tokens; t++) {
    padded.set(clip.data.subarray(t * own, (t + 1) * own), t * width);
  }
  const all = concatenated(pooled.map(({ data }) => data));
  return {
    states: floatTensor(concatenated([padded, t5.data]), [1, tokens + t5.shape[1]!, width]),
    pooled: floatTensor(all, [1, all.length]),
  };
}
