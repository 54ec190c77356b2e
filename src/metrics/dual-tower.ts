/** @file Judges that compare one embedding of the picture with one of the prompt: CLIP (Radford et al. 2021) and SigLIP (Zhai et al. 2023). */
import { fileURLToPath } from 'node:url';
import type { FloatTensor, TensorData } from '../core/tensor-data.js';
import type { EncodedPrompt } from '../formats/clip-tokenizer.js';
import { type Graph, input } from '../graph/tensor.js';
import { readImageProcessorFile } from '../hub/image-processor-file.js';
import { readSiglipTokenizerFolder, readTokenizerFolder } from '../hub/tokenizer-folder.js';
import type { ClipTextConfig, ClipVisionConfig } from '../models/clip-config.js';
import { clipTextWithProjection, eosPositions } from '../models/clip-text.js';
import { clipVisionWithProjection } from '../models/clip-vision.js';
import { Scope } from '../models/registry.js';
import { siglipText, siglipVision } from '../models/siglip.js';
import { unitRows } from '../models/unit-rows.js';
import type { Engine } from '../runtime/engine.js';
import type { TensorInFile } from '../runtime/weights.js';
import { readStoredModel } from './component-weights.js';
import { FormSessions, floatsOf } from './form-sessions.js';
import { type ImageProcessor, parseImageProcessor } from './image-processor.js';
import {
  cosines,
  cutNote,
  EmbeddingCache,
  type JudgeModel,
  type MeasureOptions,
  requireVocabulary,
} from './judge-model.js';
import type { JudgeName } from './judge-table.js';

/** What the two families do differently. */
interface TowerPair {
  readonly judge: JudgeName;
  readonly files: readonly string[];
  readonly vision: {
    readonly weights: ReadonlyMap<string, TensorInFile>;
    readonly graph: (b: number) => Graph;
  };
  readonly text: {
    readonly weights: ReadonlyMap<string, TensorInFile>;
    readonly graph: () => Graph;
  };
  readonly imageSize: number;
  readonly processor: ImageProcessor;
  /** Ids of every prompt. */
  readonly tokens: number;
  readonly encode: (prompt: string) => EncodedPrompt;
  readonly feeds: (ids: readonly number[]) => ReadonlyMap<string, TensorData>;
}

const assets = (path: string): string =>
  fileURLToPath(new URL(`../../assets/model/${path}`, import.meta.url));

/** The classes a CLIP folder may hold: both towers in one file, or one of them. */
export async function openClip(folder: string, engine: Engine): Promise<JudgeModel> {
  const { config, weights, files } = await readStoredModel(folder, ['CLIPModel']);
  const processor = parseImageProcessor((await readImageProcessorFile(folder)) ?? {});
  const both = { vision: config.vision, text: config.text, files, folder, processor };
  return dualTower(
    await clipPair({ ...both, visionWeights: weights, textWeights: weights }),
    engine,
  );
}

/** The pair the package comes with, for pictures of 128 pixels in [-1, 1]. */
export async function openBuiltInClip(engine: Engine): Promise<JudgeModel> {
  const vision = await readStoredModel(assets('judge'), ['CLIPVisionModelWithProjection']);
  const text = await readStoredModel(assets('text_encoder_2'), ['CLIPTextModelWithProjection']);
  const side = vision.config.imageSize;
  const pair = await clipPair({
    vision: vision.config,
    text: text.config,
    files: [...vision.files, ...text.files],
    folder: assets('tokenizer_2'),
    processor: parseImageProcessor(
      { size: { height: side, width: side }, image_mean: 0.5, image_std: 0.5 },
      'SiglipImageProcessor',
    ),
    visionWeights: vision.weights,
    textWeights: text.weights,
  });
  return dualTower(pair, engine);
}

interface ClipParts {
  readonly vision: ClipVisionConfig;
  readonly text: ClipTextConfig;
  readonly files: readonly string[];
  /** Folder of the tokenizer. */
  readonly folder: string;
  readonly processor: ImageProcessor;
  readonly visionWeights: ReadonlyMap<string, TensorInFile>;
  readonly textWeights: ReadonlyMap<string, TensorInFile>;
}

