"""Every MAC of a small layer in a schedule's order, and what words that stay cost and save.

The lines of `spare` are closed forms; they ask for a long stream and tiles that use every word. For
the rest, where a layer is small enough, this counts: MACs are sorted by their tiles and loops, and
the words of an operand become *visits*: a word in a tile, from its first MAC there to its last.
What stays between two visits follows from the rules of `schedule.Stay`, first come, first kept:

    live(t)    visits that cover MAC t, and stays between two visits that cover it
    traffic    visits that no stay leads to (psums: a write and a read each, but for the first)

Blocks of one MAC, no prefetch. `replay` executes the same schedules on a machine of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numba import njit

from accelsim.dataflow.schedule import (
    RESIDENTS,
    ROW_LOOPS,
    Order,
    Schedule,
    Stay,
    output_phases,
    tap_phases,
)
from accelsim.workload.layer import Axis, Int64

FIRST, LAST, TILE, NEXT = range(4)  # fields of a visit


@dataclass(frozen=True)
class Counted:
    """One group's live bits at the peak, words read of weights, inputs, and psums spilled."""

    bits: int
    weights: int
    inputs: int
    psums: int


@dataclass(frozen=True)
class Trace:
    """Visits of the weights, inputs and outputs of one group, whatever stays.

    visits (visits, 4) of each operand, in the order in which they end: first and last MAC, tile,
    place of the word's next visit (-1: none). pieces (tiles, cuts + 1): the part that a tile with
    useful MACs belongs to, and the piece of each of its cuts.
    """

    schedule: Schedule
    visits: tuple[Int64, ...]
    pieces: Int64

    def count(self, *stays: tuple[Stay, ...]) -> Counted:
        """Count with these stays, those of each part, in place of the schedule's."""
        widths = self.schedule.layer.widths
        live = np.zeros(max(int(visits[-1, LAST]) for visits in self.visits) + 2, dtype=np.int64)
        fetched = []
        for place, bits in enumerate((widths.weights, widths.inputs, widths.psums)):
            visits = self.visits[place]
            if place == 0 and not self.schedule.layer.has_weights:
                fetched.append(0)
                continue
            fetched.append(len(visits) - _kept(visits, self._rules(place, stays), bits, live))
        words = int((self.visits[2][:, NEXT] < 0).sum())
        return Counted(int(np.cumsum(live).max()), fetched[0], fetched[1], fetched[2] - words)

    def _rules(self, place: int, stays: tuple[tuple[Stay, ...], ...]) -> Int64:
        """For each tile (4, tiles): how many places there are to stay, and the last tile of the
        pass of those words, of that of all words, and of that for the next tile; -1: none.
        """
        rules = np.full((4, len(self.pieces)), -1, dtype=np.int64)
        for part, own in enumerate(stays):
            for stay in own:
                if stay.operand != RESIDENTS[place]:
                    continue
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


@lru_cache(maxsize=64)
def trace(schedule: Schedule) -> Trace:
    """Sort the MACs of one group by the schedule's tiles and loops; its stays do not matter."""
    parts = [_ordered(part) for part in (schedule, schedule.then) if part]
    most = max(pieces.shape[1] for _, pieces in parts)
    words = np.concatenate([words for words, _ in parts])
    tiles = np.concatenate(
        [
            np.pad(np.insert(pieces, 0, number, axis=1), ((0, 0), (0, most - pieces.shape[1])))
            for number, (_, pieces) in enumerate(parts)
        ]
    )
    new = np.r_[True, (tiles[1:] != tiles[:-1]).any(axis=1)]
    tile = np.cumsum(new) - 1
    return Trace(schedule, tuple(_visits(column, tile) for column in words.T), tiles[new])


def counted(schedule: Schedule) -> Counted:
    """Count a schedule with the stays that it has."""
    parts = [part for part in (schedule, schedule.then) if part]
    return trace(bare(schedule)).count(*(part.tiling.stays for part in parts))


def bare(schedule: Schedule) -> Schedule:
    """The schedule with nothing that stays: all schedules of the same tiles and orders are one."""
    then = schedule.then and bare(schedule.then)
    return replace(schedule, tiling=replace(schedule.tiling, stays=()), then=then)


