/** @file Models of a hub: what is fetched, where it is put, and everything that can go wrong on the way. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MaliangError } from '../../src/core/errors.js';
import type { DownloadPlan } from '../../src/hub/fetch-model.js';
import { pullModel, type ResolveOptions, resolveModel } from '../../src/hub/resolve-model.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { etagOf, folderContent, HubServer, type RepoContent } from './hub-server.js';

const id = 'tiny/sd1';
const unetFile = 'unet/diffusion_pytorch_model.safetensors';
let reference: ReferenceFolder;
let content: Record<string, Uint8Array>;
let hub: HubServer;
let home: string;

beforeAll(() => {
  reference = referenceFolder('sd1');
  content = folderContent(reference.path);
});
afterAll(() => reference[Symbol.dispose]());
beforeEach(async () => {
  hub = await HubServer.start();
  home = mkdtempSync(join(tmpdir(), 'maliang-hub-'));
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const env = (extra: Record<string, string> = {}) => ({
  HF_HOME: home,
  HF_ENDPOINT: hub.endpoint,
  ...extra,
});
const find = (name = id, options: ResolveOptions = {}) =>
  resolveModel(name, { env: env(), ...options });
const repoFolder = (name = id) => join(home, 'hub', `models--${name.replace('/', '--')}`);
const blobs = (name = id): string[] => readdirSync(join(repoFolder(name), 'blobs')).sort();
const clean = (text: string): string =>
  text
    .replaceAll(hub.endpoint, '<hub>')
    .replaceAll(home, '<home>')
    .replaceAll(/127\.0\.0\.1:\d+/g, '<host>');

/** `CODE message` of what a promise rejects with. */
async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => 'nothing thrown',
    (cause: unknown) => cause,
  );
  if (!(error instanceof MaliangError)) throw error;
  return clean(`${error.code} ${error.message}`);
}

/** The model with an unet of a megabyte, so that there is something to cut. */
function largeContent(): Record<string, Uint8Array> {
  return {
    ...content,
    [unetFile]: Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * i) % 251),
  };
}

