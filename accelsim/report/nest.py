"""A schedule drawn as the loop nest it is, with each operand's stay on the chip beside its loop."""

from __future__ import annotations

from collections import Counter

from accelsim.dataflow.schedule import (
    ROW_LOOPS,
    Schedule,
    loop_extent,
    output_phases,
    tap_phases,
)
from accelsim.workload.layer import Axis

_WORD = {"weights": "weight", "inputs": "input", "outputs": "psum"}
_SHARED = {"weights": "N", "inputs": "K", "outputs": "C"}
"""The dim of which an operand's word knows nothing: it is the same in all iterations."""
_INPUT = {"P": "H", "R": "H", "Q": "W", "S": "W"}


def loop_nest(schedule: Schedule) -> list[str]:
    """Return the order of one group as indented text, outermost loop first.

    The comment of a loop names the operands whose words are used in several of its iterations but
    of no loop outside it: these words stay on the chip meanwhile. A word is fetched at its first
    use and dropped after its last; an output is written after its last MAC.
    """
    order, groups = schedule.order, schedule.layer.groups
    operands = [name for name in _WORD if name != "weights" or schedule.layer.has_weights]
    notes: dict[int, list[str]] = {place: [] for place in range(len(order) + 1)}
    for operand in operands:
        uses = (place for place in range(len(order)) if _uses_again(schedule, operand, place))
        place = next(uses, len(order))
        notes[place].append(_stay(schedule, operand, place))
    lines = [(f"for group in {groups}:", "one after another")] if groups > 1 else []
    lines += [(_head(schedule, place), "; ".join(notes[place])) for place in range(len(order))]
    lines.append((_statement(schedule), "; ".join(notes[len(order)])))
    indented = [("  " * depth + text, note) for depth, (text, note) in enumerate(lines)]
    width = max(len(text) for text, _ in indented)
    return [f"{text:{width}}  # {note}" if note else text for text, note in indented]


def _axis(schedule: Schedule, loop: str) -> Axis:
    return schedule.layer.rows if loop in ROW_LOOPS else schedule.layer.cols


def _outside(schedule: Schedule, place: int) -> set[str]:
    """Loops of the same axis outside this one."""
    rows = schedule.order[place] in ROW_LOOPS
    return {
        loop for loop in schedule.order[:place] if loop not in "NKC" and (loop in ROW_LOOPS) == rows
    }


def _head(schedule: Schedule, place: int) -> str:
    """`for p in 56:`, `for k in 64 by 16:`, `for r in the phase, at most 2:`."""
    loop, layer = schedule.order[place], schedule.layer.group()
    name, outside = loop.lower(), _outside(schedule, place)
    extent = loop_extent(layer, schedule.block, loop)
    if loop in ("H", "W"):
        return f"for {name} in {extent:,} input {'rows' if loop == 'H' else 'columns'}:"
    if loop[-1] == "%":
        return f"for {name[0]} mod {_phases(schedule, loop)} in {extent} phases:"
    if _INPUT.get(loop) in outside:
        meeting = _most_meeting(_axis(schedule, loop))
        return f"for {name} that meets {_INPUT[loop].lower()}, at most {meeting}:"
    total, step = layer.dims[loop], int(getattr(schedule.block, loop))
    phases = {f"{loop}%"}
    if loop in "PQ" and _axis(schedule, loop).kind == "deconv":
        phases |= {"R%", "S%"}
    phase = next(iter(outside & phases), None)
    if phase is not None:
        return f"for {name} in the phase, at most {-(-total // _phases(schedule, phase))}:"
    return f"for {name} in {total:,}{f' by {step}' if step > 1 else ''}:"


def _phases(schedule: Schedule, loop: str) -> int:
    axis = _axis(schedule, loop)
    return tap_phases(axis) if loop[0] in "RS" else output_phases(axis)


def _most_meeting(axis: Axis) -> int:
    """The most outputs, each by one tap, that meet one input."""
    return max(Counter(axis.pairs()[2].tolist()).values(), default=0)


