/** @file Original checkpoints out of test/fixtures/checkpoints: which keys they have, and files filled with the weight function. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { referenceWeight } from '../src/core/reference-weights.js';
import { elementCount, floatTensor, type TensorData } from '../src/core/tensor-data.js';
import { writeSafetensors } from '../src/formats/safetensors.js';
import { reshape } from '../src/graph/build.js';
import { parameter } from '../src/graph/tensor.js';
import { type ParameterBuilds, withBuiltParameters } from '../src/models/built-parameters.js';
import type { Engine } from '../src/runtime/engine.js';
import type { TensorInFile } from '../src/runtime/weights.js';

const folder = fileURLToPath(new URL('./fixtures/checkpoints/', import.meta.url));

export interface CheckpointComponent {
  readonly class: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: ReadonlyMap<string, readonly number[]>;
}

type KeyOp = 'copy' | 'join' | 'turn' | 'swap' | 'conv';

export interface CheckpointKey {
  readonly key: string;
  readonly op: KeyOp;
  /** `component:parameter` each. */
  readonly sources: readonly string[];
  readonly shape: readonly number[];
}

export interface CheckpointFixture {
  readonly components: ReadonlyMap<string, CheckpointComponent>;
  readonly keys: readonly CheckpointKey[];
}

/** Names of the cases; small ones can be filled. */
export const checkpointCases = readdirSync(folder).map((file) => file.replace('.json.gz', ''));

export function readCheckpointFixture(name: string): CheckpointFixture {
  const json = JSON.parse(gunzipSync(readFileSync(join(folder, `${name}.json.gz`))).toString());
  const components = new Map(
    Object.entries(json.components as Record<string, CheckpointComponent>).map(([part, row]) => {
      const lines = (row.parameters as unknown as string[]).map((line) => line.split(' '));
      const parameters = lines.map(([at, sizes]) => [at!, sizes!.split(',').map(Number)] as const);
      return [part, { ...row, parameters: new Map(parameters) }];
    }),
  );
  const shapeOf = (source: string): readonly number[] => {
    const [part, ...rest] = source.split(':') as [string, ...string[]];
    return components.get(part)!.parameters.get(rest.join(':'))!;
  };
  const keys = (json.keys as string[]).map((line): CheckpointKey => {
    const [key, op, list] = line.split(' ') as [string, KeyOp, string];
    const sources = list.split(',');
    return { key, op, sources, shape: storedShape(op, sources.map(shapeOf)) };
  });
  return { components, keys };
}

function storedShape(op: KeyOp, shapes: readonly (readonly number[])[]): readonly number[] {
  const [rows, ...rest] = shapes[0]!;
  if (op === 'join') return [rows! * shapes.length, ...rest];
  if (op === 'turn') return shapes[0]!.toReversed();
  return op === 'conv' ? [...shapes[0]!, 1, 1] : shapes[0]!;
}

/** The tensors of the original file, every parameter filled by `values`. */
export function originalTensors(
  { keys }: CheckpointFixture,
  values: (source: string) => Float32Array,
): Map<string, TensorData> {
  return new Map(
    keys.map(({ key, op, sources, shape }) => [
      key,
      floatTensor(assembled(op, sources.map(values), shape), shape),
    ]),
  );
}

function assembled(
  op: KeyOp,
  parts: readonly Float32Array[],
  shape: readonly number[],
): Float32Array {
  const out = new Float32Array(elementCount(shape));
  const [first] = parts as [Float32Array];
  if (op === 'turn') {
    const [rows, columns] = shape as [number, number];
    return out.map((_, i) => first[(i % columns) * rows + Math.floor(i / columns)]!);
  }
  if (op === 'swap') {
    const half = out.length / 2;
    out.set(first.subarray(half), 0);
    out.set(first.subarray(0, half), half);
    return out;
  }
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** `component:parameter` to its value by the weight function, as the reference script fills it. */
export function referenceValues(fixture: CheckpointFixture): (source: string) => Float32Array {
  return (source) => {
    const colon = source.indexOf(':');
    const name = source.slice(colon + 1);
    return referenceWeight(
      name,
      fixture.components.get(source.slice(0, colon))!.parameters.get(name)!,
    );
  };
}

/** Writes the original file of a small case. Returns its tensors. */
export function writeCheckpoint(
  name: string,
  path: string,
  change: (tensors: Map<string, TensorData>) => void = () => undefined,
): Map<string, TensorData> {
  const fixture = readCheckpointFixture(name);
  const tensors = originalTensors(fixture, referenceValues(fixture));
  change(tensors);
  writeFileSync(path, writeSafetensors(tensors));
  return tensors;
}

/** What the runtime computes for parameters of these shapes. */
export async function loadedValues(
  engine: Engine,
  shapes: ReadonlyMap<string, readonly number[]>,
  part: {
    readonly weights: ReadonlyMap<string, TensorInFile>;
    readonly builds?: ParameterBuilds | undefined;
  },
): Promise<ReadonlyMap<string, Float32Array>> {
  const names = [...shapes.keys()];
  const graph = new Map(
    names.map((name, i) => {
      const shape = shapes.get(name)!;
      return [`value ${i}`, reshape(parameter(name, shape), [elementCount(shape)])];
    }),
  );
  const built = withBuiltParameters(graph, part.builds ?? new Map());
  await using session = await engine.load(built, { weights: part.weights });
  const outputs = await session.run(new Map());
  return new Map(names.map((name, i) => [name, outputs.get(`value ${i}`)!.data as Float32Array]));
}
