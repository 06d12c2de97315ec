"""What a layer's schedule makes happen: MACs, registers, words between PEs, SRAM, DRAM.

Between the array and SRAM go the accesses of each block (`pe_array.accesses`, `row_stationary.
pass_words`), of the blocks' boxes, padding included. SRAM is also written by what comes from DRAM
and read by what leaves for it; DRAM bits are those of whole bursts (`memory`), as coded. Psums are
written at each visit and read back at all but the first:

    systolic os  each MAC takes a weight and an input from a neighbour, reads and writes its psum
    systolic ws  each MAC reads its weight, takes an input and a psum from neighbours (is: mirrored)
    spatial      each MAC reads a weight and an input; psums of the unrolled c, r, s are summed in a
                 tree, and one register is read and written for all of them
    row stationary  each MAC reads a weight, an input and a psum and writes the psum; weights go to
                 PEs of each output row, inputs to those of each filter row (both written there),
                 psums from PE to PE down a column and through the sets of other channels

A MAC on padding counts as one. What has no MACs passes through SRAM once.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from itertools import product
from typing import Any

from accelsim.dataflow.schedule import Block, Schedule
from accelsim.hardware.energy import EnergyTable, Events, energy_pj
from accelsim.hardware.format import BlockArray, SpatialArray
from accelsim.timing.candidates import Choice, Machine
from accelsim.timing.memory import PARTS
from accelsim.timing.passes_search import laid_out
from accelsim.timing.pe_array import accesses
from accelsim.timing.row_stationary import LaidOut, pass_words, window
from accelsim.workload.layer import Conv, Layer

Words = tuple[int, int, int]


def count_events(layer: Layer, choice: Choice, machine: Machine) -> Events:
    """The events of a whole layer, all its groups, run as chosen."""
    weights, inputs, outputs, read, written = choice.traffic
    bits = -(-choice.burst_parts // PARTS)
    fills, drains = (weights, inputs, read), (0, 0, outputs + written)
    nothing = (0, 0, 0)
    if choice.schedule is None or not isinstance(layer, Conv) or not layer.has_weights:
        return Events(0, nothing, nothing, _sum(drains, (0, inputs, 0)),
                      _sum(fills, (0, 0, outputs)), bits)  # fmt: skip
    array = laid_out(machine.pe, choice)
    taken, visits, register, hops = [nothing], 0, [nothing], [nothing]
    for block, many in block_kinds(choice.schedule).items():
        count = many * layer.groups
        moved, psums = _block_words(array, layer, block)
        taken.append(_times(moved, count))
        visits += psums * count
        for found, each in zip((register, hops), _inside(array, layer, block), strict=True):
            found.append(_times(each, count))
    reads = _sum(*taken, (0, 0, visits - outputs), drains)
    return Events(
        layer.macs, _sum(*register), _sum(*hops), reads, _sum(fills, (0, 0, visits)), bits
    )


def block_prices(
    layer: Conv, pe: BlockArray, table: EnergyTable, sram_bytes: tuple[int, int, int]
) -> tuple[float, ...]:
    """pJ of what `candidate_kernels` counts, in the order of its PJ_LAYER to PJ_DRAM."""

    def cost(**events: Any) -> float:
        """What so many of some events cost."""
        nothing: Any = dict.fromkeys(Events.__dataclass_fields__, (0, 0, 0))
        counts = Events(**{**nothing, "macs": 0, "dram_bits": 0, **events})
        return energy_pj(counts, table, layer.widths, sram_bytes)

    register, hops = _inside(pe, layer, Block())
    total = 0.0
    if isinstance(pe, SpatialArray):  # a tree's sum, not each MAC, goes to a register
        total = cost(register_words=(0, 0, register[2]))
        register = (*register[:2], 0)
    return (
        cost(macs=layer.macs),
        cost(register_words=register, inter_pe_words=hops),
        total,
        *(cost(sram_read_words=each) for each in ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
        cost(dram_bits=1),
    )


def block_kinds(schedule: Schedule) -> Counter[Block]:
    """How many blocks of each size a schedule has in a group."""
    dims = [
        Counter(
            min(step, length - begin)
            for length in schedule.lengths(dim) for begin in range(0, length, step)
        )
        for dim, step in asdict(schedule.block).items()
    ]  # fmt: skip
    found: Counter[Block] = Counter()
    for sizes in product(*(each.items() for each in dims)):
        found[Block(*(size for size, _ in sizes))] += math.prod(many for _, many in sizes)
    return found


def _block_words(array: BlockArray | LaidOut, layer: Conv, block: Block) -> tuple[Words, int]:
    """Weights and inputs that a block reads in SRAM, and psums that it leaves there."""
    if isinstance(array, LaidOut):
        words = pass_words(layer, block)
        return (words.weights, words.inputs, 0), words.psums
    rows, cols = layer.rows, layer.cols
    own = accesses(array, block, (rows.stride, cols.stride), (rows.dilation, cols.dilation))
    return (own.weights, own.inputs, 0), own.outputs


def _inside(array: BlockArray | LaidOut, layer: Conv, block: Block) -> tuple[Words, Words]:
    """Words in registers, and words between PEs, of a block."""
    macs: int = math.prod(asdict(block).values())
    if isinstance(array, LaidOut):
        filters = min(array.t, block.K)
        row = window(layer.cols, block.Q, block.S)
        weights = block.K * block.C * block.R * block.S * block.P
        inputs = block.N * block.C * block.R * block.P * row * filters
        down = block.R * min(array.r, block.C) - 1
        psums = block.N * block.K * block.P * block.Q * down
        return (macs + weights, macs + inputs, 2 * macs), (weights, inputs, psums)
    if isinstance(array, SpatialArray):
        depth = math.prod(min(getattr(array.unroll, dim), getattr(block, dim)) for dim in "CRS")
        return (macs, macs, 2 * -(-macs // depth)), (0, 0, 0)
    return {
        "os": ((0, 0, 2 * macs), (macs, macs, 0)),
        "ws": ((macs, 0, 0), (0, macs, macs)),
        "is": ((0, macs, 0), (macs, 0, macs)),
    }[array.dataflow]


def _sum(*words: Words) -> Words:
    weights, inputs, outputs = (sum(column) for column in zip(*words, strict=True))
    return weights, inputs, outputs


def _times(words: Words, count: int) -> Words:
    weights, inputs, outputs = (each * count for each in words)
    return weights, inputs, outputs
