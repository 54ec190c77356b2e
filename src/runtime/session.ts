/** @file The only door to onnxruntime-node: one model loaded in this process. */
import * as ort from 'onnxruntime-node';
import { complain, MaliangError } from '../core/errors.js';
import { type Dtype, elementCount, type TensorData } from '../core/tensor-data.js';
import type { EmittedModel } from '../graph/emit.js';
import { type Device, deviceNeeds, devices } from './devices.js';

/** Named tensors going into or coming out of a run. */
export type Values = ReadonlyMap<string, TensorData>;

export interface SessionOptions {
  /** Where to run. Default cpu. */
  readonly device?: Device | undefined;
  /** Threads for one operation; defaults to all cores. */
  readonly threads?: number | undefined;
  /** Weights stay in their files' pages instead of being copied in a faster layout. */
  readonly shareWeights?: boolean;
  /** Those of linear layers are copied in the order products read them in. Default true. */
  readonly packsWeights?: boolean;
  /** Without rewrites by ONNX Runtime and without copies of weights: for a graph that runs once. */
  readonly isPlain?: boolean;
  /** Memory of a run is given back after it instead of being kept for the next one. */
  readonly returnsMemory?: boolean;
  /** Names of ONNX Runtime's own rewrites to leave out. */
  readonly withoutOptimizers?: readonly string[];
  /** Prefix of a profile file written when the session is disposed. */
  readonly profilePrefix?: string;
}

const ortTypes: { readonly [D in Dtype]?: ort.Tensor.Type } = {
  f64: 'float64',
  f32: 'float32',
  f16: 'float16',
  i64: 'int64',
  i32: 'int32',
  i16: 'int16',
  i8: 'int8',
  u64: 'uint64',
  u32: 'uint32',
  u16: 'uint16',
  u8: 'uint8',
  bool: 'bool',
};
const dtypeOf = new Map(Object.entries(ortTypes).map(([dtype, type]) => [type, dtype as Dtype]));

function toOrt(name: string, value: TensorData): ort.Tensor {
  const type = ortTypes[value.dtype];
  if (!type) {
    throw complain('RUNTIME', {
      where: `session input "${name}"`,
      expected: 'a dtype that crosses the boundary',
      got: value.dtype,
    });
  }
  return new ort.Tensor(type, value.data as never, value.shape);
}

function fromOrt(tensor: ort.Tensor): TensorData {
  const dtype = dtypeOf.get(tensor.type)!;
  return { dtype, shape: tensor.dims, data: tensor.data } as TensorData;
}

function creationOptions(options: SessionOptions): ort.InferenceSession.SessionOptions {
  const { threads, shareWeights, withoutOptimizers, profilePrefix, isPlain } = options;
  const { device = 'cpu', packsWeights = true } = options;
  const arena = options.returnsMemory ? { enableCpuMemArena: false, enableMemPattern: false } : {};
  const session: Record<string, string> = { model_external_initializers_file_folder_path: '/' };
  if (shareWeights || isPlain || !packsWeights) session.disable_prepacking = '1';
  const extra: Record<string, unknown> = { session };
  if (withoutOptimizers) {
    extra.optimization = { disable_specified_optimizers: withoutOptimizers.join(';') };
  }
  return {
    // What a device cannot compute is left to the processor.
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    graphOptimizationLevel: optimizationLevel(options),
    logSeverityLevel: 3,
    extra,
    ...arena,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profilePrefix ? { enableProfiling: true, profileFilePrefix: profilePrefix } : {}),
  };
}

/** The last level copies the weights of convolutions in blocks of channels. */
function optimizationLevel({ isPlain, shareWeights }: SessionOptions) {
  if (isPlain) return 'disabled';
  return shareWeights ? 'extended' : 'all';
}

/** A loaded model. `run` blocks the thread that calls it; other processes use `Engine`. */
export class LocalSession {
  readonly #session: ort.InferenceSession;
  readonly #profiled: boolean;
  readonly #inputs: EmittedModel['inputs'];
  readonly #outputs: EmittedModel['outputs'];
  #disposed = false;

  private constructor(session: ort.InferenceSession, model: EmittedModel, profiled: boolean) {
    this.#session = session;
    this.#inputs = model.inputs;
    this.#outputs = model.outputs;
    this.#profiled = profiled;
  }

  /**
   * Throws RUNTIME when ONNX Runtime refuses the model or a weight file, DEVICE when the device is
   * not there.
   */
  static async create(model: EmittedModel, options: SessionOptions = {}): Promise<LocalSession> {
    const { device = 'cpu' } = options;
    requireDevice(device);
    try {
      const session = await ort.InferenceSession.create(model.bytes, creationOptions(options));
      return new LocalSession(session, model, options.profilePrefix !== undefined);
    } catch (cause) {
      if (device !== 'cpu') throw absentDevice(device, reason(cause), cause);
      throw new MaliangError('RUNTIME', `runtime: cannot load the model: ${reason(cause)}`, cause);
    }
  }

  /**
   * Runs the model. Arrays in `into` receive their outputs in place and are what the result holds.
   * Throws DISPOSED, SHAPE for feeds that do not fit, RUNTIME when the run fails.
   */
  async run(feeds: Values, into: Values = new Map()): Promise<Map<string, TensorData>> {
    if (this.#disposed) {
      throw complain('DISPOSED', {
        where: 'session.run',
        expected: 'a live session',
        got: 'a disposed one',
      });
    }
    const inputs: Record<string, ort.Tensor> = {};
    for (const { name, dtype, shape } of this.#inputs) {
      const value = feeds.get(name);
      if (!value || value.dtype !== dtype || value.data.length !== elementCount(shape)) {
        throw complain('SHAPE', {
          where: `session input "${name}"`,
          expected: `${dtype}[${shape.join(',')}]`,
          got: value ? `${value.dtype}[${value.shape.join(',')}]` : 'nothing',
        });
      }
      inputs[name] = toOrt(name, { ...value, shape } as TensorData);
    }
    const outputs: Record<string, ort.Tensor | null> = {};
    for (const { name } of this.#outputs) {
      const target = into.get(name);
      outputs[name] = target ? toOrt(name, target) : null;
    }
    try {
      const results = await this.#session.run(inputs, outputs);
      return new Map(
        this.#outputs.map(({ name }) => [name, into.get(name) ?? fromOrt(results[name]!)]),
      );
    } catch (cause) {
      throw new MaliangError('RUNTIME', `runtime: the run failed: ${reason(cause)}`, cause);
    }
  }

  /** Frees the session; later runs throw DISPOSED. Safe to call twice. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#profiled) this.#session.endProfiling();
    await this.#session.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** ONNX Runtime takes the processor in silence for a device its build does not have. */
function requireDevice(device: Device): void {
  const present = ort.listSupportedBackends().map(({ name }) => name);
  if (device === 'cpu' || present.includes(device)) return;
  const known = present.filter((name) => devices.some((one) => one === name));
  throw absentDevice(
    device,
    `a build for ${known.join(', ')} (${process.platform}, ${process.arch})`,
  );
}

function absentDevice(device: Exclude<Device, 'cpu'>, got: string, cause?: unknown): MaliangError {
  const expected = `${device} to be there`;
  const next = `${deviceNeeds[device]} Or use cpu.`;
  return complain('DEVICE', { where: 'device', expected, got: firstLine(got), next }, cause);
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').slice(-200);
}
