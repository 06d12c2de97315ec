"""Progress of a long replay on stderr, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelsim.verify import Progress


@contextmanager
def replay_progress() -> Iterator[Progress | None]:
    """Yield what `verify` calls: a bar over the layer's MACs, or None without a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("replay {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def tell(layer: str, done: int, macs: int) -> None:
            if done == 0:
                bar.reset(task, total=max(macs, 1), description=layer)
            else:
                bar.advance(task, done)

        yield tell
