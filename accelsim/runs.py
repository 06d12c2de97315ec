"""Networks and accelerators in, results out: each layer's schedule, traffic, cycles, bandwidth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from accelsim.dataflow.schedule import RESIDENTS, Buffering, Resident, Schedule
from accelsim.dataflow.tile_traffic import tile_text
from accelsim.hardware.accelerator import Accelerator, load_accelerator
from accelsim.known_choices import KnownChoices
from accelsim.results import Result, Row
from accelsim.simulate import (
    TooLittleSram,
    chosen_layers,
    conserve,
    load_each,
    result_meta,
)
from accelsim.spec import InputError
from accelsim.timing.candidates import OBJECTIVES, Choice, Machine, best_candidate
from accelsim.timing.passing import least_passing, passes
from accelsim.units import format_bytes, parse_choice, quote
from accelsim.workload.layer import OPERANDS, Conv, Layer, operand_bytes
from accelsim.workload.network import Network, Node


@dataclass(frozen=True, slots=True)
class LayerRun:
    """A layer on the machine: what was chosen for it, and what that does."""

    layer: Layer
    choice: Choice

    @property
    def schedule(self) -> Schedule | None:
        """The schedule, which replays; None where words only pass through."""
        return self.choice.schedule

    @property
    def dram_bytes(self) -> tuple[int, int]:
        """Bytes read and written across the chip edge, each operand rounded up once."""
        widths = self.layer.widths
        weights, inputs, outputs, read, written = self.choice.traffic
        reads = ((weights, widths.weights), (inputs, widths.inputs), (read, widths.psums))
        writes = ((outputs, widths.outputs), (written, widths.psums))
        return (
            sum(-(-words * bits // 8) for words, bits in reads),
            sum(-(-words * bits // 8) for words, bits in writes),
        )


@dataclass(frozen=True)
class RunResult(Result):
    """What `run` found; `runs` holds the layers in the order of the rows."""

    networks: tuple[Network, ...] = ()
    accelerators: tuple[Accelerator, ...] = ()
    runs: tuple[LayerRun, ...] = ()


Several = str | Path | Accelerator | Sequence[str | Path | Accelerator]


def run(
    networks: str | Path | Network | Sequence[str | Path | Network],
    accelerator: Several,
    *,
    objective: str = "cycles",
    layer: str | Sequence[str] | None = None,
    resident: Resident | None = None,
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | Mapping[str, int] | None = None,
    psum_bits: int | None = None,
    sram: int | None = None,
    known: KnownChoices | None = None,
) -> RunResult:
    """Return how each layer runs on an accelerator: schedule, SRAM, traffic, cycles, bandwidth.

    A row for each layer that moves words, in file order; layers run one after another, and none
    preloads for the next. Of all schedules that fit the accelerator's buffers
    (`timing.candidates`) each layer takes the one with the fewest cycles, or with `objective`
    traffic the least traffic. `sram`, in bytes, is one shared SRAM in place of the accelerator's.
    The rest is as for `min_sram`; widths that no network sets are the accelerator's. Several
    accelerators run one after another; what other runs chose, in `known`, is not searched for
    again. Raises TooLittleSram where a layer does not fit, InputError
    for a fault of files or arguments.
    """
    try:
        parse_choice(objective, OBJECTIVES)
    except ValueError as error:
        raise InputError(f"objective: {error}") from None
    one = isinstance(accelerator, str | Path | Accelerator)
    devices = _devices(cast(Any, [accelerator] if one else accelerator), sram)
    residents = RESIDENTS if resident is None else (resident,)
    rows: list[Row] = []
    runs: list[LayerRun] = []
    every: list[Network] = []
    summaries = {}
    for device in devices:
        loaded = load_each(
            networks, batch=batch, input=input, bits=bits, psum_bits=psum_bits,
            word_bits=device.word_bits,
        )  # fmt: skip
        chosen = _Choices(device, objective, residents, known)
        each = {}
        for network in loaded:
            own = [chosen.of(node) for node in chosen_layers(network, layer)]
            nodes = zip(chosen_layers(network, layer), own, strict=True)
            table = [_row(network, node, found, device) for node, found in nodes]
            each[network.name] = _summary(table, device)
            rows += table
            runs += own
        summaries[device.name] = next(iter(each.values())) if len(each) == 1 else {"networks": each}
        every += loaded
    return RunResult(
        meta=_meta(tuple(every), devices, objective),
        table=tuple(rows),
        summary=summaries[devices[0].name] if len(devices) == 1 else {"accelerators": summaries},
        networks=tuple(every),
        accelerators=devices,
        runs=tuple(runs),
    )


class _Choices:
    """What is chosen for the layers of a device; those that differ in name only are chosen once."""

    def __init__(
        self,
        device: Accelerator,
        objective: str,
        residents: tuple[Resident, ...],
        known: KnownChoices | None = None,
    ) -> None:
        self.device, self.objective, self.residents = device, objective, residents
        self.known = known or KnownChoices()
        self.machine, self._known = machine_of(device), dict[Layer, Choice]()

    def of(self, node: Node) -> LayerRun:
        """How a layer runs; raises TooLittleSram where it cannot."""
        layer = node.layer
        assert layer is not None
        key = replace(layer, name="")
        if key not in self._known:
            asked = key, self.machine, self.objective, self.residents
            found = self.known.find(*asked)
            if found is None:
                found = self._choose(node.name, key)
                self.known.keep(*asked, found)
            self._known[key] = found
        choice = self._known[key]
        if choice.schedule is not None and isinstance(layer, Conv):
            choice = replace(choice, schedule=replace(choice.schedule, layer=layer))
        return LayerRun(layer, choice)

    def _choose(self, name: str, layer: Layer) -> Choice:
        has_macs = isinstance(layer, Conv) and layer.has_weights
        found = [] if has_macs else [passes(layer, self.machine)]
        wanted: dict[str, Any] = {"objective": self.objective, "residents": self.residents}
        if isinstance(layer, Conv):
            try:
                found.append(best_candidate(layer, self.machine, **wanted))
            except ValueError as error:
                raise InputError(f"{self.device.path}: {name}: {error}") from None
        fitting = [choice for choice in found if choice is not None]
        if not fitting:
            where = name, layer, self.device, self.machine, self.residents
            raise TooLittleSram(_misfit(*where))
        best = min(fitting, key=lambda choice: _rank(choice, layer, self.objective))
        _check(best, layer)
        return best


def machine_of(accelerator: Accelerator) -> Machine:
    """What decides a layer's time on an accelerator."""
    return Machine(
        pe=accelerator.pe,
        sram_bytes=accelerator.sram_bytes,
        rates=accelerator.sram_rates,
        cycles_per_bit=accelerator.cycles_per_byte / 8,
        latency_cycles=accelerator.latency_cycles,
        buffering=cast(Buffering, accelerator.buffering),
    )


