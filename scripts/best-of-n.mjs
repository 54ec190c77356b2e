/**
 * @file Does choosing help? Best of 8 by the built-in CLIP against the first of 8, measured by features
 * made by hand that the judge never saw: node scripts/best-of-n.mjs [--n 8] [--early 60] [--write]
 *
 * 200 prompts: the 100 of the evaluation, and each again in the next style. The measure, its weights
 * and the prompts were fixed before the first candidate was drawn; see docs/evaluation.md.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { evaluationPrompts } from '../dist/data/evaluation-prompts.js';
import { pictogramStyles, styleWords } from '../dist/data/styles.js';
import { TextToImage } from '../dist/index.js';
import { Judges } from '../dist/metrics/judges.js';
import { PictogramRetrieval } from '../dist/metrics/pictogram-retrieval.js';
import { planarPicture } from '../dist/metrics/planar-picture.js';
import { bestOf } from '../dist/pipelines/best-of.js';
import { inCheckout, runEntry, writeEntry, writeSection } from './document-section.mjs';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '8' },
    early: { type: 'string', default: '60' },
    data: { type: 'string', default: inCheckout('.cache/pictograms') },
    log: { type: 'string', default: inCheckout('.cache/best-of-n.jsonl') },
    write: { type: 'boolean', default: false },
  },
});
const n = Number(values.n);

/** The evaluation's prompt in another style. */
function restyled({ prompt, language, conceptId, style }) {
  const next = pictogramStyles[(pictogramStyles.indexOf(style) + 1) % pictogramStyles.length];
  const [own, other] = [style, next].map((name) => styleWords[language][name]);
  if (!prompt.includes(own)) throw new Error(`${prompt}: no words "${own}" for its style`);
  return { prompt: prompt.replace(own, other), language, conceptId, style: next };
}

function allPrompts(retrieval) {
  const has = new Map(
    pictogramStyles.map((style) => [style, new Set(retrieval.conceptIds(style))]),
  );
  const again = evaluationPrompts.map(restyled);
  return [...evaluationPrompts, ...again].filter((one) => has.get(one.style).has(one.conceptId));
}

const rasterOf = ({ width, height, pixels }) => ({ width, height, channels: 3, data: pixels });

/** Ranks of all candidates by the hand-made measure and cosines by the judge. */
async function candidatesOf(prompt, index, { pipe, judges, retrieval }) {
  const started = performance.now();
  const { images } = await pipe.generate(prompt.prompt, { seed: 1000 * index, num: n });
  const { scores } = await judges.score(images.map(rasterOf), prompt.prompt);
  const seconds = (performance.now() - started) / 1000;
  const ranks = images.map((image) => {
    const picture = planarPicture(rasterOf(image));
    return retrieval.place(picture, prompt.conceptId, prompt.style).rank;
  });
  return { index, ...prompt, ranks, cosines: scores[0].values.map(([value]) => value), seconds };
}

/** The same candidates with the weaker half given up half-way: which one wins then, and how long it takes. */
async function earlyWinner(prompt, index, { pipe, judges }) {
  const started = performance.now();
  const options = { seed: 1000 * index, n, panel: judges, earlyRejection: {} };
  for await (const event of bestOf(pipe, prompt.prompt, options)) {
    if (event.kind !== 'ranking') continue;
    const winner = Number(event.kept[0].seed) - 1000 * index;
    return { winner, seconds: (performance.now() - started) / 1000 };
  }
}

/** Rows already measured by the same model, so that a stopped run goes on. */
function readRows(key) {
  if (!existsSync(values.log)) return [];
  const lines = readFileSync(values.log, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line)).filter((row) => row.key === key);
}

