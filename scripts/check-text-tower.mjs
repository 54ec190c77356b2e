/**
 * @file Does the text tower tell the concepts apart? Mean embedding of each concept and style over
 * training captions; how often the one asked for is among the five nearest to an evaluation prompt.
 * node scripts/check-text-tower.mjs [--model assets/model] [--captions 30000]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { evaluationPrompts } from '../dist/data/evaluation-prompts.js';
import { PictogramDataset } from '../dist/data/pictograms.js';
import { readTokenizerFolder } from '../dist/hub/tokenizer-folder.js';
import { parseClipTextConfig } from '../dist/models/clip-config.js';
import { loadComponent } from '../dist/train/component-weights.js';
import { createTextSession, encodeTexts } from '../dist/train/text-tower.js';
import { inCheckout } from './document-section.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: inCheckout('assets/model') },
    captions: { type: 'string', default: '30000' },
    data: { type: 'string', default: inCheckout('.cache/pictograms') },
  },
});
const batch = 64;
const tokenizer = await readTokenizerFolder(join(values.model, 'tokenizer_2'));
const { config: json, weights } = await loadComponent(join(values.model, 'text_encoder_2'));
const config = parseClipTextConfig(json);
const text = { config, weights, tokenizer };
const session = await createTextSession(text, batch, undefined);

const unit = (vector) => {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
};
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Embeddings of unit length. */
async function embed(texts) {
  const found = [];
  for (let from = 0; from < texts.length; from += batch) {
    const part = texts.slice(from, from + batch);
    const full = [...part, ...new Array(batch - part.length).fill('')];
    const outputs = await encodeTexts(session, text, full);
    const { data } = outputs.get('textEmbeds');
    const width = config.projectionDim;
    part.forEach((_, i) => {
      found.push(unit(data.slice(i * width, (i + 1) * width)));
    });
  }
  return found;
}

const pictures = PictogramDataset.open(values.data, { backgroundShare: 0 });
const samples = Array.from({ length: Number(values.captions) }, (_, i) => {
  const { caption, conceptId, style } = pictures.sampleAt(i, 99);
  return { caption, name: `${conceptId}/${style}` };
});
pictures.close();
const sums = new Map();
const embedded = await embed(samples.map(({ caption }) => caption));
samples.forEach(({ name }, i) => {
  const sum = sums.get(name);
  sums.set(name, sum ? sum.map((value, k) => value + embedded[i][k]) : embedded[i]);
});
const means = [...sums].map(([name, sum]) => [name, unit(sum)]);
const asked = await embed(evaluationPrompts.map(({ prompt }) => prompt));
const ranks = evaluationPrompts.map(({ conceptId, style }, i) => {
  const own = dot(unit(sums.get(`${conceptId}/${style}`)), asked[i]);
  return means.filter(([, mean]) => dot(mean, asked[i]) > own).length;
});
for (const language of ['en', 'zh']) {
  const inside = ranks.filter((_, i) => evaluationPrompts[i].language === language);
  const within = (count) => inside.filter((rank) => rank < count).length;
  process.stdout.write(
    `${language}: first ${within(1)}, in the first five ${within(5)} of ${inside.length}\n`,
  );
}
await session.dispose();
