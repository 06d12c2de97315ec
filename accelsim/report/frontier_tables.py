"""Tables of frontiers: every point of one layer, or a line per layer and the network's answer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from accelsim.report.tables import Column, column_text, kib_text, show_cell, widths_text
from accelsim.results import Row
from accelsim.units import format_bytes

if TYPE_CHECKING:
    from accelsim.claims import LayerClaims
    from accelsim.frontiers import FrontierResult
    from accelsim.mappings import MappingResult

TIMES = (8, 4, 2, 1.5, 1.1, 1)
"""Multiples of compulsory traffic whose sizes a network's table shows."""


def frontier_text(result: FrontierResult, terminal_columns: int | None = None) -> str:
    """Return the table of `frontier` with the answer and its assumptions below.

    All rows of one layer, or of all layers at one size; else a line per layer with the SRAM, in
    KiB, at which its traffic comes down to 8, 4, 2, 1.5, 1.1 and 1 times the compulsory.
    """
    many = len(result.layers) > 1
    one_each = all(len(own.claims) == 1 for own in result.layers)
    columns, rows, marked = _ROW_COLUMNS, result.table, None
    if len(result.networks) > 1:
        columns, rows, below = _NETWORK_COLUMNS, _networks(result, one_each), []
        columns = [
            each for each in columns if each[0].startswith("KiB at" if one_each else "times")
        ]
        columns = [each for each in _NETWORK_COLUMNS if each not in columns]
    elif many and not one_each:
        columns, rows, below = _LAYER_COLUMNS, _sizes(result.layers), _answer(result)
    elif many:
        columns, below = [_LAYER_COLUMNS[0], *columns], [_together(result)]
        marked = _limiting(result)
    elif not one_each:
        once = f"once every word is moved once, in {format_bytes(int(rows[-1]['sram_bytes']))}"
        below = [f"{len(rows)} sizes; the last is {once}."]
    else:
        below = []
    if len(result.networks) == 1:
        below += [*(_limits(result) if many else []), *_gap(result)]
    below.append(frontier_assumptions(result))
    return column_text(columns, rows, marked, below, terminal_columns)


def _limiting(result: FrontierResult) -> int | None:
    """The place of the layer that limits at the size that is asked."""
    name = next((each["layer"] for each in result.summary["limits"]), "")
    return next((at for at, own in enumerate(result.layers) if own.name == name), None)


def _limits(result: FrontierResult) -> list[str]:
    """Which layer limits at a size, and what more SRAM buys, in a sentence a size."""
    return [limit_text(each) for each in result.summary["limits"]]


def limit_text(limit: Mapping[str, Any]) -> str:
    """`With 16 KiB 64.66 MB move; conv2 limits: 9.5 KiB more removes 0.20 MB.`"""
    at = f"With {format_bytes(limit['sram_bytes'])} {limit['dram_bytes'] / 1e6:,.2f} MB move"
    if not limit["layer"]:
        return f"{at}, every word once."
    alike = limit["layers_alike"]
    who = limit["layer"] + (f" (and {alike - 1} like it)" if alike > 1 else "")
    more, less = format_bytes(limit["more_sram_bytes"]), limit["less_dram_bytes"] / 1e6
    every = f"{limit['all_less_dram_bytes'] / 1e6:,.2f}"
    in_all = f" ({every} in all layers)" if every != f"{less:,.2f}" else ""
    return f"{at}; {who} limits: {more} more removes {less:,.2f} MB{in_all}."


def _gap(result: FrontierResult) -> list[str]:
    """How far the proven bound is, in a sentence; none where no layer with weights is measured."""
    gap = result.summary["gap"]
    if not gap["worst_layer"]:
        return []
    mean, worst = gap["geometric_mean_x"], gap["worst_x"]
    where = f"{gap['worst_layer']} in {format_bytes(gap['worst_sram_bytes'])}"
    return [
        f"No schedule goes below the proven bound; this is {mean:.2f} times that in the geometric "
        f"mean, {worst:.2f} at worst ({where})."
    ]


def _networks(result: FrontierResult, one_each: bool) -> list[Row]:
    """A line per network: the SRAM at which its traffic comes down to each multiple."""
    rows: list[Row] = []
    for name, found in result.summary["networks"].items():
        steps, least = found["staircase"], int(found["compulsory_bytes"])
        row: Row = {
            "network": name, "compulsory_bytes": least,
            "gap": f"{found['gap']['geometric_mean_x']:.2f}x",
            "times": f"{steps[-1][1] / max(least, 1):.3f}x",
        }  # fmt: skip
        if one_each:
            row["limiting_layer"] = found["limits"][0]["layer"]
        else:
            row["limiting_layer"] = found["limiting_layer"]
            traffic = [-total for _, total in steps]
            for times in TIMES:
                row[f"at_{times:g}"] = _kib(steps[bisect_left(traffic, -times * least)][0])
        rows.append(row)
    return rows


def _together(result: FrontierResult) -> str:
    """The traffic of all layers, each with one row."""
    total = sum(own.claims[0].dram_bytes for own in result.layers)
    least = int(result.summary["compulsory_bytes"])
    text = f"{total / 1e6:,.2f} MB cross the chip edge, {total / least:.2f} times the"
    return f"{text} compulsory {least / 1e6:,.2f} MB."


