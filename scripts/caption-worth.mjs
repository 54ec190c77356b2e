/**
 * @file At which timesteps does the caption matter? Loss of a trained denoiser on pictures of its pool with the
 * own, with no and with another picture's caption: node scripts/caption-worth.mjs --config FILE --model FOLDER
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TorchGenerator } from '../dist/core/random.js';
import { elementCount } from '../dist/core/tensor-data.js';
import { emitOnnx } from '../dist/graph/emit.js';
import { readWeightFile } from '../dist/hub/weight-file.js';
import { LocalSession } from '../dist/runtime/session.js';
import { noisedAt, velocityAt } from '../dist/schedulers/denoisers.js';
import { alphasCumprod } from '../dist/schedulers/schedules.js';
import { loadComponent } from '../dist/train/component-weights.js';
import { readDiffusionFiles, readDiffusionTraining } from '../dist/train/configuration.js';
import { denoiserOutput } from '../dist/train/diffusion.js';
import { timeIdsOf } from '../dist/train/diffusion-batch.js';
import { LatentPool } from '../dist/train/latent-pool.js';
import { loadTextTower } from '../dist/train/objectives.js';
import { createTextSession, encodeTexts } from '../dist/train/text-tower.js';

const { values } = parseArgs({
  options: { config: { type: 'string' }, model: { type: 'string' } },
});
if (!values.config || !values.model) {
  process.stderr.write('caption-worth: expected --config FILE and --model FOLDER.\n');
  process.exit(2);
}
const timesteps = [20, 80, 160, 240, 320, 400, 500, 600, 700, 780, 860, 920, 970];
const [n, groups] = [32, 3];

const json = JSON.parse(readFileSync(values.config, 'utf8'));
const [files, training] = [readDiffusionFiles(json), readDiffusionTraining(json)];
const { metadata } = await readWeightFile(join(files.pool, 'latents.safetensors'));
const pool = await LatentPool.read(files.pool, metadata.get('origin'));
const text = await loadTextTower(files);
const unet = await loadComponent(values.model);
const textSession = await createTextSession(text, n, undefined);
const shape = [n, ...pool.shape];
const output = denoiserOutput(training.generator, text, n, pool.shape);
const session = await LocalSession.create(emitOnnx(new Map([['output', output]])));
const fixed = [
  ...unet.weights,
  ...training.generator.frozen,
  ['timeIds', timeIdsOf(n, training.pictureSize)],
];
const alphas = alphasCumprod(training.scheduler);
const size = elementCount(pool.shape);

/** Noised latents of the entries and the velocities that are asked for; noise hangs on entry and timestep. */
function noised(entries, timestep) {
  const [sample, target] = [new Float32Array(n * size), new Float32Array(n * size)];
  entries.forEach((entry, i) => {
    const noise = new TorchGenerator(entry * 1000 + timestep).randn(size);
    const clean = pool.latents(entry);
    sample.set(noisedAt(alphas[timestep], clean, noise), i * size);
    target.set(velocityAt(alphas[timestep], clean, noise), i * size);
  });
  return { sample, target };
}

async function lossOf({ sample, target }, timestep, texts) {
  const feeds = [
    ['sample', { dtype: 'f32', shape, data: sample }],
    ['timesteps', { dtype: 'f32', shape: [n], data: new Float32Array(n).fill(timestep) }],
  ];
  const results = await session.run(new Map([...fixed, ...texts, ...feeds]));
  const { data } = results.get('output');
  return data.reduce((sum, value, i) => sum + (value - target[i]) ** 2, 0) / data.length;
}

const losses = timesteps.map(() => [0, 0, 0]);
for (let group = 0; group < groups; group++) {
  const entries = Array.from({ length: n }, (_, i) => ((group * n + i) * 71) % pool.size);
  const own = entries.map((entry) => pool.captions[entry]);
  const captions = [own, own.map(() => ''), [...own.slice(1), own[0]]];
  const texts = [];
  for (const list of captions) texts.push(await encodeTexts(textSession, text, list));
  for (const [row, timestep] of timesteps.entries()) {
    const batch = noised(entries, timestep);
    for (const [column, encoded] of texts.entries()) {
      losses[row][column] += (await lossOf(batch, timestep, encoded)) / groups;
    }
  }
}
await session.dispose();
await textSession.dispose();
process.stdout.write(
  '| timestep | own caption | none less own | another less own |\n|---|---|---|---|\n',
);
timesteps.forEach((timestep, row) => {
  const [own, none, other] = losses[row];
  const cells = [timestep, own, none - own, other - own].map((x, i) => (i ? x.toFixed(3) : x));
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
});
