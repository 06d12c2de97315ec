"""What the first words of a pass save if they stay, where not all of its tiles use them.

Number the tiles of a pass. Let x places take the first words that its first tile is done with and a
later one uses. They hold the places until their own last tiles, the first of which has number L.
If no other word has two visits left at L, or later, none ever finds a free place to wait in, and

    saved   sum over the x words of (tiles that use the word - 1); of psums twice that
    peak    P + x if all x wait beside the peak P in a tile before L

A word lies on a row axis and a column axis, and a tile's number is a sum over the two of how many
tiles come before its piece of either. So that the tiles that use a word are a product, its last
tile is a sum of two, and so is its last but one: that of one axis, and the last of the other.

Inputs resident, k outermost, three or more: the same words are live in all k but the first and the
last, where no more are; each tile has its peak in the last k but one too. Weights of the k before
it wait there: a pass are the pixel tiles of a c and tap tile. Weights resident, tap tiles and
strips: psums of the pass's first strip wait in all of any other's. Outputs resident, k tiles
innermost, with inputs that wait past them: weights of the first k tile wait in all of the second,
beside the inputs that it is done with as it has its peak for the last time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice, pairwise, product
from typing import NamedTuple

import numpy as np

from accelsim.dataflow.long_streams import MOST_PLACES
from accelsim.dataflow.schedule import COL_LOOPS, ROW_LOOPS, Order, Schedule
from accelsim.dataflow.sweep_order import last_entries
from accelsim.dataflow.tile_axes import axis_piece
from accelsim.dataflow.tile_peaks import tile_peak, words_done
from accelsim.workload.layer import Axis, Conv, Int64

_NONE = np.zeros(0, dtype=np.int64)
_NEVER = -1 << 40
_TRIED = 16
"""Tiles, the largest first, among which one with the peak is looked for."""


class _Visits(NamedTuple):
    """Numbers of the tiles that visit each index of an axis, as far as the axis tells.

    How many, the last, the last but one; 0 and _NEVER if there is none. first: the least of all.
    """

    often: Int64
    last: Int64
    before: Int64
    starts: Int64

    def of(self, begin: int, end: int) -> _Visits:
        """Those of some indices."""
        return _Visits(*(each[begin:end] for each in self))

    @property
    def first(self) -> int:
        """The number of the first tile."""
        return int(self.starts[self.often > 0].min())


class _Cut(NamedTuple):
    """An axis, its loops, where its pieces of outputs and taps begin, how far apart in number.

    The step of what a pass does not run over is 0.
    """

    axis: Axis
    loops: tuple[int, ...]
    begins: tuple[int, ...]
    tap_begins: tuple[int, ...]
    step: int
    tap_step: int

    def tap_pieces(self) -> list[tuple[int, int]]:
        """The taps of each tap tile: the first, and past the last."""
        return list(pairwise((*self.tap_begins, self.axis.taps)))

    def entries(self, place: int, number: int, taps: tuple[int, int]) -> Int64:
        """Of each index in a tile its last entry: output, tap, input; (indices, 3)."""
        p, r, h = self.axis.pairs()
        piece = _digit(number, self.step, len(self.begins))
        low, high = (*self.begins, self.axis.outputs)[piece : piece + 2]
        inside = (p >= low) & (p < high) & (r >= taps[0]) & (r < taps[1])
        return last_entries((p[inside], r[inside], h[inside]), self.loops, place)


class _Words(NamedTuple):
    """Words of a pass's first tile that stay, in the order in which the tile is done with them.

    Of each how many tiles use it, and the last; of how many, from the first on, the law holds.
    """

    often: Int64
    last: Int64
    known: int

    @property
    def end(self) -> int:
        """The first tile that is the last of one of them."""
        return int(self.last[: self.known].min())


def weights_saved_past_pixels(part: Schedule, bits: int) -> Int64:
    """Fetches that 1, 2, ... places for weights save past pixel tiles, inputs resident.

    The loops over c and tap tiles are outermost; bits: the peak.
    """
    dims = [cut.dim for cut in part.tiling.cuts]
    outer = sum(dim in "CRS" for dim in dims)
    streams = part.resident == "inputs" and part.order[:1] == ("K",) and part.dims["K"] >= 3
    if not streams or not part.layer.has_weights or not _is_plain(part):
        return _NONE
    if set(dims[:outer]) - set("CRS") or not dims[outer:] or set(dims[outer:]) - set("PQ"):
        return _NONE
    row, col = _cuts(part, dims[outer:])
    channels = part.lengths("C")
    known: list[tuple[_Words, int, int]] = []
    has_peak = False
    visits = [_visits(cut.axis, 1, cut.begins, (0,), (cut.step, 0)) for cut in (row, col)]
    for taps in product(row.tap_pieces(), col.tap_pieces()):
        rows, cols = (each.of(*bounds) for each, bounds in zip(visits, taps, strict=True))
        for many in set(channels):
            words = _first_words(part.order, (row, col), (rows, cols), 1, taps, {"C": many})
            if words is None:
                continue
            whole = words.known == len(words.often)
            known.append((words, channels.count(many), part.dims["K"] - 2 if whole else 1))
            if many == max(channels) and words.known and not has_peak:
                tiles = _tiles(replace(part.layer.group(), C=many), (row, col), taps, words.end)
                has_peak = any(tile_peak(tile, part) == bits for tile in tiles)
    return _saved(known) if has_peak else _NONE


def weights_saved_beside_inputs(part: Schedule, bits: int, inputs: int) -> Int64:
    """Fetches that 1, 2, ... places for weights save through all tiles, outputs resident.

    The loop over three k tiles or more is innermost, and so many inputs wait past them. bits: the
    peak of a tile.
    """
    dims = [cut.dim for cut in part.tiling.cuts]
    k_tiles = len(part.lengths("K"))
    if part.resident != "outputs" or not part.layer.has_weights or not _is_plain(part):
        return _NONE
    if dims[-1:] != ["K"] or k_tiles < 3 or set(dims[:-1]) - set("PQ"):
        return _NONE
    row, col = _cuts(part, dims)
    rows, cols = (_visits(cut.axis, 1, cut.begins, (0,), (cut.step, 0)) for cut in (row, col))
    taps, group = [(0, cut.axis.taps) for cut in (row, col)], part.layer.group()
    pure = {"C": group.C, "K": part.lengths("K")[0]}
    words = _first_words(part.order, (row, col), (rows, cols), 1, taps, pure, k_tiles - 1)
    if words is None or not words.known:
        return _NONE
    for tile in _tiles(replace(group, K=max(part.lengths("K"))), (row, col), taps, words.end - 1):
        if tile_peak(tile, part) == bits and words_done(tile, part.order, bits, "inputs") >= inputs:
            return _saved([(words, 1, 1)])
    return _NONE


def psums_saved_in_strips(part: Schedule, bits: int) -> Int64:
    """Words moved that 1, 2, ... places for psums save, weights resident.

    The loops over k tiles, tap tiles and strips of one axis in this order; bits: the peak.
    """
    dims = [cut.dim for cut in part.tiling.cuts]
    inner = dims[dims[:1] == ["K"] :]
    if part.resident != "weights" or not _is_plain(part) or len(inner) < 2:
        return _NONE
    if set(inner[:-1]) - set("RS") or inner[-1] not in "PQ":
        return _NONE
    row, col = _cuts(part, inner)
    rows, cols = (
        _visits(cut.axis, 0, cut.begins, cut.tap_begins, (cut.step, cut.tap_step))
        for cut in (row, col)
    )
    if not (rows.often.any() and cols.often.any()):
        return _NONE
    first_taps = [
        cut.tap_pieces()[_digit(each.first, cut.tap_step, len(cut.tap_begins))]
        for cut, each in ((row, rows), (col, cols))
    ]
    outputs, group = part.lengths("K"), part.layer.group()
    known: list[tuple[_Words, int, int]] = []
    for many in set(outputs):
        pure = {"N": group.N, "K": many}
        words = _first_words(part.order, (row, col), (rows, cols), 0, first_taps, pure)
        if words is not None:
            known.append((words, outputs.count(many), 1))
    if len(known) < len(set(outputs)) or not all(words.known for words, _, _ in known):
        return _NONE
    end = min(words.end for words, _, _ in known)
    largest = replace(group, K=max(outputs))
    cut, each = (row, rows) if inner[-1] == "P" else (col, cols)
    first = _digit(each.first, cut.step, len(cut.begins))
    for taps in product(row.tap_pieces(), col.tap_pieces()):
        others = _tiles(largest, (row, col), taps, end, {inner[-1]: first})
        if any(tile_peak(tile, part) == bits for tile in others):
            return 2 * _saved(known)
    return _NONE


def _digit(number: int, step: int, count: int) -> int:
    """Which of so many pieces, a step apart, a number stands for."""
    return number // step % count if step else 0


def _is_plain(part: Schedule) -> bool:
    """Whether tiles come in the order of their numbers, each with loops that this knows."""
    kinds = {part.layer.rows.kind, part.layer.cols.kind}
    phased = any(loop.endswith("%") for loop in part.order)
    return not (part.part or part.tiling.serpentine or phased or kinds - {"conv", "deconv"})


def _cuts(part: Schedule, dims: list[str]) -> tuple[_Cut, _Cut]:
    """Rows and columns as the cuts of a pass, whose loops over tiles are these, see them."""
    group, begins = part.layer.group(), {cut.dim: cut.begins for cut in part.tiling.cuts}
    steps, step = {}, 1
    for dim in dims[::-1]:
        steps[dim] = step
        step *= len(begins[dim])
    found = []
    for axis, names in ((group.rows, ROW_LOOPS), (group.cols, COL_LOOPS)):
        output, tap = names[:2]
        loops = tuple(names.index(loop) for loop in part.order if loop in names)
        found.append(
            _Cut(axis, loops, begins.get(output, (0,)), begins.get(tap, (0,)),
                 steps.get(output, 0), steps.get(tap, 0))
        )  # fmt: skip
    return found[0], found[1]


@lru_cache(maxsize=256)
def _visits(
    axis: Axis, place: int, begins: tuple[int, ...], tap_begins: tuple[int, ...],
    steps: tuple[int, int],
) -> _Visits:  # fmt: skip
    """The visits of an axis's outputs (place 0) or taps (1)."""
    p, r, _ = entries = axis.pairs()
    number = steps[0] * (np.searchsorted(begins, p, side="right") - 1)
    number = number + steps[1] * (np.searchsorted(tap_begins, r, side="right") - 1)
    span = int(number.max(initial=0)) + 1
    index, number = np.divmod(np.unique(entries[place] * span + number), span)
    extent = axis.outputs if place == 0 else axis.taps
    often = np.bincount(index, minlength=extent)
    end = np.cumsum(often)
    starts, last, before = (np.full(extent, _NEVER) for _ in range(3))
    used, again = often > 0, often > 1
    starts[used] = number[(end - often)[used]]
    last[used], before[again] = number[end[used] - 1], number[end[again] - 2]
    return _Visits(often, last, before, starts)


