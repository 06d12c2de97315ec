"""What holds for the best schedule of any layer on any machine."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

from agree.test_candidates import random_machine, random_memory
from cases import random_layer, share_of
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.timing.block_list import block_list
from accelsim.timing.candidates import Choice, Machine, best_candidate
from accelsim.timing.memory import PARTS
from accelsim.timing.passing import passes
from accelsim.timing.pipeline import timeline
from accelsim.workload.layer import Layer, Stream

SEEDS = st.integers(0, 2**32)
SIZES = st.integers(1, 400)
RATES = st.fractions(Fraction(1, 200), 1, max_denominator=200)
MANY = settings(max_examples=share_of(150), deadline=None)
FEW = settings(max_examples=share_of(60), deadline=None)


def chosen(layer: Layer, machine: Machine) -> Choice | None:
    """As `run` does for a layer without MACs, or with them."""
    if isinstance(layer, Stream) or not layer.has_weights:
        return passes(layer, machine)
    return best_candidate(layer, machine)


def case(seed: int) -> tuple[Layer, Machine]:
    rng = random.Random(seed)
    layer: Layer = random_layer(rng)
    if rng.random() < 0.2:
        words = rng.randint(1, 300)
        layer = Stream("add", "add", 1, 1, 2 * words, words, 2, 2)
    machine = random_machine(rng)
    return layer, replace(machine, memory=random_memory(rng, layer.widths))


@MANY
@given(SEEDS, SIZES, SIZES)
def test_more_sram_is_never_slower(seed, one, other):
    layer, machine = case(seed)
    little, much = (
        chosen(layer, replace(machine, sram_bytes=size)) for size in sorted((one, other))
    )
    if little is not None:
        assert much.total_cycles <= little.total_cycles


@MANY
@given(SEEDS, RATES, RATES, SIZES)
def test_more_bandwidth_is_never_slower(seed, one, other, size):
    layer, machine = case(seed)
    fast, slow = (
        chosen(layer, replace(machine, cycles_per_bit=rate, sram_bytes=size))
        for rate in sorted((one, other))
    )
    assert (fast is None) == (slow is None)
    if fast is not None:
        assert fast.total_cycles <= slow.total_cycles


@MANY
@given(SEEDS, SIZES)
def test_no_faster_than_array_and_channel(seed, size):
    layer, machine = case(seed)
    found = chosen(layer, replace(machine, sram_bytes=size))
    if found is None:
        return
    stored = machine.memory_of(layer.widths).stored
    parts = sum(words * own for words, own in zip(found.traffic, (*stored, stored[3]), strict=True))
    assert parts <= found.burst_parts <= PARTS * found.peak_bits
    assert found.total_cycles >= max(found.compute_cycles, found.peak_bits * machine.cycles_per_bit)
    free = replace(machine, sram_bytes=size, cycles_per_bit=Fraction(0), latency_cycles=0)
    unlimited = chosen(layer, free)
    assert unlimited.total_cycles == unlimited.compute_cycles <= found.total_cycles


@MANY
@given(SEEDS, SIZES, st.integers(1, 4))
def test_a_slower_device_is_never_faster(seed, size, times):
    layer, machine = case(seed)
    memory = machine.memory_of(layer.widths)
    slower = replace(memory, slowdowns=tuple((run, times * s) for run, s in memory.slowdowns))
    fast, slow = (
        chosen(layer, replace(machine, memory=each, sram_bytes=size)) for each in (memory, slower)
    )
    if fast is not None:
        assert fast.total_cycles <= slow.total_cycles


@FEW
@given(SEEDS, SIZES)
def test_prefetch_is_never_slower_than_single_where_both_fit(seed, size):
    """The schedule that is best with single buffering, run with prefetch."""
    layer, machine = case(seed)
    single = replace(machine, sram_bytes=size, buffering="single")
    if isinstance(layer, Stream) or not layer.has_weights:
        return
    found = best_candidate(layer, single)
    if found is None:
        return
    blocks = block_list(found.schedule, machine.pe, machine.rates, machine.memory)
    ahead = timeline(
        blocks.channel_load_bits, blocks.compute_cycles, blocks.channel_store_bits,
        buffering="prefetch",
        cycles_per_byte=machine.cycles_per_bit, latency_cycles=machine.latency_cycles,
        begins_tile=blocks.begins_tile,
    )  # fmt: skip
    assert ahead.total_cycles <= found.total_cycles
