"""First-use and last-use counts of one axis (n, k, c, rows or columns) at the steps of its loops.

The tables behind `liveness`. An axis has an outermost-first tuple of loops; its steps are the
values that these loops take together, in order. Only the steps that can hold a peak are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from accelsim.dataflow.schedule import output_phases, tap_phases
from accelsim.workload.layer import Axis, Int64

NEAR = np.array([0, 1, 5])
"""Rows of weights' and inputs' first uses and outputs' last uses: what prefetch looks at."""
_HAS_DIM = ((False, True, True), (True, False, True), (True, True, False))
"""Whether weights, inputs, outputs have n, k, c."""


@dataclass(frozen=True)
class AxisTable:
    """Counts of one axis at its kept steps; rows are first uses of W, I, O, then last uses.

    entries: indices of n, k, c, or useful pairs, that all steps of the axis visit together.
    decided[l]: words whose first use (last use) lies after (before) the step in loop l of the
    axis, equal in the loops outside it; same[l]: words equal up to and including loop l - 1
    (same[0] = all words); both of shape (6, steps).
    follow[l], reset[l]: words first used in W, I (last used in O) at the next (previous) step in
    loop l, and at the first (last) step of the loops from l on; (3, steps); more[l] says whether
    such a next (previous) step exists, (3, steps) of 0 or 1. Only with prefetch.
    """

    entries: int
    decided: tuple[Int64, ...]
    same: tuple[Int64, ...]
    follow: tuple[Int64, ...] = ()
    reset: tuple[Int64, ...] = ()
    more: tuple[Int64, ...] = ()

    def factors(self, picks: tuple[int, ...]) -> NDArray[np.float64]:
        """`same[l]` for each pick l, `decided[l]` for -1 - l: (6 · picks, steps)."""
        known = self._known
        if picks not in known:
            steps = max(array.size for array in self.same) // 6
            rows = [self.same[at] if at >= 0 else self.decided[-1 - at] for at in picks]
            spread = [np.broadcast_to(row.reshape(6, -1), (6, steps)) for row in rows]
            known[picks] = np.concatenate([np.zeros((0, steps)), *spread])
        return known[picks]

    @cached_property
    def _known(self) -> dict[tuple[int, ...], NDArray[np.float64]]:
        return {}

    @cached_property
    def stacked(self) -> Int64:
        """`same`, then `decided`, of all loops: (2 · loops + 1, 6, steps)."""
        steps = max(array.size for array in self.same) // 6
        rows = [array.reshape(6, -1) for array in (*self.same, *self.decided)]
        return np.stack([np.broadcast_to(row, (6, steps)) for row in rows])


_COUNTS = ("decided", "same", "follow", "reset", "more")


