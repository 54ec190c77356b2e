/** @file The resize rules equal torch-fidelity's and clean-fid's on small pictures. */
import { describe, expect, it } from 'vitest';
import { resizeForNetwork, resizeRules } from '../../src/metrics/picture-resize.js';
import { floatsOf, readFixture } from './figures.js';

interface Row {
  readonly height: number;
  readonly width: number;
  readonly side: number;
  readonly picture: string;
  readonly legacy: string;
  readonly clean: string;
}

const { rows } = readFixture<{ rows: Row[] }>('resize');

describe.each(rows)(
  '$width × $height to $side',
  ({ picture, width, height, side, ...expected }) => {
    const data = new Uint8Array(Buffer.from(picture, 'base64'));
    const image = { width, height, channels: 3, data };

    it.each(['legacy', 'clean'] as const)('%s', (rule) => {
      const reference = floatsOf(expected[rule]);
      const ours = resizeForNetwork(image, rule, side);
      const errors = Array.from(reference, (value, i) => Math.abs(ours[i]! - value));
      expect(ours).toHaveLength(reference.length);
      // Steps of f32 near 255 are 1.5e-5.
      expect(Math.max(...errors)).toBeLessThanOrEqual(rule === 'legacy' ? 0 : 3.1e-5);
    });
  },
);

it('clip keeps the ratio and takes the middle', () => {
  const width = 40;
  const data = new Uint8Array(20 * width * 3).map((_, i) =>
    Math.floor(i / 3) % width < 10 ? 0 : 255,
  );
  const planes = resizeForNetwork({ width, height: 20, channels: 3, data }, 'clip', 20);
  expect(planes.every((value) => value === 255)).toBe(true);
});

it('every rule keeps a picture that fits', () => {
  const data = new Uint8Array(8 * 8 * 3).map((_, i) => (i * 37) % 256);
  for (const rule of resizeRules) {
    const planes = resizeForNetwork({ width: 8, height: 8, channels: 3, data }, rule, 8);
    expect([planes[0], planes[64], planes[191]]).toEqual([data[0], data[1], data[191]]);
  }
});
