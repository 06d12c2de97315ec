"""The passes of layers on a row stationary array as a YAML file: Eyeriss's mapping table.

layers:                # those that are not named are mapped by the model
  conv1: {m: 96, n: 1, e: 7, p: 16, q: 1, r: 1, t: 2}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from accelsim import spec
from accelsim.spec import Document, InputError, Model
from accelsim.timing.row_stationary import Passes
from accelsim.units import describe, parse_whole, suggest
from accelsim.workload.format import MAX_EXTENT, Text

_Count = Annotated[int, BeforeValidator(lambda value: parse_whole(value, 1, MAX_EXTENT))]


class _Passes(Model):
    m: _Count
    n: _Count
    e: _Count
    p: _Count
    q: _Count
    r: _Count
    t: _Count


def _some(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{describe(value)} is given; write layers and their m n e p q r t")
    return value


class _File(Model):
    source: Text = ""
    layers: Annotated[dict[str, _Passes], BeforeValidator(_some)]


@dataclass(frozen=True)
class GivenPasses:
    """The mappings of layers by name, and where they stand in their file."""

    layers: dict[str, Passes]
    document: Document

    def check_names(self, known: Iterable[str]) -> None:
        """Raise InputError for a layer that no network has."""
        names = list(known)
        for name in self.layers:
            if name not in names:
                raise self.document.fault(
                    ("layers", name), f"no such layer; {suggest(name, names)}"
                )

    def fault(self, name: str, wrong: str) -> InputError:
        """The error that says what is wrong with a layer's mapping."""
        return self.document.fault(("layers", name), wrong)


def read_passes(path: str | Path) -> GivenPasses:
    """Read a file of mappings; raises InputError (one line) for a file that is none."""
    document = spec.read(path)
    found = spec.parse(document, _File)
    layers = {name: Passes(**each.model_dump()) for name, each in found.layers.items()}
    return GivenPasses(layers, document)
