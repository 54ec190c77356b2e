/** @file English articles and plurals of the phrases captions use. */
import { describe, expect, it } from 'vitest';
import { articleFor, indefiniteArticle, isPlural, pluralOf } from './english-grammar.js';

describe('articles', () => {
  it.each([
    ['apple', 'an'],
    ['unicorn', 'a'],
    ['umbrella', 'an'],
    ['ewe', 'a'],
    ['hourglass', 'an'],
    ['house', 'a'],
    ['X-ray image', 'an'],
    ['UFO', 'a'],
    ['SUV', 'an'],
    ['SOS button', 'an'],
    ['NEW button', 'a'],
    ['FREE button', 'a'],
    ['T-shirt', 'a'],
    ['euro banknote', 'a'],
    ['8 ball', 'an'],
    ['orange background', 'an'],
    ['one-piece swimsuit', 'a'],
    ['onion', 'an'],
  ] as const)('%s takes %s', (phrase, article) => {
    expect(indefiniteArticle(phrase)).toBe(article);
  });

  it.each([
    ['bread', ''],
    ['cherries', ''],
    ['Santa Claus', ''],
    ['Statue of Liberty', 'the'],
    ['leaves in the wind', ''],
    ['stack of books', 'a'],
    ['pair of glasses', 'a'],
    ['glass of milk', 'a'],
    ['cactus', 'a'],
    ['rhinoceros', 'a'],
    ['two-hump camel', 'a'],
    ['two hearts', ''],
    ['person lifting weights', 'a'],
    ['skis', ''],
  ] as const)('%s on its own takes "%s"', (phrase, article) => {
    expect(articleFor(phrase)).toBe(article);
  });
});

describe('plurals', () => {
  it.each([
    ['star', 'stars'],
    ['strawberry', 'strawberries'],
    ['key', 'keys'],
    ['fox', 'foxes'],
    ['sandwich', 'sandwiches'],
    ['mouse', 'mice'],
    ['computer mouse', 'computer mice'],
    ['wolf', 'wolves'],
    ['maple leaf', 'maple leaves'],
    ['tropical fish', 'tropical fish'],
    ['snowman', 'snowmen'],
    ['tomato', 'tomatoes'],
    ['kangaroo', 'kangaroos'],
    ['game die', 'game dice'],
    ['cup of coffee', 'cups of coffee'],
    ['face holding back tears', 'faces holding back tears'],
    ['red triangle pointed up', 'red triangles pointed up'],
    ['man', 'men'],
  ])('%s, %s', (one, many) => {
    expect(pluralOf(one)).toBe(many);
  });

  it.each(['bread', 'scissors', 'Mount Fuji', 'hammer and wrench', 'Milky Way'])(
    '%s cannot be counted',
    (phrase) => expect(pluralOf(phrase)).toBeNull(),
  );

  it('tells plurals by their head', () => {
    expect(isPlural('clinking glasses')).toBe(true);
    expect(isPlural('bus')).toBe(false);
    expect(isPlural('eye of tigers')).toBe(false);
  });
});
