"""Layers without MACs on a machine: words pass by in chunks, at the rate of the array's outputs.

A pool, an element-wise op, softmax, lrn and upsampling move each word once and have no reuse that
tiles could trade for SRAM. Beside what the op itself holds (a softmax row, a pool's window of rows:
`streams`, `residency`) the chip holds chunks: equal parts of the inputs and of the outputs, one of
each with `single` buffering, two with `prefetch` and `double`, as one streams while one is used.

Chunks go through the timeline as blocks. As many are tried as there are powers of two that leave
them room, up to 2**12 or, where fewer do not fit, the first that fit; a chunk takes a cycle for as
many words as leave the array side by side (`pe_array.lanes`), or what SRAM takes if that is longer.
In DRAM a chunk is one contiguous run of outputs, and one of each operand that is not broadcast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from accelsim.dataflow.liveness import separate_peaks
from accelsim.dataflow.residency import once_only
from accelsim.dataflow.schedule import Schedule
from accelsim.dataflow.streams import stream_peak
from accelsim.timing.candidates import Choice, Machine
from accelsim.timing.memory import INPUTS, OUTPUTS, stream_cost
from accelsim.timing.pe_array import Accesses, lanes, sram_cycles
from accelsim.timing.pipeline import timeline
from accelsim.workload.layer import Conv, Int64, Layer

_MOST_CHUNKS = 2**12
Bits = tuple[int, int, int]


def passes(layer: Layer, machine: Machine) -> Choice | None:
    """Return how a layer without MACs passes through a machine; None where it does not fit."""
    schedule, own = _own_need(layer, machine)
    best: Choice | None = None
    for chunks in _chunk_counts(layer):
        if best is not None and chunks > _MOST_CHUNKS:
            break
        held = _held(layer, machine, own, chunks)
        if _beyond(machine, held) == 0:
            found = _timed(layer, machine, schedule, held, chunks)
            if best is None or _rank(found) < _rank(best):
                best = found
    return best


def least_passing(layer: Layer, machine: Machine) -> Choice:
    """What passing needs at least: chunks of a word each; how far that is beyond the capacity."""
    schedule, own = _own_need(layer, machine)
    *_, chunks = _chunk_counts(layer)
    held = _held(layer, machine, own, chunks)
    return Choice(
        schedule,
        _traffic(layer),
        held,
        0,
        0,
        0,
        1,
        chunks,
        beyond_bits=_beyond(machine, held),
        in_chunks=True,
    )


def _rank(choice: Choice) -> tuple[int, int]:
    return choice.total_cycles, sum(choice.held_bits)


def _own_need(layer: Layer, machine: Machine) -> tuple[Schedule | None, Bits]:
    """A pool's schedule, and what the op itself holds of each operand, in bits."""
    if not isinstance(layer, Conv):
        return None, stream_peak(layer, machine.buffering).bits_by_operand
    once = once_only(layer, buffering=machine.buffering)
    group = layer.group()
    if not group.useful_macs:
        return once.schedule, once.peak.bits_by_operand
    own = separate_peaks(group, once.schedule.order, once.schedule.block, machine.buffering)
    return once.schedule, own.bits_by_operand


def _chunk_counts(layer: Layer) -> Iterator[int]:
    """Powers of two below the outputs, and one a word of either operand."""
    most = max(layer.inputs_words, layer.outputs_words)
    chunks = 1
    while chunks < most:
        yield chunks
        chunks *= 2
    yield most


