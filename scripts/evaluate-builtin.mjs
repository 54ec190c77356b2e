/**
 * @file Draws the 100 evaluation prompts and counts how often the right concept is among the five
 * nearest real pictograms: node scripts/evaluate-builtin.mjs [--model FOLDER] [--seeds 1] [--json]
 */
import { parseArgs } from 'node:util';
import { evaluationPrompts } from '../dist/data/evaluation-prompts.js';
import { writeFileAtomically } from '../dist/hub/atomic-file.js';
import { TextToImage } from '../dist/index.js';
import { evaluationReport, reportTable } from '../dist/metrics/evaluation-report.js';
import { PictogramRetrieval } from '../dist/metrics/pictogram-retrieval.js';
import { planarPicture } from '../dist/metrics/planar-picture.js';
import { encodeSheet } from '../dist/train/sheet.js';
import { inCheckout, runEntry, writeSection } from './document-section.mjs';

const help = `node scripts/evaluate-builtin.mjs
  --model FOLDER   model to evaluate (default: the built-in one)
  --seeds N        pictures per prompt (default 1); prompt i, picture k has seed 100 k + i
  --steps N        denoising steps (default: the model's)
  --guidance X     guidance scale (default: the model's)
  --data FOLDER    built pictogram data set (default .cache/pictograms)
  --sheet FILE     also writes all pictures as one PNG, ten a row
  --json           prints the whole result as JSON and nothing else
  --write          writes docs/evaluation.json and the table in docs/evaluation.md
`;
const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string' },
    guidance: { type: 'string' },
    data: { type: 'string', default: inCheckout('.cache/pictograms') },
    sheet: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const optional = (text) => (text === undefined ? undefined : Number(text));
const rounds = Number(values.seeds);
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(`--seeds: expected a whole number from 1, got ${values.seeds}.\n`);
  process.exit(2);
}

/** Every picture with the prompt it was drawn for. */
async function* drawAll(pipe) {
  const options = { steps: optional(values.steps), guidanceScale: optional(values.guidance) };
  for (let round = 0; round < rounds; round++) {
    for (const [index, prompt] of evaluationPrompts.entries()) {
      const seed = evaluationPrompts.length * round + index;
      const { images } = await pipe.generate(prompt.prompt, { ...options, seed });
      const { width, height, pixels, ...made } = images[0];
      const picture = planarPicture({ width, height, channels: 3, data: pixels });
      yield { prompt, seed, picture, made };
    }
  }
}

async function evaluate() {
  const retrieval = PictogramRetrieval.open(values.data);
  const pipe = await TextToImage.fromPretrained(values.model);
  const placings = [];
  const pictures = [];
  let settings;
  try {
    for await (const { prompt, seed, picture, made } of drawAll(pipe)) {
      settings = made;
      pictures.push(picture);
      placings.push({
        prompt,
        seed,
        ...retrieval.place(picture, prompt.conceptId, prompt.style),
      });
      const done = placings.length;
      if (done % 10 === 0 && !values.json) process.stderr.write(`drawn ${done}\n`);
    }
  } finally {
    await pipe.dispose();
    retrieval.close();
  }
  const { model, steps, guidanceScale, sampler } = settings;
  return { model, steps, guidanceScale, sampler, placings, pictures };
}

/** The misses as a table, worst first. */
function missTable(misses) {
  const rows = misses.map(({ prompt, seed, rank, nearest }) => {
    const seen = nearest.map(({ id }) => id).slice(0, 3);
    return `| ${prompt.prompt} | ${seed} | ${rank} | ${seen.join(', ')} |`;
  });
  return ['| prompt | seed | rank | nearest instead |', '|---|---|---|---|', ...rows].join('\n');
}

await runEntry(async () => {
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const { placings, pictures, ...settings } = await evaluate();
  const report = evaluationReport(placings);
  const { overall, parts, misses } = report;
  const rows = placings.map(({ prompt, nearest, ...rest }) => {
    return { ...prompt, ...rest, nearest: nearest.map(({ id }) => id) };
  });
  const result = { ...settings, seeds: rounds, overall, parts, pictures: rows };
  if (values.sheet) {
    const planes = pictures.map(({ pixels }) => pixels);
    await writeFileAtomically(values.sheet, encodeSheet(planes, pictures[0].size, 10));
  }
  const { model, steps, guidanceScale, sampler } = settings;
  const title = `Model \`${model}\`, ${sampler}, ${steps} steps, guidance ${guidanceScale}, ${rounds} seed(s) per prompt.`;
  const text = `${title}\n\n${reportTable(report)}\n\nMisses (${misses.length}):\n\n${missTable(misses)}`;
  if (values.write) {
    const path = inCheckout('docs/evaluation.json');
    await writeFileAtomically(path, `${JSON.stringify(result, null, 1)}\n`);
    await writeSection('docs/evaluation.md', 'results', text);
  }
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${text}\n`);
});
