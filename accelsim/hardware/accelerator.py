"""An accelerator: PE array, SRAM, DRAM channel and clock, from its YAML file.

Rates are kept exact: what a transfer or a latency takes in cycles is a ratio of integers, rounded
up once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from accelsim.fields import Change, with_fields
from accelsim.hardware.format import (
    MAX_PES,
    AcceleratorFile,
    Dram,
    OperandBytes,
    OperandRates,
    PeArray,
)
from accelsim.spec import Document, parse, read, read_shipped
from accelsim.units import format_bytes, format_count
from accelsim.workload.format import BitWidths


@dataclass(frozen=True)
class Accelerator:
    """An accelerator file; `sha256` is the file's.

    `sram_bytes` is one number where all operands share the SRAM, else one per operand;
    `sram_rates` are bytes per cycle, of one port or of a bus per operand (None: unlimited).
    `dram` None is unlimited too. `word_bits` are the widths where no one else sets them.
    """

    name: str
    source: str
    path: str
    sha256: str
    pe: PeArray
    clock_hz: int
    sram_bytes: int | OperandBytes
    sram_rates: int | OperandRates | None
    dram: Dram | None
    buffering: str
    word_bits: BitWidths | None

    @property
    def sram_total_bytes(self) -> int:
        """Bytes of all on-chip SRAM, without what the PEs hold."""
        if isinstance(self.sram_bytes, int):
            return self.sram_bytes
        each = self.sram_bytes
        return each.weights + each.inputs + each.outputs

    @property
    def local_total_bytes(self) -> int:
        """Bytes that all PEs hold together; 0 where the file does not say."""
        return self.pe.pes * (self.pe.local_bytes or 0)

    @property
    def macs_per_s(self) -> int:
        """Peak rate of the PE array."""
        return self.pe.pes * self.clock_hz

    @property
    def cycles_per_byte(self) -> Fraction:
        """DRAM channel cycles that a byte takes at peak bandwidth; 0 without a channel."""
        return Fraction(self.clock_hz, self.dram.peak_bytes_per_s) if self.dram else Fraction(0)

    @property
    def latency_cycles(self) -> int:
        """DRAM latency in whole cycles, rounded up; 0 without a channel."""
        if self.dram is None:
            return 0
        return math.ceil(Fraction(repr(self.dram.latency_ns)) * self.clock_hz / 10**9)


def load_accelerator(
    name_or_path: str | Path | Document, *, changes: Iterable[Change] = ()
) -> Accelerator:
    """Load an accelerator by its shipped name or its file.

    `changes` are fields by path with other values (`fields`). Raises InputError, whose text is one
    line, for any fault of the file.
    """
    document = with_fields(read_shipped("accelerators", name_or_path), changes)
    file = parse(document, AcceleratorFile)
    if file.pe.pes > MAX_PES:
        wrong = f"{file.pe.pes} PEs are too many; at most {MAX_PES} are allowed"
        raise document.fault(("pe",), wrong)
    return Accelerator(
        name=file.name,
        source=file.source,
        path=document.path,
        sha256=document.sha256,
        pe=file.pe,
        clock_hz=file.clock_hz,
        sram_bytes=file.sram_bytes,
        sram_rates=file.sram.bytes_per_cycle if file.sram else None,
        dram=file.dram,
        buffering=file.buffering,
        word_bits=file.word_bits,
    )


def is_accelerator(path: str | Path) -> bool:
    """Whether a YAML file means an accelerator, by its keys; raises InputError if it is no YAML."""
    data = read(path).data
    return isinstance(data, dict) and "layers" not in data and bool({"pe", "clock_hz"} & {*data})


def check_file(path: str | Path) -> str:
    """One line on what an accelerator file holds; raises InputError if it is wrong."""
    found = load_accelerator(str(path) if "/" in str(path) else f"./{path}")
    sram = format_bytes(found.sram_total_bytes)
    rate = format_count(found.macs_per_s)
    return f"{path}: accelerator {found.name}, {found.pe.pes} PEs, {rate}MAC/s, {sram} of SRAM"
