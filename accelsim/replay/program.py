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
from itertools import pairwise

import numpy as np

from accelsim.dataflow.schedule import (
    COL_LOOPS,
    ROW_LOOPS,
    Order,
    Schedule,
    output_phases,
    tap_phases,
)
from accelsim.workload.layer import Axis, Conv, Int64

Range = tuple[int, int]
Ranges = tuple[tuple[Range, ...], ...]
"""First and past-the-last index of each dim, axis by axis: N, K, C, then P and R, then Q and S."""
AXES = ("N", "K", "C", "PR", "QS")
Uses = tuple[Int64, ...]
"""Per axis (words, 2): moves of an operand's words that a tile touches, how often each of them."""


@dataclass(frozen=True)
class Tile:
    """A tile that has useful MACs: which piece of each cut it is, and its ranges."""

    pieces: tuple[int, ...]
    ranges: Ranges


@dataclass(frozen=True)
class Program:
    """One tile of one group as arrays.

    `entries` (entries, 3): moves of the weight, input, output index. `leaves` (5, most leaves + 1):
    where each axis's leaves begin among its entries. `loops` (loops, 3): axis of a loop, its level
    in the axis's tree, the place of the enclosing loop of the same axis (-1 if none).
    `children` (loops, most nodes + 1): where the children of each node of the enclosing level
    begin among the nodes of this level.
    `uses[operand]`: a word is used as often as the product over the axes says.
    """

    entries: Int64
    leaves: Int64
    loops: Int64
    children: Int64
    uses: tuple[Uses, Uses, Uses]
    macs: int
    one_mac_blocks: bool


@dataclass(frozen=True)
class _AxisTree:
    """An axis of one tile: moves (entries, 3), where leaves begin, the nodes of each loop, uses."""

    moves: Int64
    leaves: Int64
    children: list[Int64]
    uses: tuple[Int64, Int64, Int64]
    one_mac_leaves: bool


