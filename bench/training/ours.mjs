/**
 * @file One training step of a denoiser by Maliang: forward, backward, clip, AdamW, EMA.
 * node ours.mjs CONFIG.json BATCH TOKENS MICRO [REPEATS] [PROFILE-PREFIX]
 * Prints one JSON line as peer.py does; with a prefix also milliseconds by kind of operation.
 */

import { readFileSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { randn } from '../../dist/core/random.js';
import { initialise } from '../../dist/nn/initialise.js';
import { channelBlock } from '../../dist/runtime/channel-block.js';
import { createOptimizerState } from '../../dist/train/adamw.js';
import { diffusionObjective } from '../../dist/train/diffusion.js';
import { ParameterLayout } from '../../dist/train/flat-parameters.js';
import { readGenerator } from '../../dist/train/generator.js';
import { GradientSession, gradientModel } from '../../dist/train/gradient-session.js';
import { StepCrew } from '../../dist/train/step-crew.js';
import { median } from '../machine.mjs';
import { readProfile } from './profile.mjs';

const [configPath, ...rest] = process.argv.slice(2);
const [batch, tokens, micro, repeats = 7] = rest.slice(0, 4).map(Number);
const profilePrefix = rest[4];
const warmups = 3;
const config = JSON.parse(readFileSync(configPath, 'utf8'));
const size = config.sample_size ?? 16;
const pooled = config.pooled_projection_dim ?? pooledWidth(config);
const text = {
  maxPositions: tokens,
  hiddenSize: config.cross_attention_dim ?? config.joint_attention_dim,
  projectionDim: pooled,
};
const channels = config.out_channels ?? 4;
/** Where the denoiser sees one: as many channels beside the latents. */
const draft = config.in_channels > channels && {
  config: { inputSize: pooled, outChannels: channels, sampleSize: size },
};

function pooledWidth({ projection_class_embeddings_input_dim: all = 0, addition_time_embed_dim }) {
  return Math.max(1, all - 6 * (addition_time_embed_dim ?? 0));
}

/** Random values of one micro-batch; what they are does not matter for the time. */
function makeFeeds(seed) {
  const noise = (shape, at) => ({
    dtype: 'f32',
    shape,
    data: randn(shape, seed + at).data,
  });
  const full = (shape, value) => ({
    dtype: 'f32',
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  });
  return new Map([
    ['sample', noise([micro, channels, size, size], 0)],
    ['target', noise([micro, channels, size, size], 1)],
    ...(draft ? [['draft', noise([micro, channels, size, size], 4)]] : []),
    ['timesteps', full([micro], 500)],
    ['textStates', noise([micro, tokens, text.hiddenSize], 2)],
    ['textEmbeds', noise([micro, pooled], 3)],
    ['timeIds', full([micro, 6], 128)],
  ]);
}

const generator = readGenerator(config);
const training = { generator, run: { microBatch: micro } };
const objective = diffusionObjective(training, { config: text, draft: draft || undefined }, [
  channels,
  size,
  size,
]);
const parts = gradientModel(objective, await channelBlock());
const layout = new ParameterLayout(parts.parameters);
const initial = initialise(layout.entries, { seed: 0, rules: generator.initials });
const state = createOptimizerState(layout.flatten(initial));
const microBatches = batch / micro;
const crew = await StepCrew.create(parts, state, { microBatches });
const batches = Array.from({ length: microBatches }, (_, part) => makeFeeds(10 * part));
let done = 0;

async function step() {
  const { norm } = await crew.gradient(async (part) => batches[part]);
  await crew.update({
    betas: [0.9, 0.99],
    eps: 1e-8,
    weightDecay: 0.02,
    learningRate: 1e-4,
    step: ++done,
    gradientScale: Math.min(1, 1 / norm) / microBatches,
    decayedLength: layout.decayedLength,
    averageDecay: 0.999,
  });
}

const milliseconds = [];
for (let run = 0; run < warmups + repeats; run++) {
  const start = performance.now();
  await step();
  if (run >= warmups) milliseconds.push(performance.now() - start);
}
await crew.dispose();
const middle = median(milliseconds);
const result = {
  mode: 'maliang',
  batch,
  micro,
  parameters: layout.length,
  milliseconds: milliseconds.map((ms) => Math.round(ms)),
  imagesPerSecond: Math.round((100 * 1000 * batch) / middle) / 100,
};
if (profilePrefix) result.profile = { stepMs: Math.round(middle), ...(await profile()) };
process.stdout.write(`${JSON.stringify(result)}\n`);

/** Milliseconds of one step on one core by kind of operation: every micro-batch, one after the other. */
async function profile() {
  const session = await GradientSession.load(parts, { profilePrefix, threads: 1 });
  for (let run = 0; run < warmups + repeats; run++) {
    await session.run(layout.views(Float32Array.from(state.parameters)), batches[0]);
  }
  await session.dispose();
  const folder = dirname(profilePrefix);
  const names = await readdir(folder);
  const path = join(
    folder,
    names.find((name) => name.startsWith(basename(profilePrefix))),
  );
  const { byKind, byOperation } = readProfile(path, warmups + repeats);
  rmSync(path);
  const perStep = (table) =>
    Object.fromEntries(
      Object.entries(table).map(([key, ms]) => [key, Math.round(10 * ms * microBatches) / 10]),
    );
  const cores = Math.min(availableParallelism(), microBatches);
  return { cores, byKind: perStep(byKind), byOperation: perStep(byOperation) };
}
