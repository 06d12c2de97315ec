"""What a command found: rows with units in their names, a summary, and where it came from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = int | float | str
Row = dict[str, Value]


@dataclass(frozen=True)
class Result:
    """Rows, summary and origin of one command; the same columns in table, CSV and JSON.

    `meta` holds version, command, inputs (path -> sha256), convention and buffering.
    """

    meta: Mapping[str, Any]
    table: tuple[Row, ...]
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
        out = io.StringIO()
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.table)
        return out.getvalue()

    def to_json(self) -> str:
        """Return `{"meta", "rows", "summary"}` as JSON text."""
        whole = {"meta": self.meta, "rows": self.table, "summary": self.summary}
        return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"

    def to_dataframe(self) -> Any:
        """Return the rows as a pandas DataFrame; raises ImportError without pandas."""
        import pandas

        return pandas.DataFrame(self.rows(), columns=self.columns)
