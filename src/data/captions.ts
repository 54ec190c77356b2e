/** @file Seeded captions for one picture: name, tags and style words in varying order and number. */
import type { BackgroundColour } from './backgrounds.js';
import type { PictogramConcept } from './pictogram-index.js';
import type { DataRandom } from './shuffle.js';
import { type CaptionLanguage, type PictogramStyle, styleWords } from './styles.js';

export interface CaptionOptions {
  readonly language: CaptionLanguage;
  /** Named in the caption; leave out for plain white. */
  readonly background?: BackgroundColour;
}

/**
 * A caption such as `a red apple, flat` or `一个红苹果，卡通`. The name or one of its aliases is
 * nearly always there; tags, article and style words come and go with `random`.
 */
export function caption(
  concept: PictogramConcept,
  style: PictogramStyle,
  random: DataRandom,
  { language, background }: CaptionOptions,
): string {
  return language === 'en'
    ? englishCaption(concept, style, random, background)
    : chineseCaption(concept, style, random, background);
}

const tagCountChances = [0.55, 0.78, 0.91];
const styleOmittedChance = 0.15;
const nameOmittedChance = 0.03;

function englishCaption(
  concept: PictogramConcept,
  style: PictogramStyle,
  random: DataRandom,
  background: BackgroundColour | undefined,
): string {
  const words = styleWords.en[style];
  const ground = background && `${background.en} background`;
  const hasStyle = !random.chance(styleOmittedChance);
  const isInline = hasStyle && random.chance(0.15);
  const noun = englishNoun(concept, random, isInline ? words : '');
  const tags = pickTags(concept.en.tags, random);
  const parts = [...(hasName(tags, random) ? [noun] : []), ...tags];
  if (hasStyle && !isInline) parts.push(words);
  if (!ground) return arrange(parts, random).join(', ');
  if (!random.chance(0.7)) return arrange([...parts, ground], random).join(', ');
  const [head = '', ...rest] = arrange(parts, random);
  const article = /^[aeiou]/.test(ground) ? 'an' : 'a';
  return [`${head} on ${article} ${ground}`, ...rest].join(', ');
}

function englishNoun({ en }: PictogramConcept, random: DataRandom, before: string): string {
  const alias = en.aliases.length > 0 && random.chance(0.4) ? random.pick(en.aliases) : undefined;
  const name = before ? `${before} ${alias ?? en.name}` : (alias ?? en.name);
  if (en.article === '' || random.chance(0.4)) return name;
  return withArticle(name);
}

/** `a` or `an` by the sound the phrase begins with. */
export function withArticle(phrase: string): string {
  return `${articleOf(phrase)} ${phrase}`;
}

/** The indefinite article by the sound the phrase begins with. */
export function articleOf(phrase: string): 'a' | 'an' {
  const soundsLikeYou = /^(uni(?!n)|use|usa|eu|ewe|ufo|one\b|once\b|u-)/i.test(phrase);
  const silentH = /^(hour|honest|honou?r|heir)/i.test(phrase);
  const spelledVowel = /^(x-ray|[AEFHILMNORSX](?=\b|-|[A-Z])(?!['’]))/.test(phrase);
  if (silentH || spelledVowel) return 'an';
  return /^[aeiou]/i.test(phrase) && !soundsLikeYou ? 'an' : 'a';
}

function chineseCaption(
  concept: PictogramConcept,
  style: PictogramStyle,
  random: DataRandom,
  background: BackgroundColour | undefined,
): string {
  const words = styleWords.zh[style];
  const hasStyle = !random.chance(styleOmittedChance);
  const isInline = hasStyle && random.chance(0.2);
  const noun = chineseNoun(concept, random, isInline ? inlineStyle(words, random) : '');
  const tags = pickTags(concept.zh.tags, random);
  const parts = [...(hasName(tags, random) ? [noun] : []), ...tags];
  if (hasStyle && !isInline) parts.push(random.chance(0.2) ? `${words}风格` : words);
  if (background) parts.push(`${background.zh}背景`);
  return arrange(parts, random).join(chineseComma(random));
}

function inlineStyle(words: string, random: DataRandom): string {
  return random.chance(0.5) ? words : `${words}风格的`;
}

function chineseNoun({ zh }: PictogramConcept, random: DataRandom, before: string): string {
  const alias = zh.aliases.length > 0 && random.chance(0.4) ? random.pick(zh.aliases) : undefined;
  const name = `${before}${alias ?? zh.name}`;
  return zh.measure && random.chance(0.4) ? `一${zh.measure}${name}` : name;
}

/** The full-width comma, now and then what hurried people type. */
export function chineseComma(random: DataRandom): string {
  const draw = random.next();
  if (draw < 0.86) return '，';
  return draw < 0.94 ? ',' : ' ';
}

function pickTags(tags: readonly string[], random: DataRandom): string[] {
  const draw = random.next();
  const count = tagCountChances.filter((limit) => draw >= limit).length;
  return random.shuffled(tags).slice(0, count);
}

/** Two tags or more can stand for the name. */
function hasName(tags: readonly string[], random: DataRandom): boolean {
  return tags.length < 2 || !random.chance(nameOmittedChance);
}

/** Name first as a rule, any order else. */
function arrange(parts: readonly string[], random: DataRandom): string[] {
  return random.chance(0.75) ? [...parts] : random.shuffled(parts);
}