def _uses_again(schedule: Schedule, operand: str, place: int) -> bool:
    """Whether a word of the operand is used in several iterations of the loop at this place."""
    loop = schedule.order[place]
    if loop in "NKC":
        return loop == _SHARED[operand]
    axis, outside = _axis(schedule, loop), _outside(schedule, place)
    met = bool(outside & {"H", "W"})  # the input is fixed: output and tap follow each other
    deconv_phase = axis.kind == "deconv" and loop[-1] == "%"
    if operand == "weights":
        return loop[0] in "PQHW" and not met
    if operand == "outputs":
        if loop in ("H", "W"):
            return axis.useful_pairs > axis.outputs
        summed = axis.useful_pairs > axis.outputs
        return loop[0] in "RS" and summed and not met and not deconv_phase
    if loop in ("H", "W") or met:
        return False
    if loop[-1] == "%":
        return deconv_phase
    one_fixed = bool(outside & {"P", "Q", "R", "S"})
    taps_together = axis.taps > (_phases(schedule, "R%") if outside & {"R%", "S%"} else 1)
    return not one_fixed and taps_together and axis.useful_pairs > axis.used_inputs


def _stay(schedule: Schedule, operand: str, place: int) -> str:
    """Which words of the operand stay while the loop at this place runs."""
    order, words = schedule.order, f"{_WORD[operand]}s"
    if place == len(order):
        return f"{words} are used once"
    loop = order[place]
    again = loop.lower() if loop[-1] != "%" else f"{loop[0].lower()} phase"
    if loop in ({"inputs": "PQ", "outputs": "HW"}.get(operand) or ""):
        line = "row" if loop in ROW_LOOPS else "column"
        return f"{_WORD[operand]} {line}s wait for the next {again}"
    action = f"summed over {again}" if operand == "outputs" else f"used at every {again}"
    apart = [_tells_apart(schedule, operand, other) for other in range(len(order))]
    fixed = [other for other, tells in zip(order[:place], apart, strict=False) if tells]
    if not any(apart[place + 1 :]):
        one = "the block's " + words if str(schedule.block) else f"one {_WORD[operand]}"
        return f"{one} {'stay' if str(schedule.block) else 'stays'}, {action}"
    if not fixed:
        return f"all {words} stay, {action}"
    names = [f"{name[0].lower()} phase" if name[-1] == "%" else name.lower() for name in fixed]
    return f"{words} of one {', '.join(names)} stay, {action}"


def _tells_apart(schedule: Schedule, operand: str, place: int) -> bool:
    """Whether iterations of the loop at this place touch different words of the operand."""
    loop = schedule.order[place]
    if loop in "NKC":
        return loop != _SHARED[operand]
    axis, outside = _axis(schedule, loop), _outside(schedule, place)
    if operand == "weights":
        return loop[0] in "RS" or (loop in "PQ" and bool(outside & {"H", "W"}))
    if operand == "inputs":
        return loop[0] in "HWPQ" or (loop[-1] == "%" and axis.kind == "conv")
    return loop[0] in "PQ" or (loop[0] in "RS" and axis.useful_pairs <= axis.outputs)


def _statement(schedule: Schedule) -> str:
    layer = schedule.layer.group()
    extents = {**layer.dims, "H": layer.rows.inputs, "W": layer.cols.inputs}

    def word(name: str, dims: str) -> str:
        kept = [dim.lower() for dim in dims if extents[dim] > 1]
        return f"{name}[{','.join(kept)}]" if kept else name

    out, read = word("out", "NKPQ"), word("in", "NCHW")
    return (
        f"{out} += {word('weight', 'KCRS')} * {read}" if layer.has_weights else f"{out} <- {read}"
    )


def positions(axis: Axis, names: str) -> str:
    """Which input meets which output and tap: `h = 2p + r - 3` for the names `prh`; or nothing."""
    p, r, h = tuple(names)
    if axis.kind == "adaptive":
        return f"{h} = floor({axis.inputs}{p} / {axis.outputs}) + {r}"
    if axis.kind == "bilinear":
        return f"{h} = floor(({p} + 1/2) {axis.inputs}/{axis.outputs} - 1/2) + {r}"
    known, wanted = (p, h) if axis.kind == "conv" else (h, p)
    text = f"{wanted} = {axis.stride if axis.stride > 1 else ''}{known}"
    if axis.taps > 1:
        text += f" + {axis.dilation if axis.dilation > 1 else ''}{r}"
    if axis.pad:
        text += f" - {axis.pad}"
    return text
