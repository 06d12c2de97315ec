"""The lower envelope of lines: the least traffic at every size, and which line has it."""

from __future__ import annotations

import numpy as np
from numba import njit

from accelsim.dataflow import spare
from accelsim.workload.layer import Int64


def above(lines: Int64, traffic: int) -> Int64:
    """The lines as far as they stay above a traffic."""
    lines = lines[lines[:, spare.TRAFFIC] > traffic]
    steps = (lines[:, spare.TRAFFIC] - traffic - 1) // np.maximum(lines[:, spare.GAIN], 1)
    lines[:, spare.STEPS] = np.minimum(lines[:, spare.STEPS], steps)
    return lines


def envelope(lines: Int64, end_bits: int) -> Int64:
    """Rows (line, steps taken) of the least traffic at every size below `end_bits`."""
    order = np.lexsort((-lines[:, spare.GAIN], lines[:, spare.TRAFFIC], lines[:, spare.BITS]))
    found: Int64 = _envelope(lines[order], end_bits)
    found[:, 0] = order[found[:, 0]]
    return found


@njit(cache=True)
def _envelope(lines, end_bits):  # type: ignore[no-untyped-def]
    """See `envelope`; lines in ascending bits.

    A sweep over sizes. A line joins the race unless one in it is as low, as steep and as long, and
    leaves it when it has no steps left or another is; rates spare the divisions of most checks.
    """
    rows = np.zeros((64, 2), np.int64)
    count = len(lines)
    begin, traffic = lines[:, 0].copy(), lines[:, 1].copy()
    gain, steps = lines[:, 3].copy(), lines[:, 4].copy()
    step = np.maximum(lines[:, 2], 1)
    end = lines[:, 0] + lines[:, 2] * lines[:, 4]
    rate = lines[:, 3] / step
    racing = np.zeros(count, np.int64)
    value = np.zeros(count)
    total, arrived, runners, now = 0, 0, 0, -1
    at = lines[0, 0] if count else end_bits
    while at < end_bits:
        for place in range(runners):
            i = racing[place]
            taken = min(int((at - begin[i] + 0.5) / step[i]), steps[i])
            value[place] = traffic[i] - gain[i] * taken
        while arrived < count and lines[arrived, 0] <= at:
            mine, beaten = _value(lines[arrived], at), False
            for place in range(runners):
                i = racing[place]
                if value[place] <= mine and rate[i] >= rate[arrived] and end[i] >= end[arrived]:
                    beaten = True
                    break
            if not beaten:
                racing[runners], value[runners] = arrived, mine
                runners += 1
            arrived += 1
        best, least = now, 1 << 62
        if now >= 0:
            least = _value(lines[now], at)
        for place in range(runners):
            if value[place] < least:
                best, least = racing[place], int(value[place])
        if best != now:
            now = best
            if total == rows.shape[0]:
                rows = np.concatenate((rows, np.zeros_like(rows)))
            rows[total, 0] = now
            rows[total, 1] = min((at - lines[now, 0]) // step[now], lines[now, 4])
            total += 1
        following = lines[arrived, 0] if arrived < count else end_bits
        left = 0
        for place in range(runners):
            i = racing[place]
            beaten = value[place] >= least and rate[i] <= rate[now] and end[i] <= end[now]
            if i != now and (end[i] <= at or beaten):
                continue
            racing[left] = i
            left += 1
            # the sizes at which it may overtake, one step to spare
            gap = value[place] - least
            closer = (rate[i] - rate[now]) * (following - at + step[i] + step[now])
            if i != now and (closer > gap or end[now] < following):
                following = min(following, _overtakes(lines[i], lines[now], at, following))
        runners = left
        at = following
    return rows[:total].copy()


@njit(cache=True)
def _value(line, bits):  # type: ignore[no-untyped-def]
    """Traffic of a line at a size."""
    if line[2] == 0:
        return line[1]
    return line[1] - line[3] * min((bits - line[0]) // line[2], line[4])


@njit(cache=True)
def _overtakes(line, other, at, limit):  # type: ignore[no-untyped-def]
    """The first size above `at`, below `limit`, where a line is below another; else `limit`."""
    step = (at - line[0]) // line[2] + 1
    last = min(line[4], (limit - 1 - line[0]) // line[2])
    if step > last or _value(line, line[0] + last * line[2]) >= _value(
        other, line[0] + last * line[2]
    ):
        # lines are straight up to their ends: look at the other's end too
        if other[2] == 0:
            return limit
        end = (other[0] + other[2] * other[4] - line[0]) // line[2]
        if end < step or end > last:
            return limit
        if _value(line, line[0] + end * line[2]) >= _value(other, line[0] + end * line[2]):
            return limit
        last = end
    while step < last:
        middle = (step + last) // 2
        size = line[0] + middle * line[2]
        if _value(line, size) < _value(other, size):
            last = middle
        else:
            step = middle + 1
    return line[0] + step * line[2]
