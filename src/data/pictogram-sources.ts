/** @file Joins four Iconify icon sets with emojibase labels by code point; reads the installed packages. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { complain } from '../core/errors.js';
import { labelSource, type PictogramStyle, pictogramStyles, styleSources } from './styles.js';

/** What emojibase says about a concept in one language. */
export interface SourceLabel {
  readonly label: string;
  readonly tags: readonly string[];
}

/** One code point sequence with its labels and its drawings. */
export interface SourceConcept {
  /** Upper case, parts joined by `-`, as emojibase writes it. */
  readonly hexcode: string;
  readonly group: string;
  readonly subgroup: string;
  readonly en: SourceLabel;
  readonly zh: SourceLabel;
  readonly drawings: Readonly<Partial<Record<PictogramStyle, Drawing>>>;
}

/** SVG content without its root element, and the box it is drawn in. */
export interface Drawing {
  readonly body: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface SourcePackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly credit: string;
}

export interface PictogramSources {
  /** In emojibase order. */
  readonly concepts: readonly SourceConcept[];
  readonly packages: readonly SourcePackage[];
}

interface IconEntry {
  readonly body: string;
  readonly left?: number;
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
}

interface IconAlias {
  readonly parent: string;
  readonly hFlip?: boolean;
}

interface IconSet {
  readonly icons: Readonly<Record<string, IconEntry>>;
  readonly aliases?: Readonly<Record<string, IconAlias>>;
  readonly width?: number;
  readonly height?: number;
}

interface EmojibaseEntry {
  readonly hexcode: string;
  readonly label: string;
  readonly tags?: readonly string[];
  readonly group?: number;
  readonly subgroup?: number;
}

interface EmojibaseGroups {
  readonly groups: Readonly<Record<string, string>>;
  readonly subgroups: Readonly<Record<string, string>>;
}

type JsonReader = (specifier: string) => unknown;

/** Reads and joins the packages. Throws DATA when one is not installed. */
export function readPictogramSources(from: string = import.meta.url): PictogramSources {
  const read = jsonReader(from);
  const groups = read(`${labelSource.packageName}/meta/groups.json`) as EmojibaseGroups;
  const english = read(`${labelSource.packageName}/en/data.json`) as EmojibaseEntry[];
  const chinese = read(`${labelSource.packageName}/zh/data.json`) as EmojibaseEntry[];
  const chineseByCode = new Map(chinese.map((entry) => [entry.hexcode, entry]));
  const finders = pictogramStyles.map((style) => [style, drawingFinder(read, style)] as const);

  const concepts: SourceConcept[] = [];
  for (const entry of english) {
    const inChinese = chineseByCode.get(entry.hexcode);
    const group = groups.groups[`${entry.group}`];
    const subgroup = groups.subgroups[`${entry.subgroup}`];
    if (!inChinese || !group || !subgroup) continue;
    const drawings: Partial<Record<PictogramStyle, Drawing>> = {};
    for (const [style, find] of finders) {
      const drawing = find(entry.hexcode);
      if (drawing) drawings[style] = drawing;
    }
    const { hexcode } = entry;
    concepts.push({ hexcode, group, subgroup, drawings, en: label(entry), zh: label(inChinese) });
  }
  return { concepts, packages: packagesOf(read) };
}

function label(entry: EmojibaseEntry): SourceLabel {
  return { label: entry.label, tags: entry.tags ?? [] };
}

function packagesOf(read: JsonReader): SourcePackage[] {
  const sources = [...pictogramStyles.map((style) => styleSources[style]), labelSource];
  return sources.map(({ packageName, licence, credit }) => {
    const { version } = read(`${packageName}/package.json`) as { version: string };
    return { name: packageName, version, licence, credit };
  });
}

function drawingFinder(
  read: JsonReader,
  style: PictogramStyle,
): (hexcode: string) => Drawing | undefined {
  const { packageName, charsPackage } = styleSources[style];
  const set = read(`${packageName}/icons.json`) as IconSet;
  const names = read(`${charsPackage}/chars.json`) as Readonly<Record<string, string>>;
  return (hexcode) => {
    const code = hexcode.toLowerCase();
    const name = names[code] ?? names[code.replaceAll('-fe0f', '')];
    return name === undefined ? undefined : drawingOf(set, name);
  };
}

function drawingOf(set: IconSet, name: string): Drawing | undefined {
  const icon = set.icons[name];
  if (icon) {
    const { body, left = 0, top = 0 } = icon;
    const width = icon.width ?? set.width ?? 16;
    const height = icon.height ?? set.height ?? 16;
    return { body, left, top, width, height };
  }
  const alias = set.aliases?.[name];
  const parent = alias && drawingOf(set, alias.parent);
  if (!alias || !parent || !alias.hFlip) return parent;
  const mirror = `translate(${2 * parent.left + parent.width} 0) scale(-1 1)`;
  return { ...parent, body: `<g transform="${mirror}">${parent.body}</g>` };
}

/** The drawing as an SVG document of `size` x `size` pixels, centred when it is not square. */
export function svgDocument(drawing: Drawing, size: number): string {
  const { left, top, width, height, body } = drawing;
  return (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ' +
    `width="${size}" height="${size}" viewBox="${left} ${top} ${width} ${height}">${body}</svg>`
  );
}

function jsonReader(from: string): JsonReader {
  const require = createRequire(from);
  return (specifier) => {
    let path: string;
    try {
      path = require.resolve(specifier);
    } catch (error) {
      throw complain(
        'DATA',
        {
          where: 'pictograms',
          expected: `the package of ${specifier}`,
          got: 'no such package installed',
          next: 'In a checkout run `npm install`, then `npm run data:pictograms`.',
        },
        error,
      );
    }
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  };
}
