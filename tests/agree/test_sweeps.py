"""What a sweep's first inputs save and need if they stay, against a count MAC by MAC."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from accelsim.dataflow.schedule import Cut, Schedule, Stay, Tiling
from accelsim.dataflow.sweeps import Saved, swept_inputs_saved
from accelsim.dataflow.trace import counted
from accelsim.replay import replay
from accelsim.workload.layer import Axis, Conv, Widths

ORDERS = ["PQKCRS", "PQCRSK", "HWCKPQ", "HWKPQC", "PCKQRS", "HWCKRS", "PRKCQS", "QPKCSR", "WHCKPQ"]


def random_axis(rng: random.Random, kind: str, outputs: int) -> Axis:
    taps, stride, dilation = (
        rng.choice((1, 2, 3, 3, 5)),
        rng.choice((1, 1, 2, 3)),
        rng.choice((1, 1, 2)),
    )
    pad = rng.randint(0, taps // 2)
    if kind == "deconv":
        inputs = max((outputs - (taps - 1) * dilation - 1 + 2 * pad) // stride + 1, 1)
        return Axis(outputs, taps, inputs, stride, dilation, pad, "deconv")
    reach = (outputs - 1) * stride + (taps - 1) * dilation + 1
    return Axis(outputs, taps, max(reach - 2 * pad - rng.randint(0, 1), 1), stride, dilation, pad)


def pieces_of(dim: str, extent: int, pieces: int) -> tuple[Cut, ...]:
    """A dim in so many pieces as far as it goes, the first as long as any."""
    length = -(-extent // min(pieces, extent))
    begins = tuple(range(0, extent, length))
    return (Cut(dim, begins),) if len(begins) > 1 else ()


def random_sweep(rng: random.Random) -> Schedule:
    kind = rng.choice(("conv", "conv", "deconv"))
    rows, cols = (random_axis(rng, kind, rng.randint(4, 12)) for _ in range(2))
    widths = Widths(*(rng.choice((4, 8, 16)) for _ in range(4)))
    layer = Conv("sweep", kind, 1, rng.randint(1, 6), rng.randint(1, 4), 1, rows, cols, widths)
    order = tuple(rng.choice(ORDERS))
    across = "Q" if order[0] in "PH" else "P"
    cuts = (
        *pieces_of("C", layer.C, rng.choice((1, 1, 2))),
        *pieces_of("K", layer.K, rng.choice((1, 1, 2, 3))),
    )
    strips = pieces_of(across, layer.dims[across], rng.choice((1, 2, 3, 4, 6, 12)))
    stays = (Stay("weights", len(cuts)),) if strips else ()
    return Schedule(layer, "weights", "sweep", order, tiling=Tiling((*cuts, *strips), stays=stays))


def staying(schedule: Schedule, words: int, through: bool) -> Schedule:
    """The schedule with so many places for inputs, through all k tiles or in each of them."""
    depth = sum(cut.dim in ("C" if through else "CK") for cut in schedule.tiling.cuts)
    stays = (*schedule.tiling.stays, Stay("inputs", depth, words))
    return replace(schedule, tiling=replace(schedule.tiling, stays=stays))


def check(schedule: Schedule) -> list[Saved]:
    """What the law says, compared at some numbers of places."""
    width = schedule.layer.widths.inputs
    bare = counted(schedule)
    every = swept_inputs_saved(schedule, bare.bits)
    for saved in every:
        most = len(saved.fetches)
        for words in {1, min(2, most), min(3, most), -(-most // 3), -(-most // 2), most}:
            found = counted(staying(schedule, words, saved.through))
            assert bare.inputs - found.inputs == saved.fetches[words - 1]
            assert found.bits == max(saved.floor, saved.grows + words * width)
            assert (found.weights, found.psums) == (bare.weights, bare.psums)
    return every


@pytest.mark.parametrize("seed", range(400))
def test_inputs_that_stay_in_a_sweep(seed):
    schedule = random_sweep(random.Random(seed))
    if schedule.layer.useful_macs:
        check(schedule)


@pytest.mark.parametrize("k_tiles", [1, 2, 3])
@pytest.mark.parametrize("strips", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("order", ["PQKCRS", "HWCKPQ", "QPKCSR"])
def test_a_sweep_with_inputs_that_stay_replays(order, strips, k_tiles):
    """A strip of ten is two columns wide, its windows six: three strips share a word."""
    cuts = (
        *pieces_of("K", 6, k_tiles),
        *pieces_of("P" if order[0] == "Q" else "Q", 20, strips),
    )
    layer = Conv("sweep", "conv", 1, 6, 2, 1, Axis(20, 3, 20, pad=1), Axis(20, 5, 20, pad=2))
    stays = (Stay("weights", int(k_tiles > 1)),) if strips > 1 else ()
    schedule = Schedule(layer, "weights", "sweep", tuple(order), tiling=Tiling(cuts, stays=stays))
    every = check(schedule)
    assert [saved.through for saved in every] == [True] * (k_tiles > 1) + [False] * (strips > 1)
    for saved in every:
        for words in (1, len(saved.fetches)):
            made = staying(schedule, words, saved.through)
            done = replay(made, counted(made).bits)
            assert done.correct
            assert done.peak_bits == saved.grows + 8 * words
            assert done.inputs_read_words == counted(schedule).inputs - saved.fetches[words - 1]
