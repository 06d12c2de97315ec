"""How each layer runs on an accelerator: what is chosen for it, and whether that is sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from accelsim.dataflow.schedule import Buffering, Resident, Schedule
from accelsim.hardware.accelerator import Accelerator
from accelsim.hardware.compression import Densities
from accelsim.hardware.energy import energy_pj
from accelsim.hardware.format import RowStationaryArray
from accelsim.known_choices import KnownChoices
from accelsim.simulate import TooLittleSram, conserve
from accelsim.spec import InputError
from accelsim.timing.candidates import OBJECTIVES, Choice, Machine, best_candidate
from accelsim.timing.events import block_prices, count_events
from accelsim.timing.memory import PARTS, Memory, memory_of
from accelsim.timing.passes_file import GivenPasses
from accelsim.timing.passes_search import (
    RATIOS,
    best_passes,
    least_passes,
    prices_of,
    run_passes,
)
from accelsim.timing.passing import least_passing
from accelsim.timing.passing import passes as passing
from accelsim.timing.row_stationary import Passes
from accelsim.units import format_bytes
from accelsim.workload.layer import OPERANDS, Conv, Layer
from accelsim.workload.network import Node

RUN_OBJECTIVES = (*OBJECTIVES, "energy", "edp")


@dataclass(frozen=True, slots=True)
class LayerRun:
    """A layer on the machine: what was chosen for it, and what that does."""

    layer: Layer
    choice: Choice
    memory: Memory

    @property
    def schedule(self) -> Schedule | None:
        """The schedule, which replays; None where words only pass through."""
        return self.choice.schedule

    @property
    def dram_bytes(self) -> tuple[int, int]:
        """Bytes read and written across the chip edge, each operand rounded up once."""
        of_weights, of_inputs, of_outputs, of_psums = self.memory.stored
        weights, inputs, outputs, read, written = self.choice.traffic
        reads = ((weights, of_weights), (inputs, of_inputs), (read, of_psums))
        writes = ((outputs, of_outputs), (written, of_psums))
        return (
            sum(-(-words * parts // (8 * PARTS)) for words, parts in reads),
            sum(-(-words * parts // (8 * PARTS)) for words, parts in writes),
        )

    @property
    def dram_burst_bytes(self) -> int:
        """Bytes of all bursts, whole ones; those that are moved where any bytes move alone."""
        if self.memory.is_plain:
            return sum(self.dram_bytes)
        return -(-self.choice.burst_parts // self.memory.burst) * self.memory.burst_bytes

    @property
    def dram_efficiency_x(self) -> float:
        """Share of the channel's peak while it streams, over-fetch counted as work."""
        peak = self.choice.peak_bits
        return round(self.choice.burst_parts / (PARTS * peak), 6) if peak else 1.0