@cache
def pure_table(place: int, extent: int, block: int, looped: bool, prefetch: bool) -> AxisTable:
    """Table of n, k or c. A word of an operand that has no such dim is used from end to end."""
    has = np.array(_HAS_DIM[place] * 2)[:, None]
    words = np.where(has, extent, 1)
    if not looped:
        return _placed(AxisTable(extent, (), (words,)), place)
    steps = -(-extent // block)
    # between the first and the last step or two counts change evenly: the run's ends are enough
    ends = [0, 1, steps - 2, steps - 1] + ([steps - 3] if prefetch else [])
    t = np.unique(np.clip(ends, 0, steps - 1))

    def at(step: Int64) -> Int64:
        """Words of a step in the rows; a word without the dim is born first and dies last."""
        size = np.where((step < 0) | (step >= steps), 0, np.minimum(block, extent - step * block))
        first_or_last = np.array([0] * 3 + [steps - 1] * 3)[:, None]
        return np.where(has, size, first_or_last == step)

    after = np.where(has, np.maximum(extent - (t + 1) * block, 0), 0)
    before = np.where(has, t * block, 0)
    decided = np.concatenate([after[:3], before[3:]])
    if not prefetch:
        return _placed(AxisTable(extent, (decided,), (words, at(t))), place)
    nearby = np.stack([t + 1, t + 1, t - 1])
    follow = np.stack([at(step)[row] for row, step in zip(NEAR, nearby, strict=True)])
    more = ((nearby >= 0) & (nearby < steps)).astype(np.int64)
    first = np.stack([np.zeros_like(t), np.zeros_like(t), np.full_like(t, steps - 1)])
    reset = np.stack([at(step)[row] for row, step in zip(NEAR, first, strict=True)])
    table = AxisTable(extent, (decided,), (words, at(t)), (follow,), (reset,), (more,))
    return _placed(table, place)


@cache
def window_table(
    place: int, axis: Axis, loops: tuple[str, ...], block_p: int, block_r: int, prefetch: bool
) -> AxisTable:
    """Table of a row axis (a column axis in row terms) under its loops, outermost first."""
    p, r, h = axis.pairs()
    key, spans = np.zeros_like(p), []
    for loop in loops:
        value = _coordinate(axis, loop, loops, block_p, block_r)
        span = int(value.max()) + 1
        key = key * span + value
        spans.append(span)
    keys, step_of_pair = np.unique(key, return_inverse=True)
    firsts, lasts = zip(*(_first_and_last(step_of_pair, word) for word in (r, h, p)), strict=True)
    visited = int(np.bincount(step_of_pair, minlength=len(keys)).sum())
    used_at = np.array([np.bincount(use, minlength=len(keys)) for use in firsts + lasts])
    used_before = np.concatenate([np.zeros((6, 1), dtype=np.int64), used_at.cumsum(axis=1)], axis=1)
    begin, end = [np.zeros(len(keys), dtype=np.int64)], [np.full(len(keys), len(keys))]
    for inner in range(len(loops)):
        group = keys // math.prod(spans[inner + 1 :])
        begin.append(np.searchsorted(group, group, "left"))
        end.append(np.searchsorted(group, group, "right"))
    same = [used_before[:, e] - used_before[:, b] for b, e in zip(begin, end, strict=True)]
    decided = [
        np.concatenate(
            [
                used_before[:3, end[loop]] - used_before[:3, end[loop + 1]],
                used_before[3:, begin[loop + 1]] - used_before[3:, begin[loop]],
            ]
        )
        for loop in range(len(loops))
    ]
    if not loops:
        return _placed(AxisTable(visited, (), tuple(same)), place)
    same[0] = same[0][:, :1]  # all words, at any step
    near = _neighbours(used_at, begin, end) if prefetch else ((), (), ())
    table = AxisTable(visited, tuple(decided), tuple(same), *near)
    # a run follows one place inside the loop's body, recurring with the period of the pattern
    places = []
    for level, loop in enumerate(loops):
        value = keys // math.prod(spans[level + 1 :]) % _period(axis, loop)
        places.append(value * len(keys) + np.arange(len(keys)) - begin[level + 1])
    return _placed(take(table, 0, _corners(table, places)), place)


def _period(axis: Axis, loop: str) -> int:
    """After how many outputs (loop P) or inputs (loop H) the pattern of windows recurs."""
    if axis.kind in ("conv", "deconv"):
        strided = "H" if axis.kind == "conv" else "P"
        return axis.stride if loop == strided else 1
    common = math.gcd(axis.outputs, axis.inputs)
    return {"P": axis.outputs // common, "H": axis.inputs // common}.get(loop, 1)


def _coordinate(axis: Axis, loop: str, loops: tuple[str, ...], block_p: int, block_r: int) -> Int64:
    """Value of a loop at every useful pair of the axis; inside a phase the dim counts in it."""
    p, r, h = axis.pairs()
    if loop == "H":
        return h
    if loop == "P":
        return p // (output_phases(axis) if "P%" in loops else 1) // block_p
    if loop == "R":
        return r // (tap_phases(axis) if "R%" in loops else 1) // block_r
    if loop == "P%":
        return p % output_phases(axis)
    return r * axis.dilation % axis.stride


def _first_and_last(step: Int64, word: Int64) -> tuple[Int64, Int64]:
    """First and last step of every word that occurs; shape (words,) each."""
    order = np.lexsort((step, word))
    change = np.flatnonzero(np.diff(word[order], prepend=-1))
    sorted_steps = step[order]
    return sorted_steps[change], sorted_steps[np.append(change[1:], len(step)) - 1]


def _neighbours(
    used_at: Int64, begin: list[Int64], end: list[Int64]
) -> tuple[tuple[Int64, ...], tuple[Int64, ...], tuple[Int64, ...]]:
    """`follow`, `reset`, `more` of a table; see `AxisTable`."""
    steps = used_at.shape[1]
    follow, reset, more = [], [], []
    for loop in range(len(begin) - 1):
        later, earlier = end[loop + 1], begin[loop + 1] - 1
        exists = np.stack([later < end[loop], later < end[loop], earlier >= begin[loop]])
        later, earlier = np.minimum(later, steps - 1), np.maximum(earlier, 0)
        follow.append(np.stack([used_at[0, later], used_at[1, later], used_at[5, earlier]]))
        first, last = begin[loop], end[loop] - 1
        reset.append(np.stack([used_at[0, first], used_at[1, first], used_at[5, last]]))
        more.append(exists.astype(np.int64))
    return tuple(follow), tuple(reset), tuple(more)


def _corners(table: AxisTable, places: list[Int64]) -> Int64:
    """Steps that can hold the largest value of any function linear in the axis's counts.

    For each loop in turn: among steps with equal counts but for this loop's `decided`, drop each
    that lies midway between its neighbours in that group. Such a function is never above the
    larger of the two ends of a straight run there, and both ends stay. Any finer grouping is as
    right; `places` (one array a loop) splits the groups so that runs come out straight.
    """
    kept = np.arange(table.same[-1].shape[1])
    for loop in range(len(table.decided)):
        others = (*table.decided[:loop], *table.decided[loop + 1 :], *table.same[1:])
        near = (*table.follow, *table.reset, *table.more)
        counts = np.concatenate([*others, *near, places[loop][None]])
        rows = np.ascontiguousarray(counts[:, kept].T)
        alike = rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel()
        _, group = np.unique(alike, return_inverse=True)
        by_group = np.argsort(group, kind="stable")
        group, path = group[by_group], table.decided[loop][:, kept[by_group]]
        straight = (2 * path[:, 1:-1] == path[:, :-2] + path[:, 2:]).all(axis=0)
        keep = np.ones(len(kept), dtype=bool)
        keep[1:-1] = ~(straight & (group[:-2] == group[2:]))
        kept = np.sort(kept[by_group[keep]])
    return kept


def take(table: AxisTable, place: int, steps: Int64) -> AxisTable:
    """The table at some of its steps; what is the same at all steps stays as it is."""

    def at(arrays: tuple[Int64, ...]) -> tuple[Int64, ...]:
        return tuple(
            array if array.shape[1 + place] == 1 else array.take(steps, axis=1 + place)
            for array in arrays
        )

    return AxisTable(table.entries, *(at(getattr(table, name)) for name in _COUNTS))


def _placed(table: AxisTable, place: int) -> AxisTable:
    """Give the step axis its place among the five, so that tables of all axes broadcast."""
    shape = [1] * 5
    shape[place] = -1

    def spread(arrays: tuple[Int64, ...]) -> tuple[Int64, ...]:
        return tuple(array.reshape(len(array), *shape) for array in arrays)

    return AxisTable(table.entries, *(spread(getattr(table, name)) for name in _COUNTS))
