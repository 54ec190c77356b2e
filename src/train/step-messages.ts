/** @file What a training run asks of its workers, and the answers. Each worker has one question at a time. */
import type { ErrorCode } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import type { OptimizerState, Range, StepOptions } from './adamw.js';
import type { GradientModel } from './gradient-session.js';
import type { UpdateShare } from './update-shares.js';

/** What a worker is started with. All vectors lie in memory shared by every thread of the run. */
export interface WorkerStart {
  readonly parts: GradientModel;
  readonly threads: number;
  readonly state: OptimizerState;
  /** Gradient sums of this step, one vector per worker. */
  readonly gradients: readonly Float32Array[];
  /** Which of the gradients is this worker's. */
  readonly index: number;
  /** What this worker updates. */
  readonly share: UpdateShare;
}

export type StepRequest =
  /** Adds the gradients of a micro-batch to the worker's sum, which the first one replaces. */
  | {
      readonly kind: 'gradient';
      readonly feeds: ReadonlyMap<string, TensorData>;
      readonly isFirst: boolean;
    }
  /** Adds the sums of the first `workers` workers into the first one's, over a range. */
  | { readonly kind: 'sum'; readonly range: Range; readonly workers: number }
  /** Finds Muon's directions along the first worker's sum, before anything moves: it may fail. */
  | { readonly kind: 'prepare'; readonly gradientScale: number }
  /** Moves parameters, moments and averages of the worker's share along the first worker's sum. */
  | { readonly kind: 'update'; readonly options: StepOptions }
  | { readonly kind: 'end' };

export type StepReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'values'; readonly values: Readonly<Record<string, number>> }
  /** Sum of the squares of the gradient in the range, or of the directions. */
  | { readonly kind: 'squares'; readonly squares: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };
