"""A layer on a row stationary array: the best mapping, or a given one, and what it does.

Of all mappings that fit (`row_stationary.fault`) with m one of the equal parts of the filters (its
divisors, where there are six or more), p·t one of m and t one of p·t, n one of the sizes of the
batch, e one of those of the output rows, r and t as many sets as the array holds, one is taken by

    cycles    fewest cycles, then least traffic, then least energy
    traffic   least traffic, then least energy, then fewest cycles
    energy    least energy, then least traffic, then fewest cycles

energy by the accelerator's table, else by Eyeriss's ratios. With `mapping: psums_first` it is as
Eyeriss's table III was made, so far as that tells: passes are equal parts (p·t of m, q·r of the
channels, any r and t), and of these count

    1. fewest tiles of n·m·e: the buffer is psums first, channels get the room they leave
    2. least traffic, the padding of the boxes counted (the table's H, W are padded)
    3. least words between the buffer and the PEs, inputs and psums
    4. what is asked for, as above

1 to 3 give all five rows of table III exactly, each as the only one, and so do 2 and 3 alone; that
the chip's large early layers of VGG-16 are bound by the buffer decides it (`results/validation`).
What is reported of the one taken is exact: its blocks on the timeline, the words replay counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accelsim.dataflow.tile_axes import even_splits
from accelsim.hardware.energy import EnergyTable
from accelsim.hardware.format import BlockArray, OperandRates, PeArray, RowStationaryArray
from accelsim.timing import passes_kernel as kernel
from accelsim.timing.block_list import block_list
from accelsim.timing.candidates import Choice, Machine
from accelsim.timing.memory import PARTS
from accelsim.timing.pipeline import timeline
from accelsim.timing.row_stationary import (
    LaidOut,
    Passes,
    fault,
    held_bits,
    schedule_of,
    sets_that_fit,
    window,
)
from accelsim.workload.layer import Axis, Conv, Int64, Widths

_ORDERS = {
    "cycles": (kernel.CYCLES, kernel.TRAFFIC, kernel.ENERGY),
    "traffic": (kernel.TRAFFIC, kernel.ENERGY, kernel.CYCLES),
    "energy": (kernel.ENERGY, kernel.TRAFFIC, kernel.CYCLES),
}
_FEW_PARTS = 6


@dataclass(frozen=True)
class Prices:
    """pJ of a word that moves between PEs (weights and inputs: and is written there), that SRAM

    gives or takes, by operand; and of a bit of DRAM.
    """

    hop_pj: tuple[float, float, float]
    sram_pj: tuple[float, float, float]
    dram_pj_per_bit: float


def prices_of(table: EnergyTable, widths: Widths, sizes: tuple[int, int, int]) -> Prices:
    """What a table says of words of these widths and SRAMs of these bytes."""
    each = [table.sram_word_pj(size) for size in sizes]
    weights, inputs, outputs = (
        pj * bits / table.word_bits for pj, bits in zip(each, widths.live, strict=True)
    )
    written = (table.inter_pe_pj + table.register_pj) / table.word_bits
    hops = (
        written * widths.weights, written * widths.inputs,
        table.inter_pe_pj / table.word_bits * widths.psums,
    )  # fmt: skip
    return Prices(hops, (weights, inputs, outputs), table.dram_pj / table.word_bits)


RATIOS = Prices((3.0, 3.0, 2.0), (6.0, 6.0, 6.0), 200 / 16)
"""Eyeriss's, in multiples of a MAC, for words of 16 bits (Chen et al., ISCA 2016, table IV)."""


def best_passes(
    layer: Conv, machine: Machine, *, objective: str = "cycles", prices: Prices = RATIOS
) -> Choice | None:
    """Return the best mapping of a layer and what it does; None where none fits."""
    pe = machine.pe
    assert isinstance(pe, RowStationaryArray)
    group = layer.group()
    strips = _strips(group.rows, pe)
    if not len(strips):
        return None
    ks, whole = _parts(group.dims["K"])
    ns = np.array([_first(begins, group.N) for begins in even_splits(group.N, 1)], dtype=np.int64)
    numbers, array, rates = (
        _numbers(group),
        _array(machine, pe),
        _rates(machine, pe, prices, layer.widths),
    )
    rule = pe.mapping == "psums_first"
    first = (kernel.TILES, kernel.PADDED, kernel.BUFFER) if rule else ()
    order = np.array([*first, *_ORDERS[objective]], dtype=np.int64)
    for depth in (kernel.EVERY,) if rule else (kernel.FULL, kernel.HALVES):
        found = kernel.search(numbers, array, rates, strips, ks, ns, whole, depth, order)
        if found[0]:
            m, n, e, p, q, r, t = (int(value) for value in found)
            return run_passes(layer, machine, Passes(m, n, e, p, q, r, t))
    return None


