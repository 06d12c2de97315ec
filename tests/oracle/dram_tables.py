"""The DRAM tables and how far they are from the simulator that measured some of their rows.

    python tests/oracle/dram_tables.py           # results/validation/dram.csv, .md, .png
    python tests/oracle/dram_tables.py --tables  # the rows of all device tables, too, minutes
    python tests/oracle/dram_tables.py --tables HBM2_2000_2Gb  # those of some

Measured rows are those of `tests/data/dram_bandwidth.json` with refresh, random or stream.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from pathlib import Path
from statistics import mean

import matplotlib
from matplotlib.figure import Figure

from accelsim.hardware.dram import DRAM_TABLES, MAPPINGS, DramDevice, load_dram_device
from accelsim.hardware.dram_channel import modelled_efficiency
from accelsim.report.plots import BLUE, GREEN, GREY, ORANGE, STYLE, save
from accelsim.spec import find_shipped, shipped_names

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "results" / "validation"
STREAM_BYTES = 2**16
MEASURED = json.loads((ROOT / "tests" / "data" / "dram_bandwidth.json").read_text())["rows"]


def is_given(row: dict) -> bool:
    """Whether a measured row is one of those the tables hold."""
    return row["refresh"] and not row["pattern"].startswith("stride")


def run_lengths(device: DramDevice) -> list[int]:
    """Bytes: 1, 2, 3 bursts, then four lengths an octave, up to a stream."""
    counts = {1, 2, 3, *(part << octave for part in (4, 5, 6, 7) for octave in range(16))}
    lengths = sorted(device.burst_bytes * count for count in counts)
    return [length for length in lengths if length <= STREAM_BYTES]


def measured(device: str, mapping: str) -> dict[tuple[int, float], float]:
    """Mean efficiency over the seeds of each measured run length and write share."""
    found: dict[tuple[int, float], list[float]] = {}
    for row in MEASURED:
        if is_given(row) and (row["dram"], row["mapper"]) == (device, mapping):
            found.setdefault((row["run_bytes"], row["write_frac"]), []).append(row["eff"])
    return {key: mean(each) for key, each in sorted(found.items())}


def write_table(name: str) -> None:
    """Replace the mappings of a device's file."""
    path = find_shipped(DRAM_TABLES, name)
    device = load_dram_device(name)
    lines = [path.read_text().partition("mappings:")[0] + "mappings:"]
    for mapping in MAPPINGS:
        lines += [f"  {mapping}:", "    modelled:"]
        for run in run_lengths(device):
            shares = device.write_shares
            each = (f"{modelled_efficiency(device, mapping, run, share):.4f}" for share in shares)
            lines.append(f"      - [{run}, {', '.join(each)}]")
        seen = measured(name, mapping)
        lines += ["    measured:"] if seen else []
        for (run, share), efficiency in seen.items():
            lines.append(f"      - [{run}, {share}, {efficiency:.4f}]")
    path.write_text("\n".join(lines) + "\n")


def rows() -> list[dict]:
    """Each measured row beside the model and, where it is in the table, the table."""
    found = []
    for row in MEASURED:
        device = load_dram_device(row["dram"])
        stride = int(row["pattern"].removeprefix("stride")) if "stride" in row["pattern"] else 0
        model = modelled_efficiency(
            device, row["mapper"], row["run_bytes"], row["write_frac"],
            stride_bytes=stride, refresh=row["refresh"], seed=row["seed"],
        )  # fmt: skip
        table = device.efficiency(row["mapper"], row["run_bytes"], row["write_frac"])
        found.append({
            "device": row["dram"], "mapping": row["mapper"], "pattern": row["pattern"],
            "run_bytes": row["run_bytes"], "write_share": row["write_frac"],
            "refresh": "yes" if row["refresh"] else "no", "measured_x": row["eff"],
            "modelled_x": round(model, 4),
            "error_points": round(100 * (model - row["eff"]), 2),
            "table_x": round(table, 4) if is_given(row) else "",
        })  # fmt: skip
    return sorted(
        found,
        key=lambda row: (
            row["device"],
            row["mapping"],
            row["pattern"],
            row["refresh"],
            row["write_share"],
            row["run_bytes"],
        ),
    )


