/** @file Training state on disk: one safetensors file with flat vectors and the step. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { complain } from '../core/errors.js';
import type { TensorData } from '../core/tensor-data.js';
import { parseSafetensorsHeader, readTensor, streamSafetensors } from '../formats/safetensors.js';
import { writeFileAtomically } from '../hub/atomic-file.js';
import type { OptimizerState } from './adamw.js';
import type { ParameterLayout } from './flat-parameters.js';

export interface Progress {
  readonly step: number;
  readonly elapsedMs: number;
}

const vectors = ['parameters', 'firstMoment', 'secondMoment', 'average'] as const;

/** Changes when a parameter's name, shape or place changes. */
function fingerprint(layout: ParameterLayout): string {
  const entries = [...layout.entries].map(([name, { offset, shape }]) => [name, offset, shape]);
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 16);
}

/** Replaces the file at once. Throws DISK_FULL or FILE_WRITE. */
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
  };
  await writeFileAtomically(path, streamSafetensors(specs, tensorOf, metadata));
}

/** Throws CHECKPOINT when the file is missing or belongs to another architecture. */
export async function readCheckpoint(
  path: string,
  layout: ParameterLayout,
): Promise<Progress & { state: OptimizerState }> {
  if (!existsSync(path)) {
    throw complain('CHECKPOINT', { where: path, expected: 'a checkpoint', got: 'no file' });
  }
  const bytes = await readFile(path);
  const { tensors, metadata } = parseSafetensorsHeader(bytes, bytes.length);
  if (metadata.get('layout') !== fingerprint(layout)) {
    throw complain('CHECKPOINT', {
      where: path,
      expected: `the parameters of this configuration (${fingerprint(layout)})`,
      got: `others (${metadata.get('layout')})`,
      next: 'Resume with the configuration the run was started with.',
    });
  }
  const vector = (name: string): Float32Array =>
    readTensor(bytes, tensors.get(name)!).data as Float32Array;
  const [parameters, firstMoment, secondMoment, average] = vectors.map(vector) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return {
    state: { parameters, firstMoment, secondMoment, average },
    step: Number(metadata.get('step')),
    elapsedMs: Number(metadata.get('elapsedMs')),
  };
}
