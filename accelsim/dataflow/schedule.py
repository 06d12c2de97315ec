"""What is said about an execution: the order of a layer's loops, its block, its buffering.

An order is a tuple of loops, outermost first. Besides the dims `N K C P Q R S` a loop may run over
used input rows or columns (`H`, `W`) or over phases: `R%`, `S%` are the stride phases of the taps,
`P%`, `Q%` the dilation phases of the outputs. Once `H` is fixed, `P` (or `R`) runs over the output
rows (or taps) that meet this input row; once a phase is fixed, the dim runs inside the phase.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
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

    def transposed(self) -> Block:
        """The same block with rows and columns exchanged."""
        return Block(self.N, self.K, self.C, self.Q, self.P, self.S, self.R)

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
class Stay:
    """Words of an operand that stay on the chip from one tile to another.

    A pass is one iteration of the outermost `depth` loops over tiles; nothing stays beyond it. A
    word that its tile has no more use for stays if a later tile of the pass uses it, until the last
    tile of the pass that does is done with it: all of them, or with `words` so many at a time,
    first come, first kept. With `next_only` a word stays if the very next tile uses it, which may
    keep it again. An operand may have one stay of each kind; what finds no place among `words` can
    still stay by another. With `through` both parts of a layer are one pass; each has the same
    stay. Where a block is done with several words, they come in the order of their last MACs in n,
    k, c, p, r, q, s.
    """

    operand: Resident
    depth: int = 0
    words: int | None = None
    next_only: bool = False
    through: bool = False


@dataclass(frozen=True)
class Tiling:
    """A group cut into tiles, run one after another: a loop per cut dim, outermost first.

    `serpentine` turns an inner loop's direction each time it starts again. A word that no `Stay`
    names leaves with its tile.
    """

    cuts: tuple[Cut, ...] = ()
    serpentine: bool = False
    stays: tuple[Stay, ...] = ()


ONE_TILE = Tiling()


@dataclass(frozen=True)
class Part:
    """The part of a layer from `begin` up to `end` along a dim N, K, P or Q."""

    dim: str
    begin: int
    end: int


@dataclass(frozen=True)
class Schedule:
    """How one group of a layer runs: its tiles, and in each the operand that stays and the order.

    `turn_order`, if there is one, is the order of the tiles at both ends of the innermost cut,
    where one run through it turns into the next. With `part` the schedule covers that part of the
    layer alone, its cuts (and phases) counted from the part's begin, and `then` covers the rest,
    with nothing kept from one to the other but what stays `through`. Groups run one after another
    in the same way.
    """

    layer: Conv
    resident: Resident
    family: str
    order: Order
    block: Block = ONE_MAC
    buffering: Buffering = "single"
    tiling: Tiling = ONE_TILE
    turn_order: Order = ()
    part: Part | None = None
    then: Schedule | None = None

    def fault(self) -> tuple[str, str] | None:
        """The field that is wrong and why, or None for a schedule that covers its layer.

        A field of the second part is called `then.order` and so on.
        """
        layer, then = self.layer, self.then
        if layer.K % layer.groups or layer.C % layer.groups or layer.rows.kind != layer.cols.kind:
            return "layer", "groups divide K and C, and both axes are of one kind"
        if min(layer.group().dims.values()) < 1 or min(asdict(layer.widths).values()) < 1:
            return "layer", "sizes and widths are 1 or more"
        if min(asdict(self.block).values()) < 1:
            return "block", "extents are 1 or more"
        if self.part is None and then is None:
            return _run_fault(self)
        if self.part is None or then is None:
            return "part", "a part needs `then`, which runs the rest, and `then` needs a part"
        fault = _parts_fault(self, self.part, then) or _run_fault(self)
        late = None if fault else _run_fault(then)
        return (f"then.{late[0]}", late[1]) if late else fault

    @cached_property
    def dims(self) -> dict[str, int]:
        """Extents of N K C P Q R S inside one group and, if there is one, inside the part."""
        dims, part = self.layer.dims, self.part
        return {**dims, part.dim: part.end - part.begin} if part else dims

    def lengths(self, dim: str) -> list[int]:
        """Extents of the pieces that a dim is cut into, in order; one piece if it is not cut."""
        begins = next((cut.begins for cut in self.tiling.cuts if cut.dim == dim), (0,))
        return [end - begin for begin, end in pairwise((*begins, self.dims[dim]))]

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


def _parts_fault(schedule: Schedule, part: Part, then: Schedule) -> tuple[str, str] | None:
    """What keeps a part and the one after it from being one layer."""
    if part.dim not in ("N", "K", "P", "Q"):
        return "part", f"a part lies along one of N K P Q, not {part.dim}"
    for name in ("layer", "block", "buffering"):
        if getattr(then, name) != getattr(schedule, name):
            return f"then.{name}", "both parts have the same"
    if then.then is not None:
        return "then.then", "a layer has two parts at most"
    if then.part is None or then.part.dim != part.dim:
        return "then.part", f"both parts lie along {part.dim}"
    stays = [[stay for stay in each.tiling.stays if stay.through] for each in (schedule, then)]
    if stays[0] != stays[1]:
        return "then.tiling", "what stays through is the same in both parts"
    extent = schedule.layer.group().dims[part.dim]
    if not 0 == part.begin < part.end == then.part.begin < then.part.end == extent:
        return "part", f"two parts of {part.dim}, none empty, follow each other from 0 to {extent}"
    return None


def _run_fault(schedule: Schedule) -> tuple[str, str] | None:
    """What keeps the orders and tiles of a schedule from covering its layer, or its part of it."""
    if schedule.turn_order and not schedule.tiling.cuts:
        return "turn_order", "where nothing is cut no tile is at a turn"
    for name in ("order", "turn_order") if schedule.turn_order else ("order",):
        why = _order_fault(schedule, getattr(schedule, name), schedule.dims)
        if why is not None:
            return name, why
    if schedule.part is None and any(stay.through for stay in schedule.tiling.stays):
        return "tiling", "only in a layer of two parts something stays through"
    return _tiling_fault(schedule.tiling, schedule.dims)


def _order_fault(schedule: Schedule, order: Order, dims: dict[str, int]) -> str | None:
    """What keeps the loops of an order from visiting each block of the layer once."""
    block = schedule.block
    for loop in order:
        if loop not in ("N", "K", "C", *ROW_LOOPS, *COL_LOOPS):
            return f"no loop is called {loop}"
        if order.count(loop) > 1:
            return f"{loop} is there twice"
        if loop in ("H", "W") and block.has_window:
            return f"{loop} visits single inputs; a block of several pixels or taps cannot"
    for dim in dims:
        alone = -(-dims[dim] // getattr(block, dim)) > 1 and dim not in order
        if alone and not _follows(schedule, order, dims, dim):
            return f"{dim} has more than one block and no loop"
    return None


def _follows(schedule: Schedule, order: Order, dims: dict[str, int], dim: str) -> bool:
    """Whether an input position and the loop of the partner dim leave one value for this dim."""
    if dim not in _PARTNERS:
        return False
    partner, position = _PARTNERS[dim]
    axis = schedule.layer.rows if dim in ROW_LOOPS else schedule.layer.cols
    fixed = position in order or axis.used_inputs == 1
    return fixed and (partner in order or dims[partner] == 1)


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
    for stay in tiling.stays:
        alike = [
            other for other in tiling.stays
            if (other.next_only, other.words is None) == (stay.next_only, stay.words is None)
        ]  # fmt: skip
        if [other.operand for other in alike].count(stay.operand) > 1:
            kinds = "one of so many words, one of all words, and one for the next tile"
            return "tiling", f"{stay.operand} have three stays at most: {kinds}"
        if stay.next_only and stay.words is not None:
            return "tiling", "what stays for the next tile only takes no places; leave out words"
        if stay.through and (stay.depth or stay.next_only):
            return "tiling", "what stays through has depth 0, and is not for the next tile only"
        if not 0 <= stay.depth <= len(tiling.cuts):
            return "tiling", f"a stay's depth counts cuts, 0 to {len(tiling.cuts)}"
        if stay.words is not None and stay.words < 1:
            return "tiling", "a stay holds 1 word or more; leave the stay out, or words for all"
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
