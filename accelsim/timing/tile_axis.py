"""One axis of a tiled schedule: the steps that its loops take in a tile, and the words they use.

The axes are n, k, c, rows (p, r, h) and columns (q, s, w). An entry of an axis is an index of it,
or a pair (p, r) with its input h: useful pairs move words, the padding's pairs take time alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.schedule import (
    COL_LOOPS,
    ROW_LOOPS,
    Order,
    Schedule,
    output_phases,
    tap_phases,
)
from accelsim.workload.layer import Int64

AXES = ("N", "K", "C", "PR", "QS")
NDBool = NDArray[np.bool_]


@dataclass(frozen=True)
class Tile:
    """A tile: the piece of each cut, and which way each cut's loop runs there (1 or -1)."""

    pieces: tuple[int, ...]
    ways: tuple[int, ...]


@dataclass(frozen=True)
class Steps:
    """The steps of one axis in one tile, in the order of the axis's own loops.

    coordinates (loops, steps); boxes (steps, 4): first and number of n, k or c, or of p, then of r.
    step: of each useful entry of the tile.
    """

    coordinates: Int64
    boxes: Int64
    step: Int64


class TileAxis:
    """One axis of a part: its useful entries, the pieces they lie in, the loops over them."""

    def __init__(self, schedule: Schedule, number: int) -> None:
        self.schedule, self.number = schedule, number
        self.dims = AXES[number]
        layer, tiling = schedule.layer.group(), schedule.tiling
        self.levels = [at for at, cut in enumerate(tiling.cuts) if cut.dim in self.dims]
        self.cuts = [tiling.cuts[at] for at in self.levels]
        part = schedule.part
        self.origin = part.begin if part and part.dim == self.dims[0] else 0
        extents = schedule.dims
        if number < 3:
            index = np.arange(self.origin, self.origin + extents[self.dims], dtype=np.int64)
            zero = np.zeros_like(index)
            places = [(zero, index, index), (index, zero, index), (index, index, zero)]
            self.words, self.own = places[number], (index - self.origin, zero)
            self.nominal = self.own
        else:
            axis = layer.rows if number == 3 else layer.cols
            p, r, h = axis.pairs()
            inside = (p >= self.origin) & (p < self.origin + extents[self.dims[0]])
            p, r, h = p[inside], r[inside], h[inside]
            self.words, self.own, self.axis = (r, h, p), (p - self.origin, r), axis
            names = ROW_LOOPS if number == 3 else COL_LOOPS
            self.by_input = names[2] in schedule.order + schedule.turn_order
            self.nominal = self.own
            if axis.kind == "conv" and not self.by_input:  # zeros of the padding take their time
                grid = np.indices((extents[self.dims[0]], axis.taps), dtype=np.int64)
                self.nominal = grid[0].ravel(), grid[1].ravel()
        self.pieces = [self._piece(cut.dim, cut.begins, self.own) for cut in self.cuts]
        self.nominal_pieces = [self._piece(cut.dim, cut.begins, self.nominal) for cut in self.cuts]
        self._moved: dict[tuple[object, ...], Int64] = {}
        self._known_steps: dict[tuple[object, ...], Steps] = {}

    def _piece(self, dim: str, begins: tuple[int, ...], own: tuple[Int64, Int64]) -> Int64:
        return np.searchsorted(begins, own[self.dims.index(dim)], side="right") - 1

    def inside(self, tile: Tile, nominal: bool = False) -> NDBool:
        """Which useful (or all nominal) entries lie in a tile."""
        pieces = self.nominal_pieces if nominal else self.pieces
        found = np.ones(len((self.nominal if nominal else self.own)[0]), dtype=np.bool_)
        for level, piece in zip(self.levels, pieces, strict=True):
            found &= piece == tile.pieces[level]
        return found

    def steps(self, tile: Tile, order: Order) -> Steps:
        """The steps of the axis's loops in a tile."""
        key = (order, *(tile.pieces[level] for level in self.levels))
        if key not in self._known_steps:
            self._known_steps[key] = self._steps(tile, order)
        return self._known_steps[key]

    def _steps(self, tile: Tile, order: Order) -> Steps:
        whole, useful = self.inside(tile, nominal=True), self.inside(tile)
        begins = [0, 0]
        for level, cut in zip(self.levels, self.cuts, strict=True):
            begins[self.dims.index(cut.dim)] = cut.begins[tile.pieces[level]]
        nominal = tuple(own[whole] for own in self.nominal)
        own = tuple(own[useful] for own in self.own)
        inputs = self.words[1][useful]
        loops = self.loops_of(order)
        table = np.array([self._coordinate(loop, loops, nominal, begins, inputs) for loop in loops])
        mine = np.array([self._coordinate(loop, loops, own, begins, inputs) for loop in loops])
        table = table.reshape(len(loops), len(nominal[0]))
        steps, of_entry = np.unique(table, axis=1, return_inverse=True)
        of_entry = of_entry.ravel()
        boxes = np.stack(
            [each for own in nominal for each in _extent(own, of_entry, steps.shape[1])], axis=1
        )
        joint = np.concatenate([steps, mine.reshape(len(loops), len(own[0]))], axis=1)
        _, place = np.unique(joint, axis=1, return_inverse=True)
        return Steps(steps, boxes, place.ravel()[steps.shape[1] :])

    def loops_of(self, order: Order) -> list[str]:
        """The loops of an order that run over this axis."""
        names = (self.dims,) if self.number < 3 else ROW_LOOPS if self.number == 3 else COL_LOOPS
        return [loop for loop in order if loop in names]

    def _coordinate(
        self, loop: str, loops: list[str], own: tuple[Int64, ...], begins: list[int], h: Int64
    ) -> Int64:
        """Which iteration of a loop each entry belongs to."""
        if loop in ("H", "W"):
            return h
        place = self.dims.index(loop[0])
        index: Int64 = own[place]
        phases = 1
        if f"{loop[0]}%" in loops:
            phases = output_phases(self.axis) if place == 0 else tap_phases(self.axis)
        if loop.endswith("%"):
            if place:
                return index * self.axis.dilation % self.axis.stride
            return index % phases
        index = index // phases if phases > 1 else index - begins[place]
        return index // int(getattr(self.schedule.block, loop))

    def moved(
        self, operand: int, tile: Tile, order: Order, depth: int, way: int,
        neighbour: Tile | None = None,
    ) -> Int64:  # fmt: skip
        """Words of the axis that each step is the first (way 1) or the last (-1) to use, (steps,).

        Of these, words that no tile of the pass before (after) this one uses: a pass is one
        iteration of the outermost `depth` cuts. With a neighbour, only words that it uses too.
        """
        ways = [way * tile.ways[level] for level in self.levels if level >= depth]
        key = (
            operand, way, order, len(ways), *ways, *(tile.pieces[level] for level in self.levels),
            None, *(neighbour.pieces[level] for level in self.levels if neighbour),
        )  # fmt: skip
        if key not in self._moved:
            here = self.inside(tile)
            chosen = self._first(operand, tile, depth, way)
            if neighbour:
                words = self.words[operand]
                chosen = chosen & np.isin(words[here], words[self.inside(neighbour)])
            self._moved[key] = self._counts(operand, tile, self.steps(tile, order), chosen, way)
        return self._moved[key]

    def _first(self, operand: int, tile: Tile, depth: int, way: int) -> NDBool:
        """Of each entry in a tile, whether no tile of the pass before (after) it has its word."""
        words = self.words[operand]
        rank, mine = np.zeros(len(words), dtype=np.int64), 0
        same = np.ones(len(words), dtype=np.bool_)
        for level, cut, piece in zip(self.levels, self.cuts, self.pieces, strict=True):
            count, own = len(cut.begins), tile.pieces[level]
            if level < depth:
                same &= piece == own
                continue
            forth = way * tile.ways[level] > 0
            rank = rank * count + (piece if forth else count - 1 - piece)
            mine = mine * count + (own if forth else count - 1 - own)
        least = np.full(int(words.max(initial=0)) + 1, np.iinfo(np.int64).max)
        np.minimum.at(least, words[same], rank[same])
        return np.asarray(least[words[self.inside(tile)]] == mine)

    def runs(self, operand: int, tile: Tile, order: Order, way: int) -> Int64:
        """Of the words that each step is the first (last) in the tile to use: (steps, 3).

        How many they are, in how many segments of neighbours, and how many they span.
        """
        steps = self.steps(tile, order)
        found = np.zeros((len(steps.boxes), 3), dtype=np.int64)
        everything = np.ones(int(self.inside(tile).sum()), dtype=np.bool_)
        _, ends = self._ends(operand, tile, steps, everything, way)
        for step in np.unique(ends[ends >= 0]).tolist():
            at = np.flatnonzero(ends == step)
            found[step] = len(at), 1 + (np.diff(at) > 1).sum(), at[-1] - at[0] + 1
        return found

    def _counts(self, operand: int, tile: Tile, steps: Steps, chosen: NDBool, way: int) -> Int64:
        """How many of the chosen entries' words have each step as their first (last)."""
        _, ends = self._ends(operand, tile, steps, chosen, way)
        return np.bincount(ends[ends >= 0], minlength=len(steps.boxes)).astype(np.int64)

    def _ends(
        self, operand: int, tile: Tile, steps: Steps, chosen: NDBool, way: int
    ) -> tuple[int, Int64]:
        """The least of the chosen entries' words, and from it on each one's first (last) step.

        A word of none of the entries has -1.
        """
        words, step = self.words[operand][self.inside(tile)][chosen], steps.step[chosen]
        if not len(words):
            return 0, np.zeros(0, dtype=np.int64)
        base = int(words.min())
        ends = np.full(int(words.max()) - base + 1, -1, dtype=np.int64)
        if way > 0:
            ends[words - base] = len(steps.boxes)
            np.minimum.at(ends, words - base, step)
        else:
            np.maximum.at(ends, words - base, step)
        return base, ends


def _extent(index: Int64, step: Int64, steps: int) -> tuple[Int64, Int64]:
    """The least index of each step, and how many different ones it has."""
    least = np.full(steps, np.iinfo(np.int64).max)
    np.minimum.at(least, step, index)
    pairs = np.unique(np.stack([step, index]), axis=1)
    return least, np.bincount(pairs[0], minlength=steps).astype(np.int64)
