"""Choices of earlier runs that hold for other SRAM sizes, too.

What a layer may choose from at a size are the candidates of one list that fit it. The best at one
size is therefore the best at every smaller size that still holds it: among fewer, all of them
candidates before, none has become better. A sweep that goes down from the largest size searches
only where the last answer no longer fits, a handful of times a layer.

That holds where the size says what fits and nothing else: for the fewest cycles and for the least
traffic, not for energy, and not for row stationary arrays, whose mapping follows from their banks.
"""

from __future__ import annotations

from dataclasses import replace

from accelsim.dataflow.schedule import Resident
from accelsim.hardware.format import RowStationaryArray
from accelsim.timing.candidates import Choice, Machine
from accelsim.workload.layer import Layer

_BY_FIT_ALONE = ("cycles", "traffic")
Bits = tuple[int, int, int]
_Asked = tuple[Layer, Machine, str, tuple[Resident, ...]]


class KnownChoices:
    """Choices by layer and machine, each with the capacities at which it was found."""

    def __init__(self) -> None:
        self._found: dict[_Asked, list[tuple[Bits, Choice]]] = {}

    def find(
        self, layer: Layer, machine: Machine, objective: str, residents: tuple[Resident, ...]
    ) -> Choice | None:
        """The choice for this machine, where one of another size is known to be it."""
        own = machine.capacities()
        asked = (layer, replace(machine, sram_bytes=None), objective, residents)
        for capacities, choice in self._found.get(asked, ()):
            if _is_within(own, capacities) and _holds(own, choice.held_bits):
                return choice
        return None

    def keep(
        self,
        layer: Layer,
        machine: Machine,
        objective: str,
        residents: tuple[Resident, ...],
        choice: Choice,
    ) -> None:
        """Remember what was chosen, if it can be of use at other sizes."""
        by_fit = objective in _BY_FIT_ALONE and not isinstance(machine.pe, RowStationaryArray)
        if by_fit:
            asked = (layer, replace(machine, sram_bytes=None), objective, residents)
            self._found.setdefault(asked, []).append((machine.capacities(), choice))


def _is_within(own: Bits, other: Bits) -> bool:
    """Whether all that fits the one fits the other; shared and separate buffers do not compare."""
    shared = own[1] < 0
    if shared != (other[1] < 0):
        return False
    return own[0] <= other[0] and (shared or (own[1] <= other[1] and own[2] <= other[2]))


def _holds(capacities: Bits, held: Bits) -> bool:
    if capacities[1] < 0:
        return sum(held) <= capacities[0]
    return all(bits <= most for bits, most in zip(held, capacities, strict=True))
