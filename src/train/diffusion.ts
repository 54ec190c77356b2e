/** @file Trains a text-conditional denoiser on latents: v-prediction (Salimans and Ho 2022), caption dropout. */
import { TorchGenerator } from '../core/random.js';
import type { TensorData } from '../core/tensor-data.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import * as g from '../graph/build.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { clipTextWithProjection } from '../models/clip-text.js';
import { initialise } from '../nn/initialise.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import { noisedAt, velocityAt } from '../schedulers/denoisers.js';
import { alphasCumprod, type NoiseSchedule } from '../schedulers/schedules.js';
import { captionBatch } from './caption-batch.js';
import type { Generator } from './generator.js';
import type { Objective } from './gradient-session.js';
import type { LatentPool } from './latent-pool.js';
import { deriveSeed, type RunSettings } from './run-settings.js';
import { type RunOptions, TrainingRun } from './training-run.js';

export interface DiffusionTraining {
  readonly run: RunSettings;
  readonly generator: Generator;
  readonly noise: NoiseSchedule;
  /** Share of captions replaced by the empty text, for classifier-free guidance. */
  readonly captionDropout: number;
  /** Pixels per side of the pictures behind the latents, for SDXL's size conditioning. */
  readonly pictureSize: number;
}

/** What the captions go through; frozen while the denoiser trains. */
export interface TextTower {
  readonly config: ClipTextConfig;
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly tokenizer: ClipTokenizer;
}

/** Inputs: sample and target [n, c, h, w], timesteps [n], textStates [n, t, d], textEmbeds [n, p], timeIds [n, 6]. */
export function diffusionObjective(
  config: DiffusionTraining,
  text: ClipTextConfig,
  latentShape: readonly number[],
): Objective {
  const n = config.run.microBatch;
  const target = input('target', [n, ...latentShape]);
  const output = config.generator.build(new Scope(), {
    sample: input('sample', [n, ...latentShape]),
    timesteps: input('timesteps', [n]),
    textStates: input('textStates', [n, text.maxPositions, text.hiddenSize]),
    textEmbeds: input('textEmbeds', [n, text.projectionDim]),
    timeIds: input('timeIds', [n, 6]),
  });
  const loss = g.mean(g.square(g.sub(output, target)));
  return { loss, frozen: config.generator.frozen };
}

/** The text tower as a session: penultimate states and pooled embedding, as SDXL uses them. */
async function createTextSession(
  config: ClipTextConfig,
  n: number,
  threads: number | undefined,
): Promise<LocalSession> {
  const outputs = clipTextWithProjection(new Scope(), config, {
    ids: input('ids', [n, config.maxPositions], 'i64'),
    eosPosition: input('eosPosition', [n], 'i64'),
  });
  const graph = new Map([
    ['textStates', outputs.hiddenStates.at(-2)!],
    ['textEmbeds', outputs.textEmbeds],
  ]);
  return LocalSession.create(emitOnnx(graph), { threads });
}

/** Mostly middle timesteps (logit-normal, Esser et al. 2024), one in six uniform. */
function drawTimestep(random: TorchGenerator, count: number): number {
  const [u] = random.uniform(1) as unknown as [number];
  const [normal] = random.randn(1) as unknown as [number];
  const share = u < 1 / 6 ? u * 6 : 1 / (1 + Math.exp(-1.2 * normal));
  return Math.min(count - 1, Math.floor(share * count));
}

interface DrawnBatch {
  readonly captions: readonly string[];
  readonly feeds: Map<string, TensorData>;
}

/** Noised latents with targets; every sample draws from a stream of its own. */
function drawBatch(
  config: DiffusionTraining,
  pool: LatentPool,
  alphas: Float32Array,
  first: number,
  n: number,
): DrawnBatch {
  const { seed } = config.run;
  const values = pool.shape.reduce((a, b) => a * b, 1);
  const sample = new Float32Array(n * values);
  const target = new Float32Array(n * values);
  const timesteps = new Float32Array(n);
  const captions: string[] = [];
  for (let i = 0; i < n; i++) {
    const random = new TorchGenerator(deriveSeed(seed, 3, first + i));
    const [pick, drop] = random.uniform(2) as unknown as [number, number];
    const entry = Math.min(pool.size - 1, Math.floor(pick * pool.size));
    const timestep = drawTimestep(random, alphas.length);
    const noise = random.randn(values);
    const clean = pool.latents(entry);
    sample.set(noisedAt(alphas[timestep]!, clean, noise), i * values);
    target.set(velocityAt(alphas[timestep]!, clean, noise), i * values);
    timesteps[i] = timestep;
    captions.push(drop < config.captionDropout ? '' : pool.captions[entry]!);
  }
  const shape = [n, ...pool.shape];
  const { pictureSize: size } = config;
  const timeIds = Float32Array.from(
    { length: n * 6 },
    (_, i) => [size, size, 0, 0, size, size][i % 6]!,
  );
  const feeds = new Map<string, TensorData>([
    ['sample', { dtype: 'f32', shape, data: sample }],
    ['target', { dtype: 'f32', shape, data: target }],
    ['timesteps', { dtype: 'f32', shape: [n], data: timesteps }],
    ['timeIds', { dtype: 'f32', shape: [n, 6], data: timeIds }],
  ]);
  return { captions, feeds };
}

/** Runs to the last step; `onSample` gets the averaged weights on the way and at the end. */
export async function trainDiffusion(
  config: DiffusionTraining,
  pool: LatentPool,
  text: TextTower,
  options: RunOptions & { onSample?: (run: TrainingRun) => Promise<void> },
): Promise<void> {
  const { seed, microBatch, threads, sampleEverySteps } = config.run;
  const alphas = alphasCumprod(config.noise);
  const textSession = await createTextSession(text.config, microBatch, threads);
  const run = await TrainingRun.open(
    diffusionObjective(config, text.config, pool.shape),
    (parameters) => initialise(parameters, { seed, rules: config.generator.initials }),
    config.run,
    options,
  );
  const makeBatch = async (first: number, n: number): Promise<Map<string, TensorData>> => {
    const { captions, feeds } = drawBatch(config, pool, alphas, first, n);
    const { ids, eosPosition } = captionBatch(captions, text.tokenizer, text.config);
    const tokens = new Map([
      ['ids', ids],
      ['eosPosition', eosPosition],
    ] as const);
    const encoded = await textSession.run(new Map([...text.weights, ...tokens]));
    return new Map([...feeds, ...encoded]);
  };
  try {
    while (!run.isFinished) {
      const { step } = await run.update(makeBatch);
      if (sampleEverySteps > 0 && step % sampleEverySteps === 0) await options.onSample?.(run);
    }
    await options.onSample?.(run);
  } finally {
    await run.save();
    await run.dispose();
    await textSession.dispose();
  }
}
