/** @file Progress: time left, one drawn line in terminals, few lines in logs. */
import { expect, it } from 'vitest';
import { captureTerminal } from '../../test/cli/captured-terminal.js';
import { sayIn } from './messages.js';
import { duration, Progress } from './progress.js';

const clock = () => {
  let now = 0;
  const pass = (ms: number): void => {
    now += ms;
  };
  return { now: () => now, pass };
};

it('draws over one line, with bar, share and time left, and takes it away', () => {
  const { terminal, stderr, stdout } = captureTerminal({ isTTY: true, columns: 100 });
  const { now, pass } = clock();
  const progress = new Progress(terminal, 10_000, now);
  progress.report({ label: 'drawing', done: 0, total: 4 });
  pass(1000);
  progress.report({ label: 'drawing', done: 1, total: 4, detail: 'loss 0.5' });
  pass(10);
  progress.report({ label: 'drawing', done: 2, total: 4 }); // too soon to draw again
  progress.clear();
  progress.clear();
  expect(stderr().split('\r\u001b[K')).toEqual([
    '',
    'drawing  ░░░░░░░░░░░░░░░░░░░░  0%',
    'drawing  █████░░░░░░░░░░░░░░░  25%  loss 0.5  3 s left',
    '',
  ]);
  expect(stdout()).toBe('');
});

it('what came before the first step is not part of the pace', () => {
  const { terminal, stderr } = captureTerminal({ isTTY: true, columns: 40 });
  const { now, pass } = clock();
  const progress = new Progress(terminal, 10_000, now);
  progress.report({ label: 'loading', done: 0, total: 0 });
  pass(5000);
  progress.report({ label: 'x', done: 1, total: 5 });
  pass(1000);
  progress.report({ label: 'x', done: 2, total: 5 });
  expect(stderr().split('\r\u001b[K').slice(1)).toEqual(['loading', 'x  20%', 'x  40%  3 s left']);
});

it('shows the end even when it comes soon, and no bar in narrow terminals', () => {
  const { terminal, stderr } = captureTerminal({ isTTY: true, columns: 40 });
  const { now, pass } = clock();
  const progress = new Progress(terminal, 10_000, now);
  progress.report({ label: 'loading', done: 0, total: 0 });
  pass(1);
  progress.report({ label: 'drawing', done: 2, total: 2 });
  expect(stderr()).toBe('\r\u001b[Kloading\r\u001b[Kdrawing  100%');
});

it('a log gets nothing from short work and a line now and then from long work', () => {
  const { terminal, stderr } = captureTerminal();
  const { now, pass } = clock();
  const progress = new Progress(terminal, 10_000, now);
  for (let done = 0; done <= 25; done++) {
    progress.report({ label: 'drawing', done, total: 100 });
    pass(1000);
  }
  progress.clear();
  expect(stderr()).toBe('drawing  10%  1 min 30 s left\ndrawing  20%  1 min 20 s left\n');
});

it('a resumed run is timed from where it began', () => {
  const { terminal, stderr } = captureTerminal();
  const { now, pass } = clock();
  const progress = new Progress(terminal, 5000, now);
  progress.report({ label: 'x', done: 900, total: 1000 });
  pass(5000);
  progress.report({ label: 'x', done: 950, total: 1000 });
  expect(stderr()).toBe('x  95%  5 s left\n');
});

it.each([
  [0, '0 s', '0 秒'],
  [59_001, '1 min 0 s', '1 分 0 秒'],
  [8_000, '8 s', '8 秒'],
  [7_260_000, '2 h 1 min', '2 小时 1 分'],
])('%d ms is %s', (ms, english, chinese) => {
  expect(duration(ms, sayIn('en', ''))).toBe(english);
  expect(duration(ms, sayIn('zh', ''))).toBe(chinese);
});
