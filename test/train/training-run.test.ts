/** @file A run on a tiny problem: what it learns, saves, logs, and how it ends when something goes wrong. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MaliangError } from '../../src/core/errors.js';
import type { RunSettings } from '../../src/train/run-settings.js';
import { type RunOptions, type StepReport, TrainingRun } from '../../src/train/training-run.js';
import { tinyBatch, tinyInitial, tinyObjective, tinySettings } from './tiny-problem.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'maliang-run-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const checkpoint = (): string => join(folder, 'checkpoint.safetensors');

function open(
  settings: Partial<RunSettings> = {},
  options: Partial<RunOptions> = {},
): Promise<TrainingRun> {
  const all = { ...tinySettings, ...settings };
  return TrainingRun.open(tinyObjective(all.microBatch), tinyInitial, all, { folder, ...options });
}

/** Trains to the end in `folder` or a folder inside it. */
async function train(
  settings: Partial<RunSettings> = {},
  options: Partial<RunOptions> = {},
): Promise<void> {
  await using run = await open(settings, options);
  await run.toEnd(tinyBatch);
}

function logged(): StepReport[] {
  const text = readFileSync(join(folder, 'loss.jsonl'), 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as StepReport);
}

/** What a promise rejects with, which must be an error of the house. */
async function failure(promise: Promise<unknown>): Promise<MaliangError> {
  const error = await promise.then(
    () => new Error('nothing thrown'),
    (cause: unknown) => cause,
  );
  if (error instanceof MaliangError) return error;
  throw error;
}

/** The vectors of a checkpoint, without its header, which holds the time spent. */
function vectors(path = checkpoint()): Buffer {
  const bytes = readFileSync(path);
  return bytes.subarray(8 + Number(bytes.readBigUint64LE()));
}

describe('a run', () => {
  it('learns, reports each step, and leaves a checkpoint and a log', async () => {
    const reports: StepReport[] = [];
    await train({ steps: 150 }, { onStep: (report) => reports.push(report) });
    const loss = (from: number): number =>
      reports.slice(from, from + 10).reduce((sum, { values }) => sum + values.loss! / 10, 0);
    expect(loss(140)).toBeLessThan(0.5 * loss(0));
    expect(logged()).toEqual(reports);
    expect(reports[0]).toEqual({
      step: 1,
      totalSteps: 150,
      images: 8,
      values: { loss: expect.any(Number), size: expect.any(Number) },
      learningRate: 0.01,
      gradientNorm: expect.any(Number),
      stepMs: expect.any(Number),
      elapsedMs: expect.any(Number),
    });
    expect(readdirSync(folder).sort()).toEqual(['checkpoint.safetensors', 'loss.jsonl']);
  });

  it('samples at its steps and once at the end', async () => {
    const sampled: number[] = [];
    await using run = await open({ steps: 6, sampleEverySteps: 2 });
    await run.toEnd(tinyBatch, async ({ step }) => {
      sampled.push(step);
    });
    expect(sampled).toEqual([2, 4, 6]);
  });

  it('keeps averages that follow the parameters, quickly at first', async () => {
    await using run = await open({ steps: 3 });
    const values = (of: typeof run.averages): number[] =>
      [...of.call(run).values()].flatMap(({ data }) => [...data]);
    const start = values(run.parameters);
    expect(values(run.averages)).toEqual(start);
    await run.update(tinyBatch);
    const end = values(run.parameters);
    const decay = 1 - 2 ** -0.75;
    values(run.averages).forEach((value, i) => {
      expect(value).toBeCloseTo(decay * start[i]! + (1 - decay) * end[i]!, 6);
    });
  });

  it('in micro-batches gives what a whole batch gives', async () => {
    const results = [];
    for (const microBatch of [8, 4, 1]) {
      await using run = await open(
        { steps: 5, microBatch },
        { folder: join(folder, `${microBatch}`) },
      );
      await run.toEnd(tinyBatch);
      results.push([...run.parameters().values()].flatMap(({ data }) => [...data]));
    }
    const [whole, ...split] = results as [number[], ...number[][]];
    for (const values of split) {
      const gap = Math.max(...values.map((value, i) => Math.abs(value - whole[i]!)));
      expect(gap).toBeLessThan(1e-5);
      expect(gap).toBeGreaterThan(0);
    }
  });

  it('clips the gradient to its largest norm', async () => {
    const plain = { ...tinySettings.optimizer, betas: [0, 0] as const, eps: 1e3, weightDecay: 0 };
    const moved = async (clipNorm: number): Promise<number> => {
      const optimizer = { ...plain, learningRate: 1e3, warmupSteps: 0, decayShare: 0, clipNorm };
      const inside = join(folder, `${clipNorm}`);
      await using run = await open({ steps: 1, optimizer }, { folder: inside });
      const before = [...run.parameters().values()].flatMap(({ data }) => [...data]);
      const { gradientNorm } = await run.update(tinyBatch);
      expect(gradientNorm).toBeGreaterThan(0.2);
      const after = [...run.parameters().values()].flatMap(({ data }) => [...data]);
      return Math.hypot(...after.map((value, i) => value - before[i]!));
    };
    // With this eps a step is the gradient itself, so its length is the norm after clipping.
    expect(await moved(0.1)).toBeCloseTo(0.1, 4);
    expect(await moved(0.2)).toBeCloseTo(0.2, 4);
  });
});

