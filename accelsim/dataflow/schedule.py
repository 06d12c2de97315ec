"""What is said about an execution: the order of a layer's loops, its block, its buffering.

An order is a tuple of loops, outermost first. Besides the dims `N K C P Q R S` a loop may run over
used input rows or columns (`H`, `W`) or over phases: `R%`, `S%` are the stride phases of the taps,
`P%`, `Q%` the dilation phases of the outputs. Once `H` is fixed, `P` (or `R`) runs over the output
rows (or taps) that meet this input row; once a phase is fixed, the dim runs inside the phase.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from accelsim.workload.layer import Axis, Conv

Resident = Literal["weights", "inputs", "outputs"]
Buffering = Literal["single", "prefetch", "double"]
BUFFERINGS: tuple[Buffering, ...] = ("single", "prefetch", "double")
RESIDENTS: tuple[Resident, ...] = ("weights", "inputs", "outputs")
Order = tuple[str, ...]

ROW_LOOPS = ("P", "R", "H", "P%", "R%")
COL_LOOPS = ("Q", "S", "W", "Q%", "S%")
_PARTNERS = {"P": ("R", "H"), "R": ("P", "H"), "Q": ("S", "W"), "S": ("Q", "W")}
_EXCHANGE = dict(zip(ROW_LOOPS + COL_LOOPS, COL_LOOPS + ROW_LOOPS, strict=True))


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Cut:
    """A dim cut into tiles: where each begins, in ascending order, the first at 0."""

    dim: str
    begins: tuple[int, ...]


@dataclass(frozen=True)
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

    def fault(self) -> tuple[str, str] | None:
        """The field that is wrong and why, or None for a schedule that covers its layer."""
        layer, dims = self.layer, self.layer.group().dims
        if layer.K % layer.groups or layer.C % layer.groups or layer.rows.kind != layer.cols.kind:
            return "layer", "groups divide K and C, and both axes are of one kind"
        if min(dims.values()) < 1 or min(asdict(layer.widths).values()) < 1:
            return "layer", "sizes and widths are 1 or more"
        if min(asdict(self.block).values()) < 1:
            return "block", "extents are 1 or more"
        return _order_fault(self, dims) or _tiling_fault(self.tiling, dims)

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


def _order_fault(schedule: Schedule, dims: dict[str, int]) -> tuple[str, str] | None:
    """What keeps the loops from visiting each block of the layer once."""
    order, block = schedule.order, schedule.block
    for loop in order:
        if loop not in ("N", "K", "C", *ROW_LOOPS, *COL_LOOPS):
            return "order", f"no loop is called {loop}"
        if order.count(loop) > 1:
            return "order", f"{loop} is there twice"
        if loop in ("H", "W") and block.has_window:
            return "order", f"{loop} visits single inputs; a block of several pixels or taps cannot"
    for dim in dims:
        alone = -(-dims[dim] // getattr(block, dim)) > 1 and dim not in order
        if alone and not _follows(schedule, dims, dim):
            return "order", f"{dim} has more than one block and no loop"
    return None


def _follows(schedule: Schedule, dims: dict[str, int], dim: str) -> bool:
    """Whether an input position and the loop of the partner dim leave one value for this dim."""
    if dim not in _PARTNERS:
        return False
    partner, position = _PARTNERS[dim]
    axis = schedule.layer.rows if dim in ROW_LOOPS else schedule.layer.cols
    fixed = position in schedule.order or axis.used_inputs == 1
    return fixed and (partner in schedule.order or dims[partner] == 1)


def _tiling_fault(tiling: Tiling, dims: dict[str, int]) -> tuple[str, str] | None:
    """What keeps the cuts from tiling the layer."""
    cut_dims = [cut.dim for cut in tiling.cuts]
    for cut in tiling.cuts:
        if cut.dim not in dims or cut_dims.count(cut.dim) > 1:
            return "tiling", f"a cut names one of N K C P Q R S, each once, not {cut.dim}"
        if cut.begins[:1] != (0,) or list(cut.begins) != sorted(set(cut.begins)):
            return "tiling", f"the tiles of {cut.dim} begin at 0 and ascend"
        if cut.begins[-1] >= dims[cut.dim]:
            return "tiling", f"{cut.dim} has {dims[cut.dim]}; no tile begins at {cut.begins[-1]}"
    return None


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
