"""Progress of long replays and sweeps: on stderr where that is a terminal, or in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from accelsim.sweep import SweepResult
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


@contextmanager
def sweep_progress() -> Iterator[Callable[[int, int, int], None] | None]:
    """Yield what `sweep` calls: points done, rate and time left, on a terminal or in a notebook."""
    in_notebook = "ipykernel" in sys.modules
    if not in_notebook and (sys.stderr is None or not sys.stderr.isatty()):
        yield None
        return
    show = _notebook_cell() if in_notebook else None
    with _points_bar(disable=in_notebook) as bar:
        task = bar.add_task("", total=None, failed="")
        drawn: list[float] = []  # when

        def tell(points: int, done: int, failed: int) -> None:
            """Bring the bar up to date; what was there at first has no part in the rate."""
            if not bar.tasks[task].total:
                bar.reset(task, total=points, completed=done, failed="")
            bar.update(task, completed=done, failed=f"{failed:,} failed" if failed else "")
            if show and (not drawn or time.monotonic() - drawn[-1] > 0.3 or done == points):
                drawn.append(time.monotonic())
                show(bar)

        yield tell


def _points_bar(*, disable: bool) -> Bar:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Points a second."""

        def render(self, task: Task) -> Text:
            """The rate, once it is known."""
            return Text(f"{task.speed:.1f} points/s" if task.speed else "")

    return Progress(
        TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        console=Console(stderr=True), transient=True, disable=disable,
    )  # fmt: skip


def _notebook_cell() -> Callable[[Bar], None]:
    """What draws the bar as text in the running cell's output, over what was there."""
    from IPython.display import display
    from rich.console import Console

    cell = display({"text/plain": ""}, raw=True, display_id=True)

    def show(bar: Bar) -> None:
        """Draw it as it is now."""
        out = StringIO()
        Console(
            file=out, width=90, force_jupyter=False, color_system=None, force_terminal=False
        ).print(bar.get_renderable())
        cell.update({"text/plain": out.getvalue().rstrip()}, raw=True)

    return show


def shown_sweep(*asked: Any, **options: Any) -> SweepResult:
    """`sweep` with its progress shown, where none is given."""
    from accelsim.sweep import sweep

    if "progress" in options:
        return sweep(*asked, **options)
    with sweep_progress() as progress:
        return sweep(*asked, **options, progress=progress)