def groups(table: list[dict]) -> dict[str, list[dict]]:
    """Rows by the question they answer."""
    refreshed = [row for row in table if row["refresh"] == "yes"]
    runs = [row for row in refreshed if "stride" not in row["pattern"]]
    return {
        "random or stream, reads only": [row for row in runs if row["write_share"] == 0],
        "random or stream, some written": [row for row in runs if row["write_share"] > 0],
        "strided": [row for row in refreshed if "stride" in row["pattern"]],
        "without refresh": [row for row in table if row["refresh"] == "no"],
    }


def report(table: list[dict]) -> str:
    """The errors by device and kind of row, for reading."""
    lines = [
        "# DRAM model against a cycle-accurate simulator", "",
        "![Efficiency over the run length, and modelled against measured](dram.png)", "",
        "Points of efficiency, modelled less measured (Ramulator 2.1, see `tests/data`). No number",
        "of the model is fitted to these rows, so each run length is one left out: timings are the",
        "standards', the queues that tool's defaults. Two facts on how was measured were read off",
        "the rows: rows of HBM2 hold 32 bursts (row hits tell), and a run is read or written as a",
        "whole (streams lose nothing by being half written). The tables that `run` reads hold the",
        "measured value where there is one.", "",
        "| rows | device | number | mean error | largest |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, chosen in groups(table).items():
        for device in sorted({row["device"] for row in chosen}):
            errors = [abs(row["error_points"]) for row in chosen if row["device"] == device]
            lines.append(
                f"| {name} | {device} | {len(errors)} | {mean(errors):.2f} | {max(errors):.2f} |"
            )
    lines += [
        "",
        *interpolation(table),
        "",
        "Made by `python tests/oracle/dram_tables.py`; each row is in `dram.csv`.",
    ]
    return "\n".join(lines) + "\n"


def interpolation(table: list[dict]) -> list[str]:
    """What leaving out a run length costs without a model: a line between measured neighbours."""
    reads = groups(table)["random or stream, reads only"]
    model, smooth = [], []
    for device, mapping in sorted({(row["device"], row["mapping"]) for row in reads}):
        own = measured(device, mapping).items()
        known = [(run, each) for (run, share), each in own if not share]
        between = zip(known, known[1:], known[2:], strict=False)
        for (low, first), (run, each), (high, last) in between:
            part = math.log(run / low) / math.log(high / low)
            smooth.append(abs(100 * (first + part * (last - first) - each)))
            place = device, mapping, run
            model += [
                abs(row["error_points"]) for row in reads
                if (row["device"], row["mapping"], row["run_bytes"]) == place
            ]  # fmt: skip
    return [
        f"On the {len(smooth)} run lengths between two others the model errs by {mean(model):.2f}",
        f"points in the mean, a line between the measured neighbours by {mean(smooth):.2f}.",
    ]


def picture(table: list[dict]) -> Figure:
    """Efficiency over the run length, one device: model and measurement by mapping."""
    device = "DDR4_2400R_8Gb_x8"
    reads = groups(table)["random or stream, reads only"]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
        colours = dict(zip(MAPPINGS, (BLUE, ORANGE, GREEN), strict=True))
        for mapping, colour in colours.items():
            runs, _ = load_dram_device(device).tables[mapping]
            model = [load_dram_device(device).efficiency(mapping, run) for run in runs]
            left.plot(runs, model, color=colour, linewidth=1, label=mapping)
            own = [row for row in reads if (row["device"], row["mapping"]) == (device, mapping)]
            left.plot(
                [row["run_bytes"] for row in own], [row["measured_x"] for row in own], "o",
                color=colour, markersize=3,
            )  # fmt: skip
            every = [row for row in reads if row["mapping"] == mapping]
            right.plot(
                [row["measured_x"] for row in every], [row["modelled_x"] for row in every], "o",
                color=colour, markersize=3,
            )  # fmt: skip
        left.set_xscale("log", base=2)
        left.set(title=f"{device}: table and measured points", xlabel="contiguous run, bytes")
        left.set(ylabel="share of the peak", ylim=(0, 1))
        left.legend()
        right.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
        right.set(title="reads, three devices", xlabel="measured", ylabel="modelled")
    return figure


def main() -> None:
    """Write the tables, if asked, and the validation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*", help="make these devices' rows again; none: all")
    given = parser.parse_args().tables
    if given is not None:
        for name in given or shipped_names(DRAM_TABLES):
            write_table(name)
        load_dram_device.cache_clear()
    table = rows()
    with (FOLDER / "dram.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    (FOLDER / "dram.md").write_text(report(table))
    save(picture(table), FOLDER / "dram.png")


if __name__ == "__main__":
    main()
