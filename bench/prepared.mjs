/** @file Loads a full-size UNet or VAE twice and prints load and run times, memory and distance to the reference: `node bench/prepared.mjs FOLDER [none|faster|all] [runs] [profile prefix]`. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseSafetensorsHeader, readTensor } from '../dist/formats/safetensors.js';
import { input } from '../dist/graph/tensor.js';
import { autoencoderKlDecode } from '../dist/models/autoencoder-kl.js';
import { Scope } from '../dist/models/registry.js';
import { unet2dCondition } from '../dist/models/unet-2d-condition.js';
import { readPartFolder } from '../dist/pipelines/model-part.js';
import { Engine } from '../dist/runtime/engine.js';
import { preparedFolder } from '../dist/runtime/prepared-settings.js';
import { preparedUsage } from '../dist/runtime/prepared-store.js';

const [path, rewrites = 'faster', runs = '3', profilePrefix] = process.argv.slice(2);
const folder = resolve(path);
const bytes = new Uint8Array(readFileSync(join(folder, 'case.safetensors')));
const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
const given = (name) => readTensor(bytes, tensors.get(name));
const part = await readPartFolder(folder, {
  name: 'part',
  classes: ['UNet2DConditionModel', 'AutoencoderKL'],
});

const feeds = new Map();
const fed = (name) => {
  const value = given(`input.${name}`);
  feeds.set(name, value);
  return input(name, value.shape);
};

function build() {
  if (part.className === 'AutoencoderKL') {
    return autoencoderKlDecode(new Scope(), part.config, fed('latents'));
  }
  return unet2dCondition(new Scope(), part.config, {
    sample: fed('sample'),
    timesteps: fed('timestep'),
    encoderHiddenStates: fed('encoder_hidden_states'),
  });
}

const name = part.className === 'AutoencoderKL' ? 'picture' : 'sample';
const graph = new Map([['output', build()]]);
const reference = given(`output.${name}`).data;

function distance(values) {
  let [most, scale] = [0, 1];
  for (const [i, value] of reference.entries()) {
    most = Math.max(most, Math.abs(values[i] - value));
    scale = Math.max(scale, Math.abs(value));
  }
  return most / scale;
}

const seconds = (from) => ((performance.now() - from) / 1000).toFixed(2);

async function measure(turn) {
  const engine = Engine.start({ rewrites });
  try {
    await engine.whenReady();
    const start = performance.now();
    const profile = turn === 'second' && profilePrefix ? { profilePrefix } : {};
    const session = await engine.load(graph, { weights: part.weights, ...profile });
    console.log(`${turn} load: ${seconds(start)} s`, ...session.warnings);
    for (let i = 0; i < Number(runs); i++) {
      const begin = performance.now();
      const outputs = await session.run(feeds);
      const took = seconds(begin);
      const off = distance(outputs.get('output').data).toExponential(1);
      console.log(`run: ${took} s, distance ${off}`);
    }
    const status = readFileSync(`/proc/${engine.pid}/status`, 'utf8');
    console.log(status.match(/VmHWM.*|RssAnon.*|RssFile.*/g).join(', '));
    await session.dispose();
  } finally {
    await engine.dispose();
  }
  const { files, bytes: kept } = await preparedUsage(preparedFolder());
  console.log(`prepared: ${files} files, ${(kept / 1e9).toFixed(2)} GB in ${preparedFolder()}`);
}

for (const turn of ['first', 'second']) await measure(turn);
