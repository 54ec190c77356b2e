/** @file Muon (Jordan et al. 2024) scaled to AdamW's rate and decay (Liu et al. 2025, arXiv 2502.16982). */
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { LocalSession, type SessionOptions } from '../runtime/session.js';
import { type OptimizerState, type StepOptions, squaresOf } from './adamw.js';
import { orthogonalized } from './newton-schulz.js';
import type { Matrix } from './update-shares.js';

const momentum = 0.95;
/** Root mean square of AdamW's usual update: with it the rate and the weight decay carry over. */
const usualUpdate = 0.2;

/** Matrices of one shape, end to end, before and after they are made orthogonal. */
interface Stack {
  readonly name: string;
  readonly matrices: readonly Matrix[];
  readonly shape: readonly [number, number, number];
  readonly momenta: Float32Array;
  readonly directions: Float32Array;
}

/** The matrices of one worker. Their momentum is the state's first moment; the second stays as it is. */
export class MuonUpdate implements AsyncDisposable {
  readonly #stacks: readonly Stack[];
  readonly #session: LocalSession | undefined;

  private constructor(stacks: readonly Stack[], session: LocalSession | undefined) {
    this.#stacks = stacks;
    this.#session = session;
  }

  static async load(
    matrices: readonly Matrix[],
    options: SessionOptions = {},
  ): Promise<MuonUpdate> {
    const stacks = stacksOf(matrices);
    if (stacks.length === 0) return new MuonUpdate(stacks, undefined);
    const outputs = stacks.map(
      ({ name, shape }) => [name, orthogonalized(input(`momentum ${name}`, shape))] as const,
    );
    const session = await LocalSession.create(emitOnnx(new Map(outputs)), options);
    return new MuonUpdate(stacks, session);
  }

  /**
   * Finds where the matrices shall go and leaves the state as it is. Returns the sum of the squares,
   * which is finite unless the directions are not.
   */
  async prepare(
    { firstMoment }: OptimizerState,
    gradient: Float32Array,
    gradientScale: number,
  ): Promise<number> {
    for (const stack of this.#stacks) fillMomenta(stack, firstMoment, gradient, gradientScale);
    const tensors = (kind: 'momenta' | 'directions', prefix: string) =>
      new Map(
        this.#stacks.map((stack) => {
          const { name, shape } = stack;
          return [`${prefix}${name}`, { dtype: 'f32', shape, data: stack[kind] } as const];
        }),
      );
    await this.#session?.run(tensors('momenta', 'momentum '), tensors('directions', ''));
    return this.#stacks.reduce(
      (sum, { directions }) => sum + squaresOf(directions, { from: 0, to: directions.length }),
      0,
    );
  }

  /** Moves momentum, parameters and averages along what `prepare` found for the same gradient. */
  apply(state: OptimizerState, gradient: Float32Array, options: StepOptions): void {
    for (const { matrices, directions } of this.#stacks) {
      let at = 0;
      for (const matrix of matrices) {
        const { rows, columns } = matrix;
        move(state, gradient, directions.subarray(at, at + rows * columns), matrix, options);
        at += rows * columns;
      }
    }
  }

  async dispose(): Promise<void> {
    await this.#session?.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

function stacksOf(matrices: readonly Matrix[]): Stack[] {
  const byShape = new Map<string, Matrix[]>();
  for (const matrix of matrices) {
    const name = `${matrix.rows}x${matrix.columns}`;
    byShape.set(name, [...(byShape.get(name) ?? []), matrix]);
  }
  return [...byShape].map(([name, group]) => {
    const { rows, columns } = group[0]!;
    const length = group.length * rows * columns;
    return {
      name,
      matrices: group,
      shape: [group.length, rows, columns],
      momenta: new Float32Array(length),
      directions: new Float32Array(length),
    };
  });
}

/** Nesterov's momentum: the gradient mixed with the momentum that holds it already. */
function fillMomenta(
  { matrices, momenta }: Stack,
  firstMoment: Float32Array,
  gradient: Float32Array,
  gradientScale: number,
): void {
  let at = 0;
  for (const { offset, rows, columns } of matrices) {
    const end = offset + rows * columns;
    for (let i = offset; i < end; i++) {
      const value = gradient[i]! * gradientScale;
      momenta[at++] = value + momentum * (mixed(firstMoment[i]!, value) - value);
    }
  }
}

function mixed(old: number, value: number): number {
  return old + (1 - momentum) * (value - old);
}

function move(
  { parameters, firstMoment, average }: OptimizerState,
  gradient: Float32Array,
  direction: Float32Array,
  { offset, rows, columns }: Matrix,
  { learningRate, weightDecay, gradientScale, averageDecay }: StepOptions,
): void {
  const rate = learningRate * usualUpdate * Math.sqrt(Math.max(rows, columns));
  const keep = 1 - learningRate * weightDecay;
  const mixAverage = 1 - averageDecay;
  for (let at = 0; at < direction.length; at++) {
    const i = offset + at;
    const p = keep * parameters[i]! - rate * direction[at]!;
    firstMoment[i] = mixed(firstMoment[i]!, gradient[i]! * gradientScale);
    parameters[i] = p;
    average[i] = average[i]! + mixAverage * (p - average[i]!);
  }
}

/**
 * Gives AdamW second moments to go on from where Muon left none. Its momentum averages
 * (1 + 0.95) / (1 − 0.95) gradients' worth of noise, so that many times its square estimates the
 * gradient's; no value below the mean of its matrix, so that none moves faster than AdamW would.
 */
export function restartSecondMoment(
  { firstMoment, secondMoment }: OptimizerState,
  matrices: readonly Matrix[],
): void {
  const gain = (1 + momentum) / (1 - momentum);
  for (const { offset, rows, columns } of matrices) {
    const range = { from: offset, to: offset + rows * columns };
    const mean = squaresOf(firstMoment, range) / (rows * columns);
    for (let i = range.from; i < range.to; i++) {
      secondMoment[i] = gain * Math.max(firstMoment[i]! ** 2, mean);
    }
  }
}
