"""A schedule as a YAML file and back, so that a witness can be kept, edited and replayed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from accelsim import spec
from accelsim.dataflow.schedule import Schedule
from accelsim.spec import Step
from accelsim.units import suggest


def to_yaml(schedule: Schedule) -> str:
    """The schedule as YAML; `from_yaml` gives an equal one back."""
    said = _said(_plain(asdict(schedule)))
    return yaml.safe_dump(said, sort_keys=False, default_flow_style=None)


def from_yaml(path: str | Path) -> Schedule:
    """Read a schedule; raises InputError (one line) for a file that is none."""
    document = spec.read(path)
    try:
        schedule = TypeAdapter(Schedule).validate_python(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        wrong = f"{first['msg']}; `accelsim explain NET LAYER --format yaml` shows a schedule"
        raise document.fault(first["loc"], wrong) from None
    unknown = _unknown(document.data, _plain(asdict(schedule)), ())
    if unknown is not None:
        where, known = unknown
        raise document.fault(where, f"unknown key; {suggest(str(where[-1]), known)}")
    fault = schedule.fault()
    if fault is not None:
        raise document.fault(tuple(fault[0].split(".")), fault[1])
    return schedule


def _unknown(
    given: Any, model: Any, where: tuple[Step, ...]
) -> tuple[tuple[Step, ...], list[str]] | None:
    """Path of the first key that the model does not have, and the keys that it has there."""
    pairs: list[tuple[Step, Any, Any]] = []
    if isinstance(given, dict) and isinstance(model, dict):
        for key in given:
            if key not in model:
                return (*where, key), list(model)
        pairs = [(key, given[key], model[key]) for key in given]
    elif isinstance(given, list) and isinstance(model, list):
        pairs = [(at, *both) for at, both in enumerate(zip(given, model, strict=True))]
    found = (_unknown(inner, known, (*where, step)) for step, inner, known in pairs)
    return next((fault for fault in found if fault is not None), None)


def _said(value: Any) -> Any:
    """Leave out what is not there: no limit, no part, no order of its own at the turns."""
    if isinstance(value, dict):
        absent: list[Any] = [None, ("turn_order", []), ("through", False)]
        return {
            key: _said(inner)
            for key, inner in value.items()
            if inner not in absent and (key, inner) not in absent
        }
    return [_said(inner) for inner in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
