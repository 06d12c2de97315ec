"""Every layer of ResNet-18 on three accelerators takes what the SimPy machine takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from agree.test_pipeline_simpy import Machine

from accelsim.choosing import machine_of
from accelsim.runs import run
from accelsim.timing.block_list import block_list
from accelsim.timing.passing import chunk_list

MOST_BLOCKS = 20_000


@pytest.mark.parametrize("name", ["systolic_os_16x16", "tpu_v1", "gemmini_16x16"])
def test_resnet18(name):
    found = run("resnet18", name)
    (device,) = found.accelerators
    known = {}
    for row, own in zip(found.table, found.runs, strict=True):
        key = own.layer.words, row["tile"], row["block"], row["blocks"]
        if key not in known:
            assert row["blocks"] <= MOST_BLOCKS
            known[key] = simulated(own, replace(machine_of(device), memory=own.memory))
        assert row["total_cycles"] == known[key], row["layer"]


def simulated(own, machine) -> int:
    """Cycles of a layer's blocks on the SimPy machine."""
    if own.choice.in_chunks:
        lists = chunk_list(own.layer, machine, own.choice.blocks)
        tiles = [own.choice.blocks]
    else:
        blocks = block_list(own.schedule, machine.pe, machine.rates, machine.memory)
        lists = blocks.channel_load_bits, blocks.compute_cycles, blocks.channel_store_bits
        starts = [*blocks.begins_tile.nonzero()[0].tolist(), len(blocks.compute_cycles)]
        tiles = [end - begin for begin, end in pairwise(starts)]
    rows = list(zip(*(each.tolist() for each in lists), strict=True))
    ahead = 0 if machine.buffering == "single" else 1
    return Machine(rows, ahead, machine.cycles_per_bit, machine.latency_cycles, tiles).run()
