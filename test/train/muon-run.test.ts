/** @file Runs with Muon on a tiny problem: they learn, resume bit for bit, and take over from AdamW and back. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import { ParameterLayout } from '../../src/train/flat-parameters.js';
import { gradientModel } from '../../src/train/gradient-session.js';
import type { RunSettings } from '../../src/train/run-settings.js';
import { type RunOptions, type StepReport, TrainingRun } from '../../src/train/training-run.js';
import { muonMatrices, type OptimizerName } from '../../src/train/update-shares.js';
import { tinyBatch, tinyInitial, tinyObjective, tinySettings } from './tiny-problem.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'maliang-muon-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const layout = new ParameterLayout(gradientModel(tinyObjective(8)).parameters);
const file = (at: string): string => join(at, 'checkpoint.safetensors');
const checkpointOf = (at: string) => readCheckpoint(file(at), layout);

/** Two workers, so that each has a matrix. */
function settingsOf(name: OptimizerName, settings: Partial<RunSettings> = {}): RunSettings {
  const optimizer = { ...tinySettings.optimizer, name };
  return { ...tinySettings, microBatch: 4, threads: 2, optimizer, ...settings };
}

function open(settings: RunSettings, options: RunOptions): Promise<TrainingRun> {
  return TrainingRun.open(tinyObjective(settings.microBatch), tinyInitial, settings, options);
}

async function train(settings: RunSettings, options: RunOptions): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  const onStep = (report: StepReport): void => {
    reports.push(report);
    options.onStep?.(report);
  };
  await using run = await open(settings, { ...options, onStep });
  await run.toEnd(tinyBatch);
  return reports;
}

/** The vectors of a checkpoint, without its header, which holds the time spent. */
function vectors(at: string): Buffer {
  const bytes = readFileSync(file(at));
  return bytes.subarray(8 + Number(bytes.readBigUint64LE()));
}

const lossOf = (reports: readonly StepReport[]): number =>
  reports.reduce((sum, { values }) => sum + values.loss! / reports.length, 0);

it('learns', async () => {
  const { optimizer } = settingsOf('muon');
  const faster = { ...optimizer, learningRate: 0.06 };
  const reports = await train(settingsOf('muon', { steps: 150, optimizer: faster }), { folder });
  expect(lossOf(reports.slice(-10))).toBeLessThan(0.5 * lossOf(reports.slice(0, 10)));
});

it('in micro-batches gives what a whole batch gives', async () => {
  const results: Float32Array[] = [];
  for (const microBatch of [8, 4, 1]) {
    const at = join(folder, `${microBatch}`);
    await train(settingsOf('muon', { steps: 5, microBatch }), { folder: at });
    results.push((await checkpointOf(at)).state.parameters);
  }
  const [whole, ...split] = results as [Float32Array, ...Float32Array[]];
  for (const values of split) {
    const gap = Math.max(...values.map((value, i) => Math.abs(value - whole[i]!)));
    expect(gap).toBeLessThan(1e-5);
    expect(gap).toBeGreaterThan(0);
  }
});

describe('resumes bit for bit', () => {
  const whole = (): string => join(folder, 'whole');
  beforeEach(() => train(settingsOf('muon'), { folder: whole() }));

  it.each([3, 9])('after it was stopped at batch %i', async (last) => {
    const stop = new AbortController();
    const run = await open(settingsOf('muon'), { folder, signal: stop.signal });
    let batches = 0;
    const broken = run.toEnd((first, n) => {
      if (++batches === last) stop.abort();
      return tinyBatch(first, n);
    });
    await expect(broken).rejects.toMatchObject({ code: 'CANCELLED' });
    await run.dispose();
    await train(settingsOf('muon'), { folder, resume: true });
    expect(vectors(folder).equals(vectors(whole()))).toBe(true);
  });

  it('after it was killed, from the checkpoint before', async () => {
    const killed = join(folder, 'killed');
    mkdirSync(killed);
    const onStep = ({ step }: StepReport): void => {
      // The file is whole at every moment, so what lies there is what a killed process leaves.
      if (step === 5)
        for (const name of ['checkpoint.safetensors', 'loss.jsonl']) {
          copyFileSync(join(folder, name), join(killed, name));
        }
    };
    await train(settingsOf('muon', { checkpointMinutes: -1 }), { folder, onStep });
    expect(await checkpointOf(killed)).toMatchObject({ step: 4, optimizer: 'muon' });
    await train(settingsOf('muon'), { folder: killed, resume: true });
    expect(vectors(killed).equals(vectors(whole()))).toBe(true);
  });
});

