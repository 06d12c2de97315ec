"""Tiles of one spatial axis: how it is cut, and what each cut fetches, visits and keeps live.

A cut of an axis is a split of its outputs into pieces and a split of its taps into pieces; a tile
takes one of each. Everything about a tile that its traffic and its live words need is counted once
per axis here, so that a candidate schedule costs a few multiplications (`tiling.py`).

Live words are counted for *sweeps*: positions visited one after another (taps, outputs or inputs),
each touching words (inputs, taps or outputs). A word is live from the first position that touches
it to the last. Row and column sweeps nest, and first and last use in a product of sets, visited in
lexicographic order, are each axis's own; so with u words in all, a words not yet born after a
position, d dead before it, f born and l dying at it, the live words at positions (x, y) are

    u_x·u_y - (a_x·u_y + f_x·a_y) - (d_x·u_y + l_x·d_y)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from accelsim.dataflow.schedule import tap_phases
from accelsim.workload.layer import Axis, Int64

TAPS_INPUTS, INPUTS_TAPS, OUTPUTS_INPUTS, INPUTS_OUTPUTS, OUTPUTS_TAPS, TAPS_OUTPUTS = range(6)
"""Sweeps: positions and words."""
PHASED = 6
"""Sweeps from here on are TAPS_INPUTS and INPUTS_TAPS inside one stride phase."""
SWEEPS = 8
_POSITION = np.array([1, 2, 0, 2, 0, 1, 1, 2])  # 0: outputs, 1: taps, 2: inputs
_WORD = np.array([2, 1, 2, 0, 1, 0, 2, 1])
PIECES, TAP_PIECES, FETCHED, TAPS_FETCHED, VISITS, SHARED, UNIFORM = range(7)
CUT_FIELDS = 7
ALL, AFTER, BEFORE, FIRST, LAST, ONLY = range(6)
"""Rows of a sweep's counts at a position: u, a, d, f, l, and words used nowhere else."""


@dataclass(frozen=True)
class AxisTiles:
    """All useful cuts of an axis as arrays; a cut is (output split, tap split), output-major.

    begins: first outputs of each output split; tap_begins: likewise of each tap split.
    cuts (cuts, CUT_FIELDS): pieces, tap pieces, inputs fetched by all tiles together, taps fetched
    by all output pieces together, output visits of all tap pieces together, inputs that a piece
    shares with the one before it (same tap piece), 1 if every tile uses all taps of its piece and
    every output piece is visited by every tap piece.
    kinds (cuts + 1): where the cut's kinds of tile begin; a kind is embedded in no other.
    inputs, outputs (splits, most pieces): inputs used and outputs fed by each piece under all taps.
    taps, tap_inputs (tap splits, most pieces): length of each tap piece, inputs it uses in all.
    sizes (kinds, 4): outputs of the piece that any tap feeds, outputs and inputs and taps used in
    the tile. lengths (kinds, sweeps): positions kept. counts (kinds, sweeps, 6, positions).
    ends: beyond so many positions from either end of the axis the pattern of windows repeats.
    """

    begins: tuple[tuple[int, ...], ...]
    tap_begins: tuple[tuple[int, ...], ...]
    ends: int
    cuts: Int64
    kinds: Int64
    sizes: Int64
    lengths: Int64
    counts: Int64
    inputs: Int64
    outputs: Int64
    taps: Int64
    tap_inputs: Int64

    def cut(self, split: int, tap_split: int) -> int:
        """Index of a cut."""
        return split * len(self.tap_begins) + tap_split


