/** @file Loss and gradients of each objective as training computes them, against the f64 interpreter. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TorchGenerator } from '../../src/core/random.js';
import { elementCount, type TensorData } from '../../src/core/tensor-data.js';
import { grad } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { inputsOf, parametersOf, type Tensor } from '../../src/graph/tensor.js';
import { parseLatentDraftConfig } from '../../src/models/latent-draft.js';
import { initialise } from '../../src/nn/initialise.js';
import { autoencoderObjective } from '../../src/train/autoencoder.js';
import { clipObjective } from '../../src/train/clip.js';
import {
  readAutoencoderTraining,
  readClipTraining,
  readDiffusionTraining,
  readDraftTraining,
} from '../../src/train/configuration.js';
import { diffusionObjective } from '../../src/train/diffusion.js';
import { draftObjective } from '../../src/train/draft.js';
import {
  GradientSession,
  gradientModel,
  type Objective,
} from '../../src/train/gradient-session.js';
import { TinySet, tinyAutoencoder, tinyClip, tinyDiffusion, tinyDraft } from './tiny-set.js';

let set: TinySet;
beforeAll(async () => {
  set = await TinySet.create();
});
afterAll(() => set[Symbol.dispose]());

/** Seeded normals for floats; positions and ids from 0 to 3. */
function feedOf({ shape, dtype }: Tensor, seed: number): TensorData {
  const count = elementCount(shape);
  const random = new TorchGenerator(seed);
  if (dtype === 'f32') return { dtype, shape, data: random.randn(count) };
  const whole = Array.from(random.uniform(count), (value) => BigInt(Math.floor(value * 4)));
  return { dtype: 'i64', shape, data: BigInt64Array.from(whole) };
}

async function expectTrueGradients(objective: Objective): Promise<void> {
  const { loss, reports = {}, frozen = new Map() } = objective;
  const parameters = parametersOf([loss]);
  const trained = [...parameters].filter(([name]) => !frozen.has(name));
  const started = initialise(parameters, { seed: 11 });
  const feeds = new Map<string, TensorData>();
  [...inputsOf([loss])].forEach(([name, tensor], i) => {
    feeds.set(name, feedOf(tensor, i));
  });

  await using session = await GradientSession.load(gradientModel(objective), { threads: 1 });
  const { layout } = session;
  const flat = layout.flatten(started);
  const views = layout.views(flat);
  const values = await session.run(views, feeds);
  const once = session.gradient;

  const numbers = new Map<string, Float64Array>();
  for (const [name, { data }] of [...feeds, ...frozen, ...views]) {
    numbers.set(name, Float64Array.from(data as ArrayLike<number | bigint>, Number));
  }
  const outputs = [
    loss,
    ...grad(
      loss,
      trained.map(([, tensor]) => tensor),
    ),
    ...Object.values(reports),
  ];
  const reference = interpret(outputs, numbers);
  expect(values.loss).toBeCloseTo(reference[0]![0]!, 4);
  Object.keys(reports).forEach((name, i) => {
    expect(values[name]).toBeCloseTo(reference[1 + trained.length + i]![0]!, 4);
  });
  const largest = Math.max(
    ...reference.slice(1, 1 + trained.length).flatMap((g) => [...g].map(Math.abs)),
  );
  expect(largest).toBeGreaterThan(1e-3);
  trained.forEach(([name], i) => {
    const { offset } = layout.entries.get(name)!;
    const expected = reference[1 + i]!;
    const gap = Math.max(...expected.map((value, at) => Math.abs(once[offset + at]! - value)));
    expect(gap / largest, name).toBeLessThan(1e-4);
  });
}

describe('gradients of', () => {
  it('the autoencoder', async () => {
    const config = readAutoencoderTraining({
      ...tinyAutoencoder(set),
      crop_size: 16,
      batch_size: 2,
    });
    await expectTrueGradients(autoencoderObjective(config));
  });

  it('the CLIP pair', async () => {
    const { model, ...rest } = tinyClip(set);
    const { text_config: text, vision_config: vision } = model;
    const small = {
      ...model,
      text_config: { ...text, vocab_size: 20, eos_token_id: 3, num_hidden_layers: 1 },
      vision_config: { ...vision, num_hidden_layers: 1 },
    };
    const config = readClipTraining({ ...rest, model: small, batch_size: 3 });
    await expectTrueGradients(clipObjective(config));
  });

  it('the draft', async () => {
    const text = readClipTraining(tinyClip(set)).model.text;
    const json = { ...tinyDraft(set), batch_size: 3, micro_batch: 3 };
    const small = { ...text, vocabSize: 20, layers: 1 };
    await expectTrueGradients(
      draftObjective(readDraftTraining(json), { config: small }, [4, 8, 8]),
    );
  });

  it.each(['unet', 'sd3', 'drafted'] as const)('the denoiser %s', async (name) => {
    const config = readClipTraining(tinyClip(set)).model.text;
    const json = { ...tinyDiffusion(set, name), batch_size: 2, micro_batch: 2 };
    const draft = parseLatentDraftConfig({ ...tinyDraft(set).model, sample_size: 4 });
    const text =
      name === 'drafted' ? { config, draft: { config: draft, weights: new Map() } } : { config };
    await expectTrueGradients(diffusionObjective(readDiffusionTraining(json), text, [4, 4, 4]));
  });
});
