"""Row stationary arrays (Eyeriss): how a pass lies on the PEs, what it takes, where it fits.

Chen et al., ISCA 2016 and JSSC 52(1), 2017. A PE convolves one filter row with one input row, so a
logical set of R x P PEs makes an output plane: filter rows lie along its rows, output rows along
its columns, input rows along its diagonals. A set of more than `cols` columns is folded into
segments that lie below each other, and as many sets as fit work side by side, r on different
channels (their psums add up), t on different filters. What is still too large is cut into passes:

    for n images, for m filters, for e output rows:    psums of n·m·e rows stay in the buffer
      for q·r channels:                                their inputs stay in the buffer
        for p·t filters:                               one pass; its weights are used here only

A PE holds p filter rows of q channels, q·S inputs (a window that slides along the row) and p psums:
p·q·S, q·S and p words of its scratchpads. For each output it does q·S MACs for each of the p
filters and then adds the psum of the PE below in one more cycle of its adder, so that a pass takes

    work   n·Q·p·(q·S + 1)
    buses  the larger of inputs n·q·r·rows·columns, psums n·p·t·e·Q in and as many out at once
    pass   max(work, buses) + exposed share of the weights p·t·q·r·R·S on their bus

the boxes of inputs with their padding, which lies in the buffer like any input. With that the
buffer holds banks(n·m·e·Q psums) + banks(n·q·r·((e-1)·U+R)·W inputs), JSSC table III.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from accelsim.dataflow.schedule import Block, Buffering, Cut, Schedule, Tiling
from accelsim.hardware.format import OperandRates, RowStationaryArray
from accelsim.workload.layer import Axis, Conv


@dataclass(frozen=True)
class Passes:
    """Eyeriss's mapping parameters: see the module; all are at least 1."""

    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int

    def __str__(self) -> str:
        """`m=64 n=4 e=13 p=16 q=3 r=2 t=2`."""
        return " ".join(f"{name}={getattr(self, name)}" for name in "mnepqrt")


@dataclass(frozen=True)
class LaidOut:
    """A row stationary array whose sets lie r on different channels, t on different filters."""

    pe: RowStationaryArray
    r: int
    t: int


