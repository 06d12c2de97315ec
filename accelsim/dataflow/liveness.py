"""The peak of live words of a loop order, from first-use and last-use counts per axis.

A MAC belongs to five independent axes: n, k, c, row (p, r, h) and column (q, s, w), and so does a
word: a weight is (k, c, r, s), an input (n, c, h, w), an output (n, k, p, q). An order interleaves
the axes' loops. The blocks that use a word form a product over the axes, and the lexicographic
minimum of a product of sets, however the axes' loops interleave, is each axis's own minimum. So
first and last use of a word are known per axis, and the words not yet born (first > t) or already
dead (last < t) at a block t are counted loop by loop, from the innermost outwards:

    S_j = (words on the loop's axis decided by this loop) · T + (words equal on the axis) · S_{j+1}

with T the words of the other axes that the loops inside still leave open (Horner's rule, seven
steps for all of N K C P Q R S). Then live(t) = words - unborn(t) - dead(t), exactly, for every
block, padding, stride, dilation and edge. Written out, each loop adds one product of a factor an
axis: its own axis's words decided by it, of another those equal in the loops outside. So the bits
not live at all steps together are a sum of products of vectors, which is a matrix product.

The peak needs few t. live(t) is linear in the counts of any one axis. Steps of an axis that agree
in all counts but those of its outermost loop differ along a path, and a linear function on a
straight piece of a path is largest at an end: only the path's corners are kept (`_corners`).

Buffering `prefetch` (DESIGN.md section 3): weights and inputs of the next block are there during a
block, finished outputs leave one block late. Live grows by the words first used in the block after
t and the outputs last used in the block before, counted by the same recursion.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, reduce
from itertools import product
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.axis_counts import NEAR, AxisTable, pure_table, take, window_table
from accelsim.dataflow.schedule import (
    COL_LOOPS,
    ONE_MAC,
    RESIDENTS,
    ROW_LOOPS,
    Block,
    Buffering,
    Order,
    Resident,
)
from accelsim.workload.layer import Conv, Int64

_ONE = np.ones((1, 1, 1, 1, 1, 1), dtype=np.int64)
_PART = 1 << 15  # blocks evaluated together
Steps = tuple[Int64, ...]  # chosen steps of n, k, c, rows, columns


@dataclass(frozen=True)
class Peak:
    """Live words of weights, inputs, outputs at the block with the most live bits, and their bits.

    Outputs are psums (psum-wide) and, with prefetch, outputs that leave a block late.
    """

    words_by_operand: tuple[int, int, int]
    bits_by_operand: tuple[int, int, int]

    @property
    def words(self) -> int:
        """All live words at the peak."""
        return sum(self.words_by_operand)

    @property
    def bits(self) -> int:
        """The most live bits at any block."""
        return sum(self.bits_by_operand)

    @property
    def bytes(self) -> int:
        """The peak in bytes, each operand rounded up."""
        return sum(-(-bits // 8) for bits in self.bits_by_operand)

    def times(self, copies: int) -> Peak:
        """The peak with every capacity multiplied."""
        weights, inputs, outputs = (copies * words for words in self.words_by_operand)
        return Peak(
            (weights, inputs, outputs),
            tuple(copies * bits for bits in self.bits_by_operand),  # type: ignore[arg-type]
        )


def peak(layer: Conv, order: Order, block: Block, buffering: Buffering) -> Peak:
    """Return the peak of live bits when one group of `layer` runs in `order` as one tile.

    `order` must hold every loop with more than one iteration. With `double`, the capacity that
    the peak of `single` needs twice.
    """
    nest = _Nest(layer, order, block, buffering == "prefetch")
    _, at = max((nest.heaviest(part) for part in nest.parts()), key=itemgetter(0))
    widths = layer.widths
    weights, inputs, psums, late = (int(words) for words in nest.live(at).ravel())
    outputs_bits = psums * widths.psums + late * widths.outputs
    found = Peak(
        (weights, inputs, psums + late),
        (weights * widths.weights, inputs * widths.inputs, outputs_bits),
    )
    return found.times(2) if buffering == "double" else found


def peak_bits(layer: Conv, order: Order, block: Block, buffering: Buffering) -> int:
    """Return the bits of `peak` alone."""
    nest = _Nest(layer, order, block, buffering == "prefetch")
    bits = max(nest.heaviest(part)[0] for part in nest.parts())
    return bits * (2 if buffering == "double" else 1)


def done_at_peak(layer: Conv, order: Order, bits: int, operand: Resident) -> int:
    """Return how many words of an operand a tile is done with when so many bits live last.

    Blocks of one MAC, `single`; 0 if so many never live. bits: the peak, beside which so many words
    may wait; of the steps on a straight piece of a path that have it, the last is a corner.
    """
    nest = _Nest(layer, order, ONE_MAC, prefetch=False)
    return max(nest.most_dead(part, bits, RESIDENTS.index(operand)) for part in nest.parts())


def separate_peaks(layer: Conv, order: Order, block: Block, buffering: Buffering) -> Peak:
    """Return each operand's own most live bits, which need not fall on one block.

    What separate buffers for weights, inputs and outputs must hold.
    """
    nest = _Nest(layer, order, block, buffering == "prefetch")
    parts = [nest.heaviest_alone(part) for part in nest.parts()]
    (w, w_bits), (i, i_bits), (o, o_bits) = (
        max((part[operand] for part in parts), key=itemgetter(1)) for operand in range(3)
    )
    found = Peak((w, i, o), (w_bits, i_bits, o_bits))
    return found.times(2) if buffering == "double" else found


@lru_cache(maxsize=4096)
def peak_at_least(layer: Conv, order: Order, block: Block, buffering: Buffering) -> int:
    """Return the most live bits on a coarse grid of blocks: cheap, never above the peak."""
    nest = _Nest(layer, order, block, buffering == "prefetch")
    bits, _ = nest.heaviest(tuple(_spread(len(steps)) for steps in nest.all_steps))
    return bits * (2 if buffering == "double" else 1)


def covered(layer: Conv, order: Order, block: Block) -> tuple[int, tuple[int, int, int]]:
    """MACs that the loops visit and words (W, I, O) that they use, counted along the loops.

    A conservation check: useful MACs and used words of one group, or the order leaves some out.
    Outputs that no MAC feeds are not among the words.
    """
    nest = _Nest(layer, order, block, prefetch=False)
    weights, inputs, outputs = (
        math.prod(table.same[0][operand].item() for table in nest.tables) for operand in range(3)
    )
    macs = math.prod(table.entries for table in nest.tables)
    return macs, (weights if layer.has_weights else 0, inputs, outputs)


class _Nest:
    """The tables of an order, one an axis, and the live words at any choice of their steps."""

    def __init__(self, layer: Conv, order: Order, block: Block, prefetch: bool) -> None:
        self.layer, self.prefetch = layer, prefetch
        row = tuple(loop for loop in order if loop in ROW_LOOPS)
        col = tuple(ROW_LOOPS[COL_LOOPS.index(loop)] for loop in order if loop in COL_LOOPS)
        dims = layer.dims
        self.tables = (
            *(
                pure_table(place, dims[dim], getattr(block, dim), dim in order, prefetch)
                for place, dim in enumerate("NKC")
            ),
            window_table(3, layer.rows, row, block.P, block.R, prefetch),
            window_table(4, layer.cols, col, block.Q, block.S, prefetch),
        )
        self.all_steps = tuple(
            np.arange(table.same[-1].shape[1 + place]) for place, table in enumerate(self.tables)
        )
        seen = [0 for _ in self.tables]
        self.loops: list[tuple[int, int]] = []  # (axis, loop number within the axis)
        for loop in order:
            place = "NKC".index(loop) if loop in "NKC" else 3 if loop in ROW_LOOPS else 4
            self.loops.append((place, seen[place]))
            seen[place] += 1

    def parts(self) -> Iterator[Steps]:
        """All steps, cut along n, k, c into parts small enough for the cache."""
        n, k, c, rows, cols = self.all_steps
        if n.size * k.size * c.size * rows.size * cols.size <= _PART:
            yield self.all_steps
        else:
            for one_n, one_k, one_c in product(n, k, c):
                yield np.array([one_n]), np.array([one_k]), np.array([one_c]), rows, cols

    def heaviest(self, steps: Steps) -> tuple[int, Steps]:
        """The most live bits among these steps, and where: one step an axis."""
        if self.prefetch:
            live, widths = self.live(steps), self.layer.widths
            bits = live[0] * widths.weights + live[1] * widths.inputs + live[2] * widths.psums
            bits += live[3] * widths.outputs
            place, most = int(bits.argmax()), int(bits.max())
        elif "numba" in sys.modules:
            most, place = self._heaviest_compiled(steps)
        else:
            idle = self._idle_bits(steps)
            place = int(idle.argmin())
            most = self._words_bits - int(idle.flat[place])
        where = np.unravel_index(place, tuple(map(len, steps)))
        at = tuple(axis[index : index + 1] for axis, index in zip(steps, where, strict=True))
        return most, at

    def _heaviest_compiled(self, steps: Steps) -> tuple[int, int]:
        """The most bits and their place, by the same sums. Importing Numba takes longer than all of
        min-sram: only where others have done so."""
        from accelsim.dataflow.liveness_kernel import heaviest

        loops = np.array(self.loops, dtype=np.int64).reshape(-1, 2)
        most, place = heaviest(self._bits, loops, tuple(t.stacked for t in self.tables), steps)
        return most, place

    @cached_property
    def _bits(self) -> tuple[int, int, int]:
        """Bits of a live weight, input, psum; weights that are not there have none."""
        weights, inputs, psums = self.layer.widths.live
        return weights if self.layer.has_weights else 0, inputs, psums

    @cached_property
    def _words_bits(self) -> int:
        """Bits of all words."""
        return sum(
            bits * math.prod(table.same[0][operand].item() for table in self.tables)
            for operand, bits in enumerate(self._bits)
        )

    @cached_property
    def _factors(self) -> list[NDArray[np.float64]]:
        """Of each axis (6 · loops, steps): its factor of what a loop decides, of each row."""
        inside = [len(table.decided) for table in self.tables]
        picks: list[list[int]] = [[] for _ in self.tables]
        for axis, loop in self.loops:
            inside[axis] -= 1
            for other, table in enumerate(self.tables):
                picks[other].append(
                    -1 - loop if other == axis else len(table.decided) - inside[other]
                )
        return [table.factors(tuple(own)) for table, own in zip(self.tables, picks, strict=True)]

    def most_dead(self, steps: Steps, bits: int, operand: int) -> int:
        """The most words of an operand that are dead at a step where so many bits live."""
        there = np.flatnonzero(self._idle_bits(steps) == self._words_bits - bits)
        if not len(there):
            return 0
        at = np.unravel_index(there, tuple(map(len, steps)))
        dead = reduce(
            np.multiply,
            (
                factors[3 + operand :: 6, chosen[index]]
                for factors, chosen, index in zip(self._factors, steps, at, strict=True)
            ),
        )
        return int(dead.sum(axis=0).max())

    def _idle_bits(self, steps: Steps) -> NDArray[np.float64]:
        """Bits not yet born or already dead: (steps of n, k, c, rows together, steps of columns).

        Whole numbers far below 2**53, so that floats are exact.
        """
        *outer, cols = (
            factors if len(chosen) == len(every) else factors[:, chosen]
            for factors, chosen, every in zip(self._factors, steps, self.all_steps, strict=True)
        )
        product = np.array(2 * len(self.loops) * self._bits, dtype=np.float64)[:, None]
        for factors in outer:
            count = product.shape[1] * factors.shape[1]
            product = (product[:, :, None] * factors[:, None]).reshape(len(product), count)
        found: NDArray[np.float64] = product.T @ cols
        return found

    def heaviest_alone(self, steps: Steps) -> list[tuple[int, int]]:
        """Weights, inputs, outputs: the words and bits where each has most bits."""
        weights, inputs, psums, late = self.live(steps).reshape(4, -1)
        widths = self.layer.widths
        found = (
            (weights, weights * widths.weights),
            (inputs, inputs * widths.inputs),
            (psums + late, psums * widths.psums + late * widths.outputs),
        )
        return [(int(words[bits.argmax()]), int(bits.max())) for words, bits in found]

    def live(self, steps: Steps) -> Int64:
        """Live weights, inputs, psums, late outputs: (4, one length an axis)."""
        tables = [
            table if len(chosen) == len(every) else take(table, place, chosen)
            for place, (table, chosen, every) in enumerate(
                zip(self.tables, steps, self.all_steps, strict=True)
            )
        ]
        undecided = _count_undecided(self.loops, tables)
        words = _product([table.same[0] for table in tables])
        live = np.zeros((4, *(len(chosen) for chosen in steps)), dtype=np.int64)
        live[:3] = words[:3] - undecided[:3] - undecided[3:]
        if self.prefetch:
            neighbours = _count_neighbours(self.loops, tables)
            live[:2] += neighbours[:2]
            live[3] = neighbours[2]
        if not self.layer.has_weights:
            live[0] = 0
        return live


@cache
def _spread(count: int) -> Int64:
    """Six of so many indices, or all if fewer: evenly spread, with both ends."""
    return np.unique(np.linspace(0, count - 1, 6).astype(np.int64))


def _count_undecided(loops: list[tuple[int, int]], tables: list[AxisTable]) -> Int64:
    """Words not yet born (rows 0..2) and already dead (rows 3..5) at every kept block."""
    inside = [0 for _ in tables]
    idle = _product([table.same[0] for table in tables if not table.decided])
    count: Int64 | None = None
    for axis, loop in reversed(loops):
        table = tables[axis]
        left_open = [
            words.same[len(words.decided) - inside[other]]
            for other, words in enumerate(tables)
            if other != axis and inside[other]
        ]
        decided = table.decided[loop] * _product([idle, *left_open])
        if count is None:
            count = decided
        elif loop == len(table.decided) - 1:
            count = decided + table.same[loop + 1] * count
        else:
            count = decided + count
        inside[axis] += 1
    return 0 * idle if count is None else count


def _count_neighbours(loops: list[tuple[int, int]], tables: list[AxisTable]) -> Int64:
    """Weights, inputs first used in the next block, outputs last used in the previous one."""
    inside = [0 for _ in tables]
    idle = _product([table.same[0][NEAR] for table in tables if not table.decided])
    count: Int64 = np.zeros((3, 1, 1, 1, 1, 1), dtype=np.int64)
    at_end = np.ones((3, 1, 1, 1, 1, 1), dtype=np.int64)  # no next step in any loop inside
    for axis, loop in reversed(loops):
        table = tables[axis]
        more = table.more[loop]
        restarted = [
            words.reset[len(words.decided) - inside[other]]
            for other, words in enumerate(tables)
            if other != axis and inside[other]
        ]
        step = at_end * more * table.follow[loop] * _product([idle, *restarted])
        if loop == len(table.decided) - 1:
            count = table.same[loop + 1][NEAR] * count
        count = count + step
        at_end = at_end * (1 - more)
        inside[axis] += 1
    return count


def _product(factors: list[Int64]) -> Int64:
    """Product of broadcastable factors; one for none."""
    return reduce(np.multiply, factors) if factors else _ONE