describe('a resumed run', () => {
  it('is the unbroken one, bit for bit, wherever it was cut', async () => {
    await train({}, { folder: join(folder, 'whole') });
    const whole = vectors(join(folder, 'whole', 'checkpoint.safetensors'));
    for (const cut of [1, 5, 7]) {
      const inside = join(folder, `${cut}`);
      const stop = new AbortController();
      const onStep = ({ step }: StepReport): void => {
        if (step === cut) stop.abort();
      };
      const broken = train({}, { folder: inside, signal: stop.signal, onStep });
      expect((await failure(broken)).code).toBe('CANCELLED');
      await train({}, { folder: inside, resume: true });
      expect(vectors(join(inside, 'checkpoint.safetensors')).equals(whole)).toBe(true);
    }
  });

  it('drops a half-done step when it is cut between micro-batches', async () => {
    const settings = { microBatch: 2 };
    await train(settings, { folder: join(folder, 'whole') });
    const stop = new AbortController();
    await using run = await open(settings, { signal: stop.signal });
    let batches = 0;
    const broken = run.toEnd((first, n) => {
      if (++batches === 14) stop.abort(); // the second of four in step 4
      return tinyBatch(first, n);
    });
    expect((await failure(broken)).code).toBe('CANCELLED');
    expect({ batches, step: run.step }).toEqual({ batches: 14, step: 3 });
    await run.dispose();
    await train(settings, { resume: true });
    expect(vectors().equals(vectors(join(folder, 'whole', 'checkpoint.safetensors')))).toBe(true);
    expect(logged().map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('has every step once in its log, after a crash too', async () => {
    await train({ steps: 3 });
    const early = readFileSync(checkpoint());
    await train({ steps: 6 }, { resume: true });
    const torn = `${readFileSync(join(folder, 'loss.jsonl'), 'utf8')}{"step":7,"tot`;
    writeFileSync(join(folder, 'loss.jsonl'), torn);
    writeFileSync(checkpoint(), early); // as if the process had died before saving again
    writeFileSync(`${checkpoint()}.99999-0.partial`, 'half');
    await train({ steps: 8 }, { resume: true });
    expect(logged().map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(readdirSync(folder).sort()).toEqual(['checkpoint.safetensors', 'loss.jsonl']);
  });

  it('counts the time of all its parts', async () => {
    await train({ steps: 4 });
    const { elapsedMs } = logged().at(-1)!;
    await train({ steps: 8 }, { resume: true });
    const last = logged().at(-1)!;
    expect(last.elapsedMs).toBeGreaterThanOrEqual(elapsedMs);
    expect(last.images).toBe(64);
  });

  it('that is finished only samples again', async () => {
    await train();
    const before = readFileSync(checkpoint());
    const sampled: number[] = [];
    await using run = await open({}, { resume: true });
    await run.toEnd(tinyBatch, async ({ step }) => {
      sampled.push(step);
    });
    expect(sampled).toEqual([8]);
    expect(readFileSync(checkpoint()).equals(before)).toBe(true);
  });
});

describe('a new run', () => {
  it('does not overwrite one, and does not resume none', async () => {
    expect((await failure(open({}, { resume: true }))).code).toBe('CHECKPOINT');
    expect(readdirSync(folder)).toEqual([]);
    await train({ steps: 1 });
    expect((await failure(open())).message).toContain('expected a folder without a checkpoint');
  });

  it('starts a new log', async () => {
    writeFileSync(join(folder, 'loss.jsonl'), '{"step":1,"from":"a run that never saved"}\n');
    await train({ steps: 2 });
    expect(logged().map(({ step, images }) => [step, images])).toEqual([
      [1, 8],
      [2, 16],
    ]);
  });

  it('waits for no other: the second in a folder is refused', async () => {
    await using first = await open();
    expect((await failure(open())).message).toContain('expected a folder no other run trains in');
    await first.toEnd(tinyBatch);
  });

  it('frees the folder when it cannot start', async () => {
    const empty = TrainingRun.open(tinyObjective(8), () => new Map(), tinySettings, { folder });
    expect((await failure(empty)).code).toBe('WEIGHTS');
    expect(readdirSync(folder)).toEqual([]);
    await train({ steps: 1 });
  });

  it('refuses a checkpoint of another shape or damaged, and leaves it', async () => {
    await train({ steps: 1 });
    const whole = readFileSync(checkpoint());
    writeFileSync(checkpoint(), whole.subarray(0, 500));
    expect((await failure(open({}, { resume: true }))).code).toBe('CHECKPOINT');
    expect(readFileSync(checkpoint()).length).toBe(500);
    expect(readdirSync(folder).sort()).toEqual(['checkpoint.safetensors', 'loss.jsonl']);
  });

  it('says where it cannot write', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect((await failure(open({}, { folder: join(folder, 'file', 'run') }))).code).toBe(
      'FILE_WRITE',
    );
  });

  it('does not start when it is already cancelled', async () => {
    const signal = AbortSignal.abort();
    expect((await failure(open({}, { signal }))).code).toBe('CANCELLED');
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a failing run', () => {
  it('stops at a loss that is no number, with the last sound step saved', async () => {
    await using run = await open();
    const poisoned = run.toEnd(async (first, n) => {
      const batch = await tinyBatch(first, n);
      if (first === 32) batch.get('y')!.data[3] = Number.NaN;
      return batch;
    });
    expect((await failure(poisoned)).message).toMatchInlineSnapshot(
      `"training step 5: expected a finite loss and gradient, got loss NaN, gradient norm NaN. Lower the learning rate and resume from the last checkpoint."`,
    );
    for (const { data } of run.parameters().values())
      expect(data.every(Number.isFinite)).toBe(true);
    await run.dispose();
    await train({}, { resume: true });
    await train({}, { folder: join(folder, 'whole') });
    expect(vectors().equals(vectors(join(folder, 'whole', 'checkpoint.safetensors')))).toBe(true);
  });

  it('stops at a gradient that overflows', async () => {
    await using run = await open();
    const huge = run.toEnd(async (first, n) => {
      const batch = await tinyBatch(first, n);
      batch.get('y')!.data.fill(1e19 as never);
      return batch;
    });
    const { code, message } = await failure(huge);
    expect(code).toBe('TRAINING');
    expect(message).toMatch(/^training step 1: expected a finite loss and gradient/);
    expect(readFileSync(checkpoint()).length).toBeGreaterThan(0);
  });

  it('saves what it has when sampling or making a batch fails', async () => {
    const bug = new TypeError('a bug in the sheet');
    await using run = await open({ sampleEverySteps: 3 });
    await expect(run.toEnd(tinyBatch, () => Promise.reject(bug))).rejects.toBe(bug);
    await run.dispose();
    await using again = await open({}, { resume: true });
    expect(again.step).toBe(3);
    await expect(again.toEnd(() => Promise.reject(bug))).rejects.toBe(bug);
  });

  it('does not sample any more when it is cancelled at its end', async () => {
    const stop = new AbortController();
    const onStep = ({ step }: StepReport): void => {
      if (step === 2) stop.abort();
    };
    await using run = await open({ steps: 2 }, { signal: stop.signal, onStep });
    let isSampled = false;
    const cancelled = run.toEnd(tinyBatch, async () => {
      isSampled = true;
    });
    expect((await failure(cancelled)).code).toBe('CANCELLED');
    expect(isSampled).toBe(false);
    expect(existsSync(checkpoint())).toBe(true);
  });

  it('stops when another process takes its folder, and leaves that one’s checkpoint', async () => {
    await using run = await open();
    await run.update(tinyBatch);
    writeFileSync(
      join(folder, 'run.lock'),
      JSON.stringify({ pid: process.ppid, host: 'elsewhere', token: 'other' }),
    );
    writeFileSync(checkpoint(), 'theirs');
    expect((await failure(run.toEnd(tinyBatch))).code).toBe('CHECKPOINT');
    expect(readFileSync(checkpoint(), 'utf8')).toBe('theirs');
    await run.dispose();
    expect(readFileSync(join(folder, 'run.lock'), 'utf8')).toContain('elsewhere');
  });

  describe.skipIf(!existsSync('/dev/full'))('on a full disk', () => {
    /** Makes the partial files of later saves lie on a disk without room. */
    const fill = (): void => {
      for (let n = 0; n < 300; n++) {
        symlinkSync('/dev/full', `${checkpoint()}.${process.pid}-${n}.partial`);
      }
    };

    it('keeps the last checkpoint and says so', async () => {
      await train({ steps: 2 });
      const before = readFileSync(checkpoint());
      await using run = await open({ checkpointMinutes: -1 }, { resume: true });
      fill();
      expect((await failure(run.toEnd(tinyBatch))).code).toBe('DISK_FULL');
      expect(run.step).toBe(3);
      expect(readFileSync(checkpoint()).equals(before)).toBe(true);
    });

    it('says that, and not that it was cancelled', async () => {
      const stop = new AbortController();
      await using run = await open({}, { signal: stop.signal, onStep: () => stop.abort() });
      fill();
      expect((await failure(run.toEnd(tinyBatch))).code).toBe('DISK_FULL');
    });

    it('says what went wrong first', async () => {
      await using run = await open();
      fill();
      const bug = new TypeError('a bug');
      await expect(run.toEnd(() => Promise.reject(bug))).rejects.toBe(bug);
    });

    it('stops when the log cannot grow', async () => {
      await using run = await open();
      symlinkSync('/dev/full', join(folder, 'loss.jsonl'));
      expect((await failure(run.toEnd(tinyBatch))).code).toBe('DISK_FULL');
    });
  });
});

it('is refused after it was disposed', async () => {
  const run = await open();
  await run.dispose();
  await run.dispose();
  expect((await failure(run.update(tinyBatch))).code).toBe('DISPOSED');
});
