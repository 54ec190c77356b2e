/** @file The environment variables of huggingface_hub, in its order. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hubCacheFolder, readHubSettings } from './hub-settings.js';

const home = mkdtempSync(join(tmpdir(), 'maliang-settings-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const read = (env: Record<string, string>) => readHubSettings({ HOME: home, ...env });

it('knows the defaults', async () => {
  expect(await read({})).toEqual({
    cacheFolder: join(home, '.cache/huggingface/hub'),
    endpoint: 'https://huggingface.co',
    token: undefined,
    isOffline: false,
    avoidsLinks: false,
    answerTimeoutMs: 10_000,
    stallTimeoutMs: 10_000,
  });
});

describe('the cache', () => {
  it.each<[Record<string, string>, string]>([
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/c' }, '/c'],
    [{ HF_HOME: '~/hf' }, join(home, 'hf/hub')],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as in a shell
    [{ HF_HUB_CACHE: '$DISK/hf/${NAME}', DISK: '/d', NAME: 'n' }, '/d/hf/n'],
    [{ HF_HUB_CACHE: '/a/$UNKNOWN' }, '/a/$UNKNOWN'],
  ])('%j', (env, folder) => {
    expect(hubCacheFolder({ HOME: home, ...env })).toBe(folder);
  });
});

it('reads switches and times', async () => {
  for (const on of ['1', 'true', 'YES', 'On']) {
    expect((await read({ HF_HUB_OFFLINE: on })).isOffline).toBe(true);
  }
  expect((await read({ HF_HUB_OFFLINE: '0' })).isOffline).toBe(false);
  expect((await read({ TRANSFORMERS_OFFLINE: '1' })).isOffline).toBe(true);
  const times = await read({ HF_HUB_ETAG_TIMEOUT: '3', HF_HUB_DOWNLOAD_TIMEOUT: '60' });
  expect(times).toMatchObject({ answerTimeoutMs: 3000, stallTimeoutMs: 60_000 });
});

describe('the token', () => {
  const file = join(home, 'elsewhere');
  writeFileSync(file, ' hf_file\r\n');

  it.each<[Record<string, string>, string | undefined]>([
    [{ HF_TOKEN: 'hf_a\n', HF_TOKEN_PATH: file }, 'hf_a'],
    [{ HUGGING_FACE_HUB_TOKEN: 'hf_old', HF_TOKEN_PATH: file }, 'hf_old'],
    [{ HF_TOKEN: '', HF_TOKEN_PATH: file }, 'hf_file'],
    [{ HF_TOKEN_PATH: join(home, 'nothing') }, undefined],
    [{ HF_TOKEN: 'hf_a', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, undefined],
  ])('%j', async (env, token) => {
    expect((await read(env)).token).toBe(token);
  });

  it('is never shown, not even a broken one', async () => {
    const broken = read({ HF_TOKEN: 'hf_geheim ü' });
    await expect(broken).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: HF_TOKEN: expected a token of printable ASCII, got other characters. Correct the field the message names.]`,
    );
  });
});

describe('the address', () => {
  it.each([
    ['https://hf-mirror.com/', 'https://hf-mirror.com'],
    ['http://127.0.0.1:8080/hf//', 'http://127.0.0.1:8080/hf'],
  ])('%s', async (given, endpoint) => {
    expect((await read({ HF_ENDPOINT: given })).endpoint).toBe(endpoint);
  });

  it.each(['hf-mirror.com', 'file:///etc', 'https://user:pw@hub', 'https://hub/?a=1'])(
    'refuses %s',
    async (given) => {
      const refused = read({ HF_ENDPOINT: given });
      await expect(refused).rejects.toMatchObject({ code: 'CONFIG' });
      await expect(refused).rejects.not.toThrow(/pw/);
    },
  );
});
