/**
 * @file How far do the drafts alone go? Decodes the draft of every evaluation prompt and ranks it as
 * evaluate-builtin.mjs ranks pictures: node scripts/check-draft.mjs [--model assets/model] [--sheet FILE]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { evaluationPrompts } from '../dist/data/evaluation-prompts.js';
import { emitOnnx } from '../dist/graph/emit.js';
import { input } from '../dist/graph/tensor.js';
import { writeFileAtomically } from '../dist/hub/atomic-file.js';
import { readTokenizerFolder } from '../dist/hub/tokenizer-folder.js';
import { evaluationReport, reportTable } from '../dist/metrics/evaluation-report.js';
import { PictogramRetrieval } from '../dist/metrics/pictogram-retrieval.js';
import {
  autoencoderTinyDecode,
  parseAutoencoderTinyConfig,
} from '../dist/models/autoencoder-tiny.js';
import { parseClipTextConfig } from '../dist/models/clip-config.js';
import { parseLatentDraftConfig } from '../dist/models/latent-draft.js';
import { Scope } from '../dist/models/registry.js';
import { LocalSession } from '../dist/runtime/session.js';
import { loadComponent } from '../dist/train/component-weights.js';
import { encodeSheet } from '../dist/train/sheet.js';
import { createTextSession, encodeTexts } from '../dist/train/text-tower.js';
import { inCheckout } from './document-section.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: inCheckout('assets/model') },
    data: { type: 'string', default: inCheckout('.cache/pictograms') },
    sheet: { type: 'string' },
  },
});
const load = (name) => loadComponent(join(values.model, name));
const [tower, draft, vae] = [await load('text_encoder_2'), await load('draft'), await load('vae')];
const text = {
  config: parseClipTextConfig(tower.config),
  weights: tower.weights,
  tokenizer: await readTokenizerFolder(join(values.model, 'tokenizer_2')),
  draft: { config: parseLatentDraftConfig(draft.config), weights: draft.weights },
};
const n = evaluationPrompts.length;
const textSession = await createTextSession(text, n, undefined);
const captions = evaluationPrompts.map(({ prompt }) => prompt);
const latents = (await encodeTexts(textSession, text, captions)).get('draft');
await textSession.dispose();

const config = parseAutoencoderTinyConfig(vae.config);
const decoded = autoencoderTinyDecode(new Scope(), config, input('latents', latents.shape));
const session = await LocalSession.create(emitOnnx(new Map([['pictures', decoded]])));
const outputs = await session.run(new Map([...vae.weights, ['latents', latents]]));
await session.dispose();
const { data, shape } = outputs.get('pictures');
const pictures = Array.from({ length: n }, (_, i) =>
  data
    .slice((i * data.length) / n, ((i + 1) * data.length) / n)
    .map((v) => Math.max(-1, Math.min(1, v))),
);

const retrieval = PictogramRetrieval.open(values.data);
const placings = evaluationPrompts.map((prompt, i) => {
  const picture = { size: shape[3], pixels: pictures[i] };
  return { prompt, seed: 0, ...retrieval.place(picture, prompt.conceptId, prompt.style) };
});
retrieval.close();
if (values.sheet) await writeFileAtomically(values.sheet, encodeSheet(pictures, shape[3], 10));
process.stdout.write(`${reportTable(evaluationReport(placings))}\n`);
