/**
 * @file How much of a pool's variance its captions cannot tell: single pictures on white, grouped by concept and style.
 * node scripts/pool-variance.mjs --data FOLDER --pool FOLDER --seed N --scene-share X [--augment] [--count 12000]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { f16ToNumber } from '../dist/core/tensor-data.js';
import { PictogramDataset } from '../dist/data/pictograms.js';
import { readTensorAt } from '../dist/hub/read-tensor.js';
import { readWeightFile } from '../dist/hub/weight-file.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.cache/pictograms' },
    pool: { type: 'string', default: 'runs/builtin/pool' },
    seed: { type: 'string', default: '20261126' },
    'scene-share': { type: 'string', default: '0.15' },
    augment: { type: 'boolean', default: false },
    count: { type: 'string', default: '12000' },
  },
});
const { augment } = values;
const [seed, count, sceneShare] = [values.seed, values.count, values['scene-share']].map(Number);
const data = PictogramDataset.open(values.data, { sceneShare, augment });
const { tensors } = await readWeightFile(join(values.pool, 'latents.safetensors'));
const { data: bits, shape } = await readTensorAt(tensors.get('latents'));
const size = shape.slice(1).reduce((all, n) => all * n, 1);

const groups = new Map();
for (let i = 0; i < count; i++) {
  const { isScene, conceptId, style, pixels } = data.sampleAt(i, seed);
  const area = pixels.length / 3;
  if (isScene || [0, 1, 2].some((channel) => pixels[channel * area] < 0.98)) continue;
  const latents = Float64Array.from(bits.subarray(i * size, (i + 1) * size), f16ToNumber);
  const key = `${conceptId}/${style}`;
  groups.set(key, [...(groups.get(key) ?? []), latents]);
}
data.close();

/** Sum of squared distances from the mean. */
function scatter(rows) {
  let sum = 0;
  for (let at = 0; at < size; at++) {
    const mean = rows.reduce((total, row) => total + row[at], 0) / rows.length;
    for (const row of rows) sum += (row[at] - mean) ** 2;
  }
  return sum / size;
}

const all = [...groups.values()].flat();
const several = [...groups.values()].filter((rows) => rows.length > 1);
const freedom = several.reduce((sum, rows) => sum + rows.length - 1, 0);
const within = several.reduce((sum, rows) => sum + scatter(rows), 0) / freedom;
process.stdout.write(
  `${all.length} single pictures on white: variance ${(scatter(all) / all.length).toFixed(3)}, `,
);
process.stdout.write(`within concept and style ${within.toFixed(3)}\n`);
