/** @file English grammar for noun phrases: articles and plurals, by rules with lists of exceptions. */

/** Nouns used without article, in the singular. */
const massNouns = new Set(
  (
    'bread,bacon,popcorn,butter,salt,broccoli,garlic,corn,ginger,spaghetti,pasta,sushi,sake,rice,' +
    'curry rice,ramen,noodle soup,tempura,dango,shaved ice,falafel,canned food,honey,milk,coffee,' +
    'tea,green tea,red wine,champagne,beer,whisky,bubble tea,pouring liquid,cheese,chocolate,ice,' +
    'coral,wood,fog,earth,lightning,fire,camping,soap,toilet paper,DNA,nail polish,underwear,dice,' +
    'luggage,money with wings,cheers,poop,lettuce,tennis,table tennis,bowling,badminton,ice hockey,' +
    'horse racing,yarn,infinity,yin yang,thumbs up,thumbs down,stew,paella,mate drink,meat on the bone'
  ).split(','),
);

const properNames = new Set('Santa Claus,Mrs. Claus,Mount Fuji,Tokyo Tower'.split(','));

const definiteNames = new Set('Statue of Liberty,Kaaba,Milky Way'.split(','));

/** Phrases that begin so are one person or thing, whatever their last word ends in. */
const singularStart = /^(a |the )?(person|man|woman|face|cat|boy|girl|hand|head|sign|nest|pan)\b/;
const pluralStart = /^(people|men|women|two|three) /;
const singularEnd = /(ss|us|rhinoceros|fleur-de-lis|tennis)$/;

export type EnglishArticle = 'a' | 'an' | 'the' | '';

/** The article a noun phrase takes on its own. */
export function articleFor(phrase: string): EnglishArticle {
  if (definiteNames.has(phrase)) return 'the';
  if (massNouns.has(phrase) || properNames.has(phrase) || isPlural(phrase)) return '';
  return indefiniteArticle(phrase);
}

/** `a` or `an` by the sound the phrase begins with. */
export function indefiniteArticle(phrase: string): 'a' | 'an' {
  if (/^(uni(?!n)|use|eu|ewe|one\b|once\b|UFO\b|u-)/i.test(phrase)) return 'a';
  if (/^(hour|honest|heir|8\b|11\b|18\b|x-ray)/i.test(phrase)) return 'an';
  if (/^(?!NEW\b)[AEFHILMNORSX][A-Z]{0,2}\b/.test(phrase)) return 'an'; // spelled out: SUV, SOS
  return /^[aeiou]/i.test(phrase) ? 'an' : 'a';
}

/** Whether the head of the phrase is a plural: `cherries`, `leaves in the wind`. */
export function isPlural(phrase: string): boolean {
  if (pluralStart.test(phrase)) return true;
  if (singularStart.test(phrase)) return false;
  const head = headOf(phrase);
  return /[a-z]s$/.test(head) && !singularEnd.test(head);
}

/** Plural of a phrase, or null when it has none: mass nouns, proper names, plurals, groups. */
export function pluralOf(phrase: string): string | null {
  const article = articleFor(phrase);
  const head = headOf(phrase);
  if (article === '' || article === 'the' || / and /.test(head)) return null;
  return `${pluralNoun(head)}${phrase.slice(head.length)}`;
}

const afterHead =
  / (?=(?:with|without|of|in|on|at|for|behind|showing|tilted|taking|landing|rolling|blowing|savoring|vomiting|exhaling|increasing|decreasing|facing|pointed|curving|wearing|feeding|nodding|shaking|holding|screaming)\b)/;

/** The phrase up to its first preposition or participle. */
function headOf(phrase: string): string {
  return phrase.split(afterHead)[0]!;
}

const irregularPlurals: readonly (readonly [RegExp, string])[] = [
  [/(fish|sheep|deer|moose|bison|shrimp|squid|salmon|buffalo|aircraft|series)$/, '$1'],
  [/(m)ouse$/, '$1ice'],
  [/(g)oose$/, '$1eese'],
  [/(m)an$/, '$1en'],
  [/person$/, 'people'],
  [/child$/, 'children'],
  [/\box$/, 'oxen'],
  [/foot$/, 'feet'],
  [/tooth$/, 'teeth'],
  [/\bdie$/, 'dice'],
  [/cactus$/, 'cacti'],
  [/(wol|lea|kni|scar|loa|el|shea)fe?$/, '$1ves'],
  [/(potato|tomato|mango|volcano|tornado|mosquito)$/, '$1es'],
  [/(s|x|z|ch|sh)$/, '$1es'],
  [/([^aeiou])y$/, '$1ies'],
];

function pluralNoun(noun: string): string {
  for (const [ending, plural] of irregularPlurals) {
    if (ending.test(noun)) return noun.replace(ending, plural);
  }
  return `${noun}s`;
}
