/** @file The compiled package that tests of the command run, refused when it is older than the sources. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** `dist/`, or the folder named by MALIANG_DIST relative to the repository. */
export const dist = join(root, process.env.MALIANG_DIST ?? 'dist');

const modified = (path: string): number =>
  statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;

function modules(folder: string, extension: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(extension) && !/\.(test|d)\.ts$/.test(path))
    .map((path) => path.slice(0, -extension.length));
}

/** What is stale about a build; empty when every module is compiled and none is left over. */
export function staleness(sources: string, compiled: string): string[] {
  const wanted = modules(sources, '.ts');
  const found = statSync(compiled, { throwIfNoEntry: false }) ? modules(compiled, '.js') : [];
  return [
    ...wanted
      .filter(
        (path) => modified(join(compiled, `${path}.js`)) < modified(join(sources, `${path}.ts`)),
      )
      .map((path) => `${path}.js is missing or older than ${path}.ts`),
    ...found.filter((path) => !wanted.includes(path)).map((path) => `${path}.js has no source`),
  ];
}

let isFresh = false;

/** Throws when tests would run an old build; looked at once. */
export function requireFreshBuild(): void {
  if (isFresh) return;
  const stale = staleness(join(root, 'src'), dist);
  isFresh = stale.length === 0;
  if (isFresh) return;
  throw new Error(
    `dist: expected the compiled sources, got ${stale.length} stale files, first: ${stale[0]}. Run \`npm run build\`.`,
  );
}
