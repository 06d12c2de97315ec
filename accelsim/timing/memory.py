"""What a transfer costs on the DRAM channel: contiguous runs, whole bursts, efficiency.

Words of a tensor lie densely, in the order of the layout, from a burst's begin on:

    layout   inputs, outputs, psums   weights      (outermost first)
    NCHW     n, c, row, column        k, c, r, s
    NHWC     n, row, column, c        k, r, s, c

A transfer is a box of words: of each axis the `used` of `extent` indices, in `segments` of
neighbours that together span `span` indices. The gap between two segments of an axis is taken to be
the same throughout, (span - used) / (segments - 1) indices, which it is unless stride and dilation
share no divisor. From the innermost axis out, what one index of an axis reads spans `reach` of the
axis's step `unit` (the product of the extents further in):

    gap to the next index          unit - reach
    gap to the next segment        unit - reach + (span - used) / (segments - 1) · unit
    reach of the next axis out     (span - 1) · unit + reach

A gap shorter than a burst holds no whole burst, so nothing is skipped in it: it is read along, and
what lies on both sides of it is one run. Longer gaps part the runs; what they part is counted by

    runs' = used · runs - (gaps shorter than a burst)
    size' = used · size + (sum of those gaps)

Runs begin at multiples of G = gcd(burst, unit of the innermost axis that is not whole), as every
index before them is a multiple of that unit, and so are their sizes. Whole bursts cover a run of L
bits whose begin is equally likely at each multiple of G: it touches ceil((o + L) / burst) bursts
from the place o in its first one, and over o = 0, G, .., burst - G these are in the mean

    bits of all bursts touched = L + burst - G

A whole tensor begins with a burst and takes its size rounded up. So a transfer takes
size + runs · (burst - G) bits of bursts, and the difference to its words is over-fetch. Where all
units are multiples of the burst there is none but the gaps.

The channel then streams for as long as it takes these bits, at the efficiency of their mean run
(`hardware.dram`), whose slowdown is interpolated linearly in whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelsim.hardware.accelerator import Accelerator
from accelsim.hardware.compression import Compression, LayerDensity, coded_bits
from accelsim.hardware.dram import SLOWDOWN_ONE
from accelsim.workload.layer import OPERANDS, Int64, Layer, Widths

PARTS = 256
"""Sizes on the channel are in so many parts of a bit, as coded words have no whole bits."""
WEIGHTS, INPUTS, OUTPUTS, PSUMS = range(4)


@dataclass(frozen=True)
class Memory:
    """How the words of a layer lie in DRAM and how fast they come.

    `stored` are parts of a bit that a word of weights, inputs, outputs and psums takes there.
    `burst_bytes` 0 is a channel that moves any bits alone; `slowdowns` (run bytes, 1024ths of the
    peak's time per byte), ascending, is empty where efficiency is 1.
    """

    stored: tuple[int, int, int, int]
    layout: str = "NCHW"
    burst_bytes: int = 0
    slowdowns: tuple[tuple[int, int], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether each bit takes the same time, wherever it lies."""
        return not self.burst_bytes

    @property
    def burst(self) -> int:
        """A burst in parts of a bit; 1 where any bits move alone."""
        return 8 * PARTS * self.burst_bytes or 1

    @property
    def most_bits(self) -> int:
        """Most bits at the peak's rate that a word may take, alone in its burst."""
        bits = max(8 * self.burst_bytes, -(-max(self.stored) // PARTS))
        slowest = max((slow for _, slow in self.slowdowns), default=SLOWDOWN_ONE)
        return -(-bits * slowest // SLOWDOWN_ONE)

    @property
    def fastest(self) -> int:
        """The least slowdown: no run takes less time per byte."""
        return min((slow for _, slow in self.slowdowns), default=SLOWDOWN_ONE)

    @property
    def table(self) -> Int64:
        """(lengths, 2): run length in parts of a bit, slowdown."""
        found = np.array(self.slowdowns, dtype=np.int64).reshape(-1, 2)
        found[:, 0] *= 8 * PARTS
        return found


def plain_memory(widths: Widths) -> Memory:
    """Memory that moves bits as they are, at its peak."""
    each = (widths.weights, widths.inputs, widths.outputs, widths.psums)
    weights, inputs, outputs, psums = (PARTS * bits for bits in each)
    return Memory((weights, inputs, outputs, psums))


@dataclass(frozen=True)
class Used:
    """Indices of an axis that transfers use: (transfers,) each, and the axis's extent."""

    used: Int64
    segments: Int64
    span: Int64
    extent: int


def whole(extent: int) -> Used:
    """All indices of an axis."""
    one = np.ones(1, dtype=np.int64)
    return Used(extent * one, one, extent * one, extent)


def some(count: Int64, extent: int) -> Used:
    """So many neighbouring indices of an axis."""
    return Used(count, np.ones_like(count), count, extent)


def weights_axes(layout: str, k: Used, c: Used, r: Used, s: Used) -> tuple[Used, ...]:
    """The axes of weights, innermost first."""
    return (s, r, c, k) if layout == "NCHW" else (c, s, r, k)


def pixel_axes(layout: str, n: Used, c: Used, rows: Used, cols: Used) -> tuple[Used, ...]:
    """The axes of inputs or outputs, innermost first."""
    return (cols, rows, c, n) if layout == "NCHW" else (c, cols, rows, n)


def burst_runs(axes: Sequence[Used], word: int, burst: int) -> tuple[Int64, Int64]:
    """Return runs and parts of all bursts that cover them: (transfers,) each.

    `word` and `burst` are in parts; a transfer without words has no run. Axes innermost first.
    """
    length = max(len(axis.used) for axis in axes)
    runs = np.ones(length, dtype=np.int64)
    size, reach = word * runs, word * runs
    unit, granule = word, np.zeros(length, dtype=np.int64)
    for axis in axes:
        used, segments, span = (
            np.broadcast_to(each, (length,)) for each in (axis.used, axis.segments, axis.span)
        )
        gap, skipped = unit - reach, (span - used) * unit
        between = gap * (segments - 1) + skipped
        near, far = gap < burst, between < burst * np.maximum(segments - 1, 1)
        size = used * size + np.where(near, (used - segments) * gap, 0) + np.where(far, between, 0)
        runs = used * runs - near * (used - segments) - far * (segments - 1)
        reach = (span - 1) * unit + reach
        granule = np.where((granule == 0) & (used < axis.extent), np.gcd(burst, unit), granule)
        unit *= axis.extent
    tensor = -(-size // burst) * burst
    parts = np.where(granule == 0, tensor, size + runs * (burst - granule))
    some_words = np.all([np.broadcast_to(axis.used, (length,)) > 0 for axis in axes], axis=0)
    return np.where(some_words, runs, 0), np.where(some_words, parts, 0)


def channel_bits(memory: Memory, runs: Int64, parts: Int64) -> Int64:
    """Bits that take as long at the peak as these bursts take, rounded up: (transfers,)."""
    table = memory.table
    if not len(table):
        return np.asarray(-(-parts // PARTS))
    lengths, slowdowns = table.T
    mean = parts // np.maximum(runs, 1)
    at = np.clip(np.searchsorted(lengths, mean, side="right"), 1, len(lengths) - 1)
    low, high = lengths[at - 1], lengths[at]
    inside = np.clip(mean, low, high) - low
    slow = slowdowns[at - 1] + (slowdowns[at] - slowdowns[at - 1]) * inside // (high - low)
    return np.asarray(-(-parts * slow // (PARTS * SLOWDOWN_ONE)))


def stream_cost(memory: Memory, operand: int, words: Int64, streams: int, total: int) -> Int64:
    """(transfers, 2): parts of bursts and channel bits of words in as many equal contiguous runs.

    Of `total` words, all of them begin with a burst.
    """
    word = memory.stored[operand]
    if memory.is_plain:
        parts = word * words
        return np.stack([parts, channel_bits(memory, parts, parts)], axis=1)
    each = -(-words // streams)
    runs, parts = burst_runs((some(each, -(-total // streams)),), word, memory.burst)
    runs, parts = runs * np.minimum(streams, words), parts * np.minimum(streams, words)
    return np.stack([parts, channel_bits(memory, runs, parts)], axis=1)


def box_cost(memory: Memory, operand: int, axes: Sequence[Used]) -> Int64:
    """(transfers, 2): parts of bursts and channel bits of boxes of words."""
    word = memory.stored[operand]
    if memory.is_plain:
        parts = word * np.prod(np.broadcast_arrays(*(axis.used for axis in axes)), axis=0)
        return np.stack([parts, channel_bits(memory, parts, parts)], axis=1)
    runs, parts = burst_runs(axes, word, memory.burst)
    return np.stack([parts, channel_bits(memory, runs, parts)], axis=1)


def memory_of(
    accelerator: Accelerator, layer: Layer, density: LayerDensity | None = None
) -> Memory:
    """How a layer's words lie in an accelerator's DRAM, coded where it codes them.

    Efficiency is that of the layer's share of written words, each moved once. Raises ValueError
    where words do not fit a code.
    """
    coding, given = accelerator.compression or Compression(), density or LayerDensity()
    widths = layer.widths
    weights, inputs, outputs = (
        math.ceil(PARTS * coded_bits(getattr(coding, operand), bits, getattr(given, operand)))
        for operand, bits in zip(
            OPERANDS, (widths.weights, widths.inputs, widths.outputs), strict=True
        )
    )
    stored = (weights, inputs, outputs, PARTS * widths.psums)
    channel = accelerator.dram
    if channel is None:
        return Memory(stored)
    moved = [words * parts for words, parts in zip(layer.words, stored[:3], strict=True)]
    share = moved[2] / sum(moved) if sum(moved) else 0.0
    return Memory(stored, channel.layout, channel.burst_bytes, channel.slowdowns(share))