describe('what is fetched', () => {
  it('is what the pipeline needs, and nothing again', async () => {
    const others: RepoContent = {
      ...content,
      'README.md': '---\nlicense: mit\n---\n',
      'v1-5.ckpt': 'pickle',
      'v1-5.safetensors': 'all in one',
      'unet/diffusion_pytorch_model.bin': 'pickle',
      'unet/diffusion_pytorch_model.fp16.safetensors': 'half',
      'unet/model.onnx': 'onnx',
      'unet/run.py': 'import os',
      'safety_checker/config.json': '{}',
      'safety_checker/model.safetensors': 'unread',
      'extra/config.json': '{}',
    };
    const commit = hub.add(id, others);
    const model = await find();
    expect(model).toEqual({
      kind: 'folder',
      path: join(repoFolder(), 'snapshots', commit),
      name: id,
      commit,
      warnings: [],
    });
    const wanted = ['README.md', ...Object.keys(content)].sort();
    expect(Object.keys(folderContentOf(model.path)).sort()).toEqual(wanted);
    expectSame(model.path, content);
    const requests = hub.seen.length;
    expect(await find()).toEqual(model);
    expect(hub.seen.length).toBe(requests);
  });

  it('lies as huggingface_hub lays it', async () => {
    const commit = hub.add(id, content);
    await find();
    const etag = etagOf(unetFile, content[unetFile]!);
    const pointer = join(repoFolder(), 'snapshots', commit, unetFile);
    expect(readlinkSync(pointer)).toBe(join('..', '..', '..', 'blobs', etag));
    expect(readFileSync(join(repoFolder(), 'refs/main'), 'utf8')).toBe(commit);
    const etags = Object.entries(content).map(([path, data]) => etagOf(path, data));
    expect(blobs()).toEqual([...new Set(etags)].sort());
    expect(readdirSync(join(home, 'hub')).sort()).toEqual([
      '.locks',
      'CACHEDIR.TAG',
      'models--tiny--sd1',
    ]);
    expect(readdirSync(join(home, 'hub/.locks/models--tiny--sd1'))).toEqual([]);
    const tree = JSON.parse(readFileSync(join(repoFolder(), `trees/${commit}.json`), 'utf8'));
    expect(tree.files[unetFile]).toMatchObject({
      lfs_sha256: etag,
      size: content[unetFile]!.length,
    });
  });

  it('is copied where links are unwanted, once per commit', async () => {
    hub.add(id, content);
    const options = { env: env({ HF_HUB_DISABLE_SYMLINKS: '1' }) };
    const model = await find(id, options);
    expect(lstatSync(join(model.path, unetFile)).isFile()).toBe(true);
    expectSame(model.path, content);
    expect(blobs()).toEqual([]);
  });

  it('is the files of the variant, with a warning for components without it', async () => {
    const half = Buffer.from('half');
    const file = 'unet/diffusion_pytorch_model.fp16.safetensors';
    hub.add(id, { ...content, [file]: half });
    const model = await find(id, { variant: 'fp16' });
    const files = folderContentOf(model.path);
    expect(files[file]).toEqual(half);
    expect(files[unetFile]).toBeUndefined();
    expect(model.warnings).toEqual(
      [
        'tiny/sd1: vae has no fp16 weights; its plain ones are read.',
        'tiny/sd1: text_encoder has no fp16 weights; its plain ones are read.',
      ].sort(byOrderIn(content)),
    );
    expect(await complaintOf(find(id, { offline: true }))).toContain(
      'Ask for the variant fp16, or',
    );
    expect(await complaintOf(find(id, { variant: 'int8' }))).toMatch(
      /^MODEL_NOT_FOUND hub: tiny\/sd1@\w+: expected weights of the variant "int8", got fp16\. Name one/,
    );
  });

  it.each([
    [
      'now',
      'unet/diffusion_pytorch_model.safetensors.index.fp16.json',
      'diffusion_pytorch_model.fp16-0000N-of-00002.safetensors',
    ],
    [
      'before',
      'unet/diffusion_pytorch_model.safetensors.fp16.index.json',
      'diffusion_pytorch_model-0000N-of-00002.fp16.safetensors',
    ],
    [
      'plain',
      'unet/diffusion_pytorch_model.safetensors.index.json',
      'diffusion_pytorch_model-0000N-of-00002.safetensors',
    ],
  ])('is the shards of an index, as written %s', async (_, index, shard) => {
    const shards = ['1', '2'].map((n) => shard.replace('N', n));
    const { [unetFile]: __, ...rest } = content;
    hub.add(id, {
      ...rest,
      [index]: JSON.stringify({ weight_map: { a: shards[0], b: shards[1] } }),
      ...Object.fromEntries(shards.map((name) => [`unet/${name}`, name])),
      'unet/diffusion_pytorch_model.bf16-00001-of-00002.safetensors': 'other',
    });
    const model = await find(id, index.includes('fp16') ? { variant: 'fp16' } : {});
    const names = readdirSync(join(model.path, 'unet')).sort();
    expect(names).toEqual(['config.json', index.slice(5), ...shards].sort());
  });

  it('is read through pages, and found under the revision asked for', async () => {
    hub.pageSize = 3;
    const old = hub.add(
      id,
      { ...content, 'scheduler/scheduler_config.json': '{"old":true}' },
      'v1/old',
    );
    hub.add(id, content);
    expect((await find(`${id}@v1/old`)).commit).toBe(old);
    expect((await find(id, { revision: 'v1/old', offline: true })).commit).toBe(old);
    expect((await find(`${id}@${old}`, { offline: true })).commit).toBe(old);
    expect(readFileSync(join(repoFolder(), 'refs/v1/old'), 'utf8')).toBe(old);
    expect(await complaintOf(find(id, { revision: 'v2' }))).toBe(
      'MODEL_NOT_FOUND hub: tiny/sd1@v2: expected a branch, tag or commit, got 404 RevisionNotFound (Invalid rev id). See the branches at <hub>/tiny/sd1/tree/main.',
    );
  });

  it('is found through a proxy that has no listings', async () => {
    hub.add(id, { ...content, 'unet/diffusion_pytorch_model.bin': 'pickle' });
    const listed = await find();
    rmSync(join(home, 'hub'), { recursive: true });
    hub.hasListings = false;
    hub.seen.length = 0;
    expect(await find(id, { env: env({ HF_TOKEN: hub.token }) })).toEqual(listed);
    expectSame(listed.path, content);
    expect(await complaintOf(find(`${id}@${'0'.repeat(40)}`))).toMatch(
      /^MODEL_NOT_FOUND .* got 404 RevisionNotFound/,
    );
  });

  it('is one component, or one file', async () => {
    hub.add('tiny/vae', {
      'config.json': '{}',
      'diffusion_pytorch_model.safetensors': 'v',
      'a.ckpt': 'p',
    });
    const vae = await find('tiny/vae');
    expect(Object.keys(folderContentOf(vae.path)).sort()).toEqual([
      'config.json',
      'diffusion_pytorch_model.safetensors',
    ]);
    const commit = hub.add('tiny/lora', { 'lora.safetensors': 'l', 'notes.txt': '' });
    const lora = await find('tiny/lora');
    expect(lora).toMatchObject({ kind: 'file', name: 'tiny/lora', commit });
    expect(readFileSync(lora.path, 'utf8')).toBe('l');
    hub.add('tiny/two', { 'a.safetensors': 'a', 'sub/b.safetensors': 'b', 'c.safetensors': 'c' });
    expect(await complaintOf(find('tiny/two'))).toBe(
      'MODEL_NOT_FOUND hub: tiny/two: expected a model_index.json, a config.json or one safetensors file, got a.safetensors, c.safetensors. Name one, such as tiny/two/a.safetensors.',
    );
    const one = await find('tiny/two/sub/b.safetensors');
    expect([one.kind, readFileSync(one.path, 'utf8')]).toEqual(['file', 'b']);
    expect(await find('tiny/two/sub/b.safetensors', { offline: true })).toEqual(one);
  });

  it('says what is coming, how far it is, and can be declined', async () => {
    hub.add(id, largeContent());
    const plans: DownloadPlan[] = [];
    const declined = find(id, { confirm: (plan) => plans.push(plan) === 0 });
    expect(await complaintOf(declined)).toBe('CANCELLED download tiny/sd1: cancelled.');
    const total = Object.values(largeContent()).reduce((sum, data) => sum + data.length, 0);
    const index = content['model_index.json']!.length;
    const fileCount = Object.keys(content).length;
    expect(plans).toMatchObject([
      { id, fileCount, totalBytes: total, missingBytes: total - index },
    ]);
    const reports: number[] = [];
    await find(id, {
      onProgress: ({ doneBytes, totalBytes }) => reports.push(doneBytes / totalBytes),
    });
    expect(reports.at(-1)).toBe(1);
    expect([...reports].sort((a, b) => a - b)).toEqual(reports);
  });
});

