"""DRAM devices: which share of its peak a channel reaches, by address mapping, run and write share.

A device is a file of `dram_tables`: geometry, timings, and for each address mapping a table of
efficiencies by the length of contiguous runs, for several shares of runs that are written. The
table's `modelled` rows are those of `dram_channel`, the channel command by command, `measured` ones
those of a cycle-accurate simulator; where there is one it is taken.

    efficiency(run, share): the time per byte, 1 / efficiency, is linear between neighbours
                            of the table, in the run length and then in the share

Runs shorter than a burst count as a burst, those above the last of the table (64 KiB) as streams.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator

from accelsim.hardware.format import Bandwidth
from accelsim.spec import Model, find_shipped, parse, read
from accelsim.units import describe, parse_share, parse_whole
from accelsim.workload.format import Name, Text, one_of
from accelsim.workload.layer import Int64

TIMINGS = (
    "tBL", "tCL", "tRCDRD", "tRCDWR", "tRP", "tRPab", "tRAS", "tRC", "tWR", "tRTP", "tCWL",
    "tCCDS", "tCCDL", "tRRDS", "tRRDL", "tWTRS", "tWTRL", "tFAW", "tRFC", "tREFI", "tPPD", "tAAD",
    "tWCKPST",
)  # fmt: skip
_ALL = 64
MAPPINGS: dict[str, tuple[tuple[tuple[str, int], ...], bool]] = {
    "RoBaRaCoCh": (
        (("column", _ALL), ("pseudochannel", _ALL), ("bank_group", _ALL), ("bank", _ALL),
         ("row", _ALL)),
        False,
    ),
    "ChRaBaRoCo": (
        (("column", _ALL), ("row", _ALL), ("bank", _ALL), ("bank_group", _ALL),
         ("pseudochannel", _ALL)),
        False,
    ),
    "MOP4CLXOR": (
        (("column", 2), ("pseudochannel", _ALL), ("bank_group", _ALL), ("bank", _ALL),
         ("column", _ALL), ("row", _ALL)),
        True,
    ),
}  # fmt: skip
"""Fields of an address from its lowest bit up, each with the most bits it takes; and whether the
others are XORed with the column (`DramDevice.places`)."""
DEFAULT_MAPPING = "RoBaRaCoCh"
DRAM_TABLES = "hardware/dram_tables"
SLOWDOWN_ONE = 1024
"""Slowdowns are whole multiples of this part."""


def _table(value: Any) -> tuple[tuple[float, ...], ...]:
    """Rows of a whole number, a run length in bytes, and shares."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise ValueError(f"{describe(value)} is given; write rows, `- [run bytes, efficiency ...]`")
    return tuple((parse_whole(row[0], 1, 2**30), *map(parse_share, row[1:])) for row in value)


Count = Annotated[int, BeforeValidator(lambda v: parse_whole(v, 1, 2**30))]
Cycles = Annotated[int, BeforeValidator(lambda v: parse_whole(v, 0, 2**30))]
Shares = Annotated[tuple[float, ...], BeforeValidator(lambda v: tuple(map(parse_share, v)))]
Rows = Annotated[tuple[tuple[float, ...], ...], BeforeValidator(_table)]


class Geometry(Model):
    """How many of each a channel has; `column` counts the bursts of a row."""

    pseudochannel: Count
    bank_group: Count
    bank: Count
    row: Count
    column: Count


class MappingTable(Model):
    """Efficiencies of an address mapping.

    `modelled` rows: run bytes, an efficiency for each of the device's write shares. `measured`
    rows: run bytes, write share, efficiency.
    """

    modelled: Rows
    measured: Rows = ()


class DeviceFile(Model):
    """A DRAM device, one channel of it; timings in clock cycles."""

    name: Name
    source: Text
    clock_ps: Count
    peak_bytes_per_s: Bandwidth
    burst_bytes: Count
    sizes: Geometry
    buses: Annotated[str, one_of(("one", "row and column"))]
    activation: Annotated[str, one_of(("whole", "split"))]
    timings: dict[str, Cycles]
    write_shares: Shares
    mappings: dict[str, MappingTable]


