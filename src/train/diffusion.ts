/** @file Trains a text-conditional denoiser on latents: v-prediction (Salimans and Ho 2022), caption dropout. */
import { TorchGenerator } from '../core/random.js';
import { elementCount, type FloatTensor, type TensorData } from '../core/tensor-data.js';
import type { PictogramDataset } from '../data/pictograms.js';
import type { ClipTokenizer } from '../formats/clip-tokenizer.js';
import * as g from '../graph/build.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import type { ClipTextConfig } from '../models/clip-config.js';
import { clipTextWithProjection } from '../models/clip-text.js';
import { initialise } from '../nn/initialise.js';
import { Scope } from '../nn/scope.js';
import { LocalSession } from '../runtime/session.js';
import type { DdimConfig } from '../schedulers/ddim.js';
import { noisedAt, velocityAt } from '../schedulers/denoisers.js';
import { alphasCumprod } from '../schedulers/schedules.js';
import { captionBatch } from './caption-batch.js';
import { type Generator, requireFit, timeIdCount } from './generator.js';
import type { Objective } from './gradient-session.js';
import type { LatentPool } from './latent-pool.js';
import { deriveSeed, type RunSettings } from './run-settings.js';
import { type OnSample, type RunOptions, TrainingRun } from './training-run.js';

export interface DiffusionTraining {
  readonly run: RunSettings;
  readonly generator: Generator;
  /** The sampler the model is made for: its noise levels are those trained on. */
  readonly scheduler: DdimConfig;
  /** Share of captions replaced by the empty text, for classifier-free guidance. */
  readonly captionDropout: number;
  /** Pixels per side of the pictures behind the latents, also for SDXL's size conditioning. */
  readonly pictureSize: PictogramDataset['size'];
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
  requireFit(config.generator, {
    channels: latentShape[0]!,
    textWidth: text.hiddenSize,
    pooledWidth: text.projectionDim,
  });
  const target = input('target', [n, ...latentShape]);
  const output = config.generator.build(new Scope(), {
    sample: input('sample', [n, ...latentShape]),
    timesteps: input('timesteps', [n]),
    textStates: input('textStates', [n, text.maxPositions, text.hiddenSize]),
    textEmbeds: input('textEmbeds', [n, text.projectionDim]),
    timeIds: input('timeIds', [n, timeIdCount]),
  });
  const loss = g.mean(g.square(g.sub(output, target)));
  return { loss, frozen: config.generator.frozen };
}

/** The text tower as a session: penultimate states and pooled embedding, as SDXL uses them. */
export async function createTextSession(
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

/** `textStates` and `textEmbeds` of as many captions as the session takes. */
export async function encodeTexts(
  session: LocalSession,
  { config, weights, tokenizer }: TextTower,
  captions: readonly string[],
): Promise<Map<string, TensorData>> {
  const { ids, eosPosition } = captionBatch(captions, tokenizer, config);
  const tokens: [string, TensorData][] = [
    ['ids', ids],
    ['eosPosition', eosPosition],
  ];
  return session.run(new Map([...weights, ...tokens]));
}

/** SDXL's size conditioning of `n` whole pictures, [n, timeIdCount]. */
export function timeIdsOf(n: number, size: number): FloatTensor {
  const sizes = [size, size, 0, 0, size, size];
  const data = Float32Array.from({ length: n * timeIdCount }, (_, i) => sizes[i % timeIdCount]!);
  return { dtype: 'f32', shape: [n, timeIdCount], data };
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
  const values = elementCount(pool.shape);
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
  const feeds = new Map<string, TensorData>([
    ['sample', { dtype: 'f32', shape, data: sample }],
    ['target', { dtype: 'f32', shape, data: target }],
    ['timesteps', { dtype: 'f32', shape: [n], data: timesteps }],
    ['timeIds', timeIdsOf(n, config.pictureSize)],
  ]);
  return { captions, feeds };
}

/** Runs to the last step; `onSample` gets the averaged weights on the way and at the end. */
export async function trainDiffusion(
  config: DiffusionTraining,
  pool: LatentPool,
  text: TextTower,
  options: RunOptions,
  onSample?: OnSample,
): Promise<void> {
  const { seed, microBatch, threads } = config.run;
  const alphas = alphasCumprod(config.scheduler);
  const objective = diffusionObjective(config, text.config, pool.shape);
  await using textSession = await createTextSession(text.config, microBatch, threads);
  await using run = await TrainingRun.open(
    objective,
    (parameters) => initialise(parameters, { seed, rules: config.generator.initials }),
    config.run,
    options,
  );
  await run.toEnd(async (first, n) => {
    const { captions, feeds } = drawBatch(config, pool, alphas, first, n);
    return new Map([...feeds, ...(await encodeTexts(textSession, text, captions))]);
  }, onSample);
}
