"""Many runs: networks x accelerators x any of their fields, kept in one file, resumed at will."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.choosing import RUN_OBJECTIVES
from accelsim.dataflow.schedule import Resident
from accelsim.hardware.accelerator import Accelerator
from accelsim.ranges import value_of
from accelsim.results import LazyRows, Result, Row
from accelsim.spec import Document, InputError
from accelsim.sweeping import store
from accelsim.sweeping.executors import executor_of, work
from accelsim.sweeping.points import SRAM, Plan, Point, Source, plan_of
from accelsim.sweeping.work import Task
from accelsim.units import parse_choice
from accelsim.workload.network import Network

Progress = Callable[[int, int, int], None]
"""Told how many points there are, are done, have failed."""
_MOST_POINTS = 64
"""Of a task, so that a stop loses little."""


@dataclass(frozen=True)
class SweepResult(Result):
    """A sweep's points, in order; `path` is its file, `keys` the points that are meant, or all.

    Rows are read from the file when they are looked at. A point that failed has its `error` in its
    row, and nothing else.
    """

    path: str = ""
    keys: Set[str] | None = None

    @property
    def layers(self) -> Result:
        """A row per point and layer: what is swept, then the columns of `run`."""
        rows = LazyRows(lambda: list(self.iterate_layers()))
        return Result({**self.meta, "rows": "layers"}, rows, self.summary)

    def iterate_layers(self) -> Iterator[Row]:
        """The rows of `layers`, one at a time."""
        return store.layer_rows(self.path, self.keys)


def sweep(
    networks: str | Path | Network | Sequence[str | Path | Network],
    accelerator: str | Path | Accelerator | Sequence[str | Path | Accelerator],
    *,
    sram: str | Sequence[int | str] | None = None,
    set: Mapping[str, str | Sequence[Any]] | None = None,
    file: str | Path | None = None,
    fresh: bool = False,
    executor: Any = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
    objective: str = "cycles",
    layer: str | Sequence[str] | None = None,
    resident: Resident | None = None,
) -> SweepResult:
    """Run every network on every accelerator at every value of every field that is swept.

    `sram` is a range of sizes of one shared SRAM, `16KiB:4MiB:x2`. `set` maps fields by path to
    ranges or values: those of the accelerator file (`pe.rows`, `dram.peak_bytes_per_s`), those of
    the network file (`input.H`, `layers[conv1].K`), and `batch`, `input`, `bits`, `psum_bits`;
    `pe.rows,pe.cols` sets both. The rest is as for `run`.

    With `file` each point is kept as soon as it is done, and is not run again next time; `fresh`
    empties the file first. Work is done in this process, in `jobs` processes, or by `executor`,
    which is like those of concurrent.futures or a Dask client; `scheduler` is a Dask scheduler's
    address. A point that cannot be run has its error in its row. Raises InputError for a fault of
    files or arguments, and where the file cannot be written.
    """
    try:
        parse_choice(objective, RUN_OBJECTIVES)
    except ValueError as error:
        raise InputError(f"objective: {error}") from None
    axes = dict(set or {})
    if sram is not None:
        axes[SRAM] = sram
    patterns = [layer] if isinstance(layer, str) else layer and list(layer)
    plan = plan_of(
        _several(networks), _several(accelerator), axes,
        {"objective": objective, "layer": patterns, "resident": resident},
    )  # fmt: skip
    with executor_of(executor, jobs, scheduler) as (found, most):
        return run_plan(plan, found, most, file=file, fresh=fresh, progress=progress)


def run_plan(
    plan: Plan,
    executor: Any,
    most: int,
    *,
    file: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Run what is not there yet of a plan; `most` tasks are out at a time."""
    folder = None if file is not None else tempfile.TemporaryDirectory(prefix="accelsim-")
    path = str(file) if file is not None else os.path.join(folder.name, "sweep")  # type: ignore[union-attr]
    kept = store.Store(path, fresh=fresh)
    try:
        kept.note(_inputs(plan))
        asked = [_as_asked(point) for point in plan.points()]
        kept.ask(asked)
        keys = frozenset(key for key, *_ in asked)
        del asked
        _fill(kept, plan, executor, most, len(keys), progress)
    finally:
        kept.close()
    result = read_sweep(path, keys)
    if folder is not None:
        weakref.finalize(result.table, folder.cleanup)
    return result


def read_sweep(path: str | Path, keys: Iterable[str] | None = None) -> SweepResult:
    """Return what is in a sweep's file: these points, or all; raises InputError for others."""
    made, wanted = store.notes(path), None if keys is None else set(keys)
    asked, done, failed = store.counts(path, wanted)
    return SweepResult(
        meta={
            "version": made["version"], "command": "sweep", "inputs": made["inputs"],
            "convention": "exact",
        },
        table=LazyRows(lambda: list(store.point_rows(path, wanted))),
        summary={"points": asked, "done": done, "failed": failed, "left": asked - done - failed},
        path=str(path),
        keys=None if wanted is None else frozenset(wanted),
    )  # fmt: skip


def _fill(
    kept: store.Store, plan: Plan, executor: Any, most: int, points: int, progress: Progress | None
) -> None:
    """Answer all points that nobody has answered."""
    keys = {point.key for point in plan.points()}
    states = {key: found for key, found in kept.states().items() if key in keys}
    done = sum(state != "" for _, state in states.values())
    failed = sum(state == "failed" for _, state in states.values())
    if progress is not None:
        progress(points, done, failed)
    for answers in work(executor, most, _tasks(plan, states)):
        kept.add(answers)
        done += len(answers)
        failed += sum(bool(each.error) for each in answers)
        if progress is not None:
            progress(points, done, failed)


def _tasks(plan: Plan, states: Mapping[str, tuple[int, str]]) -> Iterator[Task]:
    """What is to be done, as tasks of points that differ in SRAM only."""
    for group in plan.groups():
        left = [(states[point.key][0], point) for _, point in group if not states[point.key][1]]
        for at in range(0, len(left), _MOST_POINTS):
            part = left[at : at + _MOST_POINTS]
            first = part[0][1]
            points = tuple((place, point.settings) for place, point in part)
            yield Task(first.network, first.accelerator, plan.options, points)


def _as_asked(point: Point) -> tuple[str, str, str, str]:
    fields = {path: value_of(text) for path, text in point.settings if path != SRAM}
    names = _name(point.network), _name(point.accelerator)
    return point.key, *names, json.dumps(fields)


def _name(source: Source) -> str:
    return str(source.data["name"]) if isinstance(source, Document) else source.name


def _inputs(plan: Plan) -> dict[str, str]:
    return {source.path: source.sha256 for source in (*plan.networks, *plan.accelerators)}


def _several(given: Any) -> list[Any]:
    one = isinstance(given, str | Path | Network | Accelerator)
    return [given] if one else list(given)
