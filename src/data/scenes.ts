/** @file Composed scenes: one to three pictures on a square, with a caption that says exactly what is there. */
import type { BackgroundColour } from './backgrounds.js';
import { chineseComma } from './captions.js';
import { indefiniteArticle } from './english-grammar.js';
import type { PictogramConcept } from './pictogram-index.js';
import { describeScene, type SceneFacts } from './scene-captions.js';
import {
  countBoxes,
  pairBoxes,
  placedBox,
  rowBoxes,
  type SceneBox,
  scenePlaces,
} from './scene-layouts.js';
import { type DataRandom, hashText } from './shuffle.js';
import { type CaptionLanguage, type PictogramStyle, styleWords } from './styles.js';

export interface SceneObject extends SceneBox {
  readonly concept: PictogramConcept;
}

export interface Scene {
  readonly facts: SceneFacts;
  /** In drawing order; boxes may touch but hardly overlap. */
  readonly objects: readonly SceneObject[];
}

/** Share of concept pairs that training scenes never show together. */
export const heldOutPairShare = 0.03;

/** Whether two seen concepts are kept apart in training, to test new combinations. */
export function isPairHeldOut(first: string, second: string): boolean {
  const [low, high] = first < second ? [first, second] : [second, first];
  return hashText(`maliang pair ${low}/${high}`) < heldOutPairShare * 2 ** 32;
}

/** A scene around `first`; `pickOther` gives further concepts, none of them given before. */
export function composeScene(
  first: PictogramConcept,
  pickOther: (taken: readonly PictogramConcept[]) => PictogramConcept,
  random: DataRandom,
): Scene {
  const draw = random.next();
  if (draw < 0.2) return placedScene(first, random);
  if (draw < 0.45) return countScene(first, random);
  const second = pickOther([first]);
  if (draw < 0.9) return pairScene(first, second, random);
  return rowScene([first, second, pickOther([first, second])]);
}

function placedScene(concept: PictogramConcept, random: DataRandom): Scene {
  const place = random.pick(scenePlaces);
  return {
    facts: { kind: 'placed', concept, place },
    objects: [{ concept, ...placedBox(place, random) }],
  };
}

function countScene(concept: PictogramConcept, random: DataRandom): Scene {
  const count = random.pick([2, 2, 3, 3, 3, 4, 5] as const);
  const objects = countBoxes(count, random).map((box) => ({ concept, ...box }));
  return { facts: { kind: 'count', concept, count }, objects };
}

function pairScene(a: PictogramConcept, b: PictogramConcept, random: DataRandom): Scene {
  const concepts = random.chance(0.5) ? ([a, b] as const) : ([b, a] as const);
  const direction = random.chance(0.6) ? 'horizontal' : 'vertical';
  const sizing = random.next();
  const [sides, sizes] =
    sizing < 0.6
      ? [[0.46, 0.46] as const, undefined]
      : sizing < 0.8
        ? [[0.6, 0.3] as const, ['big', 'small'] as const]
        : [[0.3, 0.6] as const, ['small', 'big'] as const];
  const boxes = pairBoxes(direction, sides, random);
  const objects = concepts.map((concept, at) => ({ concept, ...boxes[at]! }));
  const facts = { kind: 'pair', concepts, direction, ...(sizes ? { sizes } : {}) } as const;
  return { facts, objects };
}

function rowScene(
  concepts: readonly [PictogramConcept, PictogramConcept, PictogramConcept],
): Scene {
  const boxes = rowBoxes(3);
  const objects = concepts.map((concept, at) => ({ concept, ...boxes[at]! }));
  return { facts: { kind: 'row', concepts }, objects };
}

export interface SceneCaptionOptions {
  readonly style: PictogramStyle;
  readonly language: CaptionLanguage;
  readonly background?: BackgroundColour;
}

/** The facts with style words, sometimes left out, and the background when it has a name. */
export function sceneCaption(
  facts: SceneFacts,
  random: DataRandom,
  { style, language, background }: SceneCaptionOptions,
): string {
  const text = describeScene(facts, language, random);
  const words = random.chance(0.25) ? undefined : styleWords[language][style];
  if (language === 'zh') {
    const parts = [
      text,
      ...(words ? [words] : []),
      ...(background ? [`${background.zh}背景`] : []),
    ];
    return parts.join(chineseComma(random));
  }
  const ground = background && `${background.en} background`;
  const isInline = ground && random.chance(0.7);
  const head = isInline ? `${text} on ${indefiniteArticle(ground)} ${ground}` : text;
  return [head, ...(words ? [words] : []), ...(ground && !isInline ? [ground] : [])].join(', ');
}
