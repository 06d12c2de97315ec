"""What a command found: rows with units in their names, a summary, and where it came from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

Value = int | float | str
Row = dict[str, Value]


class LazyRows(Sequence[Row]):
    """Rows that are all made when the first of them is looked at."""

    def __init__(self, make: Callable[[], Sequence[Row]]) -> None:
        self._make = make

    @cached_property
    def _rows(self) -> Sequence[Row]:
        return self._make()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        return self._rows[at]


def csv_parts(rows: Iterable[Row]) -> Iterator[str]:
    """CSV text with a header line, some thousand rows at a time."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for at, row in enumerate(rows):
        if at == 0:
            writer.writerow(row)
        writer.writerow(row.values())
        if at % 4096 == 4095:
            yield out.getvalue()
            out.seek(out.truncate(0))
    yield out.getvalue()


@dataclass(frozen=True)
class Result:
    """Rows, summary and origin of one command; the same columns in table, CSV and JSON.

    `meta` holds version, command, inputs (path -> sha256), convention and buffering.
    """

    meta: Mapping[str, Any]
    table: Sequence[Row]
    summary: Mapping[str, Any]

    def rows(self) -> list[Row]:
        """Return the rows as plain dictionaries, in order."""
        return [dict(row) for row in self.table]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, each with its unit."""
        return list(self.table[0]) if self.table else []

    def to_csv(self) -> str:
        """Return the rows as CSV text with a header line."""
        return "".join(csv_parts(self.table))

    def to_json(self) -> str:
        """Return `{"meta", "rows", "summary"}` as JSON text."""
        # indenting is plain Python's work; a row with one separator throughout is C's
        row = json.JSONEncoder(ensure_ascii=False, separators=(",\n   ", ": "))
        rows = ",".join(f"\n  {{\n   {row.encode(each)[1:-1]}\n  }}" for each in self.table)
        meta, summary = (
            json.dumps(part, indent=1, ensure_ascii=False).replace("\n", "\n ")
            for part in (self.meta, self.summary)
        )
        rows = f"[{rows}\n ]" if rows else "[]"
        return f'{{\n "meta": {meta},\n "rows": {rows},\n "summary": {summary}\n}}\n'

    def to_dataframe(self) -> Any:
        """Return the rows as a pandas DataFrame; raises ImportError without pandas."""
        import pandas

        return pandas.DataFrame(self.rows(), columns=self.columns)
