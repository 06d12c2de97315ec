"""What words that the first half of a tile is done with save if they stay.

Cut a tile's outermost loop in two, anywhere; here the second "half" is a quarter. If its second
half alone, as a layer of its own, has the peak P of the whole schedule, so does the tile there,
since more uses only lengthen lives. Words that the first half is done with are not live then. So
let x places take the first x words of an operand that the pass's first tile is done with, and let
all tiles of the pass use all of them: the places stay full until the pass's last tile, and if a
tile before that has the peak in its second half,

    peak    P + x, as x words at most are ever kept
    saved   x · (tiles of the pass - 1) in each pass; a pass of fewer words keeps those it has

Past pixel tiles these are the weights of a (k, c) tile. Past k tiles they are the inputs of a pixel
tile; all k tiles of a size are alike, so that no halves are needed: x is up to the inputs that a
tile is done with when it has its peak for the last time (`liveness`).
Where padding leaves tiles without some taps, and a tile has one channel, taps outermost, the first
weights are counted tap by tap as in `long_streams`: while the pass's last tile uses them too they
hold their places, and save as many fetches as there are tiles that use them, less 1. The halves are
the taps up to one and those from it on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from accelsim.dataflow.long_streams import MOST_PLACES, inputs_used, tail, tap_users, weights_saved
from accelsim.dataflow.schedule import COL_LOOPS, ONE_MAC, ROW_LOOPS, Order, Schedule, loop_extent
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_peaks import tile_kinds, tile_peak, with_axis, words_done
from accelsim.workload.layer import Axis, Conv, Int64

_NONE = np.zeros(0, dtype=np.int64)


def weights_saved_by_halves(part: Schedule, bits: int) -> Int64:
    """Fetches saved by 1, 2, ... places for weights past pixel tiles, as far as the law goes.

    The loops over k and c tiles are outermost; bits: the peak.
    """
    cut = {cut.dim for cut in part.tiling.cuts}
    tiles = math.prod(len(part.lengths(dim)) for dim in "NPQ")
    if not part.layer.has_weights or cut & {"R", "S"} or tiles == 1:
        return _NONE
    users = [tap_users(part, dim) for dim in "PQ"]
    if not all(used.all() for used in users):
        return _saved_by_taps(part, bits)
    done = 0
    for tile, is_earlier in tile_kinds(part):
        if is_earlier:
            done = max(done, _most_done(tile, part, bits))
    taps = math.prod(used.shape[1] for used in users)
    words = np.multiply.outer(part.lengths("K"), part.lengths("C")) * taps
    return _saved(words, min(done, MOST_PLACES)) * (tiles - 1)


def _saved_by_taps(part: Schedule, bits: int) -> Int64:
    """The same where not all tiles use all taps, the tiles' loop over taps outermost."""
    group = part.layer.group()
    loop = next((loop for loop in part.order if loop_extent(group, ONE_MAC, loop) > 1), "")
    if part.dims["C"] > 1 or part.dims["N"] > 1 or loop not in ("R", "S"):
        return _NONE
    earlier = [tile for tile, is_earlier in tile_kinds(part) if is_earlier]
    used = {dim: tap_users(part, of)[0] > 0 for dim, of in (("R", "P"), ("S", "Q"))}
    for first in range(len(used[loop]) - 1, 0, -1):
        seconds = (_taps_from(tile, loop, first) for tile in earlier)
        if any(half.useful_macs and tile_peak(half, part) == bits for half in seconds):
            other = used["S" if loop == "R" else "R"]
            done = int(used[loop][:first].sum() * other.sum()) * min(part.lengths("K"))
            return weights_saved(part)[:done]
    return _NONE


def _taps_from(tile: Conv, loop: str, first: int) -> Conv:
    """The taps of a tile from one row, or column, on."""
    axis = tile.rows if loop == "R" else tile.cols
    half = axis_piece(axis, 0, axis.outputs, first, axis.taps)
    return with_axis(tile, half, loop == "R")


def inputs_saved_past_k_tiles(part: Schedule, bits: int) -> Int64:
    """Fetches saved by 1, 2, ... places for inputs past k tiles, as far as the law goes.

    The loop over k tiles is innermost; bits: the peak.
    """
    cut = {cut.dim for cut in part.tiling.cuts}
    outputs = part.lengths("K")
    if cut & {"C", "R", "S"} or len(outputs) == 1 or outputs[0] < max(outputs):
        return _NONE
    tiles = (tile for tile, _ in tile_kinds(part) if tile_peak(tile, part) == bits)
    done = max((words_done(tile, part.order, bits, "inputs") for tile in tiles), default=0)
    rows, cols = inputs_used(part, "P"), inputs_used(part, "Q")
    words = np.multiply.outer(np.multiply.outer(rows, cols), part.lengths("N")) * part.dims["C"]
    return _saved(words, min(done, MOST_PLACES)) * (len(outputs) - 1)


def _saved(words: Int64, most: int) -> Int64:
    """Words that 1, 2, ... places keep, at most all of each pass's `words`, over all passes."""
    kept = np.sort(words.ravel())
    places = np.arange(1, most + 1)
    passes: Int64 = len(kept) - np.searchsorted(kept, places, side="left")
    return np.cumsum(passes)


def _most_done(tile: Conv, schedule: Schedule, bits: int) -> int:
    """The most weights done with by a first half whose second one has the peak."""
    found = [
        weights
        for second, weights in _halves(tile, schedule.order)
        if weights and second.useful_macs and tile_peak(second, schedule) == bits
    ]
    return max(found, default=0)


def _halves(tile: Conv, order: Order) -> Iterator[tuple[Conv, int]]:
    """Second halves of a tile, and the weights that the first half is done with."""
    loops = (loop for loop in order if loop_extent(tile, ONE_MAC, loop) > 1)
    loop = next(loops, "")
    taps = tile.rows.used_taps * tile.cols.used_taps
    if loop in ("K", "C"):
        extent = tile.dims[loop]
        first = extent - tail(extent)
        rest = {**tile.dims, loop: extent - first}
        outputs, channels = (first if dim == loop else tile.dims[dim] for dim in "KC")
        yield replace(tile, K=rest["K"], C=rest["C"]), outputs * channels * taps
    elif loop and loop != "N" and "%" not in loop:
        is_row = loop in ROW_LOOPS
        axis, other = (tile.rows, tile.cols) if is_row else (tile.cols, tile.rows)
        place = (ROW_LOOPS if is_row else COL_LOOPS).index(loop)
        for along, done_taps in _axis_halves(axis, place):
            yield with_axis(tile, along, is_row), done_taps * other.used_taps * tile.K * tile.C


def _axis_halves(axis: Axis, loop: int) -> Iterator[tuple[Axis, int]]:
    """Second halves of an axis whose loop over outputs (0), taps (1) or inputs (2) is outermost.

    With each the taps that the first half is done with. Input by input the second half is that of
    the outputs, or of the taps, and what comes before its first input is the first.
    """
    p, r, h = axis.pairs()
    middle = axis.outputs - tail(axis.outputs), axis.taps - tail(axis.taps)
    by_outputs = axis_piece(axis, middle[0], axis.outputs, 0, axis.taps)
    by_taps = axis_piece(axis, 0, axis.outputs, middle[1], axis.taps)
    cuts = ((by_outputs, p >= middle[0], middle[0]), (by_taps, r >= middle[1], middle[1]))
    for kind, (second, inside, at) in enumerate(cuts):
        if at and inside.any() and loop in (kind, 2):
            later = h >= h[inside].min() if loop == 2 else inside
            yield second, len(np.setdiff1d(r[~later], r[later]))
