"""What must hold for every frontier, whatever the layer."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from cases import random_layer
from hypothesis import given, settings
from hypothesis import strategies as st

import accelsim
from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.points import Frontier
from accelsim.dataflow.residency import once_only
from accelsim.dataflow.schedule import RESIDENTS
from accelsim.workload.layer import Axis, Conv, Widths

SEEDS = st.integers(0, 2**32)


def layer_of(seed: int) -> Conv:
    return random_layer(random.Random(seed), 3000).group()


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_falls_strictly_and_ends_once_only(seed):
    """It ends with compulsory traffic at the need of the headline, never below compulsory."""
    layer = layer_of(seed)
    found = frontier(layer)
    for point, following in pairwise(found.points):
        assert point.bits < following.bits
        assert point.traffic_bits > following.traffic_bits
    last, widths = found.points[-1], layer.widths
    weights, inputs, outputs = layer.words
    assert last.bits == once_only(layer).peak.bits
    assert last.traffic_bits == (
        weights * widths.weights + inputs * widths.inputs + outputs * widths.outputs
    )


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_more_families_are_never_worse(seed):
    layer = layer_of(seed)
    found = frontier(layer)
    for resident in RESIDENTS:
        for point in frontier(layer, residents=(resident,)).points:
            best = found.at(point.bits)
            assert best is not None
            assert best.traffic_bits <= point.traffic_bits


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_rows_and_columns_exchanged(seed):
    layer = layer_of(seed)
    points, mirrored = frontier(layer).points, frontier(layer.transposed()).points
    assert [(point.bits, point.traffic_bits) for point in points] == [
        (point.bits, point.traffic_bits) for point in mirrored
    ]


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_twice_the_buffers_twice_the_need(seed):
    layer = layer_of(seed)
    single, double = frontier(layer), frontier(layer, buffering="double")
    assert [(2 * point.bits, point.traffic_bits) for point in single.points] == [
        (point.bits, point.traffic_bits) for point in double.points
    ]


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(0, 400))
def test_a_larger_capacity_is_never_worse(seed, bits):
    found = frontier(layer_of(seed))
    smaller, larger = found.at(bits), found.at(bits + 8)
    if smaller is not None:
        assert smaller.bits <= bits
        assert larger is not None
        assert larger.traffic_bits <= smaller.traffic_bits


def treads(found: Frontier, word: int) -> list[int]:
    """Sizes from which on one more word saves less than a word."""
    ends: list[int] = []
    for point, following in pairwise(found.points):
        steps = min(point.steps, (following.bits - 1 - point.bits) // max(point.step_bits, 1))
        end = point.after(steps)
        less = following.traffic_bits + word > end.traffic_bits
        if following.bits > end.bits + word or less or (steps and point.gain_bits < word):
            ends.append(end.bits)
    return ends


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_each_word_saves_one_or_more_in_a_matmul(K, C, pixels):
    """THEORY.md: keep one reloaded word over one gap."""
    found = frontier(Conv("matmul", "conv", 1, K, C, 1, Axis(pixels, inputs=pixels), Axis(1)))
    assert treads(found, 8) == []


SMALLER_THAN_THE_HEADLINE = {52, 145, 171, 186}
"""Layers with taps that share no word, which a tiled schedule with words that stay moves once in
less than the headline's size: just below that nothing above compulsory traffic is left to save."""


@pytest.mark.parametrize("seed", range(200))
def test_each_word_saves_one_or_more(seed):
    found = frontier(replace(layer_of(seed), widths=Widths()))
    ends = treads(found, 8)
    if seed in SMALLER_THAN_THE_HEADLINE:
        assert all(bits >= found.points[-2].bits for bits in ends)
    else:
        assert ends == []


@pytest.mark.parametrize(
    "name",
    [
        "alexnet", "vgg16", "resnet18", "googlenet_2014", "inception_v3", "mobilenet_v2", "segnet",
        "srcnn", "vdsr", "dncnn17", "lraspp_mobilenet_v3_large", "tiny_yolov2",
    ],
)  # fmt: skip
def test_each_word_saves_one_or_more_in_a_network(name):
    layers = (node.layer for node in accelsim.load_network(name).layers)
    groups = (replace(layer.group(), name="") for layer in layers if isinstance(layer, Conv))
    for layer in dict.fromkeys(groups):
        assert treads(frontier(layer), 8) == []


@pytest.mark.parametrize("name", ["upscore2", "upscore_pool4", "upscore8"])
def test_each_word_saves_one_or_more_in_a_deconvolution(name):
    """Up to 13 column strips, of three k tiles or more: many of its points are inputs that stay."""
    layers = accelsim.load_network("fcn8s").layers
    layer = next(node.layer for node in layers if node.name == name)
    assert isinstance(layer, Conv)
    assert treads(frontier(layer), 8) == []
