"""Brute-force truth on 31 tiny layers: every loop order, every coordinate system, exact minima."""

from __future__ import annotations

import pytest
from cases import TINY, tiny_layer

from accelsim.dataflow.bounds import least_sram
from accelsim.dataflow.liveness import peak
from accelsim.dataflow.residency import once_only
from accelsim.dataflow.schedule import RESIDENTS, Block


@pytest.mark.parametrize("name", TINY)
def test_words_and_macs(name):
    case = TINY[name]
    layer = tiny_layer(case)
    assert layer.words == (case["used_weights"], case["used_inputs"], case["outputs"])
    assert layer.useful_macs == case["macs"]


@pytest.mark.parametrize("name", TINY)
def test_every_loop_order_has_the_brute_force_peak(name):
    """All orders of the dims, with single and with prefetch; the words at the peak add up."""
    case = TINY[name]
    layer, block = tiny_layer(case), Block(*case["tile_NKCPQRS"])
    for order, (words, _, _, _, prefetched) in case["per_order"].items():
        single = peak(layer, tuple(order), block, "single")
        assert (single.words, single.bits) == (words, 8 * words), order
        assert peak(layer, tuple(order), block, "prefetch").words == prefetched, order
        assert peak(layer, tuple(order), block, "double").words == 2 * words, order


@pytest.mark.parametrize("name", TINY)
def test_the_answer_is_never_above_the_oracle_nor_below_the_proven_minimum(name):
    case = TINY[name]
    layer, block = tiny_layer(case), Block(*case["tile_NKCPQRS"])
    found = once_only(layer, block=block).peak.words
    known = [case["min_peak"], *case.get("closed_form", {}).values()]
    if "min_all_nests" in case:
        known.append(case["min_all_nests"])
    assert found <= min(known)
    assert least_sram(layer)[1] <= case.get("exact_min", found) <= found


CLOSED_FORMS = {"weights": ("WR_gather", "WR_scatter"), "inputs": ("IR",), "outputs": ("OR",)}


@pytest.mark.parametrize("resident", RESIDENTS)
@pytest.mark.parametrize("name", [name for name in TINY if "closed_form" in TINY[name]])
def test_each_family_is_never_above_its_closed_form(name, resident):
    case = TINY[name]
    found = once_only(tiny_layer(case), residents=(resident,)).peak.words
    assert found <= min(case["closed_form"][form] for form in CLOSED_FORMS[resident])