describe('a path that exists', () => {
  it('wins over an id', async () => {
    const model = await resolveModel(reference.path, { env: env() });
    expect(model).toMatchObject({ kind: 'folder', path: reference.path, warnings: [] });
    const varied = resolveModel(reference.path, { variant: 'fp16' });
    expect(await complaintOf(varied)).toMatch(
      /expected weights of the variant "fp16", got no variants\./,
    );
    const revised = resolveModel(reference.path, { revision: 'v1' });
    expect(await complaintOf(revised)).toMatch(
      /^USAGE revision: expected a model id such as owner\/name/,
    );
    const file = join(reference.path, unetFile);
    expect(await resolveModel(file)).toMatchObject({ kind: 'file', path: file });
    expect(hub.seen).toEqual([]);
  });

  it('is refused when its name is that of a pickle', async () => {
    const file = join(home, 'v1-5.ckpt');
    writeFileSync(file, 'anything');
    expect(await complaintOf(resolveModel(file))).toBe(
      'SAFETENSORS <home>/v1-5.ckpt: expected a safetensors file, got the name of a pickle, which can run code when it is read. Use the safetensors version of the model, or convert it with a tool you trust.',
    );
    expect(await complaintOf(find('tiny/sd1/v1-5.ckpt', {}))).toMatch(/^MODEL_NOT_FOUND/);
  });
});

