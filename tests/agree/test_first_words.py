"""What a pass's first words save and need if they stay, against a count MAC by MAC."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from test_sweeps import pieces_of, random_axis

from accelsim.dataflow import tile_traffic
from accelsim.dataflow.first_words import (
    psums_saved_in_strips,
    weights_saved_beside_inputs,
    weights_saved_past_pixels,
)
from accelsim.dataflow.halves import inputs_saved_past_k_tiles
from accelsim.dataflow.schedule import RESIDENTS, Resident, Schedule, Stay, Tiling
from accelsim.dataflow.tile_peaks import tile_peaks
from accelsim.dataflow.trace import counted
from accelsim.replay import replay
from accelsim.workload.layer import Axis, Conv, Int64, Widths

BY_OUTPUTS = ["KPQCRS", "KQPCSR", "KCRSPQ", "KCSRQP", "KRPCQS", "KHWPQC"]
STREAMED = ["CHWKRS", "CRSKPQ", "CSRQPK", "KCRSPQ", "CWHKSR", "PQCKRS"]
SWEPT = ["PQKCRS", "QPCRSK", "PQCRSK", "WHQPKC", "HWKPQC", "PCKQRS"]


def check(schedule: Schedule, operand: Resident, depth: int, saved: Int64, bits: int) -> int:
    """Compare some numbers of places; how many there may be."""
    bare, most, layer = counted(schedule), len(saved), schedule.layer
    widths = layer.widths
    width = dict(zip(RESIDENTS, (widths.weights, widths.inputs, widths.psums), strict=True))[
        operand
    ]
    for words in {1, -(-most // 3), -(-most // 2), most} if most else ():
        stays = (*schedule.tiling.stays, Stay(operand, depth, words))
        made = replace(schedule, tiling=replace(schedule.tiling, stays=stays))
        found = counted(made)
        moved = [each.weights + each.inputs + 2 * each.psums for each in (bare, found)]
        assert moved[0] - moved[1] == saved[words - 1]
        assert found.bits == bits + words * width
        if words == most and layer.useful_macs < 3000:
            done = replay(made, found.bits)
            assert done.correct
            assert done.peak_bits == found.bits
    return most


def random_conv(rng: random.Random, kind: str, K: int, C: int) -> Conv:
    rows, cols = (random_axis(rng, kind, rng.randint(3, 14)) for _ in range(2))
    widths = Widths(*(rng.choice((4, 8, 16)) for _ in range(4)))
    return Conv("", kind, 1, K, C, 1, rows, cols, widths)


@pytest.mark.parametrize("seed", range(200))
def test_weights_that_stay_past_pixel_tiles(seed):
    """With inputs resident, in tap tiles and c tiles; of deconvolutions too, by phases of taps."""
    rng = random.Random(seed)
    kind = rng.choice(("conv", "deconv"))
    layer = random_conv(rng, kind, rng.randint(3, 5), rng.randint(1, 3))
    outer = (
        *pieces_of("C", layer.C, rng.choice((1, 1, 2))),
        *pieces_of("R", layer.rows.taps, rng.choice((1, 1, 2, 5))),
        *pieces_of("S", layer.cols.taps, rng.choice((1, 1, 2, 5))),
    )
    inner = [
        *pieces_of("P", layer.rows.outputs, rng.choice((1, 2, 3, 14))),
        *pieces_of("Q", layer.cols.outputs, rng.choice((1, 2, 3, 14))),
    ]
    rng.shuffle(inner)
    halos = (Stay("inputs", len(outer) + len(inner) - 1, next_only=True),) if inner else ()
    tiling = Tiling((*outer, *inner), stays=rng.choice((halos, ())))
    schedule = Schedule(layer, "inputs", "", tuple(rng.choice(BY_OUTPUTS)), tiling=tiling)
    if layer.useful_macs:
        bits = counted(schedule).bits
        saved = weights_saved_past_pixels(schedule, bits)
        check(schedule, "weights", len(outer), saved, bits)


@pytest.mark.parametrize("seed", range(200))
def test_psums_that_stay_in_strips_between_tap_tiles(seed):
    rng = random.Random(seed)
    layer = random_conv(rng, rng.choice(("conv", "deconv")), rng.randint(1, 4), rng.randint(1, 3))
    across = rng.choice("PQ")
    k_cut = pieces_of("K", layer.K, rng.choice((1, 2)))
    tap_cuts = (
        *pieces_of("R", layer.rows.taps, rng.choice((1, 2, 3))),
        *pieces_of("S", layer.cols.taps, rng.choice((1, 2, 3))),
    )
    strips = pieces_of(across, layer.dims[across], rng.choice((2, 3, 4, 14)))
    stays = (Stay("weights", len(k_cut) + len(tap_cuts)),)
    tiling = Tiling((*k_cut, *tap_cuts, *strips), stays=stays)
    schedule = Schedule(layer, "weights", "", tuple(rng.choice(SWEPT)), tiling=tiling)
    if layer.useful_macs:
        bits = counted(schedule).bits
        check(schedule, "outputs", len(k_cut), psums_saved_in_strips(schedule, bits), bits)


def test_phases_of_a_deconvolution():
    """Each tile of one column uses every other tap: weights of the first one wait for its like."""
    axis = Axis(18, 4, 9, 2, 1, 1, "deconv")
    layer = Conv("", "deconv", 1, 4, 2, 1, axis, axis)
    columns = Schedule(
        layer, "inputs", "", tuple("KCRSPQ"),
        tiling=Tiling(pieces_of("Q", 18, 18), stays=(Stay("inputs", 0, next_only=True),)),
    )  # fmt: skip
    bits = counted(columns).bits
    saved = weights_saved_past_pixels(columns, bits)
    assert check(columns, "weights", 0, saved, bits) == 2 * 2 * 4
    cuts = (*pieces_of("S", 4, 4), *pieces_of("Q", 18, 6))
    strips = Schedule(
        layer, "weights", "", tuple("PQCRSK"), tiling=Tiling(cuts, stays=(Stay("weights", 1),))
    )
    bits = counted(strips).bits
    assert check(strips, "outputs", 0, psums_saved_in_strips(strips, bits), bits) > 0


@pytest.mark.parametrize("seed", range(200))
def test_inputs_that_stay_past_k_tiles_and_weights_beside_them(seed, monkeypatch):
    rng = random.Random(seed)
    layer = random_conv(rng, rng.choice(("conv", "deconv")), rng.randint(2, 5), rng.randint(1, 4))
    outer = [
        *pieces_of("P", layer.rows.outputs, rng.choice((1, 2, 3, 14))),
        *pieces_of("Q", layer.cols.outputs, rng.choice((1, 1, 2, 14))),
    ]
    rng.shuffle(outer)
    tiling = Tiling((*outer, *pieces_of("K", layer.K, rng.choice((2, 3, 5)))))
    schedule = Schedule(layer, "outputs", "", tuple(rng.choice(STREAMED)), tiling=tiling)
    if not layer.useful_macs or len(tiling.cuts) == len(outer):
        return
    bits = counted(schedule).bits
    assert bits == max(tile_peaks(schedule))
    saved = inputs_saved_past_k_tiles(schedule, bits)
    most = check(schedule, "inputs", len(outer), saved, bits)
    for inputs in {1, most} if most else ():
        stays = (Stay("inputs", len(outer), inputs),)
        beside = replace(schedule, tiling=replace(tiling, stays=stays))
        more = weights_saved_beside_inputs(beside, bits, inputs)
        check(beside, "weights", 0, more, bits + inputs * layer.widths.inputs)
        both = replace(tiling, stays=(*stays, Stay("weights", 0, len(more))))
        if len(more):  # what each saves is told apart without a count
            made = replace(schedule, tiling=both)
            found, widths = counted(made), layer.widths
            moved = found.weights * widths.weights + found.inputs * widths.inputs
            moved += layer.outputs_words * widths.outputs + 2 * found.psums * widths.psums
            monkeypatch.setattr(tile_traffic, "_counted", None)
            monkeypatch.setattr(tile_traffic, "_COUNTED_MACS", 0)
            words = tile_traffic.traffic_words(made, moved)
            assert words[:2] == (found.weights, found.inputs)
