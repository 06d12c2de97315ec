"""The frontier of a layer: the least off-chip traffic at every SRAM size, and its schedules."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from itertools import pairwise, product

import numpy as np

from accelsim.dataflow import spare, tiling
from accelsim.dataflow.envelope import above, envelope
from accelsim.dataflow.liveness import peak
from accelsim.dataflow.residency import OnceOnly, once_only
from accelsim.dataflow.schedule import (
    ONE_MAC,
    RESIDENTS,
    Block,
    Buffering,
    Order,
    Resident,
    Schedule,
)
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_schedules import (
    exchange_schedule,
    exchanged,
    schedule_of,
    split_schedule,
)
from accelsim.dataflow.tiling import Cuts, cuts_of, exchanges, plain_tilings, uneven_splits
from accelsim.workload.layer import Axis, Conv, Int64

_SOURCES: tuple[Resident, ...] = ("outputs", "inputs", "weights")


@dataclass(frozen=True)
class Point:
    """A point of a frontier: bits of SRAM and of traffic of one group.

    Up to `steps` further words of `step_bits` each save `gain_bits` of traffic each. `line` tells
    where the schedule comes from, `staying` how many spare words stay.
    """

    bits: int
    traffic_bits: int
    step_bits: int
    gain_bits: int
    steps: int
    line: Int64 | None
    staying: int


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
        if point.line is None:
            return self.once.schedule
        if self.is_turned:
            mirror = replace(self, layer=self.layer.transposed(), is_turned=False)
            return exchanged(mirror.schedule(point), self.layer)
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

    def at(self, bits: int) -> Point | None:
        """The best point of a capacity: as many spare words stay as fit; None if nothing fits."""
        fitting = [point for point in self.points if point.bits <= bits]
        if not fitting:
            return None
        best = fitting[-1]
        more = min((bits - best.bits) // best.step_bits, best.steps) if best.step_bits else 0
        return replace(
            best, bits=best.bits + more * best.step_bits,
            traffic_bits=best.traffic_bits - more * best.gain_bits, steps=best.steps - more,
            staying=best.staying + more,
        )  # fmt: skip


def frontier(
    layer: Conv,
    *,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    residents: tuple[Resident, ...] = RESIDENTS,
) -> Frontier:
    """Return the least traffic of one group of `layer` at every capacity, over all families.

    Strictly decreasing; it ends with compulsory traffic at the need of `residency.once_only`.
    """
    if astuple(layer.cols) < astuple(layer.rows):  # of two that mirror each other, search one
        found = frontier(
            layer.transposed(), block=block.transposed(), buffering=buffering, residents=residents
        )
        once = once_only(layer, block=block, buffering=buffering, residents=residents)
        return replace(found, layer=layer, once=once, is_turned=True)
    group = layer.group()
    once = once_only(layer, block=block, buffering=buffering, residents=residents)
    widths = layer.widths
    words = (group.weights_words, group.inputs_words, group.outputs_words)
    least = sum(n * w for n, w in zip(words, (widths.weights, widths.inputs, widths.outputs)))  # noqa: B905
    cuts = cuts_of(group, block)
    points: list[Point] = []
    stairs: tuple[Int64, ...] = ()
    copies = 2 if buffering == "double" else 1
    end = once.peak.bits // copies
    if group.useful_macs:
        single: Buffering = "single" if buffering == "double" else buffering
        stairs = tuple(
            _counted(cuts, stair, single) if name in residents else stair[:0]
            for name, stair in zip(_SOURCES, plain_tilings(cuts, single, end), strict=True)
        )
        turned = cuts_of(group.transposed(), block.transposed())
        nothing = np.zeros((0, tiling.FIELDS), dtype=np.int64)
        more = (nothing, np.zeros((0, tiling.SPLIT_FIELDS), dtype=np.int64))
        other = more[1]
        if "outputs" in residents and single == "single":
            more = exchanges(cuts, end), uneven_splits(cuts, end)
            if group.rows != group.cols:  # of a square layer both ways are alike
                other = uneven_splits(turned, end)
        stairs = (*stairs, *more, other)
        lines = [
            spare.stay_lines(cuts, stairs[:4]),
            spare.split_lines(cuts, stairs[4], spare.ROW_SPLITS),
            spare.split_lines(turned, stairs[5], spare.COL_SPLITS),
        ]
        # what moves everything once in less is not of one tile: `once` may not know it
        every = above(np.concatenate(lines), least)
        rows = envelope(every, end)
        for place, step in rows.tolist():
            line = every[place]
            bits, traffic, step_bits, gain, steps = (int(value) for value in line[:5])
            points.append(
                Point(
                    copies * (bits + step * step_bits),
                    traffic - step * gain,
                    copies * step_bits,
                    gain,
                    steps - step,
                    line,
                    int(line[spare.BEGUN]) + step,
                )
            )
    points.append(Point(once.peak.bits, least, 0, 0, 0, None, 0))
    return Frontier(layer, cuts, buffering, tuple(points), stairs, once)


def _counted(cuts: Cuts, stair: Int64, buffering: Buffering) -> Int64:
    """A staircase with the needs that are bounds only counted with `liveness`."""
    loose = np.flatnonzero((stair[:, tiling.EXACT] & 1) == 0)
    if not len(loose):
        return stair
    stair = stair.copy()
    for at in loose:
        schedule = schedule_of(cuts.group, cuts, stair[at], buffering)
        stair[at, tiling.BITS] = tile_peak_bits(schedule)
    stair = stair[np.lexsort((stair[:, tiling.TRAFFIC], stair[:, tiling.BITS]))]
    best = np.minimum.accumulate(stair[:, tiling.TRAFFIC])
    kept = np.r_[True, best[1:] < best[:-1]]
    return stair[kept]


def tile_peak_bits(schedule: Schedule) -> int:
    """The most live bits of any one tile that keeps nothing from others, by `liveness`."""
    group, block = schedule.layer.group(), schedule.block
    begins = {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    dims = group.dims
    sizes = {dim: max(_lengths(begins.get(dim, (0,)), dims[dim])) for dim in "NKC"}
    rows = _pieces(group.rows, begins.get("P", (0,)), begins.get("R", (0,)))
    cols = _pieces(group.cols, begins.get("Q", (0,)), begins.get("S", (0,)))
    most = 0
    for row, col in product(rows, cols):
        tile = replace(group, N=sizes["N"], K=sizes["K"], C=sizes["C"], rows=row, cols=col)
        if tile.useful_macs:
            most = max(most, _peak_bits(tile, schedule.order, block, schedule.buffering))
    return most


@lru_cache(maxsize=4096)
def _peak_bits(tile: Conv, order: Order, block: Block, buffering: Buffering) -> int:
    return peak(tile, order, block, buffering).bits


def _lengths(begins: tuple[int, ...], extent: int) -> list[int]:
    return [end - begin for begin, end in pairwise((*begins, extent))]


@lru_cache(maxsize=1024)
def _pieces(axis: Axis, begins: tuple[int, ...], tap_begins: tuple[int, ...]) -> tuple[Axis, ...]:
    """The different axes that the pieces of a cut are."""
    if len(begins) == len(tap_begins) == 1:
        return (axis,)
    found: dict[Axis, None] = {}
    for low, high in pairwise((*begins, axis.outputs)):
        for first, last in pairwise((*tap_begins, axis.taps)):
            piece = axis_piece(axis, low, high, first, last)
            if piece.useful_pairs:
                found[piece] = None
    return tuple(found)
