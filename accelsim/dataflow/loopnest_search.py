"""Exhaustive searches of loop nests: box tiles as Orojenesis counts, all nests of tiny layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from accelsim.dataflow import loopnest_kernels as kernels
from accelsim.dataflow.loopnest import DIMS, Loop, Mapping, sizes_of, walk
from accelsim.dataflow.schedule import RESIDENTS
from accelsim.workload.layer import Conv, Int64

MAX_TILES = 2**23


@dataclass(frozen=True)
class BoxFrontier:
    """The frontier of all box tiles, in ascending buffer; traffic strictly decreases.

    `buffer_words`, `dram_words` (points,). `mappings` is how many different mappings the search
    covers, orders of loops with one iteration counted once.
    """

    layer: Conv
    buffer_words: Int64
    dram_words: Int64
    mappings: int
    candidates: Int64
    """(points, 2): number of the tile, innermost dim (-1 without loops)."""

    def mapping(self, point: int) -> Mapping:
        """A mapping of one of the points."""
        divisors = [_divisors(self.layer.dims[dim]) for dim in DIMS]
        places = np.unravel_index(int(self.candidates[point, 0]), [len(each) for each in divisors])
        inner = int(self.candidates[point, 1])
        waiting = ("NPQ", "K", "CRS")
        last = next((dims for dims in waiting if inner >= 0 and DIMS[inner] in dims), "")
        steps = {dim: all_[int(at)] for dim, all_, at in zip(DIMS, divisors, places, strict=True)}
        order = [dim for dim in DIMS if dim not in last]
        order += [dim for dim in last if dim != DIMS[inner]] + ([DIMS[inner]] if last else [])
        loops = (Loop(dim, steps[dim]) for dim in order if steps[dim] < self.layer.dims[dim])
        return Mapping(tuple(loops))


def orojenesis_frontier(layer: Conv) -> BoxFrontier:
    """Search every box tile and loop order of one group under `orojenesis`; operands held alike.

    Every dim is missing from one operand: N, P, Q from weights, K from inputs, C, R, S from
    outputs. So the innermost loop with bound > 1 decides: the operand that lacks it waits while the
    innermost loops lack it too, the two others wait for nothing, but that a last loop over P, Q, R
    or S credits the halo. To have *all* loops that this operand lacks innermost can only help it
    and harms no other; how the rest is ordered changes nothing. One order for each innermost dim
    therefore stands for all orders of the seven loops.

    Raises ValueError for an operator that has no box tiles, or too many tiles.
    """
    group = layer.group()
    if (group.rows.kind, group.cols.kind) != ("conv", "conv"):
        raise ValueError(f"orojenesis knows convs, not {layer.op}")
    divisors = [_divisors(group.dims[dim]) for dim in DIMS]
    counts = np.array([len(each) for each in divisors], dtype=np.int64)
    if math.prod(counts.tolist()) > MAX_TILES:
        raise ValueError(f"{math.prod(counts.tolist()):,} tiles; up to {MAX_TILES:,} are searched")
    if 4 * math.prod(group.dims.values()) * group.rows.stride * group.cols.stride >= 2**62:
        raise ValueError("traffic would pass 64 bits")
    tiles = np.ones((7, counts.max()), dtype=np.int64)
    for dim, each in enumerate(divisors):
        tiles[dim, : len(each)] = each
    rows, cols = group.rows, group.cols
    shape = (rows.stride, rows.dilation, cols.stride, cols.dilation, int(group.has_weights))
    found, mappings = kernels.orojenesis_kernel(tiles, counts, np.array(shape, dtype=np.int64))
    order = np.lexsort((found[:, 1], found[:, 0]))
    traffic = found[order, 1]
    least = np.minimum.accumulate(traffic)
    kept = order[np.r_[True, least[1:] < least[:-1]]]
    candidates = np.stack([kept, found[kept, 2]], axis=1)
    return BoxFrontier(group, found[kept, 0], found[kept, 1], int(mappings), candidates)


def _divisors(extent: int) -> list[int]:
    return [size for size in range(1, extent + 1) if extent % size == 0]


@dataclass(frozen=True)
class NestFrontier:
    """The frontier of every loop nest of a tiny layer under `exact`, in ascending capacity.

    `bits`, `traffic_bits` (points,), `mappings` one per point; `counted` mappings were compared.
    """

    bits: Int64
    traffic_bits: Int64
    mappings: tuple[Mapping, ...]
    counted: int


def exact_frontier(layer: Conv) -> NestFrontier:
    """Search every loop nest of one group of a tiny layer under `exact`.

    All orders, one tile size of any length per dim (a loop over tiles and one inside the tile,
    anywhere in the nest), every depth of every operand, leaving or kept into the next scope. The
    step is one MAC. Raises ValueError beyond 4096 MACs; seconds for some 40.
    """
    group = layer.group()
    if not 0 < group.useful_macs <= 4096:
        raise ValueError(f"{group.useful_macs:,} MACs; 1 to 4,096 are searched")
    widths, sizes = group.widths, np.array(sizes_of(group), dtype=np.int64)
    live = np.array(widths.live, dtype=np.int64)
    costs = np.array([widths.weights, widths.inputs, 2 * widths.psums], dtype=np.int64)
    most = int(sizes @ live) + 1
    least = np.full(most, np.iinfo(np.int64).max, dtype=np.int64)
    witness = np.zeros((most, 4), dtype=np.int64)
    every = list(nests(group))
    counted, outputs = 0, 0
    for number, loops in enumerate(every):
        words, steps, scopes = walk(group, loops)
        outputs = len(np.unique(words[:, 2])) if not number else outputs
        counted += kernels.nest_kernel(
            words, steps, scopes, sizes, group.has_weights, live, costs, least, witness, number
        )
    constant = group.outputs_words * widths.outputs - 2 * outputs * widths.psums
    best = np.minimum.accumulate(least)
    kept = np.flatnonzero(np.r_[best[0] < np.iinfo(np.int64).max, best[1:] < best[:-1]])
    mappings = tuple(_mapping(every[row[0]], row[1:]) for row in witness[kept].tolist())
    return NestFrontier(kept, best[kept] + constant, mappings, counted)


def _mapping(loops: tuple[Loop, ...], choices: list[int]) -> Mapping:
    """A mapping from the kernel's choices: twice the depth, plus one if kept."""
    w, i, o = (choice // 2 for choice in choices)
    leaving = (name for name, choice in zip(RESIDENTS, choices, strict=True) if choice % 2 == 0)
    return Mapping(loops, (w, i, o), tuple(leaving))


def nests(layer: Conv) -> Iterator[tuple[Loop, ...]]:
    """Every nest that `exact_frontier` searches: loops over tiles and inside tiles in any order."""
    dims = [dim for dim in DIMS if layer.dims[dim] > 1]
    for sizes in product(*(range(1, layer.dims[dim]) for dim in dims)):
        steps = {dim: [size, 1] if size > 1 else [1] for dim, size in zip(dims, sizes, strict=True)}
        yield from _orders(steps, ())


def _orders(steps: dict[str, list[int]], before: tuple[Loop, ...]) -> Iterator[tuple[Loop, ...]]:
    if not any(steps.values()):
        yield before
    for dim, left in steps.items():
        if left:
            yield from _orders({**steps, dim: left[1:]}, (*before, Loop(dim, left[0])))
