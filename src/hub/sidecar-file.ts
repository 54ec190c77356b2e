/** @file Configuration files beside a checkpoint: `model.yaml`, `model.yml` or `model.json` for `model.safetensors`. */
import { readFile, stat } from 'node:fs/promises';
import { parsePlainYaml } from '../formats/plain-yaml.js';
import { type JsonObject, readJson } from './local-folder.js';
import { regularFileSize, unreadable } from './weight-file.js';

export interface SidecarFile {
  readonly path: string;
  readonly kind: 'yaml' | 'json';
  readonly content: JsonObject;
}

/** The first of the files that is there. Throws FILE_READ or CONFIG when it cannot be read. */
export async function readSidecarFile(checkpoint: string): Promise<SidecarFile | undefined> {
  const stem = checkpoint.replace(/\.[^./\\]*$/, '');
  for (const ending of ['yaml', 'yml', 'json'] as const) {
    const path = `${stem}.${ending}`;
    if (path === checkpoint || !(await stat(path).catch(() => undefined))) continue;
    if (ending === 'json') return { path, kind: 'json', content: await readJson(path) };
    await regularFileSize(path);
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    return { path, kind: 'yaml', content: parsePlainYaml(text, path) };
  }
  return undefined;
}

/** True for a path that names a file rather than a folder or nothing. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
