"""The proven bound against every frontier measured on other tools, and its gap to ours."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from cases import DATA

from accelsim.dataflow.bounds import traffic_bound
from accelsim.dataflow.frontier import frontier
from accelsim.workload.layer import Axis, Conv

PEERS = json.loads((DATA / "peer_frontiers.json").read_text())["workloads"]
NESTS = json.loads((DATA / "loopnest_frontiers.json").read_text())["workloads"]
SIZES = [64, 256, 1024, 4096, 16384, 65536, 262144]


def conv(K, C, P, Q, R, S, st=1, dil=1) -> Conv:
    """A layer whose padding is part of its input."""

    def axis(outputs: int, taps: int) -> Axis:
        return Axis(outputs, taps, (outputs - 1) * st + (taps - 1) * dil + 1, st, dil)

    return Conv("layer", "conv", 1, K, C, 1, axis(P, R), axis(Q, S))


WORKLOADS = {
    "vgg02": conv(64, 64, 224, 224, 3, 3),
    "vgg08": conv(512, 256, 28, 28, 3, 3),
    "vgg13": conv(512, 512, 14, 14, 3, 3),
    "alex1": conv(96, 3, 55, 55, 11, 11, 4),
    "alex2": conv(256, 48, 27, 27, 5, 5),
    "res_1x1": conv(256, 64, 56, 56, 1, 1),
    "res_s2": conv(128, 64, 28, 28, 3, 3, 2),
    "fc6": conv(4096, 25088, 1, 1, 1, 1),
    "gemm": conv(1024, 1024, 1024, 1, 1, 1),
}


@pytest.mark.parametrize("name", PEERS)
def test_no_tool_is_below_it(name):
    bound = traffic_bound(conv(**PEERS[name]["layer"]))
    points = [point for tool, given in PEERS[name].items() if tool != "layer" for point in given]
    sizes, traffic = np.array(points)[:, :2].T
    assert np.all(bound.words(sizes.astype(np.int64)) <= traffic)


@pytest.mark.parametrize("name", NESTS)
def test_no_loop_nest_is_below_it(name):
    bound = traffic_bound(conv(**NESTS[name]["layer"]))
    sizes, traffic = np.array([row[:2] for row in NESTS[name]["frontier"]]).T
    assert np.all(bound.words(sizes) <= traffic)


def test_gap_of_our_frontiers():
    gaps = {}
    for name, layer in WORKLOADS.items():
        found, bound = frontier(layer), traffic_bound(layer)
        points = [found.at(8 * size) for size in SIZES]
        ours = np.array([point.traffic_bits for point in points if point]) / 8
        gaps[name] = ours / bound.words(SIZES)
    every = np.array(list(gaps.values()))
    assert every.min() >= 1
    assert math.exp(np.log(every).mean()) <= 1.25
    assert every[:, 2:].max() <= 1.62
    assert gaps["gemm"].max() <= 1.28
    assert gaps["res_1x1"].max() <= 1.28
