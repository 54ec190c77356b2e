/** @file The one check of counts that callers choose. */
import { complain } from '../core/errors.js';

/** Throws USAGE unless `value` is a whole number in the range, both ends included. */
export function requireWhole(
  where: string,
  value: number,
  [min, max]: readonly [number, number],
): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const expected = `a whole number from ${min} to ${max}`;
  throw complain('USAGE', { where, expected, got: `${value}`, next: 'Change it.' });
}
