/** @file ONNX Runtime against the interpreter: every row, forward and gradients, in f32. */
import { describe, expect, test } from 'vitest';
import type { TensorData } from '../../src/core/tensor-data.js';
import { emitOnnx } from '../../src/graph/emit.js';
import { grad } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import type { Graph, Tensor } from '../../src/graph/tensor.js';
import { channelBlock } from '../../src/runtime/channel-block.js';
import { LocalSession } from '../../src/runtime/session.js';
import { type BuiltCase, buildCase, toTensorData } from './case.js';
import { floatLeaves, hasGradient, penalty, relativeError, weighted } from './losses.js';
import { opCases } from './op-cases.js';

function hostFeeds({ leaves, feeds }: BuiltCase): Map<string, TensorData> {
  return new Map(
    leaves.map((leaf) => {
      const { name } = leaf.attributes as { name: string };
      return [name, toTensorData(feeds.get(name)!, leaf.shape, leaf.dtype as 'f32')];
    }),
  );
}

async function expectSame(
  graph: Graph,
  built: BuiltCase,
  { training, tolerance = 1e-4 }: { training: boolean; tolerance?: number | undefined },
): Promise<void> {
  const reference = interpret(graph, built.feeds);
  const model = emitOnnx(graph, { training });
  await using session = await LocalSession.create(model, { threads: 1 });
  const actual = await session.run(hostFeeds(built));
  for (const [i, [name, tensor]] of [...graph].entries()) {
    const { dtype, shape, data } = actual.get(name)!;
    expect({ name, dtype, shape: [...shape] }).toEqual({
      name,
      dtype: tensor.dtype,
      shape: [...tensor.shape],
    });
    const numbers = Float64Array.from(data as ArrayLike<number | bigint>, Number);
    expect(relativeError(numbers, reference[i]!), name).toBeLessThanOrEqual(tolerance);
  }
}

const named = (tensors: readonly Tensor[]): [string, Tensor][] =>
  tensors.map((tensor, i) => [`gradient ${i}`, tensor]);

const block = await channelBlock();

describe('forward', () => {
  for (const row of opCases) {
    const isRun = row.block === undefined || row.block === block;
    test.runIf(isRun)(`${row.op}: ${row.name}`, async () => {
      const built = buildCase(row, 'f32');
      const { tolerance } = row;
      await expectSame(new Map([['y', built.output]]), built, { training: false, tolerance });
    });
  }
});

describe('forward with gradients', () => {
  for (const row of opCases.filter(hasGradient)) {
    test(`${row.op}: ${row.name}`, async () => {
      const built = buildCase(row, 'f32');
      const { tolerance } = row;
      const gradients = grad(weighted(built.output, 7), floatLeaves(built));
      await expectSame(new Map([['y', built.output], ...named(gradients)]), built, {
        training: true,
        tolerance,
      });
    });
  }
});

describe('second derivatives', () => {
  for (const row of opCases.filter(hasGradient)) {
    test(`${row.op}: ${row.name}`, async () => {
      const built = buildCase(row, 'f32');
      const { tolerance } = row;
      const gradients = grad(penalty(built), floatLeaves(built));
      await expectSame(new Map(named(gradients)), built, { training: true, tolerance });
    });
  }
});
