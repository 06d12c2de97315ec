"""Box-tile loop nests against Timeloop's Orojenesis, word for word."""

from __future__ import annotations

import json
import re
import time

import pytest
from cases import DATA

from accelsim.dataflow.loopnest import Loop, Mapping, evaluate
from accelsim.dataflow.loopnest_search import orojenesis_frontier
from accelsim.workload.layer import Axis, Conv

WORKLOADS = json.loads((DATA / "loopnest_frontiers.json").read_text())["workloads"]


def conv(K, C, P, Q, R, S, st=1, dil=1) -> Conv:
    def axis(outputs: int, taps: int) -> Axis:
        return Axis(outputs, taps, (outputs - 1) * st + (taps - 1) * dil + 1, st, dil)

    return Conv("layer", "conv", 1, K, C, 1, axis(P, R), axis(Q, S))


def layer_of(name: str) -> Conv:
    return conv(**WORKLOADS[name]["layer"])


def mapping_of(text: str) -> Mapping:
    """`dram: K8 C64 | buffer tile: K2 C1 P1 ...`, loops outermost first."""
    dram, tile = text.split("|")
    steps = dict(re.findall(r"([NKCPQRS])(\d+)", tile))
    return Mapping(tuple(Loop(dim, int(steps[dim])) for dim, _ in re.findall(r"(\w)(\d+)", dram)))


@pytest.mark.parametrize("name", WORKLOADS)
def test_search_finds_every_point_and_no_other(name):
    found = orojenesis_frontier(layer_of(name))
    points = zip(found.buffer_words.tolist(), found.dram_words.tolist(), strict=True)
    assert list(points) == [(row[0], row[1]) for row in WORKLOADS[name]["frontier"]]


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_point_is_a_mapping_that_counts_so(name):
    found = orojenesis_frontier(layer_of(name))
    for at, (buffer, dram) in enumerate(zip(found.buffer_words, found.dram_words, strict=True)):
        counted = evaluate(found.layer, found.mapping(at), "orojenesis")
        assert (counted.sram_words, counted.dram_words) == (buffer, dram)


@pytest.mark.parametrize("name", WORKLOADS)
def test_timeloops_mappings_count_as_timeloop_counts_them(name):
    layer = layer_of(name)
    for buffer, dram, weights, inputs, outputs, text in WORKLOADS[name]["frontier"]:
        counted = evaluate(layer, mapping_of(text), "orojenesis")
        assert (counted.sram_words, counted.dram_words) == (buffer, dram)
        assert (counted.weights_read_words, counted.inputs_read_words) == (weights, inputs)
        psums = counted.psums_read_words + counted.psums_write_words
        assert counted.outputs_write_words + psums == outputs
        assert counted.peak_bits == 8 * buffer and counted.traffic_bits == 8 * dram


@pytest.mark.parametrize(
    ("taps", "stride", "percent"), [(1, 1, 11.46), (3, 1, 22.79), (3, 2, 14.31), (5, 1, 11.79)]
)
def test_shares_of_the_papers_figure_3(taps, stride, percent):
    """The largest buffer that still helps, as a share of all words: C = K = 64, P = Q = 16."""
    layer = conv(64, 64, 16, 16, taps, taps, stride)
    found = orojenesis_frontier(layer)
    assert found.dram_words[-1] == sum(layer.words)
    assert round(100 * found.buffer_words[-1] / sum(layer.words), 2) == percent


def test_all_six_in_two_seconds_and_twenty_million_mappings_a_second():
    layers = [layer_of(name) for name in WORKLOADS]
    orojenesis_frontier(layers[0])  # compiled
    begin = time.process_time()
    mappings = sum(orojenesis_frontier(layer).mappings for layer in layers)
    seconds = time.process_time() - begin
    assert seconds <= 2
    assert mappings >= 20e6 * seconds
