"""What is said about an execution: the order of a layer's loops, its block, its buffering.

An order is a tuple of loops, outermost first. Besides the dims `N K C P Q R S` a loop may run over
used input rows or columns (`H`, `W`) or over phases: `R%`, `S%` are the stride phases of the taps,
`P%`, `Q%` the dilation phases of the outputs. Once `H` is fixed, `P` (or `R`) runs over the output
rows (or taps) that meet this input row; once a phase is fixed, the dim runs inside the phase.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from accelsim.workload.layer import Axis, Conv

Resident = Literal["weights", "inputs", "outputs"]
Buffering = Literal["single", "prefetch", "double"]
BUFFERINGS: tuple[Buffering, ...] = ("single", "prefetch", "double")
RESIDENTS: tuple[Resident, ...] = ("weights", "inputs", "outputs")
Order = tuple[str, ...]

ROW_LOOPS = ("P", "R", "H", "P%", "R%")
COL_LOOPS = ("Q", "S", "W", "Q%", "S%")
_EXCHANGE = dict(zip(ROW_LOOPS + COL_LOOPS, COL_LOOPS + ROW_LOOPS, strict=True))


@dataclass(frozen=True, slots=True)
class Block:
    """What the PE array executes as one step: extents over the dims, one MAC unless said."""

    N: int = 1
    K: int = 1
    C: int = 1
    P: int = 1
    Q: int = 1
    R: int = 1
    S: int = 1

    @property
    def has_window(self) -> bool:
        """Whether a block holds several pixels or taps, which leaves no loop over input rows."""
        return (self.P, self.Q, self.R, self.S) != (1, 1, 1, 1)

    def __str__(self) -> str:
        """`K=16,C=16`; empty for one MAC."""
        extents = ((dim, getattr(self, dim)) for dim in "NKCPQRS")
        return ",".join(f"{dim}={extent}" for dim, extent in extents if extent > 1)


ONE_MAC = Block()


@dataclass(frozen=True, slots=True)
class Cut:
    """A dim cut into tiles: where each begins, in ascending order, the first at 0."""

    dim: str
    begins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tiling:
    """A group cut into tiles, run one after another: a loop per cut dim, outermost first.

    `serpentine` turns an inner loop's direction each time it starts again. Words of the operands
    in `keeps` that the next tile uses too stay on the chip; all others leave with their tile.
    """

    cuts: tuple[Cut, ...] = ()
    serpentine: bool = False
    keeps: tuple[Resident, ...] = ()


ONE_TILE = Tiling()


@dataclass(frozen=True)
class Schedule:
    """How one group of a layer runs: its tiles, and in each the operand that stays and the order.

    Groups run one after another in the same way.
    """

    layer: Conv
    resident: Resident
    family: str
    order: Order
    block: Block = ONE_MAC
    buffering: Buffering = "single"
    tiling: Tiling = ONE_TILE

    @property
    def stays(self) -> str:
        """The operand that stays on the chip; `none` where a pool keeps no weights."""
        idle = self.resident == "weights" and not self.layer.has_weights
        return "none" if idle else self.resident

    @property
    def is_transposed(self) -> bool:
        """Whether columns come before rows."""
        return next((loop in COL_LOOPS for loop in self.order if loop in "PQHWRS"), False)

    @property
    def order_text(self) -> str:
        """The loops outermost first, a phase loop with its modulus: `C R%2 S%2 R S K P Q`."""
        rows, cols = self.layer.rows, self.layer.cols
        moduli = {
            "R%": tap_phases(rows), "S%": tap_phases(cols),
            "P%": output_phases(rows), "Q%": output_phases(cols),
        }  # fmt: skip
        return " ".join(f"{loop}{moduli.get(loop, '')}" for loop in self.order)


def transposed(order: Order) -> Order:
    """Return the order with rows and columns exchanged, in pixels and taps alike."""
    return tuple(_EXCHANGE.get(loop, loop) for loop in order)


def tap_phases(axis: Axis) -> int:
    """Number of stride phases: taps with different r·dilation mod stride share no input.

    For a deconvolution the same taps share no output.
    """
    return axis.stride // math.gcd(axis.stride, axis.dilation)


def output_phases(axis: Axis) -> int:
    """Number of dilation phases: outputs with different p mod this number share no input.

    Outputs p, p' meet in an input only if (p - p')·stride is a multiple of dilation.
    """
    return axis.dilation // math.gcd(axis.stride, axis.dilation) if axis.kind == "conv" else 1


def loop_extent(layer: Conv, block: Block, loop: str) -> int:
    """Upper bound on the iterations of a loop; 1 means that the loop can be left out."""
    axis = layer.rows if loop in ROW_LOOPS else layer.cols
    if loop in ("H", "W"):
        return axis.used_inputs
    if loop in ("R%", "S%"):
        return min(tap_phases(axis), axis.taps)
    if loop in ("P%", "Q%"):
        return min(output_phases(axis), axis.outputs)
    return -(-layer.dims[loop] // int(getattr(block, loop)))
