/** @file Training state on disk: one safetensors file with flat vectors and the step. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { complain, MaliangError } from '../core/errors.js';
import { describe, type TensorData } from '../core/tensor-data.js';
import { streamSafetensors } from '../formats/safetensors.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import { readFloats } from '../hub/read-tensor.js';
import { readWeightFile, type WeightFile } from '../hub/weight-file.js';
import type { OptimizerState } from './adamw.js';
import type { ParameterLayout } from './flat-parameters.js';
import { type OptimizerName, optimizerNames } from './update-shares.js';

export interface Progress {
  readonly step: number;
  readonly elapsedMs: number;
  /** Which made the last step. */
  readonly optimizer: OptimizerName;
}

export const checkpointFile = 'checkpoint.safetensors';

const vectors = ['parameters', 'firstMoment', 'secondMoment', 'average'] as const;

/** Changes when a parameter's name, shape or place changes. */
function fingerprint(layout: ParameterLayout): string {
  const entries = [...layout.entries].map(([name, { offset, shape }]) => [name, offset, shape]);
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 16);
}

/** Replaces the file at once. Throws DISK_FULL or FILE_WRITE; the old file is then untouched. */
export async function writeCheckpoint(
  path: string,
  layout: ParameterLayout,
  state: OptimizerState,
  progress: Progress,
): Promise<void> {
  const tensorOf = (name: string): TensorData => {
    const data = state[name as keyof OptimizerState];
    return { dtype: 'f32', shape: [layout.length], data };
  };
  const specs = vectors.map((name) => [name, tensorOf(name)] as const);
  const metadata = {
    step: String(progress.step),
    elapsedMs: String(progress.elapsedMs),
    layout: fingerprint(layout),
    optimizer: progress.optimizer,
  };
  await writeFileAtomically(path, streamSafetensors(specs, tensorOf, metadata));
}

/** Throws CHECKPOINT when the file is missing. */
export function requireCheckpoint(path: string): void {
  if (existsSync(path)) return;
  throw complain('CHECKPOINT', {
    where: path,
    expected: 'a checkpoint',
    got: 'no file',
    next: 'Start without --resume, or name the folder of the run.',
  });
}

/** Throws CHECKPOINT when the file is missing, damaged or of another architecture, FILE_READ. */
export async function readCheckpoint(
  path: string,
  layout: ParameterLayout,
): Promise<Progress & { state: OptimizerState }> {
  requireCheckpoint(path);
  try {
    return await readState(path, layout);
  } catch (cause) {
    const isDamaged = cause instanceof MaliangError && cause.code === 'SAFETENSORS';
    throw isDamaged ? damaged(path, 'a truncated or damaged one', cause) : cause;
  }
}

async function readState(
  path: string,
  layout: ParameterLayout,
): Promise<Progress & { state: OptimizerState }> {
  const file = await readWeightFile(path);
  const { metadata } = file;
  if (metadata.get('layout') !== fingerprint(layout)) {
    throw complain('CHECKPOINT', {
      where: path,
      expected: `the parameters of this configuration (${fingerprint(layout)})`,
      got: `others (${metadata.get('layout')})`,
      next: 'Resume with the model the run was started with.',
    });
  }
  const [step, elapsedMs] = [Number(metadata.get('step')), Number(metadata.get('elapsedMs'))];
  if (!Number.isSafeInteger(step) || step < 0 || !(elapsedMs >= 0)) {
    throw damaged(path, `step ${metadata.get('step')}, ${metadata.get('elapsedMs')} ms`);
  }
  const written = metadata.get('optimizer') ?? 'adamw'; // older files do not say
  const optimizer = optimizerNames.find((name) => name === written);
  if (!optimizer) throw damaged(path, `optimizer ${written}`);
  const vector = (name: keyof OptimizerState): Promise<Float32Array> =>
    readVector(path, file, name, layout.length);
  const state: OptimizerState = {
    parameters: await vector('parameters'),
    firstMoment: await vector('firstMoment'),
    secondMoment: await vector('secondMoment'),
    average: await vector('average'),
  };
  return { state, step, elapsedMs, optimizer };
}

async function readVector(
  path: string,
  { tensors }: WeightFile,
  name: string,
  length: number,
): Promise<Float32Array> {
  const stored = tensors.get(name);
  if (stored?.dtype === 'f32' && stored.shape.join() === `${length}`) return readFloats(stored);
  throw damaged(path, `${name} ${stored ? describe(stored) : 'missing'}`);
}

function damaged(path: string, got: string, cause?: unknown): MaliangError {
  const next = 'Restore a copy of the file, or delete it and start again.';
  return complain('CHECKPOINT', { where: path, expected: 'a sound checkpoint', got, next }, cause);
}
