"""How far the frontier and the bound are from the true least traffic, on tiny layers.

    python tests/oracle/optimality.py                # frontier and bound of today, seconds
    python tests/oracle/optimality.py --search       # the optimum too, every layer, minutes
    python tests/oracle/optimality.py --search pool  # of some layers

The optimum (`exact_optimum`) is kept in `results/optimality/optimum.json`; beside it go the table,
as CSV and for reading, and a picture.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from exact_optimum import least_excess, pebbling

from accelsim.dataflow.bounds import traffic_bound
from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.points import Frontier
from accelsim.workload.layer import Axis, Conv

FOLDER = Path(__file__).parents[2] / "results" / "optimality"
OPTIMUM = FOLDER / "optimum.json"
ONE = Axis(1)
WORD_BITS = 8


def _span(outputs: int, taps: int, stride: int = 1, dilation: int = 1, pad: int = 0) -> Axis:
    inputs = (outputs - 1) * stride + (taps - 1) * dilation + 1 - 2 * pad
    return Axis(outputs, taps, inputs, stride, dilation, pad)


def _conv(name: str, k: int, c: int, rows: Axis, cols: Axis = ONE, **more) -> Conv:
    return Conv(name, more.pop("op", "conv"), more.pop("N", 1), k, c, 1, rows, cols, **more)


def _matmul(k: int, c: int, pixels: int) -> Conv:
    return _conv(f"matmul_{k}{c}{pixels}", k, c, Axis(pixels, inputs=pixels))


LAYERS = {
    layer.name: layer
    for layer in (
        _matmul(2, 2, 3),
        _matmul(2, 3, 3),
        _matmul(2, 3, 4),
        _matmul(3, 3, 3),
        _conv("row", 2, 2, _span(3, 2)),
        _conv("row_k", 2, 1, _span(4, 3)),
        _conv("row_c", 1, 2, _span(4, 3)),
        _conv("row_strided", 2, 1, _span(4, 3, 2)),
        _conv("row_dilated", 1, 1, _span(8, 3, 1, 2)),
        _conv("row_padded", 2, 1, _span(4, 3, pad=1)),
        _conv("images", 2, 1, _span(3, 2), N=2),
        _conv("depthwise", 1, 1, _span(3, 2), _span(2, 2)),
        _conv("depthwise_padded", 1, 1, _span(3, 2, pad=1), _span(3, 2)),
        _conv("deconv", 2, 2, Axis(5, 2, 3, 2, kind="deconv"), Axis(1, kind="deconv"), op="deconv"),
        _conv("pool", 1, 1, _span(3, 2), _span(2, 2), op="pool", has_weights=False),
    )
}


@dataclass(frozen=True)
class Row:
    """One capacity of one layer; traffic in words, gaps as shares of the optimum in percent."""

    layer: str
    macs: int
    sram_words: int
    bound_words: int
    optimum_words: int
    frontier_words: int
    frontier_gap_percent: float
    bound_gap_percent: float


def least_capacity(layer: Conv) -> int:
    """Words of one MAC."""
    return 2 + layer.has_weights


def searched(layer: Conv) -> dict[str, list[int]]:
    """The optimum from the words of one MAC up to the first capacity where it is compulsory.

    More than the frontier moves need not be looked at, nor, by the pinning law (THEORY.md), more
    than one less than with a word less of SRAM. If either were wrong the search would find nothing
    and say so.
    """
    sets, sram, found, upper = pebbling(layer), least_capacity(layer), {}, frontier(layer)
    least = sum(layer.words)
    while True:
        begin = time.perf_counter()
        excess = ours(upper, sram) - least
        if found:
            excess = min(excess, found[sram - 1] - 1 - least)
        excess, states = least_excess(sets, sram, excess)
        found[sram] = least + excess
        took = f"{states:,} states, {time.perf_counter() - begin:.1f} s"
        print(f"{layer.name}, {sram} words: {found[sram]} ({took})", flush=True)
        if not excess:
            return {"shape": shape_of(layer), "optimum": [list(pair) for pair in found.items()]}
        sram += 1


def shape_of(layer: Conv) -> list[int]:
    """What tells the layer of a kept optimum from one that was changed since."""
    axes = (axis for each in (layer.rows, layer.cols) for axis in astuple(each)[:-1])
    return [layer.N, layer.K, layer.C, *axes, layer.useful_macs]


def kept_optimum() -> dict[str, dict[int, int]]:
    """The optimum by layer and capacity, as it was last searched."""
    kept = json.loads(OPTIMUM.read_text())
    for name, entry in kept.items():
        if entry["shape"] != shape_of(LAYERS[name]):
            raise ValueError(f"{OPTIMUM.name}: {name} was another layer; run --search {name}")
    return {name: dict(map(tuple, kept[name]["optimum"])) for name in LAYERS if name in kept}


def ours(found: Frontier, sram_words: int) -> int:
    """Least traffic of a frontier, in words of equal width."""
    point = found.at(WORD_BITS * sram_words)
    if point is None:
        raise ValueError(f"nothing fits {sram_words} words")
    return point.traffic_bits // WORD_BITS


def rows_of(layer: Conv, optimum: dict[int, int]) -> list[Row]:
    """Every capacity up to where both optimum and frontier are compulsory."""
    found, bound, rows = frontier(layer), traffic_bound(layer), []
    end = max(*optimum, found.points[-1].bits // WORD_BITS)
    for sram in range(min(optimum), end + 1):
        best = optimum.get(sram, sum(layer.words))
        traffic, proven = ours(found, sram), int(bound.words(sram))
        above, below = (round(100 * (each / best - 1), 1) for each in (traffic, proven))
        rows.append(Row(layer.name, layer.useful_macs, sram, proven, best, traffic, above, below))
    return rows


def main(arguments: list[str]) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="The frontier against the true optimum.")
    parser.add_argument("--search", nargs="*", metavar="LAYER", help="search the optimum anew")
    given = parser.parse_args(arguments)
    if given.search is not None:
        kept = json.loads(OPTIMUM.read_text()) if OPTIMUM.exists() else {}
        for name in given.search or LAYERS:
            kept[name] = searched(LAYERS[name])
            OPTIMUM.write_text(_as_json({name: kept[name] for name in LAYERS if name in kept}))
    optimum = kept_optimum()
    tables = {name: rows_of(LAYERS[name], optimum[name]) for name in optimum}
    rows = [row for table in tables.values() for row in table]
    with open(FOLDER / "gaps.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row.__annotations__)
        writer.writerows(astuple(row) for row in rows)
    (FOLDER / "gaps.md").write_text(_as_markdown(tables))
    _draw(tables, FOLDER / "gaps.png")


def _as_json(kept: dict[str, dict[str, list[int]]]) -> str:
    lines = (f'"{name}": {json.dumps(entry)}' for name, entry in kept.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _as_markdown(tables: dict[str, list[Row]]) -> str:
    """Of each layer what it is, the mean and the worst gaps, then every capacity in a row."""
    lines = [
        "# Frontier and bound against the true optimum",
        "",
        "Least off-chip traffic in words, over all orders of the MACs with optimal replacement,",
        "certified by search (`tests/oracle/exact_optimum.py`). A gap is what the frontier moves",
        "more than the optimum, and what the bound leaves open below it, at capacities where the",
        "optimum moves more than compulsory.",
        "",
        "| layer | MACs | words W I O | once-only SRAM: optimum | ours "
        "| frontier gap: mean | worst | at the optimum | bound gap: mean | worst |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, rows in tables.items():
        layer = LAYERS[name]
        least = sum(layer.words)
        above = [row for row in rows if row.optimum_words > least] or rows[:1]
        ends = [
            next(row.sram_words for row in rows if words(row) == least)
            for words in (lambda row: row.optimum_words, lambda row: row.frontier_words)
        ]
        over = [row.frontier_gap_percent for row in above]
        under = [row.bound_gap_percent for row in above]
        lines.append(
            f"| {name} | {layer.useful_macs} | {' '.join(map(str, layer.words))} "
            f"| {ends[0]} | {ends[1]} | {sum(over) / len(over):.1f} % | {max(over):.1f} % "
            f"| {over.count(0)} of {len(over)} | {sum(under) / len(under):.1f} % "
            f"| {min(under):.1f} % |"
        )
    lines += ["", "Bound / optimum / frontier, in words of traffic, by words of SRAM:", ""]
    sizes = sorted({row.sram_words for rows in tables.values() for row in rows})
    lines.append("| layer | " + " | ".join(map(str, sizes)) + " |")
    lines.append("|---|" + "--:|" * len(sizes))
    for name, rows in tables.items():
        at = {
            row.sram_words: f"{row.bound_words} / {row.optimum_words} / {row.frontier_words}"
            for row in rows
        }
        lines.append(f"| {name} | " + " | ".join(at.get(size, "") for size in sizes) + " |")
    return "\n".join(lines) + "\n"


def _draw(tables: dict[str, list[Row]], path: Path) -> None:
    """A panel per layer: how far frontier and bound are from the optimum, at every capacity."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    across = 4
    down = -(-len(tables) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(11, 2.1 * down + 0.6), sharey=True, layout="constrained"
    )
    for ax, (name, rows) in zip(axes.flat, tables.items(), strict=False):
        sizes = [row.sram_words for row in rows]
        above = [row.frontier_gap_percent for row in rows]
        below = [row.bound_gap_percent for row in rows]
        ax.axhline(0, color="0.3", linewidth=1, label="optimum")
        ax.fill_between(sizes, below, above, color="0.92", linewidth=0)
        ax.plot(sizes, above, "o-", color="tab:red", markersize=3, linewidth=1, label="frontier")
        ax.plot(sizes, below, "s-", color="tab:blue", markersize=3, linewidth=1, label="bound")
        ax.set_title(f"{name}, {LAYERS[name].useful_macs} MACs", fontsize=9)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        ax.tick_params(labelsize=8)
    for ax in list(axes.flat)[len(tables) :]:
        ax.axis("off")
    figure.supxlabel("on-chip SRAM (words)", fontsize=9)
    figure.supylabel("traffic above or below the optimum", fontsize=9)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
