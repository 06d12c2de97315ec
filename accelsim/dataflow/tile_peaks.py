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

from accelsim.dataflow.liveness import done_at_peak, peak_bits
from accelsim.dataflow.schedule import (
    Block,
    Buffering,
    Order,
    Resident,
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
    sizes, most = _sizes(schedule), 0
    largest = replace(
        schedule.layer.group(), N=max(sizes["N"]), K=max(sizes["K"]), C=max(sizes["C"])
    )
    rows, cols = (_outermost(*_cut(schedule, dim, tap)) for dim, tap in ("PR", "QS"))
    for row, col in sorted(product(rows, cols), key=_less_pairs):
        most = max(most, tile_peak(replace(largest, rows=row, cols=col), schedule))
        if most >= enough:
            break
    return most


def tile_peaks(schedule: Schedule) -> tuple[int, int]:
    """The most live bits of any tile but the last in n, p, q, and of that last one.

    Of a schedule with parts those of the first part.
    """
    sizes = _sizes(schedule)
    largest = replace(schedule.layer.group(), K=max(sizes["K"]), C=max(sizes["C"]))
    rows, cols = (_outermost(*_cut(schedule, dim, tap)) for dim, tap in ("PR", "QS"))
    earlier = [
        replace(largest, N=max(sizes["N"]), rows=row, cols=col)
        for (row, is_earlier), (col, is_earlier_col) in product(rows.items(), cols.items())
        if is_earlier or is_earlier_col or len(sizes["N"]) > 1
    ]
    ends = (_pieces(*_cut(schedule, dim, tap)[:4]) for dim, tap in ("PR", "QS"))
    last_rows, last_cols = ([axis for axis, at in pieces if at[1]] for pieces in ends)
    last = [
        replace(largest, N=sizes["N"][-1], rows=row, cols=col)
        for row, col in product(last_rows, last_cols)
    ]
    most, most_last = (
        max((tile_peak(tile, schedule) for tile in tiles), default=0) for tiles in (earlier, last)
    )
    return most, most_last


def tile_kinds(schedule: Schedule) -> Iterator[tuple[Conv, bool]]:
    """The different tiles with the most images, output and input channels, and whether any of a
    kind is not the last in n, p, q.
    """
    sizes = _sizes(schedule)
    largest = replace(
        schedule.layer.group(), N=max(sizes["N"]), K=max(sizes["K"]), C=max(sizes["C"])
    )
    rows, cols = (_pieces(*_cut(schedule, dim, tap)[:4]) for dim, tap in ("PR", "QS"))
    for (row, row_at), (col, col_at) in product(rows, cols):
        tile = replace(largest, rows=row, cols=col)
        if tile.useful_macs:
            yield tile, row_at[0] or col_at[0] or len(sizes["N"]) > 1


def _less_pairs(tile: tuple[Axis, Axis]) -> int:
    return -tile[0].useful_pairs * tile[1].useful_pairs


def _sizes(schedule: Schedule) -> dict[str, list[int]]:
    """Lengths of the pieces of n, k, c."""
    return {dim: schedule.lengths(dim) for dim in "NKC"}


_Splits = tuple[Axis, tuple[int, int], tuple[int, ...], tuple[int, ...], tuple[int, int] | None]


def _cut(schedule: Schedule, dim: str, tap: str) -> _Splits:
    """An axis, the outputs that are the part's, the pieces of outputs and taps, and of how many of
    either a shift keeps blocks and phases whole; None where no shift keeps the order.
    """
    begins = {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    group, part, block = schedule.layer.group(), schedule.part, schedule.block
    axis = group.rows if dim == "P" else group.cols
    bounds = (part.begin, part.end) if part and part.dim == dim else (0, axis.outputs)
    steps = None
    if schedule.buffering != "prefetch":
        steps = getattr(block, dim), getattr(block, tap)
        if any(loop.endswith("%") for loop in schedule.order):
            steps = steps[0] * output_phases(axis), steps[1] * tap_phases(axis)
    return axis, bounds, begins.get(dim, (0,)), begins.get(tap, (0,)), steps


def tile_peak(tile: Conv, schedule: Schedule) -> int:
    """The most live bits of a tile that runs as a schedule's tiles do."""
    return _peak_bits(tile, schedule.order, schedule.block, schedule.buffering)


@lru_cache(maxsize=1024)
def words_done(tile: Conv, order: Order, bits: int, operand: Resident) -> int:
    """Words of an operand that a tile is done with when so many bits, its peak, live last."""
    return done_at_peak(tile, order, bits, operand)


def with_axis(tile: Conv, axis: Axis, is_row: bool) -> Conv:
    """A tile with other rows, or other columns."""
    return replace(tile, rows=axis) if is_row else replace(tile, cols=axis)


@lru_cache(maxsize=4096)
def _peak_bits(tile: Conv, order: Order, block: Block, buffering: Buffering) -> int:
    return peak_bits(tile, order, block, buffering)


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
    bounds: tuple[int, int],
    begins: tuple[int, ...],
    tap_begins: tuple[int, ...],
    steps: tuple[int, int] | None,
) -> dict[Axis, bool]:
    """The pieces of a cut that lie in no other, and whether each is one before the last.

    One before the last is left out for another such only.
    """
    pieces = {piece: before for piece, (before, _) in _pieces(axis, bounds, begins, tap_begins)}
    found: dict[Axis, bool] = {}
    for piece in sorted(pieces, key=lambda piece: -piece.useful_pairs):
        others = (other for other in found if found[other] or not pieces[piece])
        if steps is None or not any(_lies_in(piece, other, steps) for other in others):
            found[piece] = pieces[piece]
    return found


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
