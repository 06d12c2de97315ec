"""Brute-force truth on 31 tiny layers: every loop order, every coordinate system, exact minima."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelsim.dataflow.bounds import least_sram
from accelsim.dataflow.liveness import peak
from accelsim.dataflow.residency import once_only
from accelsim.dataflow.schedule import RESIDENTS, Block
from accelsim.workload.layer import Axis, Conv

DATA = Path(__file__).parents[1] / "data" / "liveness_tiny.json"
LAYERS = {case["name"]: case for case in json.loads(DATA.read_text())["layers"]}


def layer_of(case: dict) -> Conv:
    (sr, sc), (dr, dc), (pr, pc) = case["stride"], case["dilation"], case["pad"]
    rows = Axis(case["P"], case["R"], case["H"], sr, dr, pr)
    cols = Axis(case["Q"], case["S"], case["W"], sc, dc, pc)
    return Conv(case["name"], "conv", case["N"], case["K"], case["C"], 1, rows, cols)


@pytest.mark.parametrize("name", LAYERS)
def test_words_and_macs(name):
    case = LAYERS[name]
    layer = layer_of(case)
    assert layer.words == (case["used_weights"], case["used_inputs"], case["outputs"])
    assert layer.useful_macs == case["macs"]


@pytest.mark.parametrize("name", LAYERS)
def test_every_loop_order_has_the_brute_force_peak(name):
    """All orders of the dims, with single and with prefetch; the words at the peak add up."""
    case = LAYERS[name]
    layer, block = layer_of(case), Block(*case["tile_NKCPQRS"])
    for order, (words, _, _, _, prefetched) in case["per_order"].items():
        single = peak(layer, tuple(order), block, "single")
        assert (single.words, single.bits) == (words, 8 * words), order
        assert peak(layer, tuple(order), block, "prefetch").words == prefetched, order
        assert peak(layer, tuple(order), block, "double").words == 2 * words, order


@pytest.mark.parametrize("name", LAYERS)
def test_the_answer_is_never_above_the_oracle_nor_below_the_proven_minimum(name):
    case = LAYERS[name]
    layer, block = layer_of(case), Block(*case["tile_NKCPQRS"])
    found = once_only(layer, block=block).peak.words
    known = [case["min_peak"], *case.get("closed_form", {}).values()]
    if "min_all_nests" in case:
        known.append(case["min_all_nests"])
    assert found <= min(known)
    assert least_sram(layer)[1] <= case.get("exact_min", found) <= found


CLOSED_FORMS = {"weights": ("WR_gather", "WR_scatter"), "inputs": ("IR",), "outputs": ("OR",)}


@pytest.mark.parametrize("resident", RESIDENTS)
@pytest.mark.parametrize("name", [name for name in LAYERS if "closed_form" in LAYERS[name]])
def test_each_family_is_never_above_its_closed_form(name, resident):
    case = LAYERS[name]
    found = once_only(layer_of(case), residents=(resident,)).peak.words
    assert found <= min(case["closed_form"][form] for form in CLOSED_FORMS[resident])
