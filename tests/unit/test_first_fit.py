"""One count says what every number of places keeps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from accelsim.dataflow.first_fit import kept, waiting_places


def kept_by(words: list[int], places: int) -> int:
    """First come, first kept: words with a later visit take one of so many places."""
    waiting: set[int] = set()
    count = 0
    for at, word in enumerate(words):
        waiting.discard(word)
        if word in words[at + 1 :] and len(waiting) < places:
            waiting.add(word)
            count += 1
    return count


def test_a_word_takes_the_lowest_free_place():
    """0 waits in the first place, 1 in the second; 2 takes the first as soon as 0 is done."""
    words = np.array([0, 1, 0, 2, 1, 2])
    assert waiting_places(words, 5).tolist() == [0, 1, -1, 0, -1, -1]
    assert waiting_places(words, 1).tolist() == [0, 1, -1, 0, -1, -1]
    assert kept(waiting_places(words, 5), 3).tolist() == [2, 3, 3]
    assert kept(waiting_places(words, 1), 1).tolist() == [2]


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 14))
def test_as_if_places_were_counted_one_number_at_a_time(words, most):
    found = kept(waiting_places(np.array(words, dtype=np.int64), most), most)
    assert found.tolist() == [kept_by(words, places) for places in range(1, most + 1)]
