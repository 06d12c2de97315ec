"""From a schedule's definition to the order of its blocks, as trees that a machine can walk.

A MAC is one entry of each of five axes: n, k, c, a useful (p, r, h) of the rows, one of the
columns. Each entry says by how much it moves the index of the weight, the input and the output.
Each loop of the order belongs to one axis; the loops of an axis form a tree whose leaves, the
axis's part of a block, hold one entry or (in a larger block) several. The order of the blocks is
the odometer of the loops over these trees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.schedule import (
    COL_LOOPS,
    ROW_LOOPS,
    Order,
    Schedule,
    Tiling,
    output_phases,
    tap_phases,
)
from accelsim.workload.layer import Axis, Conv, Int64

Range = tuple[int, int]
Tile = dict[str, Range]
"""First and past-the-last index of each dim N K C P Q R S."""


@dataclass(frozen=True)
class Program:
    """One tile of one group as arrays.

    `entries` (entries, 3): moves of the weight, input, output index. `leaves` (5, most leaves + 1):
    where each axis's leaves begin among its entries. `loops` (loops, 3): axis of a loop, its level
    in the axis's tree, the place of the enclosing loop of the same axis (-1 if none).
    `children` (loops, most nodes + 1): where the children of each node of the enclosing level
    begin among the nodes of this level.
    `uses[operand]`: per axis, the indices that the tile's MACs touch and how often each is touched;
    a word is used as often as the product over the axes says.
    """

    entries: Int64
    leaves: Int64
    loops: Int64
    children: Int64
    uses: tuple[tuple[tuple[Int64, Int64], ...], ...]

    def words(self, operand: int) -> tuple[Int64, ...]:
        """Open mesh of the tile's words of an operand, for indexing an array over the axes."""
        return np.ix_(*(index for index, _ in self.uses[operand]))

    def counts(self, operand: int) -> Int64:
        """Uses of those words, as an array over the axes."""
        return reduce(np.multiply.outer, (count for _, count in self.uses[operand]))


def tiles_of(schedule: Schedule) -> Iterator[Tile]:
    """The tiles of one group that have useful MACs, in the order in which they run."""
    layer = schedule.layer.group()
    tile = {dim: (0, extent) for dim, extent in layer.dims.items()}
    for found in _nested(layer, schedule.tiling, 0, tile, [0] * len(schedule.tiling.cuts)):
        rows, cols = _inside(layer.rows, found, "PR"), _inside(layer.cols, found, "QS")
        if rows.any() and cols.any():
            yield found


def _inside(axis: Axis, tile: Tile, dims: str) -> NDArray[np.bool_]:
    """Which useful pairs of an axis lie in the tile."""
    p, r, _ = axis.pairs()
    (begin, end), (first, last) = tile[dims[0]], tile[dims[1]]
    return (p >= begin) & (p < end) & (r >= first) & (r < last)


def _nested(
    layer: Conv, tiling: Tiling, level: int, tile: Tile, starts: list[int]
) -> Iterator[Tile]:
    if level == len(tiling.cuts):
        yield tile
        return
    cut = tiling.cuts[level]
    ranges = list(zip(cut.begins, (*cut.begins[1:], layer.dims[cut.dim]), strict=True))
    if tiling.serpentine and starts[level] % 2:
        ranges.reverse()
    starts[level] += 1
    for piece in ranges:
        yield from _nested(layer, tiling, level + 1, {**tile, cut.dim: piece}, starts)


def compile_tile(schedule: Schedule, tile: Tile) -> Program:
    """Lay out the blocks of one tile of one group in the schedule's order."""
    layer = schedule.layer.group()
    shapes = word_shapes(layer)
    moves = [np.array(_strides(shape)) for shape in shapes]
    axes = [_counted(schedule, tile, dim) for dim in "NKC"]
    axes.append(_windowed(schedule, tile, layer.rows, "PR", ROW_LOOPS))
    axes.append(_windowed(schedule, tile, layer.cols, "QS", COL_LOOPS))
    entries, leaves = [], []
    uses: list[list[tuple[Int64, Int64]]] = [[], [], []]
    offset = 0
    for place, axis in enumerate(axes):
        moved = [word * move[place] for word, move in zip(axis.words, moves, strict=True)]
        entries.append(np.stack(moved, axis=1))
        leaves.append(axis.leaves + offset)
        offset += len(axis.words[0])
        for operand in range(3):
            index, count = np.unique(axis.words[operand], return_counts=True)
            uses[operand].append((index, count.astype(np.int64)))
    loops, children = _odometer(schedule.order, axes)
    return Program(
        np.concatenate(entries), _ragged(leaves), loops, _ragged(children),
        tuple(tuple(of_operand) for of_operand in uses),
    )  # fmt: skip


