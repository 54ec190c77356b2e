/** @file Computations in pieces: the same result at once and in turns, and turns are taken. */
import { expect, it } from 'vitest';
import { atOnce, type InPieces, inTurns, mapping } from './pieces.js';

const squares = (): InPieces<number[]> =>
  mapping(
    Array.from({ length: 1000 }, (_, i) => i),
    (item, index) => item * index,
  );

it('gives the same at once and in turns', async () => {
  const all = atOnce(squares());
  expect(all).toHaveLength(1000);
  expect(all[999]).toBe(999 * 999);
  expect(await inTurns(squares())).toEqual(all);
});

it('lets others go between pieces that take long', async () => {
  let others = 0;
  function* slow(): InPieces<number> {
    for (let piece = 0; piece < 5; piece++) {
      const until = performance.now() + 10;
      while (performance.now() < until);
      yield;
    }
    return others;
  }
  const timer = setInterval(() => others++, 1);
  expect(await inTurns(slow())).toBeGreaterThanOrEqual(3);
  clearInterval(timer);
});

it('fails where the work fails', async () => {
  const failing = (): InPieces<number[]> =>
    mapping([1], () => {
      throw new Error('no');
    });
  expect(() => atOnce(failing())).toThrow('no');
  await expect(inTurns(failing())).rejects.toThrow('no');
});