def _devices(
    given: Sequence[str | Path | Accelerator], sram: int | None
) -> tuple[Accelerator, ...]:
    """The accelerators, each of its own name."""
    found = [each if isinstance(each, Accelerator) else load_accelerator(each) for each in given]
    names = [device.name for device in found]
    for device in found:
        if names.count(device.name) > 1:
            wrong = f"several accelerators are named {quote(device.name)}"
            raise InputError(f"{device.path}: {wrong}; give each once, by its own name")
    if not found:
        raise InputError("accelerator: none is given; `accelsim list accelerators` shows some")
    return tuple(each if sram is None else replace(each, sram_bytes=sram) for each in found)


def _rank(choice: Choice, layer: Layer, objective: str) -> tuple[int, ...]:
    moved = sum(LayerRun(layer, choice).dram_bytes)
    first = (choice.total_cycles, moved) if objective == "cycles" else (moved, choice.total_cycles)
    return *first, choice.sram_bytes, choice.tiles


def _check(choice: Choice, layer: Layer) -> None:
    """Conservation: all MACs, each used word read, each output written; RuntimeError if not."""
    if choice.schedule is not None:
        conserve(choice.schedule)
    weights, inputs, outputs, read, written = choice.traffic
    least = layer.words
    if weights < least[0] or inputs < least[1] or outputs != least[2] or read != written:
        raise RuntimeError(f"{layer.name}: {choice.traffic} words move, {least} are to be moved")
    if choice.total_cycles < max(choice.compute_cycles, choice.dram_cycles):
        raise RuntimeError(f"{layer.name}: {choice.total_cycles} cycles are fewer than its parts'")


