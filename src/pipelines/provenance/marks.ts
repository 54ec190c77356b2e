/** @file What a picture file says of itself at each level: the machine-made mark always, the rest as asked. */
import type { PngTextEntry } from '../../formats/png.js';
import { xmpKeyword } from '../../formats/png-metadata.js';
import { writeXmp, type XmpProperty } from '../../formats/xmp.js';
import { infotext } from '../infotext.js';
import type { AltText } from './alt-text.js';
import { program } from './program.js';
import { type Recipe, recipeJson, recipeKeyword } from './recipe.js';

/**
 * `full`: everything to draw the picture again, alt text, and the machine-made mark. `minimal`: the
 * mark and the program, nothing a person wrote. `mark`: the mark alone. Alt text that was given is
 * written at every level.
 */
export const metadataLevels = ['full', 'minimal', 'mark'] as const;
export type MetadataLevel = (typeof metadataLevels)[number];

/** Codes of IPTC's Digital Source Type. */
const sourceTypes = 'http://cv.iptc.org/newscodes/digitalsourcetype/';

export interface Marks {
  readonly xmp: readonly XmpProperty[];
  /** The webui's text. */
  readonly infotext: string | undefined;
  readonly recipe: string | undefined;
  readonly alt: AltText | undefined;
  readonly software: string | undefined;
}

export interface MarkedPicture {
  readonly recipe: Recipe;
  readonly altText: AltText;
}

export function marksOf({ recipe, altText }: MarkedPicture, level: MetadataLevel): Marks {
  const isFull = level === 'full';
  const alt = isFull || altText.source === 'given' ? altText : undefined;
  return {
    xmp: [
      ...sourceMark(recipe),
      ...(level === 'mark' ? [] : programMarks),
      ...(isFull ? promptMark(recipe) : []),
      ...(alt ? altMarks(alt, isFull) : []),
    ],
    infotext: isFull ? infotext({ recipe }) : undefined,
    recipe: isFull ? recipeJson(recipe) : undefined,
    alt,
    software: level === 'mark' ? undefined : `${program.name} ${program.version}`,
  };
}

/** A packet; the recipe goes into it where a format has no other place. */
export function xmpOf({ xmp }: Marks, recipe?: string): string {
  if (recipe === undefined) return writeXmp(xmp);
  return writeXmp([...xmp, { name: `${recipeKeyword}:Recipe`, value: recipe }]);
}

/** The text chunks of a PNG. */
export function pngTexts(marks: Marks): PngTextEntry[] {
  const entry = (keyword: string, text: string | undefined, kind?: 'iTXt'): PngTextEntry[] =>
    text === undefined || text === '' ? [] : [{ keyword, text, ...(kind && { kind }) }];
  return [
    ...entry('parameters', marks.infotext),
    ...entry(recipeKeyword, marks.recipe, 'iTXt'),
    ...entry('Software', marks.software),
    ...entry('AltText', marks.alt?.alt, 'iTXt'),
    ...entry('Description', marks.alt?.description, 'iTXt'),
    ...entry(xmpKeyword, xmpOf(marks), 'iTXt'),
  ];
}

function sourceMark({ start }: Recipe): XmpProperty[] {
  const isComposite = start !== undefined && start.of !== 'latents';
  const code = isComposite ? 'compositeWithTrainedAlgorithmicMedia' : 'trainedAlgorithmicMedia';
  return [{ name: 'Iptc4xmpExt:DigitalSourceType', value: sourceTypes + code }];
}

const programMarks: readonly XmpProperty[] = [
  { name: 'xmp:CreatorTool', value: `${program.name} ${program.version}` },
  { name: 'Iptc4xmpExt:AISystemUsed', value: program.name },
  { name: 'Iptc4xmpExt:AISystemVersionUsed', value: program.version },
];

function promptMark({ prompt }: Recipe): XmpProperty[] {
  return prompt === '' ? [] : [{ name: 'Iptc4xmpExt:AIPromptInformation', value: prompt }];
}

/** A description that was not given tells the prompt, so below `full` it stays out. */
function altMarks({ alt, description, language }: AltText, isFull: boolean): XmpProperty[] {
  const short: XmpProperty = { name: 'Iptc4xmpCore:AltTextAccessibility', value: alt, language };
  const long: XmpProperty = {
    name: 'Iptc4xmpCore:ExtDescrAccessibility',
    value: description,
    language,
  };
  return isFull ? [short, long] : [short];
}
