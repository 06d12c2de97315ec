"""Tiles of one spatial axis: how it is cut, and what each cut fetches, visits and keeps live.

A cut of an axis is a split of its outputs into pieces and a split of its taps into pieces; a tile
takes one of each. Everything about a tile that its traffic and its live words need is counted once
per axis here, so that a candidate schedule costs a few multiplications (`tiling.py`).

Live words are counted for *sweeps*: positions visited one after another (taps, outputs or inputs),
each touching words (inputs, taps or outputs). A word is live from the first position that touches
it to the last. Row and column sweeps nest, and first and last use in a product of sets, visited in
lexicographic order, are each axis's own; so with u words in all, a words not yet born after a
position, d dead before it, f born and l dying at it, the live words at positions (x, y) are

    u_x·u_y - (a_x·u_y + f_x·a_y) - (d_x·u_y + l_x·d_y)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from accelsim.dataflow import tile_axis_kernels as kernel
from accelsim.dataflow.schedule import tap_phases
from accelsim.workload.layer import Axis, Int64


@dataclass(frozen=True)
class AxisTiles:
    """All useful cuts of an axis as arrays; a cut is (output split, tap split), output-major.

    begins: first outputs of each output split; tap_begins: likewise of each tap split.
    cuts (cuts, CUT_FIELDS): pieces, tap pieces, inputs fetched by all tiles together, taps fetched
    by all output pieces together, output visits of all tap pieces together, inputs that a piece
    shares with the one before it (same tap piece), 1 if every tile uses all taps of its piece and
    every output piece is visited by every tap piece.
    kinds (cuts + 1): where the cut's kinds of tile begin; a kind is embedded in no other.
    inputs, outputs (splits, most pieces): inputs used and outputs fed by each piece under all taps.
    taps, tap_inputs (tap splits, most pieces): length of each tap piece, inputs it uses in all.
    sizes (kinds, 4): outputs of the piece that any tap feeds, outputs and inputs and taps used in
    the tile. lengths (kinds, sweeps): positions kept. counts (kinds, sweeps, 6, positions).
    ends: beyond so many positions from either end of the axis the pattern of windows repeats.
    """

    begins: tuple[tuple[int, ...], ...]
    tap_begins: tuple[tuple[int, ...], ...]
    ends: int
    cuts: Int64
    kinds: Int64
    sizes: Int64
    lengths: Int64
    counts: Int64
    inputs: Int64
    outputs: Int64
    taps: Int64
    tap_inputs: Int64

    def cut(self, split: int, tap_split: int) -> int:
        """Index of a cut."""
        return split * len(self.tap_begins) + tap_split


@lru_cache(maxsize=1024)
def even_splits(extent: int, block: int) -> tuple[tuple[int, ...], ...]:
    """Splits of a dim into tiles that are whole blocks: for every useful size, where tiles begin.

    All but the last tile are of one size; a size is useful if none smaller needs as few tiles.
    """
    blocks = -(-extent // block)
    sizes = sorted({-(-blocks // count) for count in range(1, blocks + 1)}, reverse=True)
    return tuple(tuple(range(0, extent, size * block)) for size in sizes)


def window_splits(outputs: int, block: int) -> tuple[tuple[int, ...], ...]:
    """Splits of an output axis: for every useful largest size, pieces that differ by one at most.

    The larger pieces lie at the two ends, where padding makes their windows smaller.
    """
    blocks = -(-outputs // block)
    sizes = sorted({-(-blocks // count) for count in range(1, blocks + 1)}, reverse=True)
    splits = []
    for size in sizes:
        count = -(-blocks // size)
        small, large = divmod(blocks, count)
        front, back = (large + 1) // 2, large // 2
        lengths = [small + 1] * front + [small] * (count - large) + [small + 1] * back
        begins = np.concatenate([[0], np.cumsum(lengths)[:-1]]) * block
        splits.append(tuple(int(begin) for begin in begins))
    return tuple(splits)


@lru_cache(maxsize=1024)
def axis_tiles(axis: Axis, block_p: int = 1, block_r: int = 1) -> AxisTiles:
    """Count every useful cut of an axis whose tiles are whole blocks."""
    splits = axis.kind in ("conv", "deconv")  # a piece of another axis is no axis of its kind
    begins = window_splits(axis.outputs, block_p) if splits else ((0,),)
    tap_begins = even_splits(axis.taps, block_r) if splits else ((0,),)
    return _counted(axis, begins, tap_begins)


@lru_cache(maxsize=8192)
def whole_tile(axis: Axis) -> AxisTiles:
    """Count an axis in one piece."""
    return _counted(axis, ((0,),), ((0,),))


def axis_piece(axis: Axis, low: int, high: int, first: int, last: int) -> Axis:
    """Outputs `low` up to `high` and taps `first` up to `last` of an axis as an axis of its own."""
    outputs, taps = high - low, last - first
    if axis.kind == "deconv":
        pad = axis.pad + low - first * axis.dilation
        piece = replace(axis, outputs=outputs, taps=taps, pad=pad)
        h = piece.pairs()[2]
        if len(h) and pad >= int(h.min()) * axis.stride:  # count from the first input it uses
            begin, end = int(h.min()), int(h.max()) + 1
            piece = replace(piece, inputs=end - begin, pad=pad - begin * axis.stride)
        return piece
    pad = axis.pad - low * axis.stride - first * axis.dilation
    inputs = axis.inputs + min(pad, 0)
    pad = max(pad, 0)
    reach = (outputs - 1) * axis.stride + (taps - 1) * axis.dilation + 1 - pad
    return Axis(outputs, taps, min(inputs, reach), axis.stride, axis.dilation, pad, axis.kind)


def _counted(
    axis: Axis, begins: tuple[tuple[int, ...], ...], tap_begins: tuple[tuple[int, ...], ...]
) -> AxisTiles:
    p, r, h = axis.pairs()
    # beyond this many positions from either end the pattern of windows repeats
    ends = (axis.taps - 1) * axis.dilation + axis.stride + 1
    if axis.kind in ("adaptive", "bilinear"):
        ends = axis.outputs + axis.inputs
    phased = axis.kind == "conv" and tap_phases(axis) > 1
    phase = np.arange(axis.taps) * axis.dilation % axis.stride * phased
    arrays: Any = kernel.count_cuts(
        p, r, h, _bounds(begins, axis.outputs), _bounds(tap_begins, axis.taps), ends,
        phase, axis.kind == "conv",
    )  # fmt: skip
    return AxisTiles(begins, tap_begins, ends, *arrays)


def _bounds(splits: tuple[tuple[int, ...], ...], extent: int) -> Int64:
    """Bounds of the pieces of each split, a row a split, filled up with the extent."""
    longest = max(map(len, splits)) + 1
    return np.array([(*split, *([extent] * (longest - len(split)))) for split in splits])
