/** @file What every training loop shares: parameters, optimiser, checkpoints and the loss log. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { complain, MaliangError, throwIfAborted } from '../core/errors.js';
import type { FloatTensor, TensorData } from '../core/tensor-data.js';
import { isPartialOf, writeError } from '../hub/atomic-file.js';
import { channelBlock } from '../runtime/channel-block.js';
import { averageDecayAt, createOptimizerState, type OptimizerState, shareState } from './adamw.js';
import {
  checkpointFile,
  type Progress,
  readCheckpoint,
  requireCheckpoint,
  writeCheckpoint,
} from './checkpoint.js';
import { ParameterLayout } from './flat-parameters.js';
import { gradientModel, type Objective } from './gradient-session.js';
import { learningRateAt } from './learning-rate.js';
import { appendLoss, lossLogFile, type StepReport, trimLossLog } from './loss-log.js';
import { restartSecondMoment } from './muon.js';
import { RunLock } from './run-lock.js';
import type { RunSettings } from './run-settings.js';
import { StepCrew } from './step-crew.js';
import { muonMatrices } from './update-shares.js';

export type { StepReport } from './loss-log.js';

export interface RunOptions {
  /** Where checkpoint and loss log lie; made when missing. */
  readonly folder: string;
  /** Weights by parameter name that a new run begins with instead of drawn ones. */
  readonly start?: ReadonlyMap<string, TensorData> | undefined;
  /** Continue the run in the folder; else the folder must not hold one. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
}

/** Gets the run every `sampleEverySteps` steps and at its end, to write what it has learnt. */
export type OnSample = (run: TrainingRun) => Promise<void>;

/** Feeds of one micro-batch; `first` is the number of its first sample, counted over the whole run. */
export type MakeBatch = (first: number, size: number) => Promise<ReadonlyMap<string, TensorData>>;

/** Starting values by parameter name. */
export type Initial = (
  shapes: ReadonlyMap<string, { shape: readonly number[] }>,
) => ReadonlyMap<string, Float32Array>;

/** What a run begins with. */
interface Start {
  readonly state: OptimizerState;
  readonly step: number;
  readonly elapsedMs: number;
  /** The step the checkpoint holds. */
  readonly savedStep: number | undefined;
}

export class TrainingRun implements AsyncDisposable {
  readonly settings: RunSettings;
  readonly #options: RunOptions;
  readonly #lock: RunLock;
  readonly #crew: StepCrew;
  readonly #layout: ParameterLayout;
  readonly #state: OptimizerState;
  #step: number;
  #elapsedMs: number;
  #savedStep: number | undefined;
  #savedAt = Date.now();

  private constructor(
    { lock, crew, layout }: { lock: RunLock; crew: StepCrew; layout: ParameterLayout },
    start: Start,
    settings: RunSettings,
    options: RunOptions,
  ) {
    this.settings = settings;
    this.#options = options;
    this.#lock = lock;
    this.#crew = crew;
    this.#layout = layout;
    this.#state = start.state;
    this.#step = start.step;
    this.#elapsedMs = start.elapsedMs;
    this.#savedStep = start.savedStep;
  }

