"""The kernel behind `small_nests`: every nest of a small layer, every stay, MAC by MAC.

Dims are numbered in the order N K C P Q R S, operands weights, inputs, outputs. All arrays are
int64. Jitted functions call only jitted functions of their own file.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BITS, TRAFFIC, ORDER, SIZES, TILES, DEPTHS = range(6)
FIELDS = 11
"""Of a stair; two depths of each operand."""


@njit(cache=True)
def nests_kernel(orders, spans, sizes, extents, inputs, heights, live, turns, stair):  # type: ignore[no-untyped-def]
    """The staircase of a layer, with what nests do better than it.

    orders (orders, loops): dims outermost first, one twice if it has a loop inside its tiles.
    spans (orders, 2): the fewest and most loops that may be loops over tiles. sizes (sizes, 7):
    step of a dim's first loop. inputs, (P, R) and (Q, S): the input that a useful pair reads, else
    -1. live (2, 3): bits of a live word and of one more fetch of it. turns: 1 if loops over tiles
    turn each time they start again, else 0. stair (stairs, FIELDS): bits ascending, traffic
    descending, without what every word's first fetch costs, and the order (-1: not of a nest) and
    so on.
    """
    row_inputs, col_inputs = inputs
    bits, costs = live
    macs = (row_inputs >= 0).sum() * (col_inputs >= 0).sum() * extents[0] * extents[1] * extents[2]
    depth = orders.shape[1]
    words = np.zeros((macs, 3), np.int64)
    scopes = np.zeros((macs, depth + 1), np.int64)
    room = (depth + 1) * (depth + 2)
    profiles = np.zeros((3, room, macs + 1), np.int64)
    traffic, choices = np.zeros((3, room), np.int64), np.zeros((3, room, 2), np.int64)
    count, gaps = np.zeros(3, np.int64), np.zeros((3, macs, 3), np.int64)
    total = np.zeros(3, np.int64)
    last = np.zeros((3, _most_words(extents, heights)), np.int64)
    found = np.zeros((len(stair) + 64, FIELDS), np.int64)
    found[: len(stair)] = stair
    stairs = len(stair)
    for at in range(len(orders)):
        for size in range(len(sizes)):
            for tiles in range(spans[at, 1], max(spans[at, 0], 1) - 1, -1):
                has_next = tiles == spans[at, 1] or turns
                if has_next:
                    _walk(
                        orders[at], sizes[size], extents, row_inputs, col_inputs, heights,
                        tiles * turns, words, scopes,
                    )  # fmt: skip
                    _gaps(words, scopes, gaps, total, last)
                for operand in range(3):
                    mine = gaps[operand, : total[operand]]
                    count[operand], soon = _alternatives(
                        mine, scopes, tiles, bits[operand], costs[operand],
                        profiles[operand], traffic[operand], choices[operand],
                    )  # fmt: skip
                    has_next = has_next or soon
                if has_next:
                    found, stairs = _combined(
                        profiles, traffic, choices, count, found, stairs, at, size, tiles
                    )
    return found[:stairs].copy()


@njit(cache=True)
def _most_words(extents, heights):  # type: ignore[no-untyped-def]
    n, k, c, p, q, r, s = extents
    return max(k * c * r * s, n * c * heights[0] * heights[1], n * k * p * q)


@njit(cache=True)
def _walk(order, sizes, extents, row_inputs, col_inputs, heights, turning, words, scopes):  # type: ignore[no-untyped-def]
    """The MACs of a nest in the order in which they run: their words and scopes.

    scopes (macs, loops + 1): the number of the scope of the first j loops, of those with MACs. The
    first `turning` loops run back and forth: backwards if the loops around had an odd number of
    iterations, each counted as `trace` counts them.
    """
    depth = len(order)
    outer = np.full(depth, -1, np.int64)
    for level in range(depth):
        for other in range(level):
            if order[other] == order[level]:
                outer[level] = other
    cursor, end = np.zeros(depth, np.int64), np.zeros(depth, np.int64)
    step = np.ones(depth, np.int64)
    fresh, now = np.ones(depth + 1, np.int64), np.full(depth + 1, -1, np.int64)
    at = np.zeros(7, np.int64)
    runs, begin = np.zeros(depth + 1, np.int64), np.zeros(depth, np.int64)
    count, level = 0, 0
    end[0], step[0] = extents[order[0]], sizes[order[0]]
    while level >= 0:
        if cursor[level] >= end[level]:
            level -= 1
            if level >= 0:
                cursor[level] += step[level]
            continue
        at[order[level]] = cursor[level]
        if level < turning:
            whole = (extents[order[level]] + step[level] - 1) // step[level]
            place = cursor[level] // step[level]
            runs[level + 1] = runs[level] * whole + place
            if runs[level] % 2:
                at[order[level]] = (whole - 1 - place) * step[level]
        begin[level] = at[order[level]]
        fresh[level + 1] = 1
        if level < depth - 1:
            level += 1
            dim = order[level]
            if outer[level] >= 0:
                cursor[level], step[level] = begin[outer[level]], 1
                end[level] = min(cursor[level] + sizes[dim], extents[dim])
            else:
                cursor[level], step[level], end[level] = 0, sizes[dim], extents[dim]
            continue
        cursor[level] += 1
        n, k, c, p, q, r, s = at
        h, w = row_inputs[p, r], col_inputs[q, s]
        if h < 0 or w < 0:
            continue
        for j in range(depth + 1):
            now[j] += fresh[j]
            fresh[j] = 0
            scopes[count, j] = now[j]
        words[count, 0] = ((k * extents[2] + c) * extents[5] + r) * extents[6] + s
        words[count, 1] = ((n * extents[2] + c) * heights[0] + h) * heights[1] + w
        words[count, 2] = ((n * extents[1] + k) * extents[3] + p) * extents[4] + q
        count += 1


@njit(cache=True)
def _gaps(words, scopes, gaps, total, last):  # type: ignore[no-untyped-def]
    """Between two uses of a word: the two MACs and how many loops' scope they have in common."""
    last[:] = -1
    total[:] = 0
    deepest = scopes.shape[1] - 1
    for mac in range(len(words)):
        for operand in range(3):
            word = words[mac, operand]
            before = last[operand, word]
            last[operand, word] = mac
            if before < 0:
                continue
            common = deepest
            while scopes[before, common] != scopes[mac, common]:
                common -= 1
            gap = gaps[operand, total[operand]]
            gap[0], gap[1], gap[2] = before, mac, common
            total[operand] += 1


