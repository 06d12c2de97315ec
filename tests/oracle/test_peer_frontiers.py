"""The frontier against those of other tools, padding counted as they count it, equal widths."""

from __future__ import annotations

import json
import math

import pytest
from cases import DATA

from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.points import Frontier
from accelsim.workload.layer import Axis, Conv

WORKLOADS = json.loads((DATA / "peer_frontiers.json").read_text())["workloads"]
MEASURED = (
    "orojenesis",
    "accelforge_perfect_factors_default",
    "accelforge_imperfect_temporal_loops",
)


def conv(K, C, P, Q, R, S, stride=1, dilation=1, N=1) -> Conv:
    """A layer whose padding is part of its input: a plain conv over the whole box."""

    def axis(outputs: int, taps: int) -> Axis:
        box = (outputs - 1) * stride + (taps - 1) * dilation + 1
        return Axis(outputs, taps, box, stride, dilation)

    return Conv("layer", "conv", N, K, C, 1, axis(P, R), axis(Q, S))


def layer_of(name: str) -> Conv:
    shape = WORKLOADS[name]["layer"]
    return conv(*(shape[dim] for dim in "KCPQRS"), stride=shape["st"], dilation=shape.get("dil", 1))


@pytest.fixture(scope="module")
def frontiers() -> dict[str, Frontier]:
    return {name: frontier(layer_of(name)) for name in WORKLOADS}


def words(found: Frontier, sram_words: int) -> float:
    """Least traffic at a size, in words of 8 bits; infinite where nothing fits."""
    point = found.at(8 * sram_words)
    return point.traffic_bits / 8 if point else math.inf


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("tool", ["orojenesis", "accelforge", "zigzag"])
def test_never_above_another_tool(frontiers, name, tool):
    given = [points for peer, points in WORKLOADS[name].items() if peer.startswith(tool)]
    for sram, traffic in (point for points in given for point in points):
        assert words(frontiers[name], sram) <= traffic, f"{sram} words"


@pytest.mark.parametrize(
    "name", [name for name, given in WORKLOADS.items() if "nn_dataflow" in given]
)
def test_never_above_nn_dataflow(frontiers, name):
    """Its sizes are a bound on what its buffers and register files hold together."""
    for sram, traffic in WORKLOADS[name]["nn_dataflow"]:
        assert words(frontiers[name], sram) <= traffic, f"{sram} words"


def test_geometric_mean_against_the_best_of_timeloop_and_accelforge(frontiers):
    ratios = []
    for name, given in WORKLOADS.items():
        points = [point for tool in MEASURED for point in given.get(tool, [])]
        eighth = 8 * 6
        while (sram := int(2 ** (eighth / 8))) <= max(size for size, _ in points):
            best = min(traffic for size, traffic in points if size <= sram)
            ratios.append(words(frontiers[name], sram) / best)
            eighth += 1
    assert max(ratios) <= 1
    assert math.exp(sum(map(math.log, ratios)) / len(ratios)) <= 0.89


def test_first_layer_of_alexnet_at_1024_words(frontiers):
    assert words(frontiers["alex1"], 1024) <= 3_373_440


@pytest.mark.parametrize(
    ("layer", "most"),
    [
        (conv(128, 128, 1, 1, 1, 1, N=32), 147_456),
        (conv(64, 64, 7, 7, 1, 1, N=32), 1_820_672),
    ],
    ids=["fc", "1x1"],
)
def test_batches_share_their_weights(layer, most):
    assert words(frontier(layer), 64) <= most
