/**
 * @file The full-size autoencoder in bands: time, peak of anonymous memory, difference to the whole picture.
 * node bench/modes/vae-tiling.mjs --full FOLDER [--size 1024] [--tile always|never|both] [--task decode|encode]
 *   [--threads 2]
 */

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readWeightFile } from '../../dist/hub/weight-file.js';
import { randn } from '../../dist/index.js';
import { parseComponent } from '../../dist/models/registry.js';
import { decodeLatents } from '../../dist/pipelines/decode-latents.js';
import { encodePicture } from '../../dist/pipelines/encode-picture.js';
import { SessionCache } from '../../dist/pipelines/session-cache.js';
import { Engine } from '../../dist/runtime/engine.js';
import { requireQuiet } from '../machine.mjs';
import { anonymousMiB, watchMemory } from './memory.mjs';

const { values } = parseArgs({
  options: {
    full: { type: 'string' },
    size: { type: 'string', default: '1024' },
    tile: { type: 'string', default: 'always' },
    task: { type: 'string', default: 'decode' },
    threads: { type: 'string', default: '2' },
  },
});
if (!values.full) throw new Error('bench: see the header.');
await requireQuiet(false);
const folder = resolve(values.full, 'sd-vae');
const json = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
const { tensors: weights } = await readWeightFile(
  join(folder, 'diffusion_pytorch_model.safetensors'),
);
const vae = { ...parseComponent('AutoencoderKL', json), name: 'vae', weights };
const side = Number(values.size);

async function run(tiling) {
  const engine = Engine.start({ threads: Number(values.threads) });
  const sessions = new SessionCache(engine);
  await engine.whenReady();
  const before = anonymousMiB();
  const memory = watchMemory();
  const start = performance.now();
  let data;
  if (values.task === 'decode') {
    const shape = [1, 4, side / 8, side / 8];
    const latents = randn(shape, 1);
    const model = { vae, family: { latentScaling: 'factor' } };
    data = (await decodeLatents(model, sessions, latents, { tiling })).pixels;
  } else {
    const pixels = randn([3, side, side], 1).data.map((value) => Math.tanh(value / 2));
    const size = { width: side, height: side };
    data = (await encodePicture({ vae }, sessions, { pixels, size, tiling })).mean;
  }
  const seconds = (performance.now() - start) / 1000;
  const extraMiB = Math.round(memory.lap() - before);
  memory.stop();
  await engine.dispose();
  process.stdout.write(
    `${JSON.stringify({ task: values.task, side, tiling, seconds, extraMiB })}\n`,
  );
  return data;
}

const runs = [];
for (const tiling of values.tile === 'both' ? ['never', 'always'] : [values.tile]) {
  runs.push(await run(tiling));
}
if (runs.length === 2) {
  const most = runs[0].reduce((top, value, i) => Math.max(top, Math.abs(value - runs[1][i])), 0);
  process.stdout.write(`largest difference ${most}\n`);
}
