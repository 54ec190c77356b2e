/** @file Stage 1 for a whole request: the clauses of the prompt, the unconditional side, equally many chunks. */

import { type DenoiserRow, isGuided, type WeightedRow } from './denoiser.js';
import {
  type Conditioning,
  countChunks,
  encodePrompt,
  type PromptRule,
  promptNotes,
  zeroed,
} from './encode-prompt.js';
import type { GenerationRequest } from './generation-request.js';
import { type PromptClause, readClauses } from './prompt-weights.js';
import type { SessionCache } from './session-cache.js';
import type { TextToImageModel } from './text-to-image-model.js';

/** What the text says, and what it does not when there is guidance. */
export interface Conditionings {
  readonly positives: readonly WeightedRow[];
  readonly negative: DenoiserRow | undefined;
}

export async function encodeRequest(
  model: TextToImageModel,
  sessions: SessionCache,
  request: GenerationRequest,
): Promise<Conditionings> {
  const { negativePrompt, clipSkip, signal, timeIds } = request;
  const clauses = clausesOf(request);
  const rule = ruleOf(request);
  const isNegativeRead = needsNegative(model, request);
  const isZeroed = negativePrompt === undefined && model.zeroesForEmptyPrompt;
  const texts = clauses.map(({ text }) => text);
  const negative = negativePrompt ?? '';
  if (isNegativeRead && !isZeroed) texts.push(negative);
  const chunks = Math.max(...texts.map((text) => countChunks(model, text, rule)));
  const options = { ...rule, chunks, signal };
  const positives: WeightedRow[] = [];
  for (const { text, weight } of clauses) {
    const said = await encodePrompt(model, sessions, text, { ...options, clipSkip });
    positives.push({ ...said, timeIds: timeIds.positive, weight });
  }
  if (!isNegativeRead) return { positives, negative: undefined };
  // diffusers leaves no layers out here.
  const unsaid: Conditioning = isZeroed
    ? zeroed(positives[0]!)
    : await encodePrompt(model, sessions, negative, options);
  return { positives, negative: { ...unsaid, timeIds: timeIds.negative } };
}

/** What a reader of the prompts should know. */
export function textWarnings(model: TextToImageModel, request: GenerationRequest): string[] {
  const { negativePrompt, guidance } = request;
  const rule = ruleOf(request);
  const warnings = clausesOf(request).flatMap(({ text }) =>
    promptNotes(model, 'prompt', { ...rule, text }),
  );
  if (negativePrompt === undefined) return warnings;
  if (needsNegative(model, request)) {
    const notes = promptNotes(model, 'negativePrompt', { ...rule, text: negativePrompt });
    return [...warnings, ...notes];
  }
  const why =
    guidance.scale > 1
      ? 'as this model is told the guidance itself'
      : `with a guidanceScale of ${guidance.scale}`;
  return negativePrompt === '' ? warnings : [...warnings, `negativePrompt: not looked at ${why}.`];
}

function ruleOf({
  promptSyntax: syntax,
  emphasis,
  maxSequenceLength,
}: GenerationRequest): PromptRule {
  return { syntax, emphasis, maxSequenceLength };
}

function clausesOf({ prompt, promptSyntax }: GenerationRequest): PromptClause[] {
  return promptSyntax === 'plain' ? [{ text: prompt, weight: 1 }] : readClauses(prompt);
}

/** Several clauses are always weighed against the unconditional side. */
function needsNegative({ denoiser }: TextToImageModel, request: GenerationRequest): boolean {
  return isGuided(denoiser, request.guidance) || clausesOf(request).length > 1;
}