def word_shapes(layer: Conv) -> list[tuple[int, int, int, int, int]]:
    """Extents of weights, inputs, outputs of one group over the axes n, k, c, rows, columns."""
    N, K, C, P, Q, R, S = layer.dims.values()
    H, W = layer.rows.inputs, layer.cols.inputs
    return [(1, K, C, R, S), (N, 1, C, H, W), (N, K, 1, P, Q)]


@dataclass(frozen=True)
class _AxisTree:
    """An axis of one tile: words (W, I, O) of each entry, where leaves begin, nodes per loop."""

    words: tuple[Int64, Int64, Int64]
    leaves: Int64
    children: list[Int64]


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[place + 1 :]) if size > 1 else 0 for place, size in enumerate(shape)]


def _counted(schedule: Schedule, tile: Tile, dim: str) -> _AxisTree:
    """The axis n, k or c: one loop over blocks of it, or none."""
    start, stop = tile[dim]
    index = np.arange(start, stop)
    zero = np.zeros_like(index)
    words = {"N": (zero, index, index), "K": (index, zero, index), "C": (index, index, zero)}[dim]
    coordinate = (index - start) // getattr(schedule.block, dim)
    return _tree(words, [coordinate] if dim in schedule.order else [])


def _windowed(
    schedule: Schedule, tile: Tile, axis: Axis, dims: str, names: tuple[str, ...]
) -> _AxisTree:
    """Rows or columns: the useful pairs of the tile, under the axis's loops in their order."""
    p, r, h = axis.pairs()
    output, tap = dims[0], dims[1]
    inside = _inside(axis, tile, dims)
    p, r, h = p[inside], r[inside], h[inside]
    value = {"P": p, "R": r, "H": h}
    phases = {"P": output_phases(axis), "R": tap_phases(axis)}
    loops = [ROW_LOOPS[names.index(loop)] for loop in schedule.order if loop in names]
    coordinates = []
    for loop in loops:
        if loop == "H":
            coordinates.append(h)
        elif loop == "P%":
            coordinates.append(p % phases["P"])
        elif loop == "R%":
            coordinates.append(r * axis.dilation % axis.stride)
        else:
            number = value[loop]
            if loop + "%" in loops:
                number = number // phases[loop]
            start = tile[output if loop == "P" else tap][0]
            if loop + "%" not in loops:
                number = number - start
            coordinates.append(number // getattr(schedule.block, output if loop == "P" else tap))
    return _tree((r, h, p), coordinates)


def _tree(words: tuple[Int64, Int64, Int64], coordinates: list[Int64]) -> _AxisTree:
    """Sort the entries by their coordinates and cut them into nodes, loop by loop."""
    count = len(words[0])
    by_order = np.lexsort(coordinates[::-1]) if coordinates else np.arange(count)
    new_node = np.zeros(count, dtype=bool)
    new_node[:1] = True
    begins = [np.array([0, count])]  # entries of the nodes of each level; level 0 is the root
    for coordinate in coordinates:
        value = coordinate[by_order]
        new_node[1:] |= value[1:] != value[:-1]
        begins.append(np.append(np.flatnonzero(new_node), count))
    children = [np.searchsorted(inner, outer) for outer, inner in pairwise(begins)]
    weights, inputs, outputs = (word[by_order] for word in words)
    return _AxisTree((weights, inputs, outputs), begins[-1], children)


def _odometer(order: Order, axes: list[_AxisTree]) -> tuple[Int64, list[Int64]]:
    """Which axis and level each loop runs over, and the children it visits."""
    loops, children = [], []
    last = [-1] * len(axes)
    level = [0] * len(axes)
    for place, loop in enumerate(order):
        axis = "NKC".index(loop) if loop in "NKC" else 3 if loop in ROW_LOOPS else 4
        loops.append((axis, level[axis], last[axis]))
        children.append(axes[axis].children[level[axis]])
        last[axis] = place
        level[axis] += 1
    return np.array(loops, dtype=np.int64).reshape(-1, 3), children


def _ragged(rows: list[Int64]) -> Int64:
    """Rows of unequal length as one array, padded with zeros."""
    table = np.zeros((len(rows), max((len(row) for row in rows), default=0)), dtype=np.int64)
    for row, values in enumerate(rows):
        table[row, : len(values)] = values
    return table