class Choices:
    """What is chosen for the layers of a device; those that differ in name only are chosen once."""

    def __init__(
        self,
        device: Accelerator,
        objective: str,
        residents: tuple[Resident, ...],
        densities: Densities | None,
        given: GivenPasses | None,
        known: KnownChoices | None = None,
    ) -> None:
        self.device, self.objective, self.residents = device, objective, residents
        self.densities, self.given = densities.layers if densities else {}, given
        self.known = known or KnownChoices()
        self._known = dict[tuple[Layer, Memory, Passes | None], Choice]()
        if objective in ("energy", "edp") and device.energy is None:
            wrong = "no energy table; write for instance `energy: horowitz_45nm`"
            raise InputError(f"{device.path}: {wrong}, or take another --objective")

    def of(self, node: Node) -> LayerRun:
        """How a layer runs; raises TooLittleSram where it cannot."""
        layer = node.layer
        assert layer is not None
        plain = replace(layer, name="")
        passes = self.given.layers.get(node.name) if self.given else None
        try:
            memory = memory_of(self.device, plain, self.densities.get(node.name))
            if (plain, memory, passes) not in self._known:
                found = self._found(node.name, plain, memory, passes)
                self._known[plain, memory, passes] = found
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.device.path}: {node.name}: {error}") from None
        choice = self._known[plain, memory, passes]
        if choice.schedule is not None and isinstance(layer, Conv):
            choice = replace(choice, schedule=replace(choice.schedule, layer=layer))
        return LayerRun(layer, choice, memory)

    def _found(self, name: str, layer: Layer, memory: Memory, passes: Passes | None) -> Choice:
        """What another run chose, or what is chosen now."""
        machine = replace(machine_of(self.device), memory=memory)
        asked = layer, machine, self.objective, self.residents
        found = self.known.find(*asked)
        if found is None:
            found = self._choose(name, layer, machine, memory, passes)
            self.known.keep(*asked, found)
        return found

    def _choose(
        self, name: str, layer: Layer, machine: Machine, memory: Memory, passes: Passes | None
    ) -> Choice:
        has_macs = isinstance(layer, Conv) and layer.has_weights
        rows_stay = isinstance(self.device.pe, RowStationaryArray)
        found = [] if has_macs else [passing(layer, machine)]
        if has_macs and rows_stay:
            found = self._mapped(name, cast(Conv, layer), machine, passes)
        elif isinstance(layer, Conv) and not rows_stay:
            found += self._candidates(layer, machine)
        fitting = [LayerRun(layer, choice, memory) for choice in found if choice is not None]
        if not fitting:
            raise TooLittleSram(_misfit(name, layer, self.device, machine, self.residents))
        best = min(fitting, key=self._rank)
        _check(best)
        return best.choice

    def _candidates(self, layer: Conv, machine: Machine) -> list[Choice | None]:
        """The best candidate."""
        table, pe, prices = self.device.energy, machine.pe, None
        if table is not None and self.objective in ("energy", "edp"):
            assert not isinstance(pe, RowStationaryArray)
            prices = block_prices(layer, pe, table, self.device.sram_sizes_bytes)
        wanted: Any = {"objective": self.objective, "residents": self.residents}
        return [best_candidate(layer, machine, prices=prices, **wanted)]

    def _mapped(
        self, name: str, layer: Conv, machine: Machine, passes: Passes | None
    ) -> list[Choice | None]:
        """The passes given for a layer on a row stationary array, or the best ones.

        For the energy-delay product those that are best by energy and by cycles.
        """
        if "outputs" not in self.residents:
            wrong = "row stationary passes keep outputs; leave out --resident, or say outputs"
            raise InputError(f"{self.device.path}: {name}: {wrong}")
        if self.given is not None and passes is not None:
            try:
                return [run_passes(layer, machine, passes)]
            except ValueError as error:
                raise self.given.fault(name, str(error)) from None
        table, sizes = self.device.energy, self.device.sram_sizes_bytes
        prices = RATIOS if table is None else prices_of(table, layer.widths, sizes)
        wanted = ("energy", "cycles") if self.objective == "edp" else (self.objective,)
        return [best_passes(layer, machine, objective=each, prices=prices) for each in wanted]

    def _rank(self, run: LayerRun) -> tuple[float, ...]:
        cycles, moved = run.choice.total_cycles, sum(run.dram_bytes)
        first: tuple[float, ...] = (
            (cycles, moved) if self.objective == "cycles" else (moved, cycles)
        )
        if self.objective in ("energy", "edp"):
            energy = layer_energy_pj(run, self.device) or 0.0
            first = energy * cycles if self.objective == "edp" else energy, cycles
        return *first, run.choice.sram_bytes, run.choice.tiles


def layer_energy_pj(run: LayerRun, device: Accelerator) -> float | None:
    """What a layer costs on a device, in pJ; None without an energy table."""
    if device.energy is None:
        return None
    events = count_events(run.layer, run.choice, machine_of(device))
    return energy_pj(events, device.energy, run.layer.widths, device.sram_sizes_bytes)


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


def _check(run: LayerRun) -> None:
    """Conservation: all MACs, each used word read, each output written; RuntimeError if not."""
    choice, layer = run.choice, run.layer
    if choice.schedule is not None:
        conserve(choice.schedule)
    weights, inputs, outputs, read, written = choice.traffic
    least = layer.words
    if weights < least[0] or inputs < least[1] or outputs != least[2] or read != written:
        raise RuntimeError(f"{layer.name}: {choice.traffic} words move, {least} are to be moved")
    if choice.total_cycles < max(choice.compute_cycles, choice.dram_cycles):
        raise RuntimeError(f"{layer.name}: {choice.total_cycles} cycles are fewer than its parts'")
    if run.dram_burst_bytes < sum(run.dram_bytes) or not 0 < run.dram_efficiency_x <= 1:
        raise RuntimeError(f"{layer.name}: bursts of {run.dram_burst_bytes} bytes hold too little")


def _misfit(
    name: str,
    layer: Layer,
    device: Accelerator,
    machine: Machine,
    residents: tuple[Resident, ...],
) -> str:
    """Which operand finds no place, what it needs, and the smallest SRAM that would do."""
    if isinstance(layer, Conv) and isinstance(device.pe, RowStationaryArray):
        return f"{name} does not fit {device.name}: {least_passes(layer, machine)}"
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