describe('continues', () => {
  const matrices = muonMatrices(layout);
  const values = (vector: Float32Array): number[] =>
    matrices.flatMap(({ offset, rows, columns }) => [
      ...vector.subarray(offset, offset + rows * columns),
    ]);

  it('a run of AdamW: its first moment is the momentum, its second stays', async () => {
    const first = await train(settingsOf('adamw', { steps: 60 }), { folder });
    const before = (await checkpointOf(folder)).state;
    const one = await open(settingsOf('muon', { steps: 150 }), { folder, resume: true });
    await one.update(tinyBatch);
    await one.save();
    await one.dispose();
    const { state, optimizer } = await checkpointOf(folder);
    expect(optimizer).toBe('muon');
    expect(values(state.secondMoment)).toEqual(values(before.secondMoment));
    // 5 % of a gradient that is clipped at a norm of 1 is added.
    const moved = values(state.firstMoment).map(
      (value, i) => value - 0.95 * values(before.firstMoment)[i]!,
    );
    expect(Math.hypot(...moved)).toBeGreaterThan(0);
    expect(Math.hypot(...moved)).toBeLessThan(0.0501);
    const rest = await train(settingsOf('muon', { steps: 150 }), { folder, resume: true });
    expect(rest[0]!.step).toBe(62);
    expect(lossOf(rest.slice(0, 10))).toBeLessThan(1.2 * lossOf(first.slice(-10)));
    expect(lossOf(rest.slice(-10))).toBeLessThan(lossOf(first.slice(-10)));
  });

  it('as AdamW a run of Muon, with second moments made anew', async () => {
    const first = await train(settingsOf('muon', { steps: 60 }), { folder });
    const before = (await checkpointOf(folder)).state;
    expect(values(before.secondMoment).every((value) => value === 0)).toBe(true);
    const rest = await train(settingsOf('adamw', { steps: 61 }), { folder, resume: true });
    const { state, optimizer } = await checkpointOf(folder);
    expect(optimizer).toBe('adamw');
    expect(values(state.secondMoment).every((value) => value > 0)).toBe(true);
    const decay = 1 - rest[0]!.learningRate * 0.02;
    values(state.parameters).forEach((value, i) => {
      const step = Math.abs(value - decay * values(before.parameters)[i]!);
      expect(step).toBeLessThan(1.2 * rest[0]!.learningRate);
    });
    const later = await train(settingsOf('adamw', { steps: 150 }), { folder, resume: true });
    expect(lossOf(later.slice(0, 10))).toBeLessThan(1.2 * lossOf(first.slice(-10)));
    expect(lossOf(later.slice(-10))).toBeLessThan(lossOf(first.slice(-10)));
  });
});

describe('stops with the last sound step saved', () => {
  it('at a loss that is no number', async () => {
    await using run = await open(settingsOf('muon'), { folder });
    const poisoned = run.toEnd(async (first, n) => {
      const batch = await tinyBatch(first, n);
      if (first === 32) batch.get('y')!.data[3] = Number.NaN;
      return batch;
    });
    await expect(poisoned).rejects.toMatchObject({ code: 'TRAINING' });
    const { state, step } = await checkpointOf(folder);
    expect(step).toBe(4);
    for (const vector of Object.values(state) as Float32Array[]) {
      expect(vector.every(Number.isFinite)).toBe(true);
    }
  });

  it('at a direction that is no number, before anything moves', async () => {
    await train(settingsOf('muon', { steps: 2 }), { folder });
    const { state, ...done } = await checkpointOf(folder);
    state.firstMoment[0] = Number.NaN;
    await writeCheckpoint(file(folder), layout, state, done);
    await using run = await open(settingsOf('muon'), { folder, resume: true });
    const error = (await run.toEnd(tinyBatch).catch((cause: unknown) => cause)) as Error;
    expect(error.message).toMatchInlineSnapshot(
      `"training step 3: expected a finite update, got one of norm NaN. Lower the learning rate and resume from the last checkpoint."`,
    );
    expect(run.step).toBe(2);
    expect((await checkpointOf(folder)).state).toEqual(state);
  });
});
