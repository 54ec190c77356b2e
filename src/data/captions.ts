/** @file Seeded captions for one picture: name, tags and style words in varying order and number. */
import type { BackgroundColour } from './backgrounds.js';
import { indefiniteArticle } from './english-grammar.js';
import type { ChineseNoun, EnglishNoun, PictogramConcept } from './pictogram-index.js';
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
  const isStyleInline = hasStyle && random.chance(0.15);
  const isGroundInline = ground !== undefined && random.chance(0.7);
  const bare = englishNoun(concept, random, isStyleInline ? words : '');
  const noun = isGroundInline ? `${bare} on ${indefiniteArticle(ground)} ${ground}` : bare;
  const tags = pickTags(concept.en.tags, random);
  const isNamed = isGroundInline || hasName(tags, random);
  const parts = [...(isNamed ? [noun] : []), ...tags];
  if (hasStyle && !isStyleInline) parts.push(words);
  if (ground && !isGroundInline) parts.push(ground);
  return arrange(parts, random).join(', ');
}

/** The name or an alias, with its article more often than not; `before` goes in front. */
function englishNoun({ en }: PictogramConcept, random: DataRandom, before: string): string {
  const { name, article } = pickNoun<EnglishNoun>(en, en.aliases, random);
  const phrase = before ? `${before} ${name}` : name;
  if (article === '' || random.chance(0.4)) return phrase;
  return `${article === 'the' ? 'the' : indefiniteArticle(phrase)} ${phrase}`;
}

function pickNoun<T>(noun: T, aliases: readonly T[], random: DataRandom): T {
  return aliases.length > 0 && random.chance(0.4) ? random.pick(aliases) : noun;
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
  const { name, measure } = pickNoun<ChineseNoun>(zh, zh.aliases, random);
  return measure && random.chance(0.4) ? `一${measure}${before}${name}` : `${before}${name}`;
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