def run_passes(layer: Conv, machine: Machine, passes: Passes) -> Choice:
    """What a mapping does on a machine; raises ValueError where it does not fit."""
    pe = machine.pe
    assert isinstance(pe, RowStationaryArray) and isinstance(machine.sram_bytes, int)
    wrong = fault(pe, layer, passes, machine.sram_bytes)
    if wrong is not None:
        raise ValueError(wrong)
    schedule = schedule_of(layer, passes)
    array = LaidOut(pe, passes.r, passes.t)
    blocks = block_list(schedule, array, machine.rates, machine.memory)
    found = timeline(
        blocks.channel_load_bits, blocks.compute_cycles, blocks.channel_store_bits,
        buffering=machine.buffering, cycles_per_byte=machine.cycles_per_bit,
        latency_cycles=machine.latency_cycles, begins_tile=blocks.begins_tile,
    )  # fmt: skip
    weights, inputs, read, outputs, written = (int(each) for each in blocks.words.sum(axis=0))
    held = held_bits(layer, passes)
    parts, bits = (int(each) for each in blocks.costs.sum(axis=(0, 1)))
    return Choice(
        schedule=schedule,
        traffic=(weights, inputs, outputs, read, written),
        held_bits=held,
        compute_cycles=found.compute_cycles,
        dram_cycles=found.dram_cycles,
        total_cycles=found.total_cycles,
        tiles=int(blocks.begins_tile.sum()),
        blocks=len(blocks.words),
        burst_parts=parts,
        peak_bits=bits,
        passes=passes,
    )


def laid_out(pe: PeArray, choice: Choice) -> BlockArray | LaidOut:
    """The array as a choice uses it: a row stationary one with its sets laid out."""
    if isinstance(pe, RowStationaryArray):
        assert choice.passes is not None
        return LaidOut(pe, choice.passes.r, choice.passes.t)
    return pe


def least_passes(layer: Conv, machine: Machine) -> str:
    """Why no mapping of a layer fits a machine: what the smallest of all asks for."""
    pe = machine.pe
    assert isinstance(pe, RowStationaryArray) and isinstance(machine.sram_bytes, int)
    smallest = Passes(1, 1, 1, 1, 1, 1, 1)
    return fault(pe, layer, smallest, machine.sram_bytes) or "no mapping is known"


def _first(begins: tuple[int, ...], extent: int) -> int:
    return begins[1] if len(begins) > 1 else extent


def _parts(filters: int) -> tuple[Int64, bool]:
    """Sizes to cut filters into, and whether they are equal parts."""
    divisors = [size for size in range(1, filters + 1) if filters % size == 0]
    if len(divisors) >= _FEW_PARTS:
        return np.array(divisors, dtype=np.int64), True
    sizes = {_first(begins, filters) for begins in even_splits(filters, 1)}
    return np.array(sorted(sizes), dtype=np.int64), False


@lru_cache(maxsize=1024)
def _strips(axis: Axis, pe: RowStationaryArray) -> Int64:
    """A row for each number of output rows that fits the array; see `passes_kernel`."""
    p, r, h = axis.pairs()
    rows = []
    for begins in even_splits(axis.outputs, 1):
        e = _first(begins, axis.outputs)
        sets = sets_that_fit(pe, axis.taps, e)
        if not sets:
            continue
        last = axis.outputs % e
        ends = window(axis, e, axis.taps), window(axis, last, axis.taps) if last else 0
        strip = p // e
        used = len(np.unique(strip * (h.max(initial=0) + 1) + h))
        taps = len(np.unique(strip * axis.taps + r))
        whole = axis.outputs // e
        rows.append(
            (e, sets, ends[0], whole, last, ends[1], whole * ends[0] + ends[1], used, taps,
             len(begins))
        )  # fmt: skip
    return np.array(rows, dtype=np.int64).reshape(-1, kernel.COUNT + 1)


def _numbers(group: Conv) -> Int64:
    dims, widths, cols = group.dims, group.widths, group.cols
    return np.array(
        [
            dims["N"], dims["K"], dims["C"], dims["Q"], dims["R"], dims["S"],
            window(cols, cols.outputs, cols.taps), cols.used_inputs, cols.used_taps,
            widths.weights, widths.inputs, widths.outputs, widths.psums,
        ],
        dtype=np.int64,
    )  # fmt: skip


def _array(machine: Machine, pe: RowStationaryArray) -> Int64:
    assert isinstance(machine.sram_bytes, int)
    banks = max(0, machine.sram_bytes - pe.weights_buffer_bytes) // pe.bank_bytes
    pads, rates = pe.scratchpad_words, machine.rates
    buses = (
        (rates.weights, rates.inputs, rates.outputs) if isinstance(rates, OperandRates)
        else (rates or 0,) * 3
    )  # fmt: skip
    return np.array(
        [
            banks, 8 * pe.bank_bytes, 8 * pe.weights_buffer_bytes, pads.inputs, pads.weights,
            pads.psums, *buses, machine.latency_cycles,
        ],
        dtype=np.int64,
    )  # fmt: skip


def _rates(machine: Machine, pe: RowStationaryArray, prices: Prices, widths: Widths) -> np.ndarray:
    return np.array(
        [
            float(pe.exposed_load_x), float(machine.cycles_per_bit), *prices.hop_pj,
            *prices.sram_pj, prices.dram_pj_per_bit,
            *(parts / PARTS for parts in machine.memory_of(widths).stored[:3]),
        ]
    )  # fmt: skip