def sets_that_fit(pe: RowStationaryArray, filter_rows: int, output_rows: int) -> int:
    """How many logical sets of so many filter rows and output rows the array holds, maybe none."""
    bands = pe.rows // filter_rows
    if output_rows <= pe.cols:
        return bands * (pe.cols // output_rows)
    return bands // -(-output_rows // pe.cols)


def active_pes(layer: Conv, passes: Passes) -> int:
    """PEs that work in a pass."""
    return layer.rows.taps * passes.e * passes.r * passes.t


def window(axis: Axis, outputs: int, taps: int) -> int:
    """Input positions, padding included, that so many outputs and taps in a row span."""
    if axis.kind == "conv":
        return (outputs - 1) * axis.stride + (taps - 1) * axis.dilation + 1
    return -(-(outputs + (taps - 1) * axis.dilation) // axis.stride)


@dataclass(frozen=True)
class PassWords:
    """Words that a pass moves between SRAM and PEs: weights and inputs in, psums in and out."""

    weights: int
    inputs: int
    psums: int


def pass_words(layer: Conv, block: Block) -> PassWords:
    """What a block of a layer takes from SRAM and leaves there; input boxes with their padding."""
    box = window(layer.rows, block.P, block.R) * window(layer.cols, block.Q, block.S)
    return PassWords(
        weights=block.K * block.C * block.R * block.S,
        inputs=block.N * block.C * box,
        psums=block.N * block.K * block.P * block.Q,
    )


@dataclass(frozen=True)
class PassCycles:
    """Cycles of a pass's parts: the PEs' work, the buses of inputs and psums, the weights' load."""

    work: int
    inputs: int = 0
    psums: int = 0
    load: int = 0

    @property
    def bound(self) -> str:
        """What a pass waits for: `PEs`, `inputs` or `psums`."""
        slowest = max(self.work, self.inputs, self.psums)
        return "PEs" if slowest == self.work else "psums" if slowest == self.psums else "inputs"

    @property
    def whole(self) -> int:
        """Of the pass."""
        return max(self.work, self.inputs, self.psums) + self.load


def pass_parts(
    laid: LaidOut, layer: Conv, block: Block, rates: int | OperandRates | None
) -> PassCycles:
    """Cycles of a pass; rates are bytes a cycle of a bus per operand, one number of each of them.

    None is unlimited: then the weights are there at once, too.
    """
    filters, channels = -(-block.K // laid.t), -(-block.C // laid.r)
    work = block.N * block.Q * filters * (channels * block.S + 1)
    if rates is None:
        return PassCycles(work)
    moved, widths = pass_words(layer, block), layer.widths
    weights, inputs, outputs = (
        (rates, rates, rates) if isinstance(rates, int)
        else (rates.weights, rates.inputs, rates.outputs)
    )  # fmt: skip
    return PassCycles(
        work=work,
        inputs=-(-moved.inputs * widths.inputs // (8 * inputs)),
        psums=-(-moved.psums * widths.psums // (8 * outputs)),
        load=math.ceil(laid.pe.exposed_load_x * moved.weights * widths.weights / (8 * weights)),
    )


def pass_cycles(laid: LaidOut, layer: Conv, block: Block, rates: int | OperandRates | None) -> int:
    """Cycles of a whole pass: see `pass_parts`."""
    return pass_parts(laid, layer, block, rates).whole


def buffer_bytes(layer: Conv, passes: Passes) -> tuple[int, int]:
    """Bytes of the buffer that a mapping takes for inputs and for psums (JSSC table III)."""
    rows = window(layer.rows, passes.e, layer.rows.taps)
    cols = window(layer.cols, layer.cols.outputs, layer.cols.taps)
    inputs = passes.n * min(passes.q * passes.r, layer.dims["C"]) * rows * cols
    psums = passes.n * passes.m * passes.e * layer.cols.outputs
    return -(-inputs * layer.widths.inputs // 8), -(-psums * layer.widths.psums // 8)


def fault(pe: RowStationaryArray, layer: Conv, passes: Passes, sram_bytes: int) -> str | None:
    """Why a mapping cannot run on an array with so much SRAM, and what would do; or None."""
    group, pads, m, n, e = layer.dims, pe.scratchpad_words, passes.m, passes.n, passes.e
    p, q, r, t = passes.p, passes.q, passes.r, passes.t
    R, S = group["R"], group["S"]
    banks = max(0, sram_bytes - pe.weights_buffer_bytes) // pe.bank_bytes
    needed = sum(-(-size // pe.bank_bytes) for size in buffer_bytes(layer, passes))
    filters, channels = min(p * t, m), min(q * r, group["C"])  # the last set may lack some
    weights = -(-filters * channels * R * S * layer.widths.weights // 8)
    limits = (
        ("n", n, group["N"], "images"), ("m", m, group["K"], "filters of a group"),
        ("e", e, group["P"], "output rows"), ("t", t, m, "filters that m keeps"),
        ("r", r, group["C"], "channels of a group"),
        ("p·t", p * t, -(-m // t) * t, "filters that m keeps"),
        ("q·r", q * r, -(-group["C"] // r) * r, "channels of a group"),
        (f"r·t sets of {R} x {e} PEs", r * t, sets_that_fit(pe, R, e), "that the array holds"),
        ("p", p, pads.psums, "psums of a scratchpad"),
        ("q·S", q * S, pads.inputs, "inputs of a scratchpad"),
        ("p·q·S", p * q * S, pads.weights, "weights of a scratchpad"),
        ("bytes of weights a pass", weights, pe.weights_buffer_bytes, "that the buffer holds"),
        ("banks for inputs and psums", needed, banks, "that there are"),
    )  # fmt: skip
    for name, asked, most, of in limits:
        if asked > most:
            return f"{name} is {asked}; at most {most} {of}"
    return None


def schedule_of(layer: Conv, passes: Passes, buffering: Buffering = "single") -> Schedule:
    """The schedule of a mapping, which replays: a pass is a block, what stays is a tile."""
    dims, kept = layer.dims, {"N": passes.n, "K": passes.m, "P": passes.e}
    extents = dims | kept | {"K": passes.p * passes.t, "C": passes.q * passes.r}
    block = Block(**{dim: min(size, dims[dim]) for dim, size in extents.items()})
    cuts = tuple(
        Cut(dim, tuple(range(0, dims[dim], size)))
        for dim, size in kept.items() if size < dims[dim]
    )  # fmt: skip
    order = tuple(dim for dim in "NPCK" if getattr(block, dim) < dims[dim])
    name = "row stationary"
    return Schedule(layer, "outputs", name, order, block, buffering, Tiling(cuts))


def held_bits(layer: Conv, passes: Passes) -> tuple[int, int, int]:
    """Bits of live weights, inputs, psums at the peak of a tile: what replay counts.

    With psums of m filters in the buffer, the peak is at the pass that has all of them live, the
    most channels and the most filters: the first passes lack psums not yet begun, those of the last
    channels psums that are done.
    """
    group, widths = layer.group(), layer.widths.live
    kinds = [
        (fed, taps, used)
        for begin in range(0, group.rows.outputs, passes.e)
        for fed, taps, used in [_strip(group.rows, begin, begin + passes.e)]
    ]
    cols = _strip(group.cols, 0, group.cols.outputs)
    live = (
        (
            k * c * taps * cols[1] * widths[0],
            n * c * used * cols[2] * widths[1],
            n * psums * fed * cols[0] * widths[2],
        )
        for n in {min(passes.n, group.N), group.N % passes.n or passes.n}
        for fed, taps, used in set(kinds)
        for m in {min(passes.m, group.K), group.K % passes.m or passes.m}
        for k, c, psums in _steps(m, group.C, passes.p * passes.t, passes.q * passes.r)
    )
    return max(live, key=sum)


def _steps(m: int, channels: int, filters: int, deep: int) -> list[tuple[int, int, int]]:
    """Filters, channels and live psum planes of the passes of a tile of m filters."""
    found = []
    last = -(-channels // deep) - 1
    for at in {0, min(1, last), last}:
        for begin in range(0, m, filters):
            k = min(filters, m - begin)
            live = (begin + k if at == 0 else m) - (begin if at == last else 0)
            found.append((k, min(deep, channels - at * deep), live))
    return found


def _strip(axis: Axis, begin: int, end: int) -> tuple[int, int, int]:
    """Outputs fed, taps and inputs used by outputs from begin up to end."""
    p, r, h = axis.pairs()
    inside = (p >= begin) & (p < end)
    return len({*p[inside]}), len({*r[inside]}), len({*h[inside]})
