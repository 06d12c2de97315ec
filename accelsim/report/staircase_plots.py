"""Pictures of many staircases: networks overlaid and normalised, and a panel per layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accelsim.report.frontier_plots import MAX_NAMED, line
from accelsim.report.plots import BLACK, COLOURS, GREY, STYLE
from accelsim.results import Result, Row
from accelsim.spec import InputError
from accelsim.units import format_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES_INCHES, _NAME_POINTS = 2.1, 5.5
_LEAST_KIB = 1 / 16
MAX_LAYERS = 40
"""Panels of layers in one figure: those with the largest needs."""


def plot_networks(summaries: Mapping[str, Mapping[str, Any]], *, width_inches: float) -> Figure:
    """Return networks' staircases, traffic in multiples of each one's compulsory traffic.

    A dot marks where every word moves once. Up to six have a legend and their proven bounds; of
    more each dot is named below the floor, and a dozen lines at most are coloured. Raises
    InputError without staircases.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    for name, found in summaries.items():
        if len(found.get("staircase", ())) < 2 or not found.get("compulsory_bytes"):
            raise InputError(f"{name} has no staircase; name JSON of `frontier` without --sram")
    few, height = len(summaries) <= MAX_NAMED, 0.5 * width_inches + 0.3
    if not few:
        height += _NAMES_INCHES
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, height), layout="constrained")
        axes = figure.subplots()
        if few:
            _overlay(axes, summaries)
        else:
            needs = _overlay_many(axes, summaries)
            _name_needs(axes, needs, width_inches - 0.6, _NAMES_INCHES / (height - 0.5))
        axes.set_xlabel("on-chip SRAM (KiB)")
        axes.set_ylabel("off-chip traffic (times compulsory)")
    return figure


def _overlay(axes: Axes, summaries: Mapping[str, Mapping[str, Any]]) -> None:
    for colour, (name, found) in zip(COLOURS, summaries.items(), strict=False):
        sizes, times = _normalised(found, "staircase")
        need = format_bytes(int(found["min_sram_bytes"]))
        axes.step(sizes, times, where="post", color=colour, lw=1.4, label=f"{name}, {need}")
        axes.plot(sizes[-1:], times[-1:], "o", color=colour, ms=4, mew=0, clip_on=False, zorder=3)
        if found.get("bounds"):
            axes.plot(*_normalised(found, "bounds"), color=colour, lw=0.8, ls=(0, (1, 1.5)))
    axes.plot([], [], color=GREY, lw=0.8, ls=(0, (1, 1.5)), label="proven bound")
    _logarithmic(axes)
    axes.legend(loc="upper right", title="every word once in", title_fontsize=7)