async function measure() {
  const retrieval = PictogramRetrieval.open(values.data);
  const pipe = await TextToImage.fromPretrained();
  const judges = await Judges.open(['clip']);
  const parts = { pipe, judges, retrieval };
  try {
    const prompts = allPrompts(retrieval);
    const blank = rasterOf({ width: 8, height: 8, pixels: new Uint8Array(192) });
    const { scores } = await judges.score([blank], 'a');
    const key = `${scores[0].weightHash.slice(0, 12)} n ${n}`;
    const rows = readRows(key);
    mkdirSync(dirname(values.log), { recursive: true });
    for (const [index, prompt] of prompts.entries()) {
      if (rows.some((row) => row.index === index)) continue;
      const row = { key, ...(await candidatesOf(prompt, index, parts)) };
      if (index < Number(values.early)) row.early = await earlyWinner(prompt, index, parts);
      rows.push(row);
      appendFileSync(values.log, `${JSON.stringify(row)}\n`);
      if (rows.length % 10 === 0) process.stderr.write(`${rows.length}/${prompts.length}\n`);
    }
    return rows.sort((a, b) => a.index - b.index);
  } finally {
    await judges.dispose();
    await pipe.dispose();
    retrieval.close();
  }
}

const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const bestIndex = (list) => list.indexOf(Math.max(...list));

/** Mean of paired differences with a bootstrap interval of 95 % over prompts, seed fixed. */
function pairedInterval(differences, rounds = 10_000) {
  let state = 1;
  const below = (count) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  const means = Array.from({ length: rounds }, () =>
    mean(differences.map(() => differences[below(differences.length)])),
  ).sort((a, b) => a - b);
  return {
    mean: mean(differences),
    low: means[Math.floor(0.025 * rounds)],
    high: means[Math.floor(0.975 * rounds)],
  };
}

function report(rows) {
  const chosen = rows.map(({ ranks, cosines }) => ranks[bestIndex(cosines)]);
  const first = rows.map(({ ranks }) => ranks[0]);
  const best = rows.map(({ ranks }) => Math.min(...ranks));
  const within = (ranks, most) => ranks.map((rank) => (rank <= most ? 1 : 0));
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
  const line = (name, ranks) =>
    `| ${[name, ...[1, 5, 20].map((most) => within(ranks, most).reduce((a, b) => a + b, 0)), median(ranks), Math.exp(mean(ranks.map(Math.log))).toFixed(1)].join(' | ')} |`;
  const compare = (name, of) => {
    const {
      mean: gain,
      low,
      high,
    } = pairedInterval(chosen.map((rank, i) => of(rank) - of(first[i])));
    return `| ${name} | ${gain.toFixed(3)} | ${low.toFixed(3)} to ${high.toFixed(3)} |`;
  };
  const early = rows.filter((row) => row.early);
  const same = early.filter(({ cosines, early: { winner } }) => winner === bestIndex(cosines));
  const lost = mean(
    early.map(({ cosines, early: { winner } }) => Math.max(...cosines) - cosines[winner]),
  );
  const spread = mean(early.map(({ cosines }) => Math.max(...cosines) - mean(cosines)));
  const [whole, short] = [
    mean(early.map(({ seconds }) => seconds)),
    mean(early.map((row) => row.early.seconds)),
  ];
  return `${rows.length} prompts, ${n} candidates each; the right concept among about 1,500 of its style.

| | first | in the first 5 | in the first 20 | median rank | geometric mean of ranks |
|---|---|---|---|---|---|
${line('first candidate (best of 1)', first)}
${line(`best of ${n} by the built-in CLIP`, chosen)}
${line(`best of ${n} by the measure itself (nobody can do better)`, best)}

Best of ${n} less best of 1, means over prompts with bootstrap intervals of 95 % (10,000 resamples):

| | difference | interval |
|---|---|---|
${compare('share in the first 5', (rank) => (rank <= 5 ? 1 : 0))}
${compare('share in the first 20', (rank) => (rank <= 20 ? 1 : 0))}
${compare('logarithm of the rank (less is better)', Math.log)}

Early rejection (the weaker half given up half-way), ${early.length} prompts: ${short.toFixed(2)} s instead of
${whole.toFixed(2)} s a prompt (${(100 * (1 - short / whole)).toFixed(0)} % saved); the same winner in ${same.length} of ${early.length}; the winner's cosine is
${lost.toFixed(4)} lower on average, where the best is ${spread.toFixed(4)} above the mean candidate.`;
}

await runEntry(async () => {
  const rows = await measure();
  const text = report(rows);
  process.stdout.write(`${text}\n`);
  if (!values.write) return;
  await writeSection('docs/judge.md', 'best-of-n', text);
  await writeEntry(
    'docs/judge.json',
    'best-of-n',
    rows.map(({ key, ...row }) => row),
  );
});
