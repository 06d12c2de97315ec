"""A loop nest as a YAML file: loops with tile sizes, a depth per operand.

loops:                # outermost first; each iteration takes so many of the dim
  - {K: 64}
  - {P: 1}
  - {C: 16}
held: {weights: 1, inputs: 2, outputs: 2}    # loops outside; innermost where nothing is said
leaving: [inputs]     # leave with their scope, even if the next one uses their words again
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from accelsim import spec
from accelsim.dataflow.loopnest import DIMS, Convention, Loop, Mapping
from accelsim.dataflow.schedule import RESIDENTS, Resident
from accelsim.spec import Model, Step
from accelsim.units import describe, parse_choice, parse_whole
from accelsim.workload.layer import Conv

MAX_EXTENT = 2**40
MAX_LOOPS = 64


def _loop(value: Any) -> Loop:
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"{describe(value)} is given; write one dim and its tile size, {{K: 64}}")
    [(dim, step)] = value.items()
    return Loop(parse_choice(dim, DIMS), parse_whole(step, 1, MAX_EXTENT))


def _loops(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"{describe(value)} is given; write a list of loops, - {{K: 64}}")
    if len(value) > MAX_LOOPS:
        raise ValueError(f"{describe(value)} is given; {MAX_LOOPS} loops are the most")
    return tuple(value)


def _operand(value: Any) -> str:
    return parse_choice(value, RESIDENTS)


def _operands(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"{describe(value)} is given; write a list of operands, [inputs]")
    return tuple(value)


def _depth(value: Any) -> int:
    return parse_whole(value, 0, MAX_LOOPS)


_Depth = Annotated[int, BeforeValidator(_depth)]


class _Held(Model):
    weights: _Depth | None = None
    inputs: _Depth | None = None
    outputs: _Depth | None = None


class _File(Model):
    loops: Annotated[tuple[Annotated[Loop, BeforeValidator(_loop)], ...], BeforeValidator(_loops)]
    held: _Held = _Held()
    leaving: Annotated[
        tuple[Annotated[Resident, BeforeValidator(_operand)], ...], BeforeValidator(_operands)
    ] = ()


def read_mapping(path: str | Path, layer: Conv, convention: Convention = "exact") -> Mapping:
    """Read a mapping of a layer; raises InputError (one line) for a file that is none."""
    document = spec.read(path)
    given = spec.parse(document, _File)
    last = len(given.loops)
    weights, inputs, outputs = (
        last if depth is None else depth
        for depth in (given.held.weights, given.held.inputs, given.held.outputs)
    )
    for operand, depth in zip(RESIDENTS, (weights, inputs, outputs), strict=True):
        if depth > last:
            wrong = f"a depth counts the loops outside, 0 to {last}, not {depth}"
            raise document.fault(("held", operand), wrong)
    mapping = Mapping(given.loops, (weights, inputs, outputs), given.leaving)
    fault = mapping.fault(layer, convention)
    if fault is not None:
        place, wrong = fault
        where: tuple[Step, ...] = (place,) if isinstance(place, str) else ("loops", place)
        raise document.fault(where, wrong)
    return mapping


def to_yaml(mapping: Mapping) -> str:
    """The mapping as YAML; `read_mapping` gives one that counts the same."""
    lines = ["loops:" if mapping.loops else "loops: []"]
    lines += [f"  - {{{loop.dim}: {loop.step}}}" for loop in mapping.loops]
    held = (f"{name}: {depth}" for name, depth in zip(RESIDENTS, mapping.held, strict=True))
    lines.append(f"held: {{{', '.join(held)}}}")
    if mapping.leaving:
        lines.append(f"leaving: [{', '.join(mapping.leaving)}]")
    return "\n".join(lines) + "\n"
