/** @file What a stream can show, told from the environment, and how the command was called. */
import { expect, it } from 'vitest';
import { captureTerminal } from '../../test/cli/captured-terminal.js';
import { previewKind } from './preview.js';

const tty = (env: NodeJS.ProcessEnv) => captureTerminal({ isTTY: true, env }).terminal;

it.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ TERM: 'dumb' }, true, false],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
  [{ FORCE_COLOR: 'false' }, true, false],
  [{ FORCE_COLOR: '1', NO_COLOR: '1' }, false, true],
])('%j on a terminal %s: colour %s', (env, isTTY, hasColour) => {
  const { terminal } = captureTerminal({ isTTY, env });
  expect(terminal.hasColour('stdout')).toBe(hasColour);
  expect(terminal.style('stdout', 'red', 'x')).toBe(hasColour ? '\u001b[31mx\u001b[0m' : 'x');
});

it.each([
  [{ TERM: 'xterm-kitty' }, 'kitty'],
  [{ KITTY_WINDOW_ID: '1' }, 'kitty'],
  [{ TERM_PROGRAM: 'ghostty' }, 'kitty'],
  [{ TERM_PROGRAM: 'iTerm.app' }, 'iterm2'],
  [{ TERM_PROGRAM: 'WezTerm' }, 'iterm2'],
  [{ LC_TERMINAL: 'iTerm2' }, 'iterm2'],
  [{ TERM: 'xterm-256color', COLORTERM: 'truecolor' }, 'half-blocks'],
  [{ KITTY_WINDOW_ID: '1', TMUX: '/tmp/t', COLORTERM: '24bit' }, 'half-blocks'],
  [{ TERM: 'xterm-256color' }, undefined],
  [{ COLORTERM: 'truecolor', NO_COLOR: '1' }, undefined],
  [{ COLORTERM: 'truecolor', TERM: 'dumb' }, undefined],
])('%j shows pictures as %s', (env, kind) => {
  expect(previewKind(tty(env))).toBe(kind);
  expect(previewKind(captureTerminal({ env: { ...env, FORCE_COLOR: '3' } }).terminal)).toBe(
    undefined,
  );
});

it('a log and a CI job get no line drawn over', () => {
  expect(tty({}).isAnimated).toBe(true);
  expect(tty({ CI: 'true' }).isAnimated).toBe(false);
  expect(captureTerminal().terminal.isAnimated).toBe(false);
});

it.each([
  ['/usr/local/bin/maliang', {}, 'maliang'],
  ['/x/node_modules/.bin/maliang', { npm_command: 'exec' }, 'npx maliang'],
  ['/project/dist/cli.js', {}, 'node dist/cli.js'],
  ['/a b/cli.js', {}, "node '/a b/cli.js'"],
])('%s %j is called again as %s', (script, env, program) => {
  expect(captureTerminal({ script, env }).terminal.say('program')).toBe(program);
});

it('writes results to stdout and the rest to stderr', () => {
  const { terminal, stdout, stderr } = captureTerminal();
  terminal.print('result');
  terminal.note('remark');
  expect([stdout(), stderr()]).toEqual(['result\n', 'remark\n']);
});
