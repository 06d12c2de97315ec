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
from accelsim.hardware.compression import Compression
from accelsim.hardware.dram import DEFAULT_MAPPING, DRAM_TABLES, DramDevice, load_dram_device
from accelsim.hardware.energy import EnergyTable
from accelsim.hardware.format import (
    MAX_PES,
    AcceleratorFile,
    Dram,
    OperandBytes,
    OperandRates,
    PeArray,
    RowStationaryArray,
)
from accelsim.spec import Document, parse, read, read_shipped, shipped_names
from accelsim.units import format_bytes, format_count, parse_choice, quote
from accelsim.workload.format import BitWidths


@dataclass(frozen=True)
class DramChannel:
    """One channel to off-chip memory; without a device its efficiency is 1.

    `burst_bytes` 0 moves any bytes alone. A device's efficiency with the mapping holds for the
    whole peak, however many of its channels that takes.
    """

    peak_bytes_per_s: int
    latency_ns: float = 0.0
    burst_bytes: int = 0
    layout: str = "NCHW"
    device: DramDevice | None = None
    mapping: str = ""

    def slowdowns(self, write_share: float) -> tuple[tuple[int, int], ...]:
        """Run lengths in bytes and time per byte, in 1024ths of the peak's; none: always that."""
        return self.device.slowdowns(self.mapping, write_share) if self.device else ()


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
    dram: DramChannel | None
    buffering: str
    word_bits: BitWidths | None
    compression: Compression | None = None
    energy: EnergyTable | None = None

    @property
    def sram_total_bytes(self) -> int:
        """Bytes of all on-chip SRAM, without what the PEs hold."""
        if isinstance(self.sram_bytes, int):
            return self.sram_bytes
        each = self.sram_bytes
        return each.weights + each.inputs + each.outputs

    @property
    def sram_sizes_bytes(self) -> tuple[int, int, int]:
        """Bytes of the SRAM of weights, inputs, outputs: the same one where it is shared."""
        if isinstance(self.sram_bytes, int):
            return self.sram_bytes, self.sram_bytes, self.sram_bytes
        each = self.sram_bytes
        return each.weights, each.inputs, each.outputs

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
    if isinstance(file.pe, RowStationaryArray):
        _check_buffer(document, file, file.pe)
    return Accelerator(
        name=file.name,
        source=file.source,
        path=document.path,
        sha256=document.sha256,
        pe=file.pe,
        clock_hz=file.clock_hz,
        sram_bytes=file.sram_bytes,
        sram_rates=file.sram.bytes_per_cycle if file.sram else None,
        dram=_channel(document, file.dram) if file.dram else None,
        buffering=file.buffering,
        word_bits=file.word_bits,
        compression=file.compression,
        energy=file.energy,
    )


def _channel(document: Document, given: Dram) -> DramChannel:
    """The channel that a file means; what it does not say is its device's."""
    if given.device is None:
        if given.peak_bytes_per_s is None:
            raise document.fault(("dram",), "give peak_bytes_per_s, as 25.6GB/s, or a device")
        if given.mapping is not None:
            raise document.fault(("dram", "mapping"), "is a device's; give the device, too")
        return DramChannel(
            given.peak_bytes_per_s, given.latency_ns or 0.0, given.burst_bytes or 0, given.layout
        )
    if not given.device.endswith((".yaml", ".yml")):
        try:
            parse_choice(given.device, shipped_names(DRAM_TABLES))
        except ValueError as error:
            raise document.fault(("dram", "device"), str(error)) from None
    device = load_dram_device(given.device)
    try:
        mapping = parse_choice(given.mapping or DEFAULT_MAPPING, device.tables)
    except ValueError as error:
        raise document.fault(("dram", "mapping"), str(error)) from None
    return DramChannel(
        peak_bytes_per_s=given.peak_bytes_per_s or device.peak_bytes_per_s,
        latency_ns=device.latency_ns if given.latency_ns is None else given.latency_ns,
        burst_bytes=given.burst_bytes or device.burst_bytes,
        layout=given.layout,
        device=device,
        mapping=mapping,
    )


def dram_text(accelerator: Accelerator) -> str:
    """What an accelerator's DRAM is taken to be, in a few words."""
    channel = accelerator.dram
    if channel is None:
        return "unlimited DRAM, as none is given"
    bursts = f" in bursts of {channel.burst_bytes} bytes" if channel.burst_bytes else ""
    if channel.device is None:
        return f"DRAM at its peak whenever it streams{bursts} (efficiency 1, no device is given)"
    device = f"{channel.device.name} with {channel.mapping}"
    return f"DRAM {device}, tensors {channel.layout}{bursts}"


def _check_buffer(document: Document, file: AcceleratorFile, pe: RowStationaryArray) -> None:
    """Raise InputError where a row stationary array's SRAM is not one, or leaves no bank."""
    if not isinstance(file.sram_bytes, int):
        wrong = "a buffer per operand; row_stationary shares its banks, write one size"
        raise document.fault(("sram_bytes",), wrong)
    least = pe.weights_buffer_bytes + 2 * pe.bank_bytes
    if file.sram_bytes < least:
        wrong = (
            f"{file.sram_bytes} bytes leave no bank each for inputs and psums beside the weights"
        )
        raise document.fault(("sram_bytes",), f"{wrong}; {least} or more do")
    if file.buffering != "single":
        wrong = f"{quote(file.buffering)} has no place in the banks of row_stationary; write single"
        raise document.fault(("buffering",), wrong)


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
