"""The picture of `train`: memory over the operators of one iteration, stacked by category."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.report.plots import BLACK, BLUE, GREEN, GREY, ORANGE, SKY, STYLE, VERMILLION
from accelsim.results import Result
from accelsim.spec import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STACK = {
    "parameters": (GREY, "parameters"),
    "buffers": ("#404040", "running statistics"),
    "optimizer": (SKY, "optimizer state"),
    "gradients": (GREEN, "gradients of parameters"),
    "input": ("#CC79A7", "input batch"),
    "saved": (BLUE, "saved for backward"),
    "transient": (ORANGE, "transient"),
}


def plot_train(result: Result, *, width_inches: float = 7.0) -> Figure:
    """Return live memory while each operator runs, with the peak and the structural minimum.

    Raises InputError for a CSV, which has no summary.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if "structural_min_bytes" not in result.summary:
        raise InputError("a picture of `train` needs its summary; save JSON instead of CSV")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_inches, 3.4), layout="constrained")
        axes = figure.subplots()
        draw_memory(axes, result)
        handles, labels = axes.get_legend_handles_labels()
        columns = 4 if width_inches > 5 else 2
        figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    return figure


def draw_memory(axes: Axes, result: Result) -> None:
    """The stack of one iteration, in GB, on given axes."""
    rows, found = list(result.table), result.summary
    edges = list(range(len(rows) + 1))
    base = [0.0] * len(rows)
    for name, (colour, label) in _STACK.items():
        own = [int(row[f"{name}_bytes"]) / 1e9 for row in rows]
        if any(own):
            top = [low + more for low, more in zip(base, own, strict=True)]
            axes.stairs(top, edges, baseline=base, fill=True, color=colour, lw=0, label=label)
            base = top
    peak, least = found["peak_bytes"] / 1e9, found["structural_min_bytes"] / 1e9
    at = found["peak_start"] + 0.5
    axes.plot([at], [peak], "v", color=BLACK, ms=5, mew=0, clip_on=False)
    axes.annotate(
        f"{peak:.4g} GB, {found['peak_pass']} of {found['peak_layer']}", (at, peak), xytext=(0, 5),
        textcoords="offset points", ha="center", fontsize=7,
    )  # fmt: skip
    axes.axhline(least, color=VERMILLION, lw=0.9, ls=(0, (5, 2)))
    axes.annotate(
        f"{least:.4g} GB\nstructural\nminimum", (1.0, least), xycoords=("axes fraction", "data"),
        xytext=(4, 0), textcoords="offset points", va="center", fontsize=7, color=VERMILLION,
    )  # fmt: skip
    turn = next(at for at, row in enumerate(rows) if row["pass"] == "backward")
    axes.axvline(turn, ymax=0.85, color=BLACK, lw=0.6, ls=":")
    for where, side, text in ((-4, "right", "forward"), (4, "left", "backward")):
        axes.annotate(
            text, (turn, 0.35), xycoords=("data", "axes fraction"), xytext=(where, 0),
            textcoords="offset points", ha=side, fontsize=7, color="white",
        )  # fmt: skip
    axes.set_xlim(0, len(rows))
    axes.set_ylim(0, 1.12 * max(peak, least))
    axes.set_xlabel("operators of one iteration, in order")
    axes.set_ylabel("device memory (GB)")
    title = f"{rows[0]['network']}, batch {found['batch']}, saved as {result.meta['saved']}"
    axes.set_title(title, loc="left", fontweight="bold")
