/** @file A training problem of a few milliseconds: a small network that learns a fixed function. */
import { TorchGenerator } from '../../src/core/random.js';
import type { TensorData } from '../../src/core/tensor-data.js';
import * as g from '../../src/graph/build.js';
import { input } from '../../src/graph/tensor.js';
import { initialise } from '../../src/nn/initialise.js';
import { linear } from '../../src/nn/layers.js';
import { Scope } from '../../src/nn/scope.js';
import type { Objective } from '../../src/train/gradient-session.js';
import type { RunSettings } from '../../src/train/run-settings.js';
import type { Initial } from '../../src/train/training-run.js';

export const tinySettings: RunSettings = {
  steps: 8,
  batchSize: 8,
  microBatch: 8,
  optimizer: {
    name: 'adamw',
    learningRate: 0.02,
    warmupSteps: 2,
    decayShare: 0.25,
    betas: [0.9, 0.99],
    eps: 1e-8,
    weightDecay: 0.02,
    clipNorm: 1,
    averageDecay: 0.9,
  },
  seed: 3,
  checkpointMinutes: 60,
  sampleEverySteps: 0,
  startFrom: undefined,
  threads: 1,
};

/** x [n, 4] through eight hidden units against y [n, 2]. */
export function tinyObjective(n: number): Objective {
  const scope = new Scope();
  const hidden = g.tanh(linear(scope.child('in'), input('x', [n, 4]), 8));
  const output = linear(scope.child('out'), hidden, 2);
  const loss = g.mean(g.square(g.sub(output, input('y', [n, 2]))));
  return { loss, reports: { size: g.mean(g.abs(output)) } };
}

export const tinyInitial: Initial = (shapes) => initialise(shapes, { seed: 1 });

/** Sample i is drawn from seed i; y is a fixed function of x. */
export async function tinyBatch(first: number, n: number): Promise<Map<string, TensorData>> {
  const x = new Float32Array(n * 4);
  const y = new Float32Array(n * 2);
  for (let i = 0; i < n; i++) {
    const row = new TorchGenerator(first + i).randn(4);
    x.set(row, i * 4);
    y.set([Math.sin(row[0]! + row[1]!), row[2]! * row[3]!], i * 2);
  }
  return new Map<string, TensorData>([
    ['x', { dtype: 'f32', shape: [n, 4], data: x }],
    ['y', { dtype: 'f32', shape: [n, 2], data: y }],
  ]);
}