@njit(cache=True)
def _alternatives(gaps, scopes, tiles, bits, cost, profiles, traffic, choices):  # type: ignore[no-untyped-def]
    """What may stay of an operand: live bits at each MAC, the bits of traffic, the depths.

    The scopes of the first `tiles` loops are tiles. A word stays in a scope of `choices[:, 0]`
    loops, and to the next tile in one of `choices[:, 1]`. Returns how many there are, and whether
    any does the latter.
    """
    macs = len(scopes)
    count, has_next = 0, False
    if bits == 0:
        profiles[0, : macs + 1] = 0
        traffic[0], choices[0, 0], choices[0, 1] = 0, tiles, tiles
        return 1, False
    kept_before = -1
    for depth in range(tiles, -1, -1):
        kept = 0
        live = profiles[count]
        live[: macs + 1] = 0
        for gap in range(len(gaps)):
            before, after, common = gaps[gap]
            if common >= depth:
                kept += 1
                live[before + 1] += bits
                live[after] -= bits
        if kept == kept_before:
            continue
        kept_before = kept
        traffic[count] = (len(gaps) - kept) * cost
        choices[count, 0], choices[count, 1] = depth, tiles
        count += 1
        for soon in range(depth - 1, -1, -1):
            more, space = 0, 0
            live = profiles[count]
            live[:] = profiles[count - 1]
            for gap in range(len(gaps)):
                before, after, common = gaps[gap]
                if common == soon and scopes[after, tiles] == scopes[before, tiles] + 1:
                    more += 1
                    space += after - before - 1
                    live[before + 1] += bits
                    live[after] -= bits
            if more == 0:
                continue
            traffic[count] = traffic[count - 1] - more * cost
            choices[count, 0], choices[count, 1] = depth, soon
            has_next = True
            count += 1
            if space == 0:  # more stays, in no space
                profiles[count - 2] = profiles[count - 1]
                traffic[count - 2] = traffic[count - 1]
                choices[count - 2] = choices[count - 1]
                count -= 1
    for at in range(count):
        live = bits
        for mac in range(macs):
            live += profiles[at, mac]
            profiles[at, mac] = live
        profiles[at, macs] = profiles[at, :macs].max()
    return count, has_next


