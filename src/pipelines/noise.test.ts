/** @file Variations of noise, against values of tools/reference/make_variations.py. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { TorchGenerator } from '../core/random.js';
import { spherical } from './noise.js';

interface Row {
  seed: number;
  other?: number;
  /** Instead of `other`: the seed's own noise plus a thousandth of this one's. */
  near?: number;
  share: number;
  out: number[];
}

const url = new URL('../../test/fixtures/variations.json', import.meta.url);
const { shape, rows } = JSON.parse(readFileSync(url, 'utf8')) as {
  shape: [number, number, number];
  rows: Row[];
};
const noise = (seed: number) => new TorchGenerator(seed).randn(shape[0] * shape[1] * shape[2]);

it.each(rows)('turns the noise of $seed towards $other by $share', (row) => {
  const own = noise(row.seed);
  const near = row.near === undefined ? undefined : noise(row.near);
  const other = near ? own.map((value, i) => value + 1e-3 * near[i]!) : noise(row.other!);
  const turned = spherical(own, other, { shape, share: row.share });
  expect(turned).toHaveLength(row.out.length);
  row.out.forEach((value, i) => {
    expect(Math.abs(turned[i]! - value)).toBeLessThan(2e-5);
  });
});
