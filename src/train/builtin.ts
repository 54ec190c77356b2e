/** @file Trains the built-in model: data set, tokenizer, autoencoder, CLIP pair, generator, model folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPictograms } from '../data/pictogram-builder.js';
import { PictogramDataset } from '../data/pictograms.js';
import type { JsonObject } from '../hub/local-folder.js';
import { ConfigReader } from '../models/config-reader.js';
import { assembleModel } from './assemble.js';
import { type ObjectiveName, objectives } from './objectives.js';
import { readPath } from './run-settings.js';
import { trainTokenizer } from './tokenizer.js';
import type { StepReport } from './training-run.js';

export interface BuiltinTraining {
  /** Folder of the recipe: tokenizer.json, autoencoder.json, clip.json, diffusion.json. */
  readonly recipe: string;
  /** Folder of the runs; a run found there is continued. */
  readonly runs: string;
  /** Where the model folder goes. */
  readonly output: string;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
  readonly onStep?: (stage: ObjectiveName, report: StepReport) => void;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

const stages = ['autoencoder', 'clip', 'draft', 'diffusion'] as const;

/** Runs every stage to its end and writes the model. Stop it at any time; it continues there. */
export async function trainBuiltin(training: BuiltinTraining): Promise<void> {
  const { recipe, runs, signal, onStage, onStep, onProgress } = training;
  const read = (name: string): JsonObject =>
    JSON.parse(readFileSync(join(recipe, `${name}.json`), 'utf8')) as JsonObject;
  onStage?.('data');
  const tokenizer = readTokenizerRecipe(read('tokenizer'));
  await buildPictograms({ folder: tokenizer.data, ...(signal ? { signal } : {}) });
  onStage?.('tokenizer');
  const tokenizerFolder = join(runs, 'tokenizer');
  if (!existsSync(join(tokenizerFolder, 'vocab.json'))) {
    await trainTokenizer(tokenizerTexts(tokenizer), tokenizerFolder, {
      ...tokenizer,
      ...(signal ? { signal } : {}),
    });
  }
  for (const stage of stages) {
    onStage?.(stage);
    const folder = join(runs, stage);
    await objectives[stage](read(stage), {
      folder,
      resume: existsSync(join(folder, 'checkpoint.safetensors')),
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress } : {}),
      onStep: (report) => onStep?.(stage, report),
    });
  }
  onStage?.('model');
  await assembleModel(training.output, builtinParts(runs, read('diffusion')));
}

/** The parts of the built-in model, wherever its runs lie. */
export function builtinParts(
  runs: string,
  diffusion: JsonObject,
): Parameters<typeof assembleModel>[1] {
  return {
    autoencoder: join(runs, 'autoencoder', 'model'),
    clip: join(runs, 'clip', 'model'),
    draft: join(runs, 'draft', 'model'),
    generator: join(runs, 'diffusion', 'model'),
    tokenizer: join(runs, 'tokenizer'),
    scheduler: diffusion.scheduler as JsonObject,
    defaults: { steps: 25, guidanceScale: 3 },
  };
}

interface TokenizerRecipe {
  readonly data: string;
  readonly vocabSize: number;
  readonly maxLength: number;
  readonly rounds: number;
  readonly scenes: number;
  readonly sceneShare: number;
  readonly seed: number;
}

function readTokenizerRecipe(json: JsonObject): TokenizerRecipe {
  const read = new ConfigReader('tokenizer recipe', json);
  const recipe = {
    data: readPath(read, 'data'),
    vocabSize: read.integer('vocab_size', 6144),
    maxLength: read.integer('max_length', 32),
    rounds: read.integer('rounds', 5),
    scenes: read.integer('scenes', 12_000, { min: 0 }),
    sceneShare: read.number('scene_share', 0.35, { min: 0, max: 1 }),
    seed: read.integer('seed', 7, { min: 0, max: 2 ** 32 - 1 }),
  };
  read.done();
  return recipe;
}

/** Captions of every picture and of some composed scenes, in both languages. */
function* tokenizerTexts(recipe: TokenizerRecipe): Generator<string> {
  const { data, rounds, scenes, sceneShare, seed } = recipe;
  using pictures = PictogramDataset.open(data, { split: 'all', sceneShare });
  yield* pictures.captionsCorpus({ rounds });
  for (let i = 0; i < scenes; i++) yield pictures.sampleAt(i, seed).caption;
}
