"""Every MAC of a small layer in a schedule's order, and what words that stay cost and save.

The lines of `spare` are closed forms; they ask for a long stream and tiles that use every word. For
the rest, where a layer is small enough, this counts: MACs are sorted by their tiles and loops, and
the words of an operand become *visits*: a word in a tile, from its first MAC there to its last.
What stays between two visits follows from the rules of `schedule.Stay`, first come, first kept:

    live(t)    visits that cover MAC t, and stays between two visits that cover it
    traffic    visits that no stay leads to (psums: a write and a read each, but for the first)

Live words grow where a visit begins and nowhere else, so the peak is at a MAC that begins one: time
is counted in *spans*, each such a MAC with those up to the next.

Blocks of one MAC, no prefetch. `replay` executes the same schedules on a machine of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from accelsim.dataflow.schedule import (
    RESIDENTS,
    ROW_LOOPS,
    Order,
    Schedule,
    Stay,
    output_phases,
    tap_phases,
)
from accelsim.workload.layer import Axis, Conv, Int64

FIRST, LAST, TILE, NEXT = range(4)  # fields of a visit
_NO_SPANS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Counted:
    """One group's live bits at the peak, words read of weights, inputs, and psums spilled."""

    bits: int
    weights: int
    inputs: int
    psums: int


@dataclass(frozen=True)
class _Operand:
    """An operand with its stays, each with its part: its fetches, its live bits span by span."""

    stays: tuple[tuple[int, Stay], ...]
    fetched: int
    live: Int64


@dataclass(frozen=True)
class Trace:
    """Visits of the weights, inputs and outputs of one group, whatever stays.

    visits (visits, 4) of each operand, in the order in which they end: first and last span, tile,
    place of the word's next visit (-1: none). pieces (tiles, cuts + 1): the part that a tile with
    useful MACs belongs to, and the piece of each of its cuts.
    """

    schedule: Schedule
    visits: tuple[Int64, ...]
    pieces: Int64
    spans: int

    def count(self, *stays: tuple[Stay, ...]) -> Counted:
        """Count with these stays, those of each part, in place of the schedule's."""
        if stays not in self._counted:
            self._counted[stays] = self._count(stays)
        return self._counted[stays]

    @cached_property
    def _counted(self) -> dict[tuple[tuple[Stay, ...], ...], Counted]:
        return {}

    def _count(self, stays: tuple[tuple[Stay, ...], ...]) -> Counted:
        weights, inputs, outputs = (
            self._operand(place, own) for place, own in enumerate(_by_operand(stays))
        )
        bits = int((weights.live + inputs.live + outputs.live).max())
        return Counted(bits, weights.fetched, inputs.fetched, outputs.fetched - self._outputs)

    @cached_property
    def _outputs(self) -> int:
        return int((self.visits[2][:, NEXT] < 0).sum())

    @cached_property
    def _latest(self) -> dict[int, _Operand]:
        """Of each operand what was counted last: mostly one operand's stays change at a time."""
        return {}

    def traffic_bits(self, *stays: tuple[Stay, ...]) -> int:
        """One group's traffic with these stays: less work than `count`, which also has a peak."""
        layer = self.schedule.layer.group()
        weights, inputs, psums = (
            self._fetched(place, own) for place, own in enumerate(_by_operand(stays))
        )
        widths, spilled = layer.widths, psums - self._outputs
        moved = weights * widths.weights + inputs * widths.inputs
        return moved + layer.outputs_words * widths.outputs + 2 * spilled * widths.psums

    def _fetched(self, place: int, stays: tuple[tuple[int, Stay], ...]) -> int:
        """Visits of an operand that no stay leads to."""
        known = self._fetches.get((place, stays))
        if known is None:
            known = 0
            if place or self.schedule.layer.has_weights:
                visits = self.visits[place]
                known = len(visits) - _kept(visits, self._rules(stays), 0, _NO_SPANS)
            self._fetches[place, stays] = known
        return known

    @cached_property
    def _fetches(self) -> dict[tuple[int, tuple[tuple[int, Stay], ...]], int]:
        return {}

    def _operand(self, place: int, stays: tuple[tuple[int, Stay], ...]) -> _Operand:
        """An operand counted with its stays, each with the part that has it."""
        known = self._latest.get(place)
        if known is None or known.stays != stays:
            widths, visits = self.schedule.layer.widths, self.visits[place]
            live, fetched = np.zeros(self.spans + 1, dtype=np.int64), 0
            if place or self.schedule.layer.has_weights:
                bits = (widths.weights, widths.inputs, widths.psums)[place]
                fetched = len(visits) - _kept(visits, self._rules(stays), bits, live)
            known = self._latest[place] = _Operand(stays, fetched, live)
        return known

    def _rules(self, stays: tuple[tuple[int, Stay], ...]) -> Int64:
        """For each tile (4, tiles): how many places there are to stay, and the last tile of the
        pass of those words, of that of all words, and of that for the next tile; -1: none.
        """
        rules = np.full((4, len(self.pieces)), -1, dtype=np.int64)
        for part, stay in stays:
            inside = self.pieces[:, 0] == part
            last = self._last(0 if stay.through else stay.depth + 1)
            if stay.words is not None:
                rules[0, inside] = stay.words
            kind = 3 if stay.next_only else 2 if stay.words is None else 1
            rules[kind, inside] = last[inside]
        return rules

    @cached_property
    def _known(self) -> dict[int, Int64]:
        return {}

    def _last(self, columns: int) -> Int64:
        """For each tile, the last one whose part and outermost pieces, so many, are the same."""
        if columns not in self._known:
            prefix = self.pieces[:, :columns]
            changes = np.flatnonzero((prefix[1:] != prefix[:-1]).any(axis=1))
            last = np.append(changes, len(prefix) - 1)
            self._known[columns] = last.repeat(np.diff(last, prepend=-1))
        return self._known[columns]


