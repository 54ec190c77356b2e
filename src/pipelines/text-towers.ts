/** @file Reads the text encoders of a model folder with their tokenizers. */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import type { T5Tokenizer } from '../formats/t5-tokenizer.js';
import { readT5TokenizerFolder } from '../hub/tokenizer-folder.js';
import type { Family, TowerSpec } from './families.js';
import { type ModelPart, readPart } from './model-part.js';
import { type ModelSource, readTokenizer } from './model-source.js';

/** A text encoder with its tokenizer. */
export interface TextTower {
  readonly part: ModelPart<'CLIPTextModel' | 'CLIPTextModelWithProjection'>;
  readonly tokenizer: ClipTokenizer;
  /** Ids per prompt, start, end and padding included. */
  readonly tokens: number;
}

/** A T5 encoder with its tokenizer; the caller says how many ids it reads. */
export interface T5Tower {
  readonly part: ModelPart<'T5EncoderModel'>;
  readonly tokenizer: T5Tokenizer;
}

export interface ReadTowersOptions {
  readonly variant?: string | undefined;
  /** Called before each component is read. */
  readonly onPart?: ((name: string) => void) | undefined;
}

/** The towers a folder has, in the family's order. */
export async function readTowers(
  folder: ModelSource,
  family: Family,
  options: ReadTowersOptions,
): Promise<TextTower[]> {
  const towers: TextTower[] = [];
  for (const spec of family.towers) {
    if (spec.isOptional && !folder.components.has(spec.encoder)) continue;
    options.onPart?.(spec.encoder);
    towers.push(await readTower(folder, spec, options.variant));
  }
  // Where T5 follows, diffusers cuts for all CLIP towers what the first tokenizer takes.
  return family.t5 ? towers.map((tower) => ({ ...tower, tokens: towers[0]!.tokens })) : towers;
}

/** Undefined where the family or the folder has none. */
export async function readT5Tower(
  folder: ModelSource,
  { t5: spec }: Family,
  { variant, onPart }: ReadTowersOptions,
): Promise<T5Tower | undefined> {
  if (!spec || !folder.components.has(spec.encoder)) return undefined;
  onPart?.(spec.encoder);
  const part = await readPart(folder, spec.encoder, { classes: ['T5EncoderModel'], variant });
  return { part, tokenizer: await readT5TokenizerFolder(join(folder.path, spec.tokenizer)) };
}

async function readTower(
  folder: ModelSource,
  { encoder, tokenizer: tokenizerName, className }: TowerSpec,
  variant: string | undefined,
): Promise<TextTower> {
  const part = await readPart(folder, encoder, { classes: [className], variant });
  const tokenizer = await readTokenizer(folder, tokenizerName);
  const tokens = Math.min(tokenizer.maxLength, part.config.maxPositions);
  if (tokenizer.vocabSize > part.config.vocabSize) {
    throw complain('CONFIG', {
      where: join(folder.path, tokenizerName),
      expected: `ids below vocab_size ${part.config.vocabSize} of ${encoder}`,
      got: `ids up to ${tokenizer.vocabSize - 1}`,
    });
  }
  return { part, tokenizer, tokens };
}
