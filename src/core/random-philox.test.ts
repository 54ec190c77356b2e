/** @file Philox against the known answers of Random123 (Salmon et al. 2011) and values of torch on CUDA. */
import { describe, expect, it } from 'vitest';
import { PhiloxGenerator, philox } from './random-philox.js';
import { noiseSource } from './random-source.js';

it.each([
  [[0, 0, 0, 0], 0n, [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    0xffffffffffffffffn,
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    0x299f31d0a4093822n,
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
])('mixes %j with key %d', (counter, key, expected) => {
  const state = Uint32Array.from(counter);
  philox(state, key);
  expect([...state]).toEqual(expected);
});

describe('PhiloxGenerator', () => {
  it('gives the normals of CUDA for seed 0', () => {
    const actual = new PhiloxGenerator(0).randn(4);
    for (const [i, value] of [-0.92466259, -0.42534415, -2.6438457, 0.14518388].entries()) {
      expect(actual[i]).toBeCloseTo(value, 6);
    }
  });

  it('moves on with every call and depends on all 64 bits of the seed', () => {
    const generator = new PhiloxGenerator(5n);
    const [first, second] = [generator.randn(8), generator.randn(8)];
    expect(second).not.toEqual(first);
    expect(new PhiloxGenerator(5).randn(3)).toEqual(first.slice(0, 3));
    expect(new PhiloxGenerator(5n + 2n ** 32n).randn(8)).not.toEqual(first);
  });

  it('has mean 0 and deviation 1', () => {
    const values = new PhiloxGenerator(9).randn(20_000);
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const square = values.reduce((sum, v) => sum + v * v, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(square - 1)).toBeLessThan(0.05);
  });

  it('refuses seeds and counts that are none', () => {
    expect(() => new PhiloxGenerator(-1)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: PhiloxGenerator: expected a seed that is an integer from 0 to 18446744073709551615, got -1. Give seeds above 9007199254740991 as bigint.]`,
    );
    expect(() => new PhiloxGenerator(1).randn(0.5)).toThrow(/whole number/);
  });
});

it('names both streams', () => {
  expect(noiseSource('cpu', 0).randn(16)[0]).toBeCloseTo(-1.1258398, 6);
  expect(noiseSource('cuda', 0).randn(16)[0]).toBeCloseTo(-0.9246626, 6);
});
