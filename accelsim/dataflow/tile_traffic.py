"""The words that a tiled schedule moves, operand by operand, from its cuts and its stays.

A word is fetched by every tile that uses it. Tiles are products of the axes' pieces, and so are the
words an operand uses in them: the sum over all tiles is a product of sums per axis. Words that stay
without limit for a pass over the outermost d cuts are fetched once a pass, as if the cuts inside
were not there. Words that stay for the next tile only are those that two tiles in a row share:

    inputs resident    the halo along the innermost cut, where the windows of two pieces overlap
    exchange           the slab of channels at the turn, weights if k stays there, else inputs

Of the operand of which so many words stay, what they save is the rest of the schedule's traffic. On
large layers inputs may stay past k tiles with weights beside them: all inputs of a pixel tile come
again with each k tile, so those that stay save (k tiles - 1) fetches each, in each pass as many as
it has. Small layers, where more may stay, are counted MAC by MAC (`trace`).
n visits of an output cost n - 1 psum writes, n - 1 psum reads and the final write.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from accelsim.dataflow import trace
from accelsim.dataflow.long_streams import inputs_used
from accelsim.dataflow.schedule import ONE_MAC, Cut, Resident, Schedule
from accelsim.workload.layer import Axis, Conv, Int64

Traffic = tuple[int, int, int, int, int]
"""Words: weights, inputs read; outputs written; psums read, written."""
_OPERANDS: tuple[Resident, ...] = ("weights", "inputs", "outputs")
_COUNTED_MACS = 1 << 12
"""Useful MACs of a group up to which what it moves is counted, not summed."""
_WHOLE = (0,)
"""Begins of a dim that is not cut."""


def traffic_words(schedule: Schedule, traffic_bits: int) -> Traffic:
    """The words that one group moves, given the bits that they come to.

    Raises RuntimeError where the words that stay cannot account for the bits.
    """
    layer = schedule.layer
    if not layer.useful_macs:
        return 0, 0, layer.outputs_words // layer.groups, 0, 0
    parts = [schedule, schedule.then] if schedule.then else [schedule]
    staying = {stay.operand for part in parts for stay in part.tiling.stays if stay.words}
    beside = _saved_past_k_tiles(schedule) if len(staying) > 1 else 0
    is_small = layer.useful_macs <= layer.groups * _COUNTED_MACS
    if schedule.block == ONE_MAC and (is_small or (len(staying) > 1 and not beside)):
        return _counted(schedule, traffic_bits)
    finished, fed, costs, finished_bits = _layer_figures(layer)
    weights, inputs, visits = _moved(schedule)
    if schedule.then:
        weights_then, inputs_then, visits_then = _moved(schedule.then)
        weights, inputs, visits = weights + weights_then, inputs + inputs_then, visits + visits_then
    moved = [weights if layer.has_weights else 0, inputs, visits - fed]
    bits = moved[0] * costs[0] + moved[1] * costs[1] + moved[2] * costs[2] + finished_bits
    moved[1] -= beside
    operand = _OPERANDS.index(min(staying)) if len(staying) == 1 else 0
    saved, rest = divmod(bits - traffic_bits - beside * costs[1], costs[operand])
    moved[operand] -= saved
    if rest or saved < 0 or moved[operand] < 0 or (saved and len(staying) != 1 and not beside):
        raise _refused(schedule, bits, traffic_bits)
    return moved[0], moved[1], finished, moved[2], moved[2]


def _saved_past_k_tiles(schedule: Schedule) -> int:
    """Fetches that inputs which stay past k tiles save, with weights beside them; 0 for others."""
    tiling = schedule.tiling
    of = {stay.operand: stay for stay in tiling.stays if stay.words}
    is_known = of.keys() == {"inputs", "weights"} and of["inputs"].depth == len(tiling.cuts) - 1
    if not is_known or schedule.then or {cut.dim for cut in tiling.cuts} & {"C", "R", "S"}:
        return 0
    rows, cols = inputs_used(schedule, "P"), inputs_used(schedule, "Q")
    words = np.multiply.outer(np.multiply.outer(rows, cols), schedule.lengths("N"))
    kept = np.minimum(schedule.dims["C"] * words, of["inputs"].words or 0).sum()
    return int(kept) * (len(schedule.lengths("K")) - 1)


@lru_cache(maxsize=256)
def _layer_figures(layer: Conv) -> tuple[int, int, tuple[int, int, int], int]:
    """Of one group: outputs, those of them that any MAC feeds; the bits that a weight, an input, a
    further visit of an output move, and those of all outputs once.
    """
    widths, finished = layer.widths, layer.outputs_words // layer.groups
    rows, cols = (_along(axis, 0, axis.outputs) for axis in (layer.rows, layer.cols))
    fed = layer.N * layer.dims["K"] * rows.outputs * cols.outputs
    costs = widths.weights, widths.inputs, 2 * widths.psums
    return finished, fed, costs, finished * widths.outputs


def _counted(schedule: Schedule, traffic_bits: int) -> Traffic:
    """The words that a small layer's group moves, its MACs counted one by one."""
    found, widths = trace.counted(schedule), schedule.layer.widths
    finished = schedule.layer.outputs_words // schedule.layer.groups
    bits = found.weights * widths.weights + found.inputs * widths.inputs
    bits += 2 * found.psums * widths.psums + finished * widths.outputs
    if bits != traffic_bits:
        raise _refused(schedule, bits, traffic_bits)
    return found.weights, found.inputs, finished, found.psums, found.psums