describe('a download that is cut', () => {
  it('goes on where it was', async () => {
    const files = largeContent();
    hub.add(id, files);
    hub.fail(`large/${unetFile}`, { cutAfter: 300_000 }, { cutAfter: 200_000 });
    const model = await find();
    expectSame(model.path, files);
    const [first, ...later] = hub.seen.filter(
      ({ host, path }) => host === 'files' && path.endsWith(unetFile),
    );
    expect(first!.range).toBeUndefined();
    // How much of what was sent before the cut arrives is up to the system.
    const starts = later.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range!)![1]));
    expect(starts.length).toBe(2);
    expect(starts[0]).toBeLessThanOrEqual(300_000);
    expect(starts[1]).toBeGreaterThan(starts[0]!);
    expect(later.map(({ ifRange }) => ifRange)).toEqual(['"s3-1000000"', '"s3-1000000"']);
  });

  it('starts over when the host ignores ranges or has another file', async () => {
    const files = largeContent();
    hub.add(id, files);
    leave(files, 100_000);
    hub.fail(`large/${unetFile}`, { status: 416 });
    const model = await find();
    expectSame(model.path, files);
  });

  it('goes on from what another process left', async () => {
    const files = largeContent();
    hub.add(id, files);
    leave(files, 700_000);
    const reports: number[] = [];
    const model = await find(id, { onProgress: ({ doneBytes }) => reports.push(doneBytes) });
    expectSame(model.path, files);
    expect(hub.fetched()).toContain(`${unetFile} bytes=700000-`);
    const home = hub.seen.find(
      ({ host, range, path }) => host === 'hub' && range && path.endsWith(unetFile),
    );
    expect(home?.ifRange).toBe(`"${etagOf(unetFile, files[unetFile]!)}"`);
  });

  it('makes good what another process left damaged', async () => {
    const files = largeContent();
    hub.add(id, files);
    leave({ [unetFile]: new Uint8Array(1_000_000) }, 700_000, files);
    const model = await find();
    expectSame(model.path, files);
    expect(
      hub
        .fetched()
        .filter((line) => line.startsWith(unetFile))
        .slice(-1),
    ).toEqual([unetFile]);
  });

  it('uses a whole file that was only not renamed', async () => {
    const files = largeContent();
    hub.add(id, files);
    leave(files, 1_000_000);
    const model = await find();
    expectSame(model.path, files);
    expect(hub.fetched().filter((line) => line.startsWith(unetFile))).toEqual([]);
  });

  it('does not wait for a host that stands still', async () => {
    const files = largeContent();
    hub.add(id, files);
    hub.fail(`large/${unetFile}`, { everyMs: Number.POSITIVE_INFINITY });
    const model = await find(id, { env: env({ HF_HUB_DOWNLOAD_TIMEOUT: '1' }) });
    expectSame(model.path, files);
    expect(hub.fetched()).toContainEqual(expect.stringMatching(/^unet\/diff.* bytes=\d+-$/));
  });

  it('is kept when the user stops it', async () => {
    const files = largeContent();
    hub.add(id, files);
    hub.fail(`large/${unetFile}`, { everyMs: 50 });
    const stop = new AbortController();
    const onProgress = ({ file, doneBytes }: { file: string; doneBytes: number }): void => {
      if (file === unetFile && doneBytes > 200_000) stop.abort();
    };
    expect(await complaintOf(find(id, { signal: stop.signal, onProgress }))).toMatch(/^CANCELLED/);
    expect(existsSync(join(repoFolder(), 'refs/main'))).toBe(false);
    const partial = join(repoFolder(), 'blobs', `${etagOf(unetFile, files[unetFile]!)}.incomplete`);
    expect(readFileSync(partial).length).toBeGreaterThan(60_000);
    expect(readdirSync(join(home, 'hub/.locks'))).toEqual([]);
    await find();
    expect(hub.fetched()).toContainEqual(expect.stringMatching(/^unet\/diff.* bytes=\d+-$/));
  });
});

