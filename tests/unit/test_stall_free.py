"""Least SRAM without stalls: what it says runs so on the timeline; where there is none, why."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from agree.test_candidates import random_machine
from cases import random_layer, share_of

from accelsim.cli import main
from accelsim.hardware.accelerator import load_accelerator
from accelsim.spec import InputError
from accelsim.stall_free import stall_free_sram, with_dram
from accelsim.timing.block_list import block_list
from accelsim.timing.candidates import best_candidate
from accelsim.timing.pipeline import timeline


def waits(schedule, machine) -> int:
    """Cycles in which the array waits for other than the first block of a tile."""
    blocks = block_list(schedule, machine.pe, machine.rates)
    trace = timeline(
        blocks.channel_load_bits, blocks.compute_cycles, blocks.channel_store_bits,
        buffering=machine.buffering, cycles_per_byte=machine.cycles_per_bit,
        latency_cycles=machine.latency_cycles, begins_tile=blocks.begins_tile, trace=True,
    ).trace  # fmt: skip
    gaps = trace[1:, 2] - trace[:-1, 3]
    return int(gaps[~blocks.begins_tile[1:]].sum())


@pytest.mark.parametrize("seed", range(share_of(100)))
def test_never_waits_and_moves_once(seed):
    rng = random.Random(seed)
    layer, machine = random_layer(rng), replace(random_machine(rng), sram_bytes=None)
    once = best_candidate(layer, machine, objective="once")
    found = best_candidate(layer, machine, objective="stall_free")
    assert once.traffic == (*layer.words, 0, 0)
    assert once.idle_cycles == waits(once.schedule, machine)
    if found is None:
        return
    assert found.traffic == (*layer.words, 0, 0)
    assert found.idle_cycles == waits(found.schedule, machine) == 0
    if all(len({*axis.pairs()[0]}) == axis.outputs for axis in (layer.rows, layer.cols)):
        assert found.dram_cycles <= found.compute_cycles  # all outputs are fed
    assert sum(found.held_bits) >= sum(once.held_bits)
    if once.idle_cycles == 0 and once.dram_cycles <= once.compute_cycles:
        assert sum(found.held_bits) == sum(once.held_bits)


def test_bandwidth_is_the_bound_and_so_much_would_do():
    asked = {"layer": ["fc", "layer1.0.conv1"]}
    found = stall_free_sram("resnet18", "edge_npu", **asked)
    conv, fc = found.table
    assert found.summary["stalling_layers"] == ["fc"]
    assert conv["stall_free_sram_bytes"] >= conv["once_only_sram_bytes"] > 0
    assert fc["stall_free_sram_bytes"] == 0
    rate = fc["least_bandwidth_bytes_per_s"]
    enough = stall_free_sram("resnet18", "edge_npu", at=rate, **asked)
    assert enough.summary["stalling_layers"] == []
    assert enough.summary["limiting_layer"] == "fc"
    short = stall_free_sram("resnet18", "edge_npu", at=int(0.999 * rate), **asked)
    assert short.summary["stalling_layers"] == ["fc"]


def test_less_latency_never_needs_more():
    slow, fast = (
        stall_free_sram("resnet18", "systolic_ws_32x32", latency_ns=ns, layer="layer*.conv*")
        for ns in (400.0, 0.0)
    )
    for one, other in zip(slow.table, fast.table, strict=True):
        assert one["stall_free_sram_bytes"] >= other["stall_free_sram_bytes"] > 0


def test_dram_in_place_of_the_accelerator_s():
    device = load_accelerator("shidiannao")
    assert with_dram(device, None, None) is device
    with pytest.raises(InputError, match="has no dram for a latency; give its bandwidth, too"):
        with_dram(device, None, 100.0)
    assert with_dram(device, 10**9, 100.0).latency_cycles == 100
    other = with_dram(load_accelerator("tpu_v1"), None, 10.0)
    assert (other.dram.peak_bytes_per_s, other.latency_cycles) == (34 * 10**9, 7)


def test_command(capsys):
    command = "min-sram resnet18 -a systolic_os_16x16 --at 25.6GB/s --latency 100ns".split()
    assert main([*command, "--layer", "layer2.0.conv2"]) == 0
    printed = capsys.readouterr().out
    assert "resnet18 never stalls on systolic_os_16x16 after each layer's first fill" in printed
    assert "DRAM of 25.6 GB/s and 100 cycles of latency" in printed
    assert main([*command, "--layer", "layer2.0.conv2", "--at-most", "64KiB"]) == 3
    assert "more than 64 KiB" in capsys.readouterr().err
    assert main(["min-sram", "resnet18", "-a", "edge_npu", "--layer", "fc"]) == 3
    printed = capsys.readouterr()
    assert "resnet18 fc stalls with any SRAM: bandwidth bounds it" in printed.err
    assert "resnet18 stalls on edge_npu with any SRAM" in printed.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--at", "1GB/s"], "--at is for -a ACC"),
        (["-a", "tpu_v1", "--block", "K=2"], "-a says block and buffering"),
        (["-a", "tpu_v1", "--families"], "-a goes without --families"),
        (["-a", "tpu_v1", "--latency", "1 parsec"], "--latency"),
    ],
)
def test_bad_commands_are_one_line(more, said, capsys):
    assert main(["min-sram", "alexnet", *more]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
