import { expect, it } from 'vitest';
import { oklabPlanes } from './oklab.js';

// Oklab of the sRGB primaries as CSS Color 4 converts them, five digits.
it.each([
  ['red', [255, 0, 0], [0.62796, 0.22486, 0.12585]],
  ['lime', [0, 255, 0], [0.86644, -0.23389, 0.1795]],
  ['blue', [0, 0, 255], [0.45201, -0.03246, -0.31153]],
  ['white', [255, 255, 255], [1, 0, 0]],
  ['black', [0, 0, 0], [0, 0, 0]],
] as const)('%s', (_, srgb, lab) => {
  const found = oklabPlanes(Float32Array.from(srgb));
  for (const [at, value] of lab.entries()) expect(found[at]).toBeCloseTo(value, 4);
});

it('keeps planes apart and counts values beyond the range as its ends', () => {
  const [l1, l2, , , b1] = oklabPlanes(Float32Array.of(-5, 300, -5, 300, -5, 300));
  expect(l1).toBe(0);
  expect(l2).toBeCloseTo(1, 5);
  expect(b1).toBeCloseTo(0, 5);
});
