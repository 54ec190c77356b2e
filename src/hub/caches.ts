/** @file Where Maliang keeps what it has computed once: MALIANG_CACHE, or `maliang` in the user's caches. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Absolute path; the folder may not be there yet. */
export function cachesFolder(env: Environment = process.env): string {
  return resolve(env.MALIANG_CACHE || join(userCaches(env), 'maliang'));
}

function userCaches(env: Environment): string {
  const home = env.HOME || homedir();
  if (env.XDG_CACHE_HOME) return env.XDG_CACHE_HOME;
  if (process.platform === 'darwin') return join(home, 'Library', 'Caches');
  if (process.platform === 'win32') return env.LOCALAPPDATA || join(home, 'AppData', 'Local');
  return join(home, '.cache');
}
