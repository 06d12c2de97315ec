"""PE arrays: cycles and SRAM words against walks over every PE and every step of small arrays."""

from __future__ import annotations

import math
import random
from dataclasses import asdict
from itertools import product

import pytest

from accelsim.dataflow.schedule import Block
from accelsim.hardware.accelerator import load_accelerator
from accelsim.hardware.format import OperandRates, SpatialArray, SystolicArray, Unroll
from accelsim.spec import shipped_names
from accelsim.timing.pe_array import (
    Accesses,
    accesses,
    array_cycles,
    blocks,
    continues_stream,
    folds,
    order_fault,
    sram_cycles,
    utilization_x,
)
from accelsim.workload.layer import Widths

DATAFLOWS = ("os", "ws", "is")


def systolic(dataflow: str, rows: int, cols: int, overlap: bool = False) -> SystolicArray:
    return SystolicArray.model_construct(
        kind="systolic", rows=rows, cols=cols, dataflow=dataflow, overlap_folds=overlap,
        local_bytes=None,
    )  # fmt: skip


def spatial(**unroll: int) -> SpatialArray:
    whole = Unroll.model_construct(**{**dict.fromkeys("NKCPQRS", 1), **unroll})
    return SpatialArray.model_construct(kind="spatial", unroll=whole, local_bytes=None)


def random_block(rng: random.Random, most: int = 6) -> Block:
    return Block(*(rng.randint(1, most) for _ in range(7)))


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_a_fold_ends_when_the_last_pe_has_seen_the_last_word(dataflow):
    """Word t of a stream reaches PE (i, j) i + j cycles after PE (0, 0)."""
    rows, cols, stream = 3, 4, 5
    sizes = {"os": Block(K=4, C=5, Q=3), "ws": Block(K=4, C=3, Q=5), "is": Block(K=5, C=3, Q=4)}
    load = 0 if dataflow == "os" else rows
    last = max(load + t + i + j for t, i, j in product(range(stream), range(rows), range(cols)))
    assert array_cycles(systolic(dataflow, rows, cols), sizes[dataflow]) == last + 1


def test_a_block_of_seven_pixels_by_hand():
    # os, 4 x 2: pixels 7 -> 2 folds down, k 3 -> 2 across; T = 2·3 = 6; 4·(6 + 4) = 40
    block = Block(K=3, C=2, Q=7, R=3)
    assert folds(systolic("os", 4, 2), block) == 4
    assert array_cycles(systolic("os", 4, 2), block) == 40
    # ws: T 6 -> 2 down, k 2 across; 4·(7 + 2·4 + 2 - 2) = 60; is: 7 -> 4 across; 8·(3 + 8) = 88
    assert array_cycles(systolic("ws", 4, 2), block) == 60
    assert array_cycles(systolic("is", 4, 2), block) == 88
    assert utilization_x(systolic("os", 4, 2), block) == 7 * 3 * 6 / (8 * 40)


def test_overlapping_folds_by_hand():
    # ws, 4 x 2, 4 folds of 7 pixels: 3·7 + (7 + 2·4 + 2 - 2) = 36
    block = Block(K=3, C=2, Q=7, R=3)
    assert array_cycles(systolic("ws", 4, 2, True), block) == 36
    # is, 8 folds of k = 3, each hides the next fold's 4 rows only in part: 7·4 + (3 + 8) = 39
    assert array_cycles(systolic("is", 4, 2, True), block) == 39
    # a long stream leaves nothing but itself: 65,536 pixels of a TPU, nine folds
    tpu = systolic("ws", 256, 256, True)
    assert array_cycles(tpu, Block(K=256, C=256, P=256, Q=256, R=3, S=3)) == 9 * 65536 + 766


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_overlapping_folds_is_never_slower_and_the_same_with_one_fold(dataflow):
    rng = random.Random(dataflow)
    for _ in range(200):
        rows, cols, block = rng.randint(1, 9), rng.randint(1, 9), random_block(rng)
        plain, overlapped = (systolic(dataflow, rows, cols, on) for on in (False, True))
        cycles = array_cycles(overlapped, block)
        if folds(plain, block) == 1:
            assert cycles == array_cycles(plain, block)
        assert math.prod(asdict(block).values()) <= plain.pes * cycles
        assert cycles <= array_cycles(plain, block)


def test_a_stream_cut_in_blocks_takes_what_it_takes_whole():
    pe = systolic("os", 4, 2)
    cut = [Block(K=2, C=2, Q=4, R=3), Block(K=2, C=1, Q=4, R=3)]
    assert not continues_stream(pe, cut[0], {"C", "K"})
    assert continues_stream(pe, cut[1], {"C"})
    together = array_cycles(pe, cut[0]) + array_cycles(pe, cut[1], continues=True)
    assert together == array_cycles(pe, Block(K=2, C=3, Q=4, R=3))
    assert not continues_stream(pe, Block(K=3, Q=4), {"C"})  # two folds: sums do not wait in PEs
    assert continues_stream(systolic("ws", 4, 2), Block(K=2, C=4, Q=9), {"P", "Q"})
    assert not continues_stream(systolic("ws", 4, 2), Block(K=2, C=4, Q=9), {"C"})
    assert continues_stream(systolic("is", 4, 2), Block(K=9, C=4, Q=2), {"K"})
    assert not continues_stream(spatial(K=4), Block(K=4), {"K"})