def _refused(schedule: Schedule, bits: int, traffic_bits: int) -> RuntimeError:
    where = f"{schedule.layer.name}: {schedule.order_text}, tiles {tile_text(schedule)}"
    return RuntimeError(f"{where} moves {bits} bits before stays, {traffic_bits} are claimed")


def _moved(schedule: Schedule) -> Sequence[int]:
    """Weights and inputs fetched, outputs visited by all tiles, none of limited stays saved."""
    tiling = schedule.tiling
    fetched = _fetched(schedule, tiling.cuts)
    if all(stay.words for stay in tiling.stays):
        return fetched
    moved = list(fetched)
    for stay in tiling.stays:
        if stay.words is None and not stay.next_only:
            at = _OPERANDS.index(stay.operand)
            moved[at] = _fetched(schedule, tiling.cuts[: stay.depth])[at]
    for stay in tiling.stays:
        if stay.next_only:
            saved = _exchanged(schedule, stay.operand) if schedule.turn_order else _halo(schedule)
            moved[_OPERANDS.index(stay.operand)] -= saved
    return moved


def _fetched(schedule: Schedule, cuts: tuple[Cut, ...]) -> tuple[int, int, int]:
    """Weights, inputs and outputs of all tiles of these cuts, each once a tile."""
    dims, begins = schedule.dims, {cut.dim: cut.begins for cut in cuts}
    rows, cols = _windows(schedule, begins)
    n, k, c = dims["N"], dims["K"], dims["C"]
    return (
        len(begins.get("N", _WHOLE)) * k * c * rows.taps * cols.taps,
        len(begins.get("K", _WHOLE)) * n * c * rows.inputs * cols.inputs,
        len(begins.get("C", _WHOLE)) * n * k * rows.outputs * cols.outputs,
    )


class _Words(NamedTuple):
    """Words along an axis: of all its pieces together, and the inputs of each."""

    outputs: int
    taps: int
    inputs: int
    inputs_by_piece: tuple[int, ...]


def _windows(schedule: Schedule, begins: dict[str, tuple[int, ...]]) -> tuple[_Words, _Words]:
    """Words along the rows and along the columns of the schedule's part of its layer."""
    rows, cols, whole = schedule.layer.rows, schedule.layer.cols, begins.get
    return (
        _along(rows, *_extent(schedule, "P"), whole("P", _WHOLE), whole("R", _WHOLE)),
        _along(cols, *_extent(schedule, "Q"), whole("Q", _WHOLE), whole("S", _WHOLE)),
    )


def _extent(schedule: Schedule, dim: str) -> tuple[int, int]:
    """Where the schedule's outputs begin and end along P or Q."""
    part = schedule.part
    if part and part.dim == dim:
        return part.begin, part.end
    return 0, (schedule.layer.rows if dim == "P" else schedule.layer.cols).outputs


@lru_cache(maxsize=1 << 15)
def _along(
    axis: Axis,
    low: int,
    high: int,
    begins: tuple[int, ...] = _WHOLE,
    tap_begins: tuple[int, ...] = _WHOLE,
) -> _Words:
    """Words of the pieces of an axis between two outputs, from where its cuts begin."""
    outputs, taps, inputs = (
        [
            len(words)
            for pieces in _pieces(axis, place, low, high, begins, tap_begins)
            for words in pieces
        ]
        for place in range(3)
    )
    return _Words(sum(outputs), sum(taps), sum(inputs), tuple(inputs))


def _pieces(
    axis: Axis,
    place: int,
    low: int,
    high: int,
    begins: tuple[int, ...],
    tap_begins: tuple[int, ...],
) -> list[list[Int64]]:
    """Outputs, taps or inputs (by place) of each piece, a list a tap piece; no empty pieces."""
    p, r, _ = axis.pairs()
    own, found = axis.pairs()[place], []
    for first, last in pairwise((*tap_begins, axis.taps)):
        inside = slice(None) if len(tap_begins) == 1 else (r >= first) & (r < last)
        starts = np.searchsorted(p[inside], (*(low + begin for begin in begins), high)).tolist()
        pieces = (own[inside][begin:end] for begin, end in pairwise(starts))
        found.append([np.flatnonzero(np.bincount(words)) for words in pieces if len(words)])
    return found


