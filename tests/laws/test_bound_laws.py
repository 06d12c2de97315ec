"""No schedule moves less than the bound: frontiers of random layers, every loop nest, networks."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from cases import TINY, random_layer, share_of, tiny_layer

from accelsim.dataflow.bounds import least_sram, once_only_bound, traffic_bound
from accelsim.dataflow.frontier import frontier
from accelsim.workload.layer import Conv, Widths
from accelsim.workload.network import load_network


@pytest.mark.parametrize("seed", range(share_of(150)))
def test_random_layers(seed):
    """Stride, dilation, padding, groups, batch, deconv, pools, mixed widths, both capacities."""
    rng = random.Random(seed)
    layer = random_layer(rng, 3000)
    if seed % 3 == 1:  # more channels
        layer = replace(layer, groups=1, K=rng.randint(3, 9), C=rng.randint(3, 9))
    if seed % 5 == 0:
        layer = replace(layer, widths=Widths())
    buffering = "double" if seed % 7 == 0 else "single"
    points = frontier(layer, buffering=buffering).points
    sizes, traffic = (
        np.array([getattr(point, name) for point in points]) for name in ("bits", "traffic_bits")
    )
    proven = traffic_bound(layer, buffering).bits(sizes)
    assert np.all(proven <= traffic)
    assert proven[-1] == traffic[-1]
    assert least_sram(layer, buffering)[0] <= once_only_bound(layer, buffering)[0] <= sizes[-1]


@pytest.mark.parametrize("name", TINY)
def test_least_sram_of_the_oracle(name):
    """Brute force over orders, and for the tiniest over all schedules."""
    case = TINY[name]
    found = min(entry[0] for entry in case["per_order"].values())
    assert once_only_bound(tiny_layer(case))[1] <= case.get("exact_min", found)


@pytest.mark.parametrize("name", ["alexnet_caffe", "mobilenet_v2"])
def test_networks(name):
    layers = [node.layer for node in load_network(name).nodes]
    for layer in {replace(each, name="") for each in layers if isinstance(each, Conv)}:
        found = frontier(layer)
        sizes, traffic = np.array([(point.bits, point.traffic_bits) for point in found.points]).T
        assert np.all(traffic_bound(layer).bits(sizes) <= traffic)
        assert once_only_bound(layer)[0] <= sizes[-1]
