/** @file Which text belongs to which made picture. */
import { complain } from '../core/errors.js';
import type { PictureFolder } from '../data/picture-folder.js';

/** Texts by file name as `/`-separated path in the folder, or in the order of the sorted names. */
export type Prompts = ReadonlyMap<string, string> | readonly string[];

export interface PicturePrompts {
  readonly of: (name: string) => string;
  readonly warnings: readonly string[];
}

/** Throws DATA when a picture has no text, or a list is not as long as the folder. */
export function promptsOf(prompts: Prompts | undefined, folder: PictureFolder): PicturePrompts {
  const { files, path } = folder;
  if (prompts === undefined || isList(prompts)) {
    if (prompts?.length !== files.length) {
      throw complain('DATA', {
        where: 'prompts',
        expected: `${files.length} texts, one for each picture in ${path}`,
        got: `${prompts?.length ?? 0}`,
        next: 'Give a text for each picture, or texts by file name.',
      });
    }
    const byName = new Map(files.map((name, i) => [name, prompts[i]!]));
    return { of: (name) => byName.get(name)!, warnings: [] };
  }
  const missing = files.filter((name) => !prompts.has(name));
  if (missing.length > 0) {
    throw complain('DATA', {
      where: 'prompts',
      expected: `a text for each picture in ${path}`,
      got: `none for ${missing[0]}${missing.length > 1 ? ` and ${missing.length - 1} others` : ''}`,
      next: 'Add them, or move the pictures out of the folder.',
    });
  }
  const known = new Set(files);
  const unused = [...prompts.keys()].filter((name) => !known.has(name));
  const warning = `prompts: ${unused.length} belong to no picture, first ${JSON.stringify(unused[0])}`;
  return { of: (name) => prompts.get(name)!, warnings: unused.length > 0 ? [warning] : [] };
}

function isList(prompts: Prompts): prompts is readonly string[] {
  return Array.isArray(prompts);
}
