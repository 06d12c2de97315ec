"""What the first inputs of a sweep save if they stay, with weights resident.

Pixels, or inputs, are swept along the rows (or the columns). The same inputs are swept again for
every k tile, and those at the border of column strips by each of them. Let x places take the first
inputs that a pass's first tile is done with and a later one uses. They die in the lexicographic
order of their last MACs, each axis its own maximum.

In each k tile a pass over its strips: what x places save, `first_fit` counts, word by word.

Through all k tiles, and inside them the strips: every tile before the last k tile leads to a later
one, so that the x words hold the places until their own last uses; one that u strips use saves

    (k tiles - 1) · u

fetches up to its first in the last k tile. There the first strip is done with the x words first.
Those of other strips too hold their places, those of it alone leave them to words of the border
that die later, until all of the border has one: the first words of the border that the strip is
done with wait, as if the last k tile were a pass by itself, and save the same.

Peak: live words are counted step by step (`liveness`), so that one knows how many inputs a tile is
done with as it has its peak P for the last time, and which step of the sweep is the first that not
all inputs are done with before. If in a tile but the pass's last all x places hold words that it is
done with before that step, these wait then: P + x. Through k tiles the first x words hold them in
each strip of the first one. In each k tile, count in which places words wait that a strip is done
with before the step: if these are the first m, x is up to m. If the second of two strips has a peak
Q > P of its own, it uses words of the border as it goes: if before the second row it needs at most
P with all inputs and weights it uses, and of the x words at least Q - P lie in inputs of the first
row, max(Q, P + x) is the peak.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.first_fit import kept, waiting_places
from accelsim.dataflow.liveness import separate_peaks
from accelsim.dataflow.long_streams import MOST_PLACES
from accelsim.dataflow.schedule import Schedule
from accelsim.dataflow.sweep_order import (
    Sweep,
    dying_order,
    early_rows,
    last_steps,
    strips_across,
    sweeps_of,
    users_across,
)
from accelsim.dataflow.tile_peaks import tile_peak
from accelsim.workload.layer import Int64


class Saved(NamedTuple):
    """Fetches saved by 1, 2, ... places; x of them need max(floor, grows + x words) bits.

    through: whether words stay through all k tiles, or in each k tile alone.
    """

    floor: int
    grows: int
    fetches: Int64
    through: bool


class _Waits(NamedTuple):
    """Visits of strips to inputs of the border, one k tile alone, in the order in which they end.

    Of each the place where the input waits then, as `waiting_places` says; its strip; whether the
    strip is done with it before its peak; whether it is an input of the first output's row.
    """

    places: Int64
    strip: Int64
    is_early: NDArray[np.bool_]
    in_first_row: NDArray[np.bool_]

    def full(self, strip: int) -> int:
        """How many places, from the first on, hold inputs that a strip is done with before its
        peak."""
        held = self.places[self.is_early & (self.strip == strip)]
        held = np.unique(held[held >= 0])
        return int(np.argmin(np.append(held == np.arange(len(held)), False)))


def swept_inputs_saved(schedule: Schedule, bits: int) -> list[Saved]:
    """Fetches that places for inputs save, the loops over c, k and strips in this order.

    bits: the peak of the schedule. At most what stays through, then what stays in each k tile.
    """
    found: list[Saved] = []
    sweeps = sweeps_of(schedule, bits)
    for law in (_saved_through, _saved_in_each):
        every = (law(sweep, bits) for sweep in sweeps)
        found += islice((saved for saved in every if saved), 1)
    return found


def _saved_through(sweep: Sweep, bits: int) -> Saved | None:
    """What places save where several k tiles sweep the same inputs."""
    k_tiles, strips = len(sweep.outputs), range(len(sweep.strips))
    if k_tiles == 1 or sweep.outputs[0] < max(sweep.outputs):
        return None
    if all(sweep.late_peak(at) < bits for at in strips):
        return None
    sizes = sweep.channels
    users = {channels: _first_users(sweep, channels) for channels in set(sizes)}
    most = min(MOST_PLACES, *map(len, users.values()))
    saved = np.zeros(most, dtype=np.int64)
    for channels, often in users.items():
        each = np.cumsum((k_tiles - 1) * often[:most])
        if len(strips) > 1:
            each += kept(_waits(sweep, channels).places, most)
        saved += sizes.count(channels) * each
    return Saved(0, bits, saved, through=True) if most else None


def _saved_in_each(sweep: Sweep, bits: int) -> Saved | None:
    """What places save from strip to strip, each k tile a pass by itself."""
    sizes, earlier = sweep.channels, range(len(sweep.strips) - 1)
    at_peak = [at for at in earlier if sweep.late_peak(at) == bits]
    if not at_peak and len(earlier) != 1:
        return None
    largest = _waits(sweep, max(sizes))
    floor, grows, most = 0, bits, max(map(largest.full, at_peak), default=0)
    if not at_peak:
        floor, grows = bits, sweep.late_peak(0)
        most = _most_with_second(sweep, largest, bits)
    if not most:
        return None
    most = min(most, MOST_PLACES)
    each = [kept(_waits(sweep, channels).places, most) for channels in sizes]
    return Saved(floor, grows, len(sweep.outputs) * np.sum(each, axis=0), through=False)


def _most_with_second(sweep: Sweep, waits: _Waits, bits: int) -> int:
    """Up to how many places the peak is as said where the second of two strips has its own."""
    width, first = sweep.schedule.layer.widths.inputs, sweep.late_peak(0)
    if tile_peak(sweep.tile(0, sweep.axis), sweep.schedule) > first:
        return 0
    by_outputs = sweep.is_by_outputs and len(sweep.channels) == 1
    if not by_outputs or _first_row_bits(sweep) > first:
        return 0
    in_first_row = waits.in_first_row[waits.is_early & (waits.strip == 0)]
    places = np.arange(1, len(in_first_row) + 1)
    waiting = places - np.cumsum(in_first_row)
    known = bits + waiting * width <= np.maximum(bits, first + places * width)
    return int(np.argmin(np.append(known, False)))


def _first_row_bits(sweep: Sweep) -> int:
    """At most what the second strip needs at its first outputs.

    Either all weights and inputs it uses there, none done with, or the peak of its first two rows,
    if the second uses every weight of the first, and every input of the first that is used again.
    """
    schedule, widths, axis = sweep.schedule, sweep.schedule.layer.widths, sweep.axis
    whole, row = (sweep.tile(1, along) for along in (axis, sweep.first_outputs(1)))
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
        found = min(found, tile_peak(sweep.tile(1, sweep.first_outputs(2)), schedule))
    return found


def _first_users(sweep: Sweep, channels: int) -> Int64:
    """Of the first inputs that the first strip is done with before its peak: how many strips use
    each."""
    rows = last_steps(sweep, sweep.axis.pairs())
    rows = rows[early_rows(sweep, rows)]
    strips = strips_across(sweep)
    cols = strips[0]
    place = 0 if sweep.is_by_outputs else 2
    rows = rows[np.argsort(rows[:, place], kind="stable")]
    enough = -(-MOST_PLACES // max(len(cols) * channels, 1))
    if enough < len(rows):  # whole rows that die before the rest
        rows = rows[rows[:, place] <= rows[enough, place]]
    _, _, col = dying_order(sweep, channels, rows, cols)
    users: Int64 = users_across(strips)[cols[col, 2]]
    return users


@lru_cache(maxsize=8)
def _waits(sweep: Sweep, channels: int) -> _Waits:
    """Where the inputs of the border wait in a pass over the strips."""
    rows, strips = last_steps(sweep, sweep.axis.pairs()), strips_across(sweep)
    often, early, (p, _, h) = users_across(strips), early_rows(sweep, rows), sweep.axis.pairs()
    in_first = np.isin(rows[:, 2], h[p == 0])
    known: dict[bytes, tuple[Int64, Int64, Int64]] = {}
    words, of_rows = [], []
    for cols in strips:
        cols = cols[often[cols[:, 2]] > 1]
        alike = (cols - cols.min(axis=0, initial=1 << 62) * (1, 0, 1)).tobytes()
        if alike not in known:
            known[alike] = dying_order(sweep, channels, rows, cols)
        c, row, col = known[alike]
        words.append((rows[row, 2] * len(often) + cols[col, 2]) * channels + c)
        of_rows.append(row)
    places = waiting_places(np.concatenate(words), MOST_PLACES)
    row = np.concatenate(of_rows)
    strip = np.arange(len(strips)).repeat([len(each) for each in of_rows])
    return _Waits(places, strip, early[row], in_first[row])
