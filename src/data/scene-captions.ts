/** @file Exact captions of composed scenes in English and Chinese. */
import { chineseComma } from './captions.js';
import { indefiniteArticle } from './english-grammar.js';
import type { PictogramConcept } from './pictogram-index.js';
import type { ScenePlace } from './scene-layouts.js';
import type { DataRandom } from './shuffle.js';
import type { CaptionLanguage } from './styles.js';

export type SceneSize = 'big' | 'small';

/** What is where; a caption says just this. */
export type SceneFacts =
  | { readonly kind: 'placed'; readonly concept: PictogramConcept; readonly place: ScenePlace }
  | { readonly kind: 'count'; readonly concept: PictogramConcept; readonly count: 2 | 3 | 4 | 5 }
  | {
      readonly kind: 'pair';
      /** The left or upper one first. */
      readonly concepts: readonly [PictogramConcept, PictogramConcept];
      readonly direction: 'horizontal' | 'vertical';
      /** Given when the two differ clearly in size. */
      readonly sizes?: readonly [SceneSize, SceneSize];
    }
  | {
      readonly kind: 'row';
      /** From left to right. */
      readonly concepts: readonly [PictogramConcept, PictogramConcept, PictogramConcept];
    };

/** The sentence for the facts, without style and background. */
export function describeScene(
  facts: SceneFacts,
  language: CaptionLanguage,
  random: DataRandom,
): string {
  return language === 'en' ? describeEnglish(facts, random) : describeChinese(facts, random);
}

const englishPlaces: Readonly<Record<ScenePlace, readonly string[]>> = {
  left: ['on the left', 'on the left side'],
  right: ['on the right', 'on the right side'],
  top: ['at the top'],
  bottom: ['at the bottom'],
  centre: ['in the centre', 'in the middle'],
  'top left': ['in the top left corner', 'at the top left'],
  'top right': ['in the top right corner', 'at the top right'],
  'bottom left': ['in the bottom left corner', 'at the bottom left'],
  'bottom right': ['in the bottom right corner', 'at the bottom right'],
};
const englishNumbers = { 2: 'two', 3: 'three', 4: 'four', 5: 'five' } as const;

function describeEnglish(facts: SceneFacts, random: DataRandom): string {
  switch (facts.kind) {
    case 'placed': {
      const place = random.pick(englishPlaces[facts.place]);
      return `${english(facts.concept, random.chance(0.5) ? 'small' : undefined)} ${place}`;
    }
    case 'count':
      return `${englishNumbers[facts.count]} ${facts.concept.en.plural}`;
    case 'pair':
      return englishPair(facts, random);
    case 'row': {
      const [a, b, c] = facts.concepts.map((concept) => english(concept)) as [
        string,
        string,
        string,
      ];
      const list = `${a}, ${b} and ${c}`;
      return random.chance(0.4) ? `${list}, from left to right` : list;
    }
  }
}

function englishPair(facts: SceneFacts & { kind: 'pair' }, random: DataRandom): string {
  const [a, b] = facts.concepts.map((concept, at) => english(concept, facts.sizes?.[at])) as [
    string,
    string,
  ];
  const free = random.chance(0.5) ? `${a} and ${b}` : `${b} and ${a}`;
  if (facts.sizes !== undefined && random.chance(0.4)) return free;
  if (facts.direction === 'horizontal') {
    return random.pick([
      `${a} to the left of ${b}`,
      `${b} to the right of ${a}`,
      `${a} on the left and ${b} on the right`,
      `${a} next to ${b}`,
      free,
    ]);
  }
  return random.pick([
    `${a} above ${b}`,
    `${b} below ${a}`,
    `${a} on top and ${b} at the bottom`,
    `${b} under ${a}`,
  ]);
}

/** The noun with its article, and with a size in front when there is one. */
function english({ en }: PictogramConcept, size?: SceneSize): string {
  const phrase = size ? `${size} ${en.name}` : en.name;
  return `${indefiniteArticle(phrase)} ${phrase}`;
}

const chinesePlaces: Readonly<Record<ScenePlace, readonly string[]>> = {
  left: ['左边', '左侧'],
  right: ['右边', '右侧'],
  top: ['上方', '顶部'],
  bottom: ['下方', '底部'],
  centre: ['中间', '中央'],
  'top left': ['左上角'],
  'top right': ['右上角'],
  'bottom left': ['左下角'],
  'bottom right': ['右下角'],
};
const chineseNumbers = { 2: '两', 3: '三', 4: '四', 5: '五' } as const;

function describeChinese(facts: SceneFacts, random: DataRandom): string {
  switch (facts.kind) {
    case 'placed': {
      const place = random.pick(chinesePlaces[facts.place]);
      const noun = chinese(facts.concept, random.chance(0.5) ? 'small' : undefined);
      return random.pick([`${place}有${noun}`, `${noun}在${place}`]);
    }
    case 'count':
      return `${chineseNumbers[facts.count]}${facts.concept.zh.measure}${facts.concept.zh.name}`;
    case 'pair':
      return chinesePair(facts, random);
    case 'row': {
      const [a, b, c] = facts.concepts.map((concept) => chinese(concept)) as [
        string,
        string,
        string,
      ];
      return random.chance(0.4) ? `从左到右：${a}、${b}、${c}` : `${a}、${b}和${c}`;
    }
  }
}

function chinesePair(facts: SceneFacts & { kind: 'pair' }, random: DataRandom): string {
  const [a, b] = facts.concepts.map((concept, at) => chinese(concept, facts.sizes?.[at])) as [
    string,
    string,
  ];
  const free = random.chance(0.5) ? `${a}和${b}` : `${b}和${a}`;
  if (facts.sizes !== undefined && random.chance(0.4)) return free;
  const comma = chineseComma(random);
  if (facts.direction === 'horizontal') {
    return random.pick([
      `${a}在${b}的左边`,
      `${b}在${a}的右边`,
      `左边是${a}${comma}右边是${b}`,
      `${a}在${b}旁边`,
      free,
    ]);
  }
  return random.pick([
    `${a}在${b}的上面`,
    `${b}在${a}的下面`,
    `上面是${a}${comma}下面是${b}`,
    `${b}上方有${a}`,
  ]);
}

/** `一只小狗`; names with 的, or beginning with 大 or 小, take the longer adjective. */
function chinese({ zh }: PictogramConcept, size?: SceneSize): string {
  const word = size === 'big' ? '大' : '小';
  const isLong = /^[大小]|的/.test(zh.name);
  const adjective = size === undefined ? '' : isLong ? `${word}${word}的` : word;
  return `一${zh.measure ?? '个'}${adjective}${zh.name}`;
}
