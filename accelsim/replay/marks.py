"""What is marked on each word before a tile runs: how often the tile uses it, what it waits for.

All arrays are int64; `uses` is a program's, five axes of moves and counts (see program.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def spread(uses):  # type: ignore[no-untyped-def]
    """Index of each word of a tile, how often the tile uses it: (words, 2), from its five axes."""
    words = 1
    for axis in uses:
        words *= len(axis)
    table = np.empty((words, 2), dtype=np.int64)
    if words == 0:
        return table
    table[0, 0], table[0, 1] = 0, 1
    done = 1
    for axis in uses:  # each multiplies what the axes before it gave; the last first, in place
        for word in range(done - 1, -1, -1):
            index, count = table[word]
            for other in range(len(axis) - 1, -1, -1):
                at = word * len(axis) + other
                table[at, 0], table[at, 1] = index + axis[other, 0], count * axis[other, 1]
        done *= len(axis)
    return table


@njit(cache=True)
def begin(uses, left, later):  # type: ignore[no-untyped-def]
    """Mark how often a tile uses each word, and that later tiles use its outputs so much less.

    Between tiles only words that stay have anything left.
    """
    for operand in range(3):
        words = left[operand]
        for word, count in spread(uses[operand]):
            words[word] = count if words[word] > 0 else -count
            if operand == 2:
                later[word] -= count


@njit(cache=True)
def await_tile(uses, last, number):  # type: ignore[no-untyped-def]
    """Mark that the words of an operand that the tile of this number uses wait for it."""
    for word, _ in spread(uses):
        last[word] = max(last[word], number)
