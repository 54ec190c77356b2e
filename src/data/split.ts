/** @file The hold-out: 3 % of the concepts, chosen by hash, near-duplicates kept together. */
import { evaluationPrompts } from './evaluation-prompts.js';
import { hashText } from './shuffle.js';

/** Share of split groups that training never sees. */
export const heldOutShare = 0.03;
/** Chosen so that common words stay in training. */
const salt = 'maliang pictograms 1516';

const evaluated = new Set(evaluationPrompts.map(({ conceptId }) => conceptId));

/** Whether a hash holds the group out; depends on its name alone. */
export function isGroupHeldOut(splitGroup: string): boolean {
  return hashText(`${salt}/${splitGroup}`) < heldOutShare * 2 ** 32;
}

/**
 * For each concept whether it is held out, given the group of each. A group with a concept of the
 * evaluation prompts always trains.
 */
export function holdOut(ids: readonly string[], groups: readonly string[]): boolean[] {
  const trained = new Set(groups.filter((_, at) => evaluated.has(ids[at]!)));
  return groups.map((group) => !trained.has(group) && isGroupHeldOut(group));
}

/**
 * Merges items that share a family or are named in `pairs`. Returns for each item the family name
 * of its group: the smallest of its members' in code-unit order.
 */
export function splitGroups(
  families: readonly string[],
  pairs: readonly (readonly [number, number])[],
): string[] {
  const parents = families.map((_, index) => index);
  const rootOf = (index: number): number => {
    let root = index;
    while (parents[root] !== root) root = parents[root]!;
    parents[index] = root;
    return root;
  };
  const merge = (a: number, b: number): void => {
    parents[rootOf(a)] = rootOf(b);
  };
  const firstOf = new Map<string, number>();
  for (const [index, family] of families.entries()) {
    merge(index, firstOf.get(family) ?? index);
    if (!firstOf.has(family)) firstOf.set(family, index);
  }
  for (const [a, b] of pairs) merge(a, b);

  const smallest = new Map<number, string>();
  for (const [index, family] of families.entries()) {
    const root = rootOf(index);
    const known = smallest.get(root);
    if (known === undefined || family < known) smallest.set(root, family);
  }
  return families.map((_, index) => smallest.get(rootOf(index))!);
}
