/** @file A small hub on 127.0.0.1: its API, its files, and a second host for large files, with faults on demand. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export type RepoContent = Readonly<Record<string, Uint8Array | string>>;

/** One request, as the hub or its second host saw it. */
export interface Seen {
  readonly host: 'hub' | 'files';
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

/** What goes wrong with the files whose path ends so. Each fault is used up by one request. */
export interface Fault {
  /** The status to answer with, and headers. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes after which the connection breaks. */
  readonly cutAfter?: number;
  /** Milliseconds between pieces of 64 KiB; infinite: nothing comes after the first. */
  readonly everyMs?: number;
  /** Other bytes than announced. */
  readonly content?: Uint8Array;
  /** A redirect to there. */
  readonly location?: string;
}

interface Commit {
  readonly id: string;
  readonly files: Map<string, Buffer>;
}

interface Repo {
  readonly refs: Map<string, string>;
  readonly commits: Map<string, Commit>;
  readonly discussions: object[];
  access: 'open' | 'gated' | 'private';
}

const token = 'hf_let_me_in';

export class HubServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** The token that opens gated and private models. */
  readonly token = token;
  /** Files of one page of a listing. */
  pageSize = 1000;
  /** False: a proxy without listings, whose descriptions name files only. */
  hasListings = true;
  /** Changes the entries of a listing before they are sent. */
  forge: (entries: object[]) => object[] = (entries) => entries;
  readonly #repos = new Map<string, Repo>();
  readonly #faults: (readonly [string, Fault])[] = [];
  readonly #hub: Server;
  readonly #files: Server;

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer(request, response));
    this.#files = createServer((request, response) => this.#serveLarge(request, response));
  }

  static async start(): Promise<HubServer> {
    const server = new HubServer();
    for (const one of [server.#hub, server.#files]) {
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    }
    return server;
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  /** Where large files lie: another origin. */
  get filesEndpoint(): string {
    return addressOf(this.#files);
  }

  /** Adds a commit; `ref` then points to it. */
  add(id: string, files: RepoContent, ref = 'main'): string {
    const repo = this.repo(id);
    const buffers = new Map(Object.entries(files).map(([path, data]) => [path, Buffer.from(data)]));
    const names = [...buffers].map(([path, data]) => `${path} ${etagOf(path, data)}`).join('\n');
    const commit = createHash('sha1').update(`${ref}\n${names}`).digest('hex');
    repo.commits.set(commit, { id: commit, files: buffers });
    repo.refs.set(ref, commit);
    return commit;
  }

  repo(id: string): Repo {
    const found = this.#repos.get(id);
    if (found) return found;
    const repo: Repo = { refs: new Map(), commits: new Map(), discussions: [], access: 'open' };
    this.#repos.set(id, repo);
    return repo;
  }

  /** Opens a pull request with these files; by the conversion robot unless told otherwise. */
  addConversion(id: string, files: RepoContent, num: number, change: object = {}): string {
    const commit = this.add(id, files, `refs/pr/${num}`);
    this.repo(id).discussions.push({
      num,
      title: 'Adding `safetensors` variant of this model',
      status: 'open',
      isPullRequest: true,
      author: { name: 'SFconvertbot' },
      createdAt: '2026-01-01T00:00:00.000Z',
      repo: { name: id, type: 'model' },
      ...change,
    });
    return commit;
  }

  /** The next request for a path that ends so fails in this way; several are used in order. */
  fail(pathEnd: string, ...faults: readonly Fault[]): void {
    for (const fault of faults) this.#faults.push([pathEnd, fault]);
  }

  /** Requests for the bytes of files, as `path range`. */
  fetched(): string[] {
    return this.seen
      .filter(({ path, host }) => host === 'files' || /\/resolve\//.test(path))
      .map(({ path, range }) =>
        `${path.replace(/^.*\/(?:resolve|large)\/[0-9a-f]{40}\//, '')} ${range ?? ''}`.trim(),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#files]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #note(host: Seen['host'], { url, headers }: IncomingMessage): void {
    const { authorization, range } = headers;
    this.seen.push({
      host,
      path: url!,
      authorization,
      range,
      ifRange: headers['if-range'] as string,
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): undefined {
    this.#note('hub', request);
    const url = new URL(request.url!, this.endpoint);
    const fault = this.#takeFault(url.pathname);
    if (fault?.location) return redirect(response, fault.location);
    if (fault?.status) return refuse(response, fault.status, fault.headers);
    const api = /^\/api\/models\/([^/]+\/[^/]+)(?:\/(.*))?$/.exec(url.pathname);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const id = (api ?? file)?.[1];
    const repo = id === undefined ? undefined : this.#repos.get(id);
    if (!repo) return refuse(response, 401, error('RepoNotFound', 'Repository not found'));
    const isIn = request.headers.authorization === `Bearer ${token}`;
    if (repo.access === 'private' && !isIn)
      return refuse(response, 401, error('RepoNotFound', 'Repository not found'));
    if (file) {
      if (repo.access === 'gated' && !isIn)
        return refuse(response, 403, error('GatedRepo', 'Access to model is restricted'));
      return this.#serveFile(repo, file, request, response, fault);
    }
    this.#serveApi(repo, id!, api![2] ?? '', url, response);
  }

  #serveApi(repo: Repo, id: string, rest: string, url: URL, response: ServerResponse): undefined {
    if (rest === 'discussions') {
      const { discussions } = repo;
      return json(response, { discussions, count: discussions.length, start: 0 });
    }
    const [kind, name = ''] = rest === '' ? ['revision', 'main'] : rest.split('/');
    const commit = commitOf(repo, decodeURIComponent(name));
    if (!commit) return refuse(response, 404, error('RevisionNotFound', 'Invalid rev id'));
    const siblings = [...commit.files.keys()].map((rfilename) => ({ rfilename }));
    if (kind === 'revision')
      return json(response, {
        id,
        modelId: id,
        sha: commit.id,
        private: false,
        tags: [],
        downloads: 0,
        likes: 0,
        siblings,
      });
    if (!this.hasListings) return refuse(response, 404);
    const entries = this.forge([...commit.files].map(([path, data]) => treeEntry(path, data)));
    const at = Number(url.searchParams.get('cursor') ?? 0);
    const page = entries.slice(at, at + this.pageSize);
    const next = at + this.pageSize;
    if (next < entries.length) {
      url.searchParams.set('cursor', `${next}`);
      // As mirrors do, the address of the original hub.
      response.setHeader(
        'link',
        `<https://huggingface.co${url.pathname}${url.search}>; rel="next"`,
      );
    }
    json(response, page);
  }

  #serveFile(
    repo: Repo,
    [, id, revision, encoded]: string[],
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): undefined {
    const commit = commitOf(repo, decodeURIComponent(revision!));
    const path = decodeURIComponent(encoded!);
    const data = commit?.files.get(path);
    if (!commit || !data) return refuse(response, 404, error('EntryNotFound', 'Entry not found'));
    response.setHeader('x-repo-commit', commit.id);
    response.setHeader('accept-ranges', 'bytes');
    if (!isLarge(path)) return send(request, response, data, `"${etagOf(path, data)}"`, fault);
    response.setHeader('x-linked-etag', `"${etagOf(path, data)}"`);
    response.setHeader('x-linked-size', `${data.length}`);
    redirect(response, `${this.filesEndpoint}/${id}/large/${commit.id}/${encoded}`);
  }

  #serveLarge(request: IncomingMessage, response: ServerResponse): undefined {
    this.#note('files', request);
    const [, id, commit, encoded] = /^\/([^/]+\/[^/]+)\/large\/([^/]+)\/(.+)$/.exec(request.url!)!;
    const path = decodeURIComponent(encoded!);
    const data = this.repo(id!).commits.get(commit!)!.files.get(path)!;
    const fault = this.#takeFault(`large/${path}`);
    if (fault?.status) return refuse(response, fault.status, fault.headers);
    if (fault?.location) return redirect(response, fault.location);
    // The host of large files has tags of its own.
    send(request, response, data, `"s3-${data.length}"`, fault);
  }

  #takeFault(path: string): Fault | undefined {
    const at = this.#faults.findIndex(([end]) => path.endsWith(end));
    return at < 0 ? undefined : this.#faults.splice(at, 1)[0]![1];
  }
}

/** Every file of a local folder. */
export function folderContent(folder: string): Record<string, Uint8Array> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (entry) => entry.isFile() && entry.name !== 'parameters.txt' && !entry.name.startsWith('case.'),
  );
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1).replaceAll('\\', '/'), readFileSync(path)];
    }),
  );
}

