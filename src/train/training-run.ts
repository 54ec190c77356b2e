/** @file What every training loop shares: parameters, optimiser, checkpoints and the loss log. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { complain, throwIfAborted } from '../core/errors.js';
import type { FloatTensor, TensorData } from '../core/tensor-data.js';
import {
  adamWStep,
  averageDecayAt,
  createOptimizerState,
  gradientNorm,
  type OptimizerState,
} from './adamw.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { GradientSession, type Objective } from './gradient-session.js';
import { learningRateAt } from './learning-rate.js';
import type { RunSettings } from './run-settings.js';

/** One finished optimiser step. */
export interface StepReport {
  readonly step: number;
  readonly totalSteps: number;
  /** Pictures seen so far. */
  readonly images: number;
  /** The objective and its reports, averaged over the micro-batches. */
  readonly values: Readonly<Record<string, number>>;
  readonly learningRate: number;
  readonly gradientNorm: number;
  /** Milliseconds of this step, and of training in all, earlier parts of a resumed run included. */
  readonly stepMs: number;
  readonly elapsedMs: number;
}

export interface RunOptions {
  readonly folder: string;
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
}

/** Feeds of one micro-batch; `first` is the number of its first sample, counted over the whole run. */
export type MakeBatch = (first: number, size: number) => Promise<ReadonlyMap<string, TensorData>>;

const checkpointFile = 'checkpoint.safetensors';
const logFile = 'loss.jsonl';

export class TrainingRun {
  readonly settings: RunSettings;
  readonly #options: RunOptions;
  readonly #session: GradientSession;
  readonly #state: OptimizerState;
  readonly #gradient: Float32Array;
  #step: number;
  #elapsedMs: number;
  #savedAt = Date.now();

  private constructor(
    session: GradientSession,
    state: OptimizerState,
    settings: RunSettings,
    options: RunOptions,
    done: { step: number; elapsedMs: number },
  ) {
    this.settings = settings;
    this.#options = options;
    this.#session = session;
    this.#state = state;
    this.#gradient = new Float32Array(state.parameters.length);
    this.#step = done.step;
    this.#elapsedMs = done.elapsedMs;
  }

  /**
   * Starts a run, or continues the one in the folder. Throws CHECKPOINT when there is nothing to
   * resume, or something that would be overwritten.
   */
  static async open(
    objective: Objective,
    initial: (
      shapes: ReadonlyMap<string, { shape: readonly number[] }>,
    ) => Map<string, Float32Array>,
    settings: RunSettings,
    options: RunOptions,
  ): Promise<TrainingRun> {
    const path = join(options.folder, checkpointFile);
    if (!options.resume && existsSync(path)) {
      throw complain('CHECKPOINT', {
        where: options.folder,
        expected: 'a folder without a checkpoint',
        got: `${checkpointFile}`,
        next: 'Continue it with --resume, or choose another folder.',
      });
    }
    mkdirSync(options.folder, { recursive: true });
    const { threads } = settings;
    const session = await GradientSession.create(objective, { threads });
    const { layout } = session;
    if (options.resume) {
      const { state, step, elapsedMs } = await readCheckpoint(path, layout);
      trimLog(join(options.folder, logFile), step);
      return new TrainingRun(session, state, settings, options, { step, elapsedMs });
    }
    const parameters = new Float32Array(layout.length);
    for (const [name, values] of initial(layout.entries)) {
      const entry = layout.entries.get(name);
      if (entry) parameters.set(values, entry.offset);
    }
    const state = createOptimizerState(parameters);
    return new TrainingRun(session, state, settings, options, { step: 0, elapsedMs: 0 });
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  get isFinished(): boolean {
    return this.#step >= this.settings.steps;
  }

  /** Current parameters by name, sharing the run's memory. */
  parameters(): Map<string, FloatTensor> {
    return this.#session.layout.views(this.#state.parameters);
  }

  /** Averaged parameters by name, sharing the run's memory: what to sample and ship. */
  averages(): Map<string, FloatTensor> {
    return this.#session.layout.views(this.#state.average);
  }

  /** One optimiser step over `batchSize` samples in micro-batches; saves when it is time to. */
  async update(makeBatch: MakeBatch): Promise<StepReport> {
    throwIfAborted('training', this.#options.signal);
    const started = performance.now();
    const { batchSize, microBatch } = this.settings;
    const parts = batchSize / microBatch;
    const parameters = this.parameters();
    const totals: Record<string, number> = {};
    this.#gradient.fill(0);
    for (let part = 0; part < parts; part++) {
      const batch = await makeBatch(this.#step * batchSize + part * microBatch, microBatch);
      const values = await this.#session.accumulate(parameters, batch, this.#gradient);
      for (const [name, value] of Object.entries(values)) {
        totals[name] = (totals[name] ?? 0) + value / parts;
      }
    }
    const norm = gradientNorm(this.#gradient) / parts;
    this.#requireFinite(totals.loss!, norm);
    const learningRate = this.#optimize(norm, parts);
    const stepMs = performance.now() - started;
    this.#elapsedMs += stepMs;
    const report = this.#report(totals, learningRate, norm, stepMs);
    appendFileSync(join(this.#options.folder, logFile), `${JSON.stringify(report)}\n`);
    this.#options.onStep?.(report);
    if (Date.now() - this.#savedAt > this.settings.checkpointMinutes * 60_000) await this.save();
    return report;
  }

  #optimize(norm: number, parts: number): number {
    const { optimizer, steps } = this.settings;
    this.#step += 1;
    const learningRate = learningRateAt(this.#step, {
      peak: optimizer.learningRate,
      warmupSteps: optimizer.warmupSteps,
      totalSteps: steps,
      decayShare: optimizer.decayShare,
    });
    adamWStep(this.#state, this.#gradient, {
      ...optimizer,
      learningRate,
      step: this.#step,
      gradientScale: Math.min(1, optimizer.clipNorm / (norm + 1e-12)) / parts,
      decayedLength: this.#session.layout.decayedLength,
      averageDecay: averageDecayAt(this.#step, optimizer.averageDecay),
    });
    return learningRate;
  }

  #report(
    values: Record<string, number>,
    learningRate: number,
    norm: number,
    stepMs: number,
  ): StepReport {
    const { steps, batchSize } = this.settings;
    return {
      step: this.#step,
      totalSteps: steps,
      images: this.#step * batchSize,
      values,
      learningRate,
      gradientNorm: norm,
      stepMs: Math.round(stepMs),
      elapsedMs: Math.round(this.#elapsedMs),
    };
  }

  #requireFinite(loss: number, norm: number): void {
    if (Number.isFinite(loss) && Number.isFinite(norm)) return;
    throw complain('TRAINING', {
      where: `training step ${this.#step + 1}`,
      expected: 'a finite loss and gradient',
      got: `loss ${loss}, gradient norm ${norm}`,
    });
  }

  /** Writes the checkpoint whole: parameters, moments, average, step. */
  async save(): Promise<void> {
    const path = join(this.#options.folder, checkpointFile);
    const done = { step: this.#step, elapsedMs: this.#elapsedMs };
    await writeCheckpoint(path, this.#session.layout, this.#state, done);
    this.#savedAt = Date.now();
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
  }
}

/** Drops log lines of steps after the checkpoint, which the resumed run does again. */
function trimLog(path: string, lastStep: number): void {
  if (!existsSync(path)) return;
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  const kept = lines.filter((line) => (JSON.parse(line) as StepReport).step <= lastStep);
  writeFileSync(path, kept.map((line) => `${line}\n`).join(''));
}
