/** @file Folders of judges with the weights of the reference function, from the fixtures that lack them. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referenceWeight } from '../src/core/reference-weights.js';
import { floatTensor, type TensorData } from '../src/core/tensor-data.js';
import type { RasterImage } from '../src/formats/image.js';
import { writeSafetensors } from '../src/formats/safetensors.js';

const fixtures = fileURLToPath(new URL('./fixtures/judges/', import.meta.url));

interface PackedPicture extends Omit<RasterImage, 'data'> {
  readonly data: string;
}

/** What transformers was asked, and what it said; see tools/reference/make_judge_scores.py. */
export interface JudgeCase {
  readonly pictures: readonly PackedPicture[];
  readonly prompts: readonly string[];
  readonly values: Readonly<Record<string, number[][]>>;
  /** Shapes of the aesthetic head. */
  readonly head?: Readonly<Record<string, number[]>>;
}

export interface CaptionCase {
  readonly pictures: Readonly<Record<string, PackedPicture>>;
  readonly captions: readonly {
    readonly picture: string;
    readonly settings: Readonly<Record<string, number | string | boolean>>;
    readonly ids: readonly number[];
    readonly text: string;
    readonly margin: number;
  }[];
}

export function readJudgeCase<T = JudgeCase>(name: string): T {
  return JSON.parse(readFileSync(join(fixtures, name, 'case.json'), 'utf8')) as T;
}

export function unpackPicture({ data, ...size }: PackedPicture): RasterImage {
  return { ...size, data: new Uint8Array(Buffer.from(data, 'base64')) };
}

export interface JudgeFolder extends Disposable {
  readonly path: string;
}

/** Values of the reference function by name; `logit_scale` keeps a value of its own. */
export function referenceTensors(
  shapes: Iterable<readonly [string, readonly number[]]>,
): Map<string, TensorData> {
  return new Map(
    [...shapes].map(([name, shape]) => {
      const isScale = name === 'logit_scale';
      const data = isScale ? new Float32Array(shape[0] ?? 1) : referenceWeight(name, shape);
      return [name, floatTensor(data, shape)];
    }),
  );
}

/** A temporary folder of the case with its weights; gone when disposed. */
export function judgeFolder(
  name: string,
  change: (tensors: Map<string, TensorData>) => void = () => undefined,
): JudgeFolder {
  const path = mkdtempSync(join(tmpdir(), 'maliang-judge-'));
  cpSync(join(fixtures, name), path, { recursive: true });
  const lines = readFileSync(join(path, 'parameters.txt'), 'utf8').trimEnd().split('\n');
  const tensors = referenceTensors(
    lines.map((line) => {
      const [key, sizes = ''] = line.split(' ') as [string, string?];
      return [key, sizes === '' ? [] : sizes.split(',').map(Number)] as const;
    }),
  );
  change(tensors);
  writeFileSync(join(path, 'model.safetensors'), writeSafetensors(tensors));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
