/** @file Parameter names and the sharing of parameter nodes. */
import { expect, it } from 'vitest';
import type { Tensor } from '../graph/tensor.js';
import { declareOnce, Scope } from './scope.js';

it('joins names with dots, without one at the root', () => {
  const weights = new Map<string, Tensor>();
  const root = new Scope('', declareOnce(weights));
  root.parameter('logit_scale', []);
  root.child('down_blocks').child(0).child('conv1').parameter('weight', [4, 3]);
  expect([...weights.keys()]).toEqual(['logit_scale', 'down_blocks.0.conv1.weight']);
});

it('gives one node per name, so that gradients of shared weights add up', () => {
  const root = new Scope();
  expect(root.child('a').parameter('w', [2])).toBe(root.child('a').parameter('w', [2]));
});

it('refuses another shape under the same name', () => {
  const root = new Scope('model');
  root.parameter('w', [2]);
  expect(() => root.parameter('w', [3])).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: parameter "model.w": expected [2] as declared before, got [3]. Compare the shapes in the message with the operation’s contract.]`,
  );
});
