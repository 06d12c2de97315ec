"""What may stay in the schedules of large layers, by the laws of their streams.

On layers too large to be counted MAC by MAC, laws tell what so many words save that stay from tile
to tile, and what they need: each is derived and proved in a module of its own (`long_streams`,
`halves`, `sweeps`, `tap_tiles`). Here they are tried on a schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

from accelsim.dataflow.halves import inputs_saved_by_halves, weights_saved_by_halves
from accelsim.dataflow.long_streams import (
    inputs_saved,
    is_long,
    weights_saved,
    weights_saved_through,
)
from accelsim.dataflow.schedule import Resident, Schedule, Stay
from accelsim.dataflow.sweeps import swept_inputs_saved
from accelsim.dataflow.tap_tiles import inputs_saved_between_taps, psums_saved_between_taps
from accelsim.dataflow.tile_peaks import tile_peaks
from accelsim.workload.layer import Int64


@dataclass(frozen=True)
class Places:
    """A schedule one of whose operands has a number of places to stay, in one of its parts.

    part: 0 or 1; None where the operand stays through both.
    """

    schedule: Schedule
    part: int | None
    operand: Resident
    depth: int

    def stays(self, words: int) -> tuple[tuple[Stay, ...], ...]:
        """The stays of each part with so many places; what else stays, stays."""
        stay = Stay(self.operand, self.depth, words, through=self.part is None)
        made = []
        for number, part in enumerate(one for one in (self.schedule, self.schedule.then) if one):
            own = part.tiling.stays
            if self.part in (None, number):
                own = tuple(each for each in own if not self._is_mine(each))
                own = (*own, stay) if words else own
            made.append(own)
        return tuple(made)

    def with_words(self, words: int) -> Schedule:
        """The schedule with so many places."""
        first, *rest = (
            replace(part, tiling=replace(part.tiling, stays=own), then=None)
            for part, own in zip(
                (self.schedule, self.schedule.then), self.stays(words), strict=False
            )
            if part
        )
        return replace(first, then=rest[0]) if rest else first

    def _is_mine(self, stay: Stay) -> bool:
        return stay.operand == self.operand and stay.words is not None


@dataclass(frozen=True)
class Base:
    """A schedule, the bits it needs and the bits of traffic it moves."""

    schedule: Schedule
    bits: int
    traffic_bits: int

    @cached_property
    def offers(self) -> list[Offer]:
        """What may stay in the schedule, if it has no places yet."""
        parts = [part for part in (self.schedule, self.schedule.then) if part]
        has_places = any(stay.words for part in parts for stay in part.tiling.stays)
        return [] if has_places else _offers(self)


class Offer(NamedTuple):
    """Places that a schedule may have: x of them need max(floor, grows + x · width) bits.

    saved (most,): the fetches of words of `width` bits that 1, 2, ... places save, ascending.
    """

    places: Places
    floor: int
    grows: int
    width: int
    saved: Int64


@lru_cache(maxsize=256)
def _offers(base: Base) -> list[Offer]:
    """See `Base.offers`."""
    if base.schedule.resident == "weights":
        return _with_weights(base)
    parts = [part for part in (base.schedule, base.schedule.then) if part]
    peaks = [tile_peaks(part) for part in parts]
    if max(map(max, peaks)) != base.bits:
        return []
    found = []
    if (
        len(parts) > 1
        and parts[0].part
        and parts[0].part.dim in "PQ"
        and max(peaks[0]) == base.bits
    ):
        places = Places(base.schedule, None, "weights", 0)
        saved = weights_saved_through(*parts)
        found.append(Offer(places, 0, base.bits, base.schedule.layer.widths.weights, saved))
    for number, part in enumerate(parts):
        if part.turn_order or part.tiling.serpentine:
            continue
        others = max((max(pair) for at, pair in enumerate(peaks) if at != number), default=0)
        law = _in_long_streams if is_long(part) else _by_halves
        found += law(base, number, peaks[number], others)
    return found


def _with_weights(base: Base) -> list[Offer]:
    """What may stay in a schedule with weights resident."""
    schedule, widths = base.schedule, base.schedule.layer.widths
    saved = psums_saved_between_taps(schedule, base.bits)
    if len(saved):
        outer = sum(each.dim == "K" for each in schedule.tiling.cuts)
        places = Places(schedule, 0, "outputs", outer)
        return [Offer(places, 0, base.bits, widths.psums, saved)]
    made = _reordered(schedule, 0, "CRS")
    found = []
    for swept in swept_inputs_saved(made, base.bits):
        passes = "C" if swept.through else "CK"
        depth = sum(cut.dim in passes for cut in made.tiling.cuts)
        places = Places(made, 0, "inputs", depth)
        found.append(Offer(places, swept.floor, swept.grows, widths.inputs, swept.fetches))
    return found


def _in_long_streams(base: Base, number: int, peaks: tuple[int, int], others: int) -> list[Offer]:
    """What may stay in a part whose tiles stream three channels or more; others: the peak of the
    other part."""
    part = (base.schedule, base.schedule.then)[number]
    assert part is not None
    earlier, last = peaks
    cut = {each.dim for each in part.tiling.cuts}
    widths = base.schedule.layer.widths
    found = []
    # psums that a tap tile does not visit are not in its own peak
    if not cut & {"R", "S"} or earlier == base.bits:
        places = Places(_reordered(base.schedule, number, "K"), number, "weights", int("K" in cut))
        channels = part.dims["C"] - 2 if earlier >= last else 1
        saved = weights_saved(part, channels)
        found.append(Offer(places, max(others, last), earlier, widths.weights, saved))
    if cut & {"R", "S"}:
        saved, outer = inputs_saved_between_taps(part, base.bits), cut - {"R", "S"}
    else:
        saved, outer = inputs_saved(part), cut & set("NPQ")
    places = Places(_reordered(base.schedule, number, "NPQ"), number, "inputs", len(outer))
    return [*found, Offer(places, others, max(earlier, last), widths.inputs, saved)]


def _by_halves(base: Base, number: int, peaks: tuple[int, int], others: int) -> list[Offer]:
    """What may stay in a part whose tiles are done with words in their first half."""
    part = (base.schedule, base.schedule.then)[number]
    assert part is not None
    peak = max(peaks)
    cut = {each.dim for each in part.tiling.cuts}
    widths = base.schedule.layer.widths
    made = _reordered(base.schedule, number, "KCRS")
    places = Places(made, number, "weights", len(cut & set("KCRS")))
    found = [Offer(places, others, peak, widths.weights, weights_saved_by_halves(part, peak))]
    if part.resident == "outputs":
        made = _reordered(base.schedule, number, "NPQ")
        places = Places(made, number, "inputs", len(cut & set("NPQ")))
        found.append(Offer(places, others, peak, widths.inputs, inputs_saved_by_halves(part, peak)))
    return found


def _reordered(schedule: Schedule, number: int, outer: str) -> Schedule:
    """The schedule with the loops over some dims outermost in one of its parts."""
    part = schedule.then if number else schedule
    assert part is not None
    cuts = sorted(part.tiling.cuts, key=lambda cut: (cut.dim not in outer, cut.dim in "RS"))
    part = replace(part, tiling=replace(part.tiling, cuts=tuple(cuts)))
    return replace(schedule, then=part) if number else part