@njit(cache=True)
def _combined(profiles, traffic, choices, count, found, stairs, order, size, tiles):  # type: ignore[no-untyped-def]
    """The staircase with every combination of the operands' alternatives that is below it."""
    macs = profiles.shape[2] - 1
    both = np.zeros(macs, np.int64)
    hard = 0
    least = traffic[2, : count[2]].min()
    for i in range(count[0]):
        for j in range(count[1]):
            moved = traffic[0, i] + traffic[1, j]
            limit = _limit(found, stairs, moved + least)
            if max(profiles[0, i, macs], profiles[1, j, macs]) >= limit:
                continue
            one, other = profiles[0, i], profiles[1, j]
            most = 0
            for mac in range(macs):
                both[mac] = one[mac] + other[mac]
                most = max(most, both[mac])
            if most >= limit:
                continue
            for k in range(count[2]):
                if moved + traffic[2, k] == 0:
                    continue  # once-only
                limit = _limit(found, stairs, moved + traffic[2, k])
                third = profiles[2, k]
                if max(most, third[macs]) >= limit or both[hard] + third[hard] >= limit:
                    continue
                peak = 0
                for mac in range(macs):
                    live = both[mac] + third[mac]
                    if live > peak:
                        peak = live
                        if peak >= limit:
                            hard = mac
                            break
                if peak < limit:
                    found, stairs = _inserted(
                        found, stairs, peak, moved + traffic[2, k], order, size, tiles
                    )
                    place = 0
                    while found[place, 0] != peak:
                        place += 1
                    found[place, 5], found[place, 6] = choices[0, i]
                    found[place, 7], found[place, 8] = choices[1, j]
                    found[place, 9], found[place, 10] = choices[2, k]
    return found, stairs


@njit(cache=True)
def _limit(found, stairs, traffic):  # type: ignore[no-untyped-def]
    """The least bits with which the staircase moves no more."""
    low, high = 0, stairs
    while low < high:
        middle = (low + high) // 2
        if found[middle, 1] <= traffic:
            high = middle
        else:
            low = middle + 1
    return found[low, 0] if low < stairs else 1 << 60


@njit(cache=True)
def _inserted(found, stairs, bits, traffic, order, size, tiles):  # type: ignore[no-untyped-def]
    """The staircase with a stair that is below it."""
    first = 0
    while first < stairs and found[first, 0] < bits:
        first += 1
    end = first
    while end < stairs and found[end, 1] >= traffic:
        end += 1
    if stairs + 1 > len(found):
        found = np.concatenate((found, np.zeros_like(found)))
    moved = found[end:stairs].copy()
    found[first + 1 : first + 1 + len(moved)] = moved
    found[first] = 0
    found[first, 0], found[first, 1] = bits, traffic
    found[first, 2], found[first, 3], found[first, 4] = order, size, tiles
    return found, first + 1 + len(moved)
