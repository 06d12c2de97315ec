"""Every schedule that `run` considers for a layer on an accelerator, and the best of them.

A layer is cut into tiles, one operand of a tile stays, and blocks that are whole tiles in all other
dims go by (the PE array folds a large block itself; see `pe_array`):

    outputs stay    for n, k, p, q tiles:  for c blocks     all psums of the tile stay
    inputs stay     for n, c, p, q tiles:  for k blocks     psums come and go where c is cut
    weights stay    for k, c, q tiles:     for n: for p blocks   rows that windows share stay too

Taps are never cut. Of each dim the sizes are those of 1, 2, 3, 4, 6, 8, 12, 16, ... tiles, the same
rounded up to what the array takes at once, and that itself (`sizes_of`). The list does not depend
on SRAM or bandwidth: more of either never makes the best of it slower. With `os` arrays sums stay
in the PEs: c is not cut, and c blocks are there where a block is one fold.

Words, SRAM and cycles of every candidate are exact, not estimates (`candidate_kernels`): what the
chosen one's block list moves and takes on the timeline, and what replay counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from accelsim.dataflow.schedule import (
    RESIDENTS,
    Block,
    Buffering,
    Cut,
    Resident,
    Schedule,
    Tiling,
)
from accelsim.dataflow.tile_axes import even_splits
from accelsim.dataflow.tile_traffic import Traffic
from accelsim.hardware.dram import SLOWDOWN_ONE
from accelsim.hardware.format import (
    LAYOUTS,
    BlockArray,
    OperandBytes,
    OperandRates,
    PeArray,
    RowStationaryArray,
    SpatialArray,
)
from accelsim.timing import candidate_kernels as kernel
from accelsim.timing.axis_pieces import count_pieces, count_steps
from accelsim.timing.memory import OUTPUTS, PARTS, Memory, plain_memory, stream_cost
from accelsim.timing.pe_array import lanes, window_reads
from accelsim.timing.row_stationary import Passes
from accelsim.workload.layer import Axis, Conv, Int64, Widths

OBJECTIVES = ("cycles", "traffic")
_KINDS = {"os": 1, "ws": 2, "is": 3}
_BUFFERINGS: dict[str, int] = {"single": 0, "prefetch": 1, "double": 2}
_FAMILIES: tuple[Resident, ...] = ("outputs", "inputs", "weights")
_MOST = 2**62
_PRICES = kernel.TABLE - kernel.PJ_LAYER


@dataclass(frozen=True)
class Machine:
    """What decides a layer's time: PE array, SRAM, DRAM channel.

    `cycles_per_bit` at the channel's peak is 0 for an unlimited one, `sram_bytes` None for
    unlimited SRAM. `memory` None moves bits as they are, always at the peak.
    """

    pe: PeArray
    sram_bytes: int | OperandBytes | None
    rates: int | OperandRates | None
    cycles_per_bit: Fraction
    latency_cycles: int
    buffering: Buffering
    memory: Memory | None = None

    def memory_of(self, widths: Widths) -> Memory:
        """Where the words of a layer with these widths lie."""
        return self.memory or plain_memory(widths)

    def capacities(self) -> tuple[int, int, int]:
        """Bits of the operands' buffers; -1 for the second and third where they share one."""
        if self.sram_bytes is None:
            return _MOST, -1, -1
        if isinstance(self.sram_bytes, int):
            return 8 * self.sram_bytes, -1, -1
        each = self.sram_bytes
        return 8 * each.weights, 8 * each.inputs, 8 * each.outputs


