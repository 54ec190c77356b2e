/** @file What a hub tells about a model: the commit of a revision, its files, its conversion to safetensors. */

import { shown, unusable } from './hub-errors.js';
import { ask, type HubSession, jsonOf, persist } from './hub-request.js';
import { isCommit, isInside } from './model-id.js';

/** A file of a repository at one commit. */
export interface RepoFile {
  /** With `/` between folders. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Name of its blob: SHA-256 for large files, git's SHA-1 for the others. */
  readonly etag: string;
  /** Git's SHA-1; of the pointer, for large files. */
  readonly gitId: string;
  readonly xetHash?: string | undefined;
}

export type Listing = ReadonlyMap<string, RepoFile>;

const pageLimitBytes = 25_000_000;
const pageLimit = 200;
/** Statuses of a hub that has no listing at all. */
const lacking = [404, 405, 501];
const redirects = [301, 302, 303, 307, 308];
const fileLimit = 100_000;
const conversionTitle = 'Adding `safetensors` variant of this model';
const conversionAuthor = 'SFconvertbot';

/** The 40 digits of the commit a branch or tag points to. */
export async function commitOf(id: string, revision: string, session: HubSession): Promise<string> {
  if (isCommit(revision)) return revision;
  const path = `/api/models/${id}/revision/${encodeURIComponent(revision)}`;
  const { body } = await askJson(path, { id, revision }, session);
  const sha = field(body, 'sha');
  if (typeof sha === 'string' && isCommit(sha)) return sha;
  throw unusable(`hub: ${id}@${revision}`, 'a commit', shown(JSON.stringify(sha) ?? 'nothing'));
}

