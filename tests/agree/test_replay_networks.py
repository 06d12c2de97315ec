"""Every layer of five networks, executed in full: same peak, compulsory traffic, right results.

The layers of VGG-16 alone are 15 G MACs; all five take a few minutes on one core.
"""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest

from accelsim.simulate import min_sram
from accelsim.verify import Verified, verify

NETWORKS = ("vgg16", "googlenet", "alexnet_caffe", "resnet18", "mobilenet_v2")


@pytest.fixture(scope="module")
def executions():
    """All networks under way in two processes, the longest first."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        yield {name: processes.submit(execute, name) for name in NETWORKS}


def execute(network: str) -> Verified:
    return verify(min_sram(network))


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_witnesses_of_a_whole_network(network, executions: dict[str, Future[Verified]]):
    found = executions[network].result()
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
    claimed = min_sram("alexnet_caffe", layer="conv5")
    (need,) = claimed.needs
    weights, inputs, outputs = need.peak.bits_by_operand
    less = replace(need, peak=replace(need.peak, bits_by_operand=(weights, inputs, outputs - 1)))
    found = verify(replace(claimed, needs=(less,)), sample=1)
    assert not found.agrees
    assert found.rows()[0]["result"] == "does not fit"
    assert found.rows()[0]["counted_sram_bits"] == need.peak.bits
