"""When each block of a run is loaded, computed and stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from accelsim.choosing import LayerRun, machine_of
from accelsim.hardware.accelerator import Accelerator
from accelsim.results import Result, Row
from accelsim.runs import RunResult
from accelsim.spec import InputError
from accelsim.timing.block_list import block_list
from accelsim.timing.memory import PARTS
from accelsim.timing.passes_search import laid_out
from accelsim.timing.passing import chunk_list, chunk_words
from accelsim.timing.pipeline import Timeline, timeline

MOST_ROWS = 2**20


def trace(result: RunResult, first: int | None = None) -> Result:
    """Return a row per block of a run, layer after layer, or only the first so many.

    Times are in cycles from the begin of the first layer; bytes are rounded up a block. Raises
    InputError for a layer of too many blocks to list, and for more than 2**20 rows.
    """
    rows = list(islice(_rows(result), MOST_ROWS + 1 if first is None else first))
    if len(rows) > MOST_ROWS:
        raise InputError(f"more than {MOST_ROWS:,} blocks; name a --layer, or --first so many")
    return Result({**result.meta, "command": "trace"}, tuple(rows), {})


def _rows(result: RunResult) -> Iterator[Row]:
    start, before = 0, ""
    devices = {device.name: device for device in result.accelerators}
    for row, run in zip(result.table, result.runs, strict=True):
        where = f"{row['accelerator']} {row['network']}"
        start, before = (start if where == before else 0), where
        loads, stores, found = layer_timeline(
            run, devices[str(row["accelerator"])], str(row["layer"])
        )
        for load, store, times in zip(loads, stores, found.trace_rows(), strict=True):
            block = times.pop("block")
            yield {
                "accelerator": row["accelerator"],
                "network": row["network"],
                "layer": row["layer"],
                "block": block,
                "load_bytes": -(-load // (8 * PARTS)),
                "store_bytes": -(-store // (8 * PARTS)),
                **{name: start + at for name, at in times.items()},
            }
        start += found.total_cycles


def layer_timeline(
    run: LayerRun, device: Accelerator, name: str
) -> tuple[list[int], list[int], Timeline]:
    """Parts of bits that each block of a layer loads and stores, the timeline with its trace."""
    machine = replace(machine_of(device), memory=run.memory)
    weights, inputs, outputs, psums = run.memory.stored
    begins = None
    if run.choice.in_chunks:
        loads, computes, stores = chunk_list(run.layer, machine, run.choice.blocks)
        read, written = chunk_words(run.layer, run.choice.blocks)
        read, written = inputs * read, outputs * written
    else:
        assert run.schedule is not None
        try:
            array = laid_out(machine.pe, run.choice)
            blocks = block_list(run.schedule, array, machine.rates, machine.memory)
        except ValueError as error:
            raise InputError(f"{name} has too many blocks to list: {error}") from None
        loads, stores = blocks.channel_load_bits, blocks.channel_store_bits
        computes, begins = blocks.compute_cycles, blocks.begins_tile
        parts = blocks.words * np.array((weights, inputs, psums, outputs, psums), dtype=np.int64)
        read, written = parts[:, :3].sum(axis=1), parts[:, 3:].sum(axis=1)
    found = timeline(
        loads, computes, stores, buffering=machine.buffering,
        cycles_per_byte=machine.cycles_per_bit, latency_cycles=machine.latency_cycles,
        begins_tile=begins, trace=True,
    )  # fmt: skip
    if found.total_cycles != run.choice.total_cycles:
        raise RuntimeError(
            f"{name}: {found.total_cycles} cycles, but the choice says {run.choice.total_cycles}"
        )
    return read.tolist(), written.tolist(), found
