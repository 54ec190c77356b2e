/** @file What the system knows about processes: whether they run, how much memory they hold. */
import { spawnSync } from 'node:child_process';

/** False for processes that are gone, and for dead ones that nobody has collected yet. */
export function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', `${pid}`], { encoding: 'utf8' });
  return /^[^Z\s]/.test(stdout.trim());
}

/** Process ids of the engine children a process has. */
export function enginesOf(parent: number): number[] {
  const options = ['-P', `${parent}`, '-f', 'runtime/host\\.js'];
  const { stdout } = spawnSync('pgrep', options, { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** Resident kibibytes of all these processes together. */
export function residentKib(pids: readonly number[]): number {
  const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', pids.join()], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0);
}

/** The middle of a list of numbers. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
