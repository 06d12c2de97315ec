"""A sweep over inputs with weights resident, and the order in which tiles are done with them.

A tile's inputs are rows by columns by channels. Each is done with at its last MAC; these come in
the lexicographic order of the loops, and rows and columns each have a maximum of their own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.long_streams import tail
from accelsim.dataflow.schedule import COL_LOOPS, ROW_LOOPS, Schedule
from accelsim.dataflow.tile_axes import axis_piece, last_inputs
from accelsim.dataflow.tile_peaks import tile_peak
from accelsim.workload.layer import Axis, Conv, Int64


class Sweep(NamedTuple):
    """A sweep along an axis, in strips of another; sizes of the k and the c tiles.

    middle: the output, or the input, that the second half of the sweep begins with.
    """

    schedule: Schedule
    is_by_rows: bool
    strips: tuple[tuple[int, int], ...]
    outputs: tuple[int, ...]
    channels: tuple[int, ...]
    middle: int

    @property
    def axis(self) -> Axis:
        """The axis that is swept."""
        group = self.schedule.layer.group()
        return group.rows if self.is_by_rows else group.cols

    @property
    def other(self) -> Axis:
        """The axis that strips cut."""
        group = self.schedule.layer.group()
        return group.cols if self.is_by_rows else group.rows

    @property
    def is_by_outputs(self) -> bool:
        """Whether outputs are swept, not inputs."""
        return self.schedule.order[0] in ("P", "Q")

    def tile(self, strip: int, along: Axis) -> Conv:
        """The largest tile of a strip, or of it what lies in a piece of the axis that is swept."""
        across = axis_piece(self.other, *self.strips[strip], 0, self.other.taps)
        rows, cols = (along, across) if self.is_by_rows else (across, along)
        K, C = max(self.outputs), max(self.channels)
        return replace(self.schedule.layer.group(), K=K, C=C, rows=rows, cols=cols)

    def first_outputs(self, outputs: int) -> Axis:
        """The first outputs of the axis that is swept."""
        return axis_piece(self.axis, 0, outputs, 0, self.axis.taps)

    def half_peak(self, strip: int) -> int:
        """Bits that the second half of a strip needs as a layer of its own."""
        half = self.tile(strip, _second_half(self.axis, self.middle, self.is_by_outputs))
        return tile_peak(half, self.schedule) if half.useful_macs else 0


@lru_cache(maxsize=256)
def _second_half(axis: Axis, middle: int, is_by_outputs: bool) -> Axis:
    if is_by_outputs:
        return axis_piece(axis, middle, axis.outputs, 0, axis.taps)
    return last_inputs(axis, middle)


def sweeps_of(schedule: Schedule) -> list[Sweep]:
    """The sweep that a schedule is, if any: with ever longer second halves, the first just long
    enough for words to be done with as others begin."""
    order, begins = schedule.order, {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    if schedule.resident != "weights" or schedule.part or schedule.dims["N"] > 1:
        return []
    if schedule.tiling.serpentine or any(s.operand == "inputs" for s in schedule.tiling.stays):
        return []
    if order[:1] not in (("P",), ("Q",), ("H",), ("W",)) or any("%" in loop for loop in order):
        return []
    group = schedule.layer.group()
    if not {group.rows.kind, group.cols.kind} <= {"conv", "deconv"}:
        return []
    is_by_rows = order[0] in ROW_LOOPS
    across = "Q" if is_by_rows else "P"
    bounds = (*begins.pop(across, (0,)), schedule.dims[across])
    outputs, channels = (tuple(schedule.lengths(dim)) for dim in "KC")
    if set(begins) - {"K", "C"} or len(bounds) + len(outputs) == 3:
        return []
    strips = tuple(pairwise(bounds))
    axis = group.rows if is_by_rows else group.cols
    by_outputs = order[0] in ("P", "Q")
    extent = axis.outputs if by_outputs else axis.inputs
    shortest = axis.dilation + 1 + (axis.stride if by_outputs else 1)
    return [
        Sweep(schedule, is_by_rows, strips, outputs, channels, extent - second)
        for second in sorted({shortest, tail(extent), extent - extent // 2})
        if second < extent
    ]


def strips_across(sweep: Sweep) -> list[Int64]:
    """Of each strip the last steps of the inputs across."""
    q, s, w = sweep.other.pairs()
    inside = [(q >= first) & (q < last) for first, last in sweep.strips]
    return [last_steps(sweep, (q[own], s[own], w[own]), of_other=True) for own in inside]


def users_across(strips: list[Int64]) -> Int64:
    """How many strips use each input across."""
    users: Int64 = np.bincount(np.concatenate([cols[:, 2] for cols in strips]))
    return users


def early_rows(sweep: Sweep, rows: Int64) -> NDArray[np.bool_]:
    """Whether a strip's first half is done with each of these rows of inputs."""
    early: NDArray[np.bool_] = rows[:, 0 if sweep.is_by_outputs else 2] < sweep.middle
    return early


def dying_order(
    sweep: Sweep, channels: int, rows: Int64, cols: Int64
) -> tuple[Int64, Int64, Int64]:
    """Channel, row and column of a tile's inputs in the order in which it is done with them."""
    c, row, col = np.indices((channels, len(rows), len(cols))).reshape(3, -1)
    names = (ROW_LOOPS, COL_LOOPS) if sweep.is_by_rows else (COL_LOOPS, ROW_LOOPS)
    keys = [
        c if loop == "C"
        else rows[row, names[0].index(loop)] if loop in names[0]
        else cols[col, names[1].index(loop)]
        for loop in sweep.schedule.order if loop not in "NK"
    ]  # fmt: skip
    dying = np.lexsort(keys[::-1])
    return c[dying], row[dying], col[dying]


def last_steps(sweep: Sweep, entries: tuple[Int64, Int64, Int64], of_other: bool = False) -> Int64:
    """Output, tap and input (inputs, 3) of each input's last entry in the order of the loops."""
    is_row = sweep.is_by_rows != of_other
    names = ROW_LOOPS if is_row else COL_LOOPS
    loops = [names.index(loop) for loop in sweep.schedule.order if loop in names]
    order = np.lexsort([*(entries[place] for place in loops[::-1]), entries[2]])
    inputs = entries[2][order]
    last = np.flatnonzero(np.r_[inputs[1:] != inputs[:-1], True][: len(inputs)])
    return np.stack([each[order][last] for each in entries], axis=1)