def _first_words(
    order: Order, cuts: tuple[_Cut, _Cut], visits: tuple[_Visits, _Visits], place: int,
    taps: Sequence[tuple[int, int]], pure: dict[str, int], later: int = 0,
) -> _Words | None:  # fmt: skip
    """The words of the first tile that a later one uses; None if no word is used twice.

    place: 0 for outputs, 1 for taps; pure: the extents of the words' other dims. later: up to how
    many tiles words of other k tiles are behind those of the first.
    """
    rows, cols = visits
    if rows.often.max() * cols.often.max() <= 1:
        return None
    tile = [
        cut.entries(place, each.first, bounds)
        for cut, each, bounds in zip(cuts, visits, taps, strict=True)
    ]
    shape = (*pure.values(), len(tile[0]), len(tile[1]))
    *others, i, j = np.indices(shape).reshape(len(shape), -1)
    at = dict(zip(pure, others, strict=True))
    keys = [np.zeros_like(i)]
    for loop in order:
        if loop in pure:
            keys.append(at[loop])
        elif loop in ROW_LOOPS:
            keys.append(tile[0][i, ROW_LOOPS.index(loop)])
        elif loop in COL_LOOPS:
            keys.append(tile[1][j, COL_LOOPS.index(loop)])
    dying = np.lexsort(keys[::-1])
    begins = [bounds[0] if place else 0 for bounds in taps]
    i, j = tile[0][i[dying], place] - begins[0], tile[1][j[dying], place] - begins[1]
    often, last = rows.often[i] * cols.often[j], rows.last[i] + cols.last[j]
    often, last = often[often > 1], last[often > 1]
    late = max(int(rows.before.max() + cols.last.max()), int(rows.last.max() + cols.before.max()))
    return _Words(often, last, int(np.argmin(np.append(last > late + later, False))))


