"""The frontier of a layer: the least off-chip traffic at every SRAM size, and its schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import lru_cache

import numpy as np

from accelsim.dataflow import small_nests, spare, tiling
from accelsim.dataflow.envelope import above, envelope
from accelsim.dataflow.points import Frontier, Point
from accelsim.dataflow.residency import once_only
from accelsim.dataflow.schedule import (
    ONE_MAC,
    RESIDENTS,
    Block,
    Buffering,
    Resident,
)
from accelsim.dataflow.small_nests import nests_below
from accelsim.dataflow.stay_laws import Base, Places
from accelsim.dataflow.tile_peaks import tile_peak_bits
from accelsim.dataflow.tile_schedules import schedule_of
from accelsim.dataflow.tiling import Cuts, cuts_of, exchanges, plain_tilings, uneven_splits
from accelsim.dataflow.treads import MOST_MACS, filled
from accelsim.workload.layer import Conv, Int64

_SOURCES_OF: dict[Resident, tuple[int, ...]] = {
    "outputs": (spare.OUTPUTS, spare.EXCHANGES, spare.ROW_SPLITS, spare.COL_SPLITS),
    "inputs": (spare.INPUTS,),
    "weights": (spare.WEIGHTS,),
}
_BASES = 4
"""Schedules before a tread, besides the one at it, whose words may stay to fill it."""
_SOURCES: tuple[Resident, ...] = ("outputs", "inputs", "weights")


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
    once = once_only(layer, block=block, buffering=buffering, residents=residents)
    copies = 2 if buffering == "double" else 1
    single: Buffering = "single" if buffering == "double" else buffering
    group = layer.group()
    cuts = cuts_of(group, block)
    end, least = once.peak.bits // copies, _compulsory_bits(group)
    last = Point(end, least, 0, 0, 0, None, 0)
    found = Frontier(layer, cuts, buffering, (last,), (), once)
    if group.useful_macs:
        by_one = block == ONE_MAC and single == "single"
        ends = {name: end for name in residents}
        if by_one and group.useful_macs <= MOST_MACS:
            ends = {name: once_only(layer, residents=(name,)).peak.bits for name in residents}
        stairs, lines = _lines(cuts, single, residents, max(ends.values()))
        found = replace(found, stairs=stairs)
        # what moves everything once in less is not of one tile: `once` may not know it
        lines = above(lines, least)
        if not by_one:
            points = _points(lines, end)
        elif group.useful_macs > MOST_MACS:
            points = _without_treads(found, [*_points(lines, end), last])[:-1]
        else:
            points = _lowest(_by_resident(found, lines, ends), end)
            if residents == RESIDENTS and group.useful_macs <= small_nests.MOST_MACS:
                points = _with_nests(found, points)
        found = replace(found, points=(*points, last))
    if copies == 1:
        return found
    scaled = (
        point._replace(bits=copies * point.bits, step_bits=copies * point.step_bits)
        for point in found.points
    )
    return replace(found, points=tuple(scaled))


def _compulsory_bits(group: Conv) -> int:
    """Bits of one group's traffic if every word moves once."""
    widths = group.widths
    bits = group.weights_words * widths.weights + group.inputs_words * widths.inputs
    return bits + group.outputs_words * widths.outputs


def _lines(
    cuts: Cuts, buffering: Buffering, residents: tuple[Resident, ...], end_bits: int
) -> tuple[tuple[Int64, ...], Int64]:
    """Staircases of every source, and the lines of them all."""
    group = cuts.group
    stairs = tuple(
        _counted(cuts, stair, buffering) if name in residents else stair[:0]
        for name, stair in zip(_SOURCES, plain_tilings(cuts, buffering, end_bits), strict=True)
    )
    turned = cuts_of(group.transposed(), cuts.block.transposed())
    exchange = np.zeros((0, tiling.FIELDS), dtype=np.int64)
    by_rows = by_cols = np.zeros((0, tiling.SPLIT_FIELDS), dtype=np.int64)
    if "outputs" in residents and buffering == "single":
        exchange, by_rows = exchanges(cuts, end_bits), uneven_splits(cuts, end_bits)
        if group.rows != group.cols:  # of a square layer both ways are alike
            by_cols = uneven_splits(turned, end_bits)
    stairs = (*stairs, exchange, by_rows, by_cols)
    lines = [
        spare.stay_lines(cuts, stairs[:4]),
        spare.split_lines(cuts, by_rows, spare.ROW_SPLITS),
        spare.split_lines(turned, by_cols, spare.COL_SPLITS),
    ]
    return stairs, np.concatenate(lines)


