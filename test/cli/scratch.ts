/** @file A folder of its own for each test, gone afterwards. */
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import type { CliResult } from './run-cli.js';

/** The folder of the running test. */
export function useScratchFolder(): () => string {
  let folder = '';
  vi.setConfig({ testTimeout: 240_000 }); // several processes each, and machines may be busy
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'maliang-cli-')));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  return () => folder;
}

/** Every file below, hidden ones too. */
export function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** A failure as users should meet it: this exit code, a line on stderr, no stack, no result. */
export function expectFailure(result: CliResult, exitCode: number, message: string | RegExp): void {
  expect(withoutProgress(result.stderr)).toMatch(/^(training .*\n)?error: .*\n$/);
  if (typeof message === 'string') expect(result.stderr).toContain(message);
  else expect(result.stderr).toMatch(message);
  expect(result.stderr).not.toMatch(/^\s+at .*:\d+/m);
  expect(result).toMatchObject({ exitCode, signal: null, stdout: '' });
}

/** Stderr without the lines that slow runs add. */
export function withoutProgress(stderr: string): string {
  return stderr.replace(/^(drawing|downloading) .*%.*\n/gm, '');
}

/** Nothing in the text may steer a terminal; line breaks may. */
export function expectNoControl(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
}
