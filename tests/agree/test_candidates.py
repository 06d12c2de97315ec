"""What the search for a layer's schedule says is what replay, block list and timeline count."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from cases import random_layer, share_of

from accelsim.dataflow.schedule import RESIDENTS
from accelsim.hardware.energy import EnergyTable, energy_pj
from accelsim.hardware.format import (
    LAYOUTS,
    OperandBytes,
    OperandRates,
    SpatialArray,
    SystolicArray,
    Unroll,
)
from accelsim.replay import replay
from accelsim.timing import candidate_kernels as kernel
from accelsim.timing.block_list import block_list
from accelsim.timing.candidates import OBJECTIVES, Choice, Machine, best_candidate, sizes_of
from accelsim.timing.events import block_prices, count_events
from accelsim.timing.memory import PARTS, Memory, plain_memory
from accelsim.timing.pe_array import order_fault
from accelsim.timing.pipeline import timeline
from accelsim.workload.layer import Widths


def systolic(dataflow: str, rows: int, cols: int, overlap: bool = False) -> SystolicArray:
    return SystolicArray.model_construct(
        kind="systolic", rows=rows, cols=cols, dataflow=dataflow, overlap_folds=overlap,
        local_bytes=None,
    )  # fmt: skip


def spatial(**unroll: int) -> SpatialArray:
    whole = Unroll.model_construct(**{**dict.fromkeys("NKCPQRS", 1), **unroll})
    return SpatialArray.model_construct(kind="spatial", unroll=whole, local_bytes=None)


ARRAYS = [
    systolic("os", 3, 2), systolic("os", 16, 16, True), systolic("ws", 4, 3, True),
    systolic("ws", 12, 4), systolic("is", 3, 4), spatial(K=2, C=2), spatial(P=2, Q=2, R=2),
]  # fmt: skip


TABLE = EnergyTable.model_construct(
    source="", word_bits=8, mac_pj=1.0, register_pj=2.0, inter_pe_pj=3.0, sram_pj=7.0, dram_pj=90.0,
    sram_um2_per_bit=None,
)  # fmt: skip


def random_machine(rng: random.Random) -> Machine:
    sram = rng.choice((40, 100, 200, 500, 3000))
    if rng.random() < 0.3:
        sram = OperandBytes.model_construct(weights=sram, inputs=sram // 2, outputs=sram)
    rate = rng.choice((0, Fraction(1, 8), Fraction(3, 16), Fraction(1, 64), Fraction(1, 2)))
    buses = OperandRates.model_construct(weights=2, inputs=1, outputs=4)
    return Machine(
        pe=rng.choice(ARRAYS),
        sram_bytes=sram,
        rates=rng.choice((None, None, 4, buses)),
        cycles_per_bit=Fraction(rate),
        latency_cycles=rng.choice((0, 5, 40)) if rate else 0,
        buffering=rng.choice(("single", "prefetch", "double")),
    )


def random_memory(rng: random.Random, widths: Widths) -> Memory | None:
    """Bursts, coded words, either layout and any efficiencies; or bits as they are."""
    if rng.random() < 0.3:
        return None
    plain = plain_memory(widths).stored
    stored = tuple(
        rng.choice((parts, parts, parts // 3, parts + PARTS)) for parts in plain[:3]
    ) + plain[3:]  # fmt: skip
    if rng.random() < 0.1:
        return Memory(stored)
    burst = rng.choice((1, 2, 4, 8))
    runs = sorted(rng.sample(range(1, 12), rng.randint(2, 4)))
    slow = tuple((burst * run, rng.randint(1024, 5000)) for run in runs)
    return Memory(stored, rng.choice(LAYOUTS), burst, slow if rng.random() < 0.7 else ())


@pytest.mark.parametrize("seed", range(share_of(300)))
def test_the_choice_is_what_it_does(seed):
    rng = random.Random(seed)
    layer, machine = random_layer(rng), random_machine(rng)
    machine = replace(machine, memory=random_memory(rng, layer.widths))
    residents = rng.choice((RESIDENTS, *((resident,) for resident in RESIDENTS)))
    objective = rng.choice(OBJECTIVES)
    found = best_candidate(layer, machine, objective=objective, residents=residents)
    if found is None:
        least = best_candidate(layer, machine, objective="space", residents=residents)
        assert least.beyond_bits > 0
        return
    schedule = found.schedule
    assert schedule.fault() is None
    assert schedule.resident in residents
    assert order_fault(machine.pe, schedule.order, schedule.block, schedule.dims) is None
    done = replay(schedule)
    assert done.correct
    assert found.traffic == (
        done.weights_read_words, done.inputs_read_words, done.outputs_write_words,
        done.psums_read_words, done.psums_write_words,
    )  # fmt: skip
    if isinstance(machine.sram_bytes, int):
        assert done.peak_bits == sum(found.held_bits) <= 8 * machine.sram_bytes
    else:
        sizes = machine.sram_bytes
        assert done.peak_bits <= sum(found.held_bits)
        for held, size in zip(
            found.held_bits, (sizes.weights, sizes.inputs, sizes.outputs), strict=True
        ):
            assert held <= 8 * size
    blocks = block_list(schedule, machine.pe, machine.rates, machine.memory)
    run = timeline(
        blocks.channel_load_bits, blocks.compute_cycles, blocks.channel_store_bits,
        buffering=machine.buffering, cycles_per_byte=machine.cycles_per_bit,
        latency_cycles=machine.latency_cycles, begins_tile=blocks.begins_tile,
    )  # fmt: skip
    assert len(blocks.compute_cycles) == found.blocks
    assert (run.total_cycles, run.compute_cycles, run.dram_cycles) == (
        found.total_cycles, found.compute_cycles, found.dram_cycles,
    )  # fmt: skip
    parts, bits = blocks.costs.sum(axis=(0, 1)).tolist()
    assert (found.burst_parts, found.peak_bits) == (parts, bits)
    stored = machine.memory_of(layer.widths).stored
    moved = zip(found.traffic, (*stored, stored[3]), strict=True)
    assert PARTS * bits >= parts >= sum(words * own for words, own in moved)


@pytest.mark.parametrize("seed", range(share_of(100)))
def test_least_traffic_moves_no_more(seed):
    rng = random.Random(seed)
    layer, machine = random_layer(rng), random_machine(rng)
    machine = replace(machine, memory=random_memory(rng, layer.widths))
    fast, frugal = (best_candidate(layer, machine, objective=each) for each in OBJECTIVES)
    if fast is None:
        assert frugal is None
        return
    assert rank(frugal, machine)[1] <= rank(fast, machine)[1]
    assert frugal.total_cycles >= fast.total_cycles


@pytest.mark.parametrize("seed", range(share_of(400)))
def test_the_best_of_all_is_the_best_of_one_resident(seed):
    # what is left out unseen depends on the best so far: alone, a family is looked at afresh
    rng = random.Random(seed)
    layer, machine = random_layer(rng), random_machine(rng)
    machine = replace(machine, memory=random_memory(rng, layer.widths))
    every = [best_candidate(layer, machine, residents=(resident,)) for resident in RESIDENTS]
    found, alone = best_candidate(layer, machine), [each for each in every if each is not None]
    assert (found is None) == (not alone)
    if found is not None:
        assert rank(found, machine) == min(rank(each, machine) for each in alone)


def rank(found: Choice, machine: Machine) -> tuple[int, ...]:
    """What choices are compared by: cycles, traffic in parts of a bit, SRAM, tiles."""
    stored = machine.memory_of(found.schedule.layer.widths).stored
    moved = zip(found.traffic, (*stored, stored[3]), strict=True)
    return (
        found.total_cycles, sum(words * parts for words, parts in moved), sum(found.held_bits),
        found.tiles,
    )  # fmt: skip


@pytest.mark.parametrize("objective", (*OBJECTIVES, "energy", "edp"))
@pytest.mark.parametrize("seed", range(share_of(25)))
def test_what_is_left_out_unseen_is_no_better(seed, objective, monkeypatch):
    """The same search without a bound: as Python, as a compiled one keeps the bound it knew."""
    rng = random.Random(seed)
    layer, machine = random_layer(rng, most_macs=300), random_machine(rng)
    machine = replace(machine, memory=random_memory(rng, layer.widths))
    prices = block_prices(layer, machine.pe, TABLE, (1, 1, 1))
    found = best_candidate(layer, machine, objective=objective, prices=prices)
    for name in dir(kernel):
        jitted = getattr(kernel, name)
        monkeypatch.setattr(kernel, name, getattr(jitted, "py_func", jitted))
    monkeypatch.setattr(kernel, "_is_beaten", lambda *_: False)
    monkeypatch.setattr(kernel, "_is_late", lambda *_: False)
    assert best_candidate(layer, machine, objective=objective, prices=prices) == found


@pytest.mark.parametrize("seed", range(share_of(100)))
def test_the_least_space_is_enough_and_a_bit_less_is_not(seed):
    rng = random.Random(seed)
    layer, machine = random_layer(rng), replace(random_machine(rng), sram_bytes=1)
    least = best_candidate(layer, machine, objective="space")
    size = -(-sum(least.held_bits) // 8)
    assert best_candidate(layer, replace(machine, sram_bytes=size)) is not None
    assert best_candidate(layer, replace(machine, sram_bytes=size - 1)) is None


def test_sizes_of_tiles_are_tried_from_one_block_on():
    for extent in (1, 7, 12, 64, 100):
        for step in (1, 3, 16):
            sizes = sizes_of(extent, step)
            assert sizes[0] == (0,)
            assert len(sizes[-1]) == extent
            assert all(len(one) < len(other) for one, other in pairwise(sizes))


@pytest.mark.parametrize("seed", range(share_of(100)))
def test_a_block_that_divides_another_never_needs_more_sram(seed):
    # The parts of a block run where the block ran. What lives in a part, is there for the next one,
    # or left one late, is in the block, or was there for or late from its neighbours. Only a
    # finished output, wider than a psum and late, can take more than it did in the block.
    rng = random.Random(seed)
    layer = random_layer(rng)
    widths = replace(layer.widths, psums=max(layer.widths.psums, layer.widths.outputs))
    machine = replace(random_machine(rng), sram_bytes=None)
    found = best_candidate(replace(layer, widths=widths), machine)
    schedule, block = found.schedule, found.schedule.block
    order = schedule.order
    whole = [
        dim for dim in "NKCPQRS"
        if getattr(block, dim) > 1 and (dim not in order or order[-1] == dim)
    ]  # fmt: skip
    assert whole
    for dim in whole:
        extent = getattr(block, dim)
        part = rng.choice([part for part in range(1, extent) if extent % part == 0])
        inner = tuple(loop for loop in order if loop != dim)
        less = replace(schedule, block=replace(block, **{dim: part}), order=(*inner, dim))
        assert replay(less).peak_bits <= sum(found.held_bits)


def energy_of(layer, machine, choice) -> float:
    return energy_pj(count_events(layer, choice, machine), TABLE, layer.widths, (1, 1, 1))


@pytest.mark.parametrize("objective", ["energy", "edp"])
@pytest.mark.parametrize("seed", range(share_of(50)))
def test_the_least_energy_is_that_of_the_events(seed, objective):
    """Of every candidate that another objective takes none costs less, by the events' count."""
    rng = random.Random(seed)
    while (
        True
    ):  # tiles of outputs that no MAC feeds do not run, boxes of deconvolutions are smaller
        layer, machine = random_layer(rng), random_machine(rng)
        if all(
            axis.kind == "conv" and len({*axis.pairs()[0]}) == axis.outputs
            for axis in (layer.rows, layer.cols)
        ):
            break
    machine = replace(machine, memory=random_memory(rng, layer.widths))
    prices = block_prices(layer, machine.pe, TABLE, (1, 1, 1))
    found = best_candidate(layer, machine, objective=objective, prices=prices)
    others = [
        best_candidate(layer, machine, objective=goal, residents=(resident,), prices=prices)
        for goal in (*OBJECTIVES, "energy", "edp") for resident in RESIDENTS
    ]  # fmt: skip
    costs = [
        energy_of(layer, machine, each) * (each.total_cycles if objective == "edp" else 1)
        for each in (found, *others) if each is not None
    ]  # fmt: skip
    if found is not None and costs[0]:
        assert costs[0] == pytest.approx(min(costs), rel=1e-6)
