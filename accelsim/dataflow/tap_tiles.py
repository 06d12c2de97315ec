"""What words that wait from one tap tile to a later one save, one tap dim alone being cut.

Outputs resident, two tap tiles, the loop over them innermost: both need the inputs in which their
windows overlap. Let x places take the first of these that the first tile is done with. A stream of
three channels or more has its peak P in the last channel but one too: if that of the first tile is
the schedule's, x words of the channels before wait there, and P + x is the peak; each saves 1.

Weights resident, without strips, the loop over tap tiles inside that over k tiles: outputs are
spilled between tap tiles. Cut the first tap tile in two as in `halves`: if the second half of its
outputs has the schedule's peak P, psums that are done with before its first MAC wait there. Let x
places take the first of these; if all tap tiles visit them, they stay until the last one does, and
P + x is the peak. Each saves a write and a read for every tap tile but one. (With strips:
`first_words`.)
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np

from accelsim.dataflow.long_streams import MOST_PLACES, tail
from accelsim.dataflow.schedule import ROW_LOOPS, Schedule
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_peaks import tile_peak, with_axis
from accelsim.workload.layer import Conv, Int64

_NONE = np.zeros(0, dtype=np.int64)


def inputs_saved_between_taps(part: Schedule, bits: int) -> Int64:
    """Fetches of a long part saved by 1, 2, ... places for inputs shared by two tap tiles.

    The loop over the tap tiles is innermost; bits: the peak.
    """
    begins = {cut.dim: cut.begins for cut in part.tiling.cuts}
    taps = [dim for dim in "RS" if dim in begins]
    if len(taps) != 1 or set(begins) - {"K", *taps} or part.part or len(begins[taps[0]]) != 2:
        return _NONE
    group, by_rows = part.layer.group(), taps == ["R"]
    axis, other = (group.rows, group.cols) if by_rows else (group.cols, group.rows)
    first = axis_piece(axis, 0, axis.outputs, 0, begins[taps[0]][1])
    outputs = part.lengths("K")
    tile = replace(group, K=max(outputs), rows=first if by_rows else other)
    tile = replace(tile, cols=other if by_rows else first)
    if not tile.useful_macs or tile_peak(tile, part) != bits:
        return _NONE
    _, r, h = axis.pairs()
    early = r < begins[taps[0]][1]
    shared = len(np.intersect1d(h[early], h[~early])) * other.used_inputs
    most = min((group.C - 2) * group.N * shared, MOST_PLACES)
    return np.arange(1, most + 1) * len(outputs)


def psums_saved_between_taps(schedule: Schedule, bits: int) -> Int64:
    """Words moved that 1, 2, ... places for psums save, the loops over k and tap tiles in this
    order; bits: the peak.
    """
    loops = [cut.dim for cut in schedule.tiling.cuts]
    tap = loops[-1] if loops else ""
    if loops not in ([tap], ["K", tap]) or tap not in ("R", "S"):
        return _NONE
    group, outputs, loop = schedule.layer.group(), schedule.lengths("K"), schedule.order[0]
    if schedule.resident != "weights" or schedule.part or schedule.tiling.serpentine:
        return _NONE
    if loop not in ("P", "Q", "H", "W") or group.N > 1:
        return _NONE
    (begins,) = (cut.begins for cut in schedule.tiling.cuts if cut.dim == tap)
    axis = group.rows if tap == "R" else group.cols
    tiles = []
    for first, end in pairwise((*begins, axis.taps)):
        piece = axis_piece(axis, 0, axis.outputs, first, end)
        tiles.append(with_axis(replace(group, K=max(outputs)), piece, tap == "R"))
    if not tiles[0].useful_macs:
        return _NONE
    done = _done_with(tiles[0], loop, schedule, bits)
    if not all(done <= _visited(tile) for tile in tiles[1:]):
        return _NONE
    most = min(min(outputs) * len(done), MOST_PLACES)
    return np.arange(1, most + 1) * (2 * (len(tiles) - 1) * len(outputs))


def _done_with(tile: Conv, loop: str, schedule: Schedule, bits: int) -> set[tuple[int, int]]:
    """Outputs (p, q) that a tile is done with before the last ones, which have the peak, begin."""
    is_row = loop in ROW_LOOPS
    axis = tile.rows if is_row else tile.cols
    p, _, h = axis.pairs()
    for second in sorted({axis.dilation + axis.stride + 1, tail(axis.outputs)}):
        middle = axis.outputs - second
        last = axis_piece(axis, max(middle, 0), axis.outputs, 0, axis.taps)
        half = with_axis(tile, last, is_row)
        if middle > 0 and half.useful_macs and tile_peak(half, schedule) == bits:
            late = p[p >= middle] if loop in "PQ" else p[h >= h[p >= middle].min()]
            early = set(np.setdiff1d(p, late).tolist())
            return {pixel for pixel in _visited(tile) if pixel[0 if is_row else 1] in early}
    return set()


def _visited(tile: Conv) -> set[tuple[int, int]]:
    """Outputs (p, q) of a tile that any tap feeds."""
    rows, cols = (set(axis.pairs()[0].tolist()) for axis in (tile.rows, tile.cols))
    return set(product(rows, cols))
