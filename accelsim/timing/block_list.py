"""From a schedule to its list of blocks: what each loads, computes and stores.

A MAC belongs to five independent axes (n, k, c, rows, columns), and so does a word; tiles cut the
axes, and loops walk them. The first block that uses a word is therefore each axis's own first step
(see `dataflow.liveness`), within a tile as among tiles. So how many words of an operand a block is
the first to use is a product over the axes of counts at the block's step:

    fresh(block) = prod over axes of |words of the axis whose first step in the tile is this one|

Of these only words are counted that no earlier tile of the pass has left on the chip (`Stay`):
those for which, on every axis, no earlier piece of the pass comes before this tile's; less those
that the tile just before used, where these stay for the next tile. Psums come back unless the tile
is the first to feed them, and leave at their last step unless a later tile of the pass goes on.
What is on no operand's axis is a factor of one word there, used at every step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.schedule import (
    COL_LOOPS,
    RESIDENTS,
    ROW_LOOPS,
    Block,
    Order,
    Schedule,
    output_phases,
    tap_phases,
)
from accelsim.hardware.format import OperandRates, PeArray, SpatialArray
from accelsim.timing.pe_array import STREAMS, accesses, array_cycles, folds, sram_cycles
from accelsim.workload.layer import Int64, Widths

WEIGHTS, INPUTS, PSUMS_READ, OUTPUTS, PSUMS_WRITTEN = range(5)
_AXES = ("N", "K", "C", "PR", "QS")
_MOST_BLOCKS = 2**26
NDBool = NDArray[np.bool_]


@dataclass(frozen=True)
class BlockList:
    """The blocks of a whole layer, its groups one after another, in the order in which they run.

    words (blocks, 5): weights, inputs and psums read, outputs and psums written across the chip
    edge. compute_cycles (blocks,).
    """

    words: Int64
    compute_cycles: Int64
    widths: Widths

    @property
    def load_bytes(self) -> Int64:
        """Bytes that each block loads, (blocks,)."""
        widths = self.widths
        return self._bytes(((WEIGHTS, widths.weights), (INPUTS, widths.inputs),
                            (PSUMS_READ, widths.psums)))  # fmt: skip

    @property
    def store_bytes(self) -> Int64:
        """Bytes that each block stores, (blocks,)."""
        return self._bytes(((OUTPUTS, self.widths.outputs), (PSUMS_WRITTEN, self.widths.psums)))

    def _bytes(self, columns: tuple[tuple[int, int], ...]) -> Int64:
        """Whole bytes whose sum over all blocks is rounded up once an operand."""
        found = np.zeros(len(self.words), dtype=np.int64)
        for column, bits in columns:
            so_far = -(-np.cumsum(self.words[:, column]) * bits // 8)
            found += np.diff(so_far, prepend=0)
        return found


def block_list(
    schedule: Schedule, pe: PeArray, rates: int | OperandRates | None = None
) -> BlockList:
    """The blocks of a schedule on a PE array, whose SRAM gives and takes bytes at these rates.

    Each (tile, block) of the schedule is one, tiles without a useful MAC left out. A block takes
    what the array takes for its extents, padding included, or what SRAM takes if that is longer.
    Raises ValueError for a schedule that keeps a limited number of words, or words from one part to
    the other, and for more than 2**26 blocks.
    """
    parts = [part for part in (schedule, schedule.then) if part is not None]
    for stay in (stay for part in parts for stay in part.tiling.stays):
        if stay.words is not None or stay.through:
            raise ValueError(f"{stay.operand} stay in part; no block list is known for that")
    lists = [_PartBlocks(part, pe, rates).blocks() for part in parts]
    words = np.concatenate([each for each, _ in lists])
    cycles = np.concatenate([each for _, each in lists])
    group = schedule.layer.group()
    if not len(words):  # nothing but padding
        words, cycles = np.zeros((1, 5), dtype=np.int64), np.zeros(1, dtype=np.int64)
    # outputs that no MAC feeds leave with the last block
    words[-1, OUTPUTS] += group.outputs_words - words[:, OUTPUTS].sum()
    copies = schedule.layer.groups
    if len(words) * copies > _MOST_BLOCKS:
        raise ValueError(f"{len(words) * copies} blocks; take a larger block")
    return BlockList(np.tile(words, (copies, 1)), np.tile(cycles, copies), schedule.layer.widths)


@dataclass(frozen=True)
class _Tile:
    """A tile: the piece of each cut, and which way each cut's loop runs there (1 or -1)."""

    pieces: tuple[int, ...]
    ways: tuple[int, ...]


