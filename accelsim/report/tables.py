"""Tables of results: every layer of one network, or one line per network, and for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from typing import Literal

from accelsim.results import Result, Row
from accelsim.simulate import MinSram
from accelsim.units import format_bytes
from accelsim.workload.layer import Widths
from accelsim.workload.network import Network

MARK = "<-"
"""Stands beside the limiting layer, for whoever sees no bold type."""
_TEXT_COLUMNS = (
    "layer", "network", "op", "stays", "why", "limiting layer", "input", "source",
    "accelerator", "buffering", "result", "agrees", "order", "tiles", "block",
    "slowest layer", "bound",
)  # fmt: skip
_MAY_FOLD = ("why", "source", "order", "tiles")
_SAID_BY_WHY = ("stays", "W", "I", "O")

Column = tuple[str, Callable[[Row], str]]


def min_sram_text(result: MinSram, terminal_columns: int | None = None) -> str:
    """Return the table of `min-sram` with the answer and its assumptions below.

    A row per layer of one network, a row per network of several. Without a terminal the text is
    plain and as wide as its words; on one it is coloured and folded to its columns.
    """
    if len(result.networks) == 1:
        limiting = limiting_row(result)
        columns, rows = _LAYER_COLUMNS, list(result.table)
        marked = result.table.index(limiting)
    else:
        columns = _NETWORK_COLUMNS
        rows = [{"network": name, **found} for name, found in result.summary["networks"].items()]
        marked = max(range(len(rows)), key=lambda at: int(rows[at]["min_sram_bytes"]))
    return column_text(
        columns, rows, marked, [*_answer(result), assumptions(result)], terminal_columns
    )


def replay_text(result: Result, terminal_columns: int | None = None) -> str:
    """Return the table of `replay`: what was claimed and what was counted, side by side."""
    found = result.summary
    answer = f"{found['layers_agreed']} of {found['layers']} layers ran exactly as claimed."
    sampled = [row for row in result.table if row["groups_replayed"] != row["groups"]]
    if any(int(row["groups_replayed"]) for row in sampled):
        answer += " Of some layers only a sample of groups ran; claims are for these."
    return column_text(_REPLAY_COLUMNS, result.table, None, [answer], terminal_columns)


def plain_text(result: Result, terminal_columns: int | None = None) -> str:
    """Return any result as a table of its columns."""
    return column_text(_all_columns(result), result.table, None, [], terminal_columns)


def limiting_row(result: MinSram) -> Row:
    """The row of the largest need, the first of equals."""
    return max(result.table, key=lambda row: int(row["min_sram_bytes"]))


def assumptions(result: MinSram) -> str:
    """One line: convention, buffering, block and widths, and whether anyone set the widths."""
    schedules = [need.schedule for need in result.needs if need.schedule is not None]
    block = str(schedules[0].block) if schedules else ""
    return (
        f"Counted with convention {result.meta['convention']}, buffering "
        f"{result.meta['buffering']}, block {block or 'one MAC'}, {_widths_of(result)}."
    )


def repr_html(result: Result) -> str:
    """Return the rows as a plain HTML table, the limiting layer bold: what notebooks show."""
    columns, below, limiting = _all_columns(result), "", None
    if isinstance(result, MinSram):
        columns, limiting = _LAYER_COLUMNS, limiting_row(result)
        if len(result.networks) > 1:
            columns = [_NETWORK_COLUMNS[0], *columns]
        below = "".join(
            f"<p>{escape(line)}</p>" for line in [*_answer(result), assumptions(result)]
        )
    head = "".join(f"<th>{escape(name)}</th>" for name, _ in columns)
    body = []
    for row in result.table:
        cells = "".join(
            f'<td style="text-align:{_justify(name)}">{escape(show(row))}</td>'
            for name, show in columns
        )
        body.append(
            f'<tr style="font-weight:bold">{cells}</tr>' if row is limiting else f"<tr>{cells}</tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{below}"


def column_text(
    columns: Sequence[Column],
    rows: Sequence[Row],
    marked: int | None,
    below: Sequence[str],
    terminal_columns: int | None,
) -> str:
    """Columns and rows as text, one row marked, with lines below."""
    cells = [[show(row) for _, show in columns] for row in rows]
    if marked is not None:
        cells[marked][0] += f" {MARK}"
    names = [name for name, _ in columns]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    full_width = sum(widths) + 2 * len(widths) - 2
    if terminal_columns is None:
        return _plain(names, cells, widths) + "".join(f"{line}\n" for line in ["", *below])
    if full_width > terminal_columns and "why" in names:
        kept = [at for at, name in enumerate(names) if name not in _SAID_BY_WHY]
        names, cells = [names[at] for at in kept], [[row[at] for at in kept] for row in cells]
        what = "the words of each operand at the peak"
        below = [*below, f"A terminal of {full_width} columns, or a pipe, shows {what}."]
    return _folded(names, cells, marked, below, terminal_columns)


def _plain(names: list[str], cells: list[list[str]], widths: list[int]) -> str:
    """As wide as its words. Not rich's: its import is a tenth of the whole command's time."""
    lines = [names, ["─" * width for width in widths], *cells]
    text = ""
    for line in lines:
        padded = (
            cell.ljust(width) if _justify(name) == "left" else cell.rjust(width)
            for name, cell, width in zip(names, line, widths, strict=True)
        )  # fmt: skip
        text += "  ".join(padded).rstrip() + "\n"
    return text


def _folded(
    names: list[str],
    cells: list[list[str]],
    marked: int | None,
    below: Sequence[str],
    terminal_columns: int,
) -> str:
    """Fits the terminal: the sentences fold, the limiting row is bold."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True,
        header_style="bold",
    )  # fmt: skip
    for name in names:
        folds = name in _MAY_FOLD
        table.add_column(name, justify=_justify(name), no_wrap=not folds, overflow="fold")
    for at, row in enumerate(cells):
        table.add_row(*row, style="bold" if at == marked else None)
    out = StringIO()
    console = Console(
        file=out, width=terminal_columns, force_terminal=True,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    console.print(table)
    return out.getvalue() + "".join(f"{line}\n" for line in ["", *below])


def _justify(name: str) -> Literal["left", "right"]:
    return "left" if name in _TEXT_COLUMNS else "right"


def _answer(result: MinSram) -> list[str]:
    """What the table amounts to."""
    if len(result.networks) > 1:
        return []
    found = result.summary
    lines = [
        f"{result.networks[0].name} needs {_size(found['min_sram_bytes'])} of on-chip SRAM; "
        f"{found['limiting_layer']} ({MARK}) decides.",
        f"Then {_megabytes(found['compulsory_bytes'])} cross the chip edge, "
        "every word exactly once.",
    ]
    if found["conv_fc_compulsory_words"] not in (0, found["compulsory_words"]):
        lines.append(
            f"conv and fc alone: {_size(found['conv_fc_min_sram_bytes'])} "
            f"({found['conv_fc_limiting_layer']}), {_megabytes(found['conv_fc_compulsory_bytes'])}."
        )
    return lines


def _widths_of(result: MinSram) -> str:
    return widths_text({need.layer.widths for need in result.needs}, result.networks)


def widths_text(found: set[Widths], networks: Sequence[Network]) -> str:
    """How wide words are, and whether anyone said so."""
    found = set(found)
    by_default = any(network.default_widths for network in networks)
    if found == {Widths()}:
        return "8 bits a word" + (", psums too, as nothing sets them" if by_default else "")
    where = ", 8 where nothing sets them" if by_default else ""
    if len(found) > 1:
        return f"bits a word by layer{where}"
    of = found.pop()
    if len(set((of.weights, of.inputs, of.outputs, of.psums))) == 1:
        return f"{of.weights} bits a word"
    each = f"weights {of.weights}, inputs {of.inputs}, outputs {of.outputs}, psums {of.psums}"
    return f"bits a word: {each}{where}"


def _all_columns(result: Result) -> list[Column]:
    return [(name.replace("_", " "), show_cell(name)) for name in result.columns]


def _pair(name: str) -> Callable[[Row], str]:
    """The counted figure; the claimed one before it where they differ."""

    def show(row: Row) -> str:
        """The cell of a row, whole numbers with commas."""
        claimed, counted = row[f"claimed_{name}"], row[f"counted_{name}"]
        return f"{counted:,}" if claimed == counted else f"claimed {claimed:,}, counted {counted:,}"

    return show


def _size(count: int) -> str:
    return f"{format_bytes(count)} ({count:,} bytes)"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB"


def kib_text(name: str) -> Callable[[Row], str]:
    """A column of bytes shown in KiB."""
    return lambda row: f"{int(row[name]) / 1024:,.2f}" if int(row[name]) > 5 else "<0.01"


def show_cell(name: str) -> Callable[[Row], str]:
    """A column as it is, whole numbers with commas."""

    def show(row: Row) -> str:
        """The cell of a row."""
        value = row[name]
        return f"{value:,}" if isinstance(value, int) else str(value)

    return show


_LAYER_COLUMNS: list[Column] = [
    ("layer", show_cell("layer")),
    ("op", show_cell("op")),
    ("least words", show_cell("min_sram_words")),
    ("KiB", kib_text("min_sram_bytes")),
    ("stays", show_cell("resident")),
    ("W", show_cell("weights_resident_words")),
    ("I", show_cell("inputs_resident_words")),
    ("O", show_cell("outputs_resident_words")),
    ("tile", show_cell("tile_sram_words")),
    ("proven", show_cell("bound_words")),
    ("gap", lambda row: f"{row['gap_x']:.2f}x"),
    ("why", show_cell("reason")),
]
_NETWORK_COLUMNS: list[Column] = [
    ("network", show_cell("network")),
    ("least KiB", kib_text("min_sram_bytes")),
    ("limiting layer", show_cell("limiting_layer")),
    ("conv+fc KiB", kib_text("conv_fc_min_sram_bytes")),
    ("compulsory MB", lambda row: f"{int(row['compulsory_bytes']) / 1e6:,.2f}"),
]
_REPLAY_COLUMNS: list[Column] = [
    ("network", show_cell("network")),
    ("layer", show_cell("layer")),
    ("op", show_cell("op")),
    ("groups", lambda row: f"{row['groups_replayed']} of {row['groups']}"),
    ("SRAM bits", _pair("sram_bits")),
    ("weights read", _pair("weights_read_words")),
    ("inputs read", _pair("inputs_read_words")),
    ("outputs written", _pair("outputs_write_words")),
    ("psums moved", show_cell("counted_psums_words")),
    ("MACs", _pair("macs")),
    ("result", show_cell("result")),
    ("agrees", show_cell("agrees")),
]
