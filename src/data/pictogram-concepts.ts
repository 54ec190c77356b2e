/** @file Turns joined source entries into the concepts of the pictogram set: which, named how. */
import { chineseNames } from './chinese-names.js';
import { englishNames } from './english-names.js';
import type { ChineseNames, EnglishNames } from './pictogram-index.js';
import type { SourceConcept } from './pictogram-sources.js';

/** A concept before its split is known. */
export interface NamedConcept {
  readonly id: string;
  readonly source: SourceConcept;
  readonly en: EnglishNames;
  readonly zh: ChineseNames;
  readonly canFlip: boolean;
  readonly isSceneObject: boolean;
  /** Concepts that differ only by gender share it. */
  readonly family: string;
}

/** Chooses and names the concepts, in source order. */
export function nameConcepts(sources: readonly SourceConcept[]): NamedConcept[] {
  return sources.filter(isWanted).map((source) => {
    const en = englishNames(source);
    const zh = chineseNames(source);
    const id = slug(source.en.label);
    const isShort = en.name.split(' ').length <= 4 && !/\b(small|large|big)\b/.test(en.name);
    const isCountable = en.plural !== null && zh.measure !== null;
    const isSceneObject = isCountable && isShort && standsFree(source);
    return { id, source, en, zh, canFlip: canFlip(source), isSceneObject, family: familyOf(id) };
  });
}

/** Groups without flags and skin-tone components. */
const wantedGroups = new Set([
  'smileys-emotion',
  'people-body',
  'animals-nature',
  'food-drink',
  'travel-places',
  'activities',
  'objects',
  'symbols',
]);

/** Drawings no one would ask for by these words: letters on buttons, look-alikes, silhouettes. */
const unwantedLabels: readonly RegExp[] = [
  /^(family|kiss|couple with heart):/,
  /: facing right$/,
  /^input /,
  /^Japanese “/,
  /^keycap: [#*]$/,
  /^(black|white) (medium|medium-small) square$/,
  /^kiss$/,
  /middle finger/,
];

function isWanted({ group, drawings, en }: SourceConcept): boolean {
  if (!wantedGroups.has(group) || Object.keys(drawings).length < 2) return false;
  return !unwantedLabels.some((pattern) => pattern.test(en.label));
}

const fixedSubgroups = new Set([
  'time',
  'hand-fingers-open',
  'hand-fingers-partial',
  'hand-single-finger',
  'hand-fingers-closed',
  'hands',
  'hand-prop',
  'transport-sign',
  'warning',
  'arrow',
  'religion',
  'zodiac',
  'av-symbol',
  'math',
  'punctuation',
  'currency',
  'other-symbol',
  'keycap',
  'alphanum',
  'music',
  'money',
  'place-map',
  'book-paper',
]);

/** Single concepts with letters, digits or a side that matters. */
const fixedLabels =
  /\b(left|right|ON|SOS|ZZZ|hundred|medal|calendar|bank|hospital|school|hotel|store|post office|T-Rex|8 ball|chart|keyboard|ticket|identification|clapper|ATM|quarter|crescent|waxing|waning|mahjong|joker|gibbous|Tokyo|name badge|stop sign|police|ambulance|fire engine|taxi|bus\b|dvd|slot machine|love hotel|fuel pump|placard|memo|e-mail|receipt|passport|laptop|computer|abacus|label|newspaper|camera|clinking|dollar|yen|euro|pound|bullseye|Liberty)/;
const mirrorableSubgroups = new Set(['sky-weather']);

function canFlip({ subgroup, en }: SourceConcept): boolean {
  if (mirrorableSubgroups.has(subgroup)) return !/moon|quarter|crescent/.test(en.label);
  return !fixedSubgroups.has(subgroup) && !fixedLabels.test(en.label);
}

const sceneGroups = new Set(['animals-nature', 'food-drink', 'activities', 'objects']);
const sceneSubgroups = new Set([
  'face-costume',
  'heart',
  'transport-ground',
  'transport-water',
  'transport-air',
  'sky-weather',
  'geometric',
  'cat-face',
  'face-smiling',
]);

/** Scenery that fills its whole square looks wrong beside other things. */
const fillsSquare =
  /ceremony|picture|milky way|track|motorway|bridge|sun behind|fireworks|sparkler|tickets|radio button|elevator/;

function standsFree({ group, subgroup, en }: SourceConcept): boolean {
  if (fillsSquare.test(en.label)) return false;
  return sceneGroups.has(group) || sceneSubgroups.has(subgroup);
}

function slug(label: string): string {
  return label
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replace(/[’'"“”!().,]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** `man-health-worker` and `health-worker` belong together. */
function familyOf(id: string): string {
  return id.replace(/^(older|old)-/, 'old-').replace(/^(wo)?(man|men)-|^(person|people)-/, '');
}
