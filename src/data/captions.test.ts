/** @file Captions of single pictures: always about the picture, varied, with right articles. */
import { describe, expect, it } from 'vitest';
import { namedBackgrounds } from './backgrounds.js';
import { caption } from './captions.js';
import type { PictogramConcept } from './pictogram-index.js';
import { DataRandom } from './shuffle.js';
import { pictogramStyles, styleWords } from './styles.js';

const apple: PictogramConcept = {
  id: 'red-apple',
  hexcode: '1F34E',
  group: 'food-drink',
  subgroup: 'food-fruit',
  canFlip: true,
  isSceneObject: true,
  splitGroup: 'red-apple',
  isHeldOut: false,
  en: {
    name: 'red apple',
    article: 'a',
    aliases: [{ name: 'apple', article: 'an' }],
    tags: ['fruit', 'food', 'health'],
    plural: 'red apples',
  },
  zh: {
    name: '红苹果',
    measure: '个',
    aliases: [{ name: '苹果', measure: '个' }],
    tags: ['水果', '健康', '食物'],
  },
};

function captions(language: 'en' | 'zh', background?: (typeof namedBackgrounds)[number]): string[] {
  const options = { language, ...(background ? { background } : {}) };
  return Array.from({ length: 3000 }, (_, seed) =>
    caption(apple, pictogramStyles[seed % 4]!, DataRandom.from(seed), options),
  );
}

const share = (texts: readonly string[], pattern: RegExp): number =>
  texts.filter((text) => pattern.test(text)).length / texts.length;

describe('caption', () => {
  it('gives the same words for the same state', () => {
    const [en, zh] = (['en', 'zh'] as const).map((language) =>
      [0, 1, 2, 3, 4, 5, 6, 7].map((seed) =>
        caption(apple, 'flat', DataRandom.from(seed), { language }),
      ),
    );
    expect(en).toMatchInlineSnapshot(`
      [
        "fruit, flat, apple",
        "flat, an apple",
        "a red apple, food, fruit",
        "apple, fruit, flat",
        "a red apple, fruit, health, flat",
        "an apple, flat",
        "an apple, food, flat",
        "apple, food, health, flat",
      ]
    `);
    expect(zh).toMatchInlineSnapshot(`
      [
        "一个苹果，水果，扁平",
        "苹果，扁平",
        "红苹果，健康，水果",
        "一个苹果，水果，扁平",
        "红苹果，水果，食物，扁平风格",
        "苹果，扁平",
        "苹果，健康，扁平",
        "一个苹果，健康，食物，扁平风格",
      ]
    `);
  });

  it('consists of the name, its tags, its own style and nothing else', () => {
    for (const [seed, text] of captions('en').entries()) {
      const style = pictogramStyles[seed % 4]!;
      for (const part of text.split(', ')) {
        const bare = part.replace(/^(an?) /, '').replace(`${style} `, '');
        expect(['red apple', 'apple', 'fruit', 'food', 'health', style]).toContain(bare);
      }
    }
    for (const [seed, text] of captions('zh').entries()) {
      const style = styleWords.zh[pictogramStyles[seed % 4]!];
      for (const part of text.split(/[，, ]/)) {
        const bare = part.replace(/^一个/, '').replace(`${style}风格的`, '').replace(style, '');
        expect(['红苹果', '苹果', '水果', '健康', '食物', '', '风格']).toContain(bare);
      }
    }
  });

  it('varies name, style, tags and order in the stated shares', () => {
    const english = captions('en');
    expect(share(english, /apple/)).toBeGreaterThan(0.97);
    expect(share(english, /\bapple/) - share(english, /red apple/)).toBeCloseTo(0.4, 1);
    expect(share(english, /glossy 3D|flat|cartoon|simple/)).toBeCloseTo(0.85, 1);
    expect(share(english, /fruit|food|health/)).toBeCloseTo(0.45, 1);
    expect(share(english, /^(an? )?(\w+ |glossy 3D )?(red )?apple/)).toBeGreaterThan(0.75);
    expect(new Set(english).size).toBeGreaterThan(400);
    const chinese = captions('zh');
    expect(share(chinese, /苹果/)).toBeGreaterThan(0.97);
    expect(share(chinese, /一个/)).toBeCloseTo(0.4, 1);
  });

  it('puts the right article before whatever comes first', () => {
    const english = captions('en');
    expect(share(english, /\ban apple/)).toBeGreaterThan(0.1);
    expect(share(english, /\b(a apple|an red|an flat|a orange)/)).toBe(0);
  });

  it('names the background whenever there is one', () => {
    for (const background of namedBackgrounds) {
      expect(share(captions('en', background), new RegExp(`\\b${background.en} background`))).toBe(
        1,
      );
      expect(share(captions('zh', background), new RegExp(`${background.zh}背景`))).toBe(1);
    }
    const orange = namedBackgrounds.find(({ id }) => id === 'orange')!;
    expect(share(captions('en', orange), /apple on an orange background/)).toBeGreaterThan(0.6);
    expect(share(captions('en'), /background/)).toBe(0);
  });
});
