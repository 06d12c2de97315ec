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
    kept = np.flatnonzero(_may_be_least(lines, end_bits))
    lines = lines[kept]
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
                beaten = rate[i] >= rate[arrived] and end[i] >= end[arrived]
                gap = mine - int(value[place])
                if beaten and _stays_above(lines[arrived], lines[i], gap, at):
                    break
                beaten = False
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
            rows[total, 0] = kept[now]
            rows[total, 1] = min((at - lines[now, 0]) // step[now], lines[now, 4])
            total += 1
        following = lines[arrived, 0] if arrived < count else end_bits
        left = 0
        for place in range(runners):
            i = racing[place]
            gap = int(value[place]) - least
            beaten = rate[i] <= rate[now] and end[i] <= end[now]
            beaten = beaten and _stays_above(lines[i], lines[now], gap, at)
            if i != now and (end[i] <= at or beaten):
                continue
            racing[left] = i
            left += 1
            # either may be a step ahead of its straight line
            closer = max(rate[i] - rate[now], 0) * (following - at) + gain[i] + gain[now]
            if i != now and (closer > gap or end[now] < following):
                following = _overtakes(lines[i], lines[now], at, following)
        runners = left
        at = following
    return rows[:total].copy()


@njit(cache=True)
def _may_be_least(lines, end_bits):  # type: ignore[no-untyped-def]
    """Which lines are ever below the staircase of where lines begin, or a step of it.

    A line falls and a step does not: if below a step at all, it is so at the step's last size.
    """
    kept = np.zeros(len(lines), np.bool_)
    makers = np.zeros(len(lines), np.int64)
    steps, least = 0, 1 << 62
    for i in range(len(lines)):
        if lines[i, 1] < least:
            makers[steps], least = i, lines[i, 1]
            kept[i] = True
            steps += 1
    level = lines[makers[:steps], 1]
    last = np.append(lines[makers[1:steps], 0], end_bits) - 1.0
    here = 0
    for i in range(len(lines)):
        bits, traffic, step, gain = lines[i, :4]
        while here < steps - 1 and last[here] < bits:
            here += 1
        lowest, rate = traffic - gain * lines[i, 4], gain / max(step, 1)
        at = here
        while not kept[i] and at < steps and level[at] > lowest:
            kept[i] = traffic - rate * (last[at] - bits) < level[at] + 1
            at += 1
    return kept


@njit(cache=True)
def _value(line, bits):  # type: ignore[no-untyped-def]
    """Traffic of a line at a size."""
    if line[2] == 0:
        return line[1]
    return line[1] - line[3] * min((bits - line[0]) // line[2], line[4])


@njit(cache=True)
def _stays_above(line, other, gap, at):  # type: ignore[no-untyped-def]
    """Whether a line that is `gap` above another at a size, less steep and no longer, stays so.

    Of lines in equal steps one may come first in each; of others each may lag by a step.
    """
    if line[2] != other[2]:
        return gap >= line[3] + other[3]
    if line[2] == 0 or (at - line[0]) % line[2] <= (at - other[0]) % other[2]:
        return gap >= 0
    return gap >= line[3]


@njit(cache=True)
def _overtakes(line, other, at, limit):  # type: ignore[no-untyped-def]
    """The first size above `at`, below `limit`, where a line is below another; else `limit`.

    It comes to be so where it takes a step. While both go down, what is between them at every
    `period`-th of its steps changes by the same `closer`; then the other stays where it is.
    """
    _, traffic, step, gain, steps = line[:5]
    begin, end = line[0], other[0] + other[2] * other[4]
    if gain == 0:
        return limit
    first = (at - begin) // step + 1
    found = max(first, (traffic - other[1] + other[3] * other[4]) // gain + 1)
    if begin + first * step < end:
        period = other[2] // np.gcd(step, other[2])
        closer = period * gain - period * step // other[2] * other[3]
        for taken in range(first, first + period):
            above = traffic - gain * taken - _value(other, begin + taken * step)
            if above >= 0 and closer <= 0:
                continue
            later = above // closer + 1 if above >= 0 else 0
            if begin + (taken + later * period) * step < end:
                found = min(found, taken + later * period)
    return min(begin + found * step, limit) if found <= steps else limit
