"""Pictures of a sweep: bandwidth, traffic, time along an axis; a map of two; SRAM and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accelsim.report.plots import BLACK, BLUE, COLOURS, GREY, ORANGE, STYLE, VERMILLION
from accelsim.results import Result, Row, Value
from accelsim.spec import InputError
from accelsim.sweep import SweepResult
from accelsim.units import format_bytes, format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SRAM = "sram_capacity_bytes"
MAX_PANELS = 12
_MOST_WRITTEN = 144
"""Cells of a map into which their value is written."""
Series = dict[str, list[Row]]
MAPPED = {
    "bandwidth": ("needed_bandwidth_bytes_per_s", 1e9, "bandwidth needed, not to stall (GB/s)"),
    "traffic": ("dram_x", 1.0, "off-chip traffic (x compulsory)"),
}
"""What a map of many networks shows: column, unit, label."""


def plot_sweep(
    result: Result,
    *,
    width_inches: float = 7.0,
    kind: str | None = None,
    panels: bool = False,
) -> Figure:
    """Return one of a sweep's pictures: bandwidth, traffic, cycles, map or pareto.

    By default bandwidth where SRAM is swept, else a map of two fields, else cycles. Points that
    failed are left out (crossed in a map). `panels` gives each of the layers that take longest its
    own. Raises InputError where the sweep does not have what the picture shows.
    """
    if "layer" in result.columns or SRAM not in result.columns:
        raise InputError("only the points of a sweep have these pictures; plot the sweep's file")
    rows = [row for row in result.table if not row["error"]]
    if not rows:
        raise InputError("no point is done; `accelsim results FILE --failed` says why")
    varied = varied_fields(rows)
    if kind is None:
        numbers = [name for name in varied if name not in ("network", "accelerator")]
        kind = "bandwidth" if SRAM in varied else "map" if len(numbers) == 2 else "cycles"
    if kind == "map":
        return _map(list(result.table), width_inches)
    if kind == "pareto":
        return _pareto(rows, varied, width_inches)
    layers = _layers_of(result, rows)
    if panels:
        if varied != [SRAM] or not layers or kind == "cycles":
            raise InputError("panels are of bandwidth or traffic where SRAM alone is swept")
        return _draw_panels(kind, SRAM, _slowest(layers), [], width_inches)
    return _lines(kind, rows, varied, layers, width_inches)


def _layers_of(result: Result, rows: Sequence[Row]) -> list[Row]:
    """The layers with MACs of these points, where the result has them."""
    if not isinstance(result, SweepResult):
        return []
    columns = list(rows[0])
    names = columns[: columns.index(SRAM) + 1]
    meant = {tuple(row[name] for name in names) for row in rows}
    return [
        row for row in result.iterate_layers()
        if row["macs"] and tuple(row[name] for name in names) in meant
    ]  # fmt: skip


def varied_fields(rows: Sequence[Row]) -> list[str]:
    """What is not the same in all points: network, accelerator, swept fields, SRAM."""
    columns = list(rows[0])
    found: dict[tuple[Value, ...], str] = {}  # fields that go together count as one
    for name in columns[: columns.index(SRAM) + 1]:
        values = tuple(row[name] for row in rows)
        if len(set(values)) > 1:
            found.setdefault(values, name)
    return list(found.values())


def _lines(
    kind: str, rows: list[Row], varied: list[str], layers: list[Row], width_inches: float
) -> Figure:
    """Panels of lines against SRAM, or against the one field that is swept without it."""
    numbers = [name for name in varied if _is_number(rows, name)]
    if not numbers:
        raise InputError("nothing is swept that could be an axis; sweep --sram or a field by --set")
    along = SRAM if SRAM in numbers else numbers[0]
    networks = {row["network"] for row in rows}
    if varied == ["network", SRAM] and kind in MAPPED and len(networks) > len(COLOURS):
        from accelsim.report.network_plots import plot_networks_map

        return plot_networks_map(rows, *MAPPED[kind], width_inches=width_inches)
    panels = _panels(rows, varied, along)
    if len(panels) > MAX_PANELS:
        raise InputError(f"{len(panels)} panels; {MAX_PANELS} at most, choose points by --where")
    return _draw_panels(kind, along, panels, layers, width_inches)


def _draw_panels(
    kind: str, along: str, panels: dict[str, Series], layers: list[Row], width_inches: float
) -> Figure:
    """Lines of each panel; behind those of one line alone, thin ones of its layers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = 1 if len(panels) == 1 else 2 if width_inches < 6 else min(3, len(panels))
    high = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        alone = max(0.55 * width_inches, 2.7)
        size = (width_inches, alone if high == 1 == columns else 2.3 * high + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(high, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, (title, series) in zip(grid, panels.items(), strict=False):
            if len(panels) == len(series) == 1:
                _layer_lines(axes, kind, along, layers)
            _DRAW[kind](axes, along, series)
            _mark_once(axes, along, series)
            _dress(axes, along, title)
        places = {x for series in panels.values() for rows in series.values()
                  for x in _xs(rows, along)}  # fmt: skip
        _tick(grid[0], sorted(places), 12 // min(columns, 2))
        if along == SRAM:
            grid[0].set_ylim(top=1.8 * grid[0].get_ylim()[1])  # room for the corner's name
        for at, axes in enumerate(grid):
            axes.set_visible(at < len(panels))
            below = at + columns >= len(panels)
            axes.tick_params(labelbottom=below)
            axes.set_xlabel(_axis_name(along) if below else "")
        for axes in grid[::columns]:
            axes.set_ylabel(_LABELS[kind])
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper right", ncols=4 if width_inches > 5 else 2
        )
    return figure


def _slowest(layers: Sequence[Row]) -> dict[str, Series]:
    """A panel for each of the layers that take longest, in file order; equal ones share it."""
    each: dict[str, list[Row]] = {}
    for row in sorted(layers, key=lambda row: _key(row[SRAM])):
        each.setdefault(str(row["layer"]), []).append(row)
    alike: dict[tuple[Value, ...], list[str]] = {}
    for name, rows in each.items():
        figures = ("total_cycles", "compute_cycles", "dram_read_bytes", "dram_write_bytes", "macs")
        alike.setdefault(tuple(row[figure] for row in rows for figure in figures), []).append(name)
    first = [names[0] for names in alike.values()]
    slow = sorted(first, key=lambda name: -sum(int(row["total_cycles"]) for row in each[name]))
    return {
        names[0] + (f" (x{len(names)})" if len(names) > 1 else ""): {"": each[names[0]]}
        for names in alike.values()
        if names[0] in slow[:MAX_PANELS]
    }


def _panels(rows: Sequence[Row], varied: Sequence[str], along: str) -> dict[str, Series]:
    """Lines by panel: no more lines in one than there are colours, where panels can see to that."""
    values = {name: len({row[name] for row in rows}) for name in varied if name != along}
    of_panel: list[str] = []
    of_line = sorted(
        values, key=lambda name: (name not in ("network", "accelerator"), values[name])
    )
    while math.prod(values[name] for name in of_line) > len(COLOURS) and len(of_line) > 1:
        of_panel.append(of_line.pop(0))
    panels: dict[str, Series] = {}
    for row in sorted(rows, key=lambda row: _key(row[along])):
        names = [name for name in ("network", "accelerator") if name not in of_line]
        title = " on ".join(str(row[name]) for name in names)
        rest = [_said(name, row[name]) for name in of_panel if name not in names]
        label = ", ".join(_said(name, row[name]) for name in varied if name in of_line)
        series = panels.setdefault(", ".join(filter(None, [title, *rest])), {})
        series.setdefault(label, []).append(row)
    return panels


def _draw_bandwidth(axes: Axes, along: str, series: Series) -> None:
    """Average (full line) and needed (dashed) of each; the device's peak as a line."""
    for at, (label, rows) in enumerate(series.items()):
        only = len(series) == 1
        colour = BLUE if only else _colour(at, len(series))
        xs = _xs(rows, along)
        average, needed = (_gb(rows, f"{name}_bandwidth_bytes_per_s") for name in ("avg", "needed"))
        name = label or "average"
        axes.plot(xs, average, "o-", color=colour, ms=3, mew=0, lw=1.4, label=name, zorder=3)
        axes.plot(
            xs, needed, "^", ls=(0, (3, 1.5)), color=ORANGE if only else colour, ms=3, mew=0,
            lw=1.0, label="needed, not to stall" if only else "_",
        )  # fmt: skip
    if len(series) > 1:
        axes.plot([], [], "^", ls=(0, (3, 1.5)), color=GREY, ms=3, mew=0, label="needed")
    peaks = {int(row["peak_bandwidth_bytes_per_s"]) for rows in series.values() for row in rows}
    if len(peaks) == 1 and (peak := peaks.pop()):
        colour, label = (
            VERMILLION if len(series) == 1 else BLACK,
            f"the device's {peak / 1e9:g} GB/s",
        )
        axes.axhline(peak / 1e9, color=colour, lw=0.9, ls=(0, (5, 2)), zorder=1, label=label)


def _draw_traffic(axes: Axes, along: str, series: Series) -> None:
    for at, (label, rows) in enumerate(series.items()):
        times = [float(row["dram_x"]) for row in rows]
        axes.plot(
            _xs(rows, along), times, "o-", color=BLUE if len(series) == 1 else
            _colour(at, len(series)), ms=3, mew=0, lw=1.4, label=label or "all layers", zorder=3,
        )  # fmt: skip
    axes.axhline(1, color=BLACK, lw=0.8, ls=(0, (5, 2)), label="every word once", zorder=1)


def _draw_cycles(axes: Axes, along: str, series: Series) -> None:
    """Milliseconds of each, and without stalls (dashed)."""
    for at, (label, rows) in enumerate(series.items()):
        colour = BLUE if len(series) == 1 else _colour(at, len(series))
        xs, total = _xs(rows, along), [1000 * float(row["seconds"]) for row in rows]
        busy = [
            ms * int(row["compute_cycles"]) / int(row["total_cycles"])
            for ms, row in zip(total, rows, strict=True)
        ]
        axes.plot(xs, total, "o-", color=colour, ms=3, mew=0, lw=1.4, label=label or "time")
        axes.plot(xs, busy, color=colour, lw=0.9, ls=(0, (3, 1.5)), label="_")
    axes.plot([], [], color=GREY, lw=0.9, ls=(0, (3, 1.5)), label="without stalls")


_DRAW: Mapping[str, Callable[[Axes, str, Series], None]] = {
    "bandwidth": _draw_bandwidth, "traffic": _draw_traffic, "cycles": _draw_cycles,
}  # fmt: skip
_LABELS = {
    "bandwidth": "off-chip bandwidth (GB/s)",
    "traffic": "off-chip traffic (x compulsory)",
    "cycles": "time (ms)",
}


def _layer_lines(axes: Axes, kind: str, along: str, layers: Sequence[Row]) -> None:
    """A thin grey line for each layer with MACs."""
    columns = {"bandwidth": "avg_bandwidth_bytes_per_s", "traffic": "dram_x"}
    if kind not in columns:
        return
    each: dict[str, list[Row]] = {}
    for row in sorted(layers, key=lambda row: _key(row[along])):
        each.setdefault(str(row["layer"]), []).append(row)
    scale = 1e9 if kind == "bandwidth" else 1
    for at, rows in enumerate(each.values()):
        values = [float(row[columns[kind]]) / scale for row in rows]
        label = "_" if at else "each layer" + (", average" if kind == "bandwidth" else "")
        axes.plot(_xs(rows, along), values, color=GREY, lw=0.5, alpha=0.55, label=label, zorder=1)


def _mark_once(axes: Axes, along: str, series: Series) -> None:
    """The corner: the least swept SRAM in which every word of all layers moves once."""
    if along != SRAM:
        return
    marked = False
    for at, rows in enumerate(series.values()):
        more = [row for row in rows if _moved(row) != row["compulsory_bytes"]]
        first = rows.index(more[-1]) + 1 if more else 0
        if first < len(rows):
            size = int(rows[first][SRAM])
            colour = BLACK if len(series) == 1 else _colour(at, len(series))
            label = "every word once, from there" if len(series) > 1 and not marked else "_"
            marked = True
            axes.axvline(size / 1024, color=colour, lw=0.7, ls=(0, (1, 1.5)), zorder=0, label=label)
            if len(series) == 1:
                sizes = [int(row[SRAM]) for row in rows]
                left = size**2 > sizes[0] * sizes[-1]  # where the text has more room
                axes.annotate(
                    f"every word once\nfrom {format_bytes(size)}", (size / 1024, 0.98),
                    xycoords=("data", "axes fraction"), xytext=(-3 if left else 3, 0),
                    textcoords="offset points", ha="right" if left else "left", va="top",
                    fontsize=6.5,
                )  # fmt: skip


def _map(every: list[Row], width_inches: float) -> Figure:
    """Milliseconds at each pair of values of two fields, a panel per network and accelerator."""
    import matplotlib as mpl
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    varied = [name for name in varied_fields(every) if name not in ("network", "accelerator")]
    if len(varied) != 2:
        what = ", ".join(varied) or "nothing"
        raise InputError(f"a map is of two fields, {what} is swept; choose points by --where")
    down, across = sorted(varied, key=lambda name: name == SRAM)
    panels: dict[str, list[Row]] = {}
    for row in every:
        panels.setdefault(f"{row['network']} on {row['accelerator']}", []).append(row)
    if len(panels) > MAX_PANELS:
        raise InputError(f"{len(panels)} panels; {MAX_PANELS} at most, choose points by --where")
    times = [1000 * float(row["seconds"]) for row in every if not row["error"]]
    columns = min(len(panels), 1 if width_inches < 5 else 2)
    high = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 0.62 * width_inches / columns * high + 0.5),
                        layout="constrained")  # fmt: skip
        grid = figure.subplots(high, columns, squeeze=False).ravel()
        norm = LogNorm(min(times), max(max(times), 1.001 * min(times)))
        for axes, (title, rows) in zip(grid, panels.items(), strict=False):
            shown = _map_panel(axes, rows, (down, across), norm)
            axes.set_title(title, loc="left", fontweight="bold")
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        bar = figure.colorbar(shown, ax=list(grid), label="time (ms)", shrink=0.9)
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        bar.ax.yaxis.set_minor_formatter(lambda value, _: "")
    return figure


