"""Runs and bursts of a transfer against a walk over every address."""

from __future__ import annotations

from itertools import pairwise, product
from math import gcd

import numpy as np
from cases import share_of
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.timing.memory import Used, burst_runs

MANY = settings(max_examples=share_of(400), deadline=None)
BURSTS = st.sampled_from((8, 16, 32))


@st.composite
def evenly(draw):
    """Indices in segments of any lengths with one gap between all of them, and the extent."""
    segments = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    gap, first, after = draw(st.integers(1, 4)), draw(st.integers(0, 3)), draw(st.integers(0, 3))
    found, at = [], first
    for length in segments:
        found += range(at, at + length)
        at += length + gap
    return found, found[-1] + 1 + after


def described(indices, extent) -> Used:
    used = np.array([len(indices)])
    segments = np.array([1 + sum(b - a > 1 for a, b in pairwise(indices))])
    return Used(used, segments, np.array([indices[-1] - indices[0] + 1]), extent)


def walked(axes, word: int, burst: int) -> tuple[int, list[tuple[int, int]]]:
    """Addresses of the first word of each run and behind its last; gaps below a burst are in it."""
    units = [word]
    for _, extent in axes:
        units.append(units[-1] * extent)
    begins = sorted(
        sum(index * unit for index, unit in zip(each, units, strict=False))
        for each in product(*(indices for indices, _ in axes))
    )
    runs = [[begins[0], begins[0] + word]]
    for begin in begins[1:]:
        if begin - runs[-1][1] < burst:
            runs[-1][1] = begin + word
        else:
            runs.append([begin, begin + word])
    return units[-1], [tuple(run) for run in runs]


def touched(runs, shift: int, burst: int) -> int:
    """Bursts that hold a word, the tensor moved by `shift`."""
    return len({
        number for begin, end in runs
        for number in range((begin + shift) // burst, (end + shift - 1) // burst + 1)
    })  # fmt: skip


@MANY
@given(st.lists(evenly(), min_size=1, max_size=4), st.sampled_from((1, 2, 3, 4)), BURSTS)
def test_runs_are_those_of_a_walk(axes, word, burst):
    runs, _ = burst_runs([described(*axis) for axis in axes], word, burst)
    assert runs.tolist() == [len(walked(axes, word, burst)[1])]


@MANY
@given(st.lists(evenly(), min_size=1, max_size=4), st.sampled_from((1, 2, 3, 4)), BURSTS)
def test_bursts_are_those_of_a_walk_over_all_places(axes, word, burst):
    """The mean over the places where a box may begin; a whole tensor begins with a burst."""
    _, parts = burst_runs([described(*axis) for axis in axes], word, burst)
    size, runs = walked(axes, word, burst)
    partial = [at for at, (indices, extent) in enumerate(axes) if len(indices) < extent]
    if not partial:
        assert parts.tolist() == [touched([(0, size)], 0, burst) * burst]
        return
    unit = word
    for _, extent in axes[: partial[0]]:
        unit *= extent
    step = gcd(burst, unit)
    places = range(-runs[0][0] % step, burst, step)
    # runs are apart by a burst or more, so no two share one
    total = sum(sum(touched([run], shift, burst) for run in runs) for shift in places)
    assert parts[0] * len(places) == total * burst


@MANY
@given(st.lists(evenly(), min_size=1, max_size=4), st.sampled_from((1, 2, 3, 4)), BURSTS)
def test_bursts_are_no_fewer_than_words(axes, word, burst):
    _, parts = burst_runs([described(*axis) for axis in axes], word, burst)
    words = word * int(np.prod([len(indices) for indices, _ in axes]))
    assert parts[0] >= words
    assert burst_runs([described(*axis) for axis in axes], word, 1)[1][0] == words
