"""Every point of a frontier executes exactly: peak, traffic of each width, results."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest
from cases import random_block, random_layer

import accelsim
from accelsim.dataflow import treads
from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.points import Frontier, Point
from accelsim.dataflow.schedule import ONE_MAC
from accelsim.dataflow.tile_traffic import traffic_words
from accelsim.replay import DoesNotFit, Replayed, replay
from accelsim.workload.layer import Axis, Conv, Widths


def traffic_bits(done: Replayed, widths: Widths) -> int:
    psums = done.psums_read_words + done.psums_write_words
    return (
        done.weights_read_words * widths.weights
        + done.inputs_read_words * widths.inputs
        + done.outputs_write_words * widths.outputs
        + psums * widths.psums
    )


def check(found: Frontier, point: Point, sample: int | None = None) -> None:
    """Run one point within exactly its bits, then, if it is small, with one bit less.

    Of a layer of many groups, which all run alike, a sample may do.
    """
    layer, schedule = found.layer, found.schedule(point)
    assert schedule.fault() is None
    done = replay(schedule, point.bits, sample=sample)
    assert done.correct
    assert done.peak_bits == point.bits
    assert traffic_bits(done, layer.widths) == done.groups * point.traffic_bits
    moved = (
        done.weights_read_words, done.inputs_read_words, done.outputs_write_words,
        done.psums_read_words, done.psums_write_words,
    )  # fmt: skip
    assert moved == tuple(
        done.groups * words for words in traffic_words(schedule, point.traffic_bits)
    )
    if layer.useful_macs < 2000:
        with pytest.raises(DoesNotFit):
            replay(schedule, point.bits - 1)


@pytest.mark.parametrize("seed", range(300))
def test_random_layers(seed):
    """Stride, dilation, padding, groups, batch, deconv, mixed widths; a third of them in blocks.

    Between two points a size drawn at random runs too, with as many spare words as fit.
    """
    rng = random.Random(seed)
    layer = random_layer(rng, 3000)
    if seed % 3 == 1:  # more channels
        layer = replace(layer, groups=1, K=rng.randint(3, 9), C=rng.randint(3, 9))
    block = random_block(rng) if seed % 3 == 2 else ONE_MAC
    found = frontier(layer, block=block)
    for point in found.points:
        check(found, point)
    with_spare = [point for point in found.points if point.steps]
    for point in rng.sample(with_spare, min(3, len(with_spare))):
        extra = rng.randint(1, point.steps) * point.step_bits
        between = found.at(point.bits + extra)
        assert between is not None
        assert between.traffic_bits <= point.traffic_bits - extra // point.step_bits
        check(found, between)


@pytest.mark.parametrize("seed", range(80))
def test_first_words_of_long_streams(seed, monkeypatch):
    """Treads of layers too large to be counted MAC by MAC, on layers small enough to run."""
    monkeypatch.setattr(treads, "MOST_MACS", 0)
    rng = random.Random(seed)
    taps, stride, dilation = (
        rng.choice((1, 2, 3, 3, 5)),
        rng.choice((1, 1, 2, 3)),
        rng.choice((1, 2)),
    )
    pad = rng.randint(0, taps // 2)

    def axis() -> Axis:
        outputs = rng.randint(1, 9)
        reach = (outputs - 1) * stride + (taps - 1) * dilation + 1
        inputs = max(reach - 2 * pad - rng.randint(0, 1), 1)
        return Axis(outputs, taps, inputs, stride, dilation, pad)

    K, C = rng.randint(1, 9), rng.randint(1 if seed % 2 else 3, 9 if seed % 4 else 3)
    layer = Conv("conv", "conv", rng.choice((1, 1, 2)), K, C, 1, axis(), axis())
    found = frontier(layer)
    for point in found.points:
        if point.places and layer.useful_macs:
            check(found, point)


@pytest.mark.parametrize(("K", "C", "rows", "cols"), [(2, 4, 5, 6), (2, 6, 4, 8)])
def test_weights_through_two_parts_of_one_tile_each(K, C, rows, cols, monkeypatch):
    monkeypatch.setattr(treads, "MOST_MACS", 0)
    found = frontier(
        Conv("conv", "conv", 1, K, C, 1, Axis(rows, 3, rows, pad=1), Axis(cols, 3, cols, pad=1))
    )
    through = [point for point in found.points if point.places and point.places.part is None]
    assert through
    for point in through:
        check(found, point)
        check(found, point.after(point.steps))


@pytest.mark.parametrize("taps", [2, 3, 5])
def test_strips_of_a_pool(taps):
    """One channel and no weights: of two strips the second fetches its left edge again."""
    axis = Axis(13, taps, 13, pad=(taps - 1) // 2)
    layer = Conv("pool", "pool", 1, 6, 6, 6, axis, axis, has_weights=False)
    found = frontier(layer)
    for point in found.points:
        check(found, point)
    two_strips = found.at(found.points[-1].bits - 8 * 4)
    assert two_strips is not None
    words = layer.group().inputs_words + layer.group().outputs_words
    assert two_strips.traffic_bits <= 8 * (words + 13 * (taps - 1))


@pytest.mark.parametrize(("sram", "most"), [(8, 72), (12, 60), (16, 55), (19, 51)])
def test_small_matmul_close_to_the_searched_best(sram, most):
    """4 x 4 x 4: an exhaustive search found 68, 58, 54, 50 words (THEORY.md)."""
    one = Axis(1)
    found = frontier(Conv("gemm", "conv", 1, 4, 4, 1, Axis(4, inputs=4), one))
    point = found.at(8 * sram)
    assert point is not None
    done = replay(found.schedule(point), 8 * sram)
    assert done.correct
    assert traffic_bits(done, Widths()) == point.traffic_bits <= 8 * most


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "resnet18", "mobilenet_v2"])
def test_points_of_every_layer(name):
    """Evenly spread over those whose tiles are not too many to execute in a test.

    One point of a layer of over 50 M MACs, for the suite's sake; ACCELSIM_FIVE_POINTS=1 runs five.
    """
    every = bool(os.environ.get("ACCELSIM_FIVE_POINTS"))
    seen = set()
    for node in accelsim.load_network(name).layers:
        layer = node.layer
        if not isinstance(layer, Conv) or (key := replace(layer, name="")) in seen:
            continue
        seen.add(key)
        found = frontier(layer)
        points = [point for point in found.points if tiles(found, point) < 300]
        steps = range(5) if every or layer.useful_macs < 50e6 else (2,)
        for at in {round(step * (len(points) - 1) / 4) for step in steps}:
            check(found, points[at], sample=8)


def tiles(found: Frontier, point: Point) -> int:
    count, schedule = 0, found.schedule(point)
    for part in (schedule, schedule.then):
        if part:
            product = 1
            for cut in part.tiling.cuts:
                product *= len(cut.begins)
            count += product
    return count
