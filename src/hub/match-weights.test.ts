/** @file What is said of weights that do not fit their model. */
import { expect, it } from 'vitest';
import { matchWeights, requireMatch } from './match-weights.js';

const parameters = new Map([
  ['conv.weight', { shape: [8, 4, 1, 1] }],
  ['conv.bias', { shape: [8] }],
  ['norm.weight', { shape: [8] }],
]);
const stored = new Map([
  ['conv.weight', { shape: [8, 4, 1, 1] }],
  ['conv.bias', { shape: [8] }],
  ['norm.weight', { shape: [8] }],
]);

it('pairs by name', () => {
  const match = matchWeights(parameters, stored);
  expect([...match.matched.keys()]).toEqual([...parameters.keys()]);
  expect(match.matched.get('conv.bias')).toBe(stored.get('conv.bias'));
  expect(() => requireMatch('Net', 3, match)).not.toThrow();
});

it('renames and drops by the rule of the class', () => {
  const old = new Map([
    ['old.weight', { shape: [8] }],
    ['position_ids', { shape: [77] }],
    ...[...stored].slice(0, 2),
  ]);
  const rule = (name: string): string | undefined =>
    name === 'position_ids' ? undefined : name.replace('old', 'norm');
  const { missing, unused, matched } = matchWeights(parameters, old, rule);
  expect({ missing, unused }).toEqual({ missing: [], unused: [] });
  expect(matched.get('norm.weight')).toBe(old.get('old.weight'));
});

it('takes a linear weight for a 1×1 convolution, and nothing else of another shape', () => {
  const linear = new Map(stored).set('conv.weight', { shape: [8, 4] });
  expect(matchWeights(parameters, linear).misshapen).toEqual([]);
  const turned = new Map(stored).set('conv.weight', { shape: [4, 8, 1, 1] });
  const match = matchWeights(parameters, turned);
  expect(() => requireMatch('Net', 3, match)).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: weights: expected the 3 tensors of Net, got 1 of another shape, first "conv.weight" [4,8,1,1] where the config asks for [8,4,1,1]. Check that the weight file belongs to the config beside it.]`,
  );
});

it('counts and names what is missing and unused', () => {
  const other = new Map([
    ['conv.weight', { shape: [8, 4, 1, 1] }],
    ['conv.weight_scale', { shape: [1] }],
  ]);
  const match = matchWeights(parameters, other);
  expect(match.missing).toEqual(['conv.bias', 'norm.weight']);
  expect(() => requireMatch('Net', 3, match)).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: weights: expected the 3 tensors of Net, got 2 of 3 missing, first "conv.bias"; 1 unused, first "conv.weight_scale". Check that the weight file belongs to the config beside it.]`,
  );
});

it('calls the second of two tensors for one parameter unused', () => {
  const twice = new Map([...stored, ['extra', { shape: [8] }]]);
  const rule = (name: string): string => (name === 'extra' ? 'norm.weight' : name);
  expect(matchWeights(parameters, twice, rule).unused).toEqual(['extra']);
});
