"""The largest tile of a schedule, against counting every one of its tiles."""

from __future__ import annotations

import random
from itertools import pairwise, product

import pytest

from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.liveness import peak, peak_bits
from accelsim.dataflow.schedule import ONE_MAC, Block, Cut, Schedule, Tiling
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_peaks import tile_peak_bits, tile_peaks
from accelsim.workload.layer import Axis, Conv

ORDERS = ["CRSKNPQ", "CNHWKRS", "KNPQCRS", "KCRSNPQ", "NPQKCRS", "NHWCKPQ"]
PHASED = ["C R% S% R S K N P Q", "C R% S% N H W K R S"]


def random_schedule(rng: random.Random) -> Schedule:
    stride, dilation = rng.choice([(1, 1), (2, 1), (1, 2), (3, 2), (2, 2)])
    rows, cols = (
        Axis(
            rng.randint(2, 8), rng.randint(1, 4), rng.randint(4, 12), stride, dilation,
            rng.randint(0, 2), kind,
        )
        for kind in [rng.choice(["conv", "conv", "deconv"])] * 2
    )  # fmt: skip
    layer = Conv("", "conv", rng.randint(1, 2), rng.randint(1, 3), rng.randint(1, 3), 1, rows, cols)
    order = tuple(rng.choice([*map(" ".join, ORDERS), *PHASED]).split())
    block = ONE_MAC
    if rng.random() < 0.3:
        block = Block(K=2, P=rng.choice([1, 2]), S=rng.choice([1, 2]))
        names = {"H": "P", "W": "Q"} if block.has_window else {}
        order = tuple(dict.fromkeys(names.get(loop, loop) for loop in order))
    cuts = []
    for dim in "NKCPQRS":
        size = getattr(block, dim) * rng.randint(1, 4)
        begins = tuple(range(0, layer.dims[dim], size))
        if len(begins) > 1 and rng.random() < 0.6:
            cuts.append(Cut(dim, begins))
    buffering = rng.choice(["single", "single", "prefetch", "double"])
    tiling = Tiling(tuple(cuts))
    return Schedule(layer, "outputs", "", order, block, buffering, tiling)


def every_peak(schedule: Schedule) -> tuple[int, int]:
    """Peaks of all tiles but the last in n, p, q, and of those: tile by tile."""
    dims, found = schedule.dims, [0, 0]
    begins = {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    pieces = {dim: list(pairwise((*begins.get(dim, (0,)), extent))) for dim, extent in dims.items()}
    for tile in product(*(pieces[dim] for dim in "NKCPQRS")):
        n, k, c, p, q, r, s = tile
        rows = axis_piece(schedule.layer.rows, *p, *r)
        cols = axis_piece(schedule.layer.cols, *q, *s)
        sizes = (piece[1] - piece[0] for piece in (n, k, c))
        layer = Conv("", "conv", *sizes, 1, rows, cols)
        if layer.useful_macs:
            is_last = all(
                piece[1] == dims[dim] for piece, dim in zip((n, p, q), "NPQ", strict=True)
            )
            bits = peak(layer, schedule.order, schedule.block, schedule.buffering).bits
            assert bits == peak_bits(layer, schedule.order, schedule.block, schedule.buffering)
            found[is_last] = max(found[is_last], bits)
    return found[0], found[1]


@pytest.mark.parametrize("seed", range(150))
def test_the_largest_tile(seed):
    """Tiles that lie in others are left out: the most is that of all tiles all the same."""
    schedule = random_schedule(random.Random(seed))
    if not schedule.layer.useful_macs:
        return
    earlier, last = every_peak(schedule)
    assert tile_peaks(schedule) == (earlier, last)
    most = max(earlier, last)
    assert tile_peak_bits(schedule, 1 << 62) == most
    for enough in (1, most // 2, most, most + 1):
        assert min(tile_peak_bits(schedule, enough), enough) == min(most, enough)


@pytest.mark.parametrize("outputs", [6, 9])
def test_a_layer_with_more_groups(outputs):
    """The frontier of one group is every such layer's, its schedules each layer's own."""
    rows, cols = Axis(7, 3, 7, pad=1), Axis(outputs, 3, outputs, pad=1)
    few, many = (Conv("", "conv", 1, c, c, c, rows, cols) for c in (4, 6))
    found, own = frontier(few).of(many), frontier(many)
    figures = [
        [(point.bits, point.traffic_bits, point.steps) for point in each.points]
        for each in (found, own)
    ]
    assert figures[0] == figures[1]
    for one, other in zip(found.points, own.points, strict=True):
        assert found.schedule(one) == own.schedule(other)