@dataclass(frozen=True)
class Choice:
    """A layer's schedule and what it does on a machine; words and cycles are the whole layer's.

    `held_bits` are those of weights, inputs, outputs: at the peak where SRAM is shared, each
    operand's own most where it is not. `idle_cycles` are those in which the array waits for other
    than a tile's first block. Of words that pass through `in_chunks` (see `passing`) the
    blocks are chunks; `schedule` is a pool's, and None where there is none to be had. `passes` are
    a row stationary array's mapping.
    """

    schedule: Schedule | None
    traffic: Traffic
    held_bits: tuple[int, int, int]
    compute_cycles: int
    dram_cycles: int
    total_cycles: int
    tiles: int
    blocks: int
    idle_cycles: int = 0
    beyond_bits: int = 0
    in_chunks: bool = False
    burst_parts: int = 0
    peak_bits: int = 0
    passes: Passes | None = None

    @property
    def sram_bytes(self) -> int:
        """SRAM that it takes, each operand rounded up."""
        return sum(-(-bits // 8) for bits in self.held_bits)


def best_candidate(
    layer: Conv,
    machine: Machine,
    *,
    objective: str = "cycles",
    residents: tuple[Resident, ...] = RESIDENTS,
    prices: tuple[float, ...] | None = None,
) -> Choice | None:
    """Return the candidate with the fewest cycles (or the least traffic); None if none fits.

    Ties go to less traffic (fewer cycles), then less SRAM, then fewer tiles. With `prices`
    (`events.block_prices`) the objective may be `energy` or `edp`, energy times cycles; ties go to
    fewer cycles. In a deconvolution only useful pairs count. Three more objectives:
    `space` finds the candidate that is least beyond the capacity, and says by how much; `once` the
    one with the least SRAM of those that move each word once, `stall_free` of those that also never
    let the array wait but for the first block of a group, nor stream for longer than it works. For
    these two a block has any size that
    fills the array as far as the layer does: k its columns, c and taps what lies along its rows, or
    what a spatial array unrolls.
    Raises ValueError where cycles would not fit 62 bits.
    """
    pe = machine.pe
    if isinstance(pe, RowStationaryArray):
        raise ValueError("a row stationary array runs passes alone; see `passes_search`")
    group = layer.group()
    numbers = _layer_numbers(layer, machine.memory_of(layer.widths))
    array = _machine_numbers(layer, machine, pe, objective, prices)
    macs = math.prod(group.dims.values()) * layer.groups
    bits = machine.memory_of(layer.widths).most_bits
    largest = sum(group.words) * bits * machine.cycles_per_bit.numerator  # of one transfer
    blocks = 3 * macs * (machine.latency_cycles + 1 + bits * float(machine.cycles_per_bit))
    parts = sum(group.words) * bits * PARTS * SLOWDOWN_ONE
    all_parts = 4 * macs * bits * PARTS  # a weight, an input, a psum both ways for each
    if max(largest, blocks, parts, all_parts) > _MOST:
        raise ValueError("cycles beyond 2**62; give rounder rates, or less to do")
    step = _steps(pe)
    if objective in ("once", "stall_free"):
        full = _filling(pe, group)
        splits = {
            dim: tuple(
                begins for begins in even_splits(extent, 1)
                if _size(extent, begins) >= min(full[dim], extent)
            )
            for dim, extent in group.dims.items()
        }  # fmt: skip
    else:
        splits = {dim: sizes_of(extent, step[dim]) for dim, extent in group.dims.items()}
    sizes = tuple(_sizes(group.dims[dim], splits[dim]) for dim in "NKCPQ")
    counted = machine.rates is not None or prices is not None
    reads = pe if counted and isinstance(pe, SpatialArray) else None
    rows = _pieces(group.rows, splits["P"], reads, "PR")
    cols = _pieces(group.cols, splits["Q"], reads, "QS")
    steps = _blocks_of_rows(group.rows, splits["P"], reads)
    families = np.array([family in residents for family in _FAMILIES], dtype=np.int64)
    found = kernel.search(numbers, array, families, sizes, rows, cols, steps)
    if found[kernel.TIME] < 0:
        return None
    return _choice(layer, machine, found, splits)


def _choice(layer: Conv, machine: Machine, found: Int64, splits: dict[str, Any]) -> Choice:
    told = [int(value) for value in found]
    unfed = layer.outputs_words - told[kernel.WRITE_O]
    if unfed:  # they leave at the end of their group, see `block_list`
        parts, bits = unfed_cost(layer, machine, unfed // layer.groups)
        cycles = math.ceil(bits * machine.cycles_per_bit)
        told[kernel.BURSTS] += layer.groups * parts
        told[kernel.AT_PEAK] += layer.groups * bits
        told[kernel.DRAM] += layer.groups * cycles
        told[kernel.TIME] += layer.groups * (cycles + machine.latency_cycles)
        told[kernel.BLOCKS] += layer.groups
    weights, inputs, read, _, written = told[kernel.READ_W : kernel.WRITE_P + 1]
    return Choice(
        schedule=_schedule(layer, machine, told, splits),
        traffic=(weights, inputs, layer.outputs_words, read, written),
        held_bits=(told[kernel.HELD_W], told[kernel.HELD_I], told[kernel.HELD_O]),
        compute_cycles=told[kernel.COMPUTE],
        dram_cycles=told[kernel.DRAM],
        total_cycles=told[kernel.TIME],
        tiles=told[kernel.TILES],
        blocks=told[kernel.BLOCKS],
        idle_cycles=told[kernel.IDLE],
        beyond_bits=told[kernel.OVER],
        burst_parts=told[kernel.BURSTS],
        peak_bits=told[kernel.AT_PEAK],
    )


def unfed_cost(layer: Conv, machine: Machine, words: int) -> tuple[int, int]:
    """Parts of bursts and bits at the peak of a group's outputs that no MAC feeds, as one run."""
    memory = machine.memory_of(layer.widths)
    ((parts, bits),) = stream_cost(
        memory, OUTPUTS, np.array([words]), 1, layer.outputs_words
    ).tolist()  # fmt: skip
    return parts, bits


def _schedule(layer: Conv, machine: Machine, told: list[int], splits: dict[str, Any]) -> Schedule:
    """The schedule of a candidate; loops that run once are left out."""
    dims, family, step = layer.dims, told[kernel.FAMILY], told[kernel.STEP]
    chosen = {
        dim: splits[dim][told[place]]
        for dim, place in (
            ("N", kernel.N_SIZE), ("K", kernel.K_SIZE), ("C", kernel.C_SIZE),
            ("P", kernel.P_SIZE), ("Q", kernel.Q_SIZE),
        )
    }  # fmt: skip
    extents = {dim: _size(dims[dim], begins) for dim, begins in chosen.items()}
    inner = {kernel.OUTPUTS_STAY: "C", kernel.INPUTS_STAY: "K", kernel.WEIGHTS_STAY: "P"}[family]
    extents[inner] = _size(dims[inner], splits[inner][step])
    order = {"C": "NKPQC", "K": "NPQCK", "P": "KCQNP"}[inner]
    if inner == "P":
        extents["N"] = 1
    block = Block(**extents, R=dims["R"], S=dims["S"])
    cuts = tuple(Cut(dim, chosen[dim]) for dim in order if len(chosen[dim]) > 1)
    loops = tuple(dim for dim in order if dims[dim] > extents[dim])
    resident = _FAMILIES[family]
    name = f"{resident} stay"
    return Schedule(layer, resident, name, loops, block, machine.buffering, Tiling(cuts))


def sizes_of(extent: int, step: int) -> tuple[tuple[int, ...], ...]:
    """Where tiles begin for every size that is tried, from one tile on."""
    return _sizes_of(extent, min(step, extent))


@lru_cache(maxsize=4096)
def _sizes_of(extent: int, step: int) -> tuple[tuple[int, ...], ...]:
    sizes = {extent, step, 1}
    for power in range(extent.bit_length()):
        for count in (2**power, 3 * 2**power):
            if count <= extent:
                size = -(-extent // count)
                sizes |= {size, -(-size // step) * step} if size > step else {size}
    wanted = {-(-extent // size): size for size in sorted(sizes, reverse=True) if size <= extent}
    return tuple(tuple(range(0, extent, size)) for size in sorted(wanted.values(), reverse=True))


def _size(extent: int, begins: tuple[int, ...]) -> int:
    return begins[1] if len(begins) > 1 else extent


def _sizes(extent: int, splits: tuple[tuple[int, ...], ...]) -> Int64:
    """(sizes, 3): number of tiles, extent of the first, extent of the last."""
    rows = [(len(begins), _size(extent, begins), extent - begins[-1]) for begins in splits]
    return np.array(rows, dtype=np.int64)


def _steps(pe: BlockArray) -> dict[str, int]:
    """How much of each dim the array takes at once."""
    if isinstance(pe, SpatialArray):
        return pe.unroll.model_dump()
    step = dict.fromkeys("NKCPQRS", 1)
    sides = {"os": {"K": pe.cols}, "ws": {"K": pe.cols, "C": pe.rows}, "is": {"C": pe.rows}}
    return step | sides[pe.dataflow]


def _filling(pe: BlockArray, group: Conv) -> dict[str, int]:
    """How much of each dim fills the array."""
    step = _steps(pe)
    if isinstance(pe, SpatialArray):
        return step
    taps = group.rows.taps * group.cols.taps
    return step | {"K": pe.cols, "C": 1 if pe.dataflow == "os" else -(-pe.rows // taps)}


Tables = tuple[Int64, Int64]
"""Rows of all cuts one after another, and where each cut's begin."""


@lru_cache(maxsize=1024)
def _pieces(
    axis: Axis, splits: tuple[tuple[int, ...], ...], reads: SpatialArray | None, dims: str
) -> Tables:
    """Kinds of pieces of every cut of an axis; see `axis_pieces`."""
    box_taps = axis.taps if axis.kind == "conv" else 0
    tables = [
        count_pieces(
            *axis.pairs(), np.array([*begins, axis.outputs]), axis.taps, box_taps
        )
        for begins in splits
    ]  # fmt: skip
    return _joined(tables, axis, reads, dims, 6)


@lru_cache(maxsize=1024)
def _blocks_of_rows(
    axis: Axis, splits: tuple[tuple[int, ...], ...], reads: SpatialArray | None
) -> Tables:
    """Steps of rows of every size; see `axis_pieces`."""
    box_taps = axis.taps if axis.kind == "conv" else 0
    tables = [
        count_steps(
            *axis.pairs(), axis.outputs, _size(axis.outputs, begins), axis.taps, box_taps
        )
        for begins in splits
    ]  # fmt: skip
    return _joined(tables, axis, reads, "PR", 9)


def _joined(
    tables: list[Int64], axis: Axis, reads: SpatialArray | None, dims: str, column: int
) -> Tables:
    offsets = np.cumsum([0, *(len(table) for table in tables)])
    rows = np.concatenate(tables)
    if reads is not None:
        steps = [getattr(reads.unroll, dim) for dim in dims]
        for row in rows:
            box, taps = int(row[0]), int(row[1])
            row[column] = window_reads(box, steps[0], taps, steps[1], axis.stride, axis.dilation)
    return rows, offsets


def _layer_numbers(layer: Conv, memory: Memory) -> Int64:
    dims, widths, rows, cols = layer.dims, layer.widths, layer.rows, layer.cols
    return np.array(
        [
            dims["N"], dims["K"], dims["C"], widths.weights, widths.inputs, widths.outputs,
            widths.psums, layer.groups, layer.has_weights, *memory.stored, layer.K, layer.C,
            rows.inputs, cols.inputs, rows.outputs, cols.outputs, rows.taps, cols.taps,
        ],
        dtype=np.int64,
    )  # fmt: skip


def _machine_numbers(
    layer: Conv, machine: Machine, pe: BlockArray, objective: str, prices: tuple[float, ...] | None
) -> Int64:
    rates = machine.rates
    if isinstance(pe, SpatialArray):
        array = [0, 0, 0, 0, *pe.unroll.model_dump().values()]
    else:
        array = [_KINDS[pe.dataflow], pe.rows, pe.cols, pe.overlap_folds, *([1] * 7)]
    if rates is None:
        ports = [0, 0, 0, 0]
    elif isinstance(rates, int):
        ports = [1, rates, 0, 0]
    else:
        ports = [3, rates.weights, rates.inputs, rates.outputs]
    rate = machine.cycles_per_bit
    wanted = (*OBJECTIVES, "space", "once", "stall_free", "energy", "edp").index(objective)
    if wanted >= kernel.ENERGY and prices is None:
        raise ValueError(f"{objective} is not known without prices")
    fed = (axis.pairs()[0] for axis in (layer.rows, layer.cols))
    outputs = layer.N * layer.K * math.prod(len(np.unique(each)) for each in fed)
    words, memory = (*layer.words[:2], outputs), machine.memory_of(layer.widths)
    least = sum(count * parts for count, parts in zip(words, memory.stored[:3], strict=True))
    burst = 0 if memory.is_plain else memory.burst
    return np.array(
        [
            *array, lanes(pe), *ports, rate.numerator, rate.denominator, machine.latency_cycles,
            _BUFFERINGS[machine.buffering], *machine.capacities(), wanted, least, burst,
            LAYOUTS.index(memory.layout), memory.fastest, len(memory.slowdowns),
            *(round(1e6 * price) for price in prices or (0.0,) * _PRICES), *memory.table.ravel(),
        ],
        dtype=np.int64,
    )  # fmt: skip
