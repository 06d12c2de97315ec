"""Pictures of results, in one house style: colour-blind safe, readable at a column's width."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.report.files import write_whole
from accelsim.results import Result, Row
from accelsim.simulate import MinSram, with_families
from accelsim.spec import InputError
from accelsim.units import format_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 12
ENDINGS = (".png", ".svg", ".pdf")
# Okabe and Ito's palette, which all eyes tell apart
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#808080"
COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, "#CC79A7")
FAMILIES = {"weights": (BLUE, "s"), "inputs": (ORANGE, "^"), "outputs": (GREEN, "o")}
STYLE: Any = {
    "font.family": "sans-serif", "font.size": 8, "axes.titlesize": 9, "axes.labelsize": 8,
    "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "ytick.minor.width": 0.4,
    "savefig.dpi": 200, "svg.fonttype": "none", "svg.hashsalt": "accelsim", "pdf.fonttype": 42,
}  # fmt: skip


def plot(
    result: Result, *, width_inches: float = 7.0, panels: bool = False, kind: str | None = None
) -> Figure:
    """Return the picture of what min-sram, frontier, run, train or sweep found; else InputError.

    Several networks' frontiers are overlaid; `panels` gives each layer of a frontier or a sweep of
    one network its own. `kind` is which picture of a sweep.
    """
    of_frontier = result.meta.get("command") == "frontier"
    if of_frontier and "networks" in result.summary and not panels and kind is None:
        return plot_several([result], width_inches=width_inches)  # no row is made
    if "sram_capacity_bytes" in result.columns:
        from accelsim.report.sweep_plots import plot_sweep

        return plot_sweep(result, width_inches=width_inches, kind=kind, panels=panels)
    if kind is not None:
        raise InputError(f"only a sweep has several pictures; leave out {kind}")
    if panels:
        from accelsim.report.staircase_plots import plot_layers

        return plot_layers(result, width_inches=width_inches)
    if "transient_bytes" in result.columns:
        from accelsim.report.train_plots import plot_train

        return plot_train(result, width_inches=width_inches)
    if "stall_cycles" in result.columns:
        from accelsim.report.run_plots import plot_run

        return plot_run(result, width_inches=width_inches)
    if "sram_bytes" in result.columns and "dram_bytes" in result.columns:
        from accelsim.report.frontier_plots import plot_frontier

        return plot_frontier(result, width_inches=width_inches)
    return plot_min_sram(result, width_inches=width_inches)


def plot_several(results: Sequence[Result], *, width_inches: float = 7.0) -> Figure:
    """Return the staircases of the networks of all these results of `frontier`, normalised.

    Raises InputError for results of other commands.
    """
    from accelsim.report.staircase_plots import plot_networks

    networks: dict[str, Any] = {}
    for result in results:
        own = result.summary.get("networks")
        if own is None and result.table and "network" in result.columns:
            own = {str(result.table[0]["network"]): result.summary}
        networks |= own or {}
    return plot_networks(networks, width_inches=width_inches)


def plot_min_sram(result: Result, *, width_inches: float = 7.0) -> Figure:
    """Return the least SRAM of every layer, in order, on a log axis: a panel per network.

    Markers are the families (weights, inputs or outputs resident), a line is the least of them,
    a faint step the proven bound, a dashed line the network's need. A result read from a file that
    lacks the families' columns shows the least alone. More than 12 networks are a line each, with
    a dot for each layer. Raises InputError for a result of another command.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if len({row["network"] for row in result.table if "network" in row}) > MAX_PANELS:
        from accelsim.report.network_plots import plot_networks_min_sram

        return plot_networks_min_sram(_by_network(result), width_inches=width_inches)
    if isinstance(result, MinSram) and "min_sram_weights_resident_bytes" not in result.columns:
        result = with_families(result)
    networks = _by_network(result)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 2.6 * len(networks) + 0.5), layout="constrained")
        panels = figure.subplots(len(networks), 1, squeeze=False)[:, 0]
        for axes, (name, rows) in zip(panels, networks.items(), strict=True):
            _draw(axes, name, rows, width_inches)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper center", ncols=5 if width_inches > 5 else 3
        )
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF by the path's ending, whole or not at all."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        raise InputError(f"{path}: a picture ends in {', '.join(ENDINGS)}; name it so")
    import matplotlib as mpl

    # no date inside: the same result gives the same file
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    drawn = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(drawn, format=ending[1:], metadata=dates.get(ending))
    write_whole(path, drawn.getvalue())


