/** @file What the engine asks of its child process, and the answers. One question at a time. */
import type { ErrorCode } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import type { PackedGraph } from './packed-graph.js';
import type { Preparation } from './prepared-weights.js';
import type { RowTraffic } from './row-store.js';
import type { SessionOptions, Values } from './session.js';
import type { TensorInFile } from './weights.js';

export type Request =
  | {
      readonly kind: 'load';
      readonly session: number;
      readonly graph: PackedGraph;
      /** Parameters by name; the rest are inputs. */
      readonly weights: ReadonlyMap<string, TensorInFile>;
      readonly options: SessionOptions;
      readonly preparation: Preparation;
    }
  | {
      readonly kind: 'run';
      readonly session: number;
      readonly feeds: Values;
      readonly rows?: RowTraffic | undefined;
    }
  /** Gives up kept pictures. */
  | { readonly kind: 'drop'; readonly stores: readonly number[] }
  | { readonly kind: 'release'; readonly session: number };

export type Reply =
  /** Sent once, unasked, when ONNX Runtime is there. */
  | { readonly kind: 'ready' }
  | Done
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

export interface Done {
  readonly kind: 'done';
  /** By name; none for requests that give none. */
  readonly outputs: ReadonlyMap<string, TensorData>;
  readonly warnings: readonly string[];
}
