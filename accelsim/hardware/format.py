"""The accelerator file, key by key: a PE array, the SRAM beside it, the DRAM behind that."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from accelsim.hardware.compression import Compression
from accelsim.hardware.energy import AnyTable
from accelsim.spec import Model
from accelsim.units import describe, parse_bytes, parse_bytes_per_s, parse_hz, parse_ns, parse_whole
from accelsim.workload.format import AnyBits, Name, Text, Truth, json_form, json_schema, one_of

MAX_SIDE = 2**14
MAX_PES = 2**24
MAX_BYTES_PER_CYCLE = 2**20
DATAFLOWS = ("os", "ws", "is")
MAPPINGS = ("free", "psums_first")
BUFFERINGS = ("single", "prefetch", "double")
LAYOUTS = ("NCHW", "NHWC")
MAX_BURST_BYTES = 2**16

_QUANTITY = {"anyOf": [{"type": "string"}, {"type": "number", "exclusiveMinimum": 0}]}


def _measured(parse: Callable[[str], Any], example: str) -> Any:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or not value:
            raise ValueError(f"{describe(value)} is given; write for instance {example}")
        return parse(value)

    return BeforeValidator(read)


def _side(value: Any) -> int:
    return parse_whole(value, 1, MAX_SIDE)


_SIDE = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}
_BURST = {**_SIDE, "maximum": MAX_BURST_BYTES}
_RATE = {**_SIDE, "maximum": MAX_BYTES_PER_CYCLE}
Side = Annotated[int, BeforeValidator(_side), json_form(_SIDE)]
Bytes = Annotated[int, _measured(parse_bytes, "64KiB"), json_form(_QUANTITY)]
Rate = Annotated[
    int,
    BeforeValidator(lambda v: parse_whole(v, 1, MAX_BYTES_PER_CYCLE)),
    json_form(_RATE),
]
Bandwidth = Annotated[int, _measured(parse_bytes_per_s, "25.6GB/s"), json_form(_QUANTITY)]
Frequency = Annotated[int, _measured(parse_hz, "200MHz"), json_form(_QUANTITY)]
Time = Annotated[
    float,
    _measured(parse_ns, "100ns"),
    json_form({"type": "string"}, {"type": "number", "minimum": 0}),
]


def _share(value: Any) -> Fraction:
    if isinstance(value, str) and re.fullmatch(r"0|1|0?\.\d{1,6}", value):
        return Fraction(value)
    raise ValueError(f"{describe(value)} is no share; write a number from 0 to 1, for instance 0.5")


Share = Annotated[
    Fraction,
    BeforeValidator(_share),
    json_form({"type": "number", "minimum": 0, "maximum": 1}),
]


class OperandBytes(Model):
    """Bytes of separate buffers; psums are where the outputs are."""

    weights: Bytes
    inputs: Bytes
    outputs: Bytes


class OperandRates(Model):
    """Bytes per cycle of separate buses."""

    weights: Rate
    inputs: Rate
    outputs: Rate


def _one_or_each(one: Callable[[str], int]) -> Any:
    """One value, or a mapping with one for each operand."""

    def read(value: Any) -> Any:
        if isinstance(value, str) and value:
            return one(value)
        if not isinstance(value, dict):
            wrong = f"{describe(value)} is given; write one value, or weights, inputs and outputs"
            raise ValueError(wrong)
        return value

    return BeforeValidator(read)


def _each(form: dict[str, Any]) -> dict[str, Any]:
    names = ["weights", "inputs", "outputs"]
    return {
        "type": "object", "properties": dict.fromkeys(names, form), "required": names,
        "additionalProperties": False,
    }  # fmt: skip


AnySram = Annotated[
    OperandBytes | int,
    _one_or_each(parse_bytes),
    json_form(_QUANTITY, _each(_QUANTITY)),
]
AnyRate = Annotated[
    OperandRates | int,
    _one_or_each(lambda v: parse_whole(v, 1, MAX_BYTES_PER_CYCLE)),
    json_form(_RATE, _each(_RATE)),
]


class Unroll(Model):
    """How many of each dim the array works on in one cycle."""

    N: Side = 1
    K: Side = 1
    C: Side = 1
    P: Side = 1
    Q: Side = 1
    R: Side = 1
    S: Side = 1


def _some_unroll(value: Any) -> Any:
    if value == {}:
        raise ValueError("no dim is given; write for instance {K: 16, C: 16}")
    return value


class SystolicArray(Model):
    """A grid of PEs through which words travel a PE a cycle.

    With dataflow `os` (output stationary) rows are pixels and columns output channels, with `ws`
    (weight stationary) rows are (c, r, s) and columns output channels, with `is` (input stationary)
    rows are (c, r, s) and columns pixels. `overlap_folds`: what a fold loads or unloads hides
    behind its neighbour's stream. `local_bytes` are those of one PE.
    """

    kind: Literal["systolic"]
    rows: Side
    cols: Side
    dataflow: Annotated[str, one_of(DATAFLOWS), json_form({"enum": list(DATAFLOWS)})]
    overlap_folds: Truth = False
    local_bytes: Bytes | None = None

    @property
    def pes(self) -> int:
        """Number of PEs, a MAC a cycle each."""
        return self.rows * self.cols


class SpatialArray(Model):
    """An array that works on so many of each dim in one cycle. `local_bytes` are one PE's."""

    kind: Literal["spatial"]
    unroll: Annotated[Unroll, BeforeValidator(_some_unroll)]
    local_bytes: Bytes | None = None

    @property
    def pes(self) -> int:
        """Number of PEs, a MAC a cycle each."""
        return math.prod(self.unroll.model_dump().values())


