/** @file Folders of picture files: which pictures lie there, and their pixels. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { complain, MaliangError } from '../core/errors.js';
import { maxFileBytes, type RasterImage, readPicture } from '../formats/image.js';
import { regularFileSize, unreadable } from '../hub/weight-file.js';

export interface PictureFolder {
  /** As it was given. */
  readonly path: string;
  /** Links resolved. */
  readonly realPath: string;
  /** Picture files in and below it, sorted by code unit, with `/` between folders. */
  readonly files: readonly string[];
  /** Files that are no pictures by their names; hidden ones are not counted. */
  readonly others: readonly string[];
}

/** Names of formats that cannot be read are pictures too: reading them says what they are. */
const pictureName = /\.(?:png|jpe?g|jpe|jfif|webp|gif|bmp|tiff?|avif|hei[cf]|jxl|ppm|pgm)$/i;

/** Throws FILE_READ when it is no readable folder, DATA when no picture is in it. */
export async function listPictures(path: string): Promise<PictureFolder> {
  const names = await namesBelow(path);
  const files = names.filter((name) => pictureName.test(name)).sort(byCodeUnit);
  const others = names.filter((name) => !pictureName.test(name)).sort(byCodeUnit);
  if (files.length > 0) return { path, realPath: await realpath(path), files, others };
  throw complain('DATA', {
    where: path,
    expected: 'PNG, JPEG or WebP files in or below the folder',
    got: others.length === 0 ? 'an empty folder' : `only ${others.length} other files`,
    next: 'Give a folder of pictures.',
  });
}

async function namesBelow(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) {
      throw complain('FILE_READ', { where: path, expected: 'a folder', got: 'something else' });
    }
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => relative(path, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
      .filter((name) => !/(?:^|\/)\./.test(name));
  } catch (cause) {
    if (cause instanceof MaliangError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const got = code === 'ENOENT' ? 'nothing there' : `${code}`;
    throw complain('FILE_READ', { where: path, expected: 'a readable folder', got }, cause);
  }
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export interface FolderPicture {
  readonly image: RasterImage;
  /** What was changed to read it. */
  readonly notes: readonly string[];
}

/** One picture, transparent parts on white. Throws FILE_READ or IMAGE; messages begin with its name. */
export function readFolderPicture(folder: string, name: string): Promise<FolderPicture> {
  return readPictureFile(join(folder, name));
}

/** One picture, transparent parts on white. Throws FILE_READ or IMAGE; messages begin with the path. */
export async function readPictureFile(path: string): Promise<FolderPicture> {
  const size = await regularFileSize(path);
  if (size > maxFileBytes) {
    const expected = `at most ${maxFileBytes} bytes`;
    throw complain('IMAGE', { where: path, expected, got: `${size} bytes` });
  }
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return readPicture(bytes, { channels: 3, where: path });
}