def _overlay_many(
    axes: Axes, summaries: Mapping[str, Mapping[str, Any]]
) -> list[tuple[int, str, str]]:
    """Draw thin lines down to the floor, some of them coloured.

    Returns the needs in bytes, ascending, whose they are, and the colour of one of their lines.
    """
    names_of: dict[int, list[str]] = {}
    for name, found in summaries.items():
        names_of.setdefault(int(found["min_sram_bytes"]), []).append(name)
    apart = -(-len(names_of) // (2 * len(COLOURS)))
    needs, most = [], 1.0
    for at, (need, names) in enumerate(sorted(names_of.items())):
        place, skipped = divmod(at, apart)
        colour = GREY if skipped else COLOURS[place % len(COLOURS)]
        dashes = "-" if place < len(COLOURS) else (0, (4, 1))
        needs.append((need, ", ".join(names), BLACK if skipped else colour))
        for name in names:
            sizes, times = _normalised(summaries[name], "staircase")
            shown = (y for x, y in zip(sizes, times, strict=True) if x >= _LEAST_KIB)
            most = max([most, *shown])
            if skipped or name != min(names, key=len):
                axes.step(sizes, times, where="post", color=GREY, lw=0.5, alpha=0.6)
            else:
                axes.step(sizes, times, where="post", color=colour, ls=dashes, lw=1.1, zorder=3)
            axes.plot(sizes[-1:], [1.0], "o", color=colour, ms=3, mew=0, zorder=4)
    _logarithmic(axes)
    axes.set_xlim(left=_LEAST_KIB)
    axes.set_ylim(1, 1.2 * most)
    return needs


def _name_needs(
    axes: Axes, needs: Sequence[tuple[int, str, str]], width_inches: float, share: float
) -> None:
    """Names of needs, bottom up, in the lowest share of the axes; the floor is above them."""
    from matplotlib.ticker import NullLocator

    low, high = (math.log10(end) for end in axes.get_xlim())
    most = axes.get_ylim()[1]
    decades = math.log10(most) * share / (1 - share)
    axes.set_ylim(10**-decades, most)
    axes.set_yticks([times for times in (1, 2, 5, 10, 20, 50, 100) if times <= most])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.spines["left"].set_bounds(1, most)
    axes.axhline(1, color=BLACK, lw=0.6, zorder=1)
    sizes = [math.log10(need / 1024) for need, _, _ in needs]
    places = _apart(sizes, _NAME_POINTS * 1.25 / 72 * (high - low) / width_inches)
    for place, size, (need, names, colour) in zip(places, sizes, needs, strict=True):
        begin = 10 ** (-0.1 * decades)
        axes.plot([10**size, 10**place], [1, begin], color=colour, lw=0.4, alpha=0.7)
        axes.annotate(
            f"{names}  {format_bytes(need)}", (10**place, begin), rotation=90, ha="center",
            va="top", fontsize=_NAME_POINTS, color=colour,
        )  # fmt: skip


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved as little as lets any two be a gap apart (least squares)."""
    runs: list[tuple[float, int]] = []
    for at, place in enumerate(places):
        mean, count = place - gap * at, 1
        while runs and runs[-1][0] > mean:
            before, size = runs.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        runs.append((mean, count))
    moved = [mean for mean, count in runs for _ in range(count)]
    return [place + gap * at for at, place in enumerate(moved)]


def plot_layers(result: Result, *, width_inches: float) -> Figure:
    """Return a panel per layer: its least traffic against SRAM, and what is proven impossible.

    Layers that are alike share a panel; of more than 40 the largest needs are shown. Raises
    InputError for a result of another command or of several networks.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    missing = {"layer", "sram_bytes", "bound_bytes", "pin_gain_x"} - set(result.columns)
    if missing:
        raise InputError(f"no column {min(missing)}; only results of frontier have such panels")
    if len({row["network"] for row in result.table}) > 1:
        raise InputError("several networks; panels are of the layers of one")
    layers = _kinds(result.table)
    if not layers:
        raise InputError("a row a layer makes no line; leave out --sram")
    shown = sorted(layers, key=lambda name: -int(layers[name][-1]["sram_bytes"]))[:MAX_LAYERS]
    shown = [name for name in layers if name in shown]
    columns = min(5 if width_inches > 5 else 3, len(shown))
    rows = -(-len(shown) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 1.35 * rows + 0.6), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
        for axes, name in zip(panels, shown, strict=False):
            _layer_panel(axes, name, layers[name])
        for at, axes in enumerate(panels[len(shown) :], len(shown)):
            axes.set_visible(False)
            panels[at - columns].tick_params(labelbottom=True)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3)
        network = result.table[0]["network"]
        figure.suptitle(f"{network}", x=0.01, ha="left", fontweight="bold", fontsize=9)
        figure.supxlabel("on-chip SRAM (KiB)", fontsize=8)
        figure.supylabel("off-chip traffic (MB)", fontsize=8)
    return figure


def _kinds(table: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each different layer, by a name that says how many are alike."""
    layers: dict[str, list[Row]] = {}
    for row in table:
        layers.setdefault(str(row["layer"]), []).append(row)
    alike: dict[tuple[Any, ...], list[str]] = {}
    for name, rows in layers.items():
        key = tuple((row["sram_bytes"], row["dram_bytes"], row["bound_bytes"]) for row in rows)
        alike.setdefault(key, []).append(name)
    return {
        names[0] + (f" (x{len(names)})" if len(names) > 1 else ""): layers[names[0]]
        for key, names in alike.items()
        if len(key) > 1
    }


def _layer_panel(axes: Axes, name: str, rows: list[Row]) -> None:
    sizes, traffic = line(rows)
    bound = [int(row["bound_bytes"]) / 1e6 for row in rows]
    at = [int(row["sram_bytes"]) / 1024 for row in rows]
    least = int(rows[-1]["compulsory_bytes"]) / 1e6
    axes.fill_between(
        at, bound, least / 1.5, color=GREY, alpha=0.25, lw=0, label="proven impossible"
    )
    axes.plot(sizes, traffic, color=BLACK, lw=1.0, label="least known")
    axes.plot(
        sizes[-1:], traffic[-1:], "o", color=BLACK, ms=3.5, mew=0, ls="", label="every word once"
    )
    _logarithmic(axes)
    axes.set_ylim(bottom=least / 1.5)
    if traffic[0] < 20 * least:  # hardly a decade: powers of ten alone would leave one label
        axes.yaxis.set_minor_formatter(
            lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""
        )
    axes.tick_params(which="minor", labelsize=6)
    axes.set_title(name, fontsize=7, pad=2)
    axes.annotate(
        format_bytes(int(rows[-1]["sram_bytes"])), (0.97, 0.95), xycoords="axes fraction",
        ha="right", va="top", fontsize=6,
    )  # fmt: skip
    axes.tick_params(labelsize=6)


def _normalised(found: Mapping[str, Any], what: str) -> tuple[list[float], list[float]]:
    """KiB, and traffic in multiples of the compulsory."""
    least = int(found["compulsory_bytes"])
    steps = found[what]
    return [size / 1024 for size, _ in steps], [total / least for _, total in steps]


def _logarithmic(axes: Axes) -> None:
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(color=GREY, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)