@dataclass(frozen=True)
class DramDevice:
    """One channel of a device; `timings` by `TIMINGS`, in clock cycles.

    `tables` holds for each mapping the run lengths in bytes, ascending, and for each of them the
    efficiency at every write share.
    """

    name: str
    source: str
    clock_ps: int
    peak_bytes_per_s: int
    burst_bytes: int
    sizes: dict[str, int]
    buses: str
    activation: str
    timings: tuple[int, ...]
    write_shares: tuple[float, ...]
    tables: dict[str, tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]]

    @property
    def latency_ns(self) -> float:
        """From a read request to a closed bank to the end of its burst."""
        cycles = sum(self.timings[TIMINGS.index(each)] for each in ("tRCDRD", "tCL", "tBL"))
        return cycles * self.clock_ps / 1000

    def efficiency(self, mapping: str, run_bytes: int, write_share: float = 0.0) -> float:
        """Share of the peak that runs of so many bytes reach, so large a share of them written."""
        runs, _ = self.tables[mapping]
        times = self._times(mapping, write_share)
        at = bisect.bisect_right(runs, run_bytes)
        if at in (0, len(runs)):
            return 1 / times[at and -1]
        part = (run_bytes - runs[at - 1]) / (runs[at] - runs[at - 1])
        return 1 / (times[at - 1] + part * (times[at] - times[at - 1]))

    def slowdowns(self, mapping: str, write_share: float) -> tuple[tuple[int, int], ...]:
        """Run length in bytes and time per byte, in 1024ths of the peak's, along the table."""
        times = self._times(mapping, write_share)
        return tuple(
            (run, max(SLOWDOWN_ONE, round(SLOWDOWN_ONE * time)))
            for run, time in zip(self.tables[mapping][0], times, strict=True)
        )

    def places(self, mapping: str, addresses: Int64) -> Int64:
        """Where the mapping puts addresses: pseudochannel, group, bank, row, 0; (requests, 5).

        Groups and banks are numbered through the channel. The mapping's fields take the address's
        bits from the lowest up; with XOR each field but the column is exchanged with as many bits
        of the column, from its lowest on.
        """
        bits = {name: (size - 1).bit_length() for name, size in self.sizes.items()}
        order, xor = MAPPINGS[mapping]
        rest = addresses // self.burst_bytes
        found = {name: np.zeros_like(rest) for name in bits}
        taken = dict.fromkeys(bits, 0)
        for name, most in order:
            width = min(most, bits[name] - taken[name])
            found[name] |= (rest & ((1 << width) - 1)) << taken[name]
            taken[name] += width
            rest = rest >> width
        at = 0
        for name in ("pseudochannel", "bank_group", "bank", "row") if xor else ():
            found[name] ^= (found["column"] >> at) & ((1 << bits[name]) - 1)
            at += bits[name]
        group = found["pseudochannel"] * self.sizes["bank_group"] + found["bank_group"]
        bank = group * self.sizes["bank"] + found["bank"]
        columns = (found["pseudochannel"], group, bank, found["row"], np.zeros_like(bank))
        return np.stack(columns, axis=1)

    def _times(self, mapping: str, write_share: float) -> list[float]:
        """1 / efficiency of each run length at a write share."""
        shares = self.write_shares
        after = min(max(bisect.bisect_right(shares, write_share), 1), len(shares) - 1)
        low, high = shares[after - 1], shares[after]
        part = (write_share - low) / (high - low)
        return [(1 - part) / row[after - 1] + part / row[after] for row in self.tables[mapping][1]]


@lru_cache(maxsize=64)
def load_dram_device(name_or_path: str) -> DramDevice:
    """Load a device by its shipped name or its file; raises InputError for any fault of it."""
    path: Path = find_shipped(DRAM_TABLES, name_or_path)
    document = read(path)
    file = parse(document, DeviceFile)
    for timing in TIMINGS:
        if timing not in file.timings:
            wrong = f"{timing} is missing; give all of {', '.join(TIMINGS)}"
            raise document.fault(("timings",), wrong)
    shares = file.write_shares
    if len(shares) < 2 or list(shares) != sorted({*shares}):
        wrong = f"{len(shares)} shares, not ascending; give two or more, as [0, 0.5, 1]"
        raise document.fault(("write_shares",), wrong)
    for mapping, table in file.mappings.items():
        for kind, wrong in _faults(file.write_shares, table):
            raise document.fault(("mappings", mapping, kind), wrong)
    return DramDevice(
        name=file.name,
        source=file.source,
        clock_ps=file.clock_ps,
        peak_bytes_per_s=file.peak_bytes_per_s,
        burst_bytes=file.burst_bytes,
        sizes=file.sizes.model_dump(),
        buses=file.buses,
        activation=file.activation,
        timings=tuple(file.timings[each] for each in TIMINGS),
        write_shares=file.write_shares,
        tables={name: _merged(file.write_shares, table) for name, table in file.mappings.items()},
    )


def _faults(shares: tuple[float, ...], table: MappingTable) -> Iterator[tuple[str, str]]:
    """Rows of a length that says nothing, and measured ones that the model has no place for."""
    for row in table.modelled:
        if len(row) != 1 + len(shares):
            right = f"write the run bytes and {len(shares)} efficiencies, one a write share"
            yield "modelled", f"a row of {len(row)}; {right}"
    runs = {row[0] for row in table.modelled}
    if len(runs) < 2:
        yield "modelled", f"{len(runs)} run lengths; give two or more"
    for kind, rows in (("modelled", table.modelled), ("measured", table.measured)):
        if any(0 in row[1 if kind == "modelled" else 2 :] for row in rows):
            yield kind, "an efficiency of 0; write one above"
    for row in table.measured:
        if len(row) != 3:
            yield "measured", f"a row of {len(row)}; write [run bytes, write share, efficiency]"
        elif row[0] not in runs or row[1] not in shares:
            wrong = f"no modelled row for {row[0]:g} bytes and share {row[1]:g}"
            yield "measured", f"{wrong}; add one"


def _merged(
    shares: tuple[float, ...], table: MappingTable
) -> tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]:
    """The modelled table with measured efficiencies in their places."""
    found = {(int(row[0]), share): each for row in table.modelled
             for share, each in zip(shares, row[1:], strict=True)}  # fmt: skip
    found |= {(int(run), share): each for run, share, each in table.measured}
    runs = tuple(sorted({run for run, _ in found}))
    return runs, tuple(tuple(found[run, share] for share in shares) for run in runs)
