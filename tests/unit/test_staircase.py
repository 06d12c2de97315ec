"""Staircases of networks by hand: sums, which layer limits, bounds in words, gaps."""

from __future__ import annotations

import numpy as np
import pytest

import accelsim
from accelsim.claims import Bound, Claim, Claims, LayerClaims, layer_claims
from accelsim.dataflow.loopnest import evaluate
from accelsim.dataflow.points import Point
from accelsim.dataflow.schedule import Block
from accelsim.staircase import gap, limits, staircase
from accelsim.workload.layer import Axis, Conv, Stream, Widths

CONV = Conv("", "conv", 1, 4, 4, 1, Axis(8, 3, 8, pad=1), Axis(8, 3, 8, pad=1))


def claim(sram: int, dram: int, *pins: int) -> Claim:
    stream = Stream("s", "add", 1, 1, dram, 0, 2, 2)
    return Claim(stream, Point(8 * sram, 8 * dram, *(pins or (0, 0, 0)), None, 0), sram)


def claims(compulsory: int, *every: Claim) -> Claims:
    return Claims(every, every, Bound(Stream("s", "add", 1, 1, compulsory, 0, 2, 2), "single"))


ONE = claims(50, claim(10, 100), claim(20, 50))
TWO = claims(40, claim(15, 80, 8, 16, 10), claim(40, 40))
"""By hand: two layers at 10 and 20 bytes, at 15 and 40; the second pins a word a byte."""


def test_staircase_adds_layers_up():
    assert staircase([ONE, TWO]) == [[15, 180], [20, 120], [40, 90]]
    assert staircase([ONE, TWO, ONE, TWO]) == [[15, 360], [20, 240], [40, 180]]
    assert staircase([]) == []


def test_the_size_for_so_much_traffic():
    assert [TWO.size_for(dram) for dram in (99, 80, 79, 70, 60, 59, 40, 3)] == [
        15, 15, 16, 20, 25, 40, 40, 40,
    ]  # fmt: skip
    assert TWO.dram_bytes_at(np.array([15, 16, 25, 39, 40])).tolist() == [80, 78, 60, 60, 40]


def test_what_limits():
    """At 16 bytes one moves 50 too many, two 38: one limits; 4 more bytes rid it of all of them."""
    layers = [LayerClaims(name, "add", own.bound.layer, own) for name, own in
              (("a", ONE), ("b", TWO), ("c", TWO))]  # fmt: skip
    (found,) = limits(layers[:2], 16)
    assert found == {
        "sram_bytes": 16, "dram_bytes": 178, "layer": "a", "layers_alike": 1,
        "more_sram_bytes": 4, "less_dram_bytes": 50, "all_less_dram_bytes": 58,
    }  # fmt: skip
    (found,) = limits(layers, 16)  # the two alike move 76 too many together
    assert (found["layer"], found["layers_alike"]) == ("b", 2)
    assert (found["more_sram_bytes"], found["less_dram_bytes"]) == (24, 76)
    assert limits(layers, 40)[0]["layer"] == ""
    assert [each["sram_bytes"] for each in limits(layers)] == [16]
    assert limits([]) == [] and limits(layers, 14) == []


@pytest.mark.parametrize("widths", [Widths(), Widths(4, 8, 16, 32), Widths(3, 5, 7, 9)])
@pytest.mark.parametrize("groups", [1, 2])
def test_bound_in_words(widths, groups):
    layer = Conv("", "conv", 1, 4, 4, groups, CONV.rows, CONV.cols, widths)
    found = layer_claims(layer, block=Block(K=2))
    words = found.bound.words(found.bound_bits).tolist()
    for own, least in zip(found, words, strict=True):
        assert sum(layer.words) <= least <= sum(own.traffic)
    assert words[-1] == sum(layer.words) < words[0]


def test_gap_of_one_size_and_of_none():
    alone = LayerClaims("l", "conv", CONV, layer_claims(CONV, sram=64))
    found, own = gap([alone]), alone.claims[0]
    assert found["worst_layer"] == "l" and found["worst_sram_bytes"] == own.sram_bytes
    assert found["worst_x"] == found["geometric_mean_x"] > 1
    stream = LayerClaims("a", "add", ONE.bound.layer, ONE)
    assert gap([stream])["worst_x"] == 1 and gap([])["geometric_mean_x"] == 1


def test_box_tiles_in_python():
    found = accelsim.frontier("alexnet_caffe", layer="conv3", convention="orojenesis")
    for own, row in zip(found.claims, found.table, strict=True):
        counted = evaluate(own.box.layer, own.mapping, "orojenesis")  # type: ignore[attr-defined]
        assert (counted.sram_words, counted.dram_words) == (row["sram_words"], row["dram_words"])
        assert row["bound_words"] <= row["dram_words"]
    mapping = accelsim.Mapping((accelsim.Loop("K", 96), accelsim.Loop("C", 8)), (2, 2, 1))
    one = accelsim.mapping("alexnet_caffe", "conv3", mapping, convention="orojenesis")
    assert one.summary["dram_words"] >= one.summary["frontier_dram_words"]
    with pytest.raises(accelsim.InputError, match="mapping: 0: K is 384 here"):
        wrong = accelsim.Mapping((accelsim.Loop("K", 999),))
        accelsim.mapping("alexnet_caffe", "conv3", wrong)
