"""What the first words of a long stream save if they stay, where tiles do not use every tap.

With outputs resident a tile streams its channels, and in all but the first and the last channel the
same words are live: its peak falls in a middle channel. A pass over pixel tiles fetches the weights
of a k tile in each of them. Let x places take the first weights that the first tile is done with,
all of its first channel. They wait through every tile up to the last one that uses them. If that
is the pass's last tile no place is free before it, so that the places hold these x words, and

    saved   sum over the words of (tiles that use the word - 1)
    peak    max(peak of the other tiles + x, peak of the last tile)

the latter as the last tile is done with channel 0, and so with the places, before the middle. If
the last tile's peak is no larger, words of all but the last two channels may stay likewise, where
the last tile uses all of a channel's that the first tile does.

Past k tiles the inputs of a pixel tile stay likewise; each k tile uses them all. There the first
tile is as large as any, and words of all but the last two channels may stay. So may weights through
two parts that are a tile each, where the first part has the peak.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise, product

import numpy as np

from accelsim.dataflow.schedule import Schedule
from accelsim.workload.layer import Axis, Int64

MOST_PLACES = 1 << 16
"""Places tried at most between two schedules."""


def tail(extent: int) -> int:
    """Iterations of a loop that are its last part: a quarter, of a short loop half of it."""
    return max(extent // 4, min(4, extent - extent // 2))


def is_long(part: Schedule) -> bool:
    """Whether the tiles of a part stream three channels or more past their outputs."""
    cut = {cut.dim for cut in part.tiling.cuts}
    streams = part.order[:1] == ("C",) and part.dims["C"] >= 3 and not part.turn_order
    return part.resident == "outputs" and streams and "C" not in cut


def weights_saved(part: Schedule, channels: int = 1) -> Int64:
    """Fetches of a part saved by 1, 2, ... places for weights, as far as the law above goes.

    The loops over k tiles are outermost; channels: of how many words may stay.
    """
    if not part.layer.has_weights:
        return np.zeros(0, dtype=np.int64)
    begins = {cut.dim: cut.begins for cut in part.tiling.cuts}
    rows, cols = tap_users(part, "P"), tap_users(part, "Q")
    images = len(part.lengths("N"))
    if not (rows.any(axis=1).all() and cols.any(axis=1).all()):
        return np.zeros(0, dtype=np.int64)  # a tile all of padding
    first_taps = [
        _first_tile((*begins.get(dim, (0,)), part.dims[dim]), used[0])
        for dim, used in (("R", rows), ("S", cols))
    ]
    groups: list[list[int]] = []  # of the taps done with at one place: tiles that use each, less 1
    for taps in _done_with(part, rows[0], cols[0], first_taps):
        if not all(rows[-1, r] and cols[-1, s] for r, s in taps):
            channels = 1
            break
        tiles = [int((rows[:, r] > 0).sum() * (cols[:, s] > 0).sum()) for r, s in taps]
        groups.append([images * often - 1 for often in tiles if images * often > 1])
    widths = part.lengths("K")
    most = min(min(widths) * sum(map(len, groups)) * channels, MOST_PLACES)
    saved = np.zeros(most, dtype=np.int64)
    for width in set(widths):
        words = [count for group in groups for _ in range(width) for count in group]
        saved += widths.count(width) * np.resize(np.array(words, dtype=np.int64), most)
    return np.cumsum(saved)


def inputs_saved(part: Schedule) -> Int64:
    """Fetches of a part saved by 1, 2, ... places for inputs past k tiles, the innermost loop."""
    k_tiles = len(part.lengths("K"))
    if k_tiles == 1 or {"R", "S"} & {cut.dim for cut in part.tiling.cuts}:
        return np.zeros(0, dtype=np.int64)
    tiles, least = 1, part.dims["C"] - 2
    for dim in "NPQ":
        pieces = part.lengths(dim)
        tiles *= len(pieces)
        least *= min(pieces) if dim == "N" else int(inputs_used(part, dim).min())
    return np.arange(1, min(least, MOST_PLACES) + 1) * ((k_tiles - 1) * tiles)


def weights_saved_through(first: Schedule, second: Schedule) -> Int64:
    """Fetches saved by 1, 2, ... places for weights through two parts that are a tile each.

    Of those weights that both use, in all but the last two channels.
    """
    if first.tiling.cuts or second.tiling.cuts or not is_long(first) or not first.layer.has_weights:
        return np.zeros(0, dtype=np.int64)
    shared = [int(((tap_users(first, d) > 0) & (tap_users(second, d) > 0)).sum()) for d in "PQ"]
    most = (first.dims["C"] - 2) * first.dims["K"] * shared[0] * shared[1]
    return np.arange(1, min(most, MOST_PLACES) + 1)


def tap_users(part: Schedule, dim: str) -> Int64:
    """Which pieces along P or Q use which taps (pieces, taps): their last input plus 1, or 0."""
    return _users(*_axis(part, dim), _begins(part, dim))


def inputs_used(part: Schedule, dim: str) -> Int64:
    """Inputs that each piece along P or Q uses, (pieces,)."""
    return _inputs_used(*_axis(part, dim), _begins(part, dim))


def _begins(part: Schedule, dim: str) -> tuple[int, ...]:
    return next((cut.begins for cut in part.tiling.cuts if cut.dim == dim), (0,))


def _axis(part: Schedule, dim: str) -> tuple[Axis, int, int]:
    """The axis of a pixel dim, and its first and past-the-last output in the part."""
    group, own = part.layer.group(), part.part
    axis = group.rows if dim == "P" else group.cols
    return axis, *((own.begin, own.end) if own and own.dim == dim else (0, axis.outputs))


@lru_cache(maxsize=256)
def _users(axis: Axis, low: int, high: int, begins: tuple[int, ...]) -> Int64:
    """Which pieces of outputs use which taps: the last input each does, plus 1; 0 if none."""
    p, r, h = axis.pairs()
    inside = (p >= low) & (p < high)
    piece = np.searchsorted(begins, p[inside] - low, side="right") - 1
    users = np.zeros((len(begins), axis.taps), dtype=np.int64)
    np.maximum.at(users, (piece, r[inside]), h[inside] + 1)
    return users


@lru_cache(maxsize=256)
def _inputs_used(axis: Axis, low: int, high: int, begins: tuple[int, ...]) -> Int64:
    """Inputs that each piece of outputs uses."""
    p, _, h = axis.pairs()
    inside = (p >= low) & (p < high)
    piece = np.searchsorted(begins, p[inside] - low, side="right") - 1
    used = np.zeros((len(begins), axis.inputs), dtype=bool)
    used[piece, h[inside]] = True
    inputs: Int64 = used.sum(axis=1)
    return inputs


def _done_with(
    part: Schedule, rows: Int64, cols: Int64, taps: list[range]
) -> list[list[tuple[int, int]]]:
    """Taps (r, s) of the first tile in the order in which it is done with their weights.

    rows, cols: last inputs by tap, plus 1; taps: rows and columns of the first tap tile. Taps of
    one place alternate, output channel by output channel.
    """
    group, order = part.layer.group(), part.order
    before_k = order[: order.index("K")] if "K" in order else order
    keys: dict[tuple[int, ...], list[tuple[tuple[int, ...], tuple[int, int]]]] = {}
    for r, s in product(*taps):
        if rows[r] and cols[s]:
            place = {
                "R": r, "S": s, "H": int(rows[r]), "W": int(cols[s]),
                "R%": r * group.rows.dilation % group.rows.stride,
                "S%": s * group.cols.dilation % group.cols.stride,
            }  # fmt: skip
            key = tuple(place[loop] for loop in order if loop in place)
            outer = sum(loop in place for loop in before_k)
            keys.setdefault(key[:outer], []).append((key[outer:], (r, s)))
    return [[tap for _, tap in sorted(keys[key])] for key in sorted(keys)]


def _first_tile(bounds: tuple[int, ...], used: Int64) -> range:
    """The first tap tile that a pixel tile uses any tap of."""
    tiles = (range(first, last) for first, last in pairwise(bounds))
    return next(taps for taps in tiles if used[taps].any())