def _halo(schedule: Schedule) -> int:
    """Inputs that two tiles in a row along the innermost cut share, once for each such pair."""
    cuts, layer, dims = schedule.tiling.cuts, schedule.layer, schedule.dims
    begins = {cut.dim: cut.begins for cut in cuts}
    rows, cols = _windows(schedule, begins)
    dim = cuts[-1].dim
    axis, tap, across = (layer.rows, "R", cols) if dim == "P" else (layer.cols, "S", rows)
    taps = begins.get(tap, _WHOLE)
    overlap = _overlap(axis, *_extent(schedule, dim), begins[dim], taps)
    return len(begins.get("K", _WHOLE)) * dims["N"] * dims["C"] * overlap * across.inputs


@lru_cache(maxsize=1 << 12)
def _overlap(
    axis: Axis, low: int, high: int, begins: tuple[int, ...], tap_begins: tuple[int, ...]
) -> int:
    """Inputs that two neighbouring pieces share, all pairs of one tap piece together."""
    return sum(
        len(np.intersect1d(*both, assume_unique=True))
        for pieces in _pieces(axis, 2, low, high, begins, tap_begins)
        for both in pairwise(pieces)
    )


def _exchanged(schedule: Schedule, operand: Resident) -> int:
    """What the turns of an exchange save of weights (inputs): a slab's channels of a k tile
    (a pixel tile) wherever the tile after the turn has the same; the loops run forth and back.
    """
    dims, cuts = schedule.dims, schedule.tiling.cuts
    slab = dims["C"] - cuts[-1].begins[-1]
    begins = {cut.dim: cut.begins for cut in cuts}
    rows, cols = _windows(schedule, begins)
    sizes: dict[str, Sequence[int]] = {
        "N": _lengths(begins.get("N", _WHOLE), dims["N"]),
        "P": rows.inputs_by_piece,
        "Q": cols.inputs_by_piece,
    }
    inside = [cut.dim for cut in cuts if cut.dim in sizes]
    pixels = [sizes[dim] for dim in (*(dim for dim in sizes if dim not in inside), *inside)]
    k_tiles: list[Sequence[int]] = [_lengths(begins.get("K", _WHOLE), dims["K"])]
    outer, inner = (k_tiles, pixels) if cuts[0].dim == "K" else (pixels, k_tiles)
    if operand == ("weights" if cuts[0].dim == "K" else "inputs"):
        # it stays with each step of the inner loops
        return slab * (_tiles(inner) - 1) * math.prod(map(sum, outer))
    # with each step of the outer loops, at the inner loops' last and first tile in turn
    turns = _tiles(outer) - 1
    first, last = math.prod(each[0] for each in inner), _last(inner)
    return slab * (-(-turns // 2) * last + turns // 2 * first)


def _tiles(loops: list[Sequence[int]]) -> int:
    return math.prod(map(len, loops))


def _last(loops: list[Sequence[int]]) -> int:
    """The last tile of loops of which each turns whenever it starts again."""
    size, runs = 1, 1
    for sizes in loops:
        size *= sizes[-1] if runs % 2 else sizes[0]
        runs *= len(sizes)
    return size


@lru_cache(maxsize=1 << 12)
def _lengths(begins: tuple[int, ...], extent: int) -> tuple[int, ...]:
    return tuple(end - begin for begin, end in pairwise((*begins, extent)))


@lru_cache(maxsize=1 << 12)
def _longest(begins: tuple[int, ...], extent: int) -> int:
    return max(_lengths(begins, extent))


def tile_text(schedule: Schedule) -> str:
    """Extents of the largest tile over the cut dims, outermost loop first: `K=32 P=7 Q=14`.

    Two parts are joined by ` | `; of an exchange C is the slab at the turn.
    """
    extents = []
    for cut in schedule.tiling.cuts:
        if schedule.turn_order and cut.dim == "C":
            extents.append(f"slab C={cut.begins[1]}")
        else:
            extents.append(f"{cut.dim}={_longest(cut.begins, schedule.dims[cut.dim])}")
    text = " ".join(extents)
    if schedule.part:
        text = f"{schedule.part.dim} {schedule.part.begin}-{schedule.part.end}: {text or 'whole'}"
    return f"{text} | {tile_text(schedule.then)}" if schedule.then else text
