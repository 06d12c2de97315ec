"""Points of a frontier: sizes, traffic, and the schedules that they stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from accelsim.dataflow import spare
from accelsim.dataflow.residency import OnceOnly
from accelsim.dataflow.schedule import Buffering, Schedule
from accelsim.dataflow.stay_laws import Places
from accelsim.dataflow.tile_schedules import (
    exchange_schedule,
    exchanged,
    schedule_of,
    split_schedule,
)
from accelsim.dataflow.tiling import Cuts, cuts_of
from accelsim.workload.layer import Conv, Int64


class Point(NamedTuple):
    """A point of a frontier: bits of SRAM and of traffic of one group.

    Up to `steps` further words of `step_bits` each save `gain_bits` of traffic each. `line` tells
    where the schedule comes from, or `places` or `made` has it; `staying` is how many spare words
    stay.
    """

    bits: int
    traffic_bits: int
    step_bits: int
    gain_bits: int
    steps: int
    line: Int64 | None
    staying: int
    places: Places | None = None
    made: Schedule | None = None

    @property
    def end_bits(self) -> int:
        """Bits of SRAM with all steps taken."""
        return self.bits + self.steps * self.step_bits

    @property
    def end_traffic_bits(self) -> int:
        """Bits of traffic with all steps taken."""
        return self.traffic_bits - self.steps * self.gain_bits

    def after(self, steps: int) -> Point:
        """The point with so many of its steps taken."""
        return Point(
            self.bits + steps * self.step_bits, self.traffic_bits - steps * self.gain_bits,
            self.step_bits, self.gain_bits, self.steps - steps,
            self.line, self.staying + steps, self.places, self.made,
        )  # fmt: skip


@dataclass(frozen=True)
class Frontier:
    """The frontier of one group of a layer, in ascending capacity; the last point is once-only."""

    layer: Conv
    cuts: Cuts
    buffering: Buffering
    points: tuple[Point, ...]
    stairs: tuple[Int64, ...]
    once: OnceOnly
    is_turned: bool = False
    """Whether cuts and stairs are those of the layer with rows and columns exchanged."""

    def schedule(self, point: Point) -> Schedule:
        """The schedule of one of the points."""
        made = point.places.with_words(point.staying) if point.places else point.made
        if point.line is None and made is None:
            return self.once.schedule
        if self.is_turned:
            mirror = replace(self, layer=self.layer.transposed(), is_turned=False)
            return exchanged(mirror.schedule(point), self.layer)
        if made is not None:
            then = made.then and replace(made.then, layer=self.layer)
            return replace(made, layer=self.layer, then=then)
        assert point.line is not None
        source, place, kind = (
            int(point.line[at]) for at in (spare.SOURCE, spare.PLACE, spare.KIND)
        )
        candidate, common = self.stairs[source][place], (self.buffering, kind, point.staying)
        if source == spare.EXCHANGES:
            return exchange_schedule(self.layer, self.cuts, candidate, *common)
        if source == spare.ROW_SPLITS:
            return split_schedule(self.layer, self.cuts, candidate, *common)
        if source == spare.COL_SPLITS:
            turned = self.layer.transposed()
            cuts = cuts_of(turned.group(), self.cuts.block.transposed())
            return exchanged(split_schedule(turned, cuts, candidate, *common), self.layer)
        return schedule_of(self.layer, self.cuts, candidate, *common)

    def of(self, layer: Conv) -> Frontier:
        """The frontier of another layer with the same groups."""
        once = replace(self.once, schedule=replace(self.once.schedule, layer=layer))
        return replace(self, layer=layer, once=once)

    def at(self, bits: int) -> Point | None:
        """The best point of a capacity: as many spare words stay as fit; None if nothing fits."""
        fitting = [point for point in self.points if point.bits <= bits]
        if not fitting:
            return None
        best = fitting[-1]
        return best.after(min((bits - best.bits) // max(best.step_bits, 1), best.steps))