describe('what is not what was announced', () => {
  const forged = Uint8Array.from({ length: 1_000_000 }, () => 7);

  it.each([
    ['a large file', unetFile, 'sha256'],
    ['a small file', 'unet/config.json', 'git sha1'],
  ])('%s with another hash is not kept', async (_, path, kind) => {
    const files = largeContent();
    hub.add(id, files);
    const isLarge = path === unetFile;
    const other = isLarge ? forged : Buffer.alloc(files[path]!.length, 32);
    hub.fail(isLarge ? `large/${path}` : path, { content: other });
    const hash = isLarge
      ? createHash('sha256').update(other)
      : createHash('sha1').update(`blob ${other.length}\0`).update(other);
    expect(await complaintOf(find())).toBe(
      `HUB_CONTENT hub: ${kind} of ${path}: expected ${etagOf(path, files[path]!).slice(0, 12)}…, got ${hash.digest('hex').slice(0, 12)}…. What was loaded is deleted; download again, from another HF_ENDPOINT if it recurs.`,
    );
    expect(blobs().filter((name) => name.startsWith(etagOf(path, files[path]!)))).toEqual([]);
    expect(existsSync(join(repoFolder(), 'refs'))).toBe(false);
    expect((await find()).name).toBe(id);
  });

  it.each([
    ['longer', 1_000_001],
    ['shorter', 999_999],
  ])('a file that is %s is not kept', async (_, length) => {
    hub.add(id, largeContent());
    const content = new Uint8Array(length);
    for (let n = 0; n < 9; n++) hub.fail(`large/${unetFile}`, { content });
    expect(await complaintOf(find())).toMatch(
      /^HUB_CONTENT hub: unet\/diffusion_pytorch_model\.safetensors: expected 1000000 bytes, as announced, got /,
    );
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });

  it.each([
    ['../evil.json'],
    ['unet/../../evil.json'],
    ['/etc/evil.json'],
    ['unet\\..\\evil.json'],
    ['C:evil.json'],
    ['unet//evil.json'],
    ['unet/./evil.json'],
    ['unet/evil\u0000.json'],
    [''],
  ])('a file named %j is refused with the whole model', async (path) => {
    hub.add(id, content);
    hub.forge = (entries) => [...entries, { type: 'file', path, size: 1, oid: '0'.repeat(40) }];
    expect(await complaintOf(find())).toMatch(
      /^HUB_CONTENT hub: tiny\/sd1@\w{8}: expected names of files inside the model, got /,
    );
    expect(existsSync(join(repoFolder(), 'snapshots'))).toBe(false);
  });

  it.each([
    ['a hash that is a path', { oid: '../../evil' }],
    ['no size', { size: -1 }],
    ['a size of words', { size: '1' }],
  ])('%s is refused', async (_, change) => {
    hub.add(id, content);
    hub.forge = (entries) => entries.map((entry) => ({ ...entry, lfs: undefined, ...change }));
    expect(await complaintOf(find())).toMatch(/^HUB_CONTENT .*: expected a hash and a size, got /);
  });

  it('a configuration of a gigabyte is refused before it is loaded', async () => {
    hub.add(id, content);
    hub.forge = (entries) =>
      entries.map((entry) =>
        (entry as { path: string }).path === 'unet/config.json'
          ? { ...entry, size: 2 ** 30 }
          : entry,
      );
    expect(await complaintOf(find())).toMatch(
      /^HUB_CONTENT hub: tiny\/sd1\/unet\/config\.json: expected at most 100000000 bytes/,
    );
  });

  it('a weight file for which there is no room is refused before it is loaded', async () => {
    hub.add(id, content);
    hub.forge = (entries) =>
      entries.map((entry) =>
        (entry as { path: string }).path === unetFile
          ? { ...entry, size: 2 ** 40, lfs: { oid: '0'.repeat(64), size: 2 ** 40 } }
          : entry,
      );
    expect(await complaintOf(find())).toMatch(
      /^DISK_FULL hub: expected \d+ bytes free for tiny\/sd1, got \d+ bytes in <home>/,
    );
    expect(hub.fetched()).toEqual(['model_index.json']);
  });
});

