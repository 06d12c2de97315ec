"""The least SRAM that is once-only on an accelerator and never lets its array wait."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from accelsim.choosing import machine_of
from accelsim.dataflow.schedule import RESIDENTS, Resident
from accelsim.hardware.accelerator import Accelerator, DramChannel, load_accelerator
from accelsim.hardware.format import RowStationaryArray
from accelsim.results import Result, Row
from accelsim.simulate import chosen_layers, load_each, result_meta
from accelsim.spec import InputError
from accelsim.timing.candidates import Machine, best_candidate
from accelsim.timing.memory import memory_of
from accelsim.training.passes import Pass
from accelsim.workload.layer import Conv, operand_bytes
from accelsim.workload.network import Network, Node


@dataclass(frozen=True)
class StallFree(Result):
    """What `stall_free_sram` found."""

    networks: tuple[Network, ...] = ()
    accelerator: Accelerator | None = None


def stall_free_sram(
    networks: str | Path | Network | Sequence[str | Path | Network],
    accelerator: str | Path | Accelerator,
    *,
    at: int | None = None,
    latency_ns: float | None = None,
    layer: str | Sequence[str] | None = None,
    resident: Resident | None = None,
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | Mapping[str, int] | None = None,
    psum_bits: int | None = None,
    pass_: Pass = "forward",
) -> StallFree:
    """Return the least SRAM of each layer with MACs that is once-only and stall-free on an array.

    Every word crosses the chip edge once, from a group's first compute to its last the array never
    waits, and the transfers take no longer than the array works (or a first fill could be all).
    Blocks fill the array as far as the layer does. The accelerator's own SRAM plays no part, but
    its buffering does; `at` (bytes per second) and `latency_ns` replace its DRAM's.
    `once_only_sram_bytes` is the least where stalls are allowed. Where no size is stall-free,
    `stall_free_sram_bytes` is 0: bandwidth is the bound, and `least_bandwidth_bytes_per_s` tells,
    to four digits, with how much some size would do. Latency alone is no bound: a whole layer in
    one block waits for its fill only. Raises InputError for a fault of files or arguments.
    """
    device = accelerator if isinstance(accelerator, Accelerator) else load_accelerator(accelerator)
    if isinstance(device.pe, RowStationaryArray):
        wrong = "a row stationary array's SRAM is banks beside passes, not searched for its least"
        raise InputError(f"{device.path}: {wrong}; `run --sram SIZE` shows what one size does")
    device = with_dram(device, at, latency_ns)
    loaded = load_each(
        networks, pass_, batch=batch, input=input, bits=bits, psum_bits=psum_bits,
        word_bits=device.word_bits,
    )  # fmt: skip
    residents = RESIDENTS if resident is None else (resident,)
    machine = replace(machine_of(device), sram_bytes=None)
    known: dict[Conv, Row] = {}
    rows: list[Row] = []
    summaries = {}
    for network in loaded:
        own: list[Row] = []
        for node in chosen_layers(network, layer):
            if isinstance(node.layer, Conv) and node.layer.has_weights:
                key = replace(node.layer, name="")
                if key not in known:
                    own_machine = replace(machine, memory=memory_of(device, key))
                    known[key] = _columns(key, own_machine, residents, device.clock_hz)
                own.append({**_names(network, node), **known[key]})
        summaries[network.name] = _summary(own)
        rows += own
    meta = result_meta("min-sram", loaded, machine.buffering)
    meta["inputs"] |= {device.path: device.sha256}
    peak = device.dram.peak_bytes_per_s if device.dram else 0
    meta |= {"accelerator": device.name, "peak_bytes_per_s": peak}
    return StallFree(
        meta=meta | {"latency_cycles": device.latency_cycles},
        table=tuple(rows),
        summary=next(iter(summaries.values())) if len(loaded) == 1 else {"networks": summaries},
        networks=loaded,
        accelerator=device,
    )


def with_dram(device: Accelerator, at: int | None, latency_ns: float | None) -> Accelerator:
    """The accelerator with another bandwidth or latency of its DRAM; InputError without one."""
    dram = device.dram
    if dram is None and at is None:
        if latency_ns is not None:
            raise InputError(f"{device.path}: has no dram for a latency; give its bandwidth, too")
        return device
    changed = dram or DramChannel(peak_bytes_per_s=at or 0)
    if at is not None:
        changed = replace(changed, peak_bytes_per_s=at)
    if latency_ns is not None:
        changed = replace(changed, latency_ns=latency_ns)
    return replace(device, dram=changed)


def _names(network: Network, node: Node) -> Row:
    return {"network": network.name, "layer": node.name, "op": node.op}


def _columns(layer: Conv, machine: Machine, residents: tuple[Resident, ...], clock_hz: int) -> Row:
    """What a row says of a layer."""
    once = best_candidate(layer, machine, objective="once", residents=residents)
    found = best_candidate(layer, machine, objective="stall_free", residents=residents)
    assert once is not None, "a whole layer is a block"
    shown = found or once
    least = operand_bytes(layer.words, layer.widths)
    return {
        "macs": layer.macs,
        "once_only_sram_bytes": once.sram_bytes,
        "stall_free_sram_bytes": found.sram_bytes if found else 0,
        "resident": shown.schedule.stays if shown.schedule else "none",
        "block": str(shown.schedule.block) if shown.schedule else "",
        "stall_cycles": shown.idle_cycles,
        "compute_cycles": shown.compute_cycles,
        "total_cycles": shown.total_cycles,
        "needed_bandwidth_bytes_per_s": round(least * clock_hz / shown.compute_cycles),
        "least_bandwidth_bytes_per_s": (
            0 if found else _least_bandwidth(layer, machine, residents, clock_hz)
        ),
        "compulsory_bytes": least,
    }


def _least_bandwidth(
    layer: Conv, machine: Machine, residents: tuple[Resident, ...], clock_hz: int
) -> int:
    """The least bandwidth, in bytes per second, with which some size is stall-free; 0 if none is.

    Cycles per bit are bisected among multiples of a power of two, 2**-16 of the accelerator's own.
    """
    slow, fast = machine.cycles_per_bit, Fraction(0)
    digits = 16 + max(0, -math.floor(math.log2(slow)))
    while slow - fast > Fraction(1, 2**digits):
        middle = Fraction(round((slow + fast) / 2 * 2**digits), 2**digits)
        if middle in (slow, fast):
            break
        changed = replace(machine, cycles_per_bit=middle)
        if best_candidate(layer, changed, objective="stall_free", residents=residents):
            fast = middle
        else:
            slow = middle
    return math.ceil(clock_hz / (8 * fast)) if fast else 0


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The network's need, and which layers stall at any size."""
    stalling = [str(row["layer"]) for row in rows if not row["stall_free_sram_bytes"]]
    key = "once_only_sram_bytes" if stalling else "stall_free_sram_bytes"
    limiting = max(rows, key=lambda row: int(row[key]), default=None)
    return {
        "stall_free_sram_bytes": 0 if stalling or not limiting else limiting[key],
        "once_only_sram_bytes": max((int(row["once_only_sram_bytes"]) for row in rows), default=0),
        "limiting_layer": limiting["layer"] if limiting else "",
        "stalling_layers": stalling,
    }
