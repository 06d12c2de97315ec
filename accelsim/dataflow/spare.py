"""What spare SRAM buys: words that stay through a pass, and an exchange of residents at the turn.

**Stay.** Every tiling refetches something: an operand whose words are fetched again by each of the
L tiles of a pass over an inner loop. A spare word lets one of them stay for the pass (`Stay`: the
first to come), so that each pass saves L - 1 fetches a word, or 2·(L - 1) transfers a psum:

    outputs resident   k outside, pixels inside: weights of the k tile, L = pixel tiles
                       pixels outside, k inside: inputs of the pixel tile, L = k tiles
    inputs resident    c, taps outside, pixels inside: weights of the c tile, L = pixel tiles
                       pixels outside, c, taps inside: psums of the pixel tile, L = c and tap tiles
    weights resident   k outside, c, taps inside: psums of the k tile, L = c and tap tiles
                       c, taps outside, k inside: inputs of the c tile, L = k tiles
                       strips: inputs on the edge of two strips stay for the second

The words that came first are not those of the stream's last iterations, where its peak is reached
too: the need grows by the spare words exactly, as long as they leave out the last two channels (or
the last rows) of the stream. A pass over smaller tiles may have fewer words than stay; the saving
is piecewise linear in them, a line a piece.

**Exchange** (one tap, outputs resident; THEORY.md section 2 B). Consecutive tiles, run forth and
back, share a k tile or a pixel tile. In the last b channels of a tile and the first b of the next,
the outputs run one k (or one pixel) after another: as they leave, the words that the next tile
will use again take their place. With x = t_k, y = pixels, u and v the bits of a weight and an
input, p of a psum, the slab that runs k by k holds at most (t_k and pixels exchanged: pixel by
pixel)

    first k     b·u + x·y·p + max(((b-1)·y + 1)·v, b·y·v - (y-1)·p)
    k = 1, x-2  (k+1)·b·u + b·y·v + (x-k)·y·p
    last k      max(((x-1)·b + 1)·u + b·y·v, x·b·u + y·v) + y·p

(where no turn keeps weights, as there is one pixel tile: u + max(((b-1)·y + 1)·v + x·y·p,
b·y·v + ((x-1)·y + 1)·p)), and each turn saves b channels of what the two tiles share. Spare words
keep the weights (inputs) of a pass on top of it: those of the slab are fetched by every other tile,
those between by each.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from accelsim.dataflow.tile_axes import AxisTiles
from accelsim.dataflow.tiling import Cuts, band_sums
from accelsim.workload.layer import Int64

# places in a line: from BITS on, each STEP bits, up to STEPS times, save GAIN bits of traffic;
# where it comes from, and how many spare words stay at its begin
BITS, TRAFFIC, STEP, GAIN, STEPS, SOURCE, PLACE, KIND, BEGUN = range(9)
LINE_FIELDS = 10
PLAIN, STAY_OUTER, STAY_INNER, STAY_HALO = range(4)
"""Kinds of line: no spare words; the rows of the table above in their order, of each resident. In
the second part of an uneven split, SECOND more."""
SECOND = 2
OUTPUTS, INPUTS, WEIGHTS, EXCHANGES, ROW_SPLITS, COL_SPLITS = range(6)
"""Sources of lines: plain tilings by resident, exchanges, uneven splits along rows and columns."""


def stay_lines(cuts: Cuts, stairs: tuple[Int64, ...]) -> Int64:
    """Lines of the tilings with outputs, inputs, weights resident and of the exchanges, and of what
    spare words save on them: (lines, LINE_FIELDS)."""
    group, widths, dims = cuts.group, cuts.group.widths, cuts.group.dims
    rows, cols = cuts.rows, cuts.cols
    numbers = np.array(
        [
            group.N, dims["K"], dims["C"],
            widths.weights if group.has_weights else 0, widths.inputs, widths.psums,
            rows.outputs[0, 0] - 2 * rows.ends - 2, cols.outputs[0, 0] - 2 * cols.ends - 2,
            group.rows.used_inputs - 2 * rows.ends - 2, group.cols.used_inputs - 2 * cols.ends - 2,
            group.rows.used_inputs, group.cols.used_inputs, rows.outputs[0, 0], cols.outputs[0, 0],
        ],
        dtype=np.int64,
    )  # fmt: skip
    n, k, c = (cuts.sizes(dim) for dim in "NKC")
    lines: Int64 = _stay_lines(numbers, stairs, n, k, c, _pieces(rows), _pieces(cols))
    return lines


def _pieces(tiles: AxisTiles) -> tuple[Int64, ...]:
    return tiles.cuts, tiles.inputs, tiles.outputs, tiles.taps, tiles.tap_inputs


def split_lines(cuts: Cuts, splits: Int64, source: int) -> Int64:
    """Lines of uneven splits along rows and of what spare words save in either part of them."""
    if not len(splits):
        return np.zeros((0, LINE_FIELDS), dtype=np.int64)
    group, widths, dims = cuts.group, cuts.group.widths, cuts.group.dims
    weights = widths.weights if group.has_weights else 0
    numbers = np.array(
        [group.N, dims["K"], dims["C"], weights, widths.inputs, dims["P"], dims["R"], dims["S"]],
        dtype=np.int64,
    )  # fmt: skip
    lines: Int64 = _split_lines(
        numbers, splits, band_sums(group.rows), cuts.sizes("N"), cuts.sizes("K"),
        _pieces(cuts.cols),
    )  # fmt: skip
    lines[:, SOURCE] = source
    return lines


@njit(cache=True)
def _split_lines(numbers, splits, sums, ns, ks, cols):  # type: ignore[no-untyped-def]
    """See `split_lines`."""
    _, _, C, w, u, P, R, S = numbers
    lines = np.zeros((17 * len(splits), 10), np.int64)
    total = 0
    for place in range(len(splits)):
        split = splits[place]
        found = np.zeros((17, 10), np.int64)
        found[0, :2] = split[:2]
        count = 1
        for part in range(2):
            if split[18 + part] == 0:
                continue
            _, _, n, k, j, height, bands, held = split[2 + 8 * part : 10 + 8 * part]
            edge = P + height - 1 if part == 0 else 2 * P + height - 1
            n_n, t_n, last_n = ns[n]
            n_k, t_k, last_k = ks[k]
            tiles = n_n * bands * cols[0][j, 0]
            base = np.array([split[0], split[1], split[0] - held])
            words, times = np.zeros(80, np.int64), np.zeros(80, np.int64)
            every_tap = sums[edge, 1] == R and (bands == 1 or sums[height - 1, 1] == R)
            if tiles > 1 and every_tap and cols[0][j, 6] and w:
                words[0], times[0] = last_k * C * R * S, 1
                words[1], times[1] = t_k * C * R * S, n_k - 1
                most = (C - 2) * t_k * R * S
                count = _emit(
                    found, count, 1 + 2 * part, w, (tiles - 1) * w, words, times, 2, most, base
                )
            if n_k > 1:
                others, number = _distinct(cols[1][j // cols[3].shape[0]], cols[0][j, 0])
                size = 0
                for b in range(len(others)):
                    for here, often in ((sums[edge, 0], 1), (sums[height - 1, 0], bands - 1)):
                        each = C * here * others[b]
                        words[size], times[size] = last_n * each, often * number[b]
                        words[size + 1], times[size + 1] = t_n * each, often * number[b] * (n_n - 1)
                        size += 2
                tallest = sums[height - 1, 0] if bands > 1 else sums[edge, 0]
                most = (C - 2) * t_n * tallest * _largest(others)
                count = _emit(
                    found, count, 2 + 2 * part, u, (n_k - 1) * u, words, times, size, most, base
                )
        found[:count, 6] = place
        found, count = _without_idle(found, count)
        lines[total : total + count] = found[:count]
        total += count
    return lines[:total].copy()


@njit(cache=True)
def _stay_lines(numbers, stairs, ns, ks, cs, rows, cols):  # type: ignore[no-untyped-def]
    """See `stay_lines`."""
    lines = np.zeros((64, 10), np.int64)
    total = 0
    for source in range(4):
        stair = stairs[source]
        for place in range(stair.shape[0]):
            found = np.zeros((9, 10), np.int64)
            found[0, 0], found[0, 1] = stair[place, 0], stair[place, 1]
            count = 1
            if stair[place, 10] & 2:
                tile = stair[place]
                if source == 0:
                    count = _outputs_lines(numbers, tile, ns, ks, rows, cols, found, count)
                elif source == 3:
                    count = _exchange_lines(numbers, tile, ns, ks, rows, cols, found, count)
                elif source == 1:
                    count = _inputs_lines(numbers, tile, ns, cs, rows, cols, found, count)
                else:
                    count = _weights_lines(numbers, tile, ks, cs, rows, cols, found, count)
            found[:count, 5], found[:count, 6] = source, place
            found, count = _without_idle(found, count)
            if total + count > lines.shape[0]:
                lines = np.concatenate((lines, np.zeros_like(lines)))
            lines[total : total + count] = found[:count]
            total += count
    return lines[:total].copy()


@njit(cache=True)
def _outputs_lines(numbers, tile, ns, ks, rows, cols, found, count):  # type: ignore[no-untyped-def]
    """Outputs resident: weights of a k tile stay past pixel tiles, or inputs past k tiles."""
    C, w, u = numbers[2:5]
    n, k, i, j = tile[5], tile[6], tile[8], tile[9]
    row_split, row_taps = i // rows[3].shape[0], i % rows[3].shape[0]
    col_split, col_taps = j // cols[3].shape[0], j % cols[3].shape[0]
    n_k, t_k, last_k = ks[k]
    n_n, t_n, last_n = ns[n]
    pixel_tiles = n_n * rows[0][i, 0] * cols[0][j, 0]
    base = np.array([tile[0], tile[1], 0])
    words, times = np.zeros(80, np.int64), np.zeros(80, np.int64)
    if pixel_tiles > 1 and rows[0][i, 6] and cols[0][j, 6] and w:
        taps = rows[3][0, 0] * cols[3][0, 0]
        first_taps = rows[3][row_taps, 0] * cols[3][col_taps, 0]
        words[0], times[0] = last_k * C * taps, 1
        words[1], times[1] = t_k * C * taps, n_k - 1
        most = (C - 2) * t_k * first_taps
        count = _emit(found, count, 1, w, (pixel_tiles - 1) * w, words, times, 2, most, base)
    if n_k > 1 and rows[0][i, 1] * cols[0][j, 1] == 1:
        kinds, number = _distinct(rows[1][row_split], rows[0][i, 0])
        others, other_number = _distinct(cols[1][col_split], cols[0][j, 0])
        size = 0
        for a in range(len(kinds)):
            for b in range(len(others)):
                each = number[a] * other_number[b]
                words[size], times[size] = last_n * C * kinds[a] * others[b], each
                words[size + 1] = t_n * C * kinds[a] * others[b]
                times[size + 1] = each * (n_n - 1)
                size += 2
        most = (C - 2) * t_n * _largest(kinds) * _largest(others)
        count = _emit(found, count, 2, u, (n_k - 1) * u, words, times, size, most, base)
    return count


@njit(cache=True)
def _exchange_lines(numbers, tile, ns, ks, rows, cols, found, count):  # type: ignore[no-untyped-def]
    """Weights of a k tile stay past pixel tiles, or inputs of a pixel tile past k tiles."""
    C, u, v = numbers[2], numbers[3], numbers[4]
    n, k, i, j, b = tile[5], tile[6], tile[8], tile[9], tile[7]
    n_n, t_n, last_n = ns[n]
    n_k, t_k, last_k = ks[k]
    tiles = n_n * rows[0][i, 0] * cols[0][j, 0]
    if rows[2][i, 0] < rows[2][i].max() or cols[2][j, 0] < cols[2][j].max():
        return count  # a pass begins with one of its largest tiles, where the peak is
    if tile[4] == 3:
        least, most, passes, length, step = last_k, t_k, n_k, tiles, u
    else:
        kinds, _ = _distinct(rows[2][i], rows[0][i, 0])
        others, _ = _distinct(cols[2][j], cols[0][j, 0])
        if len(kinds) * len(others) == 0:
            return count
        least = last_n * kinds.min() * others.min()
        most, passes, length, step = t_n * kinds.max() * others.max(), tiles, n_k, v
    kind = 1
    if length == 1:  # the pass has one tile: what the outer loop fetches again stays, all through
        kind, passes, length = 2, 1, tiles * n_k
        if tile[4] == 3:
            least = most = last_n * rows[2][i, 0] * cols[2][j, 0]
            step = v
        else:
            least = most = last_k
            step = u
    # words of the slab are fetched by every other tile of a pass, those of the middle by each
    slab_gain, middle_gain = (length // 2) * step, (length - 1) * step
    begun, saved = 0, 0
    for at in range(3):
        if at == 0:
            end, gain = b * least, passes * slab_gain
        elif at == 1:  # in the one pass of a smaller tile the middle's turn has come
            end = (
                min(b * most, b * least + (C - 2 * b) * least) if kind == 1 and tile[4] == 3 else 0
            )
            gain = (passes - 1) * slab_gain + middle_gain
        else:
            end = min(b * most + max(C - 2 * b - 2, 0) * most, (C - b) * least)
            gain = passes * middle_gain
            if begun < b * most:
                end = 0
        if end > begun and gain > 0 and count < found.shape[0]:
            found[count, 0], found[count, 1] = tile[0] + begun * step, tile[1] - saved
            found[count, 2], found[count, 3] = step, gain
            found[count, 4], found[count, 7], found[count, 8] = end - begun, kind, begun
            saved += (end - begun) * gain
            begun = end
            count += 1
    return count


@njit(cache=True)
def _inputs_lines(numbers, tile, ns, cs, rows, cols, found, count):  # type: ignore[no-untyped-def]
    """Inputs resident: weights of a c tile stay past pixel tiles, or psums past c and tap tiles."""
    N, K, C, w, u, ps = numbers[:6]
    n, c, i, j = tile[5], tile[7], tile[8], tile[9]
    row_split, row_taps = i // rows[3].shape[0], i % rows[3].shape[0]
    col_split, col_taps = j // cols[3].shape[0], j % cols[3].shape[0]
    n_c, t_c, last_c = cs[c]
    n_n, t_n, last_n = ns[n]
    tap_tiles = rows[0][i, 1] * cols[0][j, 1]
    pixel_tiles = n_n * rows[0][i, 0] * cols[0][j, 0]
    if not (rows[0][i, 6] and cols[0][j, 6]):
        return count
    base = np.array([tile[0], tile[1], 0])
    words, times = np.zeros(80, np.int64), np.zeros(80, np.int64)
    if pixel_tiles > 1 and w:
        size = 0
        kinds, number = _distinct(rows[3][row_taps], rows[0][i, 1])
        others, other_number = _distinct(cols[3][col_taps], cols[0][j, 1])
        for a in range(len(kinds)):
            for b in range(len(others)):
                each = number[a] * other_number[b]
                words[size], times[size] = K * last_c * kinds[a] * others[b], each
                words[size + 1] = K * t_c * kinds[a] * others[b]
                times[size + 1] = each * (n_c - 1)
                size += 2
        most = (K - 2) * t_c * rows[3][row_taps, 0] * cols[3][col_taps, 0]
        count = _emit(found, count, 1, w, (pixel_tiles - 1) * w, words, times, size, most, base)
    visits = n_c * tap_tiles
    if visits > 1:
        size = 0
        kinds, number = _distinct(rows[2][row_split], rows[0][i, 0])
        others, other_number = _distinct(cols[2][col_split], cols[0][j, 0])
        for a in range(len(kinds)):
            for b in range(len(others)):
                each = number[a] * other_number[b]
                words[size], times[size] = last_n * K * kinds[a] * others[b], each
                words[size + 1] = t_n * K * kinds[a] * others[b]
                times[size + 1] = each * (n_n - 1)
                size += 2
        most = (K - 2) * t_n * _largest(kinds) * _largest(others)
        before = count
        count = _emit(found, count, 2, ps, 2 * (visits - 1) * ps, words, times, size, most, base)
        # pixels outside: no halo stays
        fetched = rows[0][i, 2] * cols[0][j, 2]
        kept = fetched
        if tile[4] == 0:
            kept = rows[0][i, 2] * (cols[0][j, 2] - cols[0][j, 5])
        elif tile[4] == 1:
            kept = (rows[0][i, 2] - rows[0][i, 5]) * cols[0][j, 2]
        found[before:count, 1] += N * C * (fetched - kept) * u
    return count


@njit(cache=True)
def _weights_lines(numbers, tile, ks, cs, rows, cols, found, count):  # type: ignore[no-untyped-def]
    """Weights resident: psums of a k tile stay past c and tap tiles, or inputs past k tiles."""
    N, _, _, _, u, ps, clear_p, clear_q, clear_h, clear_w, height, width, P, Q = numbers
    k, c, i, j = tile[6], tile[7], tile[8], tile[9]
    row_taps, col_taps = i % rows[3].shape[0], j % cols[3].shape[0]
    row_split, col_split = i // rows[3].shape[0], j // cols[3].shape[0]
    n_k, t_k, last_k = ks[k]
    n_c, t_c, last_c = cs[c]
    tap_tiles = rows[0][i, 1] * cols[0][j, 1]
    strips = rows[0][i, 0] * cols[0][j, 0]
    base = np.array([tile[0], tile[1], 0])
    words, times = np.zeros(80, np.int64), np.zeros(80, np.int64)
    uniform = rows[0][i, 6] and cols[0][j, 6]
    visits = n_c * tap_tiles
    # outputs (inputs) that the sweep has done with well before it ends the first strip
    if tile[3] == 0:
        done, line, done_inputs, line_inputs = clear_p, cols[2][col_split, 0], clear_h, width
        images, image_inputs = P * cols[2][col_split, 0], height * width
    else:
        done, line, done_inputs, line_inputs = clear_q, rows[2][row_split, 0], clear_w, height
        images, image_inputs = Q * rows[2][row_split, 0], height * width
    one_tap = rows[3].shape[1] == 1 and cols[3].shape[1] == 1 and rows[3][0, 0] * cols[3][0, 0] == 1
    if one_tap:  # no pixel waits for another: all but the last two are done with
        done, line, images = N * P * Q - 2, 1, 0
        done_inputs, line_inputs, image_inputs = N * height * width - 2, 1, 0
    if visits > 1 and uniform and done > 0:
        words[0], times[0] = last_k * N * P * Q, 1
        words[1], times[1] = t_k * N * P * Q, n_k - 1
        most = t_k * ((N - 1) * images + done * line)
        count = _emit(found, count, 1, ps, 2 * (visits - 1) * ps, words, times, 2, most, base)
    if strips > 1 and done_inputs > 0:
        axis, lines = (cols, height) if tile[3] == 0 else (rows, width)
        count = _halo_lines(tile, n_k, cs, axis, tap_tiles, lines, done_inputs, N, u, found, count)
    if n_k > 1 and strips == 1 and done_inputs > 0:
        kinds, number = _distinct(rows[4][row_taps], rows[0][i, 1])
        others, other_number = _distinct(cols[4][col_taps], cols[0][j, 1])
        size, least = 0, 1 << 60
        for a in range(len(kinds)):
            for b in range(len(others)):
                each, often = kinds[a] * others[b] * N, number[a] * other_number[b]
                least = min(least, kinds[a] * others[b])
                words[size], times[size] = last_c * each, often
                words[size + 1], times[size + 1] = t_c * each, often * (n_c - 1)
                size += 2
        most = t_c * ((N - 1) * image_inputs + done_inputs * line_inputs)
        if tap_tiles > 1:
            most = min(most, t_c * done_inputs * (least // max(height, width)))
        count = _emit(found, count, 2, u, (n_k - 1) * u, words, times, size, most, base)
    return count


@njit(cache=True)
def _halo_lines(tile, n_k, cs, axis, taps, lines, done, N, u, found, count):  # type: ignore[no-untyped-def]
    """Weights resident in strips: inputs that two neighbouring strips share stay for the second.

    axis: what is cut in strips; lines: inputs of one column (row) of a strip's shared edge. As a
    strip gives up the words of its left edge it takes those of its right edge into their places.
    """
    cut = tile[9] if tile[3] == 0 else tile[8]
    n_c, t_c, last_c = cs[tile[7]]
    strips, shared = axis[0][cut, 0], axis[0][cut, 5]
    twice = axis[0][cut, 2] - axis[0][cut % axis[3].shape[0], 2]
    if taps > 1 or shared == 0 or shared != twice or shared % (strips - 1):
        return count
    split = cut // axis[3].shape[0]
    # nothing waits in the last strip: the peak must be that of another
    if strips == 2 and (
        axis[1][split, 0] < axis[1][split, 1] or axis[2][split, 0] < axis[2][split, 1]
    ):
        return count
    words, times = np.zeros(2, np.int64), np.zeros(2, np.int64)
    edge, passes = shared // (strips - 1), n_k * (strips - 1)
    words[0], times[0] = last_c * N * edge * lines, passes
    words[1], times[1] = t_c * N * edge * lines, passes * (n_c - 1)
    most = t_c * edge * ((N - 1) * lines + done)
    base = np.array([tile[0], tile[1], 0])
    return _emit(found, count, 3, u, u, words, times, 2, most, base)


@njit(cache=True)
def _distinct(values, count):  # type: ignore[no-untyped-def]
    """Different values among the first `count`, and how often each occurs; none if over six."""
    kinds, number = np.zeros(6, np.int64), np.zeros(6, np.int64)
    size = 0
    for value in values[:count]:
        for at in range(size):
            if kinds[at] == value:
                number[at] += 1
                break
        else:
            if size == 6:
                return kinds[:0], number[:0]
            kinds[size], number[size] = value, 1
            size += 1
    return kinds[:size], number[:size]


@njit(cache=True)
def _without_idle(found, count):  # type: ignore[no-untyped-def]
    """The lines of one tiling; its own is left out where another begins there and goes on."""
    for at in range(1, count):
        if found[at, 0] == found[0, 0] and found[at, 1] <= found[0, 1] and found[at, 4]:
            return found[1:], count - 1
    return found, count


@njit(cache=True)
def _largest(values):  # type: ignore[no-untyped-def]
    """The largest of some values, 0 of none."""
    return values.max() if len(values) else 0


@njit(cache=True)
def _emit(found, count, kind, step, unit, words, times, size, most, base):  # type: ignore[no-untyped-def]
    """Lines of a stay: passes have `words[i]` each, `times[i]` of them; at most `most` stay.

    base: capacity, traffic and what of the capacity is free anyway.
    """
    begun, saved = 0, 0
    free, rest = base[2] // step, base[2] % step
    for _ in range(4):
        alike, end = 0, 1 << 60
        for at in range(size):
            if words[at] > begun and times[at]:
                alike += times[at]
                end = min(end, words[at])
        end = min(end, most)
        if alike == 0 or end <= begun or count == found.shape[0]:
            break
        skipped = min(max(free - begun, 0), end - begun)
        saved += skipped * unit * alike
        begun += skipped
        if begun == free and rest and end > begun:  # the next one takes what is left and more
            found[count, 0], found[count, 1] = base[0], base[1] - saved
            found[count, 2], found[count, 3], found[count, 4] = step, unit * alike, 0
            found[count, 7], found[count, 8] = kind, begun
            count += 1
            begun += 1
            saved += unit * alike
            if count == found.shape[0]:
                break
        if end >= begun and (end > begun or begun > free or (begun == most and skipped)):
            found[count, 0] = base[0] + max(begun * step - base[2], 0)
            found[count, 1] = base[1] - saved
            found[count, 2], found[count, 3] = step, unit * alike
            found[count, 4], found[count, 7], found[count, 8] = end - begun, kind, begun
            count += 1
        saved += (end - begun) * unit * alike
        begun = end
    return count