@lru_cache(maxsize=1024)
def even_splits(extent: int, block: int) -> tuple[tuple[int, ...], ...]:
    """Splits of a dim into tiles that are whole blocks: for every useful size, where tiles begin.

    All but the last tile are of one size; a size is useful if none smaller needs as few tiles.
    """
    blocks = -(-extent // block)
    sizes = sorted({-(-blocks // count) for count in range(1, blocks + 1)}, reverse=True)
    return tuple(tuple(range(0, extent, size * block)) for size in sizes)


def window_splits(outputs: int, block: int) -> tuple[tuple[int, ...], ...]:
    """Splits of an output axis: for every useful largest size, pieces that differ by one at most.

    The larger pieces lie at the two ends, where padding makes their windows smaller.
    """
    blocks = -(-outputs // block)
    sizes = sorted({-(-blocks // count) for count in range(1, blocks + 1)}, reverse=True)
    splits = []
    for size in sizes:
        count = -(-blocks // size)
        small, large = divmod(blocks, count)
        front, back = (large + 1) // 2, large // 2
        lengths = [small + 1] * front + [small] * (count - large) + [small + 1] * back
        begins = np.concatenate([[0], np.cumsum(lengths)[:-1]]) * block
        splits.append(tuple(int(begin) for begin in begins))
    return tuple(splits)


@lru_cache(maxsize=1024)
def axis_tiles(axis: Axis, block_p: int = 1, block_r: int = 1) -> AxisTiles:
    """Count every useful cut of an axis whose tiles are whole blocks."""
    splits = axis.kind in ("conv", "deconv")  # a piece of another axis is no axis of its kind
    begins = window_splits(axis.outputs, block_p) if splits else ((0,),)
    tap_begins = even_splits(axis.taps, block_r) if splits else ((0,),)
    return _counted(axis, begins, tap_begins)


@lru_cache(maxsize=8192)
def whole_tile(axis: Axis) -> AxisTiles:
    """Count an axis in one piece."""
    return _counted(axis, ((0,),), ((0,),))


def axis_piece(axis: Axis, low: int, high: int, first: int, last: int) -> Axis:
    """Outputs `low` up to `high` and taps `first` up to `last` of an axis as an axis of its own."""
    outputs, taps = high - low, last - first
    if axis.kind == "deconv":
        pad = axis.pad + low - first * axis.dilation
        piece = replace(axis, outputs=outputs, taps=taps, pad=pad)
        h = piece.pairs()[2]
        if len(h) and pad >= int(h.min()) * axis.stride:  # count from the first input it uses
            begin, end = int(h.min()), int(h.max()) + 1
            piece = replace(piece, inputs=end - begin, pad=pad - begin * axis.stride)
        return piece
    pad = axis.pad - low * axis.stride - first * axis.dilation
    inputs = axis.inputs + min(pad, 0)
    pad = max(pad, 0)
    reach = (outputs - 1) * axis.stride + (taps - 1) * axis.dilation + 1 - pad
    return Axis(outputs, taps, min(inputs, reach), axis.stride, axis.dilation, pad, axis.kind)


def last_inputs(axis: Axis, begin: int) -> Axis:
    """What the inputs of a conv's or a deconv's axis from `begin` on meet as an axis of its own."""
    p, _, h = axis.pairs()
    later = h >= begin
    if not later.any():
        return replace(axis, inputs=0)
    low, begin = int(p[later].min()), int(h[later].min())
    moved = axis.stride * (begin if axis.kind == "deconv" else low)
    pad = axis.pad + (low - moved if axis.kind == "deconv" else begin - moved)
    return replace(axis, outputs=axis.outputs - low, inputs=axis.inputs - begin, pad=pad)


def _counted(
    axis: Axis, begins: tuple[tuple[int, ...], ...], tap_begins: tuple[tuple[int, ...], ...]
) -> AxisTiles:
    p, r, h = axis.pairs()
    # beyond this many positions from either end the pattern of windows repeats
    ends = (axis.taps - 1) * axis.dilation + axis.stride + 1
    if axis.kind in ("adaptive", "bilinear"):
        ends = axis.outputs + axis.inputs
    phased = axis.kind == "conv" and tap_phases(axis) > 1
    phase = np.arange(axis.taps) * axis.dilation % axis.stride * phased
    arrays: Any = _count_cuts(
        p, r, h, _bounds(begins, axis.outputs), _bounds(tap_begins, axis.taps), ends,
        phase, axis.kind == "conv",
    )  # fmt: skip
    return AxisTiles(begins, tap_begins, ends, *arrays)


def _bounds(splits: tuple[tuple[int, ...], ...], extent: int) -> Int64:
    """Bounds of the pieces of each split, a row a split, filled up with the extent."""
    longest = max(map(len, splits)) + 1
    return np.array([(*split, *([extent] * (longest - len(split)))) for split in splits])


@njit(cache=True)
def _count_cuts(p, r, h, bounds, tap_bounds, ends, phase, is_conv):  # type: ignore[no-untyped-def]
    """Arrays of `AxisTiles`, see there."""
    splits, tap_splits = bounds.shape[0], tap_bounds.shape[0]
    outputs, taps = bounds[0, -1], tap_bounds[0, -1]
    cuts = np.zeros((splits * tap_splits, CUT_FIELDS), np.int64)
    kinds = np.zeros(splits * tap_splits + 1, np.int64)
    room = 4 * splits * tap_splits + taps
    positions = max(taps, min(max(outputs, h.max() + 1), 2 * ends))
    sizes = np.zeros((room, 4), np.int64)
    lengths = np.zeros((room, SWEEPS), np.int64)
    counts = np.zeros((room, SWEEPS, 6, positions), np.int64)
    # where an output's pairs begin, and whether all its taps are useful
    begin = np.searchsorted(p, np.arange(outputs + 1))
    full = np.diff(begin) == taps
    piece_inputs = np.zeros((splits, bounds.shape[1] - 1), np.int64)
    piece_outputs = np.zeros((splits, bounds.shape[1] - 1), np.int64)
    piece_taps = np.zeros((tap_splits, tap_bounds.shape[1] - 1), np.int64)
    tap_inputs = np.zeros((tap_splits, tap_bounds.shape[1] - 1), np.int64)
    total = 0
    for split in range(splits):
        pieces = np.searchsorted(bounds[split], outputs)
        largest = 0  # outputs of the largest piece whose windows are whole
        for piece in range(pieces):
            low, high = bounds[split, piece], bounds[split, piece + 1]
            if full[low:high].all():
                largest = max(largest, high - low)
        for tap_split in range(tap_splits):
            tap_pieces = np.searchsorted(tap_bounds[tap_split], taps)
            cut = split * tap_splits + tap_split
            cuts[cut, PIECES], cuts[cut, TAP_PIECES] = pieces, tap_pieces
            cuts[cut, UNIFORM] = 1
            kinds[cut] = total
            seen = False
            patterns = np.zeros(64, np.int64)
            owner = np.full((tap_pieces, h.max() + 1), -2)  # last piece that used an input
            latest = np.full(tap_pieces, -1)  # last piece that used any
            for piece in range(pieces):
                low, high = bounds[split, piece], bounds[split, piece + 1]
                first, stop = begin[low], begin[high]
                fed = _distinct(p[first:stop] - low, high - low)
                cuts[cut, TAPS_FETCHED] += _distinct(r[first:stop], taps)
                whole = is_conv and full[low:high].all()
                # a piece whose windows are whole holds each piece no larger than itself
                told = is_conv and (high - low < largest or (high - low == largest and seen))
                for tap_piece in range(tap_pieces):
                    tap_low = tap_bounds[tap_split, tap_piece]
                    tap_high = tap_bounds[tap_split, tap_piece + 1]
                    inside = (r[first:stop] >= tap_low) & (r[first:stop] < tap_high)
                    if not inside.any():
                        cuts[cut, UNIFORM] = 0
                        continue
                    pp = p[first:stop][inside] - low
                    rr = r[first:stop][inside] - tap_low
                    hh = h[first:stop][inside]
                    for used in hh:
                        cuts[cut, SHARED] += owner[tap_piece, used] == latest[tap_piece]
                        owner[tap_piece, used] = piece
                    latest[tap_piece] = piece
                    hh -= hh.min()
                    used_inputs = _distinct(hh, hh.max() + 1)
                    used_outputs = _distinct(pp, high - low)
                    if tap_split == 0:
                        piece_inputs[split, piece] = used_inputs
                        piece_outputs[split, piece] = fed
                    if split == 0:
                        piece_taps[tap_split, tap_piece] = tap_high - tap_low
                        tap_inputs[tap_split, tap_piece] = used_inputs
                    cuts[cut, FETCHED] += used_inputs
                    cuts[cut, VISITS] += used_outputs
                    if used_outputs < fed or _distinct(rr, taps) < tap_high - tap_low:
                        cuts[cut, UNIFORM] = 0
                    if told or (whole and (high - low < largest or tap_piece > 0)):
                        continue
                    if is_conv and _is_embedded(
                        r, begin, low, high, tap_bounds[tap_split], tap_piece
                    ):
                        continue
                    if not is_conv:  # a tile that meets alike is there already, most likely
                        pattern = _pattern(pp, rr, hh)
                        if (patterns[: total - kinds[cut]] == pattern).any():
                            continue
                        if total - kinds[cut] == len(patterns):
                            patterns = np.concatenate((patterns, np.zeros_like(patterns)))
                        patterns[total - kinds[cut]] = pattern
                    if total == room:
                        room *= 2
                        sizes = np.concatenate((sizes, np.zeros_like(sizes)))
                        lengths = np.concatenate((lengths, np.zeros_like(lengths)))
                        counts = np.concatenate((counts, np.zeros_like(counts)))
                    sizes[total, 0], sizes[total, 1] = fed, used_outputs
                    sizes[total, 2], sizes[total, 3] = used_inputs, _distinct(rr, taps)
                    _sweep_all(
                        (pp, rr, hh), phase[tap_low:tap_high], ends, lengths[total], counts[total]
                    )
                    total += 1
                if whole and high - low == largest:
                    seen = True
    kinds[-1] = total
    return (
        cuts, kinds, sizes[:total].copy(), lengths[:total].copy(), counts[:total].copy(),
        piece_inputs, piece_outputs, piece_taps, tap_inputs,
    )  # fmt: skip


@njit(cache=True)
def _pattern(pp, rr, hh):  # type: ignore[no-untyped-def]
    """A number that tells the pairs of one tile from those of another: of 64 bits, mixed well."""
    mixed = np.int64(len(pp))
    for at in range(len(pp)):
        mixed = (mixed ^ (mixed >> 29)) * np.int64(0x2545F4914F6CDD1D)
        mixed += (pp[at] << 40) ^ (rr[at] << 20) ^ hh[at]
    return mixed


@njit(cache=True)
def _is_embedded(r, begin, low, high, tap_bounds, tap_piece):  # type: ignore[no-untyped-def]
    """Whether another tap piece meets the same outputs of a piece, tap by tap, and more.

    Of two that meet alike the first is kept.
    """
    taps = tap_bounds[-1]
    meets = np.zeros((taps, high - low), np.bool_)
    for p in range(low, high):
        for at in range(begin[p], begin[p + 1]):
            meets[r[at], p - low] = True
    first, last = tap_bounds[tap_piece], tap_bounds[tap_piece + 1]
    other = 0
    while tap_bounds[other] < taps:
        start, stop = tap_bounds[other], tap_bounds[other + 1]
        if other != tap_piece and stop - start >= last - first:
            inside, more = True, stop - start > last - first
            for tap in range(last - first):
                mine, theirs = meets[first + tap], meets[start + tap]
                inside = inside and not (mine & ~theirs).any()
                more = more or (theirs & ~mine).any()
            if inside and (more or other < tap_piece):
                return True
        other += 1
    return False


@njit(cache=True)
def _distinct(values, bound):  # type: ignore[no-untyped-def]
    """How many different values, all below the bound, there are."""
    there = np.zeros(bound, np.bool_)
    for value in values:
        there[value] = True
    return there.sum()


@njit(cache=True)
def _sweep_all(coordinates, phase, ends, lengths, counts):  # type: ignore[no-untyped-def]
    """Counts of every sweep of one tile's pairs (outputs, taps, inputs)."""
    classes = phase[coordinates[1]]
    plain = np.zeros_like(classes)
    for sweep in range(SWEEPS):
        if sweep >= PHASED and phase.max() == 0:
            break
        lengths[sweep] = _sweep(
            coordinates[_POSITION[sweep]], coordinates[_WORD[sweep]],
            classes if sweep >= PHASED else plain, ends, counts[sweep],
        )  # fmt: skip


@njit(cache=True)
def _sweep(position, word, classes, ends, counts):  # type: ignore[no-untyped-def]
    """Counts of one sweep: rows ALL to ONLY at each position kept; returns how many are kept.

    Words of different classes never meet; all counts at a position are of its own class.
    """
    steps, words = position.max() + 1, word.max() + 1
    first = np.full(words, steps)
    last = np.full(words, -1)
    of_word = np.zeros(words, np.int64)
    of_step = np.full(steps, -1)
    for at in range(len(position)):
        first[word[at]] = min(first[word[at]], position[at])
        last[word[at]] = max(last[word[at]], position[at])
        of_word[word[at]] = classes[at]
        of_step[position[at]] = classes[at]
    born = np.zeros((6, steps), np.int64)
    for group in range(classes.max() + 1):
        mine = 0
        for w in range(words):
            if last[w] >= 0 and of_word[w] == group:
                mine += 1
                born[FIRST, first[w]] += 1
                born[LAST, last[w]] += 1
                born[ONLY, last[w]] += first[w] == last[w]
        so_far, gone = 0, 0
        for step in range(steps):
            if of_step[step] != group:
                continue
            so_far += born[FIRST, step]
            born[ALL, step] = mine
            born[AFTER, step] = mine - so_far
            born[BEFORE, step] = gone
            gone += born[LAST, step]
    kept = 0
    used = 0
    for step in range(steps):
        used += of_step[step] >= 0
    seen = 0
    for step in range(steps):
        if of_step[step] < 0:
            continue
        if seen < ends or seen >= used - ends:
            counts[:, kept] = born[:, step]
            kept += 1
        seen += 1
    return kept
