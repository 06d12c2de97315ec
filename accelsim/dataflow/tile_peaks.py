"""The peak of the tiles of a schedule, each counted with `liveness` as a layer of its own.

A tile may lie in another: its MACs, shifted by outputs and taps that keep blocks and phases whole,
are some of the other's. The shift keeps their order, and leaving MACs out shortens lives, so its
peak is no higher. (With `prefetch` it may be: words come a block early, and blocks that are left
out make that earlier.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.liveness import peak
from accelsim.dataflow.schedule import (
    Block,
    Buffering,
    Order,
    Schedule,
    output_phases,
    tap_phases,
)
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.workload.layer import Axis, Conv


def tile_peak_bits(schedule: Schedule, enough: int) -> int:
    """The most live bits of any one tile that keeps nothing from others, by `liveness`.

    Where that is `enough` or more, what the first such tile has: the others are not counted.
    """
    group, block, most = schedule.layer.group(), schedule.block, 0
    begins = {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    images, outputs, channels = (
        max(_lengths(begins.get(dim, (0,)), schedule.dims[dim])) for dim in "NKC"
    )
    largest = replace(group, N=images, K=outputs, C=channels)
    phased = any(loop.endswith("%") for loop in schedule.order)
    rows, cols = (
        _outermost(
            axis, begins.get(dim, (0,)), begins.get(tap, (0,)), getattr(block, dim),
            getattr(block, tap), phased, schedule.buffering,
        )
        for axis, dim, tap in ((group.rows, "P", "R"), (group.cols, "Q", "S"))
    )  # fmt: skip
    tiles = sorted(product(rows, cols), key=lambda each: -_pairs(*each))
    for row, col in tiles:
        most = max(most, tile_peak(replace(largest, rows=row, cols=col), schedule))
        if most >= enough:
            break
    return most


def _pairs(row: Axis, col: Axis) -> int:
    return row.useful_pairs * col.useful_pairs


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


@lru_cache(maxsize=1024)
def _outermost(
    axis: Axis,
    begins: tuple[int, ...],
    tap_begins: tuple[int, ...],
    block_p: int,
    block_r: int,
    phased: bool,
    buffering: Buffering,
) -> tuple[Axis, ...]:
    """The pieces of a cut of a whole axis that lie in no other, the largest first."""
    pieces = [piece for piece, _ in _pieces(axis, (0, axis.outputs), begins, tap_begins)]
    if buffering == "prefetch" or len(pieces) == 1:
        return tuple(pieces)
    steps = block_p, block_r
    if phased:
        steps = block_p * output_phases(axis), block_r * tap_phases(axis)
    found: list[Axis] = []
    for piece in sorted(pieces, key=lambda piece: -piece.useful_pairs):
        if not any(_lies_in(piece, other, steps) for other in found):
            found.append(piece)
    return tuple(found)


def _lies_in(piece: Axis, other: Axis, steps: tuple[int, int]) -> bool:
    """Whether the pairs of a piece, shifted by multiples of steps, are some of another's.

    Tried are few shifts in outputs: what lies elsewhere only is not found.
    """
    outputs, taps = other.outputs - piece.outputs, other.taps - piece.taps
    if outputs < 0 or taps < 0:
        return False
    mine, theirs = _meets(piece), _meets(other)
    for p in sorted({*range(0, min(outputs, 16) + 1), outputs}):
        for r in range(taps + 1):
            if p % steps[0] == 0 and r % steps[1] == 0:
                there = theirs[p : p + piece.outputs, r : r + piece.taps]
                if not (mine & ~there).any():
                    return True
    return False


@lru_cache(maxsize=256)
def _meets(axis: Axis) -> NDArray[np.bool_]:
    """Whether an output and a tap have an input: (outputs, taps)."""
    p, r, _ = axis.pairs()
    meets = np.zeros((axis.outputs, axis.taps), dtype=bool)
    meets[p, r] = True
    return meets
