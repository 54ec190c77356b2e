/**
 * @file How tests of exactness load models: MALIANG_FIDELITY_REWRITES=all takes every rewrite and prepares every weight at
 * these sizes, where it is slower, and `none` takes none.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { RewriteMode } from '../src/graph/rewrites/for-inference.js';
import type { PreparedSettings } from '../src/runtime/prepared-settings.js';

/** Options of `TextToImage.fromPretrained`. */
export const rewriting = rewritingOf(process.env.MALIANG_FIDELITY_REWRITES);

function rewritingOf(mode: string | undefined): {
  readonly rewrites?: RewriteMode;
  readonly prepared?: PreparedSettings;
} {
  if (!mode) return {};
  const folder = mkdtempSync(join(tmpdir(), 'maliang-forced-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const prepared = { folder, limitBytes: 2 ** 31, fromBytes: 0, partBytes: 0 };
  return { rewrites: mode as RewriteMode, prepared };
}
