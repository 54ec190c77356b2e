/** @file Chinese names of concepts: labels made sayable, measure words, aliases, tags. */
import type { ChineseNames } from './pictogram-index.js';
import type { SourceConcept } from './pictogram-sources.js';

export function chineseNames({ zh }: SourceConcept): ChineseNames {
  return { name: zh.label, aliases: [], tags: zh.tags, measure: '个' };
}
