/** @file Clusters come out as the platform's own segmenter gives them, however the windows fall. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { graphemes } from './graphemes.js';

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
const direct = (text: string): string[] =>
  Array.from(segmenter.segment(text), ({ segment }) => segment);

it('cuts where the platform cuts', () => {
  const unit = fc.constantFrom(
    ...'a\u0301',
    '\r\n',
    '\r',
    '👍🏽',
    '🇩',
    'क्षि',
    '\u200d',
    '😀',
    '각',
    '苹',
  );
  const text = fc.array(unit, { minLength: 200, maxLength: 400 }).map((parts) => parts.join(''));
  const cuts = fc.property(text, (value) => {
    expect([...graphemes(value)]).toEqual(direct(value));
  });
  fc.assert(cuts);
});

it('keeps a cluster longer than a window whole', () => {
  const long = `a${'\u0301'.repeat(5000)}`;
  expect([...graphemes(`${long}b${long}`)]).toEqual([long, 'b', long]);
});