@dataclass(frozen=True)
class _Steps:
    """The steps of one axis in one tile, in the order of the axis's own loops.

    coordinates (loops, steps); boxes (steps, 4): first and number of n, k or c, or of p, then of r.
    step: of each useful entry of the tile.
    """

    coordinates: Int64
    boxes: Int64
    step: Int64


class _Axis:
    """One axis of a part: its useful entries, the pieces they lie in, the loops over them."""

    def __init__(self, schedule: Schedule, number: int) -> None:
        self.schedule, self.number = schedule, number
        self.dims = _AXES[number]
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
        self._known_steps: dict[tuple[object, ...], _Steps] = {}

    def _piece(self, dim: str, begins: tuple[int, ...], own: tuple[Int64, Int64]) -> Int64:
        return np.searchsorted(begins, own[self.dims.index(dim)], side="right") - 1

    def inside(self, tile: _Tile, nominal: bool = False) -> NDBool:
        """Which useful (or all nominal) entries lie in a tile."""
        pieces = self.nominal_pieces if nominal else self.pieces
        found = np.ones(len((self.nominal if nominal else self.own)[0]), dtype=np.bool_)
        for level, piece in zip(self.levels, pieces, strict=True):
            found &= piece == tile.pieces[level]
        return found

    def steps(self, tile: _Tile, order: Order) -> _Steps:
        """The steps of the axis's loops in a tile."""
        key = (order, *(tile.pieces[level] for level in self.levels))
        if key not in self._known_steps:
            self._known_steps[key] = self._steps(tile, order)
        return self._known_steps[key]

    def _steps(self, tile: _Tile, order: Order) -> _Steps:
        whole, useful = self.inside(tile, nominal=True), self.inside(tile)
        begins = [0, 0]
        for level, cut in zip(self.levels, self.cuts, strict=True):
            begins[self.dims.index(cut.dim)] = cut.begins[tile.pieces[level]]
        nominal = tuple(own[whole] for own in self.nominal)
        own = tuple(own[useful] for own in self.own)
        inputs = self.words[1][useful]
        loops = self._loops(order)
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
        return _Steps(steps, boxes, place.ravel()[steps.shape[1] :])

    def _loops(self, order: Order) -> list[str]:
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
        self, operand: int, tile: _Tile, order: Order, depth: int, way: int,
        neighbour: _Tile | None = None,
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

    def _first(self, operand: int, tile: _Tile, depth: int, way: int) -> NDBool:
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

    def _counts(self, operand: int, tile: _Tile, steps: _Steps, chosen: NDBool, way: int) -> Int64:
        """How many of the chosen entries' words have each step as their first (last)."""
        words, step = self.words[operand][self.inside(tile)][chosen], steps.step[chosen]
        if not len(words):
            return np.zeros(len(steps.boxes), dtype=np.int64)
        base = int(words.min())
        ends = np.full(int(words.max()) - base + 1, -1, dtype=np.int64)
        if way > 0:
            ends[words - base] = len(steps.boxes)
            np.minimum.at(ends, words - base, step)
        else:
            np.maximum.at(ends, words - base, step)
        return np.bincount(ends[ends >= 0], minlength=len(steps.boxes)).astype(np.int64)


