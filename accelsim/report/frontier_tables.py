"""Tables of frontiers: every point of one layer, or a line per layer and the network's answer."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from accelsim.report.tables import column_text, kib_text, show_cell, widths_text
from accelsim.results import Row
from accelsim.units import format_bytes

if TYPE_CHECKING:
    from accelsim.frontiers import FrontierResult

TIMES = (8, 4, 2, 1.5, 1.1, 1)
"""Multiples of compulsory traffic whose sizes a network's table shows."""


def frontier_text(result: FrontierResult, terminal_columns: int | None = None) -> str:
    """Return the table of `frontier` with the answer and its assumptions below.

    All rows of one layer, or of all layers at one size; else a line per layer with the SRAM, in
    KiB, at which its traffic comes down to 8, 4, 2, 1.5, 1.1 and 1 times the compulsory.
    """
    by_layer = rows_by_layer(result)
    one_each = all(len(rows) == 1 for rows in by_layer.values())
    below = [frontier_assumptions(result)]
    if len(by_layer) > 1 and not one_each:
        columns = [
            ("layer", show_cell("layer")),
            ("op", show_cell("op")),
            ("MB", lambda row: f"{int(row['compulsory_bytes']) / 1e6:,.2f}"),
            *((f"KiB at {times:g}x", show_cell(f"at_{times:g}")) for times in TIMES),
            ("rows", show_cell("rows")),
        ]
        rows = [_sizes(own) for own in by_layer.values()]
        below = [*_answer(result), *below]
        return column_text(columns, rows, None, below, terminal_columns)
    columns = [
        *([("layer", show_cell("layer"))] if len(by_layer) > 1 else []),
        ("KiB", kib_text("sram_bytes")),
        ("MB", lambda row: f"{int(row['dram_bytes']) / 1e6:,.2f}"),
        ("times", lambda row: f"{float(row['dram_x']):.3f}x"),
        ("W read", show_cell("weights_read_words")),
        ("I read", show_cell("inputs_read_words")),
        ("O write", show_cell("outputs_write_words")),
        ("psums", lambda row: f"{_psums(row):,}"),
        ("pin gain", lambda row: f"{row['pin_gain_x']:g}x" if row["pin_gain_x"] else ""),
        ("stays", show_cell("resident")),
        ("order", show_cell("order")),
        ("tiles", show_cell("tile")),
    ]
    if not one_each:
        last = result.table[-1]
        once = f"once every word is moved once, in {format_bytes(int(last['sram_bytes']))}"
        first = f"{len(result.table)} sizes; the last is {once}."
        below = [first, *below]
    elif len(by_layer) > 1:
        total = sum(int(row["dram_bytes"]) for row in result.table)
        least = int(result.summary["compulsory_bytes"])
        text = f"{total / 1e6:,.2f} MB cross the chip edge, {total / least:.2f} times the"
        below = [f"{text} compulsory {least / 1e6:,.2f} MB.", *below]
    return column_text(columns, list(result.table), None, below, terminal_columns)


def rows_by_layer(result: FrontierResult) -> dict[str, list[Row]]:
    """The rows of each layer, in order."""
    found: dict[str, list[Row]] = {}
    for row in result.table:
        found.setdefault(str(row["layer"]), []).append(row)
    return found


def frontier_assumptions(result: FrontierResult) -> str:
    """One line: convention, buffering, block and widths, and whether anyone set the widths."""
    schedules = [claim.schedule for claim in result.claims if claim.schedule is not None]
    block = str(schedules[0].block) if schedules else ""
    widths = widths_text({claim.layer.widths for claim in result.claims}, result.networks)
    return (
        f"Counted with convention {result.meta['convention']}, buffering "
        f"{result.meta['buffering']}, block {block or 'one MAC'}, {widths}."
    )


def _psums(row: Row) -> int:
    return int(row["psums_read_words"]) + int(row["psums_write_words"])


def _sizes(rows: list[Row]) -> Row:
    """One layer's line: the SRAM at which its traffic comes down to each multiple."""
    found: Row = {
        "layer": rows[0]["layer"],
        "op": rows[0]["op"],
        "compulsory_bytes": rows[0]["compulsory_bytes"],
        "rows": len(rows),
    }
    for times in TIMES:
        size = _reached(rows, times * int(rows[0]["compulsory_bytes"]))
        found[f"at_{times:g}"] = f"{size / 1024:,.2f}" if size > 5 else "<0.01"
    return found


def _reached(rows: list[Row], dram_bytes: float) -> int:
    """The least SRAM, in bytes, whose traffic is no more than this; pinned words count."""
    for at, row in enumerate(rows):
        size, over = int(row["sram_bytes"]), int(row["dram_bytes"]) - dram_bytes
        if over <= 0:
            return size
        end = int(rows[at + 1]["sram_bytes"]) if at + 1 < len(rows) else size
        gain, most = float(row["pin_gain_x"]), min(int(row["pin_sram_bytes"]), end - size)
        if gain and over <= gain * most:
            return size + int(-(-over // gain))
    return int(rows[-1]["sram_bytes"])


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