def _tiles(
    largest: Conv, cuts: tuple[_Cut, _Cut], taps: Sequence[tuple[int, int]], end: int,
    without: dict[str, int] | None = None,
) -> Iterator[Conv]:  # fmt: skip
    """Different tiles of a tap tile that come before a number, a few of those with most pairs.

    without: the piece of outputs to leave out, of a dim.
    """
    kinds = [
        _kinds(cut, bounds, (without or {}).get(dim, -1))
        for cut, bounds, dim in zip(cuts, taps, "PQ", strict=True)
    ]
    before = [
        replace(largest, rows=row, cols=col)
        for (row, at), (col, col_at) in product(*(each.items() for each in kinds))
        if at + col_at < end
    ]
    yield from islice(sorted(before, key=lambda tile: -tile.useful_macs), _TRIED)


@lru_cache(maxsize=256)
def _kinds(cut: _Cut, taps: tuple[int, int], without: int) -> dict[Axis, int]:
    """The different axes that the pieces of a tap tile are, each with its first number."""
    found: dict[Axis, int] = {}
    tap_at = cut.tap_begins.index(taps[0]) * cut.tap_step
    for piece, bounds in enumerate(pairwise((*cut.begins, cut.axis.outputs))):
        if piece != without:
            axis = axis_piece(cut.axis, *bounds, *taps)
            if axis.useful_pairs:
                found.setdefault(axis, piece * cut.step + tap_at)
    return found


def _saved(known: list[tuple[_Words, int, int]]) -> Int64:
    """What 1, 2, ... places save in all passes; of each kind its words, how many such passes there
    are, and how often the words come again, channel by channel."""
    most = min(MOST_PLACES, *(words.known * times for words, _, times in known))
    saved = np.zeros(most, dtype=np.int64)
    for words, passes, _ in known:
        saved += passes * np.resize(words.often[: words.known] - 1, most)
    return np.cumsum(saved)