def _points(lines: Int64, end_bits: int) -> list[Point]:
    """The points of the lower envelope of lines, below `end_bits`."""
    rows = envelope(lines, end_bits)
    chosen, taken = lines[rows[:, 0]], rows[:, 1]
    figures = chosen[:, : spare.STEPS + 1].copy()
    figures[:, spare.BITS] += taken * chosen[:, spare.STEP]
    figures[:, spare.TRAFFIC] -= taken * chosen[:, spare.GAIN]
    figures[:, spare.STEPS] -= taken
    staying = (chosen[:, spare.BEGUN] + taken).tolist()
    return list(map(Point, *figures.T.tolist(), chosen, staying))


def _by_resident(found: Frontier, lines: Int64, ends: dict[Resident, int]) -> list[Point]:
    """The points of each resident by itself, up to its own end, without treads.

    So that the same words stay, whatever other residents there are to choose from.
    """
    points: list[Point] = []
    for resident, end in ends.items():
        own = lines[np.isin(lines[:, spare.SOURCE], _SOURCES_OF[resident])]
        if len(own):
            last = found.points[-1]._replace(bits=end)
            points += _without_treads(found, [*_points(own, end), last])[:-1]
    return points


def _with_nests(found: Frontier, points: list[Point]) -> list[Point]:
    """The points, and where a nest of a really small layer moves less, that."""
    last = found.points[-1]
    every = [point.after(step) for point in points for step in range(point.steps + 1)]
    figures = sorted((each.bits, each.traffic_bits) for each in every)
    stair = np.array(figures, dtype=np.int64).reshape(-1, 2)
    best = np.minimum.accumulate(stair[:, 1])
    stair = stair[np.r_[True, best[1:] < best[:-1]][: len(stair)]]
    nests = nests_below(found.layer, stair, last.traffic_bits, last.bits)
    new = [Point(*nest[:2], 0, 0, 0, None, 0, made=nest[2]) for nest in nests if nest[2]]
    if not new:
        return points
    lowest = [*_lowest([*points, *new], last.bits), last]
    return _without_treads(found, lowest, points)[:-1]


def _lowest(points: list[Point], end_bits: int) -> list[Point]:
    """The points of the lower envelope of points, below `end_bits`."""
    if not points:
        return points
    lines = np.zeros((len(points), spare.LINE_FIELDS), dtype=np.int64)
    lines[:, :5] = [
        (each.bits, each.traffic_bits, each.step_bits, each.gain_bits, each.steps)
        for each in points
    ]  # fmt: skip
    return [points[at].after(steps) for at, steps in envelope(lines, end_bits).tolist()]


def _without_treads(
    found: Frontier, points: list[Point], others: Sequence[Point] = ()
) -> list[Point]:
    """The points, and where they leave sizes out what further words save there.

    others: points that are not below these, but may be with further words.
    """
    last = points[-1]
    word = min(found.cuts.group.widths.live)
    kept = [points[0]]
    is_large = found.cuts.group.useful_macs > MOST_MACS
    origins: dict[Places, Base | None] = {}
    base_of = lru_cache(maxsize=4 * _BASES)(lambda place: _base(found, points[place]))
    for at in range(1, len(points)):
        _shorten(kept, points[at].bits)
        following = _below(points[at], kept[-1].end_traffic_bits)
        while following is not None:
            here = kept[-1]
            if here.end_bits + word >= following.bits:
                break
            near = [other for other in others if other.end_bits < following.bits]
            places = range(at)[: -_BASES - 1 : -1]
            room = here.end_traffic_bits, following.bits, last.traffic_bits
            tried = [_base(found, here), *map(base_of, places)]
            tried += (_base(found, point) for point in near[::-1])
            if here.places and (origin := origins.get(here.places)):
                tried.append(origin)  # it may lie further back
            steps = filled(tried, *room)
            if is_large and not steps:
                near = [here, *(points[place] for place in places)]
                starts = (_start(found, point) for point in near)
                steps = filled([base for base in starts if base], *room)
            for step in steps:
                origins[step.places] = step.base
                _shorten(kept, step.bits)
                kept.append(
                    Point(
                        step.bits, step.traffic_bits, step.step_bits, step.gain_bits, step.steps,
                        None, step.words, step.places,
                    )
                )  # fmt: skip
            following = _below(following, kept[-1].end_traffic_bits)
            if not steps:
                break
        if following is not None:
            kept.append(following)
    return _merged(kept)


