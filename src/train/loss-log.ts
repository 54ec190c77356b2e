/** @file The loss log of a run: one JSON object per line and step. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { writeError, writeFileAtomically } from '../hub/atomic-file.js';

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

export const lossLogFile = 'loss.jsonl';

/** Adds a line. Throws DISK_FULL or FILE_WRITE. */
export function appendLoss(path: string, report: StepReport): void {
  try {
    appendFileSync(path, `${JSON.stringify(report)}\n`);
  } catch (error) {
    throw writeError(path, error);
  }
}

/**
 * Keeps the lines up to `lastStep`: later steps are done again by the run that resumes. A line cut
 * short by a crash goes too. Replaces the file at once.
 */
export async function trimLossLog(path: string, lastStep: number): Promise<void> {
  if (!existsSync(path)) return;
  const text = readFileSync(path, 'utf8');
  const kept = text.split('\n').filter((line) => stepOf(line) <= lastStep);
  const trimmed = kept.map((line) => `${line}\n`).join('');
  if (trimmed !== text) await writeFileAtomically(path, trimmed);
}

/** Infinity for a line that is no report. */
function stepOf(line: string): number {
  try {
    const { step } = JSON.parse(line) as { step?: unknown };
    return typeof step === 'number' ? step : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
