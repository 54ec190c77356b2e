/** @file Long computations cut into pieces: a generator yields wherever the event loop may take a turn. */
import { setImmediate as turn } from 'node:timers/promises';

/** A computation that says, by yielding, where it can be interrupted. */
export type InPieces<T> = Generator<undefined, T, undefined>;

/** Items of a long list between two pieces. */
export const itemsPerPiece = 256;

/** Well below what a person or a server notices. */
const pieceMs = 8;

/** All pieces, one after the other. */
export function atOnce<T>(work: InPieces<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** `items.map(work)` in pieces. */
export function* mapping<A, B>(
  items: Iterable<A>,
  work: (item: A, index: number) => B,
): InPieces<B[]> {
  const results: B[] = [];
  for (const item of items) {
    if (results.push(work(item, results.length)) % itemsPerPiece === 0) yield;
  }
  return results;
}

/** A turn of the event loop after every 8 ms or so of work. */
export async function inTurns<T>(work: InPieces<T>): Promise<T> {
  let started = performance.now();
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - started < pieceMs) continue;
    await turn();
    started = performance.now();
  }
}
