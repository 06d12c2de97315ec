"""Hold the model against the Eyeriss chip, layer by layer; writes eyeriss.csv, .md and .png here.

python results/validation/eyeriss.py
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from accelsim.choosing import LayerRun, machine_of
from accelsim.report.plots import BLUE, GREY, ORANGE, STYLE, save
from accelsim.runs import RunResult, run
from accelsim.timing.events import count_events
from accelsim.timing.row_stationary import (
    LaidOut,
    PassCycles,
    active_pes,
    buffer_bytes,
    pass_parts,
)
from accelsim.workload.layer import Conv

HERE = Path(__file__).parent
CHIP = json.loads((HERE.parents[1] / "tests" / "data" / "eyeriss_alexnet.json").read_text())
PASSES = HERE / "eyeriss_alexnet_passes.yaml"
DENSITIES = HERE / "eyeriss_alexnet_densities.yaml"


def parts_of(layer: LayerRun, found: RunResult) -> PassCycles:
    """What a whole pass of a layer takes."""
    device, choice = found.accelerators[0], layer.choice
    assert isinstance(layer.layer, Conv) and choice.passes and choice.schedule
    laid = LaidOut(device.pe, choice.passes.r, choice.passes.t)
    return pass_parts(laid, layer.layer, choice.schedule.block, device.sram_rates)


def figures(layer: LayerRun, found: RunResult) -> dict[str, Any]:
    """What the model says of a layer."""
    device, choice = found.accelerators[0], layer.choice
    assert isinstance(layer.layer, Conv) and choice.passes
    events = count_events(layer.layer, choice, machine_of(device))
    words = events.sram_read_words[1] + events.sram_read_words[2] + events.sram_write_words[2]
    inputs, psums = buffer_bytes(layer.layer, choice.passes)
    return {
        "mapping": str(choice.passes),
        "active_pes": active_pes(layer.layer, choice.passes),
        "inputs_kib": round(inputs / 1024, 1),
        "psums_kib": round(psums / 1024, 1),
        "bound": parts_of(layer, found).bound,
        "processing_ms": 1e3 * choice.compute_cycles / device.clock_hz,
        "buffer_mb": 2 * words / 1e6,
        "dram_mb": sum(layer.dram_bytes) / 1e6,
    }


def alexnet() -> list[dict[str, Any]]:
    """AlexNet with the chip's own mapping and zeros."""
    given: Any = {"passes": PASSES, "density": DENSITIES}
    found = run("alexnet_caffe", "eyeriss", batch=4, layer="conv*", **given)
    return [
        {
            "network": "AlexNet", "layer": own["layer"], **figures(layer, found),
            "chip_active_pes": own["active_PEs"],
            "chip_processing_ms": own["processing_latency_ms"],
            "chip_buffer_mb": own["global_buffer_MB"], "chip_dram_mb": own["dram_MB"],
        }
        for layer, own in zip(found.runs, CHIP["alexnet_N4"], strict=False)
    ]  # fmt: skip


def vgg16() -> list[dict[str, Any]]:
    """VGG-16 as `accelsim run vgg16 -a eyeriss --batch 3` has it, mapping and all.

    Beside it the time by the mapping of fewest cycles that the chip could run.
    """
    found = run("vgg16", "eyeriss", batch=3, layer="conv*")
    device = found.accelerators[0]
    free = replace(device, pe=device.pe.model_copy(update={"mapping": "free"}))
    fastest = run("vgg16", [free], batch=3, layer="conv*")
    return [
        {
            "network": "VGG-16", "layer": row["layer"], **figures(layer, found),
            "free_processing_ms": figures(other, fastest)["processing_ms"],
        }
        for row, layer, other in zip(found.rows(), found.runs, fastest.runs, strict=True)
    ]  # fmt: skip


