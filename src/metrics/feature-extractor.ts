/** @file A feature network loaded in the engine, fed with batches of pictures. */
import { internal } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import type { RasterImage } from '../formats/image.js';
import { input, type Tensor } from '../graph/tensor.js';
import type { Engine, RemoteSession } from '../runtime/engine.js';
import type { FeatureNetwork } from './feature-network.js';
import type { FeatureRows } from './feature-rows.js';
import { type ResizeRule, resizeForNetwork } from './picture-resize.js';

export interface ExtractorOptions {
  readonly resize: ResizeRule;
  /** Pictures of a run. */
  readonly batch: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PictureFeatures {
  readonly features: FeatureRows;
  /** Where the network has classes. */
  readonly logits: FeatureRows | undefined;
}

/** Dispose it when done. */
export class FeatureExtractor implements AsyncDisposable {
  readonly network: FeatureNetwork;
  readonly batch: number;
  readonly #resize: ResizeRule;
  readonly #session: RemoteSession;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    network: FeatureNetwork,
    session: RemoteSession,
    { resize, batch, signal }: ExtractorOptions,
  ) {
    this.network = network;
    this.batch = batch;
    this.#resize = resize;
    this.#session = session;
    this.#signal = signal;
  }

  /** Throws what `Engine` throws. */
  static async load(
    engine: Engine,
    network: FeatureNetwork,
    options: ExtractorOptions,
  ): Promise<FeatureExtractor> {
    const { pictureSize: side, weights } = network;
    const { features, logits } = network.build(input('pixels', [options.batch, 3, side, side]));
    const outputs = new Map<string, Tensor>([['features', features]]);
    if (logits) outputs.set('logits', logits);
    const session = await engine.load(outputs, { weights, signal: options.signal });
    return new FeatureExtractor(network, session, options);
  }

  /** The planes of a picture as the network takes them. */
  prepare(image: RasterImage): Float32Array {
    return resizeForNetwork(image, this.#resize, this.network.pictureSize);
  }

  /** Features of at most `batch` prepared pictures. Throws CANCELLED and what `Engine` throws. */
  async extract(pictures: readonly Float32Array[]): Promise<PictureFeatures> {
    const { pictureSize: side } = this.network;
    const plane = 3 * side * side;
    const data = new Float32Array(this.batch * plane); // a batch that is not full ends in black
    pictures.forEach((picture, i) => {
      data.set(picture, i * plane);
    });
    const pixels = { dtype: 'f32', shape: [this.batch, 3, side, side], data } as const;
    const outputs = await this.#session.run(new Map([['pixels', pixels]]), {
      signal: this.#signal,
    });
    const logits = outputs.get('logits');
    return {
      features: firstRows(outputs.get('features'), pictures.length),
      logits: logits && firstRows(logits, pictures.length),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.dispose();
  }
}

function firstRows(value: TensorData | undefined, count: number): FeatureRows {
  if (value?.dtype !== 'f32') throw internal('features', `${value?.dtype} where f32 was to be`);
  const size = value.shape[1]!;
  return { count, size, data: value.data.slice(0, count * size) };
}
