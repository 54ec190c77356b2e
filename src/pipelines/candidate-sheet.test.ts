/** @file The sheet of candidates: pictures unchanged, ranks readable under them. */
import { expect, it } from 'vitest';
import { decodeImage } from '../formats/image.js';
import { candidateSheet } from './candidate-sheet.js';

const plain = (value: number, width = 8, height = 6) => ({
  width,
  height,
  pixels: new Uint8Array(width * height * 3).fill(value),
});

it('pastes pictures in a grid and writes ranks under them', async () => {
  const sheet = candidateSheet([
    { picture: plain(10), rank: 1, isKept: true },
    { picture: plain(20), rank: 12, isKept: false },
    { picture: plain(30), rank: 3, isKept: false },
  ]);
  const { width, height, data, channels } = await decodeImage(sheet, { channels: 3 });
  // Two columns and rows of 8×6 pixels with a label of 7 below, 4 between.
  expect([width, height]).toEqual([4 + 2 * 12, 4 + 2 * (6 + 7 + 4)]);
  const at = (x: number, y: number): number => data[(y * width + x) * channels]!;
  const rows = (left: number, top: number, w: number, h: number): string[] =>
    Array.from({ length: h }, (_, y) =>
      Array.from({ length: w }, (_, x) => `${at(left + x, top + y)}`.padStart(4)).join(''),
    );
  expect([at(3, 3), at(4, 4), at(11, 9), at(16, 4), at(4, 21)]).toEqual([128, 10, 10, 20, 30]);
  expect(rows(5, 11, 3, 5)).toEqual([
    ' 255   0 255',
    '   0   0 255',
    ' 255   0 255',
    ' 255   0 255',
    '   0   0   0',
  ]);
  expect(rows(21, 11, 3, 5)).toEqual([
    ' 255 255 255',
    '  96  96 255',
    ' 255 255 255',
    ' 255  96  96',
    ' 255 255 255',
  ]);
});

it('refuses pictures of several sizes, and none', () => {
  const entry = { rank: 1, isKept: true };
  expect(() => candidateSheet([])).toThrow(
    'candidate sheet: expected pictures of one size, got none',
  );
  expect(() =>
    candidateSheet([
      { ...entry, picture: plain(1) },
      { ...entry, picture: plain(1, 9) },
    ]),
  ).toThrow('candidate sheet: expected pictures of one size, got 8x6, 9x6.');
});