def other_buses() -> list[list[Any]]:
    """AlexNet's times if the buses were others: error of each layer and of the sum.

    The constant stays; all passes of a layer wait for the same part.
    """
    found = run("alexnet_caffe", "eyeriss", batch=4, layer="conv*", passes=PASSES)
    chip = [own["processing_latency_ms"] for own in CHIP["alexnet_N4"][:-1]]
    models: dict[str, Callable[[PassCycles], int]] = {
        "as modelled: psums in and out at once, beside inputs": lambda at: 0,
        "psums in and out in turn": lambda at: 2 * at.psums,
        "inputs and psums in turn": lambda at: at.psums + at.inputs,
        "the same, inputs four words at once": lambda at: at.psums + -(-at.inputs // 4),
    }
    rows = []
    for name, bus in models.items():
        times = []
        for layer in found.runs:
            parts = parts_of(layer, found)
            waits = max(parts.work, parts.inputs, parts.psums, bus(parts)) + parts.load
            cycles = layer.choice.compute_cycles * waits / parts.whole
            times.append(1e3 * cycles / found.accelerators[0].clock_hz)
        pairs = [*zip(times, chip, strict=True), (sum(times), sum(chip))]
        rows.append([name, *(f"{100 * (ours / theirs - 1):+.1f} %" for ours, theirs in pairs)])
    return rows


def text(value: Any) -> str:
    """A cell."""
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def error(row: dict[str, Any], name: str) -> str:
    """How far the model is from the chip."""
    return f"{100 * (row[name] / row[f'chip_{name}'] - 1):+.1f} %"


def table(heads: list[str], rows: list[list[Any]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *[[text(cell) for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def total(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Sums over the layers of the model and the chip."""
    return {key: sum(row[key] for row in rows) for key in (name, f"chip_{name}")}


def report(chip: list[dict[str, Any]], predicted: list[dict[str, Any]]) -> str:
    """The page."""
    measures = ("processing_ms", "buffer_mb", "dram_mb")
    against = [
        [row["layer"], row["mapping"], f"{row['active_pes']} / {row['chip_active_pes']}",
         row["inputs_kib"], row["psums_kib"]]
        + [cell for name in measures
           for cell in (row[f"chip_{name}"], row[name], error(row, name))]
        for row in chip
    ]  # fmt: skip
    sums = [total(chip, name) for name in measures]
    last = [cell for name, own in zip(measures, sums, strict=True)
            for cell in (own[f"chip_{name}"], own[name], error(own, name))]  # fmt: skip
    against.append(["sum", "", "", "", "", *last])
    heads = ["layer", "mapping (given)", "PEs, model / chip", "inputs KiB", "psums KiB"]
    for name in ("ms", "buffer MB", "DRAM MB"):
        heads += [f"{name}, chip", "model", "error"]
    names = ("layer", "mapping", "active_pes", "bound", "processing_ms", "buffer_mb", "dram_mb",
             "free_processing_ms")  # fmt: skip
    vgg = [[row[name] for name in names] for row in predicted]
    vgg.append(["sum", "", "", "", *(sum(row[name] for row in predicted) for name in names[4:])])
    page = (HERE / "eyeriss_page.md").read_text()
    return page.format(
        alexnet=table(heads, against),
        vgg16=table(["layer", "mapping (chosen)", "PEs", "bound by", "processing ms", "buffer MB",
                     "DRAM MB, not coded", "ms, mapping: free"], vgg),
        buses=table(["buses", *(row["layer"] for row in chip), "sum"], other_buses()),
    )  # fmt: skip


def picture(chip: list[dict[str, Any]], predicted: list[dict[str, Any]]) -> Figure:
    """Milliseconds a layer: chip and model, then VGG-16 by the preset's rule and the fastest."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 2.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.8))
        sides = (
            (left, chip, "chip_processing_ms", "processing_ms", ("chip", "model")),
            (right, predicted, "processing_ms", "free_processing_ms",
             ("mapping: psums_first", "mapping: free")),
        )  # fmt: skip
        for axes, rows, first, second, labels in sides:
            for shift, name, label, colour in (
                (-0.2, first, labels[0], BLUE if axes is right else GREY),
                (0.2, second, labels[1], ORANGE if axes is right else BLUE),
            ):
                at = [place + shift for place in range(len(rows))]
                axes.bar(at, [row[name] for row in rows], 0.4, label=label, color=colour)
            axes.set_xticks(range(len(rows)), [row["layer"] for row in rows], rotation=60)
            axes.legend()
        left.set(title="AlexNet, batch 4, mapping given", ylabel="processing ms")
        right.set(title="VGG-16, batch 3, predicted: mapping chosen by rule")
    return figure


def main() -> None:
    """Write both files."""
    chip, predicted = alexnet(), vgg16()
    with open(HERE / "eyeriss.csv", "w", newline="") as file:
        columns = dict.fromkeys((*chip[0], *predicted[0]))
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        for row in (*chip, *predicted):
            writer.writerow({
                key: round(value, 3) if isinstance(value, float) else value
                for key, value in row.items()
            })  # fmt: skip
    (HERE / "eyeriss.md").write_text(report(chip, predicted))
    save(picture(chip, predicted), HERE / "eyeriss.png")


if __name__ == "__main__":
    main()
