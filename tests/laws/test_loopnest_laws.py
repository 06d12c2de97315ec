"""Every loop nest of 30 tiny layers: counted, replayed, against the bound and the frontier."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from accelsim.dataflow.bounds import traffic_bound
from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.loopnest import Counted, Mapping, evaluate
from accelsim.dataflow.loopnest_schedule import schedule_of
from accelsim.dataflow.loopnest_search import NestFrontier, exact_frontier, nests
from accelsim.dataflow.schedule import RESIDENTS
from accelsim.replay import replay
from accelsim.workload.layer import Axis, Conv, Widths

ONE, WIDE, MIXED = Axis(1), Widths(8, 8, 8, 32), Widths(4, 16, 8, 32)
UP = Axis(1, kind="deconv")


def span(outputs: int, taps: int, stride: int = 1, dilation: int = 1, pad: int = 0) -> Axis:
    inputs = (outputs - 1) * stride + (taps - 1) * dilation + 1 - 2 * pad
    return Axis(outputs, taps, inputs, stride, dilation, pad)


def conv(name: str, k: int, c: int, rows: Axis, cols: Axis = ONE, **more) -> Conv:
    return Conv(name, more.pop("op", "conv"), more.pop("N", 1), k, c, 1, rows, cols, **more)


TINY = [
    conv("matmul_222", 2, 2, span(2, 1)),
    conv("matmul_223", 2, 2, span(3, 1)),
    conv("matmul_233", 2, 3, span(3, 1)),
    conv("matmul_333", 3, 3, span(3, 1)),
    conv("matmul_334", 3, 3, span(4, 1)),
    conv("matmul_433", 4, 3, span(3, 1)),
    conv("matmul_343", 3, 4, span(3, 1)),
    conv("matmul_245", 2, 4, span(5, 1)),
    conv("fc", 6, 6, ONE),
    conv("fc_batch", 3, 4, ONE, N=3),
    conv("row", 2, 2, span(3, 3)),
    conv("row_k", 3, 1, span(4, 3)),
    conv("row_c", 1, 3, span(5, 2)),
    conv("row_padded", 2, 2, span(4, 3, pad=1)),
    conv("row_strided", 2, 2, span(3, 3, 2)),
    conv("row_dilated", 2, 2, span(4, 2, 1, 2)),
    conv("row_alone", 1, 1, span(9, 4)),
    conv("square_c", 1, 2, span(2, 2), span(2, 2)),
    conv("square_k", 2, 1, span(2, 2), span(2, 2)),
    conv("square", 1, 1, span(3, 2), span(3, 2)),
    conv("square_padded", 1, 1, span(3, 3, pad=1), span(2, 3, pad=1)),
    conv("square_strided", 1, 1, span(2, 3, 2), span(2, 2, 2)),
    conv("images_c", 1, 2, span(3, 2), N=2),
    conv("images_k", 2, 1, span(3, 3), N=2),
    conv("up_k", 2, 1, Axis(6, 3, 3, 2, kind="deconv"), UP, op="deconv"),
    conv("up_kc", 2, 2, Axis(5, 2, 3, 2, kind="deconv"), UP, op="deconv"),
    conv("pool_strided", 1, 1, span(3, 2, 2), span(3, 2, 2), op="pool", has_weights=False),
    conv("pool", 1, 1, span(3, 3), span(2, 2), op="pool", has_weights=False),
    conv("matmul_wide", 2, 3, span(3, 1), widths=WIDE),
    conv("row_mixed", 2, 2, span(3, 2), widths=MIXED),
]


@pytest.fixture(scope="module")
def searched() -> dict[str, NestFrontier]:
    return {layer.name: exact_frontier(layer) for layer in TINY}


def by_name(layers=TINY):
    return pytest.mark.parametrize("layer", [pytest.param(each, id=each.name) for each in layers])


def test_thirty_layers_of_up_to_40_macs():
    assert len({layer.name for layer in TINY}) == 30
    assert max(layer.useful_macs for layer in TINY) <= 40


@by_name()
def test_no_nest_is_below_the_default_frontier(layer, searched):
    found, ours = searched[layer.name], frontier(layer)
    for bits, traffic in zip(found.bits.tolist(), found.traffic_bits.tolist(), strict=True):
        point = ours.at(bits)
        assert point is not None and point.traffic_bits <= traffic, f"{bits} bits"


@by_name()
def test_no_nest_is_below_the_bound(layer, searched):
    found = searched[layer.name]
    assert np.all(traffic_bound(layer).bits(found.bits) <= found.traffic_bits)
    widths = layer.widths
    least = np.dot(layer.words, (widths.weights, widths.inputs, widths.outputs))
    assert found.traffic_bits[-1] == least


def agrees(layer: Conv, mapping: Mapping, counted: Counted) -> bool:
    """Replay the mapping within exactly its bits, if it is a schedule."""
    schedule = schedule_of(layer, mapping)
    if schedule is None:
        return False
    assert schedule.fault() is None
    done = replay(schedule, counted.peak_bits)
    assert done.correct and done.peak_bits == counted.peak_bits
    for name in ("weights_read", "inputs_read", "psums_read", "psums_write", "outputs_write"):
        assert getattr(done, f"{name}_words") == getattr(counted, f"{name}_words"), name
    return True


@by_name()
def test_every_point_counts_as_found_and_replays(layer, searched):
    """At least two points in three are schedules that replay can run."""
    found = searched[layer.name]
    replayed = 0
    for bits, traffic, mapping in zip(found.bits, found.traffic_bits, found.mappings, strict=True):
        counted = evaluate(layer, mapping)
        assert (counted.peak_bits, counted.traffic_bits) == (bits, traffic)
        replayed += agrees(layer, mapping, counted)
    assert 3 * replayed >= 2 * len(found.mappings)


@by_name()
def test_nests_replay_as_they_count(layer, searched):
    """Nests drawn from all: none is below the search; those that are schedules replay."""
    rng, found = random.Random(layer.name), searched[layer.name]
    every, replayed = list(nests(layer)), 0
    for _ in range(60):
        loops = rng.choice(every)
        depths = [rng.choice((0, rng.randint(0, len(loops)))) for _ in range(3)]
        leaving = tuple(name for name in RESIDENTS if rng.random() < 0.5)
        mapping = Mapping(loops, (depths[0], depths[1], depths[2]), leaving)
        counted = evaluate(layer, mapping)
        place = int(np.searchsorted(found.bits, counted.peak_bits, side="right")) - 1
        assert found.traffic_bits[place] <= counted.traffic_bits
        replayed += agrees(layer, mapping, counted)
    assert replayed >= 5


@by_name([TINY[0], TINY[1], conv("row_small", 1, 1, span(4, 3, pad=1), widths=MIXED)])
def test_search_equals_one_by_one(layer):
    """Every nest, depth and choice of leaving operands, each counted alone."""
    best: dict[int, int] = {}
    count = 0
    for loops in nests(layer):
        for depths in product(range(len(loops) + 1), repeat=3):
            for kept in product((False, True), repeat=3):
                gone = tuple(name for name, stays in zip(RESIDENTS, kept, strict=True) if not stays)
                counted = evaluate(layer, Mapping(loops, depths, gone))
                bits, count = counted.peak_bits, count + 1
                best[bits] = min(best.get(bits, 2**62), counted.traffic_bits)
    stairs: list[tuple[int, int]] = []
    for bits in sorted(best):
        if not stairs or best[bits] < stairs[-1][1]:
            stairs.append((bits, best[bits]))
    found = exact_frontier(layer)
    assert list(zip(found.bits, found.traffic_bits, strict=True)) == stairs
    assert found.counted == count
