/** @file Errors as users meet them: one message, an exit code, a stack only for debugging. */
import { describe, expect, it } from 'vitest';
import { captureTerminal } from '../../test/cli/captured-terminal.js';
import { complain, type ErrorCode, errorTable } from '../core/errors.js';
import { reportError } from './report-error.js';

const codes = Object.keys(errorTable) as ErrorCode[];
const report = (error: unknown, env: NodeJS.ProcessEnv = {}) => {
  const { terminal, stdout, stderr } = captureTerminal({ env });
  const exitCode = reportError(error, terminal);
  expect(stdout()).toBe('');
  return { exitCode, stderr: stderr() };
};

it.each(codes)('%s ends with its exit code', (code) => {
  const error = complain(code, { where: 'place', expected: 'this', got: 'that' });
  const { exitCode, stderr } = report(error);
  expect(exitCode).toBe(errorTable[code].exitCode);
  expect(stderr.split('\n')[0]).toBe(
    `error: place: expected this, got that. ${errorTable[code].cure}`,
  );
  expect(stderr).not.toMatch(/^\s+at /m);
});

describe('a bug', () => {
  const bug = new TypeError('x is not a function', { cause: new Error('deeper') });

  it('says so without a stack', () => {
    expect(report(bug)).toEqual({
      exitCode: 1,
      stderr:
        'error: internal: command: x is not a function\n' +
        'Set MALIANG_DEBUG=1 to see where it happened, and report it.\n',
    });
    expect(report('thrown text').stderr).toContain('internal: command: thrown text\n');
  });

  it('shows the stacks of all causes when asked', () => {
    const { stderr } = report(bug, { MALIANG_DEBUG: '1' });
    expect(stderr).toMatch(/^\s+at .*report-error\.test\.ts/m);
    expect(stderr).toMatch(/^caused by: Error: deeper$/m);
    expect(stderr).not.toContain('Set MALIANG_DEBUG');
  });
});

it('Chinese first says what the code means', () => {
  const error = complain('DISK_FULL', { where: 'write a.png', expected: 'space', got: 'ENOSPC' });
  expect(report(error, { LANG: 'zh_CN.UTF-8' }).stderr).toBe(
    '错误: 磁盘已满；没有留下写了一半的文件。请腾出空间或换一个文件夹。\n' +
      `  write a.png: expected space, got ENOSPC. ${errorTable.DISK_FULL.cure}\n`,
  );
});

it('messages cannot steer the terminal', () => {
  const error = complain('CONFIG', { where: '\u001b[2Jx', expected: 'a', got: 'b\u0007' });
  expect(report(error).stderr).toContain('error: \\x1b[2Jx: expected a, got b\\x07.');
});
