"""Tables of frontiers: every point of one layer, or a line per layer and the network's answer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from accelsim.report.tables import Column, column_text, kib_text, show_cell, widths_text
from accelsim.results import Row
from accelsim.units import format_bytes

if TYPE_CHECKING:
    from accelsim.frontiers import Claim, FrontierResult, LayerClaims

TIMES = (8, 4, 2, 1.5, 1.1, 1)
"""Multiples of compulsory traffic whose sizes a network's table shows."""


def frontier_text(result: FrontierResult, terminal_columns: int | None = None) -> str:
    """Return the table of `frontier` with the answer and its assumptions below.

    All rows of one layer, or of all layers at one size; else a line per layer with the SRAM, in
    KiB, at which its traffic comes down to 8, 4, 2, 1.5, 1.1 and 1 times the compulsory.
    """
    many = len(result.layers) > 1
    one_each = all(len(own.claims) == 1 for own in result.layers)
    columns, rows = _ROW_COLUMNS, result.table
    if many and not one_each:
        columns, rows, below = _LAYER_COLUMNS, _sizes(result.layers), _answer(result)
    elif many:
        columns, below = [_LAYER_COLUMNS[0], *columns], [_together(result)]
    elif not one_each:
        once = f"once every word is moved once, in {format_bytes(int(rows[-1]['sram_bytes']))}"
        below = [f"{len(rows)} sizes; the last is {once}."]
    else:
        below = []
    below.append(frontier_assumptions(result))
    return column_text(columns, rows, None, below, terminal_columns)


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
            sizes = _reached(own.claims, [times * least for times in TIMES])
            known[key] = {
                f"at_{times:g}": f"{size / 1024:,.2f}" if size > 5 else "<0.01"
                for times, size in zip(TIMES, sizes, strict=True)
            }
        names: Row = {"layer": own.name, "op": own.op}
        rows.append(names | {"compulsory_bytes": least, "rows": len(own.claims)} | known[key])
    return rows


def _reached(claims: Sequence[Claim], dram_bytes: Sequence[float]) -> list[int]:
    """The least SRAM, in bytes, for each of these descending figures of traffic."""
    sizes: list[int] = []
    at = 0
    for most in dram_bytes:
        while (size := _size_for(claims, at, most)) is None:
            at += 1
        sizes.append(size)
    return sizes


def _size_for(claims: Sequence[Claim], at: int, dram_bytes: float) -> int | None:
    """Bytes with which a claim comes down to this traffic, words pinned up to the next claim's.

    None if it does not, unless it is the last.
    """
    claim = claims[at]
    over = claim.dram_bytes - dram_bytes
    if over <= 0 or at + 1 == len(claims):
        return claim.sram_bytes
    pinned = min(claim.pin_sram_bytes, claims[at + 1].sram_bytes - claim.sram_bytes)
    gain = claim.pin_gain_x
    return claim.sram_bytes + int(-(-over // gain)) if gain and over <= gain * pinned else None


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


_LAYER_COLUMNS: list[Column] = [
    ("layer", show_cell("layer")),
    ("op", show_cell("op")),
    ("MB", lambda row: f"{int(row['compulsory_bytes']) / 1e6:,.2f}"),
    *((f"KiB at {times:g}x", show_cell(f"at_{times:g}")) for times in TIMES),
    ("rows", show_cell("rows")),
]
_ROW_COLUMNS: list[Column] = [
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
