/** @file Where parameters lie in a flat vector. */
import { expect, it } from 'vitest';
import { ParameterLayout } from './flat-parameters.js';

const layout = new ParameterLayout([
  { name: 'norm.weight', shape: [2] },
  { name: 'conv.weight', shape: [1, 3] },
  { name: 'logit_scale', shape: [] },
  { name: 'linear.weight', shape: [2, 1] },
]);
const values = new Map([
  ['norm.weight', Float32Array.of(1, 2)],
  ['conv.weight', Float32Array.of(3, 4, 5)],
  ['logit_scale', Float32Array.of(6)],
  ['linear.weight', Float32Array.of(7, 8)],
]);

it('puts what decays first and keeps the order otherwise', () => {
  expect([...layout.entries.keys()]).toEqual([
    'conv.weight',
    'linear.weight',
    'norm.weight',
    'logit_scale',
  ]);
  expect(layout).toMatchObject({ length: 8, decayedLength: 5 });
});

it('flattens values and gives views that share the memory', () => {
  const flat = layout.flatten(values);
  expect([...flat]).toEqual([3, 4, 5, 7, 8, 1, 2, 6]);
  const views = layout.views(flat);
  for (const [name, { data }] of views) expect(data).toEqual(values.get(name));
  views.get('logit_scale')!.data[0] = -1;
  expect(flat[7]).toBe(-1);
});

it('names the parameter without values', () => {
  const without = new Map(values);
  without.delete('linear.weight');
  expect(() => layout.flatten(without)).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: parameter "linear.weight": expected 2 values for f32[2,1], got none. Check that the weight file belongs to the config beside it.]`,
  );
  expect(() =>
    layout.flatten(new Map(values).set('norm.weight', new Float32Array(3))),
  ).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: parameter "norm.weight": expected 2 values for f32[2], got 3. Check that the weight file belongs to the config beside it.]`,
  );
});
