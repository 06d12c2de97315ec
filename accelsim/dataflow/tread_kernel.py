"""Which of many further words make the steps of a tread: the merge behind `treads`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def steps_down(offers, begins, saved, traffic_bits, end_bits, least):  # type: ignore[no-untyped-def]
    """Steps down from a traffic to above `least`, below a size, in runs of equal steps: (runs, 7).

    offers (offers, 5): traffic of the schedule, floor, grows, width of `stay_laws.Offer`, and the
    number of words of its first saving; the savings of all are in one array, where each begins in
    another. Of a run bits, traffic, place of the offer, words; bits and traffic of each further
    step, and how many there are.
    """
    rows = np.empty((len(saved), 4), np.int64)
    count = 0
    for at in range(len(offers)):
        traffic, floor, grows, width, words = offers[at]
        for place in range(begins[at], begins[at + 1]):
            bits, moved = max(floor, grows + words * width), traffic - saved[place] * width
            if bits < end_bits and least < moved < traffic_bits:
                rows[count] = bits, moved, at, words
                count += 1
            words += 1
    order = np.argsort(rows[:count, 1], kind="mergesort")
    order = order[np.argsort(rows[order, 0], kind="mergesort")]
    runs = np.zeros((count, 7), np.int64)
    total, reached = 0, traffic_bits
    for place in order:
        bits, moved, at, words = rows[place]
        if moved >= reached:
            continue
        reached = moved
        if total and runs[total - 1, 2] == at:
            run = runs[total - 1]
            step, gain = bits - run[0], run[1] - moved
            if run[6]:
                step, gain = step - run[4] * run[6], gain - run[5] * run[6]
            is_next = words == run[3] + run[6] + 1
            if is_next and (run[6] == 0 or (step == run[4] and gain == run[5])):
                run[4], run[5], run[6] = step, gain, run[6] + 1
                continue
        runs[total, 0], runs[total, 1], runs[total, 2], runs[total, 3] = bits, moved, at, words
        total += 1
    return runs[:total]
