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

Without stays these words are a box, whose bursts and runs `memory` counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from accelsim.dataflow.schedule import (
    RESIDENTS,
    Block,
    Order,
    Schedule,
)
from accelsim.hardware.format import BlockArray, OperandRates, SystolicArray
from accelsim.timing import memory as dram
from accelsim.timing.memory import (
    Memory,
    Used,
    box_cost,
    pixel_axes,
    plain_memory,
    stream_cost,
    weights_axes,
)
from accelsim.timing.pe_array import STREAMS, block_cycles, folds
from accelsim.timing.row_stationary import LaidOut
from accelsim.timing.tile_axis import AXES, NDBool, Steps, Tile, TileAxis
from accelsim.workload.layer import Int64, Widths

WEIGHTS, INPUTS, PSUMS_READ, OUTPUTS, PSUMS_WRITTEN = range(5)
_COLUMNS = (
    (0, dram.WEIGHTS, 1), (1, dram.INPUTS, 1), (2, dram.PSUMS, 1), (2, dram.OUTPUTS, -1),
    (2, dram.PSUMS, -1),
)  # fmt: skip
"""Of each column of the words: the operand's place among the axes, in memory, come or leave."""
_MOST_BLOCKS = 2**26


@dataclass(frozen=True)
class BlockList:
    """The blocks of a whole layer, its groups one after another, in the order in which they run.

    words (blocks, 5): weights, inputs and psums read, outputs and psums written across the chip
    edge. costs (blocks, 5, 2): of each of these the parts of bursts and the bits that take as long
    at the channel's peak (`memory`). compute_cycles (blocks,). begins_tile (blocks,): whether a
    block is the first of its tile.
    """

    words: Int64
    costs: Int64
    compute_cycles: Int64
    begins_tile: NDBool
    widths: Widths

    @property
    def channel_load_bits(self) -> Int64:
        """Bits that take as long at the channel's peak as each block's load, (blocks,)."""
        return np.asarray(self.costs[:, :OUTPUTS, 1].sum(axis=1))

    @property
    def channel_store_bits(self) -> Int64:
        """Bits that take as long at the channel's peak as each block's store, (blocks,)."""
        return np.asarray(self.costs[:, OUTPUTS:, 1].sum(axis=1))

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
    schedule: Schedule,
    pe: BlockArray | LaidOut,
    rates: int | OperandRates | None = None,
    memory: Memory | None = None,
) -> BlockList:
    """The blocks of a schedule on a PE array, whose SRAM gives and takes bytes at these rates.

    `memory` tells how words lie in DRAM; without it bits move as they are, at the peak.

    Each (tile, block) of the schedule is one, tiles without a useful MAC left out; outputs that no
    MAC feeds leave at the end of their group, as a block that only stores. A block takes what the
    array takes for its extents, padding included, or what SRAM takes if that is longer.
    Raises ValueError for a schedule that keeps a limited number of words, or words from one part to
    the other, for one that keeps any where memory moves bursts, and for more than 2**26 blocks.
    """
    memory = memory or plain_memory(schedule.layer.widths)
    parts = [part for part in (schedule, schedule.then) if part is not None]
    for stay in (stay for part in parts for stay in part.tiling.stays):
        if stay.words is not None or stay.through:
            raise ValueError(f"{stay.operand} stay in part; no block list is known for that")
    lists = [_PartBlocks(part, pe, rates, memory).blocks() for part in parts]
    words, costs, cycles, first = (np.concatenate(column) for column in zip(*lists, strict=True))
    group = schedule.layer.group()
    unfed = group.outputs_words - words[:, OUTPUTS].sum()
    if unfed or not len(words):
        words = np.concatenate([words, [[0, 0, 0, unfed, 0]]])
        total = schedule.layer.outputs_words
        cost = np.zeros((1, 5, 2), dtype=np.int64)
        cost[:, OUTPUTS] = stream_cost(memory, dram.OUTPUTS, np.array([unfed]), 1, total)
        costs = np.concatenate([costs, cost])
        cycles, first = np.append(cycles, 0), np.append(first, True)
    copies = schedule.layer.groups
    if len(words) * copies > _MOST_BLOCKS:
        raise ValueError(f"{len(words) * copies} blocks; take a larger block")
    moved = np.tile(words, (copies, 1)), np.tile(costs, (copies, 1, 1))
    return BlockList(*moved, np.tile(cycles, copies), np.tile(first, copies), schedule.layer.widths)


