/** @file The loss log across resumed, crashed and full runs. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { appendLoss, type StepReport, trimLossLog } from './loss-log.js';

const folder = mkdtempSync(join(tmpdir(), 'maliang-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'loss.jsonl');

const report = (step: number): StepReport => ({
  step,
  totalSteps: 9,
  images: step * 4,
  values: { loss: 1 / step },
  learningRate: 0.1,
  gradientNorm: 1,
  stepMs: 5,
  elapsedMs: step * 5,
});
const stepsIn = (): number[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as StepReport).step);

it('keeps the steps of the checkpoint and drops later ones', async () => {
  for (const step of [1, 2, 3, 4]) appendLoss(path, report(step));
  await trimLossLog(path, 9);
  expect(stepsIn()).toEqual([1, 2, 3, 4]);
  await trimLossLog(path, 2);
  appendLoss(path, report(3));
  expect(stepsIn()).toEqual([1, 2, 3]);
  expect(readdirSync(folder)).toEqual(['loss.jsonl']);
});

it('drops a line that a crash cut short, and lines that are no reports', async () => {
  const whole = `${JSON.stringify(report(1))}\n`;
  writeFileSync(path, `${whole}null\n{"step":"2"}\n${JSON.stringify(report(2)).slice(0, 20)}`);
  await trimLossLog(path, 9);
  expect(readFileSync(path, 'utf8')).toBe(whole);
});

it('does without a log', async () => {
  await trimLossLog(join(folder, 'none'), 9);
  expect(existsSync(join(folder, 'none'))).toBe(false);
});

it.skipIf(!existsSync('/dev/full'))('says that the disk is full', () => {
  expect(() => appendLoss('/dev/full', report(1))).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: write /dev/full: expected free space, got ENOSPC. Free some space or choose another folder.]`,
  );
});
