/** @file The hold-out: by group, stable, near-duplicates together, evaluation concepts in training. */
import { describe, expect, it } from 'vitest';
import { evaluationPrompts } from './evaluation-prompts.js';
import { heldOutShare, holdOut, isGroupHeldOut, splitGroups } from './split.js';
import { alikePairs, meanColour, thumbnailOf } from './thumbnails.js';

describe('splitGroups', () => {
  it('joins families and pairs, through others too', () => {
    const families = ['d', 'b', 'a', 'b', 'c', 'e'];
    expect(
      splitGroups(families, [
        [0, 2],
        [2, 4],
      ]),
    ).toEqual(['a', 'b', 'a', 'b', 'a', 'e']);
  });

  it('does not depend on the order of the pairs', () => {
    const families = ['f', 'e', 'd', 'c', 'b', 'a'];
    const pairs = [
      [0, 1],
      [4, 5],
      [1, 4],
    ] as const;
    expect(splitGroups(families, [...pairs].reverse())).toEqual(splitGroups(families, pairs));
  });
});

describe('holdOut', () => {
  const names = Array.from({ length: 5000 }, (_, i) => `thing-${i}`);

  it('takes about three per cent', () => {
    const share = names.filter(isGroupHeldOut).length / names.length;
    expect(share).toBeGreaterThan(heldOutShare * 0.75);
    expect(share).toBeLessThan(heldOutShare * 1.25);
  });

  it('never parts a group, and keeps evaluation concepts in training', () => {
    const heldGroup = names.find(isGroupHeldOut)!;
    expect(holdOut(['x', 'y'], [heldGroup, heldGroup])).toEqual([true, true]);
    const evaluated = evaluationPrompts[0]!.conceptId;
    expect(holdOut([evaluated, 'y'], [heldGroup, heldGroup])).toEqual([false, false]);
  });
});

describe('thumbnails', () => {
  const square = (shade: (x: number, y: number) => number): Uint8Array => {
    const pixels = new Uint8Array(32 * 32 * 4);
    for (let i = 0; i < 32 * 32; i++) {
      const value = shade(i % 32, i >> 5);
      pixels.set([value, 0, 0, value], i * 4);
    }
    return thumbnailOf(pixels, 32);
  };

  it('finds copies, mirrored copies and slight changes, and nothing else', () => {
    const left = square((x) => (x < 12 ? 255 : 0));
    const right = square((x) => (x >= 20 ? 255 : 0));
    const near = square((x, y) => (x < 12 ? 255 : 0) - (x === 3 && y < 4 ? 60 : 0));
    const other = square((_, y) => (y < 12 ? 255 : 0));
    expect(alikePairs([left, right, other, near])).toEqual([
      [0, 1],
      [0, 3],
      [1, 3],
    ]);
  });

  it('gives the colour of what is covered', () => {
    expect(meanColour(square((x) => (x < 5 ? 128 : 0)))).toEqual([255, 0, 0]);
    expect(meanColour(new Uint8Array(256))).toEqual([0, 0, 0]);
  });
});