def _ordered(schedule: Schedule) -> tuple[Int64, Int64]:
    """Weight, input, output index (MACs, 3) and piece of each cut (MACs, cuts), in order."""
    layer, part, tiling = schedule.layer.group(), schedule.part, schedule.tiling
    rows, cols = layer.rows.pairs(), layer.cols.pairs()
    grid = np.indices((layer.N, layer.K, layer.C, len(rows[0]), len(cols[0])), dtype=np.int64)
    n, k, c, row, col = grid.reshape(5, -1)
    p, r, h, q, s, w = (*(index[row] for index in rows), *(index[col] for index in cols))
    at = {"N": n, "K": k, "C": c, "P": p, "R": r, "H": h, "Q": q, "S": s, "W": w}
    R, S, H, W = layer.rows.taps, layer.cols.taps, layer.rows.inputs, layer.cols.inputs
    words = np.stack(
        [
            ((k * layer.C + c) * R + r) * S + s,
            ((n * layer.C + c) * H + h) * W + w,
            ((n * layer.K + k) * layer.rows.outputs + p) * layer.cols.outputs + q,
        ],
        axis=1,
    )
    own = np.ones(len(n), dtype=bool)
    if part:  # phases and cuts count from the part's begin
        own = (at[part.dim] >= part.begin) & (at[part.dim] < part.end)
        at[part.dim] = at[part.dim] - part.begin
    key = np.zeros(len(n), dtype=np.int64)
    pieces = np.zeros((len(n), len(tiling.cuts)), dtype=np.int64)
    in_tile = dict(at)
    for level, cut in enumerate(tiling.cuts):
        begins = np.array(cut.begins)
        piece = np.searchsorted(begins, at[cut.dim], side="right") - 1
        in_tile[cut.dim] = at[cut.dim] - begins[piece]
        pieces[:, level] = piece
        back = tiling.serpentine and key % 2  # a loop turns whenever it starts again
        key = key * len(begins) + np.where(back, len(begins) - 1 - piece, piece)
    inner = _rank(schedule.order, at, in_tile, layer.rows, layer.cols)
    if schedule.turn_order:
        last = len(tiling.cuts[-1].begins) - 1
        turns = (pieces[:, -1] == 0) | (pieces[:, -1] == last)
        inner = np.where(
            turns, _rank(schedule.turn_order, at, in_tile, layer.rows, layer.cols), inner
        )
    key = key * (int(inner.max(initial=0)) + 1) + inner
    order = np.flatnonzero(own)[np.argsort(key[own], kind="stable")]
    return words[order], pieces[order]


def _rank(
    order: Order, at: dict[str, Int64], in_tile: dict[str, Int64], rows: Axis, cols: Axis
) -> Int64:
    """Place of each MAC among those of its tile; `at` counts from the part's begin."""
    rank = np.zeros_like(at["N"])
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


def _visits(words: Int64, tile: Int64) -> Int64:
    """The visits of an operand, given the word that each MAC uses and its tile."""
    order = np.argsort(words, kind="stable")
    word, place = words[order], tile[order]
    begins = np.flatnonzero(np.r_[True, (word[1:] != word[:-1]) | (place[1:] != place[:-1])])
    ends = np.r_[begins[1:], len(words)] - 1
    found = np.stack([order[begins], order[ends], place[begins], np.zeros_like(begins)], axis=1)
    again = np.r_[word[begins][1:] == word[begins][:-1], False]
    by_end = np.argsort(found[:, LAST])
    position = np.empty_like(by_end)
    position[by_end] = np.arange(len(by_end))
    found[:, NEXT] = np.where(again, np.r_[position[1:], -1], -1)
    return found[by_end]


@njit(cache=True)
def _kept(visits, rules, bits, live):  # type: ignore[no-untyped-def]
    """How many visits a stay leads to; adds an operand's live bits to their changes, MAC by MAC."""
    count = len(visits)
    placed = np.zeros(count, np.bool_)
    taken, kept = 0, 0
    for at in range(count):
        first, last, tile, following = visits[at]
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
        live[last + 1] += bits
        live[visits[following, 0]] -= bits
    return kept
