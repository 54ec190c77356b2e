/** @file The version of the package. */
import { readFileSync } from 'node:fs';

/** As the package.json above this folder says. */
export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
