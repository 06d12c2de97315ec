"""Pictures of `run`: roofline, cycles and bandwidth of each layer; a Gantt chart of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from accelsim.report.plots import BLACK, BLUE, GREEN, GREY, ORANGE, SKY, STYLE, VERMILLION
from accelsim.results import Result, Row
from accelsim.spec import InputError
from accelsim.units import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SPOTS = [
    (dx * step, dy * step)
    for step in (1.0, 1.4, 2.0, 2.8, 3.6, 4.4, 5.5, 7.0, 9.0, 11.0)
    for dx, dy in (
        (0, 1),
        (1, 0),
        (0, -1),
        (-1, 0),
        (0.8, 0.8),
        (0.8, -0.8),
        (-0.8, 0.8),
        (-0.8, -0.8),
    )
]
"""Where a label may stand, in units of its distance from the dot, the nearest first."""


def plot_run(result: Result, *, width_inches: float = 7.0) -> Figure:
    """Return roofline, stacked cycles and bandwidth of the layers of one network.

    Layers are numbered in order; those at one point of the roofline share a dot. Raises InputError
    for several networks or accelerators, and for a CSV, which does not know the device.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    devices = result.meta.get("accelerators", {})
    if len(devices) != 1 or len({row["network"] for row in result.table}) != 1:
        raise InputError(
            "a picture of `run` is of one network on one accelerator; save JSON of that"
        )
    ((name, device),) = devices.items()
    rows = list(result.table)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 8.2), layout="constrained")
        roof, cycles, rates = figure.subplots(3, 1, height_ratios=(1.5, 1, 1))
        roof.set_title(f"{rows[0]['network']} on {name}", loc="left", fontweight="bold")
        _cycles(cycles, rows, int(device["clock_hz"]))
        _bandwidth(rates, rows, device)
        _name_layers(cycles, rates, rows, width_inches)
        _roofline(roof, rows, device)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # labels are placed where the axes are now
        _label_dots(roof, rows, device)
    return figure


def _roofline(axes: Axes, rows: Sequence[Row], device: Mapping[str, Any]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    points = list(_dots(rows, device))
    if not points:
        raise InputError("no layer has MACs; there is no roofline to draw")
    peak, rate = device["pes"] * device["clock_hz"], device["peak_bytes_per_s"]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    ridge = peak / rate if rate else min(xs)
    low, high = min(*xs, ridge) / 2, max(*xs, ridge) * 2
    roof_x = [low, ridge, high] if rate else [low, high]
    roof_y = [min(peak, x * rate) if rate else peak for x in roof_x]
    axes.plot(roof_x, roof_y, color=BLACK, lw=1.2)
    axes.plot(xs, ys, "o", color=BLUE, ms=4, mew=0, alpha=0.85)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(ys) < 50 * min(ys) else (1,)))
    axes.yaxis.set_major_formatter(lambda value, _: _si(value).strip())
    axes.xaxis.set_major_formatter(lambda value, _: _plain(value))
    for axis in (axes.yaxis, axes.xaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.set_ylim(min(ys) / 2, peak * 2)
    axes.set_xlabel("operational intensity (MACs per byte across the chip edge)")
    axes.set_ylabel("MACs per second")
    text = f"{device['pes']:,} PEs, {_si(peak)}MAC/s"
    axes.set_title(f"{text}, {rate / 1e9:g} GB/s" if rate else text, loc="right", fontsize=7)
    axes.grid(color=GREY, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)


def _dots(rows: Sequence[Row], device: Mapping[str, Any]) -> dict[tuple[float, float], list[int]]:
    """Layers with MACs by their place: intensity, MACs per second; numbers from 1 on."""
    found: dict[tuple[float, float], list[int]] = {}
    for number, row in enumerate(rows, 1):
        if row["macs"]:
            moved = int(row["dram_read_bytes"]) + int(row["dram_write_bytes"])
            speed = int(row["macs"]) * device["clock_hz"] / int(row["total_cycles"])
            place = float(f"{int(row['macs']) / moved:.3g}"), float(f"{speed:.3g}")
            found.setdefault(place, []).append(number)
    return found


def _label_dots(axes: Axes, rows: Sequence[Row], device: Mapping[str, Any]) -> None:
    """Each dot's numbers beside it, where no other label or dot is."""
    dots = _dots(rows, device)
    pixels_per_point = axes.figure.dpi / 72
    to_points = [axes.transData.transform(place) / pixels_per_point for place in dots]
    roof = axes.transData.transform(_along(axes.lines[0].get_xydata())) / pixels_per_point
    taken = [
        (x - r, y - r, x + r, y + r) for r, at in ((2.5, to_points), (0.8, roof)) for x, y in at
    ]
    for (x, y), (place, numbers) in zip(to_points, dots.items(), strict=True):
        text = _ranges(numbers)
        half_width, half_height = 1.95 * len(text) + 1.2, 4.2
        boxes = []
        for dx, dy in _SPOTS:
            middle = x + dx * (half_width + 3.5), y + dy * (half_height + 3.5)
            boxes.append(
                (
                    middle[0] - half_width, middle[1] - half_height,
                    middle[0] + half_width, middle[1] + half_height,
                )
            )  # fmt: skip
        box = min(boxes, key=lambda own: sum(_overlap(own, other) for other in taken))
        taken.append(box)
        offset = (box[0] + box[2]) / 2 - x, (box[1] + box[3]) / 2 - y
        far = abs(offset[0]) > half_width + 6 or abs(offset[1]) > half_height + 6
        axes.annotate(
            text, place, xytext=offset, textcoords="offset points", ha="center", va="center",
            fontsize=6, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.4, "shrinkB": 1} if far else None,
        )  # fmt: skip


