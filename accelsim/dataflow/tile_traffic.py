"""The words that a tiled schedule moves, operand by operand, from its cuts and its stays.

A word is fetched by every tile that uses it. Tiles are products of the axes' pieces, and so are the
words an operand uses in them: the sum over all tiles is a product of sums per axis. Words that stay
without limit for a pass over the outermost d cuts are fetched once a pass, as if the cuts inside
were not there. Words that stay for the next tile only are those that two tiles in a row share:

    inputs resident    the halo along the innermost cut, where the windows of two pieces overlap
    exchange           the slab of channels at the turn, weights if k stays there, else inputs

Of the operand of which so many words stay, what they save is the rest of the schedule's traffic.
n visits of an output cost n - 1 psum writes, n - 1 psum reads and the final write.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np

from accelsim.dataflow.schedule import Cut, Resident, Schedule
from accelsim.workload.layer import Axis, Int64

Traffic = tuple[int, int, int, int, int]
"""Words: weights, inputs read; outputs written; psums read, written."""
_OPERANDS: tuple[Resident, ...] = ("weights", "inputs", "outputs")


def traffic_words(schedule: Schedule, traffic_bits: int) -> Traffic:
    """The words that one group moves, given the bits that they come to.

    Raises RuntimeError where the words that stay cannot account for the bits.
    """
    layer = schedule.layer.group()
    widths = layer.widths
    if not layer.useful_macs:
        return 0, 0, layer.outputs_words, 0, 0
    parts = [part for part in (schedule, schedule.then) if part]
    weights, inputs, visits = (
        sum(_fetched(part, operand) - _shared(part, operand) for part in parts)
        for operand in _OPERANDS
    )
    fed = layer.N * layer.K * _used(layer.rows, 0) * _used(layer.cols, 0)
    moved = [weights if layer.has_weights else 0, inputs, visits - fed]
    costs = widths.weights, widths.inputs, 2 * widths.psums
    bits = sum(count * cost for count, cost in zip(moved, costs, strict=True))
    bits += layer.outputs_words * widths.outputs
    staying = {stay.operand for part in parts for stay in part.tiling.stays if stay.words}
    operand = _OPERANDS.index(staying.pop()) if staying else 0
    saved, rest = divmod(bits - traffic_bits, costs[operand])
    moved[operand] -= saved
    if rest or saved < 0 or moved[operand] < 0 or (saved and not any(
        stay.words for part in parts for stay in part.tiling.stays
    )):  # fmt: skip
        where = f"{layer.name}: {schedule.order_text}, tiles {tile_text(schedule)}"
        raise RuntimeError(f"{where} moves {bits} bits before stays, {traffic_bits} are claimed")
    return moved[0], moved[1], layer.outputs_words, moved[2], moved[2]


def _fetched(schedule: Schedule, operand: Resident) -> int:
    """Words that all tiles fetch of an operand, each once a pass if it stays without limit."""
    tiling = schedule.tiling
    cuts = tiling.cuts
    for stay in tiling.stays:
        if stay.operand == operand and stay.words is None and not stay.next_only:
            cuts = cuts[: stay.depth]
    return math.prod(_plain(schedule, operand, cuts)) * math.prod(
        sum(len(words) for words in pieces) for pieces in _windows(schedule, operand, cuts)
    )


def _plain(schedule: Schedule, operand: Resident, cuts: tuple[Cut, ...]) -> list[int]:
    """Words over n, k, c: the extent, or the number of pieces where the word is the same in all."""
    own = {"weights": "KC", "inputs": "NC", "outputs": "NK"}[operand]
    pieces = {cut.dim: len(cut.begins) for cut in cuts}
    return [schedule.dims[dim] if dim in own else pieces.get(dim, 1) for dim in "NKC"]


def _windows(
    schedule: Schedule, operand: Resident, cuts: tuple[Cut, ...]
) -> list[tuple[Int64, ...]]:
    """Words along rows and columns, piece by piece, outputs innermost; empty ones left out."""
    layer, part = schedule.layer, schedule.part
    place = {"weights": 1, "inputs": 2, "outputs": 0}[operand]
    begins = {cut.dim: cut.begins for cut in cuts}
    found = []
    for axis, (pixel, tap) in ((layer.rows, "PR"), (layer.cols, "QS")):
        low, high = (part.begin, part.end) if part and part.dim == pixel else (0, axis.outputs)
        bounds = (*(low + begin for begin in begins.get(pixel, (0,))), high)
        found.append(_pieces(axis, place, bounds, (*begins.get(tap, (0,)), axis.taps)))
    return found


@lru_cache(maxsize=1 << 15)
def _pieces(
    axis: Axis, place: int, bounds: tuple[int, ...], tap_bounds: tuple[int, ...]
) -> tuple[Int64, ...]:
    """Words (outputs, taps or inputs by place) of each piece of an axis, outputs innermost."""
    p, r, _ = axis.pairs()
    own = axis.pairs()[place]
    starts = np.searchsorted(p, bounds)
    pieces = []
    for first, last in pairwise(tap_bounds):
        for begin, end in pairwise(starts.tolist()):
            words = own[begin:end]
            if len(tap_bounds) > 2:
                words = words[(r[begin:end] >= first) & (r[begin:end] < last)]
            if len(words):
                pieces.append(np.flatnonzero(np.bincount(words)))
    return tuple(pieces)


def _shared(schedule: Schedule, operand: Resident) -> int:
    """Words that stay for the next tile only, counted once for each pair of tiles in a row."""
    stays = [stay for stay in schedule.tiling.stays if stay.next_only and stay.operand == operand]
    if not stays:
        return 0
    if schedule.turn_order:
        return _exchanged(schedule, operand)
    cuts = schedule.tiling.cuts
    rows, cols = _windows(schedule, operand, cuts)
    along = rows if cuts[-1].dim == "P" else cols
    taps = {"P": "R", "Q": "S"}[cuts[-1].dim]
    tap_pieces = next((len(cut.begins) for cut in cuts if cut.dim == taps), 1)
    overlap = sum(_overlap(pieces) for pieces in _by_tap(schedule, tap_pieces, cuts[-1].dim))
    across = sum(len(words) for words in (cols if along is rows else rows))
    return math.prod(_plain(schedule, operand, cuts)) * overlap * across


def _by_tap(schedule: Schedule, tap_pieces: int, dim: str) -> list[tuple[Int64, ...]]:
    """The pieces of an axis, those of each tap piece apart."""
    if tap_pieces == 1:
        return [_windows(schedule, "inputs", schedule.tiling.cuts)["PQ".index(dim)]]
    axis = schedule.layer.rows if dim == "P" else schedule.layer.cols
    begins = {cut.dim: cut.begins for cut in schedule.tiling.cuts}
    bounds = (*begins[dim], axis.outputs)
    taps = (*begins[{"P": "R", "Q": "S"}[dim]], axis.taps)
    return _apart(axis, bounds, taps)


@lru_cache(maxsize=1 << 12)
def _apart(
    axis: Axis, bounds: tuple[int, ...], tap_bounds: tuple[int, ...]
) -> list[tuple[Int64, ...]]:
    """Inputs of the pieces of an axis, a list for each tap piece."""
    p, r, h = axis.pairs()
    found = []
    for first, last in pairwise(tap_bounds):
        inside = (r >= first) & (r < last)
        starts = np.searchsorted(p[inside], bounds).tolist()
        pieces = (h[inside][begin:end] for begin, end in pairwise(starts))
        found.append(tuple(np.flatnonzero(np.bincount(words)) for words in pieces if len(words)))
    return found


def _overlap(pieces: tuple[Int64, ...]) -> int:
    return sum(len(np.intersect1d(*both, assume_unique=True)) for both in pairwise(pieces))


def _exchanged(schedule: Schedule, operand: Resident) -> int:
    """What the turns of an exchange save of weights (inputs): a slab's channels of a k tile
    (a pixel tile) wherever the tile after the turn has the same; the loops run forth and back.
    """
    dims, cuts = schedule.dims, schedule.tiling.cuts
    slab = dims["C"] - cuts[-1].begins[-1]
    begins = {cut.dim: cut.begins for cut in cuts}
    k_tiles = _lengths(begins.get("K", (0,)), dims["K"])
    n_tiles = _lengths(begins.get("N", (0,)), dims["N"])
    rows, cols = _windows(schedule, "inputs", cuts)
    ends = [[len(words) for words in axis] for axis in (rows, cols)]
    pixels = [n_tiles, *ends]
    tiles = math.prod(len(sizes) for sizes in pixels)
    by_k = "K" in begins and next(cut.dim for cut in cuts if cut.dim != "C") == "K"
    outer = [k_tiles] if by_k else _in_order(pixels, [cut.dim for cut in cuts])
    inner = _in_order(pixels, [cut.dim for cut in cuts]) if by_k else [k_tiles]
    same_outer = operand == ("weights" if by_k else "inputs")
    if same_outer:  # it stays with each step of the inner loops
        steps = (tiles if by_k else len(k_tiles)) - 1
        return slab * steps * math.prod(sum(sizes) for sizes in outer)
    # with each step of the outer loops, at the inner loops' last and first tile in turn
    turns = (len(k_tiles) if by_k else tiles) - 1
    first, last = math.prod(sizes[0] for sizes in inner), _last(inner)
    return slab * (-(-turns // 2) * last + turns // 2 * first)


def _in_order(pixels: list[list[int]], dims: list[str]) -> list[list[int]]:
    """Sizes of the tiles of n, p, q in the order of their loops."""
    return sorted(
        pixels,
        key=lambda sizes: next(
            (
                dims.index(dim)
                for dim, own in zip("NPQ", pixels, strict=True)
                if own is sizes and dim in dims
            ),
            -1,
        ),
    )


def _last(loops: list[list[int]]) -> int:
    """The last tile of loops of which each turns whenever it starts again."""
    size, runs = 1, 1
    for sizes in loops:
        size *= sizes[-1] if runs % 2 else sizes[0]
        runs *= len(sizes)
    return size


def _lengths(begins: tuple[int, ...], extent: int) -> list[int]:
    return [end - begin for begin, end in pairwise((*begins, extent))]


@lru_cache(maxsize=1024)
def _used(axis: Axis, place: int) -> int:
    return len(np.unique(axis.pairs()[place]))


def tile_text(schedule: Schedule) -> str:
    """Extents of the largest tile over the cut dims, outermost loop first: `K=32 P=7 Q=14`.

    Two parts are joined by ` | `; of an exchange C is the slab at the turn.
    """
    extents = []
    for cut in schedule.tiling.cuts:
        if schedule.turn_order and cut.dim == "C":
            extents.append(f"slab C={cut.begins[1]}")
        else:
            extents.append(f"{cut.dim}={max(_lengths(cut.begins, schedule.dims[cut.dim]))}")
    text = " ".join(extents)
    if schedule.part:
        text = f"{schedule.part.dim} {schedule.part.begin}-{schedule.part.end}: {text or 'whole'}"
    return f"{text} | {tile_text(schedule.then)}" if schedule.then else text
