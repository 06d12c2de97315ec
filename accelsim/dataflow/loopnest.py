"""Loop nests that a user gives: ordered loops with tile sizes, a depth per operand (DESIGN.md 6).

    for k in steps of 64:           # scope of the first 1 loops: 64 output channels
      for p in steps of 1:          # of the first 2: of these, one output row
        for c in steps of 16:       # of the first 3: of these, 16 input channels
          the rest is one step, all of whose words are on the chip at once

An operand held at depth j keeps its words for the scope of the first j loops. Two conventions:

- `exact`: a word is live from its first to its last use in a scope, and what the next scope uses
  again is not fetched again (unless the operand is `leaving`). Padding is no word, a word costs
  what it costs in every schedule (section 3). Counted by walking the nest, MAC by MAC.
- `orojenesis`: what Timeloop counts in Huang et al., "Mind the Gap" (Orojenesis), ISCA 2024. An
  operand takes a box of the padded layer for each scope; tile sizes divide. Words moved = box x
  bounds of the loops outside from the outermost to the innermost that the operand has (loops with
  bound 1 aside). Inputs: if the innermost of these loops is over P, Q, R or S, each of its steps
  but the first loads only min(extent, shift) rows or columns. Outputs: 2 x visits - size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from accelsim.dataflow import loopnest_kernels as kernels
from accelsim.dataflow.schedule import RESIDENTS, Resident
from accelsim.workload.layer import Axis, Conv, Int64

Convention = Literal["exact", "orojenesis"]
CONVENTIONS: tuple[Convention, ...] = ("exact", "orojenesis")
DIMS = "NKCPQRS"
MAX_MACS = 2**22
HAS: dict[Resident, str] = {"weights": "KCRS", "inputs": "NCPQRS", "outputs": "NKPQ"}


@dataclass(frozen=True)
class Loop:
    """A loop over a dim; each iteration covers `step` of it."""

    dim: str
    step: int


@dataclass(frozen=True)
class Mapping:
    """Loops, outermost first, and the depths under which weights, inputs, outputs are held.

    Without depths every operand is held under the innermost loop. A dim may have several loops,
    inner ones with smaller steps. `leaving` operands leave with their scope, even if the next one
    uses their words again.
    """

    loops: tuple[Loop, ...]
    depths: tuple[int, int, int] | None = None
    leaving: tuple[Resident, ...] = ()

    @property
    def held(self) -> tuple[int, int, int]:
        """The depths, filled in where they are not given."""
        return self.depths or 3 * (len(self.loops),)

    def fault(self, layer: Conv, convention: Convention = "exact") -> tuple[int | str, str] | None:
        """The number of the loop (or `held`, `loops`) that is wrong and why, or None."""
        left = dict(layer.dims)
        divides = convention == "orojenesis"
        for at, loop in enumerate(self.loops):
            if loop.dim not in left:
                return at, f"no dim is called {loop.dim}; known are {', '.join(left)}"
            around = left[loop.dim]
            if not 1 <= loop.step <= around:
                return at, f"{loop.dim} is {around} here; write a step of 1 to {around}"
            if divides and around % loop.step:
                return at, f"under {convention} steps divide, and {loop.step} does not {around}"
            left[loop.dim] = loop.step
        if not all(0 <= depth <= len(self.loops) for depth in self.held):
            return "held", f"a depth counts loops; write 0 to {len(self.loops)}"
        if divides and "conv" not in (layer.rows.kind, layer.cols.kind):
            return "loops", f"{convention} knows convs, not {layer.op}; use exact"
        if convention == "exact" and layer.group().useful_macs > MAX_MACS:
            macs = layer.group().useful_macs
            return "loops", f"{macs:,} MACs are too many to walk; up to {MAX_MACS:,} are"
        return None


@dataclass(frozen=True)
class Counted:
    """What a mapping needs and moves, of one group.

    `peak_words` are the live weights, inputs, outputs at the peak of live bits (under `orojenesis`
    their boxes).
    """

    peak_bits: int
    peak_words: tuple[int, int, int]
    weights_read_words: int
    inputs_read_words: int
    psums_read_words: int
    psums_write_words: int
    outputs_write_words: int
    traffic_bits: int

    @property
    def sram_words(self) -> int:
        """Words of the peak."""
        return sum(self.peak_words)

    @property
    def dram_words(self) -> int:
        """All words across the chip edge."""
        psums = self.psums_read_words + self.psums_write_words
        return self.weights_read_words + self.inputs_read_words + psums + self.outputs_write_words


def evaluate(layer: Conv, mapping: Mapping, convention: Convention = "exact") -> Counted:
    """Count what a mapping needs and moves for one group of `layer`.

    Raises ValueError for a mapping that does not fit the layer or the convention.
    """
    fault = mapping.fault(layer, convention)
    if fault is not None:
        raise ValueError(f"{fault[0]}: {fault[1]}")
    if convention == "orojenesis":
        return _boxes(layer.group(), mapping)
    return _walked(layer.group(), mapping)


def _boxes(layer: Conv, mapping: Mapping) -> Counted:
    """See the module: boxes and bounds, in whole numbers of any size."""
    boxes, moved = [], []
    for operand, depth in zip(RESIDENTS, mapping.held, strict=True):
        extents = dict(layer.dims)
        bounds: list[tuple[Loop, int]] = []
        for loop in mapping.loops[:depth]:
            if extents[loop.dim] > loop.step:
                bounds.append((loop, extents[loop.dim] // loop.step))
            extents[loop.dim] = loop.step
        window = [
            (extents[over] - 1) * axis.stride + (extents[tap] - 1) * axis.dilation + 1
            for over, tap, axis in (("P", "R", layer.rows), ("Q", "S", layer.cols))
        ]
        if operand == "weights":
            box = math.prod(extents[dim] for dim in "KCRS") * layer.has_weights
        elif operand == "inputs":
            box = extents["N"] * extents["C"] * window[0] * window[1]
        else:
            box = math.prod(extents[dim] for dim in "NKPQ")
        words = box
        if operand == "inputs" and bounds and bounds[-1][0].dim in "PQRS":
            loop, bound = bounds.pop()
            axis = layer.rows if loop.dim in "PR" else layer.cols
            extent = window[loop.dim in "QS"]
            shift = loop.step * (axis.stride if loop.dim in "PQ" else axis.dilation)
            words = box // extent * (extent + (bound - 1) * min(extent, shift))
        else:
            while bounds and bounds[-1][0].dim not in HAS[operand]:
                bounds.pop()
        boxes.append(box)
        moved.append(words * math.prod(bound for _, bound in bounds))
    again = moved[2] - layer.outputs_words
    return _counted(layer, boxes, moved[0], moved[1], again)


def _walked(layer: Conv, mapping: Mapping) -> Counted:
    """See the module: MAC by MAC."""
    if not layer.useful_macs:
        return _counted(layer, [0, 0, 0], 0, 0, 0)
    words, steps, scopes = walk(layer, mapping.loops)
    sizes, profiles, stays = sizes_of(layer), [], []
    for operand, depth in enumerate(mapping.held):
        live, times = kernels.held(
            words[:, operand], steps, scopes[:, depth],
            RESIDENTS[operand] not in mapping.leaving, sizes[operand],
        )  # fmt: skip
        there = operand > 0 or layer.has_weights
        profiles.append(live * there)
        stays.append(int(times) * there)
    bits = sum(live * width for live, width in zip(profiles, layer.widths.live, strict=True))
    peak = int(np.argmax(bits))
    again = stays[2] - len(np.unique(words[:, 2]))
    return _counted(layer, [int(live[peak]) for live in profiles], stays[0], stays[1], again)


def _counted(layer: Conv, peak: list[int], weights: int, inputs: int, again: int) -> Counted:
    """The counts, from words at the peak, words read, and psums written to be read again."""
    widths, outputs = layer.widths, layer.outputs_words
    return Counted(
        sum(words * width for words, width in zip(peak, widths.live, strict=True)),
        (peak[0], peak[1], peak[2]),
        weights, inputs, again, again, outputs,
        weights * widths.weights + inputs * widths.inputs
        + 2 * again * widths.psums + outputs * widths.outputs,
    )  # fmt: skip


def walk(layer: Conv, loops: tuple[Loop, ...]) -> tuple[Int64, Int64, Int64]:
    """The MACs of one group in the order of the nest; see `loopnest_kernels.walk`."""
    pairs = [(DIMS.index(loop.dim), loop.step) for loop in loops]
    found: tuple[Int64, Int64, Int64] = kernels.walk(
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        np.array([layer.dims[dim] for dim in DIMS], dtype=np.int64),
        _table(layer.rows), _table(layer.cols),
        np.array([layer.rows.inputs, layer.cols.inputs], dtype=np.int64), layer.useful_macs,
    )  # fmt: skip
    return found


def _table(axis: Axis) -> Int64:
    """(outputs, taps): the input that a useful pair reads, else -1."""
    table = np.full((axis.outputs, axis.taps), -1, dtype=np.int64)
    p, r, h = axis.pairs()
    table[p, r] = h
    return table


def sizes_of(layer: Conv) -> tuple[int, int, int]:
    """Sizes of the arrays that `walk` numbers the words in."""
    dims, heights = layer.dims, layer.rows.inputs * layer.cols.inputs
    inputs = dims["N"] * dims["C"] * heights
    return math.prod(dims[dim] for dim in "KCRS"), inputs, math.prod(dims[dim] for dim in "NKPQ")