def _by_network(result: Result) -> dict[str, list[Row]]:
    needed = ("network", "layer", "resident", "min_sram_bytes", "bound_bytes")
    missing = [name for name in needed if name not in result.columns]
    if missing:
        raise InputError(
            f"no column {missing[0]}; only results of min-sram, frontier and run have pictures"
        )
    networks: dict[str, list[Row]] = {}
    for row in result.table:
        networks.setdefault(str(row["network"]), []).append(row)
    return networks


def _draw(axes: Axes, name: str, every: Sequence[Row], width_inches: float) -> None:
    """One network's panel; layers without weights stay out unless one of them decides."""
    limiting = max(every, key=lambda row: int(row["min_sram_bytes"]))
    rows = [row for row in every if row["resident"] != "none"]
    if limiting not in rows:
        rows = list(every)
    edges = [at - 0.5 for at in range(len(rows) + 1)]
    least, bound = _kib(rows, "min_sram_bytes"), _kib(rows, "bound_bytes")
    size = max(1.5, min(4.5, 18 * width_inches / len(rows)))
    axes.stairs(bound, edges, baseline=0, fill=True, color=GREY, alpha=0.22, label="proven bound")
    for beside, (family, (colour, marker)) in zip((-0.22, 0, 0.22), FAMILIES.items(), strict=True):
        column = f"min_sram_{family}_resident_bytes"
        if column in rows[0]:
            place = [at + beside for at in range(len(rows))]
            axes.plot(
                place, _kib(rows, column), marker, color=colour, ms=size, mew=0,
                label=f"{family} resident",
            )  # fmt: skip
    axes.stairs(least, edges, baseline=None, color=BLACK, lw=1.2, label="least of all", zorder=3)
    _show_need(axes, rows, limiting)
    _name_layers(axes, rows, limiting, width_inches)
    axes.set_yscale("log")
    axes.set_ylim(bottom=min(value for value in (*bound, *least) if value > 0) / 1.6)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(
        "layers, in order" if len(rows) == len(every) else "layers with weights, in order"
    )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_ylabel("on-chip SRAM (KiB)")
    axes.set_title(name, loc="left", fontweight="bold")
    axes.grid(axis="y", color=GREY, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)


def _show_need(axes: Axes, rows: Sequence[Row], limiting: Row) -> None:
    """The network's need as a line, with its value and the layer that decides at its end."""
    need = int(limiting["min_sram_bytes"])
    axes.axhline(need / 1024, color=VERMILLION, lw=0.9, ls=(0, (5, 2)), zorder=1)
    axes.annotate(
        f"{format_bytes(need)}\n{limiting['layer']}", (1.0, need / 1024),
        xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
        va="center", fontsize=7, color=VERMILLION,
    )  # fmt: skip


def _name_layers(axes: Axes, rows: Sequence[Row], limiting: Row, width_inches: float) -> None:
    """As many names as fit below, evenly spread, the limiting layer's always among them."""
    step = -(-len(rows) * 7 // int(width_inches * 50))
    at = rows.index(limiting) % step
    axes.set_xticks(
        range(at, len(rows), step), [str(row["layer"]) for row in rows[at::step]],
        rotation=90, fontsize=6,
    )  # fmt: skip
    axes.get_xticklabels()[rows.index(limiting) // step].set_color(VERMILLION)


def _kib(rows: Sequence[Row], column: str) -> list[float]:
    return [int(row[column]) / 1024 for row in rows]
