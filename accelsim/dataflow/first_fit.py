"""In which place each word waits for its next use, for every number of places at once.

A word that a tile is done with takes a place if one is free and a later tile uses it, and leaves it
there, or takes it again. Number the places, and let each word take the lowest free one. Whether
that is one of the first x does not depend on the places above: words that wait there neither take
nor leave any of the first x, and a word finds one of x places free if and only if the lowest free
one of all is among them. So of every number of places one count says what they keep: the words that
wait in the first x.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

from accelsim.workload.layer import Int64


def waiting_places(words: Int64, most: int) -> Int64:
    """The place, from 0, where the word of each visit waits for its next visit.

    words: of each visit, in the order in which they end. `most` stands for no place, of so many
    none being free, and -1 for no next visit.
    """
    if not len(words):
        return words
    places: Int64 = _waiting_places(words, most)
    return places


def kept(places: Int64, most: int) -> Int64:
    """How many visits' words 1, 2, ... `most` places keep up to their next visit."""
    counts = np.bincount(places[places >= 0], minlength=most)[:most]
    return np.cumsum(counts)


@njit(cache=True)
def _waiting_places(words, most):  # type: ignore[no-untyped-def]
    last = np.zeros(words.max() + 1, np.int64)
    for at in range(len(words)):
        last[words[at]] = at
    place_of = np.full(len(last), -1)
    found = np.full(len(words), -1)
    left = [0]  # a heap of the places that words have left
    left.pop()
    ever = 0  # places that any word has taken
    for at in range(len(words)):
        word = words[at]
        if place_of[word] >= 0:
            heapq.heappush(left, place_of[word])
            place_of[word] = -1
        if last[word] == at:
            continue
        found[at] = most
        if left:
            found[at] = place_of[word] = heapq.heappop(left)
        elif ever < most:
            found[at] = place_of[word] = ever
            ever += 1
    return found
