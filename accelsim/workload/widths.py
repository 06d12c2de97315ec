"""Which width an operand has: command line, layer, network, accelerator, then 8 bits."""

from __future__ import annotations

from collections.abc import Mapping

from accelsim.spec import InputError
from accelsim.units import parse_whole, quote
from accelsim.workload.format import MAX_BITS, BitWidths
from accelsim.workload.layer import Widths

BITS = 8
"""Bits of a word where nothing else is given."""


class WidthChoice:
    """Widths of a layer: command line, then layer, then network, then accelerator, then 8 bits."""

    def __init__(
        self,
        network: BitWidths | None,
        bits: int | Mapping[str, int] | None,
        psums: int | None,
        word_bits: BitWidths | None = None,
    ) -> None:
        operands = tuple(BitWidths.model_fields)
        given = {} if bits is None else bits
        if not isinstance(given, Mapping):
            given = dict.fromkeys(operands, given)
        for operand in given:
            if operand not in operands:
                wrong = f"{quote(str(operand))} is no operand"
                raise InputError(f"bits: {wrong}; known are {', '.join(operands)}")
        self._first = {
            operand: whole_option("bits", value, MAX_BITS) for operand, value in given.items()
        }
        if psums is not None:
            self._first["psums"] = whole_option("psum_bits", psums, MAX_BITS)
        self._network = {**_given(word_bits), **_given(network)}
        self.default_used = False
        self._plain: Widths | None = None

    def of(self, layer: BitWidths | None) -> Widths:
        """The widths of a layer with this `bits`."""
        if layer is not None:
            return self._merge(layer)
        if self._plain is None:
            self._plain = self._merge(None)
        return self._plain

    def _merge(self, layer: BitWidths | None) -> Widths:
        merged = {**self._network, **_given(layer), **self._first}
        self.default_used |= len(merged) < len(BitWidths.model_fields)
        return Widths(**{operand: merged.get(operand, BITS) for operand in BitWidths.model_fields})


def _given(bits: BitWidths | None) -> dict[str, int]:
    return {} if bits is None else bits.model_dump(exclude_none=True)


def whole_option(option: str, value: int, most: int) -> int:
    """The value if it is 1 to `most`; raises InputError that names the option."""
    try:
        return parse_whole(str(value), 1, most)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None
