/** @file Both languages say the same things with the same values. */
import { expect, it } from 'vitest';
import { errorTable } from '../core/errors.js';
import { english, languageOf, type MessageKey, sayIn } from './messages.js';
import { chinese, chineseErrors } from './messages-zh.js';

const keys = Object.keys(english) as MessageKey[];
const slots = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

it('every message is in both languages', () => {
  expect(Object.keys(chinese)).toEqual(keys);
  expect(Object.keys(chineseErrors)).toEqual(Object.keys(errorTable));
});

it.each(keys)('%s has the same values in both', (key) => {
  expect(slots(chinese[key])).toEqual(slots(english[key]));
});

it('Chinese messages are Chinese', () => {
  const same = keys.filter((key) => chinese[key] === english[key]);
  expect(same).toEqual(['program', 'doctor.node']);
  for (const text of Object.values(chineseErrors)) expect(text).toMatch(/\p{Script=Han}.*。$/u);
});

it.each([
  [{}, 'en'],
  [{ LANG: 'zh_CN.UTF-8' }, 'zh'],
  [{ LANG: 'zh' }, 'zh'],
  [{ LANG: 'zh-Hans' }, 'zh'],
  [{ LANG: 'zh_CN.UTF-8', LC_ALL: 'C.UTF-8' }, 'en'],
  [{ LANG: 'de_DE.UTF-8', LC_MESSAGES: 'zh_TW.UTF-8' }, 'zh'],
  [{ LANG: 'zhx_XX' }, 'en'],
] as const)('%j speaks %s', (env, language) => {
  expect(languageOf(env)).toBe(language);
});

it('fills values in and leaves unknown slots', () => {
  expect(sayIn('en', 'npx maliang')('usage.see')).toBe('See `npx maliang --help`.');
  expect(sayIn('zh', 'maliang')('generate.seed', { seed: 7 })).toBe('种子 7');
  expect(sayIn('en', 'maliang')('generate.seed')).toBe('seed {seed}');
});
