/** @file Where pictures go: names that never overwrite, written whole or not at all. */
import { constants } from 'node:fs';
import { access, copyFile, link, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { writeError, writeFileAtomically } from '../hub/atomic-file.js';
import type { PictureFormat } from '../pipelines/provenance/encode-file.js';
import type { Say } from './messages.js';
import type { OptionValues } from './option-table.js';
import { usageError } from './usage.js';

/** A folder for pictures under names of their own, or one named file. */
export interface PictureTarget {
  readonly folder: string;
  /** Replaced if it exists; undefined for new names in the folder. */
  readonly file?: string;
  readonly format: PictureFormat;
}

/** Endings by what they mean; the first of a format is used for new names. */
const endings: Readonly<Record<string, PictureFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
};
const otherFormats = /^\.(jfif|gif|bmp|tiff?|avif|heic|svg|apng|pdf)$/i;
const slugLength = 40;

/**
 * Reads `--out`: an existing folder or a path without extension is a folder, a name ending in .png,
 * .jpg, .jpeg or .webp a file of that format. Throws USAGE.
 */
export async function pictureTarget(
  { out, num: count = 1, format: asked }: OptionValues,
  folder: string,
  say: Say,
): Promise<PictureTarget> {
  const format = asked ?? 'png';
  if (out === undefined) return { folder, format };
  const path = resolve(folder, out);
  const isFolder = /[\\/]$/.test(out) || (await stat(path).catch(() => undefined))?.isDirectory();
  if (isFolder) return { folder: path, format };
  if (otherFormats.test(extname(path))) {
    const next = say('usage.pictureNext');
    throw usageError(say, { where: '--out', expected: say('usage.picture'), got: out, next });
  }
  const ending = extname(path).toLowerCase();
  const meant = Object.hasOwn(endings, ending) ? endings[ending] : undefined;
  if (meant === undefined) return { folder: path, format };
  if (count > 1)
    throw usageError(say, { where: '--out', expected: say('usage.onePicture'), got: out });
  if (asked !== undefined && asked !== meant) {
    const expected = say('usage.sameFormat', { format: meant });
    throw usageError(say, { where: '--format', expected, got: asked });
  }
  return { folder: dirname(path), file: path, format: meant };
}

/** Throws FILE_WRITE when nothing can be written there; changes nothing on disk. */
export async function requireWritable({ folder, file }: PictureTarget): Promise<void> {
  for (let place = folder; ; place = dirname(place)) {
    const found = await stat(place).catch((error: NodeJS.ErrnoException) => error.code ?? '');
    if (found === 'ENOENT' && dirname(place) !== place) continue;
    if (typeof found === 'string') throw writeError(file ?? folder, { code: found });
    if (!found.isDirectory()) throw writeError(file ?? folder, { code: 'ENOTDIR' });
    await access(place, constants.W_OK).catch((error: unknown) => {
      throw writeError(file ?? folder, error);
    });
    return;
  }
}

/** Writes the picture and returns its path. Throws FILE_WRITE or DISK_FULL. */
export async function writePicture(
  target: PictureTarget,
  bytes: Uint8Array,
  prompt: string,
  seed: number | bigint,
): Promise<string> {
  await makeFolder(target.folder).catch((error: unknown) => {
    throw writeError(target.folder, error);
  });
  if (target.file !== undefined) {
    await writeFileAtomically(target.file, bytes);
    return target.file;
  }
  const ending = target.format === 'jpeg' ? '.jpg' : `.${target.format}`;
  return writeNewFile(target.folder, { stem: `maliang-${slugOf(prompt)}-${seed}`, ending }, bytes);
}

/** One level at a time: Node's own recursion never ends where a folder cannot be made, as in /proc. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || (await stat(dirname(folder)).catch(() => undefined))) throw error;
    await makeFolder(dirname(folder));
    await makeFolder(folder);
  }
}

/** Pictures this process has begun, so that two of one name never share a partial file. */
let begun = 0;

/** Takes the first free name of `stem.png`, `stem-2.png`, …; two processes never get the same. */
async function writeNewFile(
  folder: string,
  { stem, ending }: { readonly stem: string; readonly ending: string },
  bytes: Uint8Array,
): Promise<string> {
  const partial = join(folder, `.${stem}.${process.pid}-${begun++}.partial`);
  try {
    await writeFile(partial, bytes, { flush: true });
    for (let number = 1; ; number++) {
      const path = join(folder, number === 1 ? `${stem}${ending}` : `${stem}-${number}${ending}`);
      if (await claim(partial, path)) return path;
    }
  } catch (error) {
    throw writeError(join(folder, `${stem}${ending}`), error);
  } finally {
    await rm(partial, { force: true }).catch(() => {}); // the first error says more
  }
}

/** Gives the file a second name unless that is taken. */
async function claim(from: string, to: string): Promise<boolean> {
  const isTaken = (error: NodeJS.ErrnoException): false => {
    if (error.code === 'EEXIST') return false;
    throw error;
  };
  try {
    return await link(from, to).then(() => true, isTaken);
  } catch {
    // Some file systems have no hard links; their copy refuses existing files too.
    return copyWhole(from, to);
  }
}

async function copyWhole(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    await rm(to, { force: true });
    throw error;
  }
}

/** Letters and digits of any script, the rest as hyphens; at most 40 characters. */
export function slugOf(prompt: string): string {
  const words =
    prompt
      .normalize('NFC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const slug = [...words.join('-')].slice(0, slugLength).join('').replace(/-+$/, '');
  return slug || 'picture';
}

/** The path as a person would type it: relative when it lies below the current folder. */
export function shortPath(path: string, folder: string): string {
  const short = relative(folder, path);
  const isBelow = short !== '' && short !== '..' && !short.startsWith(`..${sep}`);
  return isBelow ? short : path || basename(path);
}