def steps_of(block: Block, pe: SpatialArray):
    """For each cycle of a block, the indices of each dim that it works on."""
    unroll = pe.unroll.model_dump()
    chunks = [
        [range(at, min(at + unroll[dim], extent)) for at in range(0, extent, unroll[dim])]
        for dim, extent in asdict(block).items()
    ]
    return product(*chunks)


def test_a_spatial_array_reads_what_each_of_its_steps_uses():
    rng = random.Random(7)
    for _ in range(60):
        block = random_block(rng, 4)
        pe = spatial(**{dim: rng.randint(1, 3) for dim in "NKCPQRS"})
        (u, v), (d, e) = [(rng.randint(1, 3), rng.randint(1, 2)) for _ in range(2)]
        cycles = weights = inputs = 0
        outputs = set()
        for n, k, c, p, q, r, s in steps_of(block, pe):
            cycles += 1
            weights += len(k) * len(c) * len(r) * len(s)
            h = {at * u + tap * d for at in p for tap in r}
            w = {at * v + tap * e for at in q for tap in s}
            inputs += len(n) * len(c) * len(h) * len(w)
            outputs |= {*product(n, k, p, q)}
        assert array_cycles(pe, block) == cycles
        assert accesses(pe, block, (u, v), (d, e)) == Accesses(weights, inputs, len(outputs), 0)


def test_sram_bytes_bound_a_block():
    moved, widths = Accesses(weights=10, inputs=6, outputs=3, psums=1), Widths(4, 8, 8, 32)
    assert sram_cycles(moved, widths, None) == 0
    assert sram_cycles(moved, widths, 4) == 7  # 5 + 6 + 16 bytes through one port
    buses = OperandRates.model_construct(weights=1, inputs=1, outputs=4)
    assert sram_cycles(moved, widths, buses) == 6  # the inputs' bus: 5, 6, 4 cycles


DIMS = {"N": 1, "K": 8, "C": 6, "P": 5, "Q": 5, "R": 3, "S": 3}


def test_sums_of_output_stationary_arrays_are_not_interrupted():
    pe, block = systolic("os", 5, 4), Block(K=4, C=1, Q=5)
    assert order_fault(pe, tuple("NPQKCRS"), block, DIMS) is None
    assert order_fault(pe, tuple("KPSCR"), block, DIMS) is None
    wrong = "sums stay in the PEs: loops over C, R, S are innermost"
    assert order_fault(pe, tuple("PRKCS"), block, DIMS) == wrong
    assert order_fault(pe, ("C", "R%", "R", "S", "K", "P"), block, DIMS) == wrong
    # one block holds the whole sum, or there is but one block of pixels and k
    assert order_fault(pe, tuple("CRSKPQ"), Block(4, 4, 6, 1, 5, 3, 3), DIMS) is None
    one = {**DIMS, "K": 4, "P": 1}
    assert order_fault(pe, tuple("CRSKPQ"), block, one) is None
    two_folds = order_fault(pe, tuple("PKCRS"), Block(K=8, Q=5), DIMS)
    assert two_folds == "sums stay in the PEs: a block cut in C, R, S is one fold"
    for other in (systolic("ws", 5, 4), systolic("is", 5, 4), spatial(K=4)):
        assert order_fault(other, tuple("PRKCSQ"), block, DIMS) is None


@pytest.mark.parametrize("name", sorted({*shipped_names("accelerators")} - {"eyeriss"}))
@pytest.mark.parametrize(
    "dims",
    [(1, 64, 64, 56, 56, 3, 3), (4, 1000, 2048, 1, 1, 1, 1), (1, 1, 1, 112, 112, 3, 3),
     (1, 96, 3, 55, 55, 11, 11)],
)  # fmt: skip
def test_blocks_that_a_preset_runs_lie_inside_the_layer(name, dims):
    pe, whole = load_accelerator(name).pe, Block(*dims)
    found = blocks(pe, *dims)
    assert 1 <= len(found) == len({*found}) <= 60
    for block in found:
        assert all(1 <= asdict(block)[dim] <= extent for dim, extent in asdict(whole).items())
        assert order_fault(pe, tuple("NKPQCRS"), block, asdict(whole)) is None
        assert 0 < utilization_x(pe, block) <= 1
    assert found[0] == min(found, key=lambda block: math.prod(asdict(block).values()))


def test_blocks_hold_rows_that_leave_no_rest():
    # 14 columns on 16 rows: 8 picture rows are 112 pixels, 7 folds without a rest
    assert any(
        (b.P, b.Q) == (8, 14) for b in blocks(systolic("os", 16, 16), 1, 64, 64, 14, 14, 3, 3)
    )
