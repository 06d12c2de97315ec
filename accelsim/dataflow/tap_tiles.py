"""What words that wait from one tap tile to a later one save, one tap dim alone being cut.

Outputs resident, two tap tiles, the loop over them innermost: both need the inputs in which their
windows overlap. Let x places take the first of these that the first tile is done with. A stream of
three channels or more has its peak P in the last channel but one too: if that of the first tile is
the schedule's, x words of the channels before wait there, and P + x is the peak; each saves 1.

Weights resident, strips, the loop over tap tiles outside theirs: outputs are spilled between tap
tiles. Let x places take the first psums that the pass's first tile is done with and a later one
visits. If all tap tiles visit them, they stay until the last one does; no strip but the first has
them among its own, so that P + x is the peak if the tile of another strip, before the last tap
tile, has peak P. Each saves a write and a read for every tap tile but one. Without strips, cut the
first tap tile in two as in `halves`: if the second half of its outputs has peak P, psums that are
done with before its first MAC wait there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np

from accelsim.dataflow.long_streams import MOST_PLACES, tail
from accelsim.dataflow.schedule import ROW_LOOPS, Schedule
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_peaks import tile_peak, with_axis
from accelsim.workload.layer import Axis, Conv, Int64

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
    """Words moved that 1, 2, ... places for psums save, the loops over k, tap tiles and strips in
    this order; bits: the peak.
    """
    begins = {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    taps, strip = [d for d in "RS" if d in begins], [d for d in "PQ" if d in begins]
    loops = [cut.dim for cut in schedule.tiling.cuts]
    if loops in (taps, ["K", *taps]) and len(taps) == 1:
        return _saved_without_strips(schedule, bits, taps[0])
    if len(taps) != 1 or len(strip) != 1 or loops not in ([*taps, *strip], ["K", *taps, *strip]):
        return _NONE
    if schedule.resident != "weights" or schedule.part or schedule.tiling.serpentine:
        return _NONE
    group = schedule.layer.group()
    outputs = schedule.lengths("K")
    cuts = {**begins, taps[0]: (*begins[taps[0]], group.dims[taps[0]])}
    cuts[strip[0]] = (*begins[strip[0]], group.dims[strip[0]])
    rows, cols = (_pieces(axis, dim, tap, cuts) for axis, dim, tap in (
        (group.rows, "P", "R"), (group.cols, "Q", "S")))  # fmt: skip
    tiles = {}  # by tap tile and strip
    for (row_at, row), (col_at, col) in product(rows, cols):
        at = max(row_at[1], col_at[1]), max(row_at[0], col_at[0])
        tile = replace(group, K=max(outputs), rows=row, cols=col)
        if tile.useful_macs:
            tiles[at] = tile
    (_, first), *_ = sorted(tiles)
    visitors = [tile for (_, at), tile in sorted(tiles.items()) if at == first]
    last = len(begins[taps[0]]) - 1
    if len(visitors) <= last:
        return _NONE
    again = set.intersection(*(_visited(tile) for tile in visitors[1:]))
    staying = len(_visited(visitors[0]) & again)
    if last > 1 and staying < len(_visited(visitors[0])):
        return _NONE
    others = {tile for (tap, at), tile in tiles.items() if at != first and tap < last}
    if not any(tile_peak(tile, schedule) == bits for tile in others):
        return _NONE
    most = min(min(outputs) * group.N * staying, MOST_PLACES)
    return np.arange(1, most + 1) * (2 * last * len(outputs))


def _saved_without_strips(schedule: Schedule, bits: int, tap: str) -> Int64:
    """The same where tap tiles alone are cut, and k tiles around them."""
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


def _pieces(
    axis: Axis, dim: str, tap: str, cuts: dict[str, tuple[int, ...]]
) -> list[tuple[tuple[int, int], Axis]]:
    """The pieces of an axis, by the number of their outputs and of their taps."""
    outputs = pairwise(cuts.get(dim, (0, axis.outputs)))
    taps = list(pairwise(cuts.get(tap, (0, axis.taps))))
    return [
        ((at, tap_at), axis_piece(axis, *bounds, *tap_bounds))
        for at, bounds in enumerate(outputs)
        for tap_at, tap_bounds in enumerate(taps)
    ]
