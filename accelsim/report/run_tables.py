"""Tables of `run`: every layer of one network on one accelerator, or a line for each pair."""

from __future__ import annotations

from accelsim.hardware.accelerator import dram_text
from accelsim.hardware.compression import compression_text
from accelsim.report.tables import Column, column_text, kib_text, show_cell, widths_text
from accelsim.results import Row
from accelsim.runs import RunResult
from accelsim.stall_free import StallFree
from accelsim.units import format_bytes, format_count


def run_text(result: RunResult, terminal_columns: int | None = None) -> str:
    """Return the table of `run` with the answer and its assumptions below.

    A row per layer of one network on one accelerator, else a row per network and accelerator.
    """
    columns, rows, below, marked = _LAYER_COLUMNS, list(result.table), _answer(result), None
    if not below:
        columns, rows = _PAIR_COLUMNS, summaries(result)
    elif rows:
        marked = [row["layer"] for row in rows].index(result.summary["slowest_layer"])
    return column_text(columns, rows, marked, [*below, run_assumptions(result)], terminal_columns)


def summaries(result: RunResult) -> list[Row]:
    """A row per accelerator and network with what its layers come to."""
    each = result.summary.get("accelerators", {result.accelerators[0].name: result.summary})
    return [
        {"accelerator": device, "network": network, **found}
        for device, of_device in each.items()
        for network, found in of_device.get("networks", {_only(result): of_device}).items()
    ]


def stall_free_text(result: StallFree, terminal_columns: int | None = None) -> str:
    """Return the table of `min-sram -a` with the answer below."""
    device, rows = result.accelerator, list(result.table)
    assert device is not None
    if not rows:
        return "No layer has MACs.\n"
    several = len(result.networks) > 1
    columns = [("network", show_cell("network"))] * several + _STALL_COLUMNS
    below = []
    alone = {result.networks[0].name: result.summary}
    for name, found in result.summary.get("networks", alone).items():
        if found["stalling_layers"]:
            count = len(found["stalling_layers"])
            below.append(
                f"{name} stalls on {device.name} with any SRAM: bandwidth bounds {count} of its "
                f"layers; "
                f"{format_bytes(found['once_only_sram_bytes'])} move every word once."
            )
        else:
            below.append(
                f"{name} never stalls on {device.name} after each layer's first fill with "
                f"{_size(found['stall_free_sram_bytes'])}; {found['limiting_layer']} decides."
            )
    if device.dram:
        rate = device.dram.peak_bytes_per_s / 1e9
        dram = f"DRAM of {rate:g} GB/s and {device.latency_cycles} cycles of latency"
    else:
        dram = "unlimited DRAM"
    below.append(
        f"Layers with MACs, buffering {device.buffering}, {dram}; groups one after "
        "another, each with its first fill."
    )
    return column_text(columns, rows, None, below, terminal_columns)


def _size(count: int) -> str:
    return f"{format_bytes(count)} ({count:,} bytes)"


def _only(result: RunResult) -> str:
    return result.networks[0].name


def run_assumptions(result: RunResult) -> str:
    """One line: buffering, widths, what DRAM is taken to be."""
    devices = result.accelerators
    layers = {each.layer for each in result.runs}
    widths = widths_text(
        {layer.widths for layer in layers if layer.macs} or {layer.widths for layer in layers},
        result.networks,
    )
    parts = [f"buffering {result.meta['buffering']}", widths]
    drams: dict[str, list[str]] = {}
    for device in devices:
        drams.setdefault(dram_text(device), []).append(device.name)
    parts += (
        drams
        if len(drams) == 1
        else [f"{' and '.join(names)}: {text}" for text, names in drams.items()]
    )
    codes = {
        compression_text(device.compression, bool(result.meta["densities"])) for device in devices
    }
    parts += sorted(codes - {""})
    if any(device.energy is None for device in devices):
        parts.append("no energy where no table is given")
    return f"Counted with convention exact, {', '.join(parts)}."


