/** @file CLIP score (Hessel et al. 2021) with the scale of torchmetrics: 100 times the mean cosine of pictures and their texts. */
import { complain } from '../core/errors.js';
import { type MeasuredValue, meanWithInterval, type ResampleOptions } from './bootstrap.js';
import { type FeatureRows, requireFeatures, unitFeatures } from './feature-rows.js';

/** 100 · mean cosine of row i of both, never below 0. Throws DATA. */
export function clipScore(
  pictures: FeatureRows,
  texts: FeatureRows,
  options: ResampleOptions = {},
): MeasuredValue {
  requireFeatures('clip score', 1, pictures, texts);
  if (pictures.count !== texts.count) {
    const [expected, got] = [`${pictures.count} texts, one a picture`, `${texts.count}`];
    throw complain('DATA', { where: 'clip score', expected, got, next: 'Give a text a picture.' });
  }
  const [a, b] = [unitFeatures(pictures), unitFeatures(texts)];
  const cosines = Float64Array.from({ length: a.count }, (_, i) => {
    let dot = 0;
    for (let j = i * a.size; j < (i + 1) * a.size; j++) dot += a.data[j]! * b.data[j]!;
    return 100 * dot;
  });
  const { value, interval } = meanWithInterval(cosines, options, [0, 100]);
  return { value: Math.max(value, 0), interval };
}