export function etagOf(path: string, data: Uint8Array): string {
  if (isLarge(path)) return createHash('sha256').update(data).digest('hex');
  return createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex');
}

function isLarge(path: string): boolean {
  return /\.(safetensors|bin|ckpt)$/.test(path);
}

function treeEntry(path: string, data: Buffer): object {
  const oid = createHash('sha1').update(path).digest('hex');
  const etag = etagOf(path, data);
  if (!isLarge(path)) return { type: 'file', path, size: data.length, oid: etag };
  const lfs = { oid: etag, size: data.length, pointerSize: 134 };
  return { type: 'file', path, size: data.length, oid, lfs };
}

function commitOf(repo: Repo, revision: string): Commit | undefined {
  return repo.commits.get(repo.refs.get(revision) ?? revision);
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function error(code: string, message: string): Record<string, string> {
  return { 'x-error-code': code, 'x-error-message': message };
}

function refuse(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): undefined {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ error: headers['x-error-message'] ?? `${status}` }));
}

function redirect(response: ServerResponse, location: string): undefined {
  response.writeHead(302, { location, 'content-length': 0 });
  response.end();
}

function json(response: ServerResponse, body: unknown): undefined {
  const text = JSON.stringify(body);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Ranges as RFC 9110 has them: If-Range must be the tag, and a range beyond the end is 416. */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  data: Buffer,
  etag: string,
  fault: Fault = {},
): undefined {
  const body = fault.content ? Buffer.from(fault.content) : data;
  const { range, 'if-range': condition } = request.headers;
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const isPart = range !== undefined && (condition === undefined || condition === etag);
  if (isPart && from >= body.length) {
    return refuse(response, 416, { 'content-range': `bytes */${body.length}` });
  }
  const part = isPart ? body.subarray(from) : body;
  const span = isPart ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {};
  response.writeHead(isPart ? 206 : 200, {
    etag,
    'content-length': part.length,
    ...span,
    ...fault.headers,
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  void trickle(response, part, fault);
}

async function trickle(
  response: ServerResponse,
  data: Buffer,
  { cutAfter = Number.POSITIVE_INFINITY, everyMs = 0 }: Fault,
): Promise<void> {
  const piece = everyMs === 0 ? data.length : 65_536;
  for (let at = 0; at < data.length; at += piece) {
    const end = Math.min(at + piece, data.length, cutAfter);
    if (end > at) await new Promise((resolve) => response.write(data.subarray(at, end), resolve));
    if (end === cutAfter) {
      // The bytes must be on their way before the connection breaks.
      setTimeout(() => response.destroy(), 200);
      return;
    }
    if (everyMs === Number.POSITIVE_INFINITY) return;
    if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
    if (response.destroyed) return;
  }
  response.end();
}