describe('a hub that refuses', () => {
  it('an unknown model', async () => {
    expect(await complaintOf(find('tiny/none'))).toBe(
      'MODEL_NOT_FOUND hub: tiny/none@main: expected a folder or a model on the hub, got 401 RepoNotFound (Repository not found). Check the spelling; for a private model set HF_TOKEN.',
    );
  });

  it('a gated model, with the page of its licence', async () => {
    hub.add(id, content);
    hub.repo(id).access = 'gated';
    expect(await complaintOf(find())).toMatch(
      /^HUB_ACCESS hub: tiny\/sd1@\w{8}: expected access to this gated model, got 403 GatedRepo \(Access to model is restricted\)\. Accept its licence at <hub>\/tiny\/sd1 in your account, and set HF_TOKEN to a token of that account\.$/,
    );
    expect(readdirSync(join(home, 'hub')).sort()).toEqual(['.locks', 'CACHEDIR.TAG']);
    const opened = await find(id, { env: env({ HF_TOKEN: ` ${hub.token}\n` }) });
    expect(opened.name).toBe(id);
  });

  it('a private model opens with the token file, unless implicit tokens are off', async () => {
    hub.add(id, content);
    hub.repo(id).access = 'private';
    writeFileSync(join(home, 'token'), `${hub.token}\n`);
    const refused = find(id, { env: env({ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }) });
    expect(await complaintOf(refused)).toMatch(/^MODEL_NOT_FOUND/);
    expect((await find()).name).toBe(id);
  });

  it('never shows the token, nor sends it to another host', async () => {
    hub.add(id, content);
    await find(id, { env: env({ HF_TOKEN: hub.token }) });
    const byHost = (host: string) =>
      new Set(
        hub.seen.filter((one) => one.host === host).map(({ authorization }) => authorization),
      );
    expect(byHost('hub')).toEqual(new Set([`Bearer ${hub.token}`]));
    expect(byHost('files')).toEqual(new Set([undefined]));
  });

  it('nor back home through another host', async () => {
    hub.add(id, content);
    hub.fail(`large/${unetFile}`, { location: `${hub.endpoint}/api/models/${id}/token` });
    await find(id, { env: env({ HF_TOKEN: hub.token }) }).catch(() => {});
    const back = hub.seen.filter(({ path }) => path.endsWith('/token'));
    expect(back.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it('a redirect to where no one should go', async () => {
    hub.add(id, content);
    hub.fail('revision/main', { location: 'file:///etc/passwd' });
    expect(await complaintOf(find())).toBe(
      'HUB_CONTENT hub: <host>: expected a redirect to an https address, got file:///etc/passwd. Download again; if it recurs, use another HF_ENDPOINT or another model.',
    );
    for (let n = 0; n < 12; n++)
      hub.fail('revision/main', { location: `${hub.endpoint}/api/models/${id}/revision/main` });
    expect(await complaintOf(find())).toMatch(
      /^HUB_CONTENT hub: <host>: expected at most 10 redirects, got more\./,
    );
  });

  it('a renamed model is followed with the token', async () => {
    hub.add(id, content);
    hub.fail('old/name/revision/main', { location: `/api/models/${id}/revision/main` });
    await find('old/name', { env: env({ HF_TOKEN: hub.token }) }).catch(() => {});
    expect(hub.seen[1]).toMatchObject({
      path: `/api/models/${id}/revision/main`,
      authorization: `Bearer ${hub.token}`,
    });
  });

  it('for a moment is asked again, when it says', async () => {
    hub.add(id, content);
    hub.fail('revision/main', { status: 429, headers: { 'retry-after': '1' } }, { status: 503 });
    hub.fail(`large/${unetFile}`, { status: 500 });
    const started = performance.now();
    expect((await find()).name).toBe(id);
    expect(performance.now() - started).toBeGreaterThan(1400);
  });

  it('for long is believed', async () => {
    hub.add(id, content);
    hub.fail('revision/main', { status: 429, headers: { ratelimit: '"api";r=0;t=250' } });
    expect(await complaintOf(find())).toBe(
      'HUB_UNREACHABLE hub: <hub>: expected an answer, got status 429. Wait 250 s and try again; what is loaded is kept.',
    );
  });

  it('by not being there', async () => {
    const gone = await HubServer.start();
    const { endpoint } = gone;
    await gone[Symbol.asyncDispose]();
    expect(await complaintOf(find(id, { env: env({ HF_ENDPOINT: endpoint }) }))).toBe(
      `HUB_UNREACHABLE hub: ${endpoint.replace('127.0.0.1', '<host>').replace(/<host>:\d+/, '<host>')}: expected an answer, got ECONNREFUSED. Check the connection, or set HF_ENDPOINT to a mirror; what is loaded is kept.`,
    );
  });
});

describe('offline', () => {
  it('the cache is enough, and what it lacks is said', async () => {
    hub.add(id, content);
    const offline = { env: env({ HF_HUB_OFFLINE: '1' }) };
    expect(await complaintOf(find(id, offline))).toBe(
      'MODEL_NOT_FOUND hub: tiny/sd1: expected a folder of that name, or the whole model in <home>/hub, got neither, while offline. Name a folder that exists, or, while online, `maliang models pull` it.',
    );
    expect(await complaintOf(pullModel(id, offline))).toMatch(/^MODEL_NOT_FOUND/);
    expect(hub.seen).toEqual([]);
    const online = await find();
    expect(await find(id, offline)).toEqual(online);
    rmSync(join(online.path, unetFile));
    expect(await complaintOf(find(id, offline))).toMatch(/^MODEL_NOT_FOUND/);
    expect((await find()).path).toBe(online.path);
  });

  it('a snapshot without a file list is whole when its indexes say so', async () => {
    const { [unetFile]: _, ...rest } = content;
    const shards = ['1', '2'].map(
      (n) => `unet/diffusion_pytorch_model-0000${n}-of-00002.safetensors`,
    );
    const map = Object.fromEntries(shards.map((path) => [path, path.slice(5)]));
    hub.add(id, {
      ...rest,
      'unet/diffusion_pytorch_model.safetensors.index.json': JSON.stringify({ weight_map: map }),
      ...Object.fromEntries(shards.map((path) => [path, path])),
    });
    const model = await find();
    rmSync(join(repoFolder(), 'trees'), { recursive: true });
    expect(await find(id, { offline: true })).toEqual(model);
    rmSync(join(model.path, shards[1]!));
    expect(await complaintOf(find(id, { offline: true }))).toMatch(/^MODEL_NOT_FOUND/);
  });

  it('pull takes the newer state, resolve the cached one', async () => {
    hub.add(id, content);
    const old = await find();
    const commit = hub.add(id, { ...content, 'scheduler/scheduler_config.json': '{"new":1}' });
    expect(await find()).toEqual(old);
    hub.seen.length = 0;
    expect((await pullModel(id, { env: env() })).commit).toBe(commit);
    expect(hub.fetched()).toEqual(['scheduler/scheduler_config.json']);
    expect((await find(id, { offline: true })).commit).toBe(commit);
  });
});

describe('a model that has pickles only', () => {
  const pickles = (): RepoContent =>
    Object.fromEntries(
      Object.entries(content).map(([path, data]) => [path.replace(/\.safetensors$/, '.bin'), data]),
    );

  it('is read from the conversion that the hub’s robot made of them', async () => {
    const main = hub.add(id, pickles());
    hub.addConversion(id, { ...pickles(), ...content }, 3, { author: { name: 'mallory' } });
    const converted = hub.addConversion(id, { ...pickles(), ...content }, 2);
    hub.addConversion(id, { ...content, 'unet/diffusion_pytorch_model.bin': 'older' }, 5);
    const model = await find();
    expect(model).toMatchObject({
      commit: converted,
      warnings: ['tiny/sd1: main has pickles only; their conversion in refs/pr/2 is read.'],
    });
    expect(readFileSync(join(repoFolder(), 'refs/refs/pr/2'), 'utf8')).toBe(converted);
    expect(existsSync(join(repoFolder(), '.no_exist', main, unetFile))).toBe(true);
    const names = Object.keys(folderContentOf(repoFolder()));
    expect(names.filter((name) => name.endsWith('.bin'))).toEqual([]);
    expect(await find(id, { offline: true })).toEqual(model);
  });

  it('is refused when nobody converted it, or another revision is meant', async () => {
    hub.add(id, pickles());
    hub.add(id, pickles(), 'old');
    const message =
      /^MODEL_NOT_FOUND hub: tiny\/sd1@main: expected safetensors weights, got only pickles in .*unet.*, such as \S+\.bin\. Pickles can run code, so Maliang never reads them\. /;
    expect(await complaintOf(find())).toMatch(message);
    hub.addConversion(id, { ...pickles(), ...content }, 1, { status: 'closed' });
    expect(await complaintOf(find())).toMatch(message);
    hub.addConversion(id, { ...pickles(), ...content }, 2);
    expect(await complaintOf(find(`${id}@old`))).toMatch(
      /^MODEL_NOT_FOUND hub: tiny\/sd1@old: expected safetensors weights/,
    );
    expect(hub.fetched().filter((line) => line.includes('.bin'))).toEqual([]);
  });

  it('and no layout at all is refused by name', async () => {
    hub.add('tiny/old', { 'v1.ckpt': 'p' });
    expect(await complaintOf(find('tiny/old'))).toMatch(
      /^SAFETENSORS hub: tiny\/old\/v1\.ckpt: expected a safetensors file, got the name of a pickle/,
    );
    expect(await complaintOf(find('tiny/old/v1.ckpt'))).toMatch(
      /^SAFETENSORS hub: tiny\/old\/v1\.ckpt/,
    );
  });
});

describe('in one process', () => {
  it('two who want the same model load it once', async () => {
    hub.add(id, largeContent());
    hub.fail(`large/${unetFile}`, { everyMs: 20 });
    const waits: string[] = [];
    const [one, two] = await Promise.all([
      find(),
      find(id, { onWait: (file) => waits.push(file) }),
    ]);
    expect(one).toEqual(two);
    const large = hub.fetched().filter((line) => line.startsWith(unetFile));
    expect(large.length).toBe(2); // the hub’s redirect and the file itself
  });
});

function folderContentOf(folder: string): Record<string, Uint8Array> {
  const names = readdirSync(folder, { recursive: true }).map(String);
  const isThere = (name: string): boolean =>
    existsSync(join(folder, name)) && !lstatIsFolder(join(folder, name));
  return Object.fromEntries(
    names.filter(isThere).map((name) => [name, readFileSync(join(folder, name))]),
  );
}

/** The unet of a snapshot is this one; comparing megabytes item by item would take seconds. */
function expectSame(folder: string, files: Record<string, Uint8Array>): void {
  const found = readFileSync(join(folder, unetFile));
  expect(etagOf(unetFile, found)).toBe(etagOf(unetFile, files[unetFile]!));
}

function lstatIsFolder(path: string): boolean {
  return lstatSync(path).isDirectory();
}

/** Leaves the beginning of an unet file, as a process that was killed would. */
function leave(files: Record<string, Uint8Array>, bytes: number, named = files): void {
  const etag = etagOf(unetFile, named[unetFile]!);
  mkdirSync(join(repoFolder(), 'blobs'), { recursive: true });
  writeFileSync(
    join(repoFolder(), 'blobs', `${etag}.incomplete`),
    files[unetFile]!.subarray(0, bytes),
  );
}

/** Orders warnings as the components stand in model_index.json. */
function byOrderIn(files: Record<string, Uint8Array>): (a: string, b: string) => number {
  const order = Object.keys(JSON.parse(Buffer.from(files['model_index.json']!).toString()));
  const at = (text: string): number => order.findIndex((name) => text.includes(` ${name} has`));
  return (a, b) => at(a) - at(b);
}
