"""Row stationary passes by hand: sets, cycles, buses, what fits; and the choice among mappings."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from accelsim.choosing import machine_of
from accelsim.dataflow.schedule import Block
from accelsim.hardware.accelerator import load_accelerator
from accelsim.hardware.format import OperandRates
from accelsim.runs import run
from accelsim.simulate import TooLittleSram
from accelsim.spec import InputError
from accelsim.timing import passes_kernel as kernel
from accelsim.timing import passes_search
from accelsim.timing.passes_search import best_passes, run_passes
from accelsim.timing.row_stationary import (
    LaidOut,
    Passes,
    fault,
    pass_cycles,
    pass_parts,
    sets_that_fit,
)
from accelsim.verify import verify_run
from accelsim.workload.layer import Axis, Conv, Widths

EYERISS = load_accelerator("eyeriss")
FREE = replace(
    EYERISS, pe=EYERISS.pe.model_copy(update={"mapping": "free"})
)  # any tiles, by the objective
WIDE = Widths(16, 16, 16, 16)
CONV = Conv("c", "conv", 3, 12, 10, 1, Axis(13, 3, 13, pad=1), Axis(9, 3, 9, pad=1), WIDE)
STRIDED = Conv("s", "conv", 2, 8, 6, 2, Axis(7, 5, 17, 2, pad=1), Axis(6, 3, 13, 2), WIDE)
DENSE = Conv("f", "fc", 2, 20, 30, 1, Axis(1), Axis(1), WIDE)


@pytest.mark.parametrize(
    ("rows", "outputs", "sets"),
    [(11, 7, 2), (5, 27, 1), (3, 13, 4), (3, 14, 4), (3, 7, 8), (3, 56, 1), (3, 57, 0), (13, 1, 0)],
)
def test_sets_fold_and_lie_side_by_side(rows, outputs, sets):
    assert sets_that_fit(EYERISS.pe, rows, outputs) == sets


def test_cycles_of_a_pass_by_hand():
    laid, layer = LaidOut(EYERISS.pe, 2, 2), CONV
    block = Block(N=2, K=6, C=5, P=4, Q=9, R=3, S=3)
    # 3 filters and 3 channels a PE: 2 images x 9 columns x 3 x (3 x 3 + 1)
    assert pass_cycles(laid, layer, block, None) == 540
    rates = OperandRates.model_construct(weights=8, inputs=2, outputs=8)
    # inputs 2 x 5 x 6 x 11 = 660 words, one a cycle; psums 2 x 6 x 4 x 9 = 432, four a cycle;
    # half of 6 x 5 x 9 = 270 weights, four a cycle, is 33.75
    assert pass_cycles(laid, layer, block, rates) == 660 + 34
    parts = pass_parts(laid, layer, block, rates)
    assert (parts.work, parts.inputs, parts.psums, parts.load) == (540, 660, 108, 34)
    assert parts.bound == "inputs" and pass_parts(laid, layer, block, None).bound == "PEs"
    slow = OperandRates.model_construct(weights=8, inputs=8, outputs=1)
    assert pass_parts(laid, layer, block, slow).bound == "psums"
    assert pass_cycles(laid, layer, block, slow) == 432 * 2 + 34


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n": 4}, "n is 4; at most 3 images"),
        ({"p": 8, "t": 2}, "p·t is 16; at most 12 filters that m keeps"),
        ({"r": 3, "t": 2}, "r·t sets of 3 x 13 PEs is 6; at most 4 that the array holds"),
        ({"q": 5}, "q·S is 15; at most 12 inputs of a scratchpad"),
    ],
)
def test_what_does_not_fit_is_said(changed, words):
    fitting = Passes(12, 3, 13, 6, 2, 2, 2)
    assert fault(EYERISS.pe, CONV, fitting, 108 * 1024) is None
    assert fault(EYERISS.pe, CONV, replace(fitting, **changed), 108 * 1024) == words


@pytest.mark.parametrize("layer", [CONV, STRIDED, DENSE])
@pytest.mark.parametrize("sram", [16 * 1024, 24 * 1024, 108 * 1024])
def test_the_kernel_measures_what_the_blocks_do(layer, sram):
    machine = replace(machine_of(FREE), sram_bytes=sram)
    found = best_passes(layer, machine)
    assert found is not None and found.passes is not None
    group, mine = layer.group(), found.passes
    strips = passes_search._strips(group.rows, machine.pe)
    strip = strips[strips[:, kernel.E] == mine.e][0]
    numbers, array = passes_search._numbers(group), passes_search._array(machine, machine.pe)
    rates = passes_search._rates(machine, machine.pe, passes_search.RATIOS, WIDE)
    measured = np.empty(kernel.MEASURES)
    deep = min(mine.q * mine.r, group.dims["C"])
    args = (mine.m, mine.n, mine.p * mine.t, deep, mine.r, mine.t)
    kernel._measure(numbers, array, rates, strip, *args, measured)
    cycles = kernel._cycles(numbers, array, rates, strip, *args)
    bits = 16 * sum(found.traffic) / layer.groups
    assert cycles * layer.groups == found.compute_cycles
    assert measured[kernel.TRAFFIC] == bits


@pytest.mark.parametrize("objective", ["cycles", "traffic"])
def test_no_mapping_of_a_small_layer_is_better(objective):
    machine = replace(machine_of(FREE), sram_bytes=16 * 1024, cycles_per_bit=0, latency_cycles=0)
    layer = Conv("s", "conv", 2, 4, 3, 1, Axis(6, 3, 8), Axis(6, 3, 8), WIDE)
    best = best_passes(layer, machine, objective=objective)
    key = {"cycles": lambda c: c.compute_cycles, "traffic": lambda c: sum(c.traffic)}[objective]
    sizes = product((1, 2, 4), (1, 2), (1, 2, 3, 6), (1, 2, 4), (1, 2, 3), (1, 2, 3), (1, 2, 4))
    fitting = [
        each for each in map(lambda size: Passes(*size), sizes)
        if fault(machine.pe, layer, each, machine.sram_bytes) is None
    ]  # fmt: skip
    assert len(fitting) > 100 and best is not None
    assert key(best) == min(key(run_passes(layer, machine, each)) for each in fitting)


NETWORK = """\
name: small
input: {C: 5, H: 20, W: 11}
layers:
  - {name: conv1, op: conv, K: 12, R: 3, S: 3, pad: 1}
  - {name: conv2, op: conv, K: 8, R: 5, S: 3, stride: 2, pad: [1, 0], groups: 2}
  - {name: pool, op: pool, kind: max, R: 2, S: 2, stride: 2}
  - {name: up, op: deconv, K: 6, R: 3, S: 3, stride: 2}
  - {name: fc, op: fc, K: 10}
