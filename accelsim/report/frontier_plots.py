"""Pictures of frontiers: traffic against SRAM, both logarithmic, down to the compulsory floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accelsim.report.plots import (
    BLACK,
    COLOURS,
    GREY,
    STYLE,
    VERMILLION,
)
from accelsim.results import Result, Row
from accelsim.spec import InputError
from accelsim.units import format_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NAMED = 6
"""Layers that a legend names; of more, each is a thin line and the largest needs are named."""
_NEEDED = (
    "network", "layer", "sram_bytes", "dram_bytes", "pin_gain_x", "pin_sram_bytes",
    "compulsory_bytes",
)  # fmt: skip


def plot_frontier(result: Result, *, width_inches: float = 7.0) -> Figure:
    """Return the least traffic against SRAM of a saved or fresh frontier.

    One layer is a black line; up to six are coloured; of a whole network each layer is a thin line
    and the network bold, where the summary holds its staircase. The proven bound is dashed. A line
    slopes where further words are pinned; the floor is compulsory traffic, a dot marks where it is
    reached. Raises InputError.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    missing = [name for name in _NEEDED if name not in result.columns]
    if missing:
        raise InputError(f"no column {missing[0]}; only results of frontier have this picture")
    layers: dict[str, list[Row]] = {}
    for row in result.table:
        layers.setdefault(str(row["layer"]), []).append(row)
    if max(map(len, layers.values())) < 2:
        raise InputError("a row a layer makes no line; leave out --sram")
    drawn = {name: rows for name, rows in layers.items() if len(rows) > 1}
    stairs = result.summary.get("staircase") if len(layers) > 1 else None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 0.5 * width_inches + 0.3), layout="constrained")
        axes = figure.subplots()
        _draw_layers(axes, drawn, bold=not stairs)
        name = str(result.table[0]["network"])
        if stairs:
            _draw_network(axes, name, stairs, result)
        elif len(drawn) == 1:
            (rows,) = drawn.values()
            if "bound_bytes" in rows[0]:
                _draw_bound(axes, [(int(r["sram_bytes"]), int(r["bound_bytes"])) for r in rows])
            _draw_floor(axes, int(rows[-1]["compulsory_bytes"]) / 1e6, BLACK, "compulsory")
        title = f"{name} {next(iter(drawn))}" if len(layers) == 1 else name
        _dress(axes, title)
    return figure


def _draw_layers(axes: Axes, layers: dict[str, list[Row]], bold: bool) -> None:
    named = len(layers) <= MAX_NAMED
    for at, (name, rows) in enumerate(layers.items()):
        colour = BLACK if len(layers) == 1 else COLOURS[at] if named else GREY
        sizes, traffic = line(rows)
        axes.plot(
            sizes, traffic, color=colour, lw=1.4 if named and bold else 0.9 if named else 0.5,
            alpha=1 if named else 0.55, label=name if named else "_" if at else "each layer",
        )  # fmt: skip
        axes.plot(sizes[-1:], traffic[-1:], "o", color=colour, ms=4 if named else 2, mew=0)
        if len(layers) == 1:
            _mark(axes, sizes[-1], traffic[-1], f"{_size(rows)}\nevery word once", BLACK)


def _draw_network(axes: Axes, name: str, stairs: Sequence[Sequence[int]], result: Result) -> None:
    """The network's own staircase, its floor, and where it comes down to it."""
    sizes = [size / 1024 for size, _ in stairs]
    traffic = [total / 1e6 for _, total in stairs]
    axes.step(sizes, traffic, where="post", color=BLACK, lw=1.8, label=f"{name}, all layers")
    axes.plot(sizes[-1:], traffic[-1:], "o", color=BLACK, ms=5, mew=0)
    if result.summary.get("bounds"):
        _draw_bound(axes, result.summary["bounds"])
    _draw_floor(axes, int(result.summary["compulsory_bytes"]) / 1e6, BLACK, "compulsory")
    need = format_bytes(int(result.summary["min_sram_bytes"]))
    text = f"{need}\n{result.summary['limiting_layer']}"
    _mark(axes, sizes[-1], traffic[-1], text, BLACK)


def _draw_bound(axes: Axes, bounds: Sequence[Sequence[int]]) -> None:
    """What is proven that no schedules go below, at sizes and traffic in bytes."""
    sizes, traffic = [size / 1024 for size, _ in bounds], [least / 1e6 for _, least in bounds]
    axes.plot(sizes, traffic, color=VERMILLION, lw=1.0, ls=(0, (2, 1)), label="proven bound")


def _draw_floor(axes: Axes, traffic: float, colour: str, name: str) -> None:
    axes.axhline(
        traffic, color=colour, lw=0.8, ls=(0, (5, 2)), alpha=0.7, zorder=1,
        label=f"{name}, {traffic:,.2f} MB",
    )  # fmt: skip


def _mark(axes: Axes, size: float, traffic: float, text: str, colour: str) -> None:
    axes.annotate(
        text, (size, traffic), xytext=(4, 7), textcoords="offset points",
        fontsize=7, color=colour, va="bottom",
    )  # fmt: skip


def _size(rows: list[Row]) -> str:
    return format_bytes(int(rows[-1]["sram_bytes"]))


def line(rows: list[Row]) -> tuple[list[float], list[float]]:
    """KiB and MB along one layer's frontier: sloping where words are pinned, then level, then down.

    A slope is straight in the words pinned, so it is drawn through eight of its sizes: on
    logarithmic axes it bends.
    """
    sizes: list[float] = []
    traffic: list[float] = []
    for at, row in enumerate(rows):
        size, total = int(row["sram_bytes"]), int(row["dram_bytes"])
        end = int(rows[at + 1]["sram_bytes"]) if at + 1 < len(rows) else size
        most = min(int(row["pin_sram_bytes"]), end - size)
        parts = 8 if most else 0
        for part in range(parts + 1):
            pinned = most * part / max(parts, 1)
            sizes.append((size + pinned) / 1024)
            traffic.append((total - float(row["pin_gain_x"]) * pinned) / 1e6)
        if end > size:
            sizes.append(end / 1024)
            traffic.append(traffic[-1])
    return sizes, traffic


def _dress(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("on-chip SRAM (KiB)")
    axes.set_ylabel("off-chip traffic (MB)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.margins(x=0.06)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.grid(color=GREY, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right", handlelength=1.8)
