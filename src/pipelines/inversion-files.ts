/** @file Reads textual inversions and teaches their words to the text towers of a model. */
import { basename, resolve } from 'node:path';
import { complain } from '../core/errors.js';
import { readWeightFile, type StoredTensor } from '../hub/weight-file.js';
import { planInversion, rowsName, withWords } from '../models/textual-inversion.js';
import type { TextTower } from './text-towers.js';

/** A learned word. */
export interface TextualInversionOption {
  /** A safetensors file of diffusers, A1111 or an SDXL trainer. */
  readonly path: string;
  /** What stands for it in prompts; default the name in the file, or the file's own name. */
  readonly token?: string | undefined;
}

export interface TaughtTowers {
  readonly towers: readonly TextTower[];
  readonly warnings: readonly string[];
}

interface Lesson {
  readonly token: string;
  readonly count: number;
  readonly tensor: StoredTensor;
}

/** Throws what `planInversion` throws, SAFETENSORS, FILE_READ, or USAGE for a word twice. */
export async function withInversions(
  towers: readonly TextTower[],
  inversions: readonly TextualInversionOption[],
): Promise<TaughtTowers> {
  const hosts = towers.map(({ part }) => ({ width: part.config.hiddenSize }));
  const lessons = towers.map((): Lesson[] => []);
  const warnings: string[] = [];
  const seen = new Set<string>();
  for (const { path, token: given } of inversions) {
    const whole = resolve(path);
    const { tensors } = await readWeightFile(whole);
    const stem = basename(whole).replace(/\.[^.]*$/, '');
    const plan = planInversion({ path: whole, tensors, token: given, stem }, hosts);
    if (seen.has(plan.token)) throw twice(whole, plan.token);
    seen.add(plan.token);
    warnings.push(...plan.warnings);
    for (const { host, key, count } of plan.vectors) {
      lessons[host]!.push({ token: plan.token, count, tensor: tensors.get(key)! });
    }
  }
  return { towers: towers.map((tower, i) => taught(tower, lessons[i]!)), warnings };
}

function taught(tower: TextTower, lessons: readonly Lesson[]): TextTower {
  if (lessons.length === 0) return tower;
  const { part } = tower;
  const weights = new Map(part.weights);
  let next = part.config.vocabSize;
  const words = lessons.map(({ token, count, tensor }, i) => {
    weights.set(rowsName(i), tensor);
    const ids = Array.from({ length: count }, () => next++);
    return { token, ids };
  });
  const counts = lessons.map(({ count }) => count);
  const builds = withWords(part.builds ?? new Map(), part.config.vocabSize, counts);
  const config = { ...part.config, vocabSize: next };
  const tokenizer = tower.tokenizer.withWords(words);
  return { ...tower, tokenizer, part: { ...part, config, weights, builds } };
}

function twice(path: string, token: string): Error {
  return complain('USAGE', {
    where: path,
    expected: 'another word than those of the other textual inversions',
    got: JSON.stringify(token),
    next: 'Give one of them another `token`.',
  });
}
