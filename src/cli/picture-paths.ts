/** @file The picture files a command is given: as they are, and those in and below folders. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { listPictures } from '../data/picture-folder.js';

/** Absolute paths in the order given; what is not there stays, to be named where it is read. */
export async function picturePaths(words: readonly string[], folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const word of words) {
    const path = resolve(folder, word);
    const isFolder = (await stat(path).catch(() => undefined))?.isDirectory();
    if (!isFolder) paths.push(path);
    else paths.push(...(await listPictures(path)).files.map((name) => join(path, name)));
  }
  return paths;
}