/** Where a file of a commit is. */
export function addressOf(id: string, commit: string, path: string): string {
  return `/${id}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** Every file at a commit, all pages of it. Throws HUB_CONTENT for names that leave the folder. */
export async function listFiles(id: string, commit: string, session: HubSession): Promise<Listing> {
  const files = new Map<string, RepoFile>();
  const where = `hub: ${id}@${commit.slice(0, 8)}`;
  let path: string | undefined = `/api/models/${id}/tree/${commit}?recursive=true`;
  for (let page = 0; path !== undefined; page++) {
    if (page >= pageLimit || files.size > fileLimit) {
      throw unusable(where, `at most ${fileLimit} files`, 'more');
    }
    const accepts: number[] = page === 0 ? lacking : [];
    const answer: JsonAnswer = await askJson(path, { id, revision: commit }, session, accepts);
    if (answer.isLacking) return listSiblings(id, commit, session);
    if (!Array.isArray(answer.body)) throw unusable(where, 'a list of files', typeof answer.body);
    for (const entry of answer.body) {
      const file = readEntry(where, entry);
      if (file) files.set(file.path, file);
    }
    path = answer.next;
  }
  return files;
}

/** For proxies without the listing by pages: the names in the model's description, sizes and hashes by HEAD. */
async function listSiblings(id: string, commit: string, session: HubSession): Promise<Listing> {
  const where = `hub: ${id}@${commit.slice(0, 8)}`;
  const question = { id, revision: commit };
  const path = `/api/models/${id}/revision/${commit}?blobs=true`;
  const siblings = field((await askJson(path, question, session)).body, 'siblings');
  if (!Array.isArray(siblings) || siblings.length > fileLimit) {
    throw unusable(where, 'a list of files', typeof siblings);
  }
  const files = new Map<string, RepoFile>();
  for (const sibling of siblings) {
    const name = field(sibling, 'rfilename');
    const described = {
      type: 'file',
      path: name,
      size: field(sibling, 'size'),
      oid: field(sibling, 'blobId'),
      lfs: field(sibling, 'lfs'),
    };
    const isDescribed = described.oid !== undefined && described.size !== undefined;
    const isNamed = typeof name === 'string' && isInside(name);
    const head = isNamed && !isDescribed ? await headOf(name, question, session) : {};
    const file = readEntry(where, { ...described, ...head });
    if (file) files.set(file.path, file);
  }
  return files;
}

/** What the headers of a file say, as an entry of a listing. */
async function headOf(
  file: string,
  { id, revision }: { id: string; revision: string },
  session: HubSession,
): Promise<object> {
  const { headers } = await persist(() => {
    const request = { question: { id, revision, file }, isHead: true, accepts: redirects };
    return ask(addressOf(id, revision, file), request, session);
  }, session);
  const etag = headers.get('x-linked-etag') ?? headers.get('etag') ?? '';
  const size = headers.get('x-linked-size') ?? headers.get('content-length');
  const oid = etag.replace(/^W\//, '').replaceAll('"', '');
  return { oid, size: size === null ? undefined : Number(size) };
}

function readEntry(where: string, entry: unknown): RepoFile | undefined {
  const path = field(entry, 'path');
  if (typeof path !== 'string' || !isInside(path)) {
    const next = 'The repository is hostile or damaged; use another one.';
    const got = shown(JSON.stringify(path) ?? 'nothing');
    throw unusable(where, 'names of files inside the model', got, next);
  }
  if (field(entry, 'type') !== 'file') return undefined;
  const lfs = field(entry, 'lfs');
  const isLarge = typeof lfs === 'object' && lfs !== null;
  const gitId = field(entry, 'oid');
  const etag = isLarge ? (field(lfs, 'oid') ?? field(lfs, 'sha256')) : gitId;
  const sizeBytes = isLarge ? (field(lfs, 'size') ?? field(entry, 'size')) : field(entry, 'size');
  const xetHash = field(entry, 'xetHash');
  const isHash = typeof etag === 'string' && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(etag);
  if (
    isHash &&
    typeof sizeBytes === 'number' &&
    Number.isSafeInteger(sizeBytes) &&
    sizeBytes >= 0
  ) {
    return {
      path,
      sizeBytes,
      etag,
      gitId: typeof gitId === 'string' ? gitId : etag,
      ...(typeof xetHash === 'string' && /^[0-9a-f]{64}$/.test(xetHash) ? { xetHash } : {}),
    };
  }
  const got = shown(JSON.stringify({ oid: etag, size: sizeBytes }));
  throw unusable(`${where}: ${shown(path)}`, 'a hash and a size', got);
}

/**
 * The revisions in which the hub's conversion robot added safetensors files, newest first; pull
 * requests of anybody else are not looked at.
 */
export async function conversionsOf(id: string, session: HubSession): Promise<string[]> {
  const query = `?type=pull_request&status=open&author=${conversionAuthor}`;
  const { body } = await askJson(`/api/models/${id}/discussions${query}`, { id }, session);
  const discussions = field(body, 'discussions');
  if (!Array.isArray(discussions)) return [];
  const numbers = discussions.flatMap((entry: unknown): number[] => {
    const number = field(entry, 'num');
    const isConversion =
      field(entry, 'title') === conversionTitle &&
      field(entry, 'status') === 'open' &&
      field(entry, 'isPullRequest') === true &&
      field(field(entry, 'author'), 'name') === conversionAuthor;
    return isConversion && Number.isSafeInteger(number) ? [number as number] : [];
  });
  return numbers.sort((a, b) => b - a).map((number) => `refs/pr/${number}`);
}

interface JsonAnswer {
  readonly body: unknown;
  /** Path of the next page. */
  readonly next: string | undefined;
  /** True when the hub does not know the question. */
  readonly isLacking?: boolean;
}

function askJson(
  path: string,
  question: { id: string; revision?: string },
  session: HubSession,
  accepts: readonly number[] = [],
): Promise<JsonAnswer> {
  return persist(async () => {
    const headers = () => ({ accept: 'application/json' });
    const response = await ask(path, { question, headers, accepts }, session);
    if (!response.ok) {
      await response.body?.cancel().catch(() => {});
      return { body: undefined, next: undefined, isLacking: true };
    }
    const body = await jsonOf(response, pageLimitBytes, session);
    return { body, next: nextPage(response.headers.get('link'), session.settings.endpoint) };
  }, session);
}

/** The path of `rel="next"`. Mirrors name the original's address: the page is asked of the hub at hand. */
function nextPage(link: string | null, endpoint: string): string | undefined {
  const [, address] = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? '') ?? [];
  if (address === undefined || !URL.canParse(address, endpoint)) return undefined;
  const { pathname, search } = new URL(address, endpoint);
  const api = pathname.indexOf('/api/');
  return api < 0 ? undefined : `${pathname.slice(api)}${search}`;
}

function field(value: unknown, name: string): unknown {
  const isObject = typeof value === 'object' && value !== null;
  return isObject && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
