/** @file The UNet as the callback samplers know: guidance inside, one picture at a time. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import { type Graph, input } from '../graph/tensor.js';
import { Scope } from '../models/registry.js';
import { unet2dCondition } from '../models/unet-2d-condition.js';
import type { Denoise } from '../schedulers/sampler.js';
import type { Conditioning } from './encode-prompt.js';
import { type Guidance, guidanceEmbedding, guide } from './guidance.js';
import type { ModelPart } from './model-part.js';
import { floatOutput, type SessionCache } from './session-cache.js';

type Unet = ModelPart<'UNet2DConditionModel'>;

export interface DenoiserOptions {
  /** [channels, height, width]. */
  readonly latentShape: readonly [number, number, number];
  readonly positive: Conditioning;
  /** Present when there is guidance. */
  readonly negative: Conditioning | undefined;
  readonly guidance: Guidance;
  /** SDXL's original size, crop corner and target size; see `timeIdsOf`. */
  readonly timeIds: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/** Whether a run needs the unconditional side: not below a scale of 1, nor when the UNet is told the scale. */
export function isGuided({ config }: Unet, { scale }: Guidance): boolean {
  return scale > 1 && config.timeCondProjDim === undefined;
}

/** The denoiser of one picture: x [c·h·w] in, raw model output after guidance out. */
export function unetDenoiser(
  unet: Unet,
  sessions: SessionCache,
  options: DenoiserOptions,
): Denoise {
  const { latentShape, positive, negative, guidance, signal } = options;
  const rows = negative ? [negative, positive] : [positive];
  const n = rows.length;
  const fixed = conditionFeeds(unet, rows, options);
  const tokens = positive.states.shape[1]!;
  return async (x, timestep) => {
    const shape = [n, ...latentShape];
    const outputs = await sessions.run({
      part: unet,
      form: `${shape.join('x')}, ${tokens} tokens`,
      build: () => unetGraph(unet, shape, fixed),
      feeds: new Map([
        ...fixed,
        ['sample', floatTensor(repeated(x, n), shape)],
        ['timesteps', floatTensor(new Float32Array(n).fill(timestep), [n])],
      ]),
      signal,
    });
    const { data } = floatOutput(outputs, 'output');
    if (!negative) return data;
    const half = data.length / 2;
    return guide(data.subarray(0, half), data.subarray(half), guidance);
  };
}

/** What stays the same in every step. */
function conditionFeeds(
  { config }: Unet,
  rows: readonly Conditioning[],
  { guidance, timeIds }: DenoiserOptions,
): Map<string, FloatTensor> {
  const n = rows.length;
  const feeds = new Map([['states', stacked(rows.map(({ states }) => states))]]);
  if (config.additionEmbed.kind === 'text_time') {
    feeds.set('textEmbeds', stacked(rows.map(({ pooled }) => pooled!)));
    const ids = repeated(Float32Array.from(timeIds), n);
    feeds.set('timeIds', floatTensor(ids, [n, timeIds.length]));
  }
  const width = config.timeCondProjDim;
  if (width !== undefined) {
    const embedding = repeated(guidanceEmbedding(guidance.scale, width), n);
    feeds.set('timestepCond', floatTensor(embedding, [n, width]));
  }
  return feeds;
}

/** Inputs sample [n, c, h, w], timesteps [n] and one per condition; output `output`. */
function unetGraph(
  { config }: Unet,
  shape: readonly number[],
  conditions: ReadonlyMap<string, FloatTensor>,
): Graph {
  const condition = (name: string) => {
    const value = conditions.get(name);
    return value && input(name, value.shape);
  };
  const textEmbeds = condition('textEmbeds');
  const timeIds = condition('timeIds');
  const output = unet2dCondition(new Scope(), config, {
    sample: input('sample', shape),
    timesteps: input('timesteps', shape.slice(0, 1)),
    encoderHiddenStates: condition('states')!,
    timestepCond: condition('timestepCond'),
    addedConditions: textEmbeds && timeIds && { textEmbeds, timeIds },
  });
  return new Map([['output', output]]);
}

/** Tensors [1, ..] -> [n, ..]. */
function stacked(rows: readonly FloatTensor[]): FloatTensor {
  const { shape, data } = rows[0]!;
  const all = new Float32Array(rows.length * data.length);
  rows.forEach((row, i) => {
    all.set(row.data, i * data.length);
  });
  return floatTensor(all, [rows.length, ...shape.slice(1)]);
}

function repeated(values: Float32Array, times: number): Float32Array {
  const out = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) out.set(values, i * values.length);
  return out;
}
