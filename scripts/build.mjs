/** @file Compiles src/ to dist/ with declarations; quick, idempotent, never leaves dist/ half-written. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
if (!existsSync(join(root, 'src'))) process.exit(0); // an installed package ships dist/ only
const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
const fresh = join(root, `.dist-${process.pid}`);
const result = spawnSync(
  process.execPath,
  [tsc, '-p', join(root, 'tsconfig.json'), '--outDir', fresh],
  { stdio: 'inherit' },
);
if (result.status === 0) {
  const cli = join(fresh, 'cli.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  renameSync(fresh, join(root, 'dist'));
}
rmSync(fresh, { recursive: true, force: true });
process.exit(result.status ?? 1);
