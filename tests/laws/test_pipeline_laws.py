"""What holds for the timeline of any list of blocks."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from cases import share_of
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.timing.pipeline import timeline

SIZES = st.integers(0, 40) | st.integers(0, 3) | st.just(0)
LISTS = st.lists(st.tuples(SIZES, SIZES, SIZES), min_size=1, max_size=9)
RATES = st.fractions(Fraction(1, 20), 20, max_denominator=20)
LATENCIES = st.integers(0, 30)
BUFFERINGS = st.sampled_from(["single", "prefetch"])
MANY = settings(max_examples=share_of(400), deadline=None)


def total(blocks, buffering, rate, latency):
    found = timeline(
        *zip(*blocks, strict=True),
        buffering=buffering, cycles_per_byte=rate, latency_cycles=latency,
    )  # fmt: skip
    return found.total_cycles


@MANY
@given(LISTS, BUFFERINGS, RATES, RATES, LATENCIES)
def test_more_bandwidth_is_never_slower(blocks, buffering, one, other, latency):
    fast, slow = sorted((one, other))
    assert total(blocks, buffering, fast, latency) <= total(blocks, buffering, slow, latency)


@MANY
@given(LISTS, BUFFERINGS, RATES, LATENCIES, LATENCIES)
def test_less_latency_is_never_slower(blocks, buffering, rate, one, other):
    low, high = sorted((one, other))
    assert total(blocks, buffering, rate, low) <= total(blocks, buffering, rate, high)


@MANY
@given(LISTS, RATES, LATENCIES)
def test_prefetch_is_never_slower_than_single(blocks, rate, latency):
    assert total(blocks, "prefetch", rate, latency) <= total(blocks, "single", rate, latency)


@MANY
@given(LISTS, BUFFERINGS, RATES, LATENCIES)
def test_no_faster_than_the_array_or_the_channel(blocks, buffering, rate, latency):
    moved = sum(load + store for load, _, store in blocks)
    least = max(sum(cycles for _, cycles, _ in blocks), ceil(moved * rate))
    assert total(blocks, buffering, rate, latency) >= least


@MANY
@given(LISTS, BUFFERINGS)
def test_an_unlimited_channel_leaves_the_compute_cycles(blocks, buffering):
    assert total(blocks, buffering, 0, 0) == sum(cycles for _, cycles, _ in blocks)


@MANY
@given(LISTS, RATES, LATENCIES)
def test_single_takes_every_transfer_and_every_compute_one_after_another(blocks, rate, latency):
    """A latency for the first load, and one for what is moved between two computes."""
    loads, _, stores = zip(*blocks, strict=True)
    gaps = [(0, loads[0]), *zip(stores, (*loads[1:], 0), strict=True)]
    waits = sum(latency for gap in gaps if any(gap))
    moved = sum(ceil(size * rate) for size in (*loads, *stores))
    assert total(blocks, "single", rate, latency) == (
        waits + moved + sum(cycles for _, cycles, _ in blocks)
    )


@MANY
@given(LISTS, BUFFERINGS, RATES, LATENCIES, st.integers(0, 8), st.integers(0, 2))
def test_a_longer_step_is_never_faster(blocks, buffering, rate, latency, place, part):
    place %= len(blocks)
    longer = [list(block) for block in blocks]
    longer[place][part] += 1
    assert total(blocks, buffering, rate, latency) <= total(longer, buffering, rate, latency)