def _held(layer: Layer, machine: Machine, own: Bits, chunks: int) -> Bits:
    copies = 1 if machine.buffering == "single" else 2
    inputs, outputs = (-(-words // chunks) for words in layer.words[1:])
    widths = layer.widths
    return (
        own[0],
        own[1] + copies * inputs * widths.inputs,
        own[2] + copies * outputs * widths.outputs,
    )


def _beyond(machine: Machine, held: Bits) -> int:
    """Bits that find no place."""
    sizes = machine.capacities()
    if sizes[1] < 0:
        return max(0, sum(held) - sizes[0])
    return sum(max(0, bits - size) for bits, size in zip(held, sizes, strict=True))


def _timed(
    layer: Layer, machine: Machine, schedule: Schedule | None, held: Bits, chunks: int
) -> Choice:
    compute, dram, total, parts, bits = _run_of(layer, replace(machine, sram_bytes=None), chunks)
    return Choice(
        schedule, _traffic(layer), held, compute, dram, total,
        tiles=1, blocks=chunks, in_chunks=True, burst_parts=parts, peak_bits=bits,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _run_of(layer: Layer, machine: Machine, chunks: int) -> tuple[int, int, int, int, int]:
    """Compute, DRAM and all cycles; parts of bursts, bits at the peak. SRAM plays no part."""
    loads, computes, stores = chunk_list(layer, machine, chunks)
    run = timeline(
        loads, computes, stores,
        buffering=machine.buffering, cycles_per_byte=machine.cycles_per_bit,
        latency_cycles=machine.latency_cycles,
    )  # fmt: skip
    parts = int(chunk_costs(layer, machine, chunks)[:, :, 0].sum())
    moved = run.load_bytes + run.store_bytes
    return run.compute_cycles, run.dram_cycles, run.total_cycles, parts, moved


def chunk_list(layer: Layer, machine: Machine, chunks: int) -> tuple[Int64, Int64, Int64]:
    """Of each chunk bits at the channel's peak that come, cycles, bits that leave: (chunks,)."""
    inputs, outputs = chunk_words(layer, chunks)
    steps = _parts(max(_steps(layer), layer.inputs_words, layer.outputs_words), chunks)
    computes = -(-steps // lanes(machine.pe))
    if machine.rates is not None:
        kinds, kind = np.unique(np.stack([inputs, outputs]), axis=1, return_inverse=True)
        least = [
            sram_cycles(Accesses(0, read, written, 0), layer.widths, machine.rates)
            for read, written in kinds.T.tolist()
        ]
        computes = np.maximum(computes, np.array(least)[kind.ravel()])
    loads, stores = chunk_costs(layer, machine, chunks)[:, :, 1]
    return loads, computes, stores


def chunk_words(layer: Layer, chunks: int) -> tuple[Int64, Int64]:
    """Inputs and outputs of each chunk, (chunks,)."""
    inputs, outputs = (_parts(words, chunks) for words in layer.words[1:])
    return inputs, outputs


def chunk_costs(layer: Layer, machine: Machine, chunks: int) -> Int64:
    """Loads and stores of all chunks: parts of bursts and bits at the peak, (2, chunks, 2)."""
    memory = machine.memory_of(layer.widths)
    streams = 1 if isinstance(layer, Conv) else layer.fresh_inputs
    both = zip((INPUTS, OUTPUTS), chunk_words(layer, chunks), (streams, 1), strict=True)
    costs = []
    for operand, words, number in both:
        sizes, size = np.unique(words, return_inverse=True)  # two at most
        cost = stream_cost(memory, operand, sizes, number, int(words.sum()))
        costs.append(cost[size.ravel()])
    return np.stack(costs)


def _traffic(layer: Layer) -> tuple[int, int, int, int, int]:
    return 0, layer.inputs_words, layer.outputs_words, 0, 0


def _steps(layer: Layer) -> int:
    """Words that an output is made of, all outputs together."""
    if isinstance(layer, Conv):
        return layer.useful_macs
    return layer.outputs_words * layer.live_inputs if layer.op == "lrn" else layer.outputs_words


def _parts(words: int, chunks: int) -> Int64:
    """So many words in equal parts, the earlier ones a word more where there is a rest."""
    ends = np.arange(1, chunks + 1, dtype=np.int64)
    return -(-words // chunks) * np.ones_like(ends) - (ends > (words % chunks or chunks))
