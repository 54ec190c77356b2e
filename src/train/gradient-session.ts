/** @file Loss and gradients as one loaded graph, accumulated over micro-batches into a flat vector. */
import { internal } from '../core/errors.js';
import type { FloatTensor, TensorData } from '../core/tensor-data.js';
import { emitOnnx } from '../graph/emit.js';
import { grad } from '../graph/grad.js';
import { type Graph, parametersOf, type Tensor } from '../graph/tensor.js';
import { LocalSession, type SessionOptions } from '../runtime/session.js';
import { ParameterLayout } from './flat-parameters.js';

const gradientName = (parameter: string): string => `gradient of ${parameter}`;

/** A training objective: the scalar to minimise and other values to report. */
export interface Objective {
  readonly loss: Tensor;
  readonly reports?: Readonly<Record<string, Tensor>>;
  /** Values of parameters that are not trained. */
  readonly frozen?: ReadonlyMap<string, TensorData>;
}

export class GradientSession implements AsyncDisposable {
  readonly layout: ParameterLayout;
  readonly #session: LocalSession;
  readonly #reportNames: readonly string[];
  readonly #frozen: ReadonlyMap<string, TensorData>;
  readonly #scratch: Float32Array;
  readonly #scratchViews: ReadonlyMap<string, FloatTensor>;

  private constructor(
    session: LocalSession,
    layout: ParameterLayout,
    reports: readonly string[],
    frozen: ReadonlyMap<string, TensorData>,
  ) {
    this.#session = session;
    this.#frozen = frozen;
    this.layout = layout;
    this.#reportNames = reports;
    this.#scratch = new Float32Array(layout.length);
    const views = [...layout.views(this.#scratch)];
    this.#scratchViews = new Map(views.map(([name, view]) => [gradientName(name), view]));
  }

  /** Every parameter below the loss is trained, except the frozen ones. */
  static async create(
    objective: Objective,
    options: SessionOptions = {},
  ): Promise<GradientSession> {
    const { frozen = new Map<string, TensorData>() } = objective;
    const found = [...parametersOf([objective.loss])];
    const trained = found.filter(([name]) => !frozen.has(name));
    const layout = new ParameterLayout(trained.map(([name, { shape }]) => ({ name, shape })));
    const gradients = grad(
      objective.loss,
      trained.map(([, tensor]) => tensor),
    );
    const outputs = new Map<string, Tensor>([['loss', objective.loss]]);
    for (const [name, tensor] of Object.entries(objective.reports ?? {})) outputs.set(name, tensor);
    trained.forEach(([name], i) => {
      outputs.set(gradientName(name), gradients[i]!);
    });
    const model = emitOnnx(outputs as Graph, { training: true });
    const session = await LocalSession.create(model, options);
    const reports = ['loss', ...Object.keys(objective.reports ?? {})];
    return new GradientSession(session, layout, reports, frozen);
  }

  /** Adds this micro-batch's gradient to `gradient` and returns loss and reports. */
  async accumulate(
    parameters: ReadonlyMap<string, TensorData>,
    batch: ReadonlyMap<string, TensorData>,
    gradient: Float32Array,
  ): Promise<Record<string, number>> {
    const feeds = new Map([...parameters, ...this.#frozen, ...batch]);
    const results = await this.#session.run(feeds, this.#scratchViews);
    const scratch = this.#scratch;
    for (let i = 0; i < scratch.length; i++) gradient[i] = gradient[i]! + scratch[i]!;
    return Object.fromEntries(
      this.#reportNames.map((name) => {
        const value = results.get(name);
        if (!value) throw internal('accumulate', `no output "${name}"`);
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
