/** @file Paths as they are written into pictures: the home folder, which has a person's name, as ~. */
import { homedir } from 'node:os';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';

/** An absolute path; `~/…` below the home folder. */
export function writtenPath(path: string): string {
  const whole = resolve(path);
  const below = relative(homedir(), whole);
  const isBelow = below !== '' && !below.startsWith('..') && !isAbsolute(below);
  return isBelow ? ['~', ...below.split(sep)].join('/') : whole;
}

/**
 * The path a picture names, on this machine. Undefined for network paths: opening one would tell a
 * stranger's server who looks at the picture.
 */
export function readPath(written: string): string | undefined {
  if (/^[\\/]{2}/.test(written)) return undefined;
  return written.startsWith('~/') ? join(homedir(), written.slice(2)) : written;
}