def _map_panel(axes: Axes, rows: Sequence[Row], fields: tuple[str, str], norm: Any) -> Any:
    import numpy as np

    ys, xs = (sorted({row[name] for row in rows}, key=_key) for name in fields)
    times = np.full((len(ys), len(xs)), np.nan)
    failed = []
    for row in rows:
        at = ys.index(row[fields[0]]), xs.index(row[fields[1]])
        if row["error"]:
            failed.append(at)
        else:
            times[at] = 1000 * float(row["seconds"])
    shown = axes.imshow(times, origin="lower", aspect="auto", cmap="cividis_r", norm=norm)
    if times.size <= _MOST_WRITTEN:
        for (y, x), value in np.ndenumerate(times):
            if not np.isnan(value):
                dark = norm(value) > 0.55
                axes.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=5.5,
                          color="white" if dark else BLACK)  # fmt: skip
    for y, x in failed:
        axes.text(x, y, "×", ha="center", va="center", color=VERMILLION, fontsize=8)
    for axis, name, values in ((axes.yaxis, fields[0], ys), (axes.xaxis, fields[1], xs)):
        step = -(-len(values) // 16)
        axis.set_ticks(range(0, len(values), step), [_short(name, v) for v in values[::step]])
        axis.set_label_text(_axis_name(name, short=True))
    axes.tick_params(axis="x", rotation=45)
    if failed:
        axes.annotate("× cannot be run", (1, 1.02), xycoords="axes fraction", ha="right",
                      color=VERMILLION, fontsize=6.5)  # fmt: skip
    return shown


def _pareto(rows: list[Row], varied: list[str], width_inches: float) -> Figure:
    """Every point by SRAM and time, and those that nothing beats in both."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if len({row[SRAM] for row in rows}) < 2:
        raise InputError("all points have the same SRAM; sweep --sram, or several accelerators")
    series: Series = {}
    for row in rows:
        series.setdefault(str(row["network"]), []).append(row)
    said = [name for name in varied if name not in ("network", SRAM)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 0.6 * width_inches), layout="constrained")
        axes = figure.subplots()
        for at, (name, own) in enumerate(series.items()):
            colour = BLUE if len(series) == 1 else _colour(at, len(series))
            times = [1000 * float(row["seconds"]) for row in own]
            axes.plot(_xs(own, SRAM), times, "o", color=colour, ms=2.5, mew=0, alpha=0.3)
            best = pareto_points(own)
            axes.step(_xs(best, SRAM), [1000 * float(row["seconds"]) for row in best], "o-",
                      where="post", color=colour, ms=3.5, mew=0, lw=1.3, label=name)  # fmt: skip
            before = ""
            for row in best if said and len(best) <= 12 else ():
                text = ", ".join(_said(each, row[each]) for each in said)
                if text != before:
                    axes.annotate(
                        text, (int(row[SRAM]) / 1024, 1000 * float(row["seconds"])), xytext=(3, 4),
                        textcoords="offset points", fontsize=5.5, color=colour,
                    )  # fmt: skip
                before = text
        _dress(axes, SRAM, "no point has less SRAM and less time" if len(series) > 1 else
               f"{rows[0]['network']}: no point has less SRAM and less time")  # fmt: skip
        axes.set_ylabel("time (ms)")
        if len(series) > 1:
            axes.legend(loc="best")
    return figure


def pareto_points(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other beats in SRAM and time, ascending in SRAM."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (int(row[SRAM]), float(row["seconds"]))):
        if not best or float(row["seconds"]) < float(best[-1]["seconds"]):
            best.append(row)
    return best


def _dress(axes: Axes, along: str, title: str) -> None:
    axes.set_xscale("log", base=2 if along == SRAM else 10)
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.tick_params(which="minor", labelsize=6)
    axes.set_xlabel(_axis_name(along))
    axes.set_title(title, loc="left", fontweight="bold")
    axes.grid(color=GREY, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)


def _tick(axes: Axes, places: Sequence[float], most: int) -> None:
    """Ticks where points are, as many as fit."""
    from matplotlib.ticker import NullLocator

    axes.set_xticks(places[:: -(-len(places) // most)])
    axes.xaxis.set_minor_locator(NullLocator())


def _xs(rows: Sequence[Row], along: str) -> list[float]:
    scale = 1024 if along == SRAM else 1e9 if along.endswith("bytes_per_s") else 1
    return [float(row[along]) / scale for row in rows]


def _gb(rows: Sequence[Row], column: str) -> list[float]:
    return [int(row[column]) / 1e9 for row in rows]


def _moved(row: Row) -> int:
    return int(row["dram_read_bytes"]) + int(row["dram_write_bytes"])


def _is_number(rows: Sequence[Row], name: str) -> bool:
    return all(isinstance(row[name], int | float) for row in rows)


def _key(value: Value) -> tuple[bool, float, str]:
    """Numbers in order, then words."""
    if isinstance(value, str):
        return True, 0.0, value
    return False, value, ""


def _axis_name(name: str, short: bool = False) -> str:
    if name == SRAM:
        return "on-chip SRAM" if short else "on-chip SRAM (KiB)"
    if name.endswith("bytes_per_s"):
        return f"{name.removesuffix('_bytes_per_s')} (GB/s)"
    return name


def _short(name: str, value: Value) -> str:
    """A value as a tick says it."""
    if isinstance(value, str):
        return value
    if name.endswith("bytes_per_s"):
        return f"{value / 1e9:g}"
    if name.endswith("bytes") or name.startswith("sram_bytes"):
        return format_bytes(int(value))
    return format_count(int(value)) if value == int(value) else f"{value:g}"


def _said(name: str, value: Value) -> str:
    """A value as a legend says it: `rows 16`, `edge_npu`."""
    if name in ("network", "accelerator"):
        return str(value)
    unit = " GB/s" if name.endswith("bytes_per_s") else ""
    last = name.rpartition(".")[2].removesuffix("_bytes_per_s").removesuffix("_bytes")
    return f"{last} {_short(name, value)}{unit}".replace("sram_capacity", "SRAM")


def _colour(at: int, of: int) -> Any:
    """One of the house's colours; of more than those an even step along cividis."""
    if of <= len(COLOURS):
        return COLOURS[at]
    import matplotlib as mpl

    return mpl.colormaps["cividis"](at / (of - 1))