  /**
   * Starts a run, or continues the one in the folder. Throws CHECKPOINT when there is nothing to
   * resume, something that would be overwritten, or another process at work; CANCELLED, RUNTIME,
   * WEIGHTS, DISK_FULL or FILE_WRITE.
   */
  static async open(
    objective: Objective,
    initial: Initial,
    settings: RunSettings,
    options: RunOptions,
  ): Promise<TrainingRun> {
    throwIfAborted('training', options.signal);
    await prepareFolder(options);
    const lock = await RunLock.acquire(options.folder);
    try {
      await removePartials(options.folder);
      const parts = gradientModel(objective, await channelBlock());
      const layout = new ParameterLayout(parts.parameters);
      const start = await startOf(layout, initial, settings, options);
      await trimLossLog(join(options.folder, lossLogFile), start.step);
      const { batchSize, microBatch, threads } = settings;
      const crew = await StepCrew.create(parts, start.state, {
        microBatches: batchSize / microBatch,
        threads,
        optimizer: settings.optimizer.name,
      });
      return new TrainingRun({ lock, crew, layout }, start, settings, options);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  get isFinished(): boolean {
    return this.#step >= this.settings.steps;
  }

  /** A copy of the current parameters by name. */
  parameters(): Map<string, FloatTensor> {
    return this.#layout.views(new Float32Array(this.#state.parameters));
  }

  /** A copy of the averaged parameters by name: what to sample and ship. */
  averages(): Map<string, FloatTensor> {
    return this.#layout.views(new Float32Array(this.#state.average));
  }

  /**
   * Trains to the last step. However it ends, the checkpoint then holds the last finished step.
   * Throws CANCELLED, TRAINING, DISK_FULL or FILE_WRITE, CHECKPOINT when another process took the
   * folder, and what `makeBatch` and `onSample` throw.
   */
  async toEnd(makeBatch: MakeBatch, onSample?: OnSample): Promise<void> {
    const { sampleEverySteps: every } = this.settings;
    try {
      while (!this.isFinished) {
        const { step } = await this.update(makeBatch);
        if (every > 0 && step % every === 0 && !this.isFinished) await onSample?.(this);
      }
      await this.save();
      throwIfAborted('training', this.#options.signal);
      await onSample?.(this);
    } catch (error) {
      await this.#saveAfter(error);
      throw error;
    }
  }

  /** One optimiser step over `batchSize` samples in micro-batches; saves when it is time to. */
  async update(makeBatch: MakeBatch): Promise<StepReport> {
    const started = performance.now();
    const { batchSize, microBatch, checkpointMinutes } = this.settings;
    const { values, norm } = await this.#crew.gradient((part) => {
      throwIfAborted('training', this.#options.signal);
      return makeBatch(this.#step * batchSize + part * microBatch, microBatch);
    });
    this.#requireFinite(values.loss!, norm);
    const learningRate = await this.#optimize(norm, batchSize / microBatch);
    const stepMs = performance.now() - started;
    this.#elapsedMs += stepMs;
    const report = this.#report(values, learningRate, norm, stepMs);
    appendLoss(join(this.#options.folder, lossLogFile), report);
    this.#options.onStep?.(report);
    if (Date.now() - this.#savedAt > checkpointMinutes * 60_000) await this.save();
    return report;
  }

  /** Writes the checkpoint whole (parameters, moments, average, step) unless it holds this step. */
  async save(): Promise<void> {
    if (this.#savedStep === this.#step) return;
    await this.#lock.confirm();
    const path = join(this.#options.folder, checkpointFile);
    const done: Progress = {
      step: this.#step,
      elapsedMs: this.#elapsedMs,
      optimizer: this.settings.optimizer.name,
    };
    await writeCheckpoint(path, this.#layout, this.#state, done);
    this.#savedStep = this.#step;
    this.#savedAt = Date.now();
  }

  async dispose(): Promise<void> {
    await this.#crew.dispose();
    await this.#lock.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #optimize(norm: number, parts: number): Promise<number> {
    const { optimizer, steps } = this.settings;
    const step = this.#step + 1;
    const learningRate = learningRateAt(step, {
      peak: optimizer.learningRate,
      warmupSteps: optimizer.warmupSteps,
      totalSteps: steps,
      decayShare: optimizer.decayShare,
    });
    await this.#crew.update({
      ...optimizer,
      learningRate,
      step,
      gradientScale: Math.min(1, optimizer.clipNorm / (norm + 1e-12)) / parts,
      decayedLength: this.#layout.decayedLength,
      averageDecay: averageDecayAt(step, optimizer.averageDecay),
    });
    this.#step = step;
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

  /** Parameters are still those of the last finished step when this throws. */
  #requireFinite(loss: number, norm: number): void {
    if (Number.isFinite(loss) && Number.isFinite(norm)) return;
    throw complain('TRAINING', {
      where: `training step ${this.#step + 1}`,
      expected: 'a finite loss and gradient',
      got: `loss ${loss}, gradient norm ${norm}`,
    });
  }

  /** The first error counts, except that a cancelled run without its checkpoint has failed. */
  async #saveAfter(error: unknown): Promise<void> {
    try {
      await this.save();
    } catch (second) {
      if (error instanceof MaliangError && error.code === 'CANCELLED') throw second;
    }
  }
}

async function prepareFolder({ folder, resume }: RunOptions): Promise<void> {
  const path = join(folder, checkpointFile);
  if (resume) requireCheckpoint(path);
  else if (existsSync(path)) {
    throw complain('CHECKPOINT', {
      where: folder,
      expected: 'a folder without a checkpoint',
      got: checkpointFile,
      next: 'Continue it with --resume, or choose another folder.',
    });
  }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(folder, error);
  });
}

/** What a killed process left half-written. */
async function removePartials(folder: string): Promise<void> {
  const names = await readdir(folder);
  const partials = names.filter((name) =>
    [checkpointFile, lossLogFile].some((file) => isPartialOf(file, name)),
  );
  for (const name of partials) await rm(join(folder, name), { force: true });
}

async function startOf(
  layout: ParameterLayout,
  initial: Initial,
  { optimizer }: RunSettings,
  { folder, resume, start }: RunOptions,
): Promise<Start> {
  if (resume) {
    const found = await readCheckpoint(join(folder, checkpointFile), layout);
    const leavesMuon = found.optimizer === 'muon' && optimizer.name === 'adamw';
    if (leavesMuon) restartSecondMoment(found.state, muonMatrices(layout));
    return { ...found, state: shareState(found.state), savedStep: found.step };
  }
  const values = start ? floatsOf(start) : initial(layout.entries);
  const state = createOptimizerState(layout.flatten(values));
  return { state, step: 0, elapsedMs: 0, savedStep: undefined };
}

function floatsOf(tensors: ReadonlyMap<string, TensorData>): Map<string, Float32Array> {
  const floats = [...tensors].filter(([, { dtype }]) => dtype === 'f32');
  return new Map(floats.map(([name, { data }]) => [name, data as Float32Array]));
}
