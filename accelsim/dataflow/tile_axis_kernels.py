"""The kernel behind `tile_axes`: what each cut of an axis fetches, visits and keeps live."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

TAPS_INPUTS, INPUTS_TAPS, OUTPUTS_INPUTS, INPUTS_OUTPUTS, OUTPUTS_TAPS, TAPS_OUTPUTS = range(6)
"""Sweeps: positions and words."""
PHASED = 6
"""Sweeps from here on are TAPS_INPUTS and INPUTS_TAPS inside one stride phase."""
SWEEPS = 8
_POSITION = np.array([1, 2, 0, 2, 0, 1, 1, 2])  # 0: outputs, 1: taps, 2: inputs
_WORD = np.array([2, 1, 2, 0, 1, 0, 2, 1])
PIECES, TAP_PIECES, FETCHED, TAPS_FETCHED, VISITS, SHARED, UNIFORM = range(7)
CUT_FIELDS = 7
ALL, AFTER, BEFORE, FIRST, LAST, ONLY = range(6)
"""Rows of a sweep's counts at a position: u, a, d, f, l, and words used nowhere else."""


@njit(cache=True)
def count_cuts(p, r, h, bounds, tap_bounds, ends, phase, is_conv):  # type: ignore[no-untyped-def]
    """Arrays of `AxisTiles`, see there.

    p, r, h: the axis's pairs. bounds, tap_bounds: of each split where its pieces begin, filled up
    with the extent. ends: positions kept at either end of a sweep. phase: of each tap.
    """
    splits, tap_splits = len(bounds), len(tap_bounds)
    outputs, taps = bounds[0, -1], tap_bounds[0, -1]
    cuts = np.zeros((splits * tap_splits, CUT_FIELDS), np.int64)
    kinds = np.zeros(splits * tap_splits + 1, np.int64)
    room = 4 * splits * tap_splits + taps
    positions = max(taps, min(max(outputs, h.max() + 1), 2 * ends))
    sizes = np.zeros((room, 4), np.int64)
    lengths = np.zeros((room, SWEEPS), np.int64)
    counts = np.zeros((room, SWEEPS, 6, positions), np.int64)
    # where an output's pairs begin, and whether all its taps are useful
    begin = np.searchsorted(p, np.arange(outputs + 1))
    full = np.diff(begin) == taps
    of_piece = np.zeros((2, splits, bounds.shape[1] - 1), np.int64)
    of_taps = np.zeros((2, tap_splits, tap_bounds.shape[1] - 1), np.int64)
    total = 0
    for split in range(splits):
        for tap_split in range(tap_splits):
            cut = split * tap_splits + tap_split
            kinds[cut] = total
            found = _count_cut(
                (p, r, h), begin, full, bounds[split], tap_bounds[tap_split], is_conv,
                cuts[cut], of_piece[:, split], of_taps[:, tap_split],
            )  # fmt: skip
            for pp, rr, hh, fed, tap_low, tap_high in found:
                if total == len(sizes):
                    sizes = np.concatenate((sizes, np.zeros_like(sizes)))
                    lengths = np.concatenate((lengths, np.zeros_like(lengths)))
                    counts = np.concatenate((counts, np.zeros_like(counts)))
                sizes[total, 0], sizes[total, 1] = fed, _distinct(pp, pp.max() + 1)
                sizes[total, 2], sizes[total, 3] = _distinct(hh, hh.max() + 1), _distinct(rr, taps)
                _sweep_all(
                    (pp, rr, hh), phase[tap_low:tap_high], ends, lengths[total], counts[total]
                )
                total += 1
    kinds[-1] = total
    return (
        cuts, kinds, sizes[:total].copy(), lengths[:total].copy(), counts[:total].copy(),
        of_piece[0], of_piece[1], of_taps[0], of_taps[1],
    )  # fmt: skip


@njit(cache=True)
def _count_cut(  # type: ignore[no-untyped-def]
    pairs, begin, full, bounds, tap_bounds, is_conv, cut, of_piece, of_taps
):
    """The kinds of tile of a cut: outputs, taps, inputs of each one's pairs, outputs fed, first tap
    and the one past its last.

    Fills in the cut's figures; inputs and outputs of each piece where taps are not cut, taps and
    inputs of each tap piece where outputs are not.
    """
    p, r, h = pairs
    outputs, taps = bounds[-1], tap_bounds[-1]
    pieces, tap_pieces = np.searchsorted(bounds, outputs), np.searchsorted(tap_bounds, taps)
    cut[PIECES], cut[TAP_PIECES], cut[UNIFORM] = pieces, tap_pieces, 1
    found: list[Any] = []
    largest = _largest_whole(bounds, full)
    is_there = False  # whether a piece of the largest size was counted
    patterns = np.zeros(pieces * tap_pieces, np.int64)
    owner = np.full((tap_pieces, h.max() + 1), -2)  # last piece that used an input
    latest = np.full(tap_pieces, -1)  # last piece that used any
    for piece in range(pieces):
        low, high = bounds[piece], bounds[piece + 1]
        first, stop = begin[low], begin[high]
        fed = _distinct(p[first:stop] - low, high - low)
        cut[TAPS_FETCHED] += _distinct(r[first:stop], taps)
        whole = is_conv and full[low:high].all()
        # a piece whose windows are whole holds each piece no larger than itself
        told = is_conv and (high - low < largest or (high - low == largest and is_there))
        for tap_piece in range(tap_pieces):
            tap_low, tap_high = tap_bounds[tap_piece], tap_bounds[tap_piece + 1]
            inside = (r[first:stop] >= tap_low) & (r[first:stop] < tap_high)
            if not inside.any():
                cut[UNIFORM] = 0
                continue
            pp, rr = p[first:stop][inside] - low, r[first:stop][inside] - tap_low
            hh = h[first:stop][inside]
            for used in hh:
                cut[SHARED] += owner[tap_piece, used] == latest[tap_piece]
                owner[tap_piece, used] = piece
            latest[tap_piece] = piece
            hh -= hh.min()
            inputs, visited = _distinct(hh, hh.max() + 1), _distinct(pp, high - low)
            if tap_pieces == 1:
                of_piece[0, piece], of_piece[1, piece] = inputs, fed
            if pieces == 1:
                of_taps[0, tap_piece], of_taps[1, tap_piece] = tap_high - tap_low, inputs
            cut[FETCHED] += inputs
            cut[VISITS] += visited
            cut[UNIFORM] *= visited == fed and _distinct(rr, taps) == tap_high - tap_low
            if told or (whole and (high - low < largest or tap_piece > 0)):
                continue
            if is_conv and _is_embedded(r, begin, low, high, tap_bounds, tap_piece):
                continue
            if not is_conv:  # a tile that meets alike is there already, most likely
                pattern = _pattern(pp, rr, hh)
                if (patterns[: len(found)] == pattern).any():
                    continue
                patterns[len(found)] = pattern
            found.append((pp, rr, hh, fed, tap_low, tap_high))
        is_there = is_there or (whole and high - low == largest)
    return found


