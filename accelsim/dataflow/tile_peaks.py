"""The peak of the tiles of a schedule, each counted with `liveness` as a layer of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise, product

from accelsim.dataflow.liveness import peak
from accelsim.dataflow.schedule import Block, Buffering, Order, Schedule
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.workload.layer import Axis, Conv


def tile_peak_bits(schedule: Schedule) -> int:
    """The most live bits of any one tile that keeps nothing from others, by `liveness`."""
    return max(tile_peaks(schedule))


def tile_peaks(schedule: Schedule) -> tuple[int, int]:
    """The most live bits of any tile but the last in n, p, q, and of that last one.

    Of a schedule with parts those of the first part.
    """
    found = [0, 0]
    for tile, *places in tile_kinds(schedule):
        for is_last in (False, True):
            if places[is_last]:
                found[is_last] = max(found[is_last], tile_peak(tile, schedule))
    return found[0], found[1]


def tile_kinds(schedule: Schedule) -> Iterator[tuple[Conv, bool, bool]]:
    """The different tiles with the most channels, and whether any of a kind is not the last in
    n, p, q, and whether any is.
    """
    group, part = schedule.layer.group(), schedule.part
    begins = {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    dims = schedule.dims
    sizes = {dim: _lengths(begins.get(dim, (0,)), dims[dim]) for dim in "NKC"}
    bounds = {
        dim: (part.begin, part.end) if part and part.dim == dim else (0, group.dims[dim])
        for dim in "PQ"
    }
    rows = _pieces(group.rows, bounds["P"], begins.get("P", (0,)), begins.get("R", (0,)))
    cols = _pieces(group.cols, bounds["Q"], begins.get("Q", (0,)), begins.get("S", (0,)))
    largest = replace(group, K=max(sizes["K"]), C=max(sizes["C"]))
    most, final = max(sizes["N"]), sizes["N"][-1]
    for (row, row_places), (col, col_places) in product(rows, cols):
        is_earlier = row_places[0] or col_places[0] or len(sizes["N"]) > 1
        is_last = row_places[1] and col_places[1]
        for images in {most, final}:
            tile = replace(largest, N=images, rows=row, cols=col)
            if tile.useful_macs:
                yield tile, is_earlier and images == most, is_last and images == final


def tile_peak(tile: Conv, schedule: Schedule) -> int:
    """The most live bits of a tile that runs as a schedule's tiles do."""
    return _peak_bits(tile, schedule.order, schedule.block, schedule.buffering)


@lru_cache(maxsize=4096)
def _peak_bits(tile: Conv, order: Order, block: Block, buffering: Buffering) -> int:
    return peak(tile, order, block, buffering).bits


def _lengths(begins: tuple[int, ...], extent: int) -> list[int]:
    return [end - begin for begin, end in pairwise((*begins, extent))]


@lru_cache(maxsize=1024)
def _pieces(
    axis: Axis, bounds: tuple[int, int], begins: tuple[int, ...], tap_begins: tuple[int, ...]
) -> tuple[tuple[Axis, tuple[bool, bool]], ...]:
    """The different axes that the pieces of a cut are: is one before the last, is one the last."""
    found: dict[Axis, tuple[bool, bool]] = {}
    if len(begins) == len(tap_begins) == 1 and bounds == (0, axis.outputs):
        return ((axis, (False, True)),)
    first_outputs = [bounds[0] + begin for begin in begins]
    for low, high in pairwise((*first_outputs, bounds[1])):
        for first, last in pairwise((*tap_begins, axis.taps)):
            piece = axis_piece(axis, low, high, first, last)
            if piece.useful_pairs:
                before, at_end = found.get(piece, (False, False))
                found[piece] = before or high < bounds[1], at_end or high == bounds[1]
    return tuple(found.items())