def frontier_assumptions(result: FrontierResult) -> str:
    """One line: convention, buffering, block and widths, and whether anyone set the widths."""
    last = (own.claims[-1].schedule for own in result.layers)
    block = next((str(schedule.block) for schedule in last if schedule), "")
    widths = widths_text({own.layer.widths for own in result.layers}, result.networks)
    return (
        f"Counted with convention {result.meta['convention']}, buffering "
        f"{result.meta['buffering']}, block {block or 'one MAC'}, {widths}."
    )


def _psums(row: Row) -> int:
    return int(row["psums_read_words"]) + int(row["psums_write_words"])


def _sizes(layers: Sequence[LayerClaims]) -> list[Row]:
    """A line per layer: the SRAM at which its traffic comes down to each multiple."""
    known: dict[int, Row] = {}
    rows: list[Row] = []
    for own in layers:
        least, key = own.compulsory_bytes, id(own.claims)
        if key not in known:
            known[key] = {
                f"at_{times:g}": _kib(own.claims.size_for(times * least)) for times in TIMES
            }
        names: Row = {"layer": own.name, "op": own.op}
        rows.append(names | {"compulsory_bytes": least, "rows": len(own.claims)} | known[key])
    return rows


def _kib(size: int) -> str:
    return f"{size / 1024:,.2f}" if size > 5 else "<0.01"


def _answer(result: FrontierResult) -> list[str]:
    """The network's staircase in a sentence."""
    steps, least = result.summary["staircase"], int(result.summary["compulsory_bytes"])
    name = result.networks[0].name
    traffic = [-total for _, total in steps]
    told = []
    for times in (4, 2, 1.1):
        at = bisect_left(traffic, -times * least)
        if 0 < at < len(steps):
            told.append(f"{times:g}x with {format_bytes(steps[at][0])}")
    first = f"{name} runs from {format_bytes(steps[0][0])}, with {steps[0][1] / 1e6:,.2f} MB"
    need = format_bytes(int(result.summary["min_sram_bytes"]))
    return [
        f"{first} across the chip edge, {steps[0][1] / least:.2f} times the compulsory.",
        f"{', '.join([*told, f'1x ({least / 1e6:,.2f} MB) with {need}'])}"
        f" ({result.summary['limiting_layer']} decides).",
    ]


def mapping_text(result: MappingResult, terminal_columns: int | None = None) -> str:
    """Return what a user's mapping holds and moves, with the frontier and the bound below."""
    found = result.summary
    groups, of = result.layer.groups, "of one group " if result.layer.groups > 1 else ""
    nest = " ".join(f"{loop.dim}:{loop.step}" for loop in result.mapping.loops) or "none"
    below = [
        f"Loops {nest}{f', for each of {groups} groups' if groups > 1 else ''}.",
        f"It holds {found['sram_words']:,} words {of}({format_bytes(found['sram_bytes'])}) and "
        f"moves {found['dram_words']:,}, "
        f"{found['dram_words'] / found['compulsory_words']:.3f} times the compulsory.",
    ]
    if found["frontier_dram_bytes"]:
        below.append(
            f"In as much SRAM the frontier moves {found['frontier_dram_words']:,} (the mapping "
            f"{found['frontier_x']:.2f} times that); proven: no schedule moves less than "
            f"{found['bound_words']:,}."
        )
    widths = widths_text({result.layer.widths}, result.networks)
    below.append(f"Counted with convention {result.meta['convention']}, {widths}.")
    return column_text(_MAPPING_COLUMNS, result.table, None, below, terminal_columns)


_MAPPING_COLUMNS: list[Column] = [
    ("operand", show_cell("operand")),
    ("held under loop", show_cell("held_depth")),
    ("SRAM words", show_cell("sram_words")),
    ("read", show_cell("read_words")),
    ("written", show_cell("write_words")),
    ("compulsory", show_cell("compulsory_words")),
]
_LAYER_COLUMNS: list[Column] = [
    ("layer", show_cell("layer")),
    ("op", show_cell("op")),
    ("MB", lambda row: f"{int(row['compulsory_bytes']) / 1e6:,.2f}"),
    *((f"KiB at {times:g}x", show_cell(f"at_{times:g}")) for times in TIMES),
    ("rows", show_cell("rows")),
]
_NETWORK_COLUMNS: list[Column] = [
    ("network", show_cell("network")),
    ("MB", lambda row: f"{int(row['compulsory_bytes']) / 1e6:,.2f}"),
    ("times", show_cell("times")),
    *((f"KiB at {times:g}x", show_cell(f"at_{times:g}")) for times in TIMES),
    ("gap", show_cell("gap")),
    ("limiting layer", show_cell("limiting_layer")),
]
_ROW_COLUMNS: list[Column] = [
    ("KiB", kib_text("sram_bytes")),
    ("MB", lambda row: f"{int(row['dram_bytes']) / 1e6:,.2f}"),
    ("times", lambda row: f"{float(row['dram_x']):.3f}x"),
    ("bound", lambda row: f"{int(row['bound_bytes']) / 1e6:,.2f}"),
    ("gap", lambda row: f"{row['gap_x']:.2f}x"),
    ("W read", show_cell("weights_read_words")),
    ("I read", show_cell("inputs_read_words")),
    ("O write", show_cell("outputs_write_words")),
    ("psums", lambda row: f"{_psums(row):,}"),
    ("pin gain", lambda row: f"{row['pin_gain_x']:g}x" if row["pin_gain_x"] else ""),
    ("stays", show_cell("resident")),
    ("order", show_cell("order")),
    ("tiles", show_cell("tile")),
]
