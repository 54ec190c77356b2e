/** @file BLIP's two verdicts on a picture and a text: ITC, the cosine of two embeddings, and ITM, the probability that they match (Li et al. 2022). */
import type { FloatTensor } from '../core/tensor-data.js';
import { type Graph, input } from '../graph/tensor.js';
import { readImageProcessorFile } from '../hub/image-processor-file.js';
import { readBertTokenizerFolder } from '../hub/tokenizer-folder.js';
import type { BlipConfig } from '../models/blip-config.js';
import {
  blipImageEmbeds,
  blipImageStates,
  blipMatch,
  blipTextEmbeds,
} from '../models/blip-retrieval.js';
import { Scope } from '../models/registry.js';
import type { Engine } from '../runtime/engine.js';
import { readStoredModel } from './component-weights.js';
import { pixelsInput, wholeNumbers } from './dual-tower.js';
import { FormSessions, floatsOf } from './form-sessions.js';
import { parseImageProcessor } from './image-processor.js';
import {
  cosines,
  cutNote,
  EmbeddingCache,
  type JudgeModel,
  type MeasureOptions,
  requireVocabulary,
} from './judge-model.js';
import type { JudgeName } from './judge-table.js';

/** Texts are padded to a multiple of it, so that few forms serve all lengths. */
const lengthStep = 16;

export async function openBlip(folder: string, engine: Engine): Promise<JudgeModel> {
  const stored = await readStoredModel(folder, ['BlipForImageTextRetrieval']);
  const { config, weights, files } = stored;
  const tokenizer = await readBertTokenizerFolder(folder);
  requireVocabulary(folder, tokenizer.vocabSize, config.text.vocabSize);
  const settings = (await readImageProcessorFile(folder)) ?? {};
  const { maxPositions } = config.text;
  const most = Math.min(tokenizer.maxLength ?? maxPositions, maxPositions);
  const sessions = new FormSessions(engine, weights);
  const cache = new EmbeddingCache();
  const encode = (prompt: string) => tokenizer.encodeText(prompt, { maxLength: most });
  const textFeeds = (prompt: string, b: number) => {
    const { ids } = encode(prompt);
    const t = Math.min(Math.ceil(ids.length / lengthStep) * lengthStep, maxPositions);
    const row = [...ids, ...new Array<number>(t - ids.length).fill(tokenizer.padId)];
    const mask = Float32Array.from({ length: b * t }, (_, i) => (i % t < ids.length ? 1 : 0));
    const all = new Array<number[]>(b).fill(row).flat();
    const maskTensor: FloatTensor = { dtype: 'f32', shape: [b, t], data: mask };
    return {
      t,
      feeds: [
        ['ids', wholeNumbers(all, [b, t])],
        ['mask', maskTensor],
      ] as const,
    };
  };
  const embedText = (prompt: string, signal: AbortSignal | undefined): Promise<Float32Array> =>
    cache.get(prompt, async () => {
      const { t, feeds } = textFeeds(prompt, 1);
      const build = () => textGraph(config, t);
      const run = { form: `text ${t}`, build, feeds: new Map(feeds), signal };
      return floatsOf(await sessions.run(run), 'embeds');
    });
  const match = async (states: FloatTensor, prompt: string, signal: AbortSignal | undefined) => {
    const b = states.shape[0]!;
    const { t, feeds } = textFeeds(prompt, b);
    const build = () => matchGraph(config, { b, t, patches: states.shape[1]! });
    const form = `match ${b} ${t}`;
    const all = new Map([...feeds, ['states', states] as const]);
    const scores = floatsOf(await sessions.run({ form, build, feeds: all, signal }), 'scores');
    return Array.from({ length: b }, (_, i) => {
      const [without, matching] = [scores[2 * i]!, scores[2 * i + 1]!];
      return 1 / (1 + Math.exp(without - matching)); // softmax over no match and match
    });
  };
  const measure = async (pixels: FloatTensor, { prompts, wanted, signal }: MeasureOptions) => {
    const b = pixels.shape[0]!;
    const build = () => pictureGraph(config, b);
    const feeds = new Map([['pixels', pixels]]);
    const outputs = await sessions.run({ form: `pictures ${b}`, build, feeds, signal });
    const values = new Map<JudgeName, number[][]>();
    if (wanted.includes('blip-itc')) {
      const rows: Float32Array[] = [];
      for (const prompt of prompts) rows.push(await embedText(prompt, signal));
      values.set('blip-itc', cosines(floatsOf(outputs, 'embeds'), rows));
    }
    if (wanted.includes('blip-itm')) {
      const states = outputs.get('states') as FloatTensor;
      const columns: number[][] = [];
      for (const prompt of prompts) columns.push(await match(states, prompt, signal));
      const rows = Array.from({ length: b }, (_, i) => columns.map((column) => column[i]!));
      values.set('blip-itm', rows);
    }
    return values;
  };
  return {
    processor: parseImageProcessor(settings, 'BlipImageProcessor'),
    imageSize: config.vision.imageSize,
    files,
    measure,
    notes: (prompt) => {
      const { truncatedText } = encode(prompt);
      return truncatedText === undefined ? [] : [cutNote('blip', most, truncatedText)];
    },
    dispose: () => sessions.dispose(),
  };
}

function pictureGraph(config: BlipConfig, b: number): Graph {
  const scope = new Scope();
  const states = blipImageStates(scope, config, pixelsInput(b, config.vision));
  return new Map([
    ['states', states],
    ['embeds', blipImageEmbeds(scope, config, states)],
  ]);
}

const textInputs = (b: number, t: number) => ({
  ids: input('ids', [b, t], 'i64'),
  mask: input('mask', [b, t]),
});

function textGraph(config: BlipConfig, t: number): Graph {
  return new Map([['embeds', blipTextEmbeds(new Scope(), config, textInputs(1, t))]]);
}

function matchGraph(
  config: BlipConfig,
  { b, t, patches }: { readonly b: number; readonly t: number; readonly patches: number },
): Graph {
  const states = input('states', [b, patches, config.vision.hiddenSize]);
  return new Map([['scores', blipMatch(new Scope(), config, textInputs(b, t), states)]]);
}
