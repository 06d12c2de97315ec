"""Every layer of five networks, executed in full: same peak, compulsory traffic, right results.

The layers of VGG-16 alone are 15 G MACs; all five take a few minutes on one core.
"""

from __future__ import annotations

import pytest

from accelsim.simulate import min_sram
from accelsim.verify import verify


@pytest.mark.slow
@pytest.mark.parametrize(
    "network", ["alexnet_caffe", "resnet18", "mobilenet_v2", "googlenet", "vgg16"]
)
def test_witnesses_of_a_whole_network(network):
    found = verify(min_sram(network))
    assert found.rows()
    assert [row["layer"] for row in found.rows() if row["agrees"] != "yes"] == []
    assert all(row["groups_replayed"] == row["groups"] for row in found.rows())
    assert all(row["result"] == "right" for row in found.rows())


def test_a_sample_of_groups_says_so():
    found = verify(min_sram("mobilenet_v2", layer="block2.dw"), sample=3)
    (row,) = found.rows()
    assert (row["groups_replayed"], row["groups"], row["agrees"]) == (3, 96, "yes")
    assert row["counted_outputs_write_words"] == 3 * 56 * 56


def test_a_claim_too_low_is_found_out():
    """Replay does not believe the formula: with one bit taken off, the layer does not fit."""
    from dataclasses import replace

    claimed = min_sram("alexnet_caffe", layer="conv5")
    (need,) = claimed.needs
    weights, inputs, outputs = need.peak.bits_by_operand
    less = replace(need, peak=replace(need.peak, bits_by_operand=(weights, inputs, outputs - 1)))
    found = verify(replace(claimed, needs=(less,)), sample=1)
    assert not found.agrees
    assert found.rows()[0]["result"] == "does not fit"
    assert found.rows()[0]["counted_sram_bits"] == need.peak.bits
