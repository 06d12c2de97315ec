"""Replay: execute a schedule within a capacity and report what crossed the chip edge."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from accelsim.dataflow.schedule import ONE_TILE, RESIDENTS, Schedule
from accelsim.replay import machine
from accelsim.replay.program import Program, Tile, compile_tile, tiles_of, word_shapes
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
        run = _Run(schedule, capacity, seed + group)
        for tile, following in _with_next(tiles_of(schedule)):
            run.tile(tile, following, progress)
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

    def __init__(self, schedule: Schedule, capacity_bits: int, seed: int) -> None:
        self.schedule, self.layer = schedule, schedule.layer.group()
        layer, shapes = self.layer, word_shapes(self.layer)
        self.weights, self.inputs = random_data(layer, seed)
        self.outputs = np.zeros(shapes[2], dtype=np.int64)
        self.data = (self.weights.ravel(), self.inputs.ravel(), self.outputs.ravel())
        self.left = [np.zeros(shape, dtype=np.int64) for shape in shapes]
        keeps = schedule.tiling.keeps
        self.kept = [RESIDENTS[operand] in keeps for operand in range(3)]
        # which words stay for the next tile; an operand that keeps none has a single zero
        self.stays = [np.zeros(shape, np.int64) for shape in shapes]
        self.later = np.zeros(shapes[2], dtype=np.int64)
        self.spilled = np.zeros(shapes[2], dtype=np.int64)
        self.state = np.zeros(machine.STATE_SIZE, dtype=np.int64)
        self.state[machine.HELD] = -1
        widths = layer.widths
        bits = (widths.weights, widths.inputs, widths.psums, widths.outputs, capacity_bits)
        self.widths = np.array(bits, dtype=np.int64)
        self.mode = machine.ADDS_ONLY * (not layer.has_weights)
        self.mode += machine.PREFETCH * (schedule.buffering == "prefetch")
        for tile in tiles_of(replace(schedule, tiling=ONE_TILE)):
            whole = compile_tile(schedule, tile)
            self.later[whole.words(2)] = whole.counts(2)
        # an output that no MAC feeds is written as it is
        self.state[machine.WRITE_O] = self.later.size - np.count_nonzero(self.later)

    def tile(self, tile: Tile, following: Tile | None, progress: Progress | None) -> None:
        """Run one tile; raises DoesNotFit."""
        program = compile_tile(self.schedule, tile)
        for operand in range(3):
            words, counts = program.words(operand), program.counts(operand)
            there = self.left[operand][words] == machine.KEPT
            self.left[operand][words] = np.where(there, counts, -counts)
            if self.kept[operand]:
                self.stays[operand][words] = 0
                if following is not None:
                    self.stays[operand][words] = self._used_again(program, following, operand)
        self.later[program.words(2)] -= program.counts(2)
        self._walk(program, progress)

    def _used_again(self, program: Program, following: Tile, operand: int) -> Int64:
        """For the tile's words of an operand: 1 if the following tile uses them too."""
        after = compile_tile(self.schedule, following)
        axes = zip(program.uses[operand], after.uses[operand], strict=True)
        again = [np.isin(mine, theirs).astype(np.int64) for (mine, _), (theirs, _) in axes]
        return np.asarray(reduce(np.multiply.outer, again))

    def _walk(self, program: Program, progress: Progress | None) -> None:
        left = tuple(array.ravel() for array in self.left)
        fate = (*(stays.ravel() for stays in self.stays), self.later.ravel(), self.spilled.ravel())
        shared = (left, fate, self.data, self.widths, self.mode, self.state)
        nodes = int(program.children[0, 1]) if len(program.loops) else 1
        macs = int(program.counts(2).sum())
        walk = machine.run_macs if self._one_mac_blocks(program) else machine.run
        at_once = max(1, nodes * _CHUNK_MACS // max(macs, 1)) if progress else nodes
        for first in range(0, nodes, at_once):
            before = int(self.state[machine.MACS])
            walk(
                program.entries, program.leaves, program.loops, program.children,
                first, min(first + at_once, nodes), *shared,
            )  # fmt: skip
            if progress:
                progress(int(self.state[machine.MACS]) - before)
            if self.state[machine.OVERFLOW]:
                break
        machine.finish(program.entries, program.leaves, *shared)
        if self.state[machine.OVERFLOW]:
            copies = 2 if self.schedule.buffering == "double" else 1
            needed, capacity = int(self.state[machine.OVERFLOW]), int(self.widths[4])
            raise DoesNotFit(needed * copies, capacity * copies)

    def _one_mac_blocks(self, program: Program) -> bool:
        sizes = np.diff(program.leaves, axis=1)
        return bool(sizes.max() <= 1 and len(program.loops) and not self.mode & machine.PREFETCH)

    def outputs_are_right(self) -> bool:
        """Nothing is left over, every MAC is done, and the outputs equal the direct convolution."""
        done = int(self.state[machine.MACS]) == self.layer.useful_macs
        gone = all(not np.any(array > 0) for array in self.left)
        truth = direct(self.layer, self.weights, self.inputs)
        return done and gone and np.array_equal(self.outputs.reshape(truth.shape), truth)


def _with_next(tiles: Iterator[Tile]) -> Iterator[tuple[Tile, Tile | None]]:
    before: Tile | None = None
    for tile in tiles:
        if before is not None:
            yield before, tile
        before = tile
    if before is not None:
        yield before, None


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
