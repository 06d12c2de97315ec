"""The table of `train`: operators of an iteration, and the answer below."""

from __future__ import annotations

from accelsim.report.tables import Column, column_text, show_cell
from accelsim.results import Row
from accelsim.trainings import TrainResult

_MB = 1e6


def train_text(result: TrainResult, terminal_columns: int | None = None) -> str:
    """Return the table of `train`: a row per operator, the peak marked, the answer below."""
    rows = list(result.table)
    below = [*_answer(result), train_assumptions(result)]
    return column_text(_COLUMNS, rows, result.summary["peak_start"], below, terminal_columns)


def train_assumptions(result: TrainResult) -> str:
    """One line: the convention, the optimizer, the policy, what is not modelled."""
    meta = result.meta
    return (
        f"Saved as {meta['saved']} does, optimizer {meta['optimizer']}, policy {meta['policy']}; "
        "no convolution workspace, no fragmentation."
    )


def _answer(result: TrainResult) -> list[str]:
    found = result.summary
    name, longest = result.table[0]["network"], _longest(found["saved_tensors"])
    return [
        f"{name} at batch {found['batch']} peaks at {_size(found['peak_bytes'])}, "
        f"{found['peak_pass']} of {found['peak_layer']}.",
        f"Saved for backward {_size(found['saved_bytes'])}; parameters "
        f"{_size(found['parameter_bytes'])}, their gradients {_size(found['gradient_bytes'])}, "
        f"optimizer {_size(found['optimizer_bytes'])}.",
        f"{longest['tensor']} waits longest: {longest['idle_ops']} of {len(result.table)} "
        f"operators run while its {_size(int(longest['bytes']))} lie idle.",
        f"Structural minimum {_size(found['structural_min_bytes'])}: no offloading of whole layers "
        f"goes below; {found['structural_min_layer']} decides.",
    ]


def _longest(waiting: list[Row]) -> Row:
    return max(waiting, key=lambda each: int(each["idle_ops"]))


def _size(count: int) -> str:
    return f"{count / _MB:,.2f} MB" if count < 1e9 else f"{count / 1e9:,.3f} GB"


def _megabytes(name: str) -> Column:
    return f"{name} MB", lambda row: f"{int(row[f'{name}_bytes']) / _MB:,.2f}"


_COLUMNS: list[Column] = [
    ("layer", show_cell("layer")),
    ("pass", show_cell("pass")),
    ("start", show_cell("start")),
    _megabytes("live"),
    _megabytes("saved"),
    _megabytes("gradients"),
    _megabytes("transient"),
    _megabytes("working"),
]
