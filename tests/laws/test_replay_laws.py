"""Ten thousand random layers on random schedules: the claim is executed, one bit less fails."""

from __future__ import annotations

import random

import pytest
from cases import random_block, random_layer
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.dataflow.liveness import peak
from accelsim.dataflow.residency import candidates
from accelsim.dataflow.schedule import BUFFERINGS, Schedule
from accelsim.replay import DoesNotFit, replay

CASES = 10_000


@settings(max_examples=CASES, deadline=None, database=None)
@given(st.integers(0, 2**63), st.sampled_from(BUFFERINGS))
def test_a_random_schedule_runs_as_claimed(seed, buffering):
    rng = random.Random(seed)
    layer, block = random_layer(rng, most_macs=400), random_block(rng)
    resident, family, order = rng.choice(list(candidates(layer.group(), block)))
    schedule = Schedule(layer, resident, family, order, block, buffering)
    claimed = peak(layer.group(), order, block, buffering)
    done = replay(schedule, claimed.bits, seed=seed % 1000)
    assert done.correct
    assert done.peak_bits == claimed.bits
    assert done.weights_read_words == layer.weights_words
    assert done.inputs_read_words == layer.inputs_words
    assert done.outputs_write_words == layer.outputs_words
    assert done.psums_read_words == done.psums_write_words == 0
    with pytest.raises(DoesNotFit):
        replay(schedule, claimed.bits - 1)