async function clipPair(parts: ClipParts): Promise<TowerPair> {
  const { vision, text, files, folder, processor } = parts;
  const tokenizer = await readTokenizerFolder(folder);
  requireVocabulary(folder, tokenizer.vocabSize, text.vocabSize);
  const tokens = Math.min(tokenizer.maxLength, text.maxPositions);
  return {
    judge: 'clip',
    files,
    imageSize: vision.imageSize,
    processor,
    tokens,
    vision: {
      weights: parts.visionWeights,
      graph: (b) => {
        const out = clipVisionWithProjection(new Scope(), vision, pixelsInput(b, vision));
        return new Map([['embeds', unitRows(out.imageEmbeds)]]);
      },
    },
    text: {
      weights: parts.textWeights,
      graph: () => {
        const eosPosition = input('eosPosition', [1], 'i64');
        const inputs = { ids: input('ids', [1, tokens], 'i64'), eosPosition };
        const out = clipTextWithProjection(new Scope(), text, inputs);
        return new Map([['embeds', unitRows(out.textEmbeds)]]);
      },
    },
    encode: (prompt) => tokenizer.encodePrompt(prompt, { maxLength: tokens }),
    feeds: (ids) =>
      new Map([
        ['ids', wholeNumbers(ids, [1, tokens])],
        ['eosPosition', wholeNumbers(eosPositions([ids], text), [1])],
      ]),
  };
}

export async function openSiglip(folder: string, engine: Engine): Promise<JudgeModel> {
  const { config, weights, files } = await readStoredModel(folder, ['SiglipModel']);
  const { vision, text } = config;
  const settings = (await readImageProcessorFile(folder)) ?? {};
  const tokenizer = await readSiglipTokenizerFolder(folder);
  requireVocabulary(folder, tokenizer.vocabSize, text.vocabSize);
  const tokens = Math.min(tokenizer.maxLength, text.maxPositions);
  const pair: TowerPair = {
    judge: 'siglip',
    files,
    imageSize: vision.imageSize,
    processor: parseImageProcessor(settings, 'SiglipImageProcessor'),
    tokens,
    vision: {
      weights,
      graph: (b) => {
        const embeds = siglipVision(new Scope(), vision, pixelsInput(b, vision));
        return new Map([['embeds', unitRows(embeds)]]);
      },
    },
    text: {
      weights,
      graph: () => {
        const embeds = siglipText(new Scope(), text, input('ids', [1, tokens], 'i64'));
        return new Map([['embeds', unitRows(embeds)]]);
      },
    },
    encode: (prompt) => tokenizer.encodePrompt(prompt, { maxLength: tokens }),
    feeds: (ids) => new Map([['ids', wholeNumbers(ids, [1, tokens])]]),
  };
  return dualTower(pair, engine);
}

function dualTower(pair: TowerPair, engine: Engine): JudgeModel {
  const { judge, vision, text, imageSize, processor, tokens } = pair;
  const pictures = new FormSessions(engine, vision.weights);
  const texts = new FormSessions(engine, text.weights);
  const cache = new EmbeddingCache();
  const embedText = (prompt: string, signal: AbortSignal | undefined): Promise<Float32Array> =>
    cache.get(prompt, async () => {
      const feeds = pair.feeds([...pair.encode(prompt).ids]);
      return floatsOf(
        await texts.run({ form: 'text', build: text.graph, feeds, signal }),
        'embeds',
      );
    });
  const measure = async (pixels: FloatTensor, { prompts, signal }: MeasureOptions) => {
    const rows: Float32Array[] = [];
    for (const prompt of prompts) rows.push(await embedText(prompt, signal));
    const b = pixels.shape[0]!;
    const feeds = new Map([['pixels', pixels]]);
    const run = { form: `${b}`, build: () => vision.graph(b), feeds, signal };
    return new Map([[judge, cosines(floatsOf(await pictures.run(run), 'embeds'), rows)]]);
  };
  const notes = (prompt: string): string[] => {
    const { truncatedText } = pair.encode(prompt);
    return truncatedText === undefined ? [] : [cutNote(judge, tokens, truncatedText)];
  };
  const dispose = async (): Promise<void> => {
    await pictures.dispose();
    await texts.dispose();
  };
  return { processor, imageSize, files: pair.files, measure, notes, dispose };
}

/** The graph input `pixels`, [b, channels, imageSize, imageSize]. */
export function pixelsInput(
  b: number,
  { channels, imageSize }: { readonly channels: number; readonly imageSize: number },
) {
  return input('pixels', [b, channels, imageSize, imageSize]);
}

/** An i64 tensor. */
export function wholeNumbers(values: readonly number[], shape: readonly number[]): TensorData {
  return { dtype: 'i64', shape, data: BigInt64Array.from(values, BigInt) };
}
