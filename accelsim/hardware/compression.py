"""Coded words in DRAM: bits a word takes when so large a share of words is not zero.

    ratio     bits / ratio
    bitmap    1 + density · bits: a bit a word tells whether it is zero, the others follow whole
    rlc       runs of up to 31 zeros in 5 bits, each with the word behind it (after 31 zeros, any):
              pairs of 5 + bits, as many in 64 bits as leave one bit for the end of the stream; for
              16 bits three pairs + 1 bit (Chen et al., Eyeriss, JSSC 2017, run-length coding)

Where words are zero independently of each other with the probability z = 1 - density, a pair takes
its own word and the zeros before it, 1 + z + ... + z**31 words in the mean, as the j-th further
word is its own if the j words before it were zero. So

    rlc bits a word = 64 / (pairs in 64 bits) / (1 + z + ... + z**31)

Zeros of real activations come in clusters, which makes runs longer: this is a safe estimate.
Bitmap: direct indexing in Zhang et al., Cambricon-X, MICRO 2016.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from accelsim.spec import Document, Model, parse, read
from accelsim.units import describe, parse_choice, parse_share, suggest
from accelsim.workload.format import Name, Text, json_form

CODINGS = ("rlc", "bitmap")
MOST_RATIO = 1000.0
RUN_BITS = 5
LONGEST_RUN = 2**RUN_BITS - 1
PACKET_BITS = 64


def coded_bits(coding: str | float, bits: int, density: float | None) -> float:
    """Bits that a word of `bits` takes in the mean; without a density only a ratio codes it."""
    if not isinstance(coding, str):
        return bits / coding
    if density is None:
        return float(bits)
    return rlc_bits(bits, density) if coding == "rlc" else bitmap_bits(bits, density)


def bitmap_bits(bits: int, density: float) -> float:
    """Bits a word under bitmap coding."""
    return 1 + density * bits


def rlc_bits(bits: int, density: float) -> float:
    """Bits a word under run-length coding; raises ValueError for words that no packet holds."""
    pairs = pairs_of_packet(bits)
    zero = 1 - density
    words = sum(zero**run for run in range(LONGEST_RUN + 1))
    return float(PACKET_BITS / pairs / words)


def pairs_of_packet(bits: int) -> int:
    """Pairs of a run and a word in a packet of 64 bits."""
    pairs = (PACKET_BITS - 1) // (RUN_BITS + bits)
    if not pairs:
        raise ValueError(f"words of {bits} bits do not fit a run-length packet; at most 58 do")
    return pairs


def _coding(value: Any) -> str | float:
    try:
        ratio = float(value)
    except (TypeError, ValueError):
        if not isinstance(value, str) or not value:
            raise ValueError(f"{describe(value)} is given; write a ratio, rlc or bitmap") from None
        return parse_choice(value, CODINGS)
    if not 1 / MOST_RATIO <= ratio <= MOST_RATIO:
        raise ValueError(f"{describe(value)} is no ratio; write one of 0.001 to 1000, as 1.4")
    return ratio


_FORM = json_form({"type": "number", "exclusiveMinimum": 0}, {"enum": list(CODINGS)})
Coding = Annotated[str | float, BeforeValidator(_coding), _FORM]
Density = Annotated[
    float, BeforeValidator(parse_share), json_form({"type": "number", "minimum": 0, "maximum": 1})
]


class Compression(Model):
    """How each operand is coded off the chip: a ratio, `rlc` or `bitmap`; psums are not."""

    weights: Coding = 1.0
    inputs: Coding = 1.0
    outputs: Coding = 1.0


def compression_text(compression: Compression | None, densities_given: bool) -> str:
    """How operands are coded, in a few words; empty where none is."""
    chosen = {} if compression is None else dict(compression)
    ways = [
        f"{operand} {way}" if isinstance(way, str) else f"{operand} stored at 1/{way:g}"
        for operand, way in chosen.items() if way != 1
    ]  # fmt: skip
    if not densities_given and any(isinstance(way, str) for way in chosen.values()):
        ways.append("no densities are given, so rlc and bitmap code nothing")
    return ", ".join(ways)


class LayerDensity(Model):
    """Share of a layer's words that are not zero."""

    weights: Density | None = None
    inputs: Density | None = None
    outputs: Density | None = None


class DensityFile(Model):
    """Densities of layers by their names."""

    name: Name | None = None
    source: Text = ""
    layers: dict[str, LayerDensity]


@dataclass(frozen=True)
class Densities:
    """A density file; a layer that it does not name has none."""

    document: Document
    layers: dict[str, LayerDensity]

    def check_names(self, known: Iterable[str]) -> None:
        """Raise InputError for a layer that no network has."""
        names = set(known)
        for name in self.layers:
            if name not in names:
                wrong = f"no layer with a row is named so; {suggest(name, names)}"
                raise self.document.fault(("layers", name), wrong)


def load_densities(path: str | Path) -> Densities:
    """Load a density file; raises InputError, whose text is one line, for any fault of it."""
    document = read(path)
    return Densities(document, parse(document, DensityFile).layers)
