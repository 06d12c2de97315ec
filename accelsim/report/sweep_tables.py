"""Tables of a sweep: a line a point, with what was swept and what came of it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from accelsim.ranges import value_of
from accelsim.report.tables import Column, column_text, kib_text, show_cell
from accelsim.results import Row, Value
from accelsim.spec import InputError
from accelsim.sweep import SweepResult
from accelsim.units import format_bytes, quote, suggest

MAX_SHOWN = 60
_CONDITION = re.compile(r"([^<>=!]+?) *(<=|>=|!=|<|>|=) *(.*)")
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def sweep_text(result: SweepResult, terminal_columns: int | None = None) -> str:
    """Return the points as a table, the first of many, with what is done and left below."""
    rows = list(islice(iter(result.table), MAX_SHOWN))
    below = [_answer(result)]
    more = result.summary["done"] + result.summary["failed"] - len(rows)
    if more > 0:
        below.insert(0, f"{more:,} more; --format csv or json has them all.")
    return column_text(sweep_columns(rows), rows, None, below, terminal_columns)


def sweep_columns(rows: Sequence[Row]) -> list[Column]:
    """Columns of points: the names, what is swept, the totals."""
    columns = list(rows[0]) if rows else []
    swept = columns[2 : columns.index("sram_capacity_bytes")] if columns else []
    found: list[Column] = [
        ("network", show_cell("network")),
        ("accelerator", show_cell("accelerator")),
    ]
    found += [(name, show_cell(name)) for name in swept]
    found.append(("SRAM", lambda row: _size(row["sram_capacity_bytes"])))
    found += [(name, _unless_failed(show)) for name, show in _TOTALS]
    if any(row["error"] for row in rows):
        found.append(("why", show_cell("error")))
    return found


def _size(count: Value) -> str:
    return format_bytes(count) if isinstance(count, int) else ""


def _unless_failed(show: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: "" if row["error"] else show(row)


def _rate(name: str) -> Callable[[Row], str]:
    return lambda row: f"{int(row[f'{name}_bandwidth_bytes_per_s']) / 1e9:,.2f}"


_TOTALS: list[Column] = [
    ("ms", lambda row: f"{1000 * float(row['seconds']):,.3f}"),
    ("PEs", lambda row: f"{100 * float(row['utilization_x']):.1f}%"),
    (
        "MB",
        lambda row: f"{(int(row['dram_read_bytes']) + int(row['dram_write_bytes'])) / 1e6:,.2f}",
    ),
    ("times", lambda row: f"{float(row['dram_x']):.2f}x"),
    ("GB/s", _rate("avg")),
    ("needed", _rate("needed")),
    ("used KiB", kib_text("sram_bytes")),
]


def _answer(result: SweepResult) -> str:
    found = result.summary
    text = f"{found['done']:,} of {found['points']:,} points are done"
    if found["failed"]:
        text += f", {found['failed']:,} cannot be"
    return f"{text}, {found['left']:,} are left." if found["left"] else f"{text}."


def conditions(texts: Iterable[str]) -> list[tuple[str, str, Value]]:
    """`network=vgg16`, `sram_capacity_bytes<=64KiB` as name, test, value; raises InputError."""
    found = []
    for text in texts:
        match = _CONDITION.fullmatch(text.strip())
        if match is None:
            raise InputError(
                f"--where: {quote(text)} is no condition; write for instance pe.rows=16"
            )
        found.append((match[1], match[2], value_of(match[3])))
    return found


def meeting(rows: Iterable[Row], wanted: Sequence[tuple[str, str, Value]]) -> Iterator[Row]:
    """The rows that meet all conditions; raises InputError for a column that is not there."""
    for row in rows:
        for name, test, value in wanted:
            if name not in row:
                raise InputError(f"--where: no column {quote(name)}; {suggest(name, row, most=8)}")
            own = row[name]
            if isinstance(own, str) != isinstance(value, str) or not _TESTS[test](own, value):
                break
        else:
            yield row


def parquet(rows: Iterable[Row]) -> bytes:
    """Rows as a Parquet file, in which what is empty is null; raises InputError without pyarrow."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise InputError("Parquet needs pyarrow; pip install 'accelsim[parquet]'") from None
    out, writer, rest = io.BytesIO(), None, iter(rows)
    while part := list(islice(rest, 20_000)):
        each = [
            {name: None if value == "" else value for name, value in row.items()} for row in part
        ]
        if writer is None:
            schema = pyarrow.Table.from_pylist(each).schema
            plain = [
                field.with_type(pyarrow.string()) if pyarrow.types.is_null(field.type) else field
                for field in schema
            ]
            writer = ParquetWriter(out, pyarrow.schema(plain))
        writer.write_table(pyarrow.Table.from_pylist(each, schema=writer.schema))
    if writer is None:
        raise InputError("no row is left to be written; loosen --where")
    writer.close()
    return out.getvalue()
