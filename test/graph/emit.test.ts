/** @file Names in an emitted model, and what the shape rules refuse before emission. */
import { describe, expect, test } from 'vitest';
import { add, cast, convTranspose2d, mul, neg } from '../../src/graph/build.js';
import { emitOnnx } from '../../src/graph/emit.js';
import { input, parameter, type Tensor } from '../../src/graph/tensor.js';
import { LocalSession } from '../../src/runtime/session.js';

const x = input('x', [2]);
const w = parameter('w', [2]);

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message}`;
  }
  return 'sound';
}

test('an output may not be named like an input or parameter', () => {
  const emit = (name: string, output: Tensor): string =>
    messageOf(() => emitOnnx(new Map([[name, output]])));
  expect(emit('y', mul(x, w))).toBe('sound');
  expect([emit('x', mul(x, w)), emit('w', mul(x, w)), emit('x', x)]).toMatchInlineSnapshot(`
    [
      "GRAPH emitOnnx: output "x": expected a name no input or parameter has, got Input "x". Give the output another name.",
      "GRAPH emitOnnx: output "w": expected a name no input or parameter has, got Parameter "w". Give the output another name.",
      "GRAPH emitOnnx: output "x": expected a name no input or parameter has, got Input "x". Give the output another name.",
    ]
  `);
});

test('values in between keep clear of the names of inputs, parameters and outputs', async () => {
  const t = ['t0', 't1', 'c0'].map((name) => input(name, [2]));
  const [a, b, c] = t as [Tensor, Tensor, Tensor];
  const graph = new Map([
    ['t2', neg(add(mul(a, 2), b))],
    ['c1', mul(cast(c, 'f64'), 3)],
  ]);
  await using session = await LocalSession.create(emitOnnx(graph), { threads: 1 });
  const feeds = t.map(
    (_, i) => ({ dtype: 'f32', shape: [2], data: Float32Array.of(i, 10 * i + 1) }) as const,
  );
  const named = new Map(
    t.map(({ attributes }, i) => [(attributes as { name: string }).name, feeds[i]!]),
  );
  const results = await session.run(named);
  expect([...results.get('t2')!.data]).toEqual([-1, -13]);
  expect([...results.get('c1')!.data]).toEqual([6, 63]);
});

describe('output padding of a transposed convolution', () => {
  const picture = input('picture', [1, 1, 2, 2]);
  const kernel = input('kernel', [1, 1, 3, 3]);
  const refusal = (outputPadding: [number, number]): string =>
    messageOf(() => convTranspose2d(picture, kernel, undefined, { stride: [2, 1], outputPadding }));
  test('must be whole and below the stride', () => {
    expect(refusal([1, 0])).toBe('sound');
    const rows = [
      [2, 0],
      [0, 1],
      [-1, 0],
      [0.5, 0],
    ] as const;
    expect(rows.map(([h, w]) => refusal([h, w]))).toMatchInlineSnapshot(`
      [
        "SHAPE ConvTranspose: expected output padding from 0 and below the stride [2,1], got [2,0]. Compare the shapes in the message with the operation’s contract.",
        "SHAPE ConvTranspose: expected output padding from 0 and below the stride [2,1], got [0,1]. Compare the shapes in the message with the operation’s contract.",
        "SHAPE ConvTranspose: expected output padding from 0 and below the stride [2,1], got [-1,0]. Compare the shapes in the message with the operation’s contract.",
        "SHAPE ConvTranspose: expected output padding from 0 and below the stride [2,1], got [0.5,0]. Compare the shapes in the message with the operation’s contract.",
      ]
    `);
  });
});
