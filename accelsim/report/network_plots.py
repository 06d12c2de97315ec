"""Pictures of many networks: each layer's least SRAM; bandwidth or traffic against SRAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from accelsim.report.plots import BLACK, FAMILIES, GREY, STYLE, VERMILLION
from accelsim.results import Row
from accelsim.units import format_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_networks_min_sram(
    networks: Mapping[str, Sequence[Row]], *, width_inches: float = 7.0
) -> Figure:
    """Return a line per network, the least need first: a dot for each layer's once-only SRAM.

    Its colour is the operand that stays; the stroke at the end is the network's need.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    needs = {
        name: max(int(row["min_sram_bytes"]) for row in rows) for name, rows in networks.items()
    }
    order = sorted(needs, key=lambda name: needs[name])
    with mpl.rc_context(STYLE):
        size = (width_inches, 0.17 * len(networks) + 0.9)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        for stays, (colour, _) in FAMILIES.items():
            dots = [
                (int(row["min_sram_bytes"]) / 1024, at)
                for at, name in enumerate(order)
                for row in networks[name]
                if row["resident"] == stays
            ]
            axes.plot(*zip(*dots, strict=True), "o", color=colour, ms=3.5, mew=0, alpha=0.5,
                      label=f"a layer, {stays} resident")  # fmt: skip
        for at, name in enumerate(order):
            axes.plot([needs[name] / 1024], [at], "|", color=BLACK, ms=9, mew=1.2)
            axes.annotate(
                format_bytes(needs[name]), (needs[name] / 1024, at), xytext=(5, 0),
                textcoords="offset points", va="center", fontsize=6,
            )  # fmt: skip
        axes.plot([], [], "|", color=BLACK, ms=7, mew=1.2, ls="", label="the network")
        axes.set_yticks(range(len(order)), order, fontsize=6.5)
        axes.set_ylim(-0.8, len(order) - 0.2)
        axes.set_xscale("log")
        axes.margins(x=0.1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.set_xlabel("least on-chip SRAM for once-only traffic (KiB)")
        axes.grid(color=GREY, alpha=0.2, lw=0.5)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper right", ncols=4 if width_inches > 5 else 2)
    return figure


def plot_networks_map(
    rows: Sequence[Row], column: str, unit: float, label: str, *, width_inches: float = 7.0
) -> Figure:
    """Return a map of a sweep's points, a line per network: a column's value at each SRAM size.

    A stroke is where every word begins to move once.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    networks = sorted({str(row["network"]) for row in rows}, reverse=True)
    sizes = sorted({int(row["sram_capacity_bytes"]) for row in rows})
    values, once = np.full((len(networks), len(sizes)), np.nan), set()
    for row in rows:
        at = networks.index(str(row["network"])), sizes.index(int(row["sram_capacity_bytes"]))
        values[at] = float(row[column]) / unit
        if int(row["dram_read_bytes"]) + int(row["dram_write_bytes"]) == row["compulsory_bytes"]:
            once.add(at)
    with mpl.rc_context(STYLE):
        size = (width_inches, 0.19 * len(networks) + 1.0)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        low, high = np.nanmin(values), np.nanmax(values)
        norm = LogNorm(low, max(high, 1.001 * low))
        shown = axes.imshow(values, origin="lower", aspect="auto", cmap="cividis_r", norm=norm)
        for (y, x), value in np.ndenumerate(values):
            if not np.isnan(value):
                axes.text(
                    x, y, f"{value:.3g}", ha="center", va="center", fontsize=5.5,
                    color="white" if norm(value) > 0.55 else BLACK,
                )  # fmt: skip
        for y in range(len(networks)):
            first = len(sizes)
            while first and (y, first - 1) in once:
                first -= 1
            if first < len(sizes):
                axes.plot([first - 0.5] * 2, [y - 0.5, y + 0.5], color=VERMILLION, lw=1.6)
        axes.set_yticks(range(len(networks)), networks, fontsize=6.5)
        step = -(-len(sizes) // 12)
        axes.set_xticks(
            range(0, len(sizes), step), [format_bytes(each) for each in sizes[::step]], fontsize=6.5
        )
        axes.set_xlabel("on-chip SRAM")
        axes.set_title(str(rows[0]["accelerator"]), loc="left", fontweight="bold")
        if once:
            axes.plot([], [], color=VERMILLION, lw=1.6, label="every word once, from there")
            handles, labels = axes.get_legend_handles_labels()
            axes.legend(handles[-1:], labels[-1:], loc="lower right", bbox_to_anchor=(1, 1))
        bar = figure.colorbar(shown, ax=axes, label=label, shrink=0.6)
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        bar.ax.yaxis.set_minor_formatter(lambda value, _: "")
    return figure
