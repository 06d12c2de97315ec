"""What words save and need that stay where tiles do not use every tap, against a count."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from test_sweeps import pieces_of, random_axis

from accelsim.dataflow.halves import weights_saved_by_halves
from accelsim.dataflow.schedule import Resident, Schedule, Stay, Tiling
from accelsim.dataflow.tap_tiles import psums_saved_between_taps
from accelsim.dataflow.trace import counted
from accelsim.workload.layer import Axis, Conv, Int64, Widths

BY_OUTPUTS = ["PQKCRS", "QPCRSK", "QPSRKC", "WHQPKC", "HWKPQC", "PCKQRS"]
BY_TAPS = ["SRQPK", "RSPQK", "SKRPQ", "RPQSK"]


def check(schedule: Schedule, operand: Resident, saved: Int64, bits: int) -> int:
    """Compare some numbers of places past k tiles; how many there may be."""
    bare, most, layer = counted(schedule), len(saved), schedule.layer
    width = {"weights": layer.widths.weights, "outputs": layer.widths.psums}[operand]
    depth = sum(cut.dim == "K" for cut in schedule.tiling.cuts)
    for words in {1, -(-most // 3), -(-most // 2), most} if most else ():
        stays = (Stay(operand, depth, words),)
        found = counted(replace(schedule, tiling=replace(schedule.tiling, stays=stays)))
        moved = [each.weights + each.inputs + 2 * each.psums for each in (bare, found)]
        assert moved[0] - moved[1] == saved[words - 1]
        assert found.bits == bits + words * width
    return most


@pytest.mark.parametrize("seed", range(300))
def test_psums_that_stay_between_tap_tiles(seed):
    rng = random.Random(seed)
    kind = rng.choice(("conv", "conv", "deconv"))
    rows, cols = (random_axis(rng, kind, rng.randint(4, 12)) for _ in range(2))
    widths = Widths(*(rng.choice((4, 8, 16)) for _ in range(4)))
    layer = Conv("", kind, 1, rng.randint(1, 4), rng.randint(1, 3), 1, rows, cols, widths)
    tap = rng.choice("RS")
    cuts = (
        *pieces_of("K", layer.K, rng.choice((1, 1, 2))),
        *pieces_of(tap, layer.dims[tap], rng.choice((2, 3, 5))),
    )
    order = tuple(rng.choice(BY_OUTPUTS))
    schedule = Schedule(layer, "weights", "", order, tiling=Tiling(cuts))
    if layer.useful_macs and any(cut.dim == tap for cut in cuts):
        bits = counted(schedule).bits
        check(schedule, "outputs", psums_saved_between_taps(schedule, bits), bits)


@pytest.mark.parametrize("seed", range(300))
def test_weights_of_one_channel_that_stay_past_padded_tiles(seed):
    rng = random.Random(seed)
    rows, cols = (random_axis(rng, "conv", rng.randint(3, 12)) for _ in range(2))
    widths = Widths(*(rng.choice((4, 8, 16)) for _ in range(4)))
    layer = Conv("", "conv", 1, rng.randint(1, 4), 1, 1, rows, cols, widths)
    cuts = (
        *pieces_of("K", layer.K, rng.choice((1, 1, 2))),
        *pieces_of("P", rows.outputs, rng.choice((1, 2, 3, 12))),
        *pieces_of("Q", cols.outputs, rng.choice((1, 2, 3, 12))),
    )
    order = tuple(rng.choice(BY_TAPS))
    schedule = Schedule(layer, "outputs", "", order, tiling=Tiling(cuts))
    if layer.useful_macs:
        bits = counted(schedule).bits
        check(schedule, "weights", weights_saved_by_halves(schedule, bits), bits)


def test_one_psum_or_one_weight_at_a_time():
    """A depthwise layer with padding: places for psums and for weights, as many as saved."""
    axis = Axis(12, 3, 12, pad=1)
    layer = Conv("", "conv", 1, 1, 1, 1, axis, axis)
    taps = Schedule(layer, "weights", "", tuple("QPSR"), tiling=Tiling(pieces_of("S", 3, 3)))
    bits = counted(taps).bits
    psums = psums_saved_between_taps(taps, bits)
    assert check(taps, "outputs", psums, bits) == 12 * 8
    assert np.diff(psums, prepend=0).tolist() == [4] * len(psums)
    cuts = (*pieces_of("P", 12, 6), *pieces_of("Q", 12, 12))
    pixels = Schedule(layer, "outputs", "", tuple("SRQP"), tiling=Tiling(cuts))
    bits = counted(pixels).bits
    weights = weights_saved_by_halves(pixels, bits)
    assert check(pixels, "weights", weights, bits) == 3