class _PartBlocks:
    """The blocks of one part of one group."""

    def __init__(
        self,
        schedule: Schedule,
        pe: BlockArray | LaidOut,
        rates: int | OperandRates | None,
        memory: Memory,
    ) -> None:
        self.schedule, self.pe, self.rates, self.memory = schedule, pe, rates, memory
        self.axes = [TileAxis(schedule, number) for number in range(len(AXES))]
        self._cycles: dict[tuple[int, ...], tuple[int, int, bool]] = {}
        self._in_tile: dict[tuple[object, ...], tuple[Int64, Int64]] = {}

    def blocks(self) -> tuple[Int64, Int64, Int64, NDBool]:
        """Words (blocks, 5), costs (blocks, 5, 2), cycles, whether a tile begins (blocks,)."""
        tiles = [tile for tile in self._tiles() if self._is_useful(tile)]
        if not tiles:
            nothing = np.zeros(0, dtype=np.int64)
            none = np.zeros((0, 5, 2), dtype=np.int64)
            return none[:, :, 0], none, nothing, nothing.astype(np.bool_)
        neighbours = zip([None, *tiles[:-1]], [*tiles[1:], None], strict=True)
        lists = [
            self._tile_blocks(tile, before, after)
            for tile, (before, after) in zip(tiles, neighbours, strict=True)
        ]
        if sum(len(cycles) for _, _, cycles in lists) > _MOST_BLOCKS:
            raise ValueError(f"more than {_MOST_BLOCKS} blocks; take a larger block")
        first = np.concatenate([np.arange(len(cycles)) == 0 for _, _, cycles in lists])
        words, costs, cycles = (np.concatenate(column) for column in zip(*lists, strict=True))
        return words, costs, cycles, first

    def _tiles(self) -> Iterator[Tile]:
        tiling = self.schedule.tiling
        counts = [len(cut.begins) for cut in tiling.cuts]
        starts = [0 for _ in counts]

        def nested(level: int, pieces: tuple[int, ...], ways: tuple[int, ...]) -> Iterator[Tile]:
            if level == len(counts):
                yield Tile(pieces, ways)
                return
            way = -1 if tiling.serpentine and starts[level] % 2 else 1
            starts[level] += 1
            for piece in range(counts[level])[::way]:
                yield from nested(level + 1, (*pieces, piece), (*ways, way))

        return nested(0, (), ())

    def _is_useful(self, tile: Tile) -> bool:
        return all(bool(axis.inside(tile).any()) for axis in self.axes)

    def _tile_blocks(
        self, tile: Tile, before: Tile | None, after: Tile | None
    ) -> tuple[Int64, Int64, Int64]:
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
        return words, self._costs(tile, order, words, arranged), cycles

    def _costs(self, tile: Tile, order: Order, words: Int64, arranged: Int64) -> Int64:
        """Parts of bursts and bits at the peak of each block's words, (blocks, 5, 2)."""
        memory, found = self.memory, np.zeros((len(words), 5, 2), dtype=np.int64)
        for column, (operand, stored, way) in enumerate(_COLUMNS):
            if memory.is_plain:
                found[:, column] = stream_cost(memory, stored, words[:, column], 1, 0)
            elif words[:, column].any():
                axes = self._axes(operand, tile, order, way, arranged)
                box = np.prod([axis.used for axis in axes], axis=0)
                moves = words[:, column] > 0
                if (box != words[:, column])[moves].any():
                    raise ValueError("a block moves part of a box; no runs are known for that")
                found[:, column] = np.where(moves[:, None], box_cost(memory, stored, axes), 0)
        return found

    def _axes(
        self, operand: int, tile: Tile, order: Order, way: int, arranged: Int64
    ) -> tuple[Used, ...]:
        """What the words of an operand that come (way 1) or leave (-1) use of its axes."""
        layer = self.schedule.layer
        runs = [axis.runs(operand, tile, order, way) for axis in self.axes]
        at = np.unravel_index(arranged, [len(each) for each in runs])
        extents = (
            (1, layer.K, layer.C // layer.groups, layer.rows.taps, layer.cols.taps),
            (layer.N, 1, layer.C, layer.rows.inputs, layer.cols.inputs),
            (layer.N, layer.K, 1, layer.rows.outputs, layer.cols.outputs),
        )[operand]
        n, k, c, rows, cols = (
            Used(own[place, 0], own[place, 1], own[place, 2], extent)
            for own, place, extent in zip(runs, at, extents, strict=True)
        )
        layout = self.memory.layout
        if operand == 0:
            return *weights_axes(layout, k, c, rows, cols), n
        channels, other = (c, k) if operand == 1 else (k, c)
        return *pixel_axes(layout, n, channels, rows, cols), other

    def _moved(
        self, operand: int, tile: Tile, order: Order, way: int, neighbour: Tile | None
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
        self, operand: int, tile: Tile, order: Order, depth: int, way: int,
        neighbour: Tile | None = None,
    ) -> Int64:  # fmt: skip
        """The product of one count an axis for every combination of steps, flat."""
        found, *others = (
            axis.moved(operand, tile, order, depth, way, neighbour) for axis in self.axes
        )
        for other in others:
            found = np.multiply.outer(found, other)
        return found.ravel()

    def _arranged(self, tile: Tile, order: Order, steps: list[Steps]) -> tuple[Int64, Int64]:
        """Places of the blocks among all combinations of steps, in order, and their cycles."""
        levels = [tuple(tile.pieces[level] for level in axis.levels) for axis in self.axes]
        key = (order, *levels)
        if key not in self._in_tile:
            self._in_tile[key] = self._arrange(order, steps)
        return self._in_tile[key]

    def _arrange(self, order: Order, steps: list[Steps]) -> tuple[Int64, Int64]:
        shape = tuple(len(own.boxes) for own in steps)
        if math.prod(shape) > _MOST_BLOCKS:
            raise ValueError(f"{math.prod(shape)} blocks in a tile; take a larger block")
        rank = np.zeros(shape, dtype=np.int64)
        seen = [0] * 5
        for loop in order:
            axis = next(a for a in range(5) if loop in self.axes[a].loops_of(order))
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
        if not isinstance(self.pe, SystolicArray):
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
            one = not isinstance(pe, SystolicArray) or folds(pe, block) == 1
            self._cycles[extents] = (
                block_cycles(pe, layer, block, self.rates),
                block_cycles(pe, layer, block, self.rates, continues=True),
                one,
            )
        return self._cycles[extents]
