"""Small layers: tiles in any order of the dims, words of each operand kept for any scope.

The families of `tiling` are those that win on large layers. On a small one any nest of loops may
have a size at which it moves least:

    for tiles of a dim, of the next, ...     # any dims, in any order, tiles of any length
      for what is left of the dims           # in any order

Each operand's words stay for the passes over any outer loops, none to all, and those that the very
next tile uses for it. Dims with one iteration have no loop; that leaves so few nests of a small
layer that all are walked MAC by MAC, as `trace` does. Which words stay is seen between two uses of
a word: they have the scopes of some outer loops in common.

    stays for a pass over d loops     if they have the scope of d loops in common
    stays for the next tile           if the second tile follows the first

Nests beyond `MOST_STEPS` MACs in all are left out: those with more loops, then those with tiles
that are not the fewest of their size.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, permutations, product
from math import comb, factorial, prod

import numpy as np

from accelsim.dataflow import small_nest_kernels as kernels
from accelsim.dataflow.schedule import RESIDENTS, Cut, Resident, Schedule, Stay, Tiling
from accelsim.workload.layer import Axis, Conv, Int64

MOST_STEPS = 1 << 17
"""MACs up to which nests are walked, those of all nests together."""
MOST_MACS = 1 << 10
"""Useful MACs of a group up to which its nests are walked."""
DIMS = "NKCPQRS"
_MADE = -2
"""For the order of a nest whose schedule is made."""


def nests_below(
    layer: Conv, stairs: Int64, least: int, end_bits: int
) -> list[tuple[int, int, Schedule | None]]:
    """A staircase and the nests below it: bits, traffic bits, and the schedule of a nest.

    stairs (stairs, 2): bits of one group, ascending, and of its traffic, descending. Only nests
    that need less than `end_bits` and move more than `least`, the compulsory traffic, count.
    """
    group = layer.group()
    stair = np.full((len(stairs) + 1, kernels.FIELDS), -1, dtype=np.int64)
    stair[:-1, 0], stair[:-1, 1] = stairs[:, 0], stairs[:, 1] - least
    stair[-1, 0], stair[-1, 1] = end_bits, 0
    dims = tuple(dim for dim in DIMS if group.dims[dim] > 1)
    shape = (
        np.array([group.dims[dim] for dim in DIMS]), (_table(group.rows), _table(group.cols)),
        np.array([group.rows.inputs, group.cols.inputs]), _costs(group),
    )  # fmt: skip
    left = MOST_STEPS // max(group.useful_macs, 1)
    made: dict[int, Schedule] = {}
    for number, turns in product(range(len(dims) + 1 if dims else 0), (False, True)):
        for inner in combinations(dims, number):
            sizes = _sizes(group, inner, left // _count(len(dims) - number, number))
            if not len(sizes):
                continue
            orders, spans = _orders(dims, inner)
            left -= len(sizes) * len(orders)
            stair = kernels.nests_kernel(orders, spans, sizes, *shape, int(turns), stair)
            for row in stair[stair[:, kernels.ORDER] >= 0]:
                order, steps = orders[row[kernels.ORDER]], sizes[row[kernels.SIZES]]
                made[int(row[0])] = _schedule(layer, order, steps, row, turns)
            stair[stair[:, kernels.ORDER] >= 0, kernels.ORDER] = _MADE
    return [
        (bits, moved + least, made[bits] if order == _MADE else None)
        for bits, moved, order in stair[:-1, :3].tolist()
    ]


def _costs(group: Conv) -> Int64:
    """Bits of a live word of weights, inputs, psums, and of fetching one once more: (2, 3)."""
    widths = group.widths
    weights = widths.weights if group.has_weights else 0
    return np.array(
        [
            (weights, widths.inputs, widths.psums),
            (weights, widths.inputs, 2 * widths.psums),
        ]
    )


def _table(axis: Axis) -> Int64:
    """(outputs, taps): the input that a useful pair reads, else -1."""
    table = np.full((axis.outputs, axis.taps), -1, dtype=np.int64)
    p, r, h = axis.pairs()
    table[p, r] = h
    return table


def _count(alone: int, inner: int) -> int:
    """How many orders `_orders` finds, of so many dims with one loop and with two."""
    if not inner:
        return factorial(alone)
    return sum(
        comb(alone, outside) * factorial(outside + inner)
        * inner * factorial(alone - outside + inner - 1)
        for outside in range(alone + 1)
    )  # fmt: skip


@lru_cache(maxsize=256)
def _orders(dims: tuple[str, ...], inner: tuple[str, ...]) -> tuple[Int64, Int64]:
    """Orders of loops, those dims in `inner` twice, and how many of them may be over tiles.

    A dim's first loop is over tiles, its second inside a tile. So the loops over tiles go at least
    up to the last first loop of the dims that have two, and at most up to the first second one.
    """
    orders, spans = [], []
    alone = [dim for dim in dims if dim not in inner]
    for number in range(len(alone) + 1):
        for outside in combinations(alone, number):
            rest = [dim for dim in alone if dim not in outside]
            for tiles in permutations((*outside, *inner)):
                for inside in permutations((*rest, *inner)):
                    if inside and inside[0] not in inner:
                        continue  # a loop over tiles as well
                    orders.append([DIMS.index(dim) for dim in (*tiles, *inside)])
                    fewest = max((tiles.index(dim) + 1 for dim in inner), default=0)
                    spans.append((fewest, len(tiles)))
    return np.array(orders, dtype=np.int64), np.array(spans, dtype=np.int64)


def _sizes(group: Conv, inner: tuple[str, ...], most: int) -> Int64:
    """(choices, 7): lengths of the tiles of the dims in `inner`, 1 of the others.

    Every length if there are at most so many choices; else the least of each number of tiles; none
    if these are too many too.
    """
    for lengths in (_every, _fewest):
        choices = [lengths(group.dims[dim]) if dim in inner else [1] for dim in DIMS]
        if 0 < prod(map(len, choices)) <= most:
            return np.array(list(product(*choices)), dtype=np.int64).reshape(-1, 7)
    return np.zeros((0, 7), dtype=np.int64)


def _every(extent: int) -> list[int]:
    return list(range(2, extent))


def _fewest(extent: int) -> list[int]:
    return sorted({-(-extent // tiles) for tiles in range(2, extent)} - {1})


def _schedule(layer: Conv, order: Int64, sizes: Int64, row: Int64, turns: bool) -> Schedule:
    """The schedule of a nest that the kernel found, in `row`."""
    loops, tiles = [DIMS[at] for at in order], int(row[kernels.TILES])
    cuts = tuple(
        Cut(dim, tuple(range(0, layer.dims[dim], int(sizes[DIMS.index(dim)]))))
        for dim in loops[:tiles]
    )
    # a schedule names the loops that its cuts leave one step of, too
    inside = tuple(dict.fromkeys((*loops[tiles:], *loops[:tiles])))
    stays = []
    for operand, (depth, soon) in zip(
        RESIDENTS, row[kernels.DEPTHS :].reshape(3, 2).tolist(), strict=True
    ):
        if operand == "weights" and not layer.has_weights:
            continue
        if depth < tiles:
            stays.append(Stay(operand, depth))
        if soon < depth:
            stays.append(Stay(operand, soon, next_only=True))
    return Schedule(
        layer, _resident(stays), "loop nest", inside,
        tiling=Tiling(cuts, turns, stays=tuple(stays)),
    )  # fmt: skip


def _resident(stays: list[Stay]) -> Resident:
    """The operand that stays longest; outputs, weights, inputs where several do."""
    depths = {stay.operand: stay.depth for stay in stays if not stay.next_only}
    names: tuple[Resident, ...] = ("outputs", "weights", "inputs")
    return min(names, key=lambda name: depths.get(name, 99))
