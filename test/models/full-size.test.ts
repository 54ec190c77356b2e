/** @file Components of published sizes against diffusers, from weight files mapped in place; `npm run parity:full-size`, not part of `npm test`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TensorData, toFloat32 } from '../../src/core/tensor-data.js';
import { parseSafetensorsHeader, readTensor } from '../../src/formats/safetensors.js';
import { type Component, components, Scope } from '../../src/models/registry.js';
import { readPartFolder } from '../../src/pipelines/model-part.js';
import { Engine } from '../../src/runtime/engine.js';
import { caseGraphs } from './case-graphs.js';

/** What tools/reference/make_full_size.py wrote. */
const folder = process.env.MALIANG_FULL_SIZE ?? '';
const tolerance = 1e-3;

export interface FullSizeRow {
  readonly component: string;
  readonly output: string;
  readonly shape: readonly number[];
  /** Largest difference over max(1, max |reference|). */
  readonly distance: number;
  readonly madeWith: Readonly<Record<string, string>>;
}

declare module 'vitest' {
  interface TaskMeta {
    /** For the reporter that writes the document. */
    fullSize?: readonly FullSizeRow[];
  }
}

function readCase(name: string) {
  const bytes = new Uint8Array(readFileSync(join(folder, name, 'case.safetensors')));
  const { tensors, metadata } = parseSafetensorsHeader(bytes, bytes.length);
  const named = (start: string) =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(start))
        .map(([key, entry]) => [key.slice(start.length), readTensor(bytes, entry)]),
    );
  const madeWith = JSON.parse(metadata.get('made_with') ?? '{}');
  return { given: named('input.'), expected: named('output.'), madeWith };
}

function distanceOf(actual: TensorData, expected: TensorData): number {
  const [ours, reference] = [toFloat32(actual), toFloat32(expected)];
  let [most, scale] = [0, 1];
  reference.forEach((value, i) => {
    most = Math.max(most, Math.abs(value - (ours[i] ?? Number.NaN)));
    scale = Math.max(scale, Math.abs(value));
  });
  return most / scale;
}

const names = folder
  ? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'case.safetensors')))
  : [];

describe.skipIf(folder === '')('at published sizes', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = Engine.start();
  });
  afterAll(() => engine.dispose());

  it('has components to compare', () => expect(names).not.toEqual([]));

  it.for(names)(
    '%s gives the numbers of diffusers',
    { timeout: 1_200_000 },
    async (name, { task }) => {
      const classes = Object.keys(components) as (keyof typeof components)[];
      const part = await readPartFolder(join(folder, name), { name, classes });
      const { given, expected, madeWith } = readCase(name);
      const { outputs, feeds } = caseGraphs(new Scope(), part as Component, given);
      await using session = await engine.load(outputs, { weights: part.weights });
      const results = await session.run(feeds);
      const rows = [...expected].map(([output, value]): FullSizeRow => {
        const ours = results.get(output)!;
        expect(ours.shape).toEqual(value.shape);
        const distance = distanceOf(ours, value);
        return { component: name, output, shape: value.shape, distance, madeWith };
      });
      task.meta.fullSize = rows;
      for (const { output, distance } of rows)
        expect(distance, output).toBeLessThanOrEqual(tolerance);
    },
  );
});
