/** @file Random graphs with their gradients, simplified, in ONNX Runtime against the interpreter. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { add, sum } from '../../src/graph/build.js';
import { emitOnnx } from '../../src/graph/emit.js';
import { grad } from '../../src/graph/grad.js';
import { interpret } from '../../src/graph/interpret.js';
import { simplify } from '../../src/graph/rewrites/simplify.js';
import { type Graph, inputsOf, parametersOf, topologicalOrder } from '../../src/graph/tensor.js';
import { LocalSession } from '../../src/runtime/session.js';
import { toTensorData } from './case.js';
import { relativeError } from './losses.js';
import { randomFeeds, randomGraph } from './random-graph.js';

const feeds = new Map([...randomFeeds].map(([name, numbers]) => [name, numbers.map(Math.fround)]));

/** The graph with the gradients of the sum of all outputs. */
function withGradients(graph: Graph): Graph {
  const outputs = [...graph.values()];
  const leaves = [...inputsOf(outputs).values(), ...parametersOf(outputs).values()];
  const loss = outputs.map((y) => sum(y)).reduce((total, term) => add(total, term));
  const gradients = grad(loss, leaves);
  return new Map([
    ...graph,
    ...gradients.map((gradient, i) => [`gradient ${i}`, gradient] as const),
  ]);
}

/** Values grown beyond this lose f32's digits in differences. */
function isTame(graph: Graph): boolean {
  const all = interpret(topologicalOrder(graph.values()), feeds);
  return all.every((numbers) => numbers.every((value) => Math.abs(value) < 1e4));
}

test('ONNX Runtime agrees with the interpreter', async () => {
  let compared = 0;
  const agrees = async (random: Graph): Promise<void> => {
    const original = withGradients(random);
    if (!isTame(original)) return;
    const model = emitOnnx(simplify(original), { training: compared % 2 === 0 });
    await using session = await LocalSession.create(model, { threads: 1 });
    const host = model.inputs.map(
      ({ name, shape }) => [name, toTensorData(feeds.get(name)!, shape, 'f32')] as const,
    );
    const results = await session.run(new Map(host));
    for (const [i, reference] of interpret(original, feeds).entries()) {
      const name = [...original.keys()][i]!;
      const numbers = Float64Array.from(results.get(name)!.data as Float32Array);
      expect(relativeError(numbers, reference), name).toBeLessThanOrEqual(1e-4);
    }
    compared++;
  };
  await fc.assert(fc.asyncProperty(randomGraph('f32'), agrees), { numRuns: 200, seed: 5 });
  expect(compared).toBeGreaterThan(150);
});
