"""Choices for every pair of values of two factors, as few as a greedy search finds."""

import itertools
import random


def pairs_of(choice):
    """The pairs one full choice covers; a choice maps factors to value indices."""
    return {frozenset(pair) for pair in itertools.combinations(sorted(choice.items()), 2)}


def all_pairs(factors, is_valid, seed=1, tries=40):
    """Full choices covering every pair some valid choice covers, and the pairs no try could cover.

    `factors` maps names to lists of values; `is_valid(choice)` is asked for full choices of value indices.
    """
    rng = random.Random(seed)
    names = list(factors)
    wanted = [
        ((a, i), (b, j))
        for a, b in itertools.combinations(names, 2)
        for i in range(len(factors[a]))
        for j in range(len(factors[b]))
    ]
    rng.shuffle(wanted)
    covered, chosen, missed = set(), [], []
    for first, second in wanted:
        if frozenset((first, second)) in covered:
            continue
        candidates = []
        for _ in range(tries):
            choice = {name: rng.randrange(len(factors[name])) for name in names}
            choice.update(dict([first, second]))
            candidates.append(choice)
        candidates.sort(key=lambda choice: -len(pairs_of(choice) - covered))
        best = next((choice for choice in candidates if is_valid(choice)), None)
        if best is None:
            missed.append((first, second))
        else:
            chosen.append(best)
            covered |= pairs_of(best)
    return chosen, missed