class Scratchpads(Model):
    """Words that each PE keeps of each operand."""

    inputs: Rate
    weights: Rate
    psums: Rate


class RowStationaryArray(Model):
    """A grid of PEs that each convolve a filter row with an input row, as Eyeriss's.

    The last `weights_buffer_bytes` of SRAM hold the weights of a pass, the rest is banks of
    `bank_bytes` that belong to inputs or psums as the layer asks. The buses between SRAM and PEs
    are `sram.bytes_per_cycle`; psums have one of that width each way. `exposed_load_x` is the share
    of the loading of a pass's weights into the scratchpads that no work hides. With `mapping`
    psums_first passes are as Eyeriss's table III has them, and the objective decides what that
    leaves open (`timing.passes_search`).
    """

    kind: Literal["row_stationary"]
    rows: Side
    cols: Side
    scratchpad_words: Scratchpads
    weights_buffer_bytes: Bytes
    bank_bytes: Bytes
    exposed_load_x: Share = Fraction(0)
    mapping: Annotated[str, one_of(MAPPINGS), json_form({"enum": list(MAPPINGS)})] = "free"
    local_bytes: Bytes | None = None

    @property
    def pes(self) -> int:
        """Number of PEs, a MAC a cycle each."""
        return self.rows * self.cols


BlockArray = SystolicArray | SpatialArray  # runs blocks of any size
PeArray = BlockArray | RowStationaryArray


class Sram(Model):
    """How much the SRAM gives or takes in a cycle: one port for all, or a bus per operand."""

    bytes_per_cycle: AnyRate


class Dram(Model):
    """One channel to off-chip memory: a device with an address mapping, or a peak alone.

    A device is a shipped one's name or a file. What is not given is the device's; without a device
    efficiency is 1. `burst_bytes` are moved
    whole. `layout` is how tensors lie in memory, see `timing.memory`.
    """

    device: Name | None = None
    mapping: Name | None = None
    peak_bytes_per_s: Bandwidth | None = None
    latency_ns: Time | None = None
    burst_bytes: Annotated[
        int | None, BeforeValidator(lambda v: parse_whole(v, 1, MAX_BURST_BYTES)), json_form(_BURST)
    ] = None
    layout: Annotated[str, one_of(LAYOUTS), json_form({"enum": list(LAYOUTS)})] = "NCHW"


class AcceleratorFile(Model):
    """An accelerator. Without `sram` its bandwidth is unlimited, without `dram` that of DRAM."""

    name: Name
    source: Text = ""
    pe: Annotated[PeArray, Field(discriminator="kind")]
    clock_hz: Frequency
    sram_bytes: AnySram
    sram: Sram | None = None
    dram: Dram | None = None
    buffering: Annotated[str, one_of(BUFFERINGS), json_form({"enum": list(BUFFERINGS)})] = "single"
    word_bits: AnyBits = None
    compression: Compression | None = None
    energy: AnyTable = None


def schema() -> dict[str, Any]:
    """The JSON Schema of the accelerator file, for editors."""
    return json_schema(AcceleratorFile)