def _by_operand(
    stays: tuple[tuple[Stay, ...], ...],
) -> list[tuple[tuple[int, Stay], ...]]:
    """The stays of weights, inputs, outputs, each with its part."""
    every = [(part, stay) for part, own in enumerate(stays) for stay in own]
    return [tuple(each for each in every if each[1].operand == name) for name in RESIDENTS]


@lru_cache(maxsize=64)
def trace(schedule: Schedule) -> Trace:
    """Sort the MACs of one group by the schedule's tiles and loops; its stays do not matter."""
    parts = [_ordered(part) for part in (schedule, schedule.then) if part]
    order, lengths = (np.concatenate([part[at] for part in parts]) for at in range(2))
    most = max(pieces.shape[1] for _, _, pieces in parts)
    pieces = np.concatenate(
        [
            np.pad(np.insert(own, 0, number, axis=1), ((0, 0), (0, most - own.shape[1])))
            for number, (_, _, own) in enumerate(parts)
        ]
    )
    tile = np.arange(len(lengths)).repeat(lengths)
    visits = tuple(_visits(words[order], tile) for words in _words(schedule.layer.group()))
    begins = np.zeros(len(order), dtype=bool)
    for own in visits:
        begins[own[:, FIRST]] = True
    span = np.cumsum(begins) - 1
    for own in visits:
        own[:, FIRST], own[:, LAST] = span[own[:, FIRST]], span[own[:, LAST]]
    return Trace(schedule, visits, pieces, int(span[-1]) + 1)


def counted(schedule: Schedule) -> Counted:
    """Count a schedule with the stays that it has."""
    parts = [part for part in (schedule, schedule.then) if part]
    return trace(bare(schedule)).count(*(part.tiling.stays for part in parts))


def bare(schedule: Schedule) -> Schedule:
    """The schedule with nothing that stays: all schedules of the same tiles and orders are one."""
    then = schedule.then and bare(schedule.then)
    return replace(schedule, tiling=replace(schedule.tiling, stays=()), then=then)


def _coordinates(layer: Conv) -> dict[str, Int64]:
    """Each dim's value at every MAC, as arrays of n, k, c, row and column pairs that broadcast."""
    dims = [np.arange(extent) for extent in (layer.N, layer.K, layer.C)]
    named = list(zip("NKC", dims, range(3), strict=True))
    named += [(dim, index, 3) for dim, index in zip("PRH", layer.rows.pairs(), strict=True)]
    named += [(dim, index, 4) for dim, index in zip("QSW", layer.cols.pairs(), strict=True)]
    return {dim: index.reshape([-1 if at == axis else 1 for at in range(5)])
            for dim, index, axis in named}  # fmt: skip


@lru_cache(maxsize=2)
def _words(layer: Conv) -> tuple[Int64, Int64, Int64]:
    """The weight, input and output of each MAC of a group."""
    at, rows, cols = _coordinates(layer), layer.rows, layer.cols
    words = (
        ((at["K"] * layer.C + at["C"]) * rows.taps + at["R"]) * cols.taps + at["S"],
        ((at["N"] * layer.C + at["C"]) * rows.inputs + at["H"]) * cols.inputs + at["W"],
        ((at["N"] * layer.K + at["K"]) * rows.outputs + at["P"]) * cols.outputs + at["Q"],
    )
    weights, inputs, outputs = (each.ravel() for each in np.broadcast_arrays(*words))
    return weights, inputs, outputs


