"""Live words from row and column counts equal the walked MACs, for every order we use."""

from __future__ import annotations

import random

import pytest
from cases import random_block, random_layer, share_of
from walk import walked_done, walked_peak

from accelsim.dataflow.liveness import done_at_peak, peak, peak_at_least, separate_peaks
from accelsim.dataflow.residency import candidates, once_only
from accelsim.dataflow.schedule import BUFFERINGS, ONE_MAC, RESIDENTS


@pytest.mark.parametrize("seed", range(share_of(500)))
def test_every_family_and_order_equals_the_walk(seed):
    rng = random.Random(seed)
    layer, block = random_layer(rng), random_block(rng)
    group = layer.group()
    buffering = BUFFERINGS[seed % 3]
    bits_of = {}
    for resident, family, order in candidates(group, block):
        bits, at_peak, alone = walked_peak(group, order, block, buffering)
        found = peak(group, order, block, buffering)
        assert found.bits == bits, (family, order)
        assert found.words_by_operand in at_peak, (family, order)
        assert separate_peaks(group, order, block, buffering).bits_by_operand == alone
        assert peak_at_least(group, order, block, buffering) <= bits
        bits_of.setdefault(resident, []).append(bits)
    for residents in (("weights",), ("inputs",), ("outputs",), ("weights", "inputs", "outputs")):
        best = once_only(layer, block=block, buffering=buffering, residents=residents)
        least = min(min(bits_of[resident]) for resident in residents)
        if best.schedule.family == "any order":  # of a tiny layer, better than all families
            bits, _, _ = walked_peak(group, best.schedule.order, block, buffering)
            assert best.peak.bits == bits < least
        else:
            assert best.peak.bits == least


@pytest.mark.parametrize("seed", range(share_of(200)))
def test_words_done_with_as_the_peak_is_there_for_the_last_time(seed):
    group = random_layer(random.Random(seed)).group()
    for _, family, order in candidates(group, ONE_MAC):
        bits = peak(group, order, ONE_MAC, "single").bits
        done = walked_done(group, order)
        for operand in RESIDENTS:
            assert done_at_peak(group, order, bits, operand) == done[operand], (family, order)
            assert done_at_peak(group, order, bits + 1, operand) == 0
