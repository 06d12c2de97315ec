"""Tiled schedules: every useful tile of every family, its traffic and its capacity, in one kernel.

Below the once-only size a layer is cut into tiles, each run with one family (DESIGN.md section 5).
n_x is the number of tiles along x, t_x the tile's extent, T the taps of a tile:

    outputs resident   for n, k, p, q tiles: for tap tiles (psums stay): for c: stream
    inputs resident    for c, tap, n, p, q tiles (or pixel tiles outside): for k: stream
    weights resident   for k, c, tap tiles: for strips of q or p (weights stay): for pixels: stream

Traffic, exact; fetched inputs, fetched taps and visited outputs are sums per axis (`tile_axes`):

    outputs resident   W: K·C·n_n·taps_r·taps_s     I: N·C·n_k·in_h·in_w     O: once
    inputs resident    W: K·C·n_n·taps_r·taps_s     I: N·C·in_h·in_w         O: N·K·n_c·v_p·v_q
    weights resident   W: once                      I: N·C·n_k·in_h·in_w     O: N·K·n_c·v_p·v_q

n visits of an output cost n - 1 psum writes, n - 1 psum reads and the final write. With inputs
resident the windows of neighbouring tiles overlap; what the next tile of the innermost pixel loop
uses too stays for it, at no cost in space, as the tile about to begin holds it anyway.

Capacity: the resident operand whole, and the least that its stream needs (`residency`):

    outputs, taps swept      O + t_n·A + 1    A: inputs of a channel live while its taps are swept
    outputs, inputs swept    O + (t_k - 1)·D + d + 1    (of the taps, or those of a stride phase)
    inputs, pixels swept     I + (t_c - 1)·D + d + 1
    inputs, taps swept       I + 1 + t_n·pixels
    weights, gather          W + t_c·G + 1    or W + (t_c - 1)·D + d + t_k
    weights, scatter         W + t_k·G + 1    or W + (t_k - 1)·D + d + t_c

with G the words of a channel live at a position of the sweep, D those of them that live before the
channel's turn or after it, d those live at one tap of its turn. Each is the peak where the stream
is long enough for all of it to be live at once: three channels, two of what is swept inside, a
position strictly inside all windows. Elsewhere it is an upper bound, and `frontier` counts such a
schedule with `liveness`, tile by tile (so strips, between which weights wait, are offered where it
is the peak, or where there are no weights). EXACT is the sum of 1 if the capacity is the peak and 2
if the peak is reached in each of the stream's middle iterations, so that other words may stay
beside it.

The whole list: these tilings; `uneven_splits`; `exchanges`; on each what spare words save
(`spare`); where that leaves sizes out, what further words do (`treads`); and of small layers all
nests (`small_nests`). Not in it, as they lower no staircase worth the name: halos kept between
tiles with outputs resident, diagonal and staggered tiles, scattered outputs (THEORY.md section 2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from accelsim.dataflow import tile_kernels
from accelsim.dataflow.schedule import ONE_MAC, Block, Buffering
from accelsim.dataflow.tile_axes import (
    AxisTiles,
    axis_piece,
    axis_tiles,
    even_splits,
    whole_tile,
)
from accelsim.dataflow.tile_axis_kernels import FETCHED, PIECES, SWEEPS, TAPS_FETCHED, UNIFORM
from accelsim.workload.layer import Axis, Conv, Int64

# places in a candidate
BITS, TRAFFIC, FAMILY, TURNED, LOOPS, N_CUT, K_CUT, C_CUT, ROW_CUT, COL_CUT, EXACT = range(11)
FIELDS = 11
# families: what is resident, and how the rest runs past it
OUT_TAPS, OUT_TAPS_PHASED, OUT_INPUTS, OUT_INPUTS_PHASED = 0, 1, 2, 3
IN_PIXELS, IN_TAPS = 4, 5
GATHER_K, GATHER_C, SCATTER_C, SCATTER_K = 6, 7, 8, 9
# loops over the tiles of inputs resident: halos stay along columns or rows, or nothing stays
HALO_COLS, HALO_ROWS, NO_HALO = 0, 1, 2
# and of an exchange: k tiles outside, slabs k by k, or pixel tiles outside, slabs pixel by pixel
EXCHANGE_K, EXCHANGE_PIXELS = 3, 4


@dataclass(frozen=True)
class Cuts:
    """The useful tiles of one group of a layer, and how large the tiles of n, k, c are."""

    group: Conv
    block: Block
    rows: AxisTiles
    cols: AxisTiles
    begins: dict[str, tuple[tuple[int, ...], ...]]

    def sizes(self, dim: str) -> Int64:
        """(cuts, 3): number of tiles, extent of the first, extent of the last."""
        extent = self.group.dims[dim]
        return np.array(
            [
                (len(begins), extent if len(begins) == 1 else begins[1], extent - begins[-1])
                for begins in self.begins[dim]
            ]
        )


def cuts_of(group: Conv, block: Block) -> Cuts:
    """Every useful cut of every dim of one group into tiles of whole blocks."""
    begins = {dim: even_splits(group.dims[dim], getattr(block, dim)) for dim in "NKC"}
    rows = axis_tiles(group.rows, block.P, block.R)
    return Cuts(group, block, rows, axis_tiles(group.cols, block.Q, block.S), begins)


def plain_tilings(cuts: Cuts, buffering: Buffering, most_bits: int) -> tuple[Int64, Int64, Int64]:
    """Pareto sets of the tilings with outputs, inputs, weights resident: (points, FIELDS) each.

    Ascending capacity, strictly descending traffic, both in bits of one group; tilings that need
    `most_bits` or more may be left out. With `prefetch` no
    psum is spilled: what a spilled psum holds a block early or late is not counted yet.
    """
    group, widths, block = cuts.group, cuts.group.widths, cuts.block
    dims = group.dims
    numbers = np.array(
        [
            group.N, dims["K"], dims["C"], dims["P"] * dims["Q"],
            widths.weights if group.has_weights else 0, widths.inputs, widths.outputs,
            widths.psums, group.rows.kind != "deconv",
            block == ONE_MAC and buffering != "prefetch",
            *(min(getattr(block, dim), dims[dim]) for dim in "NKC"),
            min(block.R, dims["R"]) * min(block.S, dims["S"]),
            min(block.P, dims["P"]) * min(block.Q, dims["Q"]), block.has_window,
            buffering != "prefetch", most_bits,
        ],
        dtype=np.int64,
    )  # fmt: skip
    n, k, c = (cuts.sizes(dim) for dim in "NKC")
    found: tuple[Int64, Int64, Int64] = tile_kernels.plain_kernel(
        numbers, n, k, c, arrays(cuts.rows), arrays(cuts.cols)
    )
    return found


def arrays(tiles: AxisTiles) -> tuple[Int64, ...]:
    """The arrays of an axis, and the output split of each cut, for kernels."""
    splits = np.arange(len(tiles.begins)).repeat(len(tiles.tap_begins))
    return tiles.cuts, tiles.kinds, tiles.sizes, tiles.lengths, tiles.counts, splits


def exchanges(cuts: Cuts, most_bits: int) -> Int64:
    """Pareto set of the tilings that exchange residents at the turn: (points, FIELDS).

    In a candidate the kind stands for the loops and the slab's channels for the c cut; see `spare`.
    """
    group, widths = cuts.group, cuts.group.widths
    one_tap = group.rows.taps == group.cols.taps == 1 and group.rows.kind == "conv"
    if not (one_tap and group.has_weights and cuts.block == ONE_MAC):
        return np.zeros((0, FIELDS), dtype=np.int64)
    tilings = _pixel_tilings(cuts)
    fed = cuts.rows.outputs[0, 0] * cuts.cols.outputs[0, 0]
    numbers = np.array(
        [
            group.N, group.dims["K"], group.dims["C"], group.dims["P"] * group.dims["Q"],
            widths.weights, widths.inputs, widths.outputs, widths.psums, fed, most_bits,
        ],
        dtype=np.int64,
    )  # fmt: skip
    found: Int64 = tile_kernels.exchange_kernel(
        numbers, _slabs(group.dims["C"]), tilings, cuts.sizes("K")
    )
    return found


def _pixel_tilings(cuts: Cuts) -> Int64:
    """Tilings in n, p, q of a layer with one tap, the fewest tiles of each size: (tilings, 7).

    Pixels of the largest tile, tiles, pixels of the first tile and of that at the end of a pass run
    back and forth, n, row, column cut.
    """
    rows, cols, n = cuts.rows, cuts.cols, cuts.sizes("N")
    splits = [np.flatnonzero(tiles.cuts[:, UNIFORM]) for tiles in (rows, cols)]
    at_n, i, j = (grid.ravel() for grid in np.meshgrid(np.arange(len(n)), *splits, indexing="ij"))
    row_tiles, col_tiles = rows.cuts[i, PIECES], cols.cuts[j, PIECES]
    tiles = n[at_n, 0] * row_tiles * col_tiles
    largest = n[at_n, 1] * rows.outputs.max(axis=1)[i] * cols.outputs.max(axis=1)[j]
    first = n[at_n, 1] * rows.outputs[i, 0] * cols.outputs[j, 0]
    # back and forth, a pass ends at the far end of rows (columns) if it ran along them an odd
    # number of times, else where it began
    last_row = np.where(n[at_n, 0] % 2, row_tiles - 1, 0)
    last_col = np.where(n[at_n, 0] * row_tiles % 2, col_tiles - 1, 0)
    last = n[at_n, 2] * rows.outputs[i, last_row] * cols.outputs[j, last_col]
    found = np.stack([largest, tiles, first, last, at_n, i, j], axis=1)
    found = found[np.lexsort((tiles, largest))]
    fewest = np.minimum.accumulate(found[:, 1])
    kept: Int64 = found[np.r_[True, fewest[1:] < fewest[:-1]][: len(found)]]
    return kept


def _slabs(channels: int) -> Int64:
    """Useful numbers of channels in a slab: all up to 8, then four an octave, to the half."""
    half = channels // 2
    coarse = {min(half, int(2 ** (at / 4))) for at in range(13, 4 * half.bit_length() + 1)}
    return np.array(sorted({*range(1, min(half, 8) + 1), *coarse}), dtype=np.int64)


# places in an uneven split: capacity, traffic, of either part these, whether words may stay beside
PART_FAMILY, PART_TURNED, PART_N, PART_K, PART_COL, PART_HEIGHT, PART_BANDS, PART_BITS = range(8)
FIRST_PART, SECOND_PART = 2, 10
SPLIT_FIELDS = 20


def uneven_splits(cuts: Cuts, most_bits: int) -> Int64:
    """Pareto set of the uneven splits along rows: (points, SPLIT_FIELDS).

    28 rows are well cut as 10 + 18 or 3·8 + 4, where equal tiles leave the last one half empty. A
    layer is cut in two parts along its rows, m bands of one height above and one or two of another
    below (m as many as fit, or one less), outputs resident in both, each part with its own n, k and
    column tiles. Of each height only the Pareto set of its bands matters, and of two parts at one
    size the sum of their traffic. Exact as plain tilings are: a part of several bands has one whose
    windows are whole, which needs the most.
    """
    group, widths, dims = cuts.group, cuts.group.widths, cuts.group.dims
    fed = np.bincount(group.rows.pairs()[0], minlength=dims["P"])
    one_by_one = cuts.block == ONE_MAC and group.rows.kind == "conv" and dims["C"] >= 3
    if not one_by_one or dims["P"] < 3 or not fed.all():
        return np.zeros((0, SPLIT_FIELDS), dtype=np.int64)
    heights, sums, whole = _heights(group.rows)
    padded = bool((sums.reshape(3, -1) != sums[: dims["P"]].ravel()).any())
    numbers = np.array(
        [
            group.N, dims["K"], dims["C"], dims["P"], dims["P"] * dims["Q"],
            widths.weights if group.has_weights else 0, widths.inputs, widths.outputs,
            widths.psums, 1, most_bits, padded,
        ],
        dtype=np.int64,
    )  # fmt: skip
    found: Int64 = tile_kernels.uneven_kernel(
        numbers, cuts.sizes("N"), cuts.sizes("K"), heights, sums, whole, arrays(cuts.cols)
    )
    return found


@lru_cache(maxsize=256)
def _heights(axis: Axis) -> tuple[tuple[Int64, ...], Int64, Int64]:
    """Bands of 1, 2, ... outputs inside, at the top, at the bottom; see `uneven_kernel`."""
    P = axis.outputs
    full = np.bincount(axis.pairs()[0], minlength=P) == axis.taps
    inside = [_inside(axis, height) for height in range(1, P + 1)]
    top = [axis_piece(axis, 0, height, 0, axis.taps) for height in range(1, P + 1)]
    bottom = [axis_piece(axis, P - height, P, 0, axis.taps) for height in range(1, P + 1)]
    bands = [whole_tile(band) for band in (*inside, *top, *bottom)]
    most = max(band.counts.shape[3] for band in bands)
    counts = np.zeros((len(bands), SWEEPS, 6, most), dtype=np.int64)
    for at, band in enumerate(bands):
        counts[at, :, :, : band.counts.shape[3]] = band.counts[0]
    sums = np.array(
        [(band.cuts[0, FETCHED], band.cuts[0, TAPS_FETCHED]) for band in bands], dtype=np.int64
    )
    whole = np.ones((P + 1, 2), dtype=np.int64)
    for height in range(1, P + 1):
        # bands below the first, above the last, as long as all their windows are whole
        while (
            full[height : (whole[height, 0] + 1) * height].all()
            and (whole[height, 0] + 1) * height <= P
        ):
            whole[height, 0] += 1
        while (whole[height, 1] + 1) * height <= P and full[
            P - (whole[height, 1] + 1) * height : P - height
        ].all():
            whole[height, 1] += 1
    arrays_ = (
        np.concatenate([band.cuts for band in bands]), np.arange(len(bands) + 1),
        np.concatenate([band.sizes for band in bands]),
        np.concatenate([band.lengths for band in bands]), counts,
        np.zeros(len(bands), dtype=np.int64),
    )  # fmt: skip
    return arrays_, sums, whole


def _inside(axis: Axis, outputs: int) -> Axis:
    """A band of outputs whose windows are whole, as an axis of its own."""
    reach = (outputs - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1
    return replace(axis, outputs=outputs, inputs=reach, pad=0)


def band_sums(axis: Axis) -> Int64:
    """Inputs and taps used by the bands of `_heights`: (3·outputs, 2)."""
    return _heights(axis)[1]
