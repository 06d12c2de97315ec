"""What pieces of an axis, and blocks of rows, use of its outputs, taps and inputs.

PIECES: how long, taps of its box, outputs fed, taps and inputs used, how many are so, reads of its
window. STEPS of rows: how long, taps of its box, the first of these, outputs fed, taps first used
here, so far, done with before, inputs first used here, live, reads. Both end with the segments and
the span of the outputs, taps and inputs that are moved (see `memory.burst_runs`). The reads are
left 0.
"""

from __future__ import annotations

import numpy as np
from numba import njit

PIECE_FIELDS, STEP_FIELDS = 13, 16
PIECE_RUNS, STEP_RUNS = 7, 10  # places of segments and span of outputs, taps, inputs
OF_OUTPUTS, OF_TAPS, OF_INPUTS = 0, 2, 4


@njit(cache=True)
def count_pieces(p, r, h, begins, taps, box_taps):  # type: ignore[no-untyped-def]
    """The kinds of pieces of an axis whose outputs are cut at `begins`, the end last.

    box_taps: taps of each piece's box, or 0 where its useful pairs tell (see `TileAxis`).
    """
    kinds, total = np.zeros((len(begins), PIECE_FIELDS), np.int64), 0
    tap, there = np.full(taps, -1), np.full(h.max() + 1 if len(h) else 1, -1)
    compared = np.ones(PIECE_FIELDS, np.bool_)
    compared[5:PIECE_RUNS] = False
    fed_by = np.full(begins[-1], -1)
    at = 0
    for piece in range(len(begins) - 1):
        row = np.zeros(PIECE_FIELDS, np.int64)
        while at < len(p) and p[at] < begins[piece + 1]:
            row[2] += fed_by[p[at]] != piece
            row[3] += tap[r[at]] != piece
            row[4] += there[h[at]] != piece
            fed_by[p[at]] = tap[r[at]] = there[h[at]] = piece
            at += 1
        if row[2] == 0:
            continue
        row[0] = begins[piece + 1] - begins[piece] if box_taps else row[2]
        row[1] = box_taps if box_taps else row[3]
        _note_runs(row, PIECE_RUNS + OF_OUTPUTS, fed_by == piece)
        _note_runs(row, PIECE_RUNS + OF_TAPS, tap == piece)
        _note_runs(row, PIECE_RUNS + OF_INPUTS, there == piece)
        for known in range(total):
            if ((kinds[known] == row) | ~compared).all():
                kinds[known, 5] += 1
                break
        else:
            row[5] = 1
            kinds[total] = row
            total += 1
    return kinds[:total].copy()


@njit(cache=True)
def _note_runs(row, at, used):  # type: ignore[no-untyped-def]
    """Note in how many segments indices are used and how many they span."""
    first, last, segments = -1, -1, 0
    for index in range(len(used)):
        if used[index]:
            if last < 0 or last < index - 1:
                segments += 1
            if first < 0:
                first = index
            last = index
    row[at], row[at + 1] = segments, last - first + 1 if first >= 0 else 0


@njit(cache=True)
def count_steps(p, r, h, outputs, step, taps, box_taps):  # type: ignore[no-untyped-def]
    """What each block of `step` rows is the first or last to use, in order."""
    count = -(-outputs // step)
    table = np.zeros((count, STEP_FIELDS), np.int64)
    inputs = h.max() + 1 if len(h) else 1
    tap_first, tap_last = np.full(taps, count), np.full(taps, -1)
    in_first, in_last = np.full(inputs, count), np.full(inputs, -1)
    fed, least = np.zeros(outputs, np.bool_), np.full(count, taps)
    used = np.zeros((count, taps), np.bool_)
    for at in range(len(p)):
        block = p[at] // step
        fed[p[at]] = True
        used[block, r[at]] = True
        least[block] = min(least[block], r[at])
        tap_first[r[at]] = min(tap_first[r[at]], block)
        tap_last[r[at]] = max(tap_last[r[at]], block)
        in_first[h[at]] = min(in_first[h[at]], block)
        in_last[h[at]] = max(in_last[h[at]], block)
    for block in range(count):
        row = table[block]
        row[3] = fed[block * step : (block + 1) * step].sum()
        row[0] = min(step, outputs - block * step) if box_taps else row[3]
        row[1] = box_taps if box_taps else used[block].sum()
        row[2] = 0 if box_taps else least[block]
        row[4] = (tap_first == block).sum()
        row[5] = (tap_first <= block).sum()
        row[6] = ((tap_last >= 0) & (tap_last < block)).sum()
        row[7] = (in_first == block).sum()
        row[8] = ((in_first <= block) & (in_last >= block)).sum()
        own = np.zeros(outputs, np.bool_)
        own[block * step : (block + 1) * step] = fed[block * step : (block + 1) * step]
        _note_runs(row, STEP_RUNS + OF_OUTPUTS, own)
        _note_runs(row, STEP_RUNS + OF_TAPS, tap_first == block)
        _note_runs(row, STEP_RUNS + OF_INPUTS, in_first == block)
    return table[table[:, 0] > 0]
