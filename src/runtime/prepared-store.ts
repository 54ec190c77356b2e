/** @file Computed tensors kept in a folder, each a safetensors file under a digest of all that decides it. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, realpath, rm, stat, statfs, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { complain } from '../core/errors.js';
import { dtypeBytes, elementCount, type TensorData } from '../core/tensor-data.js';
import { streamSafetensors } from '../formats/safetensors.js';
import { printGraph } from '../graph/print.js';
import { type Tensor, topologicalOrder } from '../graph/tensor.js';
import { isPartialOf, writeFileAtomically } from '../hub/atomic-file.js';
import { FileLock } from '../hub/file-lock.js';
import { readWeightFile } from '../hub/weight-file.js';
import { engineVersion } from './engine-version.js';
import type { PreparedSettings } from './prepared-settings.js';
import type { TensorInFile } from './weights.js';

const suffix = '.safetensors';
/** Name of the one tensor of a file. */
const tensorName = 'prepared';
/** Counts changes of what the files hold. */
const layout = 2;
/** Vectors are read from mapped weights as they lie: across cache lines that takes longer. */
const alignment = 64;
/** Room to leave on the disk. */
const spareBytes = 2 ** 29;
/** A partial file this old has no writer. */
const abandonedMs = 3_600_000;

export type Weights = ReadonlyMap<string, TensorInFile>;

export interface PreparedPart {
  readonly tensor: Tensor;
  readonly path: string;
}

export function tensorByteCount({ dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>): number {
  return elementCount(shape) * dtypeBytes[dtype];
}

/** Files and bytes in the folder; nothing when it is not there. */
export async function preparedUsage(folder: string): Promise<{ files: number; bytes: number }> {
  const found = await preparedFiles(folder);
  return { files: found.length, bytes: found.reduce((sum, { bytes }) => sum + bytes, 0) };
}

interface PreparedFile {
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

async function preparedFiles(folder: string): Promise<PreparedFile[]> {
  const names = await readdir(folder).catch(() => []);
  const files: PreparedFile[] = [];
  for (const name of names.filter((one) => one.endsWith(suffix))) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined); // another process may have removed it
    if (found?.isFile()) files.push({ path, bytes: found.size, usedMs: found.mtimeMs });
  }
  return files;
}

/** The path of each part: a part of other content, or made from a changed file, has another. */
export async function locateParts(
  parts: ReadonlyMap<string, Tensor>,
  weights: Weights,
  folder: string,
): Promise<Map<string, PreparedPart>> {
  const identities = new Map<string, Promise<string>>();
  const identify = (file: string): Promise<string> => {
    const known = identities.get(file) ?? fileIdentity(file);
    identities.set(file, known);
    return known;
  };
  const located = new Map<string, PreparedPart>();
  for (const [name, tensor] of parts) {
    const digest = await digestOf(tensor, weights, identify);
    located.set(name, { tensor, path: join(folder, digest + suffix) });
  }
  return located;
}

/** What tells a file from what it was before; a file replaced by one of the same age has another change time. */
async function fileIdentity(file: string): Promise<string> {
  const path = await realpath(file);
  const { size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return JSON.stringify([path, `${size}`, `${mtimeNs}`, `${ctimeNs}`]);
}

async function digestOf(
  part: Tensor,
  weights: Weights,
  identify: (file: string) => Promise<string>,
): Promise<string> {
  const hash = createHash('sha256').update(`${layout} ${engineVersion()}\n${printGraph([part])}`);
  for (const { op, attributes } of topologicalOrder([part])) {
    if (op === 'Constant') {
      const { buffer, byteOffset, byteLength } = attributes.value.data;
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
    if (op === 'Parameter') {
      const { file, dtype, begin, end } = weights.get(attributes.name)!;
      hash.update(`${await identify(file)} ${dtype} ${begin} ${end}\n`);
    }
  }
  return hash.digest('hex').slice(0, 40);
}

/** The tensor in the file, its time of use renewed; undefined when there is none as it should be. */
export async function findPrepared(part: PreparedPart): Promise<TensorInFile | undefined> {
  const { tensor, path } = part;
  const stored = await readWeightFile(path).then(
    ({ tensors }) => tensors.get(tensorName),
    () => undefined, // made anew, whatever is wrong with it
  );
  const isAsWanted = stored?.dtype === tensor.dtype && stored.shape.join() === tensor.shape.join();
  if (!isAsWanted) return undefined;
  const now = new Date();
  await utimes(path, now, now).catch(() => {}); // a read-only cache is still a cache
  return stored;
}

/**
 * Computes a part and writes its file, unless another process does at the same time: then that
 * file is waited for. Throws DISK_FULL, FILE_WRITE and what `compute` throws.
 */
export async function writePrepared(
  part: PreparedPart,
  compute: () => Promise<TensorData>,
): Promise<TensorInFile> {
  const { tensor, path } = part;
  await using _lock = await FileLock.acquire(`${path}.lock`);
  const known = await findPrepared(part);
  if (known) return known;
  await removePartials(path);
  const spec = { dtype: tensor.dtype, shape: tensor.shape };
  const chunks = streamSafetensors([[tensorName, spec]], compute, undefined, alignment);
  await writeFileAtomically(path, chunks);
  const written = await findPrepared(part);
  if (written) return written;
  throw complain('FILE_WRITE', { where: path, expected: 'the file just written', got: 'another' });
}

async function removePartials(path: string): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  const left = (await readdir(folder).catch(() => [])).filter((one) => isPartialOf(name, one));
  for (const partial of left) await rm(join(folder, partial), { force: true });
}

/** Throws DISK_FULL when the folder has no room for so much more, FILE_WRITE when it cannot be made. */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await mkdir(folder, { recursive: true })
    .then(() => statfs(folder))
    .catch((cause: unknown) => {
      const [expected, got] = ['a writable folder', (cause as NodeJS.ErrnoException).code ?? ''];
      throw complain('FILE_WRITE', { where: folder, expected, got }, cause);
    });
  const free = bavail * bsize;
  if (free >= bytes + spareBytes) return;
  const [expected, got] = [`${bytes + spareBytes} bytes free`, `${free}`];
  throw complain('DISK_FULL', { where: folder, expected, got });
}

/** Removes files used least recently until the limit holds, except `kept` ones, and abandoned partial files. */
export async function trimPrepared(
  { folder, limitBytes }: PreparedSettings,
  kept: ReadonlySet<string>,
): Promise<void> {
  const files = (await preparedFiles(folder)).sort((a, b) => a.usedMs - b.usedMs);
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of files) {
    if (total <= limitBytes) break;
    if (kept.has(path)) continue;
    // A file that cannot be removed, as it is open elsewhere, is for the next time.
    if (
      await rm(path).then(
        () => true,
        () => false,
      )
    )
      total -= bytes;
  }
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.partial')) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > abandonedMs) await rm(path, { force: true });
  }
}