def _along(corners: Any) -> list[tuple[float, float]]:
    """Points close together on the roof, whose axes are both logarithmic."""
    points = []
    for (x, y), (to_x, to_y) in pairwise(corners):
        shares = [at / 150 for at in range(151)]
        points += [(x * (to_x / x) ** share, y * (to_y / y) ** share) for share in shares]
    return points


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Area that two boxes (left, bottom, right, top) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    return max(width, 0) * max(min(one[3], other[3]) - max(one[1], other[1]), 0)


def _ranges(numbers: Sequence[int]) -> str:
    """`3-6, 8`; of many the first two and how many more."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    if len(texts) > 4:
        rest = len(numbers) - sum(map(len, runs[:2]))
        return f"{', '.join(texts[:2])} and {rest} more"
    return ", ".join(texts)


def _cycles(axes: Axes, rows: Sequence[Row], clock_hz: int) -> None:
    """Cycles of each layer: the array at work, and stalls on top."""
    places = range(1, len(rows) + 1)
    compute = [int(row["compute_cycles"]) / 1000 for row in rows]
    stall = [int(row["stall_cycles"]) / 1000 for row in rows]
    axes.bar(places, compute, 0.8, color=BLUE, label="compute")
    axes.bar(places, stall, 0.8, bottom=compute, color=VERMILLION, label="stall")
    axes.set_ylabel(f"thousand cycles (at {format_count(clock_hz)}Hz)")
    axes.yaxis.set_major_formatter(lambda value, _: _plain(value))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    axes.grid(axis="y", color=GREY, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)


def _bandwidth(axes: Axes, rows: Sequence[Row], device: Mapping[str, Any]) -> None:
    """GB/s of each layer: on average, and without stalls; the device's peak as a line."""
    from matplotlib.ticker import LogLocator, NullFormatter

    places = list(range(1, len(rows) + 1))
    average = [int(row["avg_bandwidth_bytes_per_s"]) / 1e9 for row in rows]
    needed = [int(row["needed_bandwidth_bytes_per_s"]) / 1e9 for row in rows]
    axes.vlines(places, average, needed, color=GREY, lw=0.6)
    axes.plot(places, needed, "^", color=ORANGE, ms=4, mew=0, label="needed, not to stall")
    axes.plot(places, average, "o", color=BLUE, ms=3.2, mew=0, label="average")
    peak = device["peak_bytes_per_s"]
    if peak:
        axes.axhline(peak / 1e9, color=VERMILLION, lw=0.9, ls=(0, (5, 2)), zorder=1)
        axes.annotate(
            f"{peak / 1e9:g}\nGB/s", (1.0, peak / 1e9), xycoords=("axes fraction", "data"),
            xytext=(3, 0), textcoords="offset points", va="center", fontsize=7, color=VERMILLION,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: _plain(value))
    axes.set_ylabel("off-chip bandwidth (GB/s)")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    axes.grid(axis="y", color=GREY, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)


def _name_layers(above: Axes, below: Axes, rows: Sequence[Row], width_inches: float) -> None:
    """Numbers and names of as many layers as fit, evenly spread."""
    step = -(-len(rows) * 8 // int(width_inches * 60))
    places = range(1, len(rows) + 1, step)
    above.set_xticks(places, [str(place) for place in places], rotation=90, fontsize=5.5)
    names = [f"{row['layer']}  {place}" for place, row in zip(places, rows[::step], strict=True)]
    below.set_xticks(places, names, rotation=90, fontsize=5.5)
    for axes in (above, below):
        axes.set_xlim(0.3, len(rows) + 0.7)
    below.set_xlabel("layers, in order")


def plot_trace(result: Result, *, width_inches: float = 7.0) -> Figure:
    """Return when the blocks of a trace are loaded, computed and stored, a lane each.

    Shades alternate from block to block; a thin line is where a layer begins.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = result.table
    if not rows:
        raise InputError("the trace has no blocks; there is nothing to draw")
    begin = min(int(row["load_start_cycles"]) for row in rows)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 1.9), layout="constrained")
        axes = figure.subplots()
        lanes = (("load", SKY), ("compute", BLUE), ("store", GREEN))
        for lane, (kind, colour) in enumerate(lanes):
            for at, row in enumerate(rows):
                start, end = (int(row[f"{kind}_{edge}_cycles"]) for edge in ("start", "end"))
                if end > start:
                    axes.barh(
                        -lane, end - start, 0.72, start - begin, color=colour,
                        alpha=1.0 if at % 2 else 0.6, lw=0,
                    )  # fmt: skip
        for before, row in zip([None, *rows], rows, strict=False):
            if before is None or before["layer"] != row["layer"]:
                axes.axvline(int(row["load_start_cycles"]) - begin, color=GREY, lw=0.5, zorder=0)
        axes.set_xlim(0, max(int(row["store_end_cycles"]) for row in rows) - begin)
        axes.set_ylim(-2.5, 0.5)
        axes.set_yticks([0, -1, -2], [kind for kind, _ in lanes])
        axes.xaxis.set_major_formatter(lambda value, _: _plain(value))
        axes.set_xlabel("cycles")
        layers = list(dict.fromkeys(str(row["layer"]) for row in rows))
        what = layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"
        axes.set_title(
            f"{rows[0]['network']} {what} on {rows[0]['accelerator']}, "
            f"{len(rows)} block{'s' if len(rows) > 1 else ''}",
            loc="left", fontweight="bold",
        )  # fmt: skip
    return figure


def _plain(value: float) -> str:
    return f"{value:,g}"


def _si(value: float) -> str:
    for name, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= scale:
            return f"{value / scale:.4g} {name}"
    return f"{value:.4g} "
