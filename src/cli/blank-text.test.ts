/** @file Texts that show nothing, and short ones that do. */
import { expect, it } from 'vitest';
import { isBlank } from './blank-text.js';

it.each(['', ' \t\n', '\u200b\u2060', '\u00ad', '\ufeff', '\u200d\ufe0f', '\u3000\u0000'])(
  '%j shows nothing',
  (text) => {
    expect(isBlank(text)).toBe(true);
  },
);

it.each(['.', '猫', '🧑‍🚀', '\u200ba', 'é'])('%j shows something', (text) => {
  expect(isBlank(text)).toBe(false);
});
