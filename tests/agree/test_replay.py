"""Replay executes what the formulas claim: same peak, same traffic, right results."""

from __future__ import annotations

import random

import pytest
from cases import TINY, random_block, random_layer, tiny_layer

from accelsim.dataflow.liveness import peak
from accelsim.dataflow.residency import candidates
from accelsim.dataflow.schedule import BUFFERINGS, Block, Schedule
from accelsim.replay import DoesNotFit, Replayed, replay
from accelsim.workload.layer import Conv


def check(layer: Conv, resident, family, order, block, buffering) -> None:
    """Replay within exactly the claimed bits, then with one bit less."""
    claimed = peak(layer.group(), order, block, buffering)
    schedule = Schedule(layer, resident, family, order, block, buffering)
    done = replay(schedule, claimed.bits)
    assert done.peak_bits == claimed.bits
    assert once_only_traffic(done) == (*layer.words, 0, 0)
    assert done.macs == layer.useful_macs
    assert done.correct
    with pytest.raises(DoesNotFit):
        replay(schedule, claimed.bits - 1)


def once_only_traffic(done: Replayed) -> tuple[int, ...]:
    return (
        done.weights_read_words, done.inputs_read_words, done.outputs_write_words,
        done.psums_read_words, done.psums_write_words,
    )  # fmt: skip


@pytest.mark.parametrize("buffering", ["single", "prefetch"])
@pytest.mark.parametrize("name", TINY)
def test_tiny_layers_every_family_and_order(name, buffering):
    case = TINY[name]
    layer, block = tiny_layer(case), Block(*case["tile_NKCPQRS"])
    for resident, family, order in candidates(layer, block):
        check(layer, resident, family, order, block, buffering)


@pytest.mark.parametrize("seed", range(500))
def test_random_layers_every_family_and_order(seed):
    rng = random.Random(1000 + seed)
    layer, block = random_layer(rng), random_block(rng)
    for resident, family, order in candidates(layer.group(), block):
        check(layer, resident, family, order, block, BUFFERINGS[seed % 3])
