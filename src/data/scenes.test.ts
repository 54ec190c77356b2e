/** @file Scenes: every statement of a caption, read back from its words, holds for the boxes. */
import { describe, expect, it } from 'vitest';
import { namedBackgrounds } from './backgrounds.js';
import type { PictogramConcept } from './pictogram-index.js';
import {
  composeScene,
  isPairHeldOut,
  type Scene,
  type SceneObject,
  sceneCaption,
} from './scenes.js';
import { DataRandom } from './shuffle.js';

function concept(id: string, plural: string, zh: string, measure: string): PictogramConcept {
  return {
    id,
    hexcode: id,
    group: 'objects',
    subgroup: 'tool',
    canFlip: true,
    isSceneObject: true,
    splitGroup: id,
    isHeldOut: false,
    en: { name: id, article: 'a', aliases: [], tags: [], plural },
    zh: { name: zh, measure, aliases: [], tags: [] },
  };
}

const dog = concept('dog', 'dogs', '狗', '只');
const star = concept('star', 'stars', '星星', '颗');
const owl = concept('owl', 'owls', '小猫头鹰', '只');
const things = [dog, star, owl];

interface Example {
  readonly scene: Scene;
  readonly en: string;
  readonly zh: string;
}

const examples: Example[] = Array.from({ length: 3000 }, (_, seed) => {
  const random = DataRandom.from(seed);
  const first = random.pick(things);
  const scene = composeScene(
    first,
    (taken) => random.pick(things.filter((thing) => !taken.includes(thing))),
    random,
  );
  const options = { style: 'flat' as const };
  const en = sceneCaption(scene.facts, random, { ...options, language: 'en' });
  const zh = sceneCaption(scene.facts, random, { ...options, language: 'zh' });
  return { scene, en, zh };
});

/** The object a word of the caption names. */
function named({ scene }: Example, name: string): SceneObject {
  const found = scene.objects.find((object) =>
    [object.concept.en.name, object.concept.zh.name].includes(name),
  );
  if (!found) throw new Error(`no ${name} in the scene`);
  return found;
}

/** Runs `check` on all captions a pattern matches; at least 20 must. */
function forMatches(
  language: 'en' | 'zh',
  pattern: RegExp,
  check: (example: Example, words: readonly string[]) => void,
): void {
  let matches = 0;
  for (const example of examples) {
    const found = pattern.exec(example[language]);
    if (!found) continue;
    matches++;
    check(example, found.slice(1));
  }
  expect(matches).toBeGreaterThan(20);
}

const isLeftOf = (a: SceneObject, b: SceneObject): boolean =>
  a.x + a.side / 2 <= b.x - b.side / 2 + 0.02;
const isAbove = (a: SceneObject, b: SceneObject): boolean =>
  a.y + a.side / 2 <= b.y - b.side / 2 + 0.02;
const cn = '(狗|星星|小猫头鹰)';
const one = `一[只颗](?:大大的|小小的|大|小)?${cn}`;
const en = '(?:big |small )?(dog|star|owl)';

describe('composeScene', () => {
  it('keeps every box on the canvas, hardly overlapping', () => {
    for (const { scene } of examples) {
      for (const { x, y, side } of scene.objects) {
        for (const centre of [x, y]) {
          expect(centre - side / 2).toBeGreaterThan(-0.001);
          expect(centre + side / 2).toBeLessThan(1.001);
        }
      }
      for (const [i, a] of scene.objects.entries()) {
        for (const b of scene.objects.slice(i + 1)) {
          const width = (a.side + b.side) / 2 - Math.abs(a.x - b.x);
          const height = (a.side + b.side) / 2 - Math.abs(a.y - b.y);
          const shared = Math.max(0, width) * Math.max(0, height);
          expect(shared / Math.min(a.side, b.side) ** 2).toBeLessThan(0.08);
        }
      }
    }
  });

  it('never shows one concept twice outside counts', () => {
    for (const { scene } of examples) {
      const different = new Set(scene.objects.map((object) => object.concept.id)).size;
      expect(different).toBe(scene.facts.kind === 'count' ? 1 : scene.objects.length);
    }
  });
});

