"""The sweep file: what `accelsim sweep` is asked for, as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from accelsim.spec import Model, parse, read
from accelsim.units import describe


def _texts(value: Any) -> tuple[str, ...]:
    """One text, or a list of them."""
    given = [value] if isinstance(value, str) and value else value
    if not isinstance(given, list) or not given or not all(isinstance(x, str) for x in given):
        raise ValueError(f"{describe(value)} is given; write a value, or a list of values")
    return tuple(given)


def _ranges(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{describe(value)} is given; write for instance {{pe.rows: 8:64:x2}}")
    return {path: ",".join(_texts(each)) for path, each in value.items()}


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Range = Annotated[str, BeforeValidator(lambda value: ",".join(_texts(value)))]


class SweepFile(Model):
    """Networks, accelerators and what is swept; the names are those of the command's options."""

    networks: Texts
    accelerators: Texts
    sram: Range | None = None
    set: Annotated[dict[str, str] | None, BeforeValidator(_ranges)] = None
    batch: Range | None = None
    input: Range | None = None
    bits: Range | None = None
    psum_bits: Range | None = None
    layer: Texts | None = None


def read_sweep_file(path: str | Path) -> SweepFile:
    """Read a sweep file; raises InputError, whose text is one line, for any fault."""
    return parse(read(path), SweepFile)
