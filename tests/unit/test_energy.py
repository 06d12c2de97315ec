"""Events and energy by hand; faults of a table; cheaper schedules where energy counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accelsim.choosing import layer_energy_pj, machine_of
from accelsim.hardware.accelerator import load_accelerator
from accelsim.hardware.energy import EnergyTable, Events, energy_pj
from accelsim.hardware.format import SpatialArray, SystolicArray, Unroll
from accelsim.runs import run
from accelsim.spec import InputError
from accelsim.timing import passes_kernel as kernel
from accelsim.timing import passes_search
from accelsim.timing.candidates import Machine, best_candidate
from accelsim.timing.events import block_kinds, count_events
from accelsim.timing.passes_search import prices_of, run_passes
from accelsim.timing.row_stationary import Passes
from accelsim.workload.layer import Axis, Conv, Widths

EYERISS = load_accelerator("eyeriss")
WIDE = Widths(16, 16, 16, 16)
LAYER = Conv("c", "conv", 1, 4, 2, 1, Axis(4, 3, 6), Axis(5, 3, 7), WIDE)
TABLE = EnergyTable(
    source="made up", word_bits="16", mac_pj="1", register_pj="1", inter_pe_pj="2", sram_pj="6",
    dram_pj="200",
)  # fmt: skip


def test_events_of_row_stationary_passes_by_hand():
    """Two passes in c of 4 filters, 4 rows of 5 outputs: 3 x 4 PEs, a set for each 2 filters."""
    choice = run_passes(LAYER, machine_of(EYERISS), Passes(4, 1, 4, 2, 1, 1, 2))
    macs, weights, inputs, outputs = 4 * 2 * 9 * 20, 72, 84, 80
    assert count_events(LAYER, choice, machine_of(EYERISS)) == Events(
        macs=macs,
        register_words=(macs + weights * 4, macs + 2 * 3 * 4 * 7 * 2, 2 * macs),
        # a weight to the 4 PEs of its filter row; 7 inputs to each of 12 PEs, in both sets, for
        # each channel; a psum twice down a column of 3, in both passes
        inter_pe_words=(weights * 4, 2 * 3 * 4 * 7 * 2, 2 * 2 * outputs),
        sram_read_words=(weights, inputs, outputs + outputs),  # one back, one to DRAM
        sram_write_words=(weights, inputs, 2 * outputs),
        dram_bits=16 * (weights + inputs + outputs),
    )


def test_energy_of_these_events_by_hand():
    events = Events(1440, (10, 20, 30), (1, 2, 3), (4, 5, 6), (7, 8, 9), 160)
    # 1440 + 60 + 2 x 6 + 6 x 39 + 200 x 10
    assert energy_pj(events, TABLE, WIDE, (1, 1, 1)) == pytest.approx(3746)
    narrow = Widths(8, 16, 16, 32)
    # MACs half; register 5 + 20 + 60, PEs 2(.5 + 2 + 6), SRAM 6(5.5 + 13 + 30), DRAM as before
    assert energy_pj(events, TABLE, narrow, (1, 1, 1)) == pytest.approx(720 + 85 + 17 + 291 + 2000)


@pytest.mark.parametrize(
    ("dataflow", "register", "hops"),
    [
        ("os", (0, 0, 2880), (1440, 1440, 0)),
        ("ws", (1440, 0, 0), (0, 1440, 1440)),
        ("is", (0, 1440, 0), (1440, 0, 1440)),
    ],
)
def test_events_of_a_systolic_array_by_hand(dataflow, register, hops):
    pe = SystolicArray.model_construct(kind="systolic", rows=4, cols=4, dataflow=dataflow)
    machine = Machine(pe, None, None, 0, 0, "single")
    choice = best_candidate(LAYER, machine)
    assert choice is not None
    found = count_events(LAYER, choice, machine)
    assert (found.macs, found.register_words, found.inter_pe_words) == (1440, register, hops)
    assert found.dram_bits == 16 * (72 + 84 + 80)
    assert found.sram_read_words[2] == found.sram_write_words[2]  # each is read back, or leaves
    if dataflow == "os":  # 5 folds of 4 pixels each take all weights, a pixel 18 inputs
        assert found.sram_read_words == (5 * 72, 20 * 18, 80)


def test_events_of_a_spatial_array_by_hand():
    pe = SpatialArray.model_construct(kind="spatial", unroll=Unroll.model_construct(K=4, C=2))
    machine = Machine(pe, None, None, 0, 0, "single")
    choice = best_candidate(LAYER, machine)
    assert choice is not None
    found = count_events(LAYER, choice, machine)
    assert found.register_words == (1440, 1440, 1440) and found.inter_pe_words == (0, 0, 0)
    assert found.sram_read_words == (72 * 20, 2 * 9 * 20, 80)


def test_kinds_of_blocks_are_the_whole_layer():
    found = run("alexnet", "systolic_ws_32x32", layer="conv*")
    for each in found.runs:
        kinds = block_kinds(each.schedule)
        macs = sum(
            many * block.N * block.K * block.C * block.P * block.Q * block.R * block.S
            for block, many in kinds.items()
        )
        assert macs * each.layer.groups == each.layer.macs
        assert sum(kinds.values()) * each.layer.groups == each.choice.blocks


def test_the_kernel_s_energy_is_that_of_the_events():
    machine, pads = machine_of(EYERISS), Passes(12, 3, 13, 6, 2, 2, 2)
    layer = Conv("c", "conv", 3, 24, 12, 1, Axis(26, 3, 26, pad=1), Axis(9, 3, 9, pad=1), WIDE)
    events = count_events(layer, run_passes(layer, machine, pads), machine)
    rates = passes_search._rates(machine, machine.pe, prices_of(TABLE, WIDE, (1, 1, 1)), WIDE)
    strips = passes_search._strips(layer.rows, machine.pe)
    strip = strips[strips[:, kernel.E] == 13][0]
    found, numbers = np.empty(kernel.MEASURES), passes_search._numbers(layer)
    array = passes_search._array(machine, machine.pe)
    kernel._measure(numbers, array, rates, strip, 12, 3, 12, 4, 2, 2, found)
    always = 5 * layer.macs  # the MAC and its four register words
    assert found[kernel.ENERGY] + always == pytest.approx(energy_pj(events, TABLE, WIDE, (1, 1, 1)))


def test_an_sram_costs_with_the_root_of_its_size():
    found = load_accelerator("systolic_os_16x16").energy
    assert found is not None
    # Horowitz: 10, 20, 100 pJ for 64 bits from 8 KiB, 32 KiB, 1 MiB
    assert [4 * found.sram_word_pj(size) for size in (2**13, 2**15, 2**20)] == pytest.approx(
        [10, 20, 100], rel=0.14
    )
    assert found.sram_mm2(2**20) == pytest.approx(5.8, rel=0.01)


@pytest.mark.parametrize("name", ["eyeriss", "systolic_ws_32x32", "diannao"])
def test_energy_is_least_where_it_is_asked_for(name):
    layers = ["conv2", "conv4", "fc7"]
    found = {
        goal: run("alexnet", name, layer=layers, objective=goal)
        for goal in ("cycles", "traffic", "energy", "edp")
    }
    cost = {
        goal: [(float(row["energy_pj"]), row["total_cycles"]) for row in result.rows()]
        for goal, result in found.items()
    }
    for other in ("cycles", "traffic", "edp"):
        for (least, _), (pj, _) in zip(cost["energy"], cost[other], strict=True):
            assert least <= pj * (1 + 1e-9)
    for (pj, cycles), (other_pj, other_cycles) in zip(cost["edp"], cost["cycles"], strict=True):
        assert pj * cycles <= other_pj * other_cycles * (1 + 1e-9)
    total = {goal: result.summary["energy_pj"] for goal, result in found.items()}
    assert total["energy"] <= total["cycles"]
    if name != "systolic_ws_32x32":  # whose fastest schedules move the least as well
        assert total["energy"] < total["cycles"]


def test_energy_is_empty_without_a_table():
    device = replace(EYERISS, energy=None)
    found = run("alexnet", device, layer="conv5")
    assert found.rows()[0]["energy_pj"] == "" and found.summary["energy_pj"] == ""
    assert layer_energy_pj(found.runs[0], device) is None
    with pytest.raises(InputError, match="no energy table; write for instance"):
        run("alexnet", device, layer="conv5", objective="energy")


@pytest.mark.parametrize(
    ("energy", "words"),
    [
        ("horowitz", "energy: horowitz: no shipped file of this name; known are eyeriss, horo"),
        ("{source: x}", "energy: word_bits is missing"),
        (
            "{source: x, word_bits: 16, mac_pj: -1, register_pj: 1, inter_pe_pj: 1, sram_pj: 1, "
            "dram_pj: 1}",
            "energy.mac_pj: `-1` is no cost; write a number from 0 on",
        ),
    ],
)
def test_faults_of_a_table_are_one_line(tmp_path, energy, words):
    path = tmp_path / "acc.yaml"
    with open(EYERISS.path) as file:
        path.write_text(file.read().replace("energy: eyeriss", f"energy: {energy}"))
    with pytest.raises(InputError) as caught:
        load_accelerator(path)
    assert words in str(caught.value) and str(caught.value).startswith(f"{path}:2")
