/** @file Muon against torch.optim.Muon with its iterations in f64, beside AdamW; what it leaves alone. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { FloatTensor } from '../core/tensor-data.js';
import { emitOnnx } from '../graph/emit.js';
import { input } from '../graph/tensor.js';
import { LocalSession } from '../runtime/session.js';
import { adamWStep, averageDecayAt, createOptimizerState, squaresOf } from './adamw.js';
import { ParameterLayout, type ParameterShape } from './flat-parameters.js';
import { MuonUpdate, restartSecondMoment } from './muon.js';
import { orthogonalized } from './newton-schulz.js';
import { muonMatrices, shareUpdate } from './update-shares.js';

interface Run {
  readonly betas: [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly averageDecay: number;
  readonly shapes: ParameterShape[];
  readonly start: string;
  readonly gradients: string[];
  readonly rates: number[];
  readonly steps: { parameters: string; average: string }[];
  readonly firstMoment: string;
}

interface Iterated {
  readonly shape: [number, number];
  readonly matrix: string;
  readonly result: string;
}

const file = new URL('../../test/fixtures/train/muon.json', import.meta.url);
const { run, iterated } = JSON.parse(readFileSync(file, 'utf8')) as {
  run: Run;
  iterated: Iterated[];
};
const floats = (text: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

/** Largest difference relative to max(1, |reference|). */
function gap(actual: Float32Array, reference: string): number {
  const expected = floats(reference);
  expect(actual).toHaveLength(expected.length);
  return Math.max(...expected.map((v, i) => Math.abs(actual[i]! - v) / Math.max(1, Math.abs(v))));
}

// The convolution of the fixture is the first and the last, so two more enclose it.
const shapes = [
  { name: 'in.weight', shape: [1, 1, 1, 1] },
  ...run.shapes,
  { name: 'out.weight', shape: [1, 1, 1, 1] },
];
const layout = new ParameterLayout(shapes);
const matrixLength = run.shapes.filter(({ shape }) => shape.length >= 2);
/** Vectors of the fixture hold neither; it has matrices first, as the layout. */
const border = 1 + matrixLength.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
const widened = (text: string): Float32Array => {
  const values = floats(text);
  const wide = new Float32Array(layout.length);
  wide.set(values.subarray(0, border - 1), 1);
  wide.set(values.subarray(border - 1), border + 1);
  return wide;
};
const narrowed = (wide: Float32Array): Float32Array =>
  Float32Array.from([...wide.subarray(1, border), ...wide.subarray(border + 1)]);

it.each([1, 2, 9])('gives the numbers of torch at every step, shared by %i', async (workers) => {
  const state = createOptimizerState(widened(run.start));
  const untouched = state.secondMoment.fill(7);
  const shares = shareUpdate(layout, 'muon', workers);
  const updates = await Promise.all(
    shares.map(({ matrices }) => MuonUpdate.load(matrices, { threads: 1 })),
  );
  for (const range of shares.flatMap(({ ranges }) => ranges)) {
    state.secondMoment.fill(0, range.from, range.to);
  }
  for (const [i, expected] of run.steps.entries()) {
    const gradient = widened(run.gradients[i]!);
    const norm = Math.sqrt(squaresOf(gradient, { from: 0, to: gradient.length }));
    const gradientScale = Math.min(1, run.clipNorm / norm);
    const options = {
      ...run,
      learningRate: run.rates[i]!,
      step: i + 1,
      gradientScale,
      decayedLength: layout.decayedLength,
      averageDecay: averageDecayAt(i + 1, run.averageDecay),
    };
    const before = state.parameters.slice();
    for (const update of updates) {
      expect(await update.prepare(state, gradient, gradientScale)).toBeGreaterThanOrEqual(0);
    }
    expect(state.parameters).toEqual(before);
    for (const [at, update] of updates.entries()) {
      for (const range of shares[at]!.ranges) adamWStep(state, gradient, options, range);
      update.apply(state, gradient, options);
    }
    expect(gap(narrowed(state.parameters), expected.parameters)).toBeLessThan(1e-5);
    expect(gap(narrowed(state.average), expected.average)).toBeLessThan(1e-5);
  }
  expect(gap(narrowed(state.firstMoment), run.firstMoment)).toBeLessThan(2e-6);
  for (const { offset, rows, columns } of muonMatrices(layout)) {
    expect(untouched.subarray(offset, offset + rows * columns).every((v) => v === 7)).toBe(true);
  }
  for (const update of updates) await update.dispose();
});

it('makes matrices of few directions, of tiny values and of zeros orthogonal as f64 does', async () => {
  for (const { shape, matrix, result } of iterated) {
    const model = emitOnnx(new Map([['y', orthogonalized(input('x', [1, ...shape]))]]));
    await using session = await LocalSession.create(model, { threads: 1 });
    const x: FloatTensor = { dtype: 'f32', shape: [1, ...shape], data: floats(matrix) };
    const y = (await session.run(new Map([['x', x]]))).get('y')!;
    // 3.4445⁵ roundings of f32 where a matrix has next to nothing; see newton-schulz.ts.
    expect(gap(y.data as Float32Array, result), `${shape}`).toBeLessThan(485 * 2 ** -23);
  }
});

it('leaves AdamW second moments it can go on from', () => {
  const state = createOptimizerState(new Float32Array(6));
  state.firstMoment.set([3, 1, 0, -2, 5, 5]);
  restartSecondMoment(state, [{ offset: 0, rows: 2, columns: 2 }]);
  // 39 is (1 + 0.95) / (1 − 0.95); the mean of the squares is 3.5.
  const expected = [39 * 9, 39 * 3.5, 39 * 3.5, 39 * 4, 0, 0];
  state.secondMoment.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 3);
  });
});