def _answer(result: RunResult) -> list[str]:
    """What one network on one accelerator comes to."""
    found = result.summary
    if "total_cycles" not in found:
        return []
    device, seconds = result.accelerators[0], found["seconds"]
    moved = found["dram_read_bytes"] + found["dram_write_bytes"]
    speed = f"{_si(seconds, 's')} at {format_count(device.clock_hz)}Hz"
    lines = [
        f"{_only(result)} takes {found['total_cycles']:,} cycles on {device.name} ({speed}); "
        f"the PEs work at {100 * found['utilization_x']:.1f} % of their peak. "
        f"{found['slowest_layer']} (<-) takes longest.",
        f"{found['stall_cycles']:,} of them stall. {moved / 1e6:,.2f} MB cross the chip edge, "
        f"{found['dram_x']:.3f} times the compulsory.",
    ]
    if device.dram:
        needed = found["needed_bandwidth_bytes_per_s"]
        lines.append(
            f"That is {found['avg_bandwidth_bytes_per_s'] / 1e9:.2f} GB/s of "
            f"{device.dram.peak_bytes_per_s / 1e9:.2f}; without stalls it would be "
            f"{needed / 1e9:.2f}."
        )
    bursts, efficiency = found["dram_burst_bytes"], found["dram_efficiency_x"]
    if bursts > moved or efficiency < 1:
        lines.append(
            f"The bursts are {bursts / 1e6:,.2f} MB, {bursts / moved:.3f} times that; while the "
            f"channel streams it reaches {100 * efficiency:.1f} % of its peak."
        )
    size = format_bytes(int(found["sram_bytes"]))
    has = format_bytes(device.sram_total_bytes)
    if found["energy_pj"] != "":
        area = f"; its SRAM covers {found['sram_mm2']:.3g} mm2" if found["sram_mm2"] else ""
        each = float(found["energy_pj"]) / found["macs"] if found["macs"] else 0
        lines.append(
            f"It costs {float(found['energy_pj']) / 1e9:,.3f} mJ, {each:.2f} pJ a MAC, by "
            f"{device.name}'s energy table{area}."
        )
    local = found["pe_local_bytes"]
    beside = f"; the PEs hold {format_bytes(local)} beside it" if local else ""
    lines.append(f"SRAM holds at most {size} of {has} ({found['largest_layer']}){beside}.")
    return lines


def _si(value: float, unit: str) -> str:
    for name, scale in (("", 1.0), ("m", 1e-3), ("u", 1e-6)):
        if value >= scale:
            return f"{value / scale:.4g} {name}{unit}"
    return f"{value / 1e-9:.4g} n{unit}"


def _rate(name: str) -> Column:
    label = {"avg": "GB/s", "needed": "needed"}[name]
    column = f"{name}_bandwidth_bytes_per_s"
    return label, lambda row: f"{int(row[column]) / 1e9:,.2f}"


_TIMES: list[Column] = [
    ("cycles", show_cell("total_cycles")),
    ("stall", show_cell("stall_cycles")),
    ("PEs", lambda row: f"{100 * float(row['utilization_x']):.1f}%"),
    (
        "MB",
        lambda row: f"{(int(row['dram_read_bytes']) + int(row['dram_write_bytes'])) / 1e6:,.2f}",
    ),
    ("times", lambda row: f"{float(row['dram_x']):.2f}x"),
    _rate("avg"),
    _rate("needed"),
    ("KiB", kib_text("sram_bytes")),
]
_LAYER_COLUMNS: list[Column] = [
    ("layer", show_cell("layer")),
    ("op", show_cell("op")),
    *_TIMES,
    ("stays", show_cell("resident")),
    ("tiles", show_cell("tile")),
    ("block", show_cell("block")),
]
_NEED, _LEAST_RATE = "stall_free_sram_bytes", "least_bandwidth_bytes_per_s"
_STALL_COLUMNS: list[Column] = [
    ("layer", show_cell("layer")),
    ("op", show_cell("op")),
    ("once KiB", kib_text("once_only_sram_bytes")),
    ("KiB", lambda row: kib_text(_NEED)(row) if row[_NEED] else "none"),
    ("cycles", show_cell("total_cycles")),
    _rate("needed"),
    ("stays", show_cell("resident")),
    ("block", show_cell("block")),
    ("bound", lambda row: "" if row[_NEED] else f"{int(row[_LEAST_RATE]) / 1e9:.4g} GB/s would do"),
]
_PAIR_COLUMNS: list[Column] = [
    ("accelerator", show_cell("accelerator")),
    ("network", show_cell("network")),
    ("ms", lambda row: f"{1000 * float(row['seconds']):,.3f}"),
    *_TIMES,
    ("slowest layer", show_cell("slowest_layer")),
]