@njit(cache=True)
def _largest_whole(bounds, full):  # type: ignore[no-untyped-def]
    """Outputs of the largest piece whose windows are whole, 0 without any."""
    largest, piece = 0, 0
    while bounds[piece] < bounds[-1]:
        low, high = bounds[piece], bounds[piece + 1]
        if full[low:high].all():
            largest = max(largest, high - low)
        piece += 1
    return largest


@njit(cache=True)
def _pattern(pp, rr, hh):  # type: ignore[no-untyped-def]
    """A number that tells the pairs of one tile from those of another: of 64 bits, mixed well."""
    mixed = np.int64(len(pp))
    for at in range(len(pp)):
        mixed = (mixed ^ (mixed >> 29)) * np.int64(0x2545F4914F6CDD1D)
        mixed += (pp[at] << 40) ^ (rr[at] << 20) ^ hh[at]
    return mixed


@njit(cache=True)
def _is_embedded(r, begin, low, high, tap_bounds, tap_piece):  # type: ignore[no-untyped-def]
    """Whether another tap piece meets the same outputs of a piece, tap by tap, and more.

    Of two that meet alike the first is kept.
    """
    taps = tap_bounds[-1]
    meets = np.zeros((taps, high - low), np.bool_)
    for p in range(low, high):
        for at in range(begin[p], begin[p + 1]):
            meets[r[at], p - low] = True
    first, last = tap_bounds[tap_piece], tap_bounds[tap_piece + 1]
    other = 0
    while tap_bounds[other] < taps:
        start, stop = tap_bounds[other], tap_bounds[other + 1]
        if other != tap_piece and stop - start >= last - first:
            inside, more = True, stop - start > last - first
            for tap in range(last - first):
                mine, theirs = meets[first + tap], meets[start + tap]
                inside = inside and not (mine & ~theirs).any()
                more = more or (theirs & ~mine).any()
            if inside and (more or other < tap_piece):
                return True
        other += 1
    return False


@njit(cache=True)
def _distinct(values, bound):  # type: ignore[no-untyped-def]
    """How many different values, all below the bound, there are."""
    there = np.zeros(bound, np.bool_)
    for value in values:
        there[value] = True
    return there.sum()


@njit(cache=True)
def _sweep_all(coordinates, phase, ends, lengths, counts):  # type: ignore[no-untyped-def]
    """Counts of every sweep of one tile's pairs (outputs, taps, inputs)."""
    classes = phase[coordinates[1]]
    plain = np.zeros_like(classes)
    for sweep in range(SWEEPS):
        if sweep >= PHASED and phase.max() == 0:
            break
        lengths[sweep] = _sweep(
            coordinates[_POSITION[sweep]], coordinates[_WORD[sweep]],
            classes if sweep >= PHASED else plain, ends, counts[sweep],
        )  # fmt: skip


@njit(cache=True)
def _sweep(position, word, classes, ends, counts):  # type: ignore[no-untyped-def]
    """Counts of one sweep: rows ALL to ONLY at each position kept; returns how many are kept.

    Words of different classes never meet; all counts at a position are of its own class.
    """
    steps, words = position.max() + 1, word.max() + 1
    first = np.full(words, steps)
    last = np.full(words, -1)
    of_word = np.zeros(words, np.int64)
    of_step = np.full(steps, -1)
    for at in range(len(position)):
        first[word[at]] = min(first[word[at]], position[at])
        last[word[at]] = max(last[word[at]], position[at])
        of_word[word[at]] = classes[at]
        of_step[position[at]] = classes[at]
    born = np.zeros((6, steps), np.int64)
    for group in range(classes.max() + 1):
        mine = 0
        for w in range(words):
            if last[w] >= 0 and of_word[w] == group:
                mine += 1
                born[FIRST, first[w]] += 1
                born[LAST, last[w]] += 1
                born[ONLY, last[w]] += first[w] == last[w]
        so_far, gone = 0, 0
        for step in range(steps):
            if of_step[step] != group:
                continue
            so_far += born[FIRST, step]
            born[ALL, step] = mine
            born[AFTER, step] = mine - so_far
            born[BEFORE, step] = gone
            gone += born[LAST, step]
    kept = 0
    used = 0
    for step in range(steps):
        used += of_step[step] >= 0
    seen = 0
    for step in range(steps):
        if of_step[step] < 0:
            continue
        if seen < ends or seen >= used - ends:
            counts[:, kept] = born[:, step]
            kept += 1
        seen += 1
    return kept
