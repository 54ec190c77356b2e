/** @file The cache of huggingface_hub on disk: blobs by hash, snapshots of links to them, refs from names to commits. */
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { writeError, writeFileAtomically } from './atomic-file.js';
import type { Listing, RepoFile } from './hub-listing.js';
import { isCommit } from './model-id.js';

const tagText =
  'Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag of Hugging Face models.\n';

/** The folders of one model. */
export class ModelCache {
  readonly id: string;
  /** `<cache>/models--owner--name`. */
  readonly path: string;
  readonly #root: string;
  readonly #avoidsLinks: boolean;

  constructor(cacheFolder: string, id: string, { avoidsLinks = false } = {}) {
    this.id = id;
    this.#root = cacheFolder;
    this.path = join(cacheFolder, folderName(id));
    this.#avoidsLinks = avoidsLinks;
  }

  /** The files of a commit. */
  snapshot(commit: string): string {
    return join(this.path, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.path, 'blobs', etag);
  }

  /** Where a blob grows until it is whole. */
  partial(etag: string): string {
    return `${this.blob(etag)}.incomplete`;
  }

  lock(etag: string): string {
    return join(this.locks, `${etag}.lock`);
  }

  get locks(): string {
    return join(this.#root, '.locks', folderName(this.id));
  }

  /** The commit a revision pointed to when it was last downloaded. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const file = join(this.path, 'refs', ...revision.split('/'));
    const commit = (await readFile(file, 'utf8').catch(() => '')).trim();
    return isCommit(commit) ? commit : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.commitOf(revision)) === commit) return;
    await writeFileAtomically(join(this.path, 'refs', ...revision.split('/')), commit);
  }

  /** Names of the pull requests there is a ref for, such as `refs/pr/1`. */
  async pullRequests(): Promise<string[]> {
    const folder = join(this.path, 'refs', 'refs', 'pr');
    const names = await readdir(folder).catch(() => []);
    return names.filter((name) => /^\d+$/.test(name)).map((name) => `refs/pr/${name}`);
  }

  /** Notes that a commit has no such file. */
  async writeNoExist(commit: string, path: string): Promise<void> {
    await writeFileAtomically(join(this.path, '.no_exist', commit, ...path.split('/')), '');
  }

  async isNoExist(commit: string, path: string): Promise<boolean> {
    return isFile(join(this.path, '.no_exist', commit, ...path.split('/')));
  }

  /** True when a snapshot holds the file, whole. */
  has(commit: string, path: string): Promise<boolean> {
    return isFile(join(this.snapshot(commit), ...path.split('/')));
  }

  /** Puts a file of a commit into its snapshot; `isNew` blobs are moved where links are impossible. */
  async place(commit: string, { path, etag }: RepoFile, isNew: boolean): Promise<void> {
    const pointer = join(this.snapshot(commit), ...path.split('/'));
    const blob = this.blob(etag);
    try {
      await mkdir(dirname(pointer), { recursive: true });
      await rm(pointer, { force: true });
      if (!this.#avoidsLinks && (await tryLink(relative(dirname(pointer), blob), pointer))) return;
      if (isNew) await rename(blob, pointer);
      else await copyWhole(blob, pointer);
    } catch (error) {
      throw writeError(pointer, error);
    }
  }

  /** Every path below a snapshot. */
  async filesOf(commit: string): Promise<string[]> {
    const folder = this.snapshot(commit);
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    const found: string[] = [];
    for (const name of names) if (await isFile(join(folder, name))) found.push(name);
    return found.map((name) => name.replaceAll('\\', '/'));
  }

  /** Keeps the file list of a commit, as huggingface_hub does, so that nobody needs to ask again. */
  async writeListing(commit: string, listing: Listing): Promise<void> {
    const files = [...listing.values()].sort((a, b) => (a.path < b.path ? -1 : 1)).map(treeEntry);
    const text = JSON.stringify({ format_version: 1, files: Object.fromEntries(files) }, null, 1);
    await writeFileAtomically(join(this.path, 'trees', `${commit}.json`), text);
  }

  /** Paths of all files of a commit, where the list was kept. */
  async listedFiles(commit: string): Promise<string[] | undefined> {
    const file = join(this.path, 'trees', `${commit}.json`);
    const text = await readFile(file, 'utf8').catch(() => undefined);
    try {
      const tree = JSON.parse(text ?? '{}') as { format_version?: unknown; files?: object };
      return tree.format_version === 1 && tree.files ? Object.keys(tree.files) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Takes folders away in which nothing came to lie. */
  async removeEmpty(): Promise<void> {
    for (const folder of [this.blob(''), this.path, this.locks])
      await rmdir(folder).catch(() => {});
  }

  /** Tells backup programs that everything here can be fetched again. */
  async tag(): Promise<void> {
    await mkdir(this.#root, { recursive: true }).catch((error: unknown) => {
      throw writeError(this.#root, error);
    });
    await writeFile(join(this.#root, 'CACHEDIR.TAG'), tagText, { flag: 'wx' }).catch(() => {});
  }
}

/** `models--owner--name`. */
function folderName(id: string): string {
  return `models--${id.replaceAll('/', '--')}`;
}

function treeEntry({ path, sizeBytes, etag, gitId, xetHash }: RepoFile): [string, object] {
  const isLarge = etag.length === 64;
  const large = isLarge ? { lfs_sha256: etag, lfs_size: sizeBytes } : {};
  const xet = xetHash === undefined ? {} : { xet_hash: xetHash };
  return [path, { size: sizeBytes, blob_id: gitId, ...large, ...xet }];
}

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

/** False where the system or the disk has no links. */
async function tryLink(target: string, path: string): Promise<boolean> {
  try {
    await symlink(target, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return (await readlink(path).catch(() => '')) === target;
    if (code === 'ENOSPC' || code === 'ENOENT') throw error;
    return false;
  }
}

async function copyWhole(from: string, to: string): Promise<void> {
  const partial = `${to}.${process.pid}.partial`;
  try {
    await copyFile(from, partial);
    await rename(partial, to);
  } finally {
    await rm(partial, { force: true });
  }
}