describe('English scene captions', () => {
  it('tell left from right', () => {
    forMatches('en', new RegExp(`${en} to the left of an? ${en}`), (example, [a, b]) => {
      expect(isLeftOf(named(example, a!), named(example, b!))).toBe(true);
    });
    forMatches('en', new RegExp(`${en} to the right of an? ${en}`), (example, [a, b]) => {
      expect(isLeftOf(named(example, b!), named(example, a!))).toBe(true);
    });
    forMatches(
      'en',
      new RegExp(`${en} on the left and an? ${en} on the right`),
      (example, [a, b]) => {
        expect(isLeftOf(named(example, a!), named(example, b!))).toBe(true);
      },
    );
    forMatches('en', /an? (\w+), an? (\w+) and an? (\w+), from left/, (example, [a, b, c]) => {
      expect(isLeftOf(named(example, a!), named(example, b!))).toBe(true);
      expect(isLeftOf(named(example, b!), named(example, c!))).toBe(true);
    });
  });

  it('tell above from below', () => {
    forMatches('en', new RegExp(`${en} (?:above an?|on top and an?) ${en}`), (example, [a, b]) => {
      expect(isAbove(named(example, a!), named(example, b!))).toBe(true);
    });
    forMatches('en', new RegExp(`${en} (?:below|under) an? ${en}`), (example, [a, b]) => {
      expect(isAbove(named(example, b!), named(example, a!))).toBe(true);
    });
  });

  it('tell sizes, counts and places', () => {
    forMatches('en', /big (\w+).* small (\w+)/, (example, [a, b]) => {
      expect(named(example, a!).side).toBeGreaterThan(1.5 * named(example, b!).side);
    });
    forMatches('en', /^(two|three|four|five) (\w+)s\b/, (example, [number, name]) => {
      const count = ['', '', 'two', 'three', 'four', 'five'].indexOf(number!);
      expect(example.scene.objects).toHaveLength(count);
      expect(example.scene.objects.every((object) => object.concept.en.name === name)).toBe(true);
    });
    forMatches(
      'en',
      /(?:in the|at the|on the) (top|bottom)(?: (left|right))?(?: corner)?(?:,|$)/,
      (example, [row, side]) => {
        if (example.scene.facts.kind !== 'placed') return;
        const [{ x, y }] = example.scene.objects as [SceneObject];
        expect(row === 'top' ? y : 1 - y).toBeLessThan(0.3);
        if (side) expect(side === 'left' ? x : 1 - x).toBeLessThan(0.3);
        else expect(x).toBe(0.5);
      },
    );
  });
});

describe('Chinese scene captions', () => {
  it('tell left from right and above from below', () => {
    forMatches('zh', new RegExp(`${one}在${one}的左边`), (example, [a, b]) => {
      expect(isLeftOf(named(example, a!), named(example, b!))).toBe(true);
    });
    forMatches('zh', new RegExp(`${one}在${one}的右边`), (example, [a, b]) => {
      expect(isLeftOf(named(example, b!), named(example, a!))).toBe(true);
    });
    forMatches('zh', new RegExp(`左边是${one}.右边是${one}`), (example, [a, b]) => {
      expect(isLeftOf(named(example, a!), named(example, b!))).toBe(true);
    });
    forMatches('zh', new RegExp(`从左到右：${one}、${one}、${one}`), (example, [a, , c]) => {
      expect(isLeftOf(named(example, a!), named(example, c!))).toBe(true);
    });
    forMatches('zh', new RegExp(`${one}在${one}的上面`), (example, [a, b]) => {
      expect(isAbove(named(example, a!), named(example, b!))).toBe(true);
    });
    forMatches('zh', new RegExp(`${one}上方有${one}`), (example, [a, b]) => {
      expect(isAbove(named(example, b!), named(example, a!))).toBe(true);
    });
  });

  it('count with 两 and the measure word, and double the adjective where it must', () => {
    forMatches(
      'zh',
      new RegExp(`^(两|三|四|五)([只颗])${cn}`),
      (example, [number, measure, name]) => {
        expect(example.scene.objects).toHaveLength(
          ['', '', '两', '三', '四', '五'].indexOf(number!),
        );
        expect(named(example, name!).concept.zh.measure).toBe(measure);
      },
    );
    forMatches('zh', /一只(大大|小小)的小猫头鹰/, () => {});
    expect(examples.some(({ zh }) => /[大小]小猫头鹰/.test(zh.replace(/[大小]{2}的/g, '')))).toBe(
      false,
    );
  });
});

describe('sceneCaption', () => {
  it('adds style and background in both languages', () => {
    const facts = { kind: 'count', concept: star, count: 3 } as const;
    const background = namedBackgrounds.find(({ id }) => id === 'light-blue')!;
    const texts = Array.from({ length: 200 }, (_, seed) => {
      const language = seed % 2 ? ('zh' as const) : ('en' as const);
      return sceneCaption(facts, DataRandom.from(seed), { style: 'cartoon', language, background });
    });
    expect(texts).toContain('three stars on a light blue background, cartoon');
    expect(texts).toContain('三颗星星，卡通，浅蓝色背景');
    expect(texts.every((text) => /light blue background|浅蓝色背景/.test(text))).toBe(true);
  });
});

describe('isPairHeldOut', () => {
  it('is symmetric and rare', () => {
    const pairs = Array.from({ length: 4000 }, (_, i) => [`a${i % 61}`, `b${i}`] as const);
    expect(pairs.every(([a, b]) => isPairHeldOut(a, b) === isPairHeldOut(b, a))).toBe(true);
    const share = pairs.filter(([a, b]) => isPairHeldOut(a, b)).length / pairs.length;
    expect(share).toBeGreaterThan(0.02);
    expect(share).toBeLessThan(0.04);
  });
});
