/**
 * @file The cache is one with that of huggingface_hub and diffusers, in both directions. Runs where
 * MALIANG_PYTHON names a Python that has them; see tools/reference/requirements.txt.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { listCachedModels } from '../../src/hub/cached-models.js';
import { resolveModel } from '../../src/hub/resolve-model.js';
import { collect, plainEnv } from '../cli/run-cli.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { folderContent, HubServer } from './hub-server.js';

const python = process.env.MALIANG_PYTHON;
const id = 'tiny/sd1';
const unetFile = 'unet/diffusion_pytorch_model.safetensors';

describe.skipIf(!python)('huggingface_hub', () => {
  vi.setConfig({ testTimeout: 300_000 });
  let reference: ReferenceFolder;
  let content: Record<string, Uint8Array>;
  let hub: HubServer;
  let home: string;
  let commit: string;
  beforeAll(() => {
    reference = referenceFolder('sd1');
    content = folderContent(reference.path);
  });
  afterAll(() => reference[Symbol.dispose]());
  beforeEach(async () => {
    hub = await HubServer.start();
    commit = hub.add(id, content);
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
  /** What a script prints as JSON. */
  async function ask(script: string, extra: Record<string, string> = {}): Promise<unknown> {
    const all = plainEnv({
      ...env(extra),
      HF_HUB_DISABLE_PROGRESS_BARS: '1',
      HF_HUB_DISABLE_XET: '1',
    });
    const { exitCode, stdout, stderr } = await collect(python!, ['-c', script], {
      cwd: home,
      env: all,
    });
    expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  }
  const snapshotOf = (path: string): string[] =>
    readdirSync(path, { recursive: true }).map(String).sort();

  it('finds what Maliang downloaded, and its scan calls it sound', async () => {
    const model = await resolveModel(id, { env: env() });
    const found = await ask(
      `import json, huggingface_hub as h
info = h.scan_cache_dir()
[repo] = info.repos
[revision] = repo.revisions
print(json.dumps({
  "file": h.try_to_load_from_cache("${id}", "${unetFile}"),
  "snapshot": h.snapshot_download("${id}", local_files_only=True, allow_patterns=["*.json", "*.txt", "*.safetensors"]),
  "warnings": [str(w) for w in info.warnings], "partial": len(info.incomplete_files),
  "id": repo.repo_id, "refs": sorted(revision.refs), "size": repo.size_on_disk,
}))`,
      { HF_HUB_OFFLINE: '1' },
    );
    const [listed] = await listCachedModels(join(home, 'hub'));
    expect(found).toEqual({
      file: join(model.path, unetFile),
      snapshot: model.path,
      warnings: [],
      partial: 0,
      id,
      refs: ['main'],
      size: listed!.sizeBytes,
    });
  });

  it('online, downloads none of it again', async () => {
    const model = await resolveModel(id, { env: env() });
    hub.seen.length = 0;
    expect(
      await ask(`import json, huggingface_hub as h
print(json.dumps(h.snapshot_download("${id}")))`),
    ).toBe(model.path);
    expect(hub.seen.filter(({ host }) => host === 'files')).toEqual([]);
  });

  it('downloads what Maliang finds, without asking anybody', async () => {
    const path = await ask(`import json, huggingface_hub as h
print(json.dumps(h.snapshot_download("${id}")))`);
    hub.seen.length = 0;
    expect(await resolveModel(id, { env: env() })).toMatchObject({ path, commit });
    rmSync(join(home, 'hub/models--tiny--sd1/trees'), { recursive: true, force: true });
    expect(await resolveModel(id, { env: env(), offline: true })).toMatchObject({ path, commit });
    expect(hub.seen).toEqual([]);
  });

  it('each completes what the other has begun', async () => {
    await ask(`import json, huggingface_hub as h
print(json.dumps(h.hf_hub_download("${id}", "${unetFile}")))`);
    hub.seen.length = 0;
    const model = await resolveModel(id, { env: env() });
    expect(hub.fetched().filter((line) => line.startsWith(unetFile))).toEqual([]);
    expect(readFileSync(join(model.path, unetFile)).equals(Buffer.from(content[unetFile]!))).toBe(
      true,
    );
    const files = snapshotOf(model.path);
    expect(
      await ask(`import json, huggingface_hub as h
print(json.dumps(h.snapshot_download("${id}")))`),
    ).toBe(model.path);
    expect(snapshotOf(model.path)).toEqual(files);
  });

  it('where links are unwanted, both copy', async () => {
    const model = await resolveModel(id, { env: env({ HF_HUB_DISABLE_SYMLINKS: '1' }) });
    const script = `import json, huggingface_hub as h
print(json.dumps(h.snapshot_download("${id}", local_files_only=True)))`;
    expect(await ask(script, { HF_HUB_DISABLE_SYMLINKS: '1' })).toBe(model.path);
  });

  it('diffusers loads, offline, what Maliang downloaded', async () => {
    const model = await resolveModel(id, { env: env() });
    const loaded = await ask(
      `import json, diffusers
pipe = diffusers.DiffusionPipeline.from_pretrained("${id}")
print(json.dumps([type(pipe).__name__, pipe.config._name_or_path]))`,
      { HF_HUB_OFFLINE: '1' },
    );
    expect(loaded).toEqual(['StableDiffusionPipeline', id]);
    expect(snapshotOf(model.path).length).toBeGreaterThan(0);
  });
});
