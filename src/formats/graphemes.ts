/** @file Extended grapheme clusters (UAX 29) of a text of any length, in linear time. */

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Code units looked at together: the platform copies all of them for each cluster. */
const window = 64;

const isHighSurrogate = (text: string, at: number): boolean =>
  (text.charCodeAt(at) & 0xfc00) === 0xd800;

/** The clusters of `text`, in order. */
export function* graphemes(text: string): Generator<string> {
  let start = 0;
  let size = window;
  while (start < text.length) {
    const end = start + size + (isHighSurrogate(text, start + size - 1) ? 1 : 0);
    const found = Array.from(segmenter.segment(text.slice(start, end)), ({ segment }) => segment);
    const isEnd = end >= text.length;
    // The last cluster may go on behind the window.
    const whole = isEnd ? found : found.slice(0, -1);
    for (const cluster of whole) start += cluster.length;
    yield* whole;
    size = whole.length === 0 ? 2 * size : window;
  }
}
