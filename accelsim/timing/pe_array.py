"""What a PE array does with a block: cycles, SRAM accesses, and which blocks it can run.

A block is a box of extents over N K C P Q R S, the step of a schedule (`dataflow.schedule.Block`).
With pixels = N·P·Q, T = C·R·S of the block (nominal, padding counts), a systolic array of rows x
cols takes it in folds, one after another:

    os  rows hold pixels, cols k      folds ceil(pixels/rows)·ceil(k/cols)   stream T
    ws  rows hold (c,r,s), cols k     folds ceil(T/rows)·ceil(k/cols)        stream pixels
    is  rows hold (c,r,s), cols pixels  folds ceil(T/rows)·ceil(pixels/cols) stream k

A fold takes its stream and rows + cols - 2 cycles until the last PE has seen it; ws and is first
load what stays, a row a cycle. (Samajdar et al., SCALE-Sim, arXiv 1811.02883 and ISPASS 2020.)
With `overlap_folds` the next fold follows on the heels of the one before, as in a TPU whose PEs
hold the next weights already (Jouppi et al., ISCA 2017): a fold then takes its stream alone, but no
less than the `rows` cycles in which what stays is exchanged, and the rest is paid once a block.

A spatial array works on an unroll of each dim a cycle: the product of ceilings. Within a block it
runs C, R, S innermost, so that sums stay in its accumulators until the block is done with them.

What has no MACs (pools, element-wise ops, softmax, ...) goes past the array's outputs, as many
words a cycle as leave it there: `lanes`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product

from accelsim.dataflow.schedule import Block, Order
from accelsim.hardware.format import BlockArray, OperandRates, PeArray, SpatialArray, SystolicArray
from accelsim.timing.row_stationary import LaidOut, pass_cycles
from accelsim.workload.layer import Conv, Widths

STREAMS = {"os": "CRS", "ws": "NPQ", "is": "K"}
"""The dims that stream through a systolic array of each dataflow."""


@dataclass(frozen=True)
class Accesses:
    """Words between SRAM and the PE array: reads of weights, inputs and psums, writes of outputs.

    An output is written at each of its visits to the array and read back at all but the first.
    """

    weights: int
    inputs: int
    outputs: int
    psums: int


def folds(pe: SystolicArray, block: Block) -> int:
    """How often a systolic array is filled for a block."""
    down, across, _ = _sides(pe, block)
    return -(-down // pe.rows) * -(-across // pe.cols)


def array_cycles(pe: BlockArray, block: Block, *, continues: bool = False) -> int:
    """Cycles of a block with its words always there.

    `continues`: the block goes on with the stream of the block before (see `continues_stream`) and
    pays neither fill nor drain.
    """
    if isinstance(pe, SpatialArray):
        unroll = pe.unroll.model_dump()
        return math.prod(-(-each // unroll[dim]) for dim, each in asdict(block).items())
    stream = _sides(pe, block)[2]
    if continues:
        return stream
    once = pe.rows + pe.cols - 2 + (0 if pe.dataflow == "os" else pe.rows)
    if pe.overlap_folds:
        return once + stream + (folds(pe, block) - 1) * max(stream, pe.rows)
    return folds(pe, block) * (stream + once)


def accesses(
    pe: BlockArray,
    block: Block,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> Accesses:
    """SRAM words of a block; a word that several PEs use in one cycle is read once.

    Stride and dilation (rows, columns) tell how far the windows that a spatial array unrolls
    overlap. A systolic array reads an input for every (pixel, c, r, s), as SCALE-Sim does.
    """
    pixels, reduced = _pixels(block), block.C * block.R * block.S
    outputs = pixels * block.K
    if isinstance(pe, SpatialArray):
        steps = {dim: -(-getattr(block, dim) // getattr(pe.unroll, dim)) for dim in "NKPQ"}
        rows = window_reads(block.P, pe.unroll.P, block.R, pe.unroll.R, stride[0], dilation[0])
        cols = window_reads(block.Q, pe.unroll.Q, block.S, pe.unroll.S, stride[1], dilation[1])
        weights = block.K * reduced * steps["N"] * steps["P"] * steps["Q"]
        return Accesses(weights, block.N * block.C * rows * cols * steps["K"], outputs, 0)
    down, across, _ = _sides(pe, block)
    down, across = -(-down // pe.rows), -(-across // pe.cols)
    if pe.dataflow == "os":
        return Accesses(reduced * block.K * down, pixels * reduced * across, outputs, 0)
    weights, inputs = reduced * block.K, pixels * reduced
    if pe.dataflow == "ws":
        inputs *= across
    else:
        weights *= across
    return Accesses(weights, inputs, outputs * down, outputs * (down - 1))


def sram_cycles(moved: Accesses, widths: Widths, rates: int | OperandRates | None) -> int:
    """Least cycles in which SRAM gives and takes these words, psum-wide outputs included.

    `rates` are bytes per cycle: of one port for all, of a bus per operand, or None for unlimited.
    """
    if rates is None:
        return 0
    words = (moved.weights, moved.inputs, moved.outputs + moved.psums)
    each = [-(-count * bits // 8) for count, bits in zip(words, widths.live, strict=True)]
    if isinstance(rates, int):
        return -(-sum(each) // rates)
    buses = (rates.weights, rates.inputs, rates.outputs)
    return max(-(-count // bus) for count, bus in zip(each, buses, strict=True))


def lanes(pe: PeArray) -> int:
    """Words a cycle that leave an array side by side: its columns, or its unrolled outputs."""
    if isinstance(pe, SpatialArray):
        return pe.unroll.N * pe.unroll.K * pe.unroll.P * pe.unroll.Q
    return pe.cols


def block_cycles(
    pe: BlockArray | LaidOut,
    layer: Conv,
    block: Block,
    rates: int | OperandRates | None,
    *,
    continues: bool = False,
) -> int:
    """Cycles of a block of a layer: what the array takes, or SRAM if that is longer."""
    if not layer.has_weights:
        words: int = math.prod(asdict(block).values())
        moved = Accesses(0, words, _pixels(block) * block.K, 0)
        array = pe.pe if isinstance(pe, LaidOut) else pe
        return max(-(-words // lanes(array)), sram_cycles(moved, layer.widths, rates))
    if isinstance(pe, LaidOut):
        return pass_cycles(pe, layer, block, rates)
    stride, dilation = (
        (getattr(layer.rows, name), getattr(layer.cols, name)) for name in ("stride", "dilation")
    )
    least = sram_cycles(accesses(pe, block, stride, dilation), layer.widths, rates)
    return max(least, array_cycles(pe, block, continues=continues))


def utilization_x(pe: BlockArray, block: Block) -> float:
    """Part of the PEs that do a MAC of the block, in the mean over its cycles."""
    macs: int = math.prod(asdict(block).values())
    return macs / (pe.pes * array_cycles(pe, block))


def order_fault(pe: BlockArray, order: Order, block: Block, dims: dict[str, int]) -> str | None:
    """Why an array cannot run blocks in an order, or None.

    `order` are the loops over blocks, outermost first, `dims` the extents that they cover. Only
    `os` asks for anything: its sums stay in the PEs, so a sum begun is finished before the next.
    """
    if not isinstance(pe, SystolicArray) or pe.dataflow != "os":
        return None
    cut = [dim for dim in "CRS" if getattr(block, dim) < dims[dim]]
    if not cut:
        return None
    inner = next(place for place, loop in enumerate(order) if loop[0] in cut)
    alike = (*"CRS", *(dim for dim in dims if getattr(block, dim) >= dims[dim]))
    if any(loop[0] not in alike for loop in order[inner:]):
        return f"sums stay in the PEs: loops over {', '.join(cut)} are innermost"
    if folds(pe, block) > 1:
        return f"sums stay in the PEs: a block cut in {', '.join(cut)} is one fold"
    return None


def continues_stream(pe: BlockArray, block: Block, changed: set[str]) -> bool:
    """Whether a block goes on with the stream of the block before it.

    `changed` are the dims in which the two differ. The array is then filled already: nothing but
    what streams has changed, and all of it fits in one fold.
    """
    if isinstance(pe, SpatialArray):
        return False
    return changed <= set(STREAMS[pe.dataflow]) and folds(pe, block) == 1


@lru_cache(maxsize=1024)
def blocks(
    pe: BlockArray, N: int, K: int, C: int, P: int, Q: int, R: int, S: int
) -> tuple[Block, ...]:
    """Shapes of blocks worth running on layers of these dims (one group's), small ones first.

    Each fills the array as far as a box can: runs of a row, whole rows, as many rows as fill it
    without a rest, whole pictures; a few channels with all taps, or channels alone. What streams
    comes in every length that changes which words are live.
    """
    dims = {"N": N, "K": K, "C": C, "P": P, "Q": Q, "R": R, "S": S}
    found = set()
    if isinstance(pe, SpatialArray):
        step = {dim: min(each, getattr(pe.unroll, dim)) for dim, each in dims.items()}
        found = {
            Block(**{**step, **{dim: dims[dim] for dim in whole}})
            for whole in ((), ("R", "S"), ("C",), ("C", "R", "S"), ("Q",), ("C", "R", "S", "Q"))
        }
    else:
        for block in _systolic_blocks(pe, Block(**dims)):
            found.add(block)
    return tuple(sorted(found, key=lambda block: (math.prod(asdict(block).values()), str(block))))


def _systolic_blocks(pe: SystolicArray, whole: Block) -> Iterator[Block]:
    taps = [(1, 1, 1), (whole.C, 1, 1), (1, whole.R, whole.S), (whole.C, whole.R, whole.S)]
    k = min(whole.K, pe.cols)
    if pe.dataflow == "os":
        for (n, p, q), (c, r, s) in product(_pixel_boxes(pe.rows, whole), taps):
            block = Block(n, k, c, p, q, r, s)
            if folds(pe, block) == 1 or (c, r, s) == taps[-1]:
                yield block
        return
    reduced = {
        (min(whole.C, pe.rows), 1, 1),
        (min(whole.C, max(1, pe.rows // (whole.R * whole.S))), whole.R, whole.S),
        taps[-1],
    }
    if pe.dataflow == "ws":
        for (n, p, q), (c, r, s) in product({(1, 1, 1), *_pixel_boxes(pe.rows, whole)}, reduced):
            yield Block(n, k, c, p, q, r, s)
        return
    streams = {1, min(whole.K, pe.cols), whole.K}
    for (n, p, q), (c, r, s), k in product(_pixel_boxes(pe.cols, whole), reduced, streams):
        yield Block(n, k, c, p, q, r, s)


def _pixel_boxes(side: int, whole: Block) -> set[tuple[int, int, int]]:
    """Boxes of (n, p, q) that lie well on so many PEs."""
    N, P, Q = whole.N, whole.P, whole.Q
    even = side // math.gcd(side, Q)  # so many rows leave no rest
    rows = {min(P, max(1, side // Q)), min(P, even), P}
    return {(1, 1, min(Q, side)), (N, P, Q), *((1, p, Q) for p in rows)}


def _pixels(block: Block) -> int:
    return block.N * block.P * block.Q


def _sides(pe: SystolicArray, block: Block) -> tuple[int, int, int]:
    """What lies along the rows, along the columns, and how long the stream is."""
    pixels, reduced = _pixels(block), block.C * block.R * block.S
    if pe.dataflow == "os":
        return pixels, block.K, reduced
    return (reduced, block.K, pixels) if pe.dataflow == "ws" else (reduced, pixels, block.K)


@lru_cache(maxsize=4096)
def window_reads(
    outputs: int, outputs_step: int, taps: int, taps_step: int, stride: int, dilation: int
) -> int:
    """Distinct inputs of each step along one axis, summed over the steps."""
    return sum(
        many * more * len({p * stride + r * dilation for p in range(own) for r in range(tap)})
        for own, many in _steps(outputs, outputs_step)
        for tap, more in _steps(taps, taps_step)
    )


def _steps(extent: int, step: int) -> list[tuple[int, int]]:
    """Lengths of the steps that an extent takes, and how many of each."""
    whole, rest = divmod(extent, step)
    return [(step, whole)] * bool(whole) + [(rest, 1)] * bool(rest)
