"""A sweep over inputs with weights resident, and the order in which tiles are done with them.

A tile's inputs are rows by columns by channels. Each is done with at its last MAC; these come in
the lexicographic order of the loops, and rows and columns each have a maximum of their own.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.schedule import COL_LOOPS, ROW_LOOPS, Schedule
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_peaks import tile_peak, words_done
from accelsim.workload.layer import Axis, Conv, Int64


class Sweep(NamedTuple):
    """A sweep along an axis, in strips of another; sizes of the k and the c tiles.

    ends: of each strip its peak in bits, and the first output, or input, in which it may not be
    done with all inputs when it has its peak for the last time. middle: where to look at strips.
    """

    schedule: Schedule
    is_by_rows: bool
    strips: tuple[tuple[int, int], ...]
    outputs: tuple[int, ...]
    channels: tuple[int, ...]
    ends: tuple[tuple[int, int], ...] = ()
    middle: int = 0

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

    def late_peak(self, strip: int) -> int:
        """Bits of the peak of a strip if it has it once what comes before `middle` is done with."""
        bits, middle = self.ends[strip]
        return bits if middle >= self.middle else 0


def sweeps_of(schedule: Schedule, bits: int) -> list[Sweep]:
    """The sweep that a schedule is, if any, with the middle of each strip that has the peak.

    The later first: the more inputs are done with. bits: the peak.
    """
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
    sweep = Sweep(schedule, is_by_rows, tuple(pairwise(bounds)), outputs, channels)
    ends = _ends(sweep, bits)
    middles = sorted({middle for _, middle in ends if middle}, reverse=True)
    return [sweep._replace(ends=ends, middle=middle) for middle in middles]


def _ends(sweep: Sweep, bits: int) -> tuple[tuple[int, int], ...]:
    """Of each strip the bits of its peak, and what it is done with by then; see `Sweep`.

    0 for a strip with another peak than `bits`, if it is not the first of two.
    """
    rows = last_steps(sweep, sweep.axis.pairs())
    steps = np.sort(rows[:, 0 if sweep.is_by_outputs else 2])
    found = []
    for strip, cols in enumerate(strips_across(sweep)):
        tile = sweep.tile(strip, sweep.axis)
        if not tile.useful_macs:
            found.append((0, 0))
            continue
        peak = tile_peak(tile, sweep.schedule)
        if peak < bits and (strip or len(sweep.strips) != 2):
            found.append((peak, 0))
            continue
        done = words_done(tile, sweep.schedule.order, peak, "inputs")
        whole = done // (len(cols) * tile.C)
        found.append((peak, int(np.append(steps, steps[-1] + 1)[whole])))
    return tuple(found)


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
    """Whether a strip is done with each of these rows of inputs before the middle."""
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
    loops = tuple(names.index(loop) for loop in sweep.schedule.order if loop in names)
    return last_entries(entries, loops, 2)


def last_entries(entries: tuple[Int64, Int64, Int64], loops: tuple[int, ...], place: int) -> Int64:
    """Of each output (place 0), tap (1) or input (2) the last of some entries of an axis.

    Output, tap and input (indices, 3); loops: places of the axis's loops, outermost first.
    """
    order = np.lexsort([*(entries[loop] for loop in loops[::-1]), entries[place]])
    index = entries[place][order]
    last = np.flatnonzero(np.r_[index[1:] != index[:-1], True][: len(index)])
    return np.stack([each[order][last] for each in entries], axis=1)
