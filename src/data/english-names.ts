/** @file English names of concepts: labels made sayable, articles, plurals, aliases, tags. */
import type { EnglishNames } from './pictogram-index.js';
import type { SourceConcept } from './pictogram-sources.js';

export function englishNames({ en }: SourceConcept): EnglishNames {
  const name = en.label.replaceAll('’', "'");
  return {
    name,
    aliases: [],
    tags: en.tags,
    article: /^[aeiou]/i.test(name) ? 'an' : 'a',
    plural: `${name}s`,
  };
}
