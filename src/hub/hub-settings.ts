/** @file Where the hub is, where its cache lies and who asks: the environment variables of huggingface_hub. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { complain } from '../core/errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface HubSettings {
  /** Folder of the cache, such as `~/.cache/huggingface/hub`. */
  readonly cacheFolder: string;
  /** Without a slash at the end, such as `https://huggingface.co`. */
  readonly endpoint: string;
  /** Undefined when nobody is logged in, or when the token is not to be sent. */
  readonly token: string | undefined;
  /** No request is made. */
  readonly isOffline: boolean;
  /** Files are moved or copied into snapshots instead of linked. */
  readonly avoidsLinks: boolean;
  /** How long a request may wait for its answer. */
  readonly answerTimeoutMs: number;
  /** How long a download may stand still. */
  readonly stallTimeoutMs: number;
}

const defaultEndpoint = 'https://huggingface.co';
const defaultTimeoutSeconds = 10;

/** Reads the environment and, if no variable holds one, the token file. Throws CONFIG. */
export async function readHubSettings(env: Environment = process.env): Promise<HubSettings> {
  return {
    cacheFolder: hubCacheFolder(env),
    endpoint: endpointOf(env),
    token: await tokenOf(env),
    isOffline: isOn(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    avoidsLinks: isOn(env.HF_HUB_DISABLE_SYMLINKS),
    answerTimeoutMs: seconds(env.HF_HUB_ETAG_TIMEOUT) * 1000,
    stallTimeoutMs: seconds(env.HF_HUB_DOWNLOAD_TIMEOUT) * 1000,
  };
}

/** HF_HUB_CACHE, its old name, or the folder `hub` below HF_HOME. */
export function hubCacheFolder(env: Environment = process.env): string {
  const given = env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE;
  return expanded(given ?? join(homeOf(env), 'hub'), env);
}

/** HF_HOME, or the folder `huggingface` below XDG_CACHE_HOME or ~/.cache. */
function homeOf(env: Environment): string {
  const caches = env.XDG_CACHE_HOME ?? join(userFolder(env), '.cache');
  return expanded(env.HF_HOME ?? join(caches, 'huggingface'), env);
}

function userFolder(env: Environment): string {
  return env.HOME || homedir();
}

/** `~` and variables, as a shell would read them; unknown variables stay as they are. */
function expanded(path: string, env: Environment): string {
  return path
    .replace(/^~(?=$|[\\/])/, () => userFolder(env))
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (slot, bare?: string, braced?: string) => {
      return env[(bare ?? braced)!] ?? slot;
    });
}

function endpointOf(env: Environment): string {
  const text = (env.HF_ENDPOINT || defaultEndpoint).replace(/\/+$/, '');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && !url.username && !url.password && !url.search && !url.hash;
  if (isPlain && /^https?:$/.test(url.protocol)) return text;
  throw complain('CONFIG', {
    where: 'HF_ENDPOINT',
    expected: 'an address such as https://hf-mirror.com',
    got: JSON.stringify(text.replace(/\/\/[^/]*@/, '//…@').slice(0, 80)),
  });
}

async function tokenOf(env: Environment): Promise<string | undefined> {
  if (isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const given = cleaned('HF_TOKEN', env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN);
  if (given !== undefined) return given;
  const file = expanded(env.HF_TOKEN_PATH ?? join(homeOf(env), 'token'), env);
  return cleaned(file, await readFile(file, 'utf8').catch(() => undefined));
}

/** Without line breaks and spaces around; the value itself never enters a message. */
function cleaned(where: string, text: string | undefined): string | undefined {
  const token = text?.replace(/[\r\n]/g, '').trim();
  if (!token) return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const got = 'other characters';
  throw complain('CONFIG', { where, expected: 'a token of printable ASCII', got });
}

function isOn(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/i.test(value ?? '');
}

function seconds(value: string | undefined): number {
  const given = Number(value);
  return given > 0 && given < 100_000 ? given : defaultTimeoutSeconds;
}