class _PartBlocks:
    """The blocks of one part of one group."""

    def __init__(self, schedule: Schedule, pe: PeArray, rates: int | OperandRates | None) -> None:
        self.schedule, self.pe, self.rates = schedule, pe, rates
        self.axes = [_Axis(schedule, number) for number in range(5)]
        self._cycles: dict[tuple[int, ...], tuple[int, int, bool]] = {}
        self._in_tile: dict[tuple[object, ...], tuple[Int64, Int64]] = {}

    def blocks(self) -> tuple[Int64, Int64]:
        """Words (blocks, 5) and cycles (blocks,)."""
        tiles = [tile for tile in self._tiles() if self._is_useful(tile)]
        if not tiles:
            return np.zeros((0, 5), dtype=np.int64), np.zeros(0, dtype=np.int64)
        neighbours = zip([None, *tiles[:-1]], [*tiles[1:], None], strict=True)
        lists = [
            self._tile_blocks(tile, before, after)
            for tile, (before, after) in zip(tiles, neighbours, strict=True)
        ]
        if sum(len(cycles) for _, cycles in lists) > _MOST_BLOCKS:
            raise ValueError(f"more than {_MOST_BLOCKS} blocks; take a larger block")
        return np.concatenate([w for w, _ in lists]), np.concatenate([c for _, c in lists])

    def _tiles(self) -> Iterator[_Tile]:
        tiling = self.schedule.tiling
        counts = [len(cut.begins) for cut in tiling.cuts]
        starts = [0 for _ in counts]

        def nested(level: int, pieces: tuple[int, ...], ways: tuple[int, ...]) -> Iterator[_Tile]:
            if level == len(counts):
                yield _Tile(pieces, ways)
                return
            way = -1 if tiling.serpentine and starts[level] % 2 else 1
            starts[level] += 1
            for piece in range(counts[level])[::way]:
                yield from nested(level + 1, (*pieces, piece), (*ways, way))

        return nested(0, (), ())

    def _is_useful(self, tile: _Tile) -> bool:
        return all(bool(axis.inside(tile).any()) for axis in self.axes)

    def _tile_blocks(
        self, tile: _Tile, before: _Tile | None, after: _Tile | None
    ) -> tuple[Int64, Int64]:
        schedule, cuts = self.schedule, self.schedule.tiling.cuts
        order = schedule.order
        if schedule.turn_order and tile.pieces[-1] in (0, len(cuts[-1].begins) - 1):
            order = schedule.turn_order
        steps = [axis.steps(tile, order) for axis in self.axes]
        arranged, cycles = self._arranged(tile, order, steps)
        words = np.zeros((len(cycles), 5), dtype=np.int64)
        for operand, column in ((0, WEIGHTS), (1, INPUTS)):
            if operand or schedule.layer.has_weights:
                words[:, column] = self._moved(operand, tile, order, 1, before)[arranged]
        fresh = self._moved(2, tile, order, 1, before)
        words[:, PSUMS_READ] = (fresh - self._outer(2, tile, order, 0, 1))[arranged]
        done = self._outer(2, tile, order, 0, -1)
        words[:, OUTPUTS] = done[arranged]
        words[:, PSUMS_WRITTEN] = (self._moved(2, tile, order, -1, after) - done)[arranged]
        return words, cycles

    def _moved(
        self, operand: int, tile: _Tile, order: Order, way: int, neighbour: _Tile | None
    ) -> Int64:
        """Words that come at each block (way 1) or leave at it (-1), blocks not yet in order."""
        stays = [stay for stay in self.schedule.tiling.stays if RESIDENTS[operand] == stay.operand]
        depth = next((stay.depth for stay in stays if not stay.next_only), len(tile.pieces))
        found = self._outer(operand, tile, order, depth, way)
        soon = next((stay.depth for stay in stays if stay.next_only), None)
        if neighbour and soon is not None and neighbour.pieces[:soon] == tile.pieces[:soon]:
            found = found - self._outer(operand, tile, order, depth, way, neighbour)
        return found

    def _outer(
        self, operand: int, tile: _Tile, order: Order, depth: int, way: int,
        neighbour: _Tile | None = None,
    ) -> Int64:  # fmt: skip
        """The product of one count an axis for every combination of steps, flat."""
        found, *others = (
            axis.moved(operand, tile, order, depth, way, neighbour) for axis in self.axes
        )
        for other in others:
            found = np.multiply.outer(found, other)
        return found.ravel()

    def _arranged(self, tile: _Tile, order: Order, steps: list[_Steps]) -> tuple[Int64, Int64]:
        """Places of the blocks among all combinations of steps, in order, and their cycles."""
        levels = [tuple(tile.pieces[level] for level in axis.levels) for axis in self.axes]
        key = (order, *levels)
        if key not in self._in_tile:
            self._in_tile[key] = self._arrange(order, steps)
        return self._in_tile[key]

    def _arrange(self, order: Order, steps: list[_Steps]) -> tuple[Int64, Int64]:
        shape = tuple(len(own.boxes) for own in steps)
        if math.prod(shape) > _MOST_BLOCKS:
            raise ValueError(f"{math.prod(shape)} blocks in a tile; take a larger block")
        rank = np.zeros(shape, dtype=np.int64)
        seen = [0] * 5
        for loop in order:
            axis = next(a for a in range(5) if loop in self.axes[a]._loops(order))
            line = [1] * 5
            line[axis] = shape[axis]
            _, along = np.unique(steps[axis].coordinates[seen[axis]], return_inverse=True)
            rank = rank * (int(along.max(initial=0)) + 1) + along.reshape(line)
            seen[axis] += 1
        arranged = np.argsort(rank, axis=None, kind="stable")
        at = np.unravel_index(arranged, shape)
        boxes = [own.boxes[place] for own, place in zip(steps, at, strict=True)]
        n, k, c, rows, cols = boxes
        begins = np.stack(
            [n[:, 0], k[:, 0], c[:, 0], rows[:, 0], cols[:, 0], rows[:, 2], cols[:, 2]]
        )
        extents = np.stack(
            [n[:, 1], k[:, 1], c[:, 1], rows[:, 1], cols[:, 1], rows[:, 3], cols[:, 3]]
        )
        kinds, kind = np.unique(extents, axis=1, return_inverse=True)
        known = np.array([self._kind(tuple(each)) for each in kinds.T.tolist()]).reshape(-1, 3)
        whole, streamed, one_fold = known[kind.ravel()].T
        if isinstance(self.pe, SpatialArray):
            return arranged, whole
        still = [at for at, dim in enumerate("NKCPQRS") if dim not in STREAMS[self.pe.dataflow]]
        same = (begins[still, 1:] == begins[still, :-1]).all(axis=0)
        same &= (extents[still, 1:] == extents[still, :-1]).all(axis=0)
        goes_on = np.r_[False, same] & (one_fold == 1)
        return arranged, np.where(goes_on, streamed, whole)

    def _kind(self, extents: tuple[int, ...]) -> tuple[int, int, bool]:
        """Cycles of a block of these extents, those as a stream goes on, whether it is one fold."""
        if extents not in self._cycles:
            block, layer, pe = Block(*extents), self.schedule.layer, self.pe
            stride, dilation = (
                (getattr(layer.rows, name), getattr(layer.cols, name))
                for name in ("stride", "dilation")
            )
            least = sram_cycles(accesses(pe, block, stride, dilation), layer.widths, self.rates)
            one = isinstance(pe, SpatialArray) or folds(pe, block) == 1
            self._cycles[extents] = (
                max(least, array_cycles(pe, block)),
                max(least, array_cycles(pe, block, continues=True)),
                one,
            )
        return self._cycles[extents]


def _extent(index: Int64, step: Int64, steps: int) -> tuple[Int64, Int64]:
    """The least index of each step, and how many different ones it has."""
    least = np.full(steps, np.iinfo(np.int64).max)
    np.minimum.at(least, step, index)
    pairs = np.unique(np.stack([step, index]), axis=1)
    return least, np.bincount(pairs[0], minlength=steps).astype(np.int64)
