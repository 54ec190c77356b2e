/** @file Loss and gradients as one loaded graph, with a flat vector for the gradients. */
import { internal } from '../core/errors.js';
import type { FloatTensor, TensorData } from '../core/tensor-data.js';
import { type EmittedModel, emitOnnx } from '../graph/emit.js';
import { grad } from '../graph/grad.js';
import { blockedTraining } from '../graph/rewrites/blocked-convolutions.js';
import { sliceWeights } from '../graph/rewrites/slice-weights.js';
import { parametersOf, type Tensor } from '../graph/tensor.js';
import { LocalSession, type SessionOptions } from '../runtime/session.js';
import { ParameterLayout, type ParameterShape } from './flat-parameters.js';

const gradientName = (parameter: string): string => `gradient of ${parameter}`;

/** A training objective: the scalar to minimise and other values to report. */
export interface Objective {
  readonly loss: Tensor;
  readonly reports?: Readonly<Record<string, Tensor>>;
  /** Values of parameters that are not trained. */
  readonly frozen?: ReadonlyMap<string, TensorData>;
}

/** An objective ready to be loaded, also in another thread: it holds data only. */
export interface GradientModel {
  readonly model: EmittedModel;
  /** The parameters that are trained. */
  readonly parameters: readonly ParameterShape[];
  /** Names of the scalars beside the gradients, the loss first. */
  readonly reports: readonly string[];
  readonly frozen: ReadonlyMap<string, TensorData>;
}

/**
 * Every parameter below the loss is trained, except the frozen ones. Convolutions work on blocks of
 * that many channels where the processor has them (`channelBlock`).
 */
export function gradientModel(objective: Objective, block?: number): GradientModel {
  const { reports = {}, frozen = new Map<string, TensorData>() } = objective;
  const outputs = new Map(
    sliceWeights(new Map([['loss', objective.loss], ...Object.entries(reports)])),
  );
  const loss = outputs.get('loss')!;
  const trained = [...parametersOf([loss])].filter(([name]) => !frozen.has(name));
  const gradients = grad(
    loss,
    trained.map(([, tensor]) => tensor),
  );
  trained.forEach(([name], i) => {
    outputs.set(gradientName(name), gradients[i]!);
  });
  return {
    model: emitOnnx(block ? blockedTraining(outputs, block) : outputs, { training: true }),
    parameters: trained.map(([name, { shape }]) => ({ name, shape })),
    reports: ['loss', ...Object.keys(reports)],
    frozen,
  };
}

export class GradientSession implements AsyncDisposable {
  readonly layout: ParameterLayout;
  readonly #session: LocalSession;
  readonly #parts: GradientModel;
  readonly #views: ReadonlyMap<string, FloatTensor>;
  /** Gradients of the last run, laid out as the parameters. */
  readonly gradient: Float32Array;

  private constructor(session: LocalSession, parts: GradientModel) {
    this.#session = session;
    this.#parts = parts;
    this.layout = new ParameterLayout(parts.parameters);
    this.gradient = new Float32Array(this.layout.length);
    const views = [...this.layout.views(this.gradient)];
    this.#views = new Map(views.map(([name, view]) => [gradientName(name), view]));
  }

  static async load(parts: GradientModel, options: SessionOptions = {}): Promise<GradientSession> {
    return new GradientSession(await LocalSession.create(parts.model, options), parts);
  }

  /** Writes the gradients of a batch into `gradient`; returns loss and reports. */
  async run(
    parameters: ReadonlyMap<string, TensorData>,
    batch: ReadonlyMap<string, TensorData>,
  ): Promise<Record<string, number>> {
    const { frozen, reports } = this.#parts;
    const feeds = new Map([...parameters, ...frozen, ...batch]);
    const results = await this.#session.run(feeds, this.#views);
    return Object.fromEntries(
      reports.map((name) => {
        const value = results.get(name);
        if (!value) throw internal('gradients', `no output "${name}"`);
        return [name, Number(value.data[0])];
      }),
    );
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
