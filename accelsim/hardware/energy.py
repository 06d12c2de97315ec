"""Energy: how often each thing happens, times what it costs, in pJ.

A table says what a word of `word_bits` costs at each level; words of other widths cost in
proportion, MACs in proportion to the product of their operands' widths (a multiplier's area):

    E = MACs·mac + register·words + inter_pe·words + sram(size)·words + dram·words

SRAM costs a number, or `{pj, at_bytes}`: pJ at that capacity, growing with its square root as
wires do: sram(size) = pj·sqrt(size / at_bytes). `sram_um2_per_bit` gives its area. Shipped tables
are in `accelerators/energy`; an accelerator names one or holds its own.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from accelsim.spec import InputError, Model, find_shipped, parse, read, shipped_names
from accelsim.units import describe, parse_bytes, parse_whole
from accelsim.workload.format import MAX_BITS, Text, json_form
from accelsim.workload.layer import Widths

_FOLDER = "accelerators/energy"
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def _cost(value: Any) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    raise ValueError(f"{describe(value)} is no cost; write a number from 0 on, for instance 0.83")


_COST = {"type": "number", "minimum": 0}
Cost = Annotated[float, BeforeValidator(_cost), json_form(_COST)]


class SramFit(Model):
    """pJ of a word from an SRAM of this capacity; cost grows with the capacity's root."""

    pj: Cost
    at_bytes: Annotated[int, BeforeValidator(lambda value: parse_bytes(str(value)))]


def _sram(value: Any) -> Any:
    return value if isinstance(value, dict) else _cost(value)


class EnergyTable(Model):
    """What a word of `word_bits` costs at each level, in pJ, and where the figures are from."""

    source: Text
    word_bits: Annotated[int, BeforeValidator(lambda value: parse_whole(value, 1, MAX_BITS))]
    mac_pj: Cost
    register_pj: Cost
    inter_pe_pj: Cost
    sram_pj: Annotated[SramFit | float, BeforeValidator(_sram), json_form(_COST, {})]
    dram_pj: Cost
    sram_um2_per_bit: Cost | None = None

    def sram_word_pj(self, capacity_bytes: int) -> float:
        """pJ of a word of `word_bits` read from or written to an SRAM of so many bytes."""
        if isinstance(self.sram_pj, float):
            return self.sram_pj
        return self.sram_pj.pj * math.sqrt(capacity_bytes / self.sram_pj.at_bytes)

    def sram_mm2(self, capacity_bytes: int) -> float | None:
        """Area of an SRAM of so many bytes; None where the table does not say."""
        if self.sram_um2_per_bit is None:
            return None
        return 8 * capacity_bytes * self.sram_um2_per_bit / 1e6


def named_table(value: Any) -> Any:
    """A shipped table for its name, anything else as it is; ValueError for an unknown name."""
    if not isinstance(value, str):
        return value
    try:
        return parse(read(find_shipped(_FOLDER, value)), EnergyTable)
    except InputError as error:
        wrong = str(error).split(";")[0]
        known = ", ".join(shipped_names(_FOLDER))
        raise ValueError(f"{wrong}; known are {known}, or write a table") from None


AnyTable = Annotated[
    EnergyTable | None,
    BeforeValidator(named_table),
    json_form({"type": "string"}, {"type": "object"}),
]


@dataclass(frozen=True)
class Events:
    """How often each thing happens in a layer; words by operand: weights, inputs, outputs.

    Outputs in SRAM are as wide as psums. `register_words` and `inter_pe_words` are by operand too.
    """

    macs: int
    register_words: tuple[int, int, int]
    inter_pe_words: tuple[int, int, int]
    sram_read_words: tuple[int, int, int]
    sram_write_words: tuple[int, int, int]
    dram_bits: int


def energy_pj(
    events: Events, table: EnergyTable, widths: Widths, sram_bytes: tuple[int, int, int]
) -> float:
    """What the events cost, in pJ; `sram_bytes` is the capacity of each operand's SRAM."""
    word = table.word_bits
    macs: float = events.macs * table.mac_pj * widths.weights * widths.inputs / (word * word)
    moved: float = sum(
        bits * (
            table.register_pj * register + table.inter_pe_pj * hops
            + table.sram_word_pj(size) * (reads + writes)
        )
        for bits, register, hops, reads, writes, size in zip(
            widths.live, events.register_words, events.inter_pe_words,
            events.sram_read_words, events.sram_write_words, sram_bytes, strict=True,
        )
    ) / word  # fmt: skip
    off_chip: float = events.dram_bits * table.dram_pj / word
    return macs + moved + off_chip
