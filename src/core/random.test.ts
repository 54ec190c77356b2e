/** @file The generator against fixtures that tools/reference/make_random.py made with torch. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { randn, TorchGenerator } from './random.js';

interface Call {
  kind: 'rand' | 'randn';
  count: number;
  values: string;
  state: string;
}
interface Case {
  seed: string;
  freshState: string;
  rand: string;
  small: string[];
  large: { count: number; values: string }[];
  mixed: Call[];
}

const fixture = new URL('../../test/fixtures/core/random.json', import.meta.url);
const { cases }: { cases: Case[] } = JSON.parse(readFileSync(fixture, 'utf8'));

function unpack(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return new Float32Array(new Uint8Array(bytes).buffer);
}

function largestDifference(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < actual.length; i++) {
    largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!));
  }
  return largest;
}

/** Digest of a state without the spare normal, whose last bit hangs on the platform's sine. */
function digest(state: Uint8Array): string {
  const comparable = state.slice().fill(0, 5024, 5032);
  return createHash('sha256').update(comparable).digest('hex');
}

describe.each(cases)('seed $seed', ({ seed, freshState, rand, small, large }) => {
  const fresh = () => new TorchGenerator(BigInt(seed));

  it('has the state of torch', () => {
    expect(fresh().seed).toBe(BigInt(seed));
    expect(digest(fresh().state())).toBe(freshState);
  });

  it('gives the uniforms of torch bit for bit', () => {
    const expected = unpack(rand);
    expect(fresh().uniform(expected.length)).toEqual(expected);
  });

  it('gives the normals of torch for 1 to 40 values', () => {
    for (const [i, values] of small.entries()) {
      expect(largestDifference(fresh().randn(i + 1), unpack(values))).toBeLessThanOrEqual(1e-6);
    }
  });

  it.each(large)('gives the normals of torch for $count values', ({ count, values }) => {
    const all = fresh().randn(count);
    const sampled = [...all.filter((_, i) => i % 397 === 0), ...all.slice(-32)];
    expect(largestDifference(Float32Array.from(sampled), unpack(values))).toBeLessThanOrEqual(1e-6);
  });
});

const mixedCases = cases.filter(({ mixed }) => mixed.length > 0);

it.each(mixedCases)(
  'follows torch through mixed calls and restored states: $seed',
  ({ seed, mixed }) => {
    const running = new TorchGenerator(BigInt(seed));
    let restored = new TorchGenerator(BigInt(seed));
    for (const { kind, count, values, state } of mixed) {
      const actual = kind === 'rand' ? running.uniform(count) : running.randn(count);
      expect(largestDifference(actual, unpack(values))).toBeLessThanOrEqual(1e-6);
      expect(digest(running.state())).toBe(state);
      expect(kind === 'rand' ? restored.uniform(count) : restored.randn(count)).toEqual(actual);
      restored = new TorchGenerator(7);
      restored.setState(running.state());
    }
  },
);

describe('TorchGenerator', () => {
  it('keeps the first values every torch user knows', () => {
    const [first] = randn([2, 8], 0).data;
    expect(first).toBeCloseTo(-1.1258398, 6);
    expect(randn([2, 8], 0).shape).toEqual([2, 8]);
  });

  it('refuses seeds that would lose bits', () => {
    expect(() => new TorchGenerator(2 ** 53)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: TorchGenerator: expected a seed that is an integer from 0 to 18446744073709551615, got 9007199254740992. Give seeds above 9007199254740991 as bigint.]`,
    );
    for (const seed of [-1, 1.5, Number.NaN, 2n ** 64n, -1n]) {
      expect(() => new TorchGenerator(seed)).toThrow(/integer from 0/);
    }
  });

  it('refuses a state that is none', () => {
    const generator = new TorchGenerator(1);
    expect(() => generator.setState(new Uint8Array(3))).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: TorchGenerator.setState: expected 5056 bytes of torch’s CPU generator, got 3 bytes. Start without --resume, or restore the folder the message names.]`,
    );
    const broken = generator.state();
    broken[16] = 9;
    expect(() => generator.setState(broken)).toThrow(/left 1, next 9/);
  });

  it('refuses a count that is none', () => {
    expect(() => new TorchGenerator(1).randn(-1)).toThrow(/whole number/);
    expect(() => new TorchGenerator(1).uniform(1.5)).toThrow(/whole number/);
    expect(new TorchGenerator(1).randn(0)).toHaveLength(0);
  });
});