def _ordered(schedule: Schedule) -> tuple[Int64, Int64, Int64]:
    """The MACs of a part in order, how many each tile has, the piece of each of a tile's cuts."""
    layer, part, tiling = schedule.layer.group(), schedule.part, schedule.tiling
    at = _coordinates(layer)
    shape = np.broadcast_shapes(*(index.shape for index in at.values()))
    own = np.ones((1,) * 5, dtype=bool)
    if part:  # phases and cuts count from the part's begin
        own = (at[part.dim] >= part.begin) & (at[part.dim] < part.end)
        at[part.dim] = at[part.dim] - part.begin
    tile = np.zeros((1,) * 5, dtype=np.int64)
    in_tile, pieces = dict(at), []
    for cut in tiling.cuts:
        begins = np.array(cut.begins)
        piece = np.searchsorted(begins, at[cut.dim], side="right") - 1
        in_tile[cut.dim] = at[cut.dim] - begins[piece]
        pieces.append(piece)
        if tiling.serpentine:  # a loop turns whenever it starts again
            piece = np.where(tile % 2, len(begins) - 1 - piece, piece)
        tile = tile * len(begins) + piece
    inner = _rank(schedule.order, at, in_tile, layer.rows, layer.cols)
    if schedule.turn_order:
        turns = (pieces[-1] == 0) | (pieces[-1] == len(tiling.cuts[-1].begins) - 1)
        inner = np.where(
            turns, _rank(schedule.turn_order, at, in_tile, layer.rows, layer.cols), inner
        )
    key = tile * (int(inner.max(initial=0)) + 1) + inner
    flat_key, flat_tile = (np.broadcast_to(each, shape).ravel() for each in (key, tile))
    order = _sorted(flat_key, np.broadcast_to(own, shape).ravel())
    begins = np.flatnonzero(np.diff(flat_tile[order], prepend=-1))
    first = np.unravel_index(order[begins], shape)
    each = [np.broadcast_to(piece, shape)[first] for piece in pieces]
    none = np.zeros((0, len(begins)), dtype=np.int64)
    return (
        order,
        np.diff(begins, append=len(order)),
        np.array(each or none).reshape(len(pieces), len(begins)).T,
    )


def _sorted(key: Int64, own: NDArray[np.bool_]) -> Int64:
    """Indices of the keys that are the part's own, in the order of the keys; no two are alike."""
    most = int(key.max(initial=0)) + 1
    if most > 8 * len(key):
        return np.flatnonzero(own)[np.argsort(key[own])]
    at = np.full(most, -1, dtype=np.int64)  # keys are dense: each has a place
    at[key[own]] = np.flatnonzero(own)
    return at[at >= 0]


def _rank(
    order: Order, at: dict[str, Int64], in_tile: dict[str, Int64], rows: Axis, cols: Axis
) -> Int64:
    """Place of each MAC among those of its tile; `at` counts from the part's begin."""
    rank = np.zeros((1,) * 5, dtype=np.int64)
    for loop in order:
        axis = rows if loop in ROW_LOOPS else cols
        dim, phases = loop[0], 1
        if f"{dim}%" in order:
            phases = output_phases(axis) if dim in "PQ" else tap_phases(axis)
        if loop in ("R%", "S%"):
            step = at[dim] * axis.dilation % axis.stride
        elif loop.endswith("%"):
            step = at[dim] % phases
        else:
            step = at[dim] // phases if phases > 1 or dim in "HW" else in_tile[dim]
        rank = rank * (int(step.max(initial=0)) + 1) + step
    return rank


@njit(cache=True)
def _visits(words, tile):  # type: ignore[no-untyped-def]
    """The visits of an operand, given the word that each MAC uses and its tile; spans are MACs."""
    macs = len(words)
    found = np.empty((macs, 4), np.int64)  # in the order in which they begin
    of_word = np.full(words.max() + 1, -1)
    count = 0
    for at in range(macs):
        latest = of_word[words[at]]
        if latest < 0 or found[latest, 2] != tile[at]:
            if latest >= 0:
                found[latest, 3] = count
            found[count, 0], found[count, 2], found[count, 3] = at, tile[at], -1
            latest = of_word[words[at]] = count
            count += 1
        found[latest, 1] = at
    ends = np.full(macs, -1)
    ends[found[:count, 1]] = np.arange(count)
    order = ends[ends >= 0]
    place = np.empty(count + 1, np.int64)
    place[order], place[count] = np.arange(count), -1
    visits = found[order]
    for at in range(count):
        visits[at, 3] = place[visits[at, 3]]
    return visits


@njit(cache=True)
def _kept(visits, rules, bits, live):  # type: ignore[no-untyped-def]
    """How many visits a stay leads to; fills in an operand's live bits, span by span, if asked."""
    count, asked = len(visits), len(live) > 0
    placed = np.zeros(count, np.bool_)
    taken, kept = 0, 0
    for at in range(count):
        first, last, tile, following = visits[at]
        if asked:
            live[first] += bits
            live[last + 1] -= bits
        taken -= placed[at]
        if following < 0:
            continue
        then = visits[following, 2]
        if rules[1, tile] >= then and taken < rules[0, tile]:
            placed[following] = True
            taken += 1
        elif rules[2, tile] < then and not (then == tile + 1 and rules[3, tile] >= then):
            continue
        kept += 1
        if asked:
            live[last + 1] += bits
            live[visits[following, 0]] -= bits
    for at in range(1, len(live)):
        live[at] += live[at - 1]
    return kept
