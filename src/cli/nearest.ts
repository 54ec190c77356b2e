/** @file Did-you-mean: edit distance with swaps of neighbours (optimal string alignment). */

/** Insertions, deletions, replacements and swaps of neighbours from one word to the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let best = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) best = Math.min(best, beforeLast[j - 2]! + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The word that `typed` was probably meant to be: one edit away, or two from long words. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  const lower = typed.toLowerCase();
  const ranked = words
    .map((word) => ({ word, distance: editDistance(lower, word) }))
    .filter(({ word, distance }) => distance <= (word.length > 6 ? 2 : 1))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.word;
}
