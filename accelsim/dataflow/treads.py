"""What further words save where the lines of `spare` end.

For the best schedules each further word of SRAM saves a word of traffic, until all are moved once
(THEORY.md section 3): one more place lets one more word stay from one tile to a later one. The
closed forms of `spare` offer places only where they know the peak beside them. Between the end of a
line and the next schedule, a tread, places are added to the schedule at hand or to one shortly
before it. On small layers any operand that is fetched again is tried, for a pass over any loops,
and what that costs and saves is counted MAC by MAC (`trace`); on large ones laws say it
(`stay_laws`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from accelsim.dataflow.schedule import RESIDENTS, Resident, Schedule, Stay
from accelsim.dataflow.stay_laws import Base, Places
from accelsim.dataflow.trace import Trace, bare, trace
from accelsim.dataflow.tread_kernel import steps_down

MOST_MACS = 1 << 17
"""Useful MACs of a group up to which its schedules are counted MAC by MAC."""


@dataclass(frozen=True)
class Step:
    """Bits and traffic bits of a schedule with so many places.

    Up to `steps` further places take `step_bits` and save `gain_bits` each. base: what the laws for
    large layers gave places to.
    """

    bits: int
    traffic_bits: int
    places: Places
    words: int
    step_bits: int = 0
    gain_bits: int = 0
    steps: int = 0
    base: Base | None = None


def filled(bases: Sequence[Base], traffic_bits: int, end_bits: int, least: int) -> list[Step]:
    """Steps down from `traffic_bits` up to below `end_bits`.

    bases: schedules to give places to; the first that any words help is taken. The steps ascend
    strictly in bits and descend in traffic, which stays above `least`. Where words of one operand
    leave sizes out, places for another are tried from the step before.
    """
    if not bases:
        return []
    if bases[0].schedule.layer.group().useful_macs > MOST_MACS:
        return _streamed(bases, traffic_bits, end_bits, least)
    for base in bases:
        steps = _counted(base, traffic_bits, end_bits, least)
        if steps:
            break
    else:
        return []
    word = min(bases[0].schedule.layer.widths.live)
    found: list[Step] = []
    for step in steps:
        if found and step.bits > found[-1].bits + word:
            found += _more(found[-1], bases, step.bits, least)
        if not found or step.traffic_bits < found[-1].traffic_bits:
            found.append(step)
    return found + (
        _more(found[-1], bases, end_bits, least) if end_bits > found[-1].bits + word else []
    )


def _more(step: Step, bases: Sequence[Base], end_bits: int, least: int) -> list[Step]:
    """Steps down from a step."""
    made = Base(step.places.with_words(step.words), step.bits, step.traffic_bits)
    return filled([made, *bases[1:]], step.traffic_bits, end_bits, least)


def _counted(base: Base, traffic_bits: int, end_bits: int, least: int) -> list[Step]:
    """The steps of that operand and pass which save most with the first place and with all."""
    schedule, choices = base.schedule, _choices(base.schedule)
    counter = trace(bare(schedule))
    rooms = [
        (end_bits - 1 - base.bits) // getattr(schedule.layer.widths, _WIDTHS[places.operand])
        for places, _ in choices
    ]

    @cache
    def step(at: int, more: int) -> Step:
        """With so many further places for a choice."""
        places, begun = choices[at]
        return _step(counter, places, begun + more)

    # what does not help with all places is not looked at with fewer: at worst a step is missed
    helpful = [
        at
        for at, ((places, begun), room) in enumerate(zip(choices, rooms, strict=True))
        if room and counter.traffic_bits(*places.stays(begun + room)) < traffic_bits
    ]
    with_all = {at: step(at, rooms[at]) for at in helpful}
    chosen = []
    for tried in ({at: step(at, 1) for at in helpful}, with_all):
        down = [at for at, each in tried.items() if _is_down(each, traffic_bits, end_bits, least)]
        if down:
            chosen.append(min(down, key=lambda at: (tried[at].traffic_bits, tried[at].bits)))
    found: list[Step] = []
    for at in dict.fromkeys(chosen):
        first = len(found)
        for more in range(1, rooms[at] + 1):
            if len(found) > first and _is_as(step(at, more), found[-1]):
                break  # no word waits for want of a place
            found.append(step(at, more))
    return _staircase(found, traffic_bits, end_bits, least)


def _is_down(step: Step, traffic_bits: int, end_bits: int, least: int) -> bool:
    return least < step.traffic_bits < traffic_bits and step.bits < end_bits


def _is_as(step: Step, other: Step) -> bool:
    return (step.bits, step.traffic_bits) == (other.bits, other.traffic_bits)


def _staircase(steps: Iterable[Step], traffic_bits: int, end_bits: int, least: int) -> list[Step]:
    """Those of the steps that go down from a traffic, below a size."""
    found: list[Step] = []
    for step in sorted(steps, key=lambda step: (step.bits, step.traffic_bits)):
        if _is_down(step, traffic_bits, end_bits, least):
            traffic_bits = step.traffic_bits
            found.append(step)
    return found


def _streamed(bases: Sequence[Base], traffic_bits: int, end_bits: int, least: int) -> list[Step]:
    """The steps of schedules that have no places yet, by the laws for large layers."""
    tried, figures, savings = [], [], []
    for base in bases:
        for offer in base.offers:
            _, floor, grows, width, saved = offer
            # enough words to save something, and no more than fit
            last = min(max(end_bits - 1 - grows, 0) // width, len(saved))
            fewer = (base.traffic_bits - traffic_bits) // width
            if not last or floor >= end_bits or saved[last - 1] <= fewer:
                continue
            first = int(saved.searchsorted(fewer, side="right"))
            tried.append((base, offer.places))
            figures.append((base.traffic_bits, floor, grows, width, first + 1))
            savings.append(saved[first:last])
    if not tried:
        return []
    begins = np.cumsum([0, *map(len, savings)])
    rows = np.array(figures, dtype=np.int64), begins, np.concatenate(savings)
    found = []
    runs = steps_down(*rows, traffic_bits, end_bits, least).tolist()
    for bits, moved, at, words, step_bits, gain_bits, steps in runs:
        base, places = tried[at]
        found.append(Step(bits, moved, places, words, step_bits, gain_bits, steps, base))
    return found


_WIDTHS = {"weights": "weights", "inputs": "inputs", "outputs": "psums"}


def _choices(schedule: Schedule) -> list[tuple[Places, int]]:
    """Every operand and pass that a part may have places for, and how many it has."""
    found = []
    parts = [part for part in (schedule, schedule.then) if part]
    for number, part in enumerate(parts):
        for operand, depth in product(RESIDENTS, range(len(part.tiling.cuts))):
            own, every = _places(part, operand), _all(part, operand)
            if (own and (own.through or own.depth < depth)) or (every and every.depth <= depth):
                continue
            begun = own.words or 0 if own else 0
            found.append((Places(schedule, number, operand, depth), begun))
    for operand in RESIDENTS if len(parts) > 1 else ():
        both = [_places(part, operand) for part in parts]
        begun = max(own.words or 0 if own else 0 for own in both)
        if not all(every and every.through for every in (_all(part, operand) for part in parts)):
            found.append((Places(schedule, None, operand, 0), begun))
    return found


def _places(schedule: Schedule, operand: Resident) -> Stay | None:
    """The stay of an operand that takes places."""
    own = (stay for stay in schedule.tiling.stays if stay.operand == operand)
    return next((stay for stay in own if stay.words is not None), None)


def _all(schedule: Schedule, operand: Resident) -> Stay | None:
    """The stay of all words of an operand."""
    own = (stay for stay in schedule.tiling.stays if stay.operand == operand)
    return next((stay for stay in own if stay.words is None and not stay.next_only), None)


def _step(counter: Trace, places: Places, words: int) -> Step:
    stays = places.stays(words)
    return Step(counter.count(*stays).bits, counter.traffic_bits(*stays), places, words)
