"""What the first inputs of a sweep save if they stay, with weights resident.

Pixels, or inputs, are swept along the rows (or the columns). The same inputs are swept again for
every k tile, and those at the border of two column strips by both. Let a pass run over the k tiles
and, inside, over one strip or two, and let x places take the first inputs that its first tile is
done with and a later one uses. They die in the lexicographic order of their last MACs, each axis
its own maximum. If no place is free before the last k tile, a word used by u strips saves

    k tiles · u - 1

and in the last k tile the places of words that one strip alone uses become free as the first strip
is done with them: words of the border that die later take them and save 1 each.

Peak: cut the sweep in two, as in `halves`. If in a tile but the pass's last the second half alone,
as a layer of its own, has the peak P, the x words that the first half was done with wait then: P +
x. With one k tile the second strip may have a peak Q > P of its own. It then uses words of the
border as it goes: if before the second row it needs at most P with all inputs and weights it uses,
and of the x words at least Q - P lie in inputs of the first row, max(Q, P + x) is the peak.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.liveness import separate_peaks
from accelsim.dataflow.long_streams import MOST_PLACES, tail
from accelsim.dataflow.schedule import COL_LOOPS, ROW_LOOPS, Schedule
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_peaks import tile_peak
from accelsim.workload.layer import Axis, Conv, Int64


class Saved(NamedTuple):
    """Fetches saved by 1, 2, ... places; x of them need max(floor, grows + x words) bits."""

    floor: int
    grows: int
    fetches: Int64


class _Sweep(NamedTuple):
    """A sweep along an axis, in strips of another; sizes of the k and the c tiles."""

    schedule: Schedule
    is_by_rows: bool
    strips: tuple[tuple[int, int], ...]
    outputs: Int64
    channels: Int64

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
    def middle(self) -> int:
        """The first output of the last part."""
        return self.axis.outputs - tail(self.axis.outputs)

    def tile(self, strip: tuple[int, int], first: int, last: int) -> Conv:
        """The largest tile of a strip, its sweep from one output up to another."""
        along = axis_piece(self.axis, first, last, 0, self.axis.taps)
        across = axis_piece(self.other, *strip, 0, self.other.taps)
        rows, cols = (along, across) if self.is_by_rows else (across, along)
        K, C = int(self.outputs.max()), int(self.channels.max())
        return replace(self.schedule.layer.group(), K=K, C=C, rows=rows, cols=cols)


def swept_inputs_saved(schedule: Schedule, bits: int) -> Saved | None:
    """Fetches that places for inputs save, the loops over c, k and strips in this order.

    bits: the peak of the schedule. None where the law does not say.
    """
    sweep = _sweep(schedule)
    peaks = sweep and _peaks(sweep, bits)
    if sweep is None or peaks is None:
        return None
    k_tiles = len(sweep.outputs)
    tables = [_first_words(sweep, int(channels), k_tiles == 1) for channels in sweep.channels]
    most = min(MOST_PLACES, *(len(users) for users, *_ in tables))
    saved = np.zeros(most, dtype=np.int64)
    for users, border, _ in tables:
        alone = np.cumsum(users[:most] == 1)
        later = border - np.cumsum(users[:most] > 1)
        saved += np.cumsum(k_tiles * users[:most] - 1)
        if k_tiles > 1:
            saved += np.minimum(alone, later)
    floor, grows = peaks
    if grows < bits:
        width = schedule.layer.widths.inputs
        places = np.arange(1, most + 1)
        waiting = places - np.cumsum(tables[0][2][:most])
        known = bits + waiting * width <= np.maximum(bits, grows + places * width)
        saved = saved[: int(np.argmin(np.append(known, False)))]
    return Saved(floor, grows, saved)


def _sweep(schedule: Schedule) -> _Sweep | None:
    """The sweep that a schedule is; None if it is none."""
    order, begins = schedule.order, {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    if schedule.resident != "weights" or schedule.part or schedule.dims["N"] > 1:
        return None
    if order[:1] not in (("P",), ("Q",), ("H",), ("W",)) or any("%" in loop for loop in order):
        return None
    is_by_rows = order[0] in ROW_LOOPS
    across = "Q" if is_by_rows else "P"
    bounds = (*begins.pop(across, (0,)), schedule.dims[across])
    k_begins, c_begins = begins.pop("K", (0,)), begins.pop("C", (0,))
    outputs = np.diff([*k_begins, schedule.dims["K"]])
    if begins or len(bounds) > 3 or len(bounds) + len(outputs) == 3:
        return None
    strips = tuple(pairwise(bounds))
    channels = np.diff([*c_begins, schedule.dims["C"]])
    return _Sweep(schedule, is_by_rows, strips, outputs, channels)


def _peaks(sweep: _Sweep, bits: int) -> tuple[int, int] | None:
    """The bits needed however few words stay, and those that grow with each word."""
    schedule, extent = sweep.schedule, sweep.axis.outputs
    if sweep.outputs[0] < sweep.outputs.max() or not 0 < sweep.middle < extent:
        return None
    halves = [sweep.tile(strip, sweep.middle, extent) for strip in sweep.strips]
    peaks = [tile_peak(half, schedule) if half.useful_macs else 0 for half in halves]
    if len(sweep.outputs) > 1:
        return (0, bits) if max(peaks) == bits else None
    if peaks[0] == bits:
        return 0, bits
    if tile_peak(sweep.tile(sweep.strips[0], 0, extent), schedule) > peaks[0]:
        return None
    by_outputs = schedule.order[0] in ("P", "Q") and len(sweep.channels) == 1
    if not by_outputs or _first_row_bits(sweep) > peaks[0]:
        return None
    return bits, peaks[0]


def _first_row_bits(sweep: _Sweep) -> int:
    """At most what the second strip needs at its first outputs.

    Either all weights and inputs it uses there, none done with, or the peak of its first two rows,
    if the second uses every weight of the first, and every input of the first that is used again.
    """
    schedule, widths, axis = sweep.schedule, sweep.schedule.layer.widths, sweep.axis
    whole, row = (sweep.tile(sweep.strips[1], 0, last) for last in (axis.outputs, 1))
    weights = whole.weights_words * widths.weights
    if not row.useful_macs:
        return weights
    psums = separate_peaks(row, schedule.order, schedule.block, schedule.buffering)
    found = weights + row.inputs_words * widths.inputs + psums.bits_by_operand[2]
    p, r, h = axis.pairs()
    again = np.isin(h[p > 1], h[p == 0])
    if axis.outputs > 2 and np.isin(h[p > 1][again], h[p == 1]).all() and np.isin(
        r[p == 0], r[p == 1]
    ).all():  # fmt: skip
        found = min(found, tile_peak(sweep.tile(sweep.strips[1], 0, 2), schedule))
    return found


def _first_words(
    sweep: _Sweep, channels: int, border_only: bool
) -> tuple[Int64, int, NDArray[np.bool_]]:
    """Of the first inputs that the first half of the first strip is done with: by how many strips
    each is used; how many inputs of the border all of the strip has; and which of the first are
    inputs of the first output's row.

    border_only: only inputs that both strips use.
    """
    p, r, h = sweep.axis.pairs()
    q, s, w = sweep.other.pairs()
    first, last = sweep.strips[0], sweep.strips[-1]
    mine = (q >= first[0]) & (q < first[1])
    shared = np.intersect1d(w[mine], w[(q >= last[0]) & (q < last[1])])
    if len(sweep.strips) == 1:
        shared = shared[:0]
    border = len(np.unique(h)) * len(shared) * channels
    rows = _last_steps(sweep, (p, r, h))
    cols = _last_steps(sweep, (q[mine], s[mine], w[mine]), of_other=True)
    if sweep.schedule.order[0] in ("P", "Q"):
        rows = rows[rows[:, 0] < sweep.middle]
    else:
        rows = rows[rows[:, 2] < h[p >= sweep.middle].min(initial=len(h))]
    if border_only:
        cols = cols[np.isin(cols[:, 2], shared)]
    enough = -(-MOST_PLACES // max(len(cols) * channels, 1))
    place = 0 if sweep.schedule.order[0] in ("P", "Q") else 2
    rows = rows[np.argsort(rows[:, place], kind="stable")]
    if enough < len(rows):  # whole rows that die before the rest
        rows = rows[rows[:, place] <= rows[enough, place]]
    c, row, col = np.indices((channels, len(rows), len(cols))).reshape(3, -1)
    names = (ROW_LOOPS, COL_LOOPS) if sweep.is_by_rows else (COL_LOOPS, ROW_LOOPS)
    keys = [
        c if loop == "C"
        else rows[row, names[0].index(loop)] if loop in names[0]
        else cols[col, names[1].index(loop)]
        for loop in sweep.schedule.order if loop not in "NK"
    ]  # fmt: skip
    dying = np.lexsort(keys[::-1])
    users = 1 + np.isin(cols[col[dying], 2], shared)
    in_first_row = np.isin(rows[row[dying], 2], h[p == 0])
    return users, border, in_first_row


def _last_steps(
    sweep: _Sweep, entries: tuple[Int64, Int64, Int64], of_other: bool = False
) -> Int64:
    """Output, tap and input (inputs, 3) of each input's last entry in the order of the loops."""
    is_row = sweep.is_by_rows != of_other
    names = ROW_LOOPS if is_row else COL_LOOPS
    loops = [names.index(loop) for loop in sweep.schedule.order if loop in names]
    order = np.lexsort([*(entries[place] for place in loops[::-1]), entries[2]])
    inputs = entries[2][order]
    last = np.flatnonzero(np.r_[inputs[1:] != inputs[:-1], True])
    return np.stack([each[order][last] for each in entries], axis=1)