def _misfit(
    name: str,
    layer: Layer,
    device: Accelerator,
    machine: Machine,
    residents: tuple[Resident, ...],
) -> str:
    """Which operand finds no place, what it needs, and the smallest SRAM that would do."""
    if isinstance(layer, Conv):
        least = best_candidate(layer, machine, objective="space", residents=residents)
        assert least is not None
    else:
        least = least_passing(layer, machine)
    sizes, held = machine.capacities(), least.held_bits
    needs = [-(-bits // 8) for bits in held]
    if sizes[1] < 0:
        at = held.index(max(held))
        has = f"all operands share {sizes[0] // 8:,}"
        right = f"{_size(sum(needs))} of SRAM would do"
    else:
        at = max(range(3), key=lambda operand: held[operand] - sizes[operand])
        has = f"their buffer has {sizes[at] // 8:,}"
        room = [max(need, size // 8) for need, size in zip(needs, sizes, strict=True)]
        each = (f"{operand} {_size(size)}" for operand, size in zip(OPERANDS, room, strict=True))
        right = f"{', '.join(each)} would do"
    return (
        f"{name} does not fit {device.name}: {OPERANDS[at]} need {needs[at]:,} bytes, "
        f"{has}; {right}"
    )


def _size(count: int) -> str:
    return f"{format_bytes(count)} ({count:,} bytes)" if count > 1023 else f"{count:,} bytes"


def _row(network: Network, node: Node, found: LayerRun, device: Accelerator) -> Row:
    """What a row says of a layer."""
    layer, choice = found.layer, found.choice
    schedule, least = choice.schedule, operand_bytes(layer.words, layer.widths)
    read, written = found.dram_bytes
    names = ("weights_read", "inputs_read", "outputs_write", "psums_read", "psums_write")
    return {
        "network": network.name,
        "layer": node.name,
        "op": node.op,
        "resident": schedule.stays if schedule else "none",
        "tile": tile_text(schedule) if schedule else "",
        "block": str(schedule.block) if schedule else "",
        "sram_bytes": choice.sram_bytes,
        "dram_read_bytes": read,
        "dram_write_bytes": written,
        "dram_x": round((read + written) / least, 6) if least else 1.0,
        "macs": layer.macs,
        **_times(
            layer.macs, read + written, choice.compute_cycles, choice.dram_cycles,
            choice.total_cycles, device,
        ),
        "energy_pj": "",
        **{f"{name}_words": words for name, words in zip(names, choice.traffic, strict=True)},
        "order": schedule.order_text if schedule else "",
        "tiles": choice.tiles,
        "blocks": choice.blocks,
        "compulsory_bytes": least,
        "accelerator": device.name,
    }  # fmt: skip


def _times(
    macs: int, moved: int, compute: int, dram: int, total: int, device: Accelerator
) -> dict[str, int | float]:
    """Cycles and rates, of a layer or of all."""
    return {
        "compute_cycles": compute,
        "dram_cycles": dram,
        "stall_cycles": total - compute,
        "total_cycles": total,
        "utilization_x": round(macs / (device.pe.pes * total), 6) if total else 0.0,
        "avg_bandwidth_bytes_per_s": round(moved * device.clock_hz / total) if total else 0,
        "needed_bandwidth_bytes_per_s": round(moved * device.clock_hz / compute) if compute else 0,
    }


def _summary(rows: Sequence[Row], device: Accelerator) -> dict[str, Any]:
    """What the layers come to together, one after another."""

    def total(name: str) -> int:
        """The sum of a column."""
        return sum(int(row[name]) for row in rows)

    read, written, least = (
        total(name) for name in ("dram_read_bytes", "dram_write_bytes", "compulsory_bytes")
    )
    largest = max(rows, key=lambda row: int(row["sram_bytes"]))
    slowest = max(rows, key=lambda row: int(row["total_cycles"]))
    cycles = total("total_cycles")
    return {
        "sram_bytes": largest["sram_bytes"],
        "largest_layer": largest["layer"],
        "pe_local_bytes": device.local_total_bytes,
        "on_chip_bytes": device.sram_total_bytes + device.local_total_bytes,
        "dram_read_bytes": read,
        "dram_write_bytes": written,
        "dram_x": round((read + written) / least, 6) if least else 1.0,
        "compulsory_bytes": least,
        "macs": total("macs"),
        **_times(
            total("macs"), read + written, total("compute_cycles"), total("dram_cycles"), cycles,
            device,
        ),
        "seconds": cycles / device.clock_hz,
        "slowest_layer": slowest["layer"],
    }  # fmt: skip


def _meta(
    networks: tuple[Network, ...], devices: tuple[Accelerator, ...], objective: str
) -> dict[str, Any]:
    buffering = " and ".join(sorted({device.buffering for device in devices}))
    found = result_meta("run", networks, cast(Buffering, buffering))
    found["inputs"] |= {device.path: device.sha256 for device in devices}
    about = {
        device.name: {
            "pes": device.pe.pes,
            "clock_hz": device.clock_hz,
            "sram_bytes": device.sram_total_bytes,
            "peak_bytes_per_s": device.dram.peak_bytes_per_s if device.dram else 0,
            "latency_cycles": device.latency_cycles,
            "buffering": device.buffering,
        }
        for device in devices
    }
    return found | {"objective": objective, "accelerators": about}
