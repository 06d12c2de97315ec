"""Networks and accelerators in, results out: each layer's schedule, traffic, cycles, bandwidth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from accelsim.choosing import RUN_OBJECTIVES, Choices, LayerRun, layer_energy_pj
from accelsim.dataflow.schedule import RESIDENTS, Buffering, Resident
from accelsim.dataflow.tile_traffic import tile_text
from accelsim.hardware.accelerator import Accelerator, dram_text, load_accelerator
from accelsim.hardware.compression import Densities, load_densities
from accelsim.known_choices import KnownChoices
from accelsim.results import Result, Row
from accelsim.simulate import TooLittleSram, chosen_layers, load_each, result_meta
from accelsim.spec import InputError
from accelsim.timing.passes_file import read_passes
from accelsim.training.passes import Pass
from accelsim.units import parse_choice, quote
from accelsim.workload.layer import operand_bytes
from accelsim.workload.network import Network, Node


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
    pass_: Pass = "forward",
    sram: int | None = None,
    density: str | Path | None = None,
    passes: str | Path | None = None,
    leave_out: bool = False,
    known: KnownChoices | None = None,
) -> RunResult:
    """Return how each layer runs on an accelerator: schedule, SRAM, traffic, cycles, bandwidth.

    A row for each layer that moves words, in file order; layers run one after another, and none
    preloads for the next. Of all schedules that fit the accelerator's buffers
    (`timing.candidates`) each layer takes the one with the fewest cycles, or with `objective`
    traffic the least traffic, energy the least energy, edp the least energy times time. `sram`, in
    bytes, is one shared SRAM in place of the accelerator's. `density` is a file of the layers'
    densities, for operands that the accelerator codes, `passes` one of mappings for layers on row
    stationary arrays (`timing.passes_file`). The rest is as for `min_sram`; widths that no network
    sets are the accelerator's. Several accelerators run one after another; what other runs chose,
    in `known`, is not searched for again. Raises TooLittleSram where a layer does not fit,
    InputError for a fault of files or arguments. With `leave_out` networks that do not fit are left
    out and named in `meta["left_out"]`, unless none does.
    """
    try:
        parse_choice(objective, RUN_OBJECTIVES)
    except ValueError as error:
        raise InputError(f"objective: {error}") from None
    one = isinstance(accelerator, str | Path | Accelerator)
    devices = _devices(cast(Any, [accelerator] if one else accelerator), sram)
    residents = RESIDENTS if resident is None else (resident,)
    densities = load_densities(density) if density is not None else None
    given = None if passes is None else read_passes(passes)
    rows: list[Row] = []
    runs: list[LayerRun] = []
    every: list[Network] = []
    summaries = {}
    left_out: list[str] = []
    for device in devices:
        loaded = load_each(
            networks, pass_, batch=batch, input=input, bits=bits, psum_bits=psum_bits,
            word_bits=device.word_bits,
        )  # fmt: skip
        for file in (densities, given):
            if file is not None:
                file.check_names(node.name for network in loaded for node in network.layers)
        chosen = Choices(device, objective, residents, densities, given, known)
        each = {}
        for network in loaded:
            try:
                own = [chosen.of(node) for node in chosen_layers(network, layer)]
            except TooLittleSram as error:
                left_out.append(f"{network.name}: {error}")
                if leave_out:
                    continue
                raise
            nodes = zip(chosen_layers(network, layer), own, strict=True)
            table = [_row(network, node, found, device) for node, found in nodes]
            each[network.name] = _summary(table, device)
            rows += table
            runs += own
        one_each = len(loaded) == 1 and each
        summaries[device.name] = next(iter(each.values())) if one_each else {"networks": each}
        every += [network for network in loaded if network.name in each]
    if not every:
        raise TooLittleSram("; ".join(left_out))
    return RunResult(
        meta=_meta(tuple(every), devices, objective, densities) | {"left_out": left_out},
        table=tuple(rows),
        summary=summaries[devices[0].name] if len(devices) == 1 else {"accelerators": summaries},
        networks=tuple(every),
        accelerators=devices,
        runs=tuple(runs),
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


def _row(network: Network, node: Node, found: LayerRun, device: Accelerator) -> Row:
    """What a row says of a layer."""
    layer, choice = found.layer, found.choice
    schedule, least = choice.schedule, operand_bytes(layer.words, layer.widths)
    read, written = found.dram_bytes
    energy = layer_energy_pj(found, device)
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
        "energy_pj": "" if energy is None else round(energy, 1),
        **{f"{name}_words": words for name, words in zip(names, choice.traffic, strict=True)},
        "order": schedule.order_text if schedule else "",
        "passes": str(choice.passes or ""),
        "tiles": choice.tiles,
        "blocks": choice.blocks,
        "compulsory_bytes": least,
        "accelerator": device.name,
        "dram_burst_bytes": found.dram_burst_bytes,
        "dram_efficiency_x": found.dram_efficiency_x,
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
    cycles, bursts = total("total_cycles"), total("dram_burst_bytes")
    streamed = sum(int(row["dram_burst_bytes"]) / float(row["dram_efficiency_x"]) for row in rows)
    cycles, table = total("total_cycles"), device.energy
    area = table.sram_mm2(device.sram_total_bytes) if table else None
    return {
        "sram_bytes": largest["sram_bytes"],
        "largest_layer": largest["layer"],
        "pe_local_bytes": device.local_total_bytes,
        "on_chip_bytes": device.sram_total_bytes + device.local_total_bytes,
        "dram_read_bytes": read,
        "dram_write_bytes": written,
        "dram_x": round((read + written) / least, 6) if least else 1.0,
        "compulsory_bytes": least,
        "dram_burst_bytes": bursts,
        "dram_efficiency_x": round(bursts / streamed, 6) if streamed else 1.0,
        "macs": total("macs"),
        **_times(
            total("macs"), read + written, total("compute_cycles"), total("dram_cycles"), cycles,
            device,
        ),
        "seconds": cycles / device.clock_hz,
        "energy_pj": round(sum(float(row["energy_pj"]) for row in rows), 1) if table else "",
        "sram_mm2": round(area, 4) if area else "",
        "slowest_layer": slowest["layer"],
    }  # fmt: skip


def _meta(
    networks: tuple[Network, ...],
    devices: tuple[Accelerator, ...],
    objective: str,
    densities: Densities | None,
) -> dict[str, Any]:
    buffering = " and ".join(sorted({device.buffering for device in devices}))
    found = result_meta("run", networks, cast(Buffering, buffering))
    found["inputs"] |= {device.path: device.sha256 for device in devices}
    if densities:
        found["inputs"] |= {densities.document.path: densities.document.sha256}
    about = {
        device.name: {
            "pes": device.pe.pes,
            "clock_hz": device.clock_hz,
            "sram_bytes": device.sram_total_bytes,
            "peak_bytes_per_s": device.dram.peak_bytes_per_s if device.dram else 0,
            "latency_cycles": device.latency_cycles,
            "dram": dram_text(device),
            "buffering": device.buffering,
        }
        for device in devices
    }
    given = densities.document.path if densities else ""
    return found | {"objective": objective, "densities": given, "accelerators": about}
