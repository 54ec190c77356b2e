/**
 * @file Weighs and checks the retrieval features on real pictures only: node scripts/check-retrieval.mjs
 * Chooses on concepts outside the evaluation prompts, checks on the 100 prompts' own pictures.
 */
import { parseArgs } from 'node:util';
import { evaluationPrompts } from '../dist/data/evaluation-prompts.js';
import { DataRandom, hashText } from '../dist/data/shuffle.js';
import { pictogramStyles } from '../dist/data/styles.js';
import { corruptions } from '../dist/metrics/corruptions.js';
import { featureBlocks } from '../dist/metrics/pictogram-features.js';
import { PictogramRetrieval, summarise } from '../dist/metrics/pictogram-retrieval.js';
import { frozenWeights } from '../dist/metrics/retrieval.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.cache/pictograms' },
    'per-style': { type: 'string', default: '30' },
  },
});
const perStyle = Number(values['per-style']);
const asked = new Set(evaluationPrompts.map(({ conceptId }) => conceptId));
const cases = [...Object.keys(corruptions), 'other style'];

/** Pictures to choose by: concepts that no evaluation prompt names, spread by hash. */
function otherPictures(retrieval) {
  return pictogramStyles.flatMap((style) =>
    retrieval
      .conceptIds(style)
      .filter((id) => !asked.has(id))
      .sort((a, b) => hashText(a) - hashText(b))
      .slice(0, perStyle)
      .map((conceptId) => ({ conceptId, style })),
  );
}

/** The style two further on in the list: glossy 3D and cartoon, flat and simple change places. */
function otherStyle(style) {
  return pictogramStyles[(pictogramStyles.indexOf(style) + 2) % pictogramStyles.length];
}

/** For each case the share found first and among the first five, as text. */
function row(retrieval, pictures, seed) {
  return cases.map((name, at) => {
    const placings = pictures
      .filter(({ conceptId, style }) => retrieval.conceptIds(otherStyle(style)).includes(conceptId))
      .map(({ conceptId, style }, index) => {
        if (name === 'other style') {
          return retrieval.place(retrieval.render(conceptId, otherStyle(style)), conceptId, style);
        }
        const random = DataRandom.from(seed, at, index);
        const damaged = corruptions[name](retrieval.render(conceptId, style), random);
        return retrieval.place(damaged, conceptId, style);
      });
    const { top1, top5 } = summarise(placings);
    return { top1: 100 * top1.rate, top5: 100 * top5.rate };
  });
}

function print(name, shares) {
  const mean = shares.reduce((sum, { top1, top5 }) => sum + (top1 + top5) / 2, 0) / shares.length;
  const cells = shares.map(({ top1, top5 }) => `${top1.toFixed(0)} / ${top5.toFixed(0)}`);
  process.stdout.write(`| ${[name, ...cells, mean.toFixed(1)].join(' | ')} |\n`);
}

function header(title) {
  process.stdout.write(`\n| ${[title, ...cases, 'mean'].join(' | ')} |\n`);
  process.stdout.write(`|${'---|'.repeat(cases.length + 2)}\n`);
}

const weightsOf = (weigh) => Object.fromEntries(featureBlocks.map((b) => [b, weigh(b)]));
const candidates = new Map([
  ...featureBlocks.map((block) => [`${block} alone`, weightsOf((b) => Number(b === block))]),
  ['all equal', weightsOf(() => 1)],
  ...featureBlocks.map((block) => [`${block} double`, weightsOf((b) => (b === block ? 2 : 1))]),
]);

header('choosing');
for (const [name, weights] of candidates) {
  const retrieval = PictogramRetrieval.open(values.data, weights);
  print(name, row(retrieval, otherPictures(retrieval), 1));
  retrieval.close();
}
header('checking');
const retrieval = PictogramRetrieval.open(values.data);
const { layout, edges, colours, silhouette } = frozenWeights;
print(
  `frozen ${[layout, edges, colours, silhouette].join('-')}`,
  row(retrieval, evaluationPrompts, 2),
);
retrieval.close();