def _base(found: Frontier, point: Point) -> Base:
    """The schedule of a point with all its places."""
    schedule = found.schedule(point.after(point.steps))
    return Base(schedule, point.end_bits, point.end_traffic_bits)


def _start(found: Frontier, point: Point) -> Base | None:
    """The schedule a point's line begins with, if that has no places and the point has some."""
    if point.line is None or point.line[spare.BEGUN] or point.end_bits == point.line[spare.BITS]:
        return None
    bits, traffic_bits = (int(point.line[at]) for at in (spare.BITS, spare.TRAFFIC))
    return Base(found.schedule(point._replace(steps=0, staying=0)), bits, traffic_bits)


def _shorten(points: list[Point], bits: int) -> None:
    """Leave out what needs so many bits or more."""
    while points and points[-1].end_bits >= bits:
        gone = points.pop()
        if gone.bits < bits:
            fewer = (bits - 1 - gone.bits) // gone.step_bits
            points.append(
                Point(
                    gone.bits, gone.traffic_bits, gone.step_bits, gone.gain_bits, fewer,
                    gone.line, gone.staying, gone.places,
                )
            )  # fmt: skip


def _below(point: Point, traffic_bits: int) -> Point | None:
    """The point from the step on that moves less; None if none does."""
    if point.traffic_bits < traffic_bits:
        return point
    more = (point.traffic_bits - traffic_bits) // point.gain_bits + 1 if point.steps else 1
    return point.after(more) if more <= point.steps else None


def _merged(points: list[Point]) -> list[Point]:
    """The points, those that one more place each leads to as steps of one."""
    merged: list[Point] = []
    for point in points:
        if merged and point.places and merged[-1].places == point.places:
            base = merged[-1]
            step, gain = point.bits - base.end_bits, base.end_traffic_bits - point.traffic_bits
            alike = all(
                each.steps == 0 or (step, gain) == (each.step_bits, each.gain_bits)
                for each in (base, point)
            )
            if alike and point.staying == base.staying + base.steps + 1:
                merged[-1] = base._replace(
                    step_bits=step, gain_bits=gain, steps=base.steps + 1 + point.steps
                )
                continue
        merged.append(point)
    return merged


def _counted(cuts: Cuts, stair: Int64, buffering: Buffering) -> Int64:
    """A staircase with the needs that are bounds only counted with `liveness`.

    Bounds ascend as traffic falls. From the last row on, what needs as much as a row that moves
    less is off the staircase; how much more it needs is of no interest. A tile that needs the bound
    needs the most.
    """
    loose = (stair[:, tiling.EXACT] & 1) == 0
    if not loose.any():
        return stair
    stair, least = stair.copy(), 1 << 62
    kept = np.ones(len(stair), dtype=bool)
    for at in range(len(stair) - 1, -1, -1):
        if loose[at]:
            schedule = schedule_of(cuts.group, cuts, stair[at], buffering)
            enough = min(least, int(stair[at, tiling.BITS]))
            stair[at, tiling.BITS] = tile_peak_bits(schedule, enough)
        kept[at] = stair[at, tiling.BITS] < least
        least = min(least, int(stair[at, tiling.BITS]))
    return stair[kept]
