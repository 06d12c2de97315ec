"""What a worker does: answers for points that differ in SRAM only, the largest size first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accelsim.known_choices import KnownChoices
from accelsim.ranges import value_of
from accelsim.results import Value
from accelsim.runs import run
from accelsim.spec import InputError
from accelsim.sweeping.points import SRAM, Settings, Source, accelerator_of, network_of, size_of


@dataclass(frozen=True)
class Task:
    """Points of one network and accelerator; `points` are their numbers and values by path."""

    network: Source
    accelerator: Source
    options: Mapping[str, Any]
    points: tuple[tuple[int, Settings], ...]


@dataclass(frozen=True)
class Answer:
    """A point's number and the rows of `run`, or the one line that says why there are none."""

    number: int
    error: str
    totals: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()


def answer(task: Task) -> list[Answer]:
    """Answer a task's points. A point that fails has its error in its answer; nothing is raised."""
    known = KnownChoices()
    downward = sorted(task.points, key=lambda each: _sizes(each[1]), reverse=True)
    return [_answer(task, number, settings, known) for number, settings in downward]


def _sizes(settings: Settings) -> list[float]:
    values = (value_of(text) for path, text in settings if path.startswith(SRAM))
    return [value for value in values if isinstance(value, int | float)]


def _answer(task: Task, number: int, settings: Settings, known: KnownChoices) -> Answer:
    totals: dict[str, Any] = {}
    try:
        device = accelerator_of(task.accelerator, settings)
        sram = next((size_of(text) for path, text in settings if path == SRAM), None)
        totals = {
            "sram_capacity_bytes": device.sram_total_bytes if sram is None else sram,
            "peak_bandwidth_bytes_per_s": device.dram.peak_bytes_per_s if device.dram else 0,
            "pes": device.pe.pes,
        }
        network = network_of(task.network, settings, device)
        found = run(network, device, sram=sram, known=known, **task.options)
    except InputError as error:
        return Answer(number, str(error), totals)
    except Exception as error:  # one point must not end the sweep
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return Answer(number, f"our bug, please report it: {what[:400]}", totals)
    columns = tuple(found.columns)
    rows = tuple(tuple(row.values()) for row in found.table)
    return Answer(number, "", {**totals, **found.summary}, columns, rows)
