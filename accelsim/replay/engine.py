"""Replay: execute a schedule within a capacity and report what crossed the chip edge."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from accelsim.dataflow.schedule import RESIDENTS, Schedule, Stay
from accelsim.replay import machine, marks
from accelsim.replay.program import Layout, Program, Tile, word_shapes
from accelsim.replay.reference import direct, random_data
from accelsim.workload.layer import Int64


class DoesNotFit(Exception):
    """A block's live words passed the capacity; `bits` were needed."""

    def __init__(self, bits: int, capacity_bits: int) -> None:
        super().__init__(f"{bits} live bits do not fit {capacity_bits}")
        self.bits = bits


@dataclass(frozen=True)
class Replayed:
    """What an execution did: peak of one group's live bits and words, the whole layer's traffic.

    `correct`: every output equals the direct convolution. `groups` of `all_groups` were executed;
    traffic and macs are of those.
    """

    peak_bits: int
    peak_words: tuple[int, int, int]
    weights_read_words: int
    inputs_read_words: int
    psums_read_words: int
    psums_write_words: int
    outputs_write_words: int
    macs: int
    blocks: int
    correct: bool
    groups: int
    all_groups: int


Progress = Callable[[int], None]
"""Called now and then with the MACs done since the last call."""


def replay(
    schedule: Schedule,
    capacity_bits: int | None = None,
    *,
    seed: int = 0,
    sample: int | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Execute the schedule on random integers; raises DoesNotFit beyond the capacity.

    All groups run, one after another, or `sample` of them chosen by `seed`. With `double`
    buffering, capacity and peak are twice what is live.
    """
    layer = schedule.layer
    chosen = list(range(layer.groups))
    if sample is not None and sample < layer.groups:
        chosen = sorted(random.Random(seed).sample(chosen, sample))
    copies = 2 if schedule.buffering == "double" else 1
    capacity = machine.KEPT if capacity_bits is None else capacity_bits // copies
    total = np.zeros(machine.STATE_SIZE, dtype=np.int64)
    correct = True
    for group in chosen:
        run = _Run(schedule, capacity, seed + group, progress)
        for number in range(len(run.layouts)):
            run.part(number)
        correct = run.outputs_are_right() and correct
        if run.state[machine.PEAK] <= total[machine.PEAK]:
            run.state[_PEAKS] = total[_PEAKS]
        total[_PEAKS] = 0
        total += run.state
    return _report(total, correct, len(chosen), layer.groups, copies)


_PEAKS = slice(machine.PEAK, machine.PEAK_O + 1)
_CHUNK_MACS = 2**24  # between two calls of `progress`


class _Run:
    """One group under execution: its data, what each word still has before it, the counts."""

    def __init__(
        self, schedule: Schedule, capacity_bits: int, seed: int, progress: Progress | None
    ) -> None:
        self.schedule, self.layer, self.progress = schedule, schedule.layer.group(), progress
        layer, sizes = self.layer, [math.prod(shape) for shape in word_shapes(self.layer)]
        self.weights, self.inputs = random_data(layer, seed)
        self.outputs = np.zeros(sizes[2], dtype=np.int64)
        self.left = tuple(np.zeros(size, dtype=np.int64) for size in sizes)
        # the tile that a word waits for, in a place and without one
        self.last, self.soon = (
            [np.zeros(size, dtype=np.int64) for size in sizes] for _ in range(2)
        )
        placed = (np.zeros(size, dtype=np.int64) for size in sizes)
        self.later, spilled = np.zeros((2, sizes[2]), dtype=np.int64)
        self.state = np.zeros(machine.STATE_SIZE, dtype=np.int64)
        self.state[machine.HELD] = -1
        widths = layer.widths
        bits = (widths.weights, widths.inputs, widths.psums, widths.outputs, capacity_bits)
        self.limits = np.array((*bits, *(3 * (machine.KEPT,))), dtype=np.int64)
        mode = machine.ADDS_ONLY * (not layer.has_weights)
        mode += machine.PREFETCH * (schedule.buffering == "prefetch")
        data = (self.weights.ravel(), self.inputs.ravel(), self.outputs)
        self.fate = (*self.last, *placed, self.later, spilled, *self.soon)
        self.shared = (self.left, self.fate, data, self.limits, mode, self.state)
        self.layouts = [Layout(part) for part in (schedule, schedule.then) if part]
        self.tiles = [list(layout.tiles()) for layout in self.layouts]
        for layout in self.layouts:
            found = marks.spread(layout.uses(layout.whole(), 2))
            self.later[found[:, 0]] = found[:, 1]
        # an output that no MAC feeds is written as it is
        self.state[machine.WRITE_O] = self.later.size - np.count_nonzero(self.later)
        self.tiles_done = self.macs_told = 0

    def part(self, number: int) -> None:
        """Run all tiles of a part; raises DoesNotFit."""
        layout, tiles = self.layouts[number], self.tiles[number]
        tiling = layout.schedule.tiling
        self.limits[machine.MOST_W :] = machine.KEPT
        for stay in tiling.stays:
            if stay.words is not None:
                self.limits[machine.MOST_W + RESIDENTS.index(stay.operand)] = stay.words
        first = self.tiles_done + 1
        for at, tile in enumerate(tiles):
            for stay in tiling.stays:
                operand = RESIDENTS.index(stay.operand)
                waiting = self.soon if stay.words is None else self.last
                for awaited in _awaited(stay, tiles, at):
                    uses = layout.uses(tiles[awaited].ranges, operand)
                    marks.await_tile(uses, waiting[operand], first + awaited)
                if stay.through and at == number == 0:
                    for later, tile_after in enumerate(self.tiles[1], first + len(tiles)):
                        uses = self.layouts[1].uses(tile_after.ranges, operand)
                        marks.await_tile(uses, waiting[operand], later)
            program = layout.program(tile)
            marks.begin(program.uses, self.left, self.later)
            self.state[machine.TILE] = first + at
            self._walk(program)
        self.tiles_done += len(tiles)
        self._tell(at_least=1)

    def _walk(self, program: Program) -> None:
        nodes = int(program.children[0, 1]) if len(program.loops) else 1
        prefetches = self.schedule.buffering == "prefetch"
        quick = program.one_mac_blocks and not prefetches
        walk = machine.run_macs if quick else machine.run
        at_once = nodes
        if self.progress:
            at_once = max(1, nodes * _CHUNK_MACS // program.macs)
        for first in range(0, nodes, at_once):
            walk(
                program.entries, program.leaves, program.loops, program.children,
                first, min(first + at_once, nodes), *self.shared,
            )  # fmt: skip
            self._tell(at_least=_CHUNK_MACS)
            if self.state[machine.OVERFLOW]:
                break
        if prefetches:
            machine.finish(program.entries, program.leaves, *self.shared)
        if self.state[machine.OVERFLOW]:
            copies = 2 if self.schedule.buffering == "double" else 1
            needed, capacity = self.state[machine.OVERFLOW], self.limits[machine.CAPACITY]
            raise DoesNotFit(int(needed) * copies, int(capacity) * copies)

    def _tell(self, at_least: int) -> None:
        """Call `progress` if so many MACs were done since the last call."""
        done = int(self.state[machine.MACS]) - self.macs_told
        if self.progress and done >= at_least:
            self.macs_told += done
            self.progress(done)

    def outputs_are_right(self) -> bool:
        """Nothing is left over, every MAC is done, and the outputs equal the direct convolution."""
        done = int(self.state[machine.MACS]) == self.layer.useful_macs
        gone = all(not np.any(array > 0) for array in self.left)
        truth = direct(self.layer, self.weights, self.inputs)
        return done and gone and np.array_equal(self.outputs.reshape(truth.shape), truth)


def _awaited(stay: Stay, tiles: list[Tile], at: int) -> Iterable[int]:
    """The tiles whose words begin to be waited for with this tile: the next, or the whole pass."""
    one_pass = tiles[at].pieces[: stay.depth]
    if stay.next_only:
        return (at + 1,) if _is_in(tiles, at + 1, one_pass) else ()
    if at and _is_in(tiles, at - 1, one_pass):
        return ()
    return itertools.takewhile(lambda later: _is_in(tiles, later, one_pass), itertools.count(at))


def _is_in(tiles: list[Tile], at: int, one_pass: tuple[int, ...]) -> bool:
    """Whether there is such a tile and it belongs to the pass that these pieces begin."""
    return at < len(tiles) and tiles[at].pieces[: len(one_pass)] == one_pass


def _report(total: Int64, correct: bool, groups: int, all_groups: int, copies: int) -> Replayed:
    counted = [int(value) for value in total]
    weights, inputs, outputs = counted[machine.PEAK_W : machine.PEAK_O + 1]
    return Replayed(
        peak_bits=counted[machine.PEAK] * copies,
        peak_words=(weights * copies, inputs * copies, outputs * copies),
        weights_read_words=counted[machine.READ_W],
        inputs_read_words=counted[machine.READ_I],
        psums_read_words=counted[machine.READ_P],
        psums_write_words=counted[machine.WRITE_P],
        outputs_write_words=counted[machine.WRITE_O],
        macs=counted[machine.MACS],
        blocks=counted[machine.BLOCKS],
        correct=correct,
        groups=groups,
        all_groups=all_groups,
    )