class Layout:
    """Lays out the tiles of one part of a group; an axis that several tiles share only once."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.layer = schedule, schedule.layer.group()
        self.extents = {dim: (0, extent) for dim, extent in self.layer.dims.items()}
        if schedule.part:
            self.extents[schedule.part.dim] = schedule.part.begin, schedule.part.end
        strides = [_strides(shape) for shape in word_shapes(self.layer)]
        self.strides = np.array(strides, dtype=np.int64)
        self.orders = [schedule.order, schedule.turn_order or schedule.order]
        self.loops = [_loops(order) for order in self.orders]
        self.levels = [loops[:, :2].tolist() for loops in self.loops]
        self._trees: dict[tuple[tuple[Range, ...], int, int], _AxisTree] = {}

    def tiles(self) -> Iterator[Tile]:
        """The tiles that have useful MACs, in the order in which they run."""
        cuts = self.schedule.tiling.cuts
        for pieces, extents in self._nested(0, (), self.extents, [0] * len(cuts)):
            tile = Tile(pieces, _ranges(extents))
            if all(len(self._tree_of(tile.ranges, axis, 0).moves) for axis in (3, 4)):
                yield tile

    def _nested(
        self, level: int, pieces: tuple[int, ...], extents: dict[str, Range], starts: list[int]
    ) -> Iterator[tuple[tuple[int, ...], dict[str, Range]]]:
        tiling = self.schedule.tiling
        if level == len(tiling.cuts):
            yield pieces, extents
            return
        dim, begins = tiling.cuts[level].dim, tiling.cuts[level].begins
        first, stop = self.extents[dim]
        ranges = list(pairwise((*(first + begin for begin in begins), stop)))
        numbers = range(len(ranges))
        backwards = tiling.serpentine and starts[level] % 2
        starts[level] += 1
        for piece in reversed(numbers) if backwards else numbers:
            inner = {**extents, dim: ranges[piece]}
            yield from self._nested(level + 1, (*pieces, piece), inner, starts)

    def program(self, tile: Tile) -> Program:
        """The blocks of a tile in the order that the schedule has for it."""
        turn = self._turns(tile)
        trees = [self._tree_of(tile.ranges, axis, turn) for axis in range(5)]
        loops = self.loops[turn]
        entries = [len(tree.moves) for tree in trees]
        begins = np.array([[sum(entries[:axis])] for axis in range(5)])
        return Program(
            entries=np.concatenate([tree.moves for tree in trees]),
            leaves=_ragged([tree.leaves for tree in trees]) + begins,
            loops=loops,
            children=_ragged([trees[axis].children[level] for axis, level in self.levels[turn]]),
            uses=(_uses(trees, 0), _uses(trees, 1), _uses(trees, 2)),
            macs=math.prod(entries),
            one_mac_blocks=bool(len(loops)) and all(tree.one_mac_leaves for tree in trees),
        )

    def uses(self, ranges: Ranges, operand: int) -> Uses:
        """The words of an operand that the MACs of these ranges touch, and how often."""
        return _uses([self._tree_of(ranges, axis, 0) for axis in range(5)], operand)

    def whole(self) -> Ranges:
        """The ranges of all tiles together."""
        return _ranges(self.extents)

    def _turns(self, tile: Tile) -> int:
        """1 for a tile at either end of the innermost cut, else 0: the place among `orders`."""
        if not self.schedule.turn_order:
            return 0
        last = len(self.schedule.tiling.cuts[-1].begins) - 1
        return int(tile.pieces[-1] in (0, last))

    def _tree_of(self, ranges: Ranges, axis: int, turn: int) -> _AxisTree:
        key = ranges[axis], axis, turn
        tree = self._trees.get(key)
        if tree is None:
            order, mine = self.orders[turn], ranges[axis]
            if axis < 3:
                found = _counted(mine[0], AXES[axis], order, self.schedule)
            elif axis == 3:
                found = _windowed(mine, self.layer.rows, AXES[3], ROW_LOOPS, order, self.schedule)
            else:
                found = _windowed(mine, self.layer.cols, AXES[4], COL_LOOPS, order, self.schedule)
            tree = self._trees[key] = _tree(*found, self.strides[:, axis])
        return tree


def word_shapes(layer: Conv) -> list[tuple[int, int, int, int, int]]:
    """Extents of weights, inputs, outputs of one group over the axes n, k, c, rows, columns."""
    N, K, C, P, Q, R, S = layer.dims.values()
    H, W = layer.rows.inputs, layer.cols.inputs
    return [(1, K, C, R, S), (N, 1, C, H, W), (N, K, 1, P, Q)]


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[place + 1 :]) if size > 1 else 0 for place, size in enumerate(shape)]


def _ranges(extents: dict[str, Range]) -> Ranges:
    return tuple(tuple(extents[dim] for dim in axis) for axis in AXES)


def _uses(trees: list[_AxisTree], operand: int) -> Uses:
    return tuple([tree.uses[operand] for tree in trees])


Words = tuple[Int64, Int64, Int64]
"""Index of each entry's weight, input, output along the entry's axis."""


def _counted(mine: Range, dim: str, order: Order, schedule: Schedule) -> tuple[Words, list[Int64]]:
    """The axis n, k or c: one loop over blocks of it, or none."""
    index = np.arange(*mine)
    zero = np.zeros_like(index)
    words = {"N": (zero, index, index), "K": (index, zero, index), "C": (index, index, zero)}[dim]
    return words, [(index - mine[0]) // getattr(schedule.block, dim)] if dim in order else []


def _windowed(
    mine: tuple[Range, ...], axis: Axis, dims: str, names: tuple[str, ...],
    order: Order, schedule: Schedule,
) -> tuple[Words, list[Int64]]:  # fmt: skip
    """Rows or columns: the useful pairs of the tile, and their place in each of the axis's loops.

    Phases count from the part's first output, blocks from the tile's, or the phase's, first.
    """
    part = schedule.part
    origin = part.begin if part and part.dim == dims[0] else 0
    (begin, end), (first, last) = mine
    p, r, h = axis.pairs()
    inside = (p >= begin) & (p < end) & (r >= first) & (r < last)
    p, r, h = p[inside], r[inside], h[inside]
    phases = {"P": output_phases(axis), "R": tap_phases(axis)}
    loops = [ROW_LOOPS[names.index(loop)] for loop in order if loop in names]
    places = {
        "H": h,
        "P": (p - origin) // phases["P"] if "P%" in loops else p - begin,
        "R": r // phases["R"] if "R%" in loops else r - first,
        "P%": (p - origin) % phases["P"],
        "R%": r * axis.dilation % axis.stride,
    }
    extents = {"P": getattr(schedule.block, dims[0]), "R": getattr(schedule.block, dims[1])}
    return (r, h, p), [places[loop] // extents.get(loop, 1) for loop in loops]


def _tree(words: Words, coordinates: list[Int64], strides: Int64) -> _AxisTree:
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
    moves = np.stack(words, axis=1)[by_order] * strides
    weights, inputs, outputs = (
        np.stack(np.unique(move, return_counts=True), axis=1).astype(np.int64) for move in moves.T
    )
    one_mac_leaves = bool((np.diff(begins[-1]) == 1).all())
    return _AxisTree(moves, begins[-1], children, (weights, inputs, outputs), one_mac_leaves)


def _loops(order: Order) -> Int64:
    """Axis of each loop, its level in the axis's tree, the place of the axis's loop outside it."""
    loops = []
    last, level = [-1] * 5, [0] * 5
    for place, loop in enumerate(order):
        axis = "NKC".index(loop) if loop in "NKC" else 3 if loop in ROW_LOOPS else 4
        loops.append((axis, level[axis], last[axis]))
        last[axis] = place
        level[axis] += 1
    return np.array(loops, dtype=np.int64).reshape(-1, 3)


def _ragged(rows: list[Int64]) -> Int64:
    """Rows of unequal length as one array, padded with zeros."""
    table = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=np.int64)
    for row, values in enumerate(rows):
        table[row, : len(values)] = values
    return table
