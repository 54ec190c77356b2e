/** @file Products in 8 bits in ONNX Runtime: no sum saturates, whatever the processor, and little is lost. */
import { describe, expect, it } from 'vitest';
import { floatTensor } from '../../src/core/tensor-data.js';
import { add, constant, int8Matmul, matmul, transpose } from '../../src/graph/build.js';
import { emitOnnx } from '../../src/graph/emit.js';
import { quantiseLinear } from '../../src/graph/rewrites/quantise-linear.js';
import { type Graph, input, parameter, topologicalOrder } from '../../src/graph/tensor.js';
import { LocalSession } from '../../src/runtime/session.js';
import { values } from './case.js';

async function run(graph: Graph, feeds: [string, Float32Array, number[]][]): Promise<Float32Array> {
  await using session = await LocalSession.create(emitOnnx(graph), { threads: 1 });
  const all = new Map(feeds.map(([name, data, shape]) => [name, floatTensor(data, shape)]));
  return (await session.run(all)).get('y')!.data as Float32Array;
}

const filled = (shape: readonly number[], value: number): Float32Array =>
  new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value);

describe('the largest values of both sides', () => {
  // u8 255 times s8 127 over 64 features is 2 072 640; without VNNI plain MatMulInteger gives 1 048 544.
  it.each([64, 65, 1, 1024])('sum exactly over %i features', async (k) => {
    const n = 16;
    for (const sign of [1, -1]) {
      const weight = constant(floatTensor(filled([k, n], sign), [k, n]));
      const graph = new Map([['y', int8Matmul(input('x', [2, k]), weight)]]);
      const y = await run(graph, [['x', filled([2, k], 1), [2, k]]]);
      for (const value of y) expect(Math.abs(value / (sign * k) - 1)).toBeLessThan(1e-5);
    }
  });
});

it('gives zeros for zeros', async () => {
  const weight = constant(floatTensor(filled([32, 8], 0), [32, 8]));
  const graph = new Map([['y', int8Matmul(input('x', [4, 32]), weight)]]);
  expect([...(await run(graph, [['x', filled([4, 32], 0), [4, 32]]]))]).toEqual([
    ...filled([4, 8], 0),
  ]);
  expect([...(await run(graph, [['x', filled([4, 32], 3), [4, 32]]]))]).toEqual([
    ...filled([4, 8], 0),
  ]);
});

describe('quantiseLinear', () => {
  const layer = (rows: number): Graph => {
    const weight = transpose(parameter('w', [24, 40]), [1, 0]);
    const product = matmul(input('x', [1, rows, 40]), weight);
    return new Map([['y', add(product, parameter('b', [24]))]]);
  };
  const opsOf = (graph: Graph): string[] => topologicalOrder(graph.values()).map(({ op }) => op);

  it('takes layers of enough rows, bias and all', () => {
    expect(opsOf(quantiseLinear(layer(16)))).toContain('Int8MatMul');
    expect(opsOf(quantiseLinear(layer(16)))).not.toContain('Add');
    expect(quantiseLinear(layer(8)).get('y')).toMatchObject({ op: 'Add' });
    const between = new Map([['y', matmul(input('a', [32, 32]), input('b', [32, 32]))]]);
    expect(quantiseLinear(between)).toEqual(between);
  });

  it('loses less than 2 % of a layer', async () => {
    const feed = (
      name: string,
      shape: number[],
      seed: number,
    ): [string, Float32Array, number[]] => [
      name,
      Float32Array.from(values(shape, 'any', seed)),
      shape,
    ];
    const feeds = [feed('x', [1, 64, 40], 1), feed('w', [24, 40], 2), feed('b', [24], 3)];
    const exact = await run(layer(64), feeds);
    const rounded = await run(quantiseLinear(layer(64)), feeds);
    let [error, power] = [0, 0];
    exact.forEach((value, i) => {
      error += (value - rounded[i]!) ** 2;
      power += value ** 2;
    });
    expect(Math.sqrt(error / power)).toBeGreaterThan(0);
    expect(Math.sqrt(error / power)).toBeLessThan(0.02);
  });
});
