/** @file Seeds as `--json` writes them. */

/** JSON readers take numbers above 2⁵³ − 1 for others. */
export function jsonSeed(seed: number | bigint): number | string {
  return typeof seed === 'bigint' ? `${seed}` : seed;
}