"""


@pytest.mark.parametrize("objective", ["cycles", "traffic"])
@pytest.mark.parametrize("sram", [16 * 1024, 24 * 1024, None])
def test_every_schedule_replays_in_exactly_its_sram(tmp_path, objective, sram):
    path = tmp_path / "small.yaml"
    path.write_text(NETWORK)
    found = run(path, [FREE], batch=3, objective=objective, sram=sram)
    assert verify_run(found).summary["replay_agrees"]


def test_psums_first_by_hand():
    """Every mapping of equal parts that fits, its tiles, padded traffic, words by hand.

    Boxes of 8 x 8 words, 3 channels, 4 filters, 6 x 6 outputs, 2 images; taps 3 x 3.
    """
    machine = replace(machine_of(EYERISS), sram_bytes=16 * 1024)
    layer = Conv("s", "conv", 2, 4, 3, 1, Axis(6, 3, 6, pad=1), Axis(6, 3, 6, pad=1), WIDE)
    found = best_passes(layer, machine)
    assert found is not None and found.passes is not None

    def cost(at: Passes) -> tuple[int, int, int]:
        strips, images, tiles = 6 // at.e, 2 // at.n, 4 // at.m
        boxes = 2 * 3 * 8 * strips * (at.e + 2)
        outputs = 2 * 4 * 36
        padded = 4 * 3 * 9 * strips * images + boxes * tiles + outputs
        steps, kinds = 3 // (at.q * at.r), 4 // (at.p * at.t)
        return strips * images * tiles, padded, boxes * kinds + 2 * outputs * steps

    sizes = product((1, 2, 4), (1, 2), (1, 2, 3, 6), (1, 2, 4), (1, 3), (1, 3), (1, 2, 4))
    fitting = [
        each for each in map(lambda size: Passes(*size), sizes)
        if fault(machine.pe, layer, each, machine.sram_bytes) is None
        and each.m % (each.p * each.t) == 0 and 3 % (each.q * each.r) == 0
    ]  # fmt: skip
    assert len(fitting) > 50
    assert cost(found.passes) == min(map(cost, fitting))


def test_a_filter_too_tall_is_refused_with_what_would_do(tmp_path):
    path = tmp_path / "tall.yaml"
    path.write_text(
        "name: tall\ninput: {C: 1, H: 20, W: 20}\n"
        "layers:\n  - {name: c, op: conv, K: 2, R: 13, S: 3}\n"
    )
    with pytest.raises(TooLittleSram, match="c does not fit eyeriss: r·t sets of 13 x 1 PEs is 1"):
        run(path, "eyeriss")


def test_faults_of_a_file_of_passes_are_one_line(tmp_path: Path):
    path = tmp_path / "passes.yaml"
    good = "m: 96, n: 1, e: 7, p: 16, q: 1, r: 1, t: 2"
    for text, line in (
        (f"layers:\n  conv9: {{{good}}}\n", "2:3: layers.conv9: no such layer; did you mean"),
        (f"layers:\n  conv1: {{{good}, u: 1}}\n", "2:"),
        (
            f"layers:\n  conv1: {{{good.replace('e: 7', 'e: 8')}}}\n",
            "2:3: layers.conv1: r·t sets of 11 x 8 PEs is 2; at most 1 that the array holds",
        ),
        ("layers: {}\n", "1:1: layers: an empty mapping is given; write layers"),
    ):
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            run("alexnet_caffe", "eyeriss", layer="conv1", passes=path)
        assert str(caught.value).startswith(f"{path}:{line}")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("108KiB", "12KiB", "sram_bytes: 12288 bytes leave no bank"),
        ("108KiB", "{weights: 8KiB, inputs: 8KiB, outputs: 8KiB}", "sram_bytes: a buffer per"),
        ("buffering: single", "buffering: double", "buffering: `double` has no place"),
        ("exposed_load_x: 0.5", "exposed_load_x: 2", "pe.exposed_load_x: `2` is no share"),
        (
            "psums_first",
            "psums_frist",
            "pe.mapping: `psums_frist` is not known; did you mean",
        ),
    ],
)
def test_faults_of_the_accelerator_file(tmp_path, old, new, words):
    text = Path(EYERISS.path).read_text().replace(f" {old}", f" {new}").replace(old, new, 1)
    path = tmp_path / "acc.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_accelerator(path)
