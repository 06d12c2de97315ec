"""The kernels behind `tiling`: enumerate tilings, keep those that no other is as small and frugal.

Jitted functions call only jitted functions of their own file: all that fills a staircase is here.
Arrays of an axis are those of `AxisTiles` in the order cuts, kinds, sizes, lengths, counts, splits;
candidates are rows of `tiling.FIELDS`, whose places are written as numbers: 0 bits, 1 traffic,
2 family, 3 turned, 4 loops, 5 n, 6 k, 7 c, 8 row cut, 9 column cut, 10 exact.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def plain_kernel(numbers, ns, ks, cs, rows, cols):  # type: ignore[no-untyped-def]
    """Staircases of outputs, inputs, weights resident; see `plain_tilings`.

    Of a cut of rows and one of columns the figures that need sweeps are counted when the operand
    held, with a word of either stream, first makes a step that the staircase does not have.
    """
    return (
        _outputs_resident(numbers, ns, ks, rows, cols),
        _inputs_resident(numbers, ns, cs, rows, cols),
        _weights_resident(numbers, ks, cs, rows, cols),
    )


@njit(cache=True)
def _outputs_resident(numbers, ns, ks, rows, cols):  # type: ignore[no-untyped-def]
    """Tiles in n, k, p, q; inside them tap tiles between which the psums stay."""
    N, K, C, pixels, w, u, o, ps, is_conv, macs, bn, bk, bc, bt, bp, window, _, most_bits = numbers
    steps, pool, size = _empty_stair(11)
    row_most, col_most = _largest(rows), _largest(cols)
    new, figures = np.zeros(11, np.int64), np.zeros(12, np.int64)
    long = C >= 3 and macs
    extra = 0 if macs else bk * bc * bt * w + bn * bc * bp * bt * u + bn * bk * bp * (ps + o)
    for at in range(len(row_most) * len(col_most)):
        i, j = _cuts_at(at, rows, cols)
        one_piece = rows[0][i, 1] * cols[0][j, 1] == 1
        if not (long or one_piece):
            continue
        fed, outs, ins, taps = row_most[i] * col_most[j]
        whole = one_piece or outs == fed  # each tap tile of the largest tile visits all outputs
        loads, fetched = rows[0][i, 3] * cols[0][j, 3], rows[0][i, 2] * cols[0][j, 2]
        new[8], new[9], is_counted = i, j, False
        for n in range(len(ns)):
            t_n = ns[n, 1]
            fixed = K * C * ns[n, 0] * loads * w + N * K * pixels * o
            reached = 1 << 62
            for k in range(len(ks) - 1, -1, -1):
                t_k = ks[k, 1]
                traffic = fixed + N * C * ks[k, 0] * fetched * u
                held = t_n * t_k * fed * ps
                if (held >= most_bits and macs) or traffic >= reached:
                    continue
                held += extra
                reached = _reached(steps, size, held + u + w)
                if traffic >= reached:
                    continue
                if not is_counted:
                    figures, is_counted = _past_outputs(i, j, rows, cols, is_conv), True
                band = figures[BAND] if macs else ins
                new[0] = held + bc * t_n * band * u + bk * bc * bt * w
                new[2], new[3] = figures[WAY] // 2, figures[WAY] % 2
                new[10] = figures[TAPS_SURE] * (long and whole and (t_k >= 2 or t_n * fed == 1))
                offered = one_piece or new[10] > 0
                for phased in range(2 if t_n * fed > 1 else 0):
                    between, at_tap = figures[2 + 2 * phased], figures[3 + 2 * phased]
                    sure = figures[INPUTS_SURE + phased]
                    if phased and (between == figures[OVER_INPUTS] or not macs):
                        continue
                    if t_n > 1 or not macs:  # taps serve one image after another
                        between = at_tap = between if phased and t_n == 1 else taps
                        sure = figures[IMAGES_SURE] * (t_n > 2 and not phased)
                    bits = held + bc * ((t_k - 1) * between + at_tap) * w
                    bits += (bc * t_n * ins if window else bn * bc) * u
                    exact = sure * (long and whole)
                    if (one_piece or exact > 0) and (not offered or bits < new[0]):
                        new[0], new[2], new[3], new[10], offered = bits, 2 + phased, 0, exact, True
                if offered:
                    if new[10] == 0:
                        new[10] = 2 * (long and figures[ONE_KIND])
                    new[1], new[5], new[6] = traffic, n, k
                    steps, pool = _insert(steps, pool, size, new)
    return _rows(steps, pool, size)


@njit(cache=True)
def _inputs_resident(numbers, ns, cs, rows, cols):  # type: ignore[no-untyped-def]
    """Tiles in c, taps, n, p, q; halos stay where a tile's inputs outlive each k."""
    N, K, C, pixels, w, u, o, ps, is_conv, macs, bn, bk, bc, bt, bp, _, spills, most_bits = numbers
    steps, pool, size = _empty_stair(11)
    row_most, col_most = _largest(rows), _largest(cols)
    new, figures = np.zeros(11, np.int64), np.zeros(7, np.int64)
    used = rows[0][0, 4] * cols[0][0, 4]
    long = K >= 3 and macs
    extra = 0 if macs else bk * bc * bt * w + bn * bc * bp * bt * u + bn * bk * bp * (ps + o)
    for at in range(len(row_most) * len(col_most)):
        i, j = _cuts_at(at, rows, cols)
        _, outs, ins, taps = row_most[i] * col_most[j]
        loads, visits = rows[0][i, 3] * cols[0][j, 3], rows[0][i, 4] * cols[0][j, 4]
        fetched, new[4] = rows[0][i, 2] * cols[0][j, 2], 2
        if long:
            along_cols = rows[0][i, 2] * (cols[0][j, 2] - cols[0][j, 5])
            along_rows = (rows[0][i, 2] - rows[0][i, 5]) * cols[0][j, 2]
            fetched, new[4] = min(along_cols, along_rows), along_cols > along_rows
        new[8], new[9], kinds = i, j, 0
        for n in range(len(ns)):
            t_n = ns[n, 1]
            fixed = K * C * ns[n, 0] * loads * w + N * K * pixels * o + N * C * fetched * u
            reached = 1 << 62
            for c in range(len(cs) - 1, -1, -1):
                t_c = cs[c, 1]
                traffic = fixed + 2 * N * K * (cs[c, 0] * visits - used) * ps
                held = t_n * t_c * ins * u
                if (held >= most_bits and macs) or traffic >= reached:
                    continue
                if cs[c, 0] * visits > used and not spills:
                    continue
                held += extra
                reached = _reached(steps, size, held + w + ps)
                if traffic >= reached:
                    continue
                if kinds == 0:
                    kinds, figures = 1, _past_inputs(i, j, rows, cols, is_conv, True)
                if kinds == 1:  # what tiles of one kind need may be too much
                    needs = _beside_inputs(numbers, figures, t_n, t_c, outs, taps)
                    reached = _reached(steps, size, held + min(needs))
                    if traffic >= reached:
                        continue
                    kinds, figures = 2, _past_inputs(i, j, rows, cols, is_conv, False)
                by_pixels, by_taps = _beside_inputs(numbers, figures, t_n, t_c, outs, taps)
                sure = figures[2] if t_n == 1 and macs else figures[4] * (t_n > 2)
                new[0], new[1] = held + min(by_pixels, by_taps), traffic
                if by_pixels <= by_taps:
                    new[2], new[10] = 4, sure * long
                else:
                    new[2], new[10] = 5, figures[5] * (long and (t_c >= 2 or taps == 1))
                if new[10] == 0:
                    new[10] = 2 * (long and figures[6])
                new[5], new[7] = n, c
                steps, pool = _insert(steps, pool, size, new)
    return _rows(steps, pool, size)


@njit(cache=True)
def _beside_inputs(numbers, figures, t_n, t_c, outs, taps):  # type: ignore[no-untyped-def]
    """Bits beside resident inputs: an output at a time, then a weight at a time."""
    _, _, _, _, w, _, _, ps, _, macs, bn, bk, bc, bt, bp, _, _, _ = numbers
    between, at_tap = figures[:2]
    if t_n > 1 or not macs:  # taps serve one image after another
        between = at_tap = taps
    psums = outs if t_c > bc or not macs else figures[3]
    by_pixels = bk * ((t_c - bc) * between + bc * at_tap) * w + bn * bk * bp * ps
    return by_pixels, bk * bc * bt * w + bk * t_n * psums * ps


@njit(cache=True)
def _weights_resident(numbers, ks, cs, rows, cols):  # type: ignore[no-untyped-def]
    """Tiles in k, c, taps; strips of one axis inside them, between which the weights stay."""
    steps, pool, size = _empty_stair(11)
    row_most, col_most = _largest(rows), _largest(cols)
    row_taps, col_taps = (rows[5] == 0).sum(), (cols[5] == 0).sum()
    one_tap = rows[2][0, 3] * cols[2][0, 3] == 1
    for at in range(len(row_most) * len(col_most)):
        i, j = _cuts_at(at, rows, cols)
        # strips of one axis, swept along the other; none where nothing is shared by pixels
        taps = row_most[i, 3] * col_most[j, 3]
        all_taps = row_most[i % row_taps, 3] * col_most[j % col_taps, 3]
        if (one_tap or taps < all_taps) and (rows[5][i] or cols[5][j]):
            continue
        for turned in range(2):
            if (cols[5][j] if turned else rows[5][i]) == 0:
                steps, pool = _weights_strips(
                    numbers, ks, cs, rows, cols, i, j, row_most[i] * col_most[j], turned,
                    steps, pool, size,
                )  # fmt: skip
    return _rows(steps, pool, size)


@njit(cache=True)
def _weights_strips(  # type: ignore[no-untyped-def]
    numbers, ks, cs, rows, cols, i, j, most, turned, steps, pool, size
):
    """One cut of rows and columns of `_weights_resident`, rows or columns (turned) outside."""
    N, K, C, pixels, w, u, o, ps, is_conv, macs, bn, bk, bc, bt, bp, _, spills, most_bits = numbers
    _, _, ins, taps = most
    fetched = rows[0][i, 2] * cols[0][j, 2]
    visits, used = rows[0][i, 4] * cols[0][j, 4], rows[0][0, 4] * cols[0][0, 4]
    fixed = K * C * rows[0][0, 3] * cols[0][0, 3] * w + N * K * pixels * o
    strips = rows[0][i, 0] * cols[0][j, 0]
    extra = 0 if macs else bk * bc * bt * w + bn * bc * bp * bt * u + bn * bk * bp * (ps + o)
    new, streams, kinds = np.zeros(11, np.int64), np.zeros((2, 7), np.int64), 0
    new[3], new[8], new[9] = turned, i, j
    outer, inner, x, y = (cols, rows, j, i) if turned else (rows, cols, i, j)
    for k in range(len(ks)):
        t_k = ks[k, 1]
        reached = 1 << 62
        for c in range(len(cs) - 1, -1, -1):
            t_c = cs[c, 1]
            traffic = fixed + N * C * ks[k, 0] * fetched * u
            traffic += 2 * N * K * (cs[c, 0] * visits - used) * ps
            held = t_k * t_c * taps * w + extra
            if (held >= most_bits and macs) or traffic >= reached:
                continue
            if cs[c, 0] * visits > used and not spills:
                continue
            reached = _reached(steps, size, held + u + ps)
            if traffic >= reached:
                continue
            if kinds == 0:
                kinds, streams = 1, _streams(x, y, outer, inner, is_conv, taps, w > 0, True)
            if kinds == 1:  # what tiles of one kind need may be too much
                needs = _past_weights(numbers, streams, t_k, t_c, ins)
                reached = _reached(steps, size, held + min(needs))
                if traffic >= reached:
                    continue
                kinds, streams = 2, _streams(x, y, outer, inner, is_conv, taps, w > 0, False)
            needs, least = _past_weights(numbers, streams, t_k, t_c, ins), 1 << 60
            for sweep in range(2):
                safe, in_two, in_more, safe_turn = streams[sweep, 3:]
                safe = safe or (in_two and strips == 2) or (in_more and (strips > 2 or N > 2))
                exact = (t_c if sweep else t_k) >= 2 and macs and safe
                if (strips == 1 or exact) and needs[2 * sweep] < least:
                    least, new[2], new[10] = needs[2 * sweep], 6 + 2 * sweep, exact
                exact = macs and safe_turn
                if (strips == 1 or exact) and needs[2 * sweep + 1] < least:
                    least, new[2], new[10] = needs[2 * sweep + 1], 7 + 2 * sweep, exact
            if least < 1 << 60:
                new[0], new[1], new[6], new[7] = held + least, traffic, k, c
                new[10] |= 2 * new[10]
                steps, pool = _insert(steps, pool, size, new)
    return steps, pool


@njit(cache=True)
def _past_weights(numbers, streams, t_k, t_c, ins):  # type: ignore[no-untyped-def]
    """Bits beside resident weights: of gather, then scatter, a word of the other operand at a time,
    then a channel of the stream at a time. No window has scatter."""
    _, _, _, _, _, u, _, ps, _, macs, bn, bk, bc, _, bp, window, _, _ = numbers
    none = 1 << 60
    live = ins if window or bp > 1 else streams[0, 0]
    gather = bn * (t_c * live * u + bk * bp * ps)
    turn = t_k * ps + ((t_c - 1) * streams[0, 1] + streams[0, 2]) * u
    if not macs:
        turn = bn * (bp * t_k * ps + t_c * live * u)
    if window:
        return gather, turn, none, none
    live = ins if bp > 1 else streams[1, 0]
    scatter = bn * (t_k * live * ps + bc * bp * u)
    other_turn = t_c * u + ((t_k - 1) * streams[1, 1] + streams[1, 2]) * ps
    if not macs:
        other_turn = bn * (bp * t_c * u + t_k * live * ps)
    return gather, turn, scatter, other_turn


@njit(cache=True)
def _largest(axis):  # type: ignore[no-untyped-def]
    """Of each cut, the most outputs fed by any tap, outputs, inputs, taps of a tile: (cuts, 4).

    Rows and columns combine freely, so that those of a pair of cuts are products.
    """
    cuts, kinds, sizes = axis[:3]
    most = np.zeros((len(cuts), 4), np.int64)
    for cut in range(len(cuts)):
        for kind in range(kinds[cut], kinds[cut + 1]):
            most[cut] = np.maximum(most[cut], sizes[kind])
    return most


@njit(cache=True)
def _cuts_at(at, rows, cols):  # type: ignore[no-untyped-def]
    """The pair of cuts visited in the `at`-th place: those without tap tiles come first.

    They move less, and of the many others few are left to count once they are known.
    """
    row_splits, col_splits = rows[5][-1] + 1, cols[5][-1] + 1
    row_taps, col_taps = len(rows[5]) // row_splits, len(cols[5]) // col_splits
    taps, splits = at // (row_splits * col_splits), at % (row_splits * col_splits)
    return (
        splits // col_splits * row_taps + taps // col_taps,
        splits % col_splits * col_taps + taps % col_taps,
    )


# what `_past_outputs` tells of a cut of rows and a cut of columns
BAND, WAY, OVER_INPUTS, OVER_PHASE = 0, 1, 2, 4  # of the last two two places each, see `_turns`
TAPS_SURE, INPUTS_SURE, PHASE_SURE, IMAGES_SURE, ONE_KIND = range(6, 11)


@njit(cache=True)
def _past_outputs(i, j, rows, cols, is_conv):  # type: ignore[no-untyped-def]
    """What streams past resident outputs: largest figures over the kinds of tile of two cuts.

    BAND of inputs that live while taps are swept, rows or columns first, plain or by stride phases
    (WAY says which is least); `_turns` of the taps while inputs, or inputs of one phase, are swept.
    The rest say whether the figures that a family adds up are those of one kind (3; 1 if it may be
    that of the last tile alone): taps swept, inputs swept (by phases; several images); ONE_KIND
    whether there is but one.
    """
    _, row_kinds, row_sizes, row_lengths, row_counts, _ = rows
    _, col_kinds, col_sizes, col_lengths, col_counts, _ = cols
    count = (row_kinds[i + 1] - row_kinds[i]) * (col_kinds[j + 1] - col_kinds[j])
    kinds = np.zeros((count, 12), np.int64)  # fed, taps, bands of four ways, turns, turns by phases
    most = np.zeros(12, np.int64)
    at = 0
    for a in range(row_kinds[i], row_kinds[i + 1]):
        for b in range(col_kinds[j], col_kinds[j + 1]):
            kind = kinds[at]
            at += 1
            kind[0] = row_sizes[a, 0] * col_sizes[b, 0]
            kind[1] = row_sizes[a, 3] * col_sizes[b, 3]
            for phased in range(2):
                one = 6 if phased and row_lengths[a, 6] else 0
                other = 6 if phased and col_lengths[b, 6] else 0
                if phased and one == other == 0:
                    kind[4], kind[5] = 1 << 60, 1 << 60
                    continue
                row, row_length = row_counts[a, one], row_lengths[a, one]
                col, col_length = col_counts[b, other], col_lengths[b, other]
                kind[2 + 2 * phased] = _most_live(row, row_length, col, col_length)
                kind[3 + 2 * phased] = _most_live(col, col_length, row, row_length)
            kind[6], kind[7], kind[8] = _turns_of(a, b, rows, cols, 1, is_conv)
            if row_lengths[a, 7] or col_lengths[b, 7]:
                kind[9], kind[10], kind[11] = _turns_of(a, b, rows, cols, 7, is_conv)
            else:
                kind[9], kind[10], kind[11] = kind[6], kind[7], kind[8]
            for place in range(12):
                most[place] = max(most[place], kind[place])
    found = np.zeros(11, np.int64)
    found[ONE_KIND] = count == 1
    way = 0
    for other in range(1, 4):
        way = other if most[2 + other] < most[2 + way] else way
    found[BAND], found[WAY] = most[2 + way], way
    found[2], found[3], found[4], found[5] = most[6], most[7], most[9], most[10]
    for at in range(count):
        kind = kinds[at]
        if kind[0] == most[0]:
            # the last kind may be that of the last tile alone
            sure = 3 if at < count - 1 or count == 1 else 1
            found[TAPS_SURE] |= sure * (kind[2 + way] == most[2 + way])
            over_inputs = kind[6] == most[6] and kind[7] == most[7] and kind[8]
            over_phase = kind[9] == most[9] and kind[10] == most[10] and kind[11]
            found[INPUTS_SURE] |= sure * over_inputs
            found[PHASE_SURE] |= sure * over_phase
            found[IMAGES_SURE] |= sure * (kind[1] == most[1])
    return found


@njit(cache=True)
def _past_inputs(i, j, rows, cols, is_conv, first):  # type: ignore[no-untyped-def]
    """What streams past resident inputs: largest figures over the kinds of tile of two cuts: (7).

    Of the first kind alone, if that is asked.

    `_turns` of the taps while pixels are swept, and whether the two are those of one kind, as in
    `_past_outputs`; psums that live while taps are swept; whether the largest figures of one kind
    are inputs and taps, inputs and outputs and psums; whether there is but one kind.
    """
    _, row_kinds, row_sizes, row_lengths, row_counts, _ = rows
    _, col_kinds, col_sizes, col_lengths, col_counts, _ = cols
    row_end = row_kinds[i] + 1 if first else row_kinds[i + 1]
    col_end = col_kinds[j] + 1 if first else col_kinds[j + 1]
    count = (row_end - row_kinds[i]) * (col_end - col_kinds[j])
    kinds = np.zeros((count, 7), np.int64)  # turns; psums; outputs, inputs, taps
    most = np.zeros(7, np.int64)
    at = 0
    for a in range(row_kinds[i], row_end):
        for b in range(col_kinds[j], col_end):
            kind = kinds[at]
            at += 1
            kind[0], kind[1], kind[2] = _turns_of(a, b, rows, cols, 4, not is_conv)
            kind[3] = _most_live(
                row_counts[a, 5], row_lengths[a, 5], col_counts[b, 5], col_lengths[b, 5]
            )
            for size in range(1, 4):
                kind[3 + size] = row_sizes[a, size] * col_sizes[b, size]
            for place in range(7):
                most[place] = max(most[place], kind[place])
    found = np.zeros(7, np.int64)
    found[0], found[1], found[3], found[6] = most[0], most[1], most[3], count == 1
    for at in range(count):
        kind = kinds[at]
        if kind[5] == most[5]:
            sure = 3 if at < count - 1 or count == 1 else 1
            found[2] |= sure * (kind[0] == most[0] and kind[1] == most[1] and kind[2])
            found[4] |= sure * (kind[6] == most[6])
            found[5] |= sure * (kind[4] == most[4] and kind[3] == most[3])
    return found


@njit(cache=True)
def _turns_of(a, b, rows, cols, sweep, rising):  # type: ignore[no-untyped-def]
    """`_turns` of the taps of a kind of tile; of a sweep by phases, where an axis has them."""
    one = sweep if rows[3][a, sweep] else 1
    other = sweep if cols[3][b, sweep] else 1
    row, row_length, col, col_length = (
        rows[4][a, one], rows[3][a, one], cols[4][b, other], cols[3][b, other],
    )  # fmt: skip
    if sweep < 7:  # all taps live at a position inside all windows
        inside = _inside(row, row_length)
        if inside == 2 or (inside == 1 and _inside(col, col_length) == 2):
            taps = rows[2][a, 3] * cols[2][b, 3]
            return taps, taps, 1
    return _turns(row, row_length, col, col_length, rising)


@njit(cache=True)
def exchange_kernel(numbers, slabs, tilings, ks):  # type: ignore[no-untyped-def]
    """Pareto set of the exchanges; see `tiling.exchanges`.

    tilings (tilings, 7): pixels of the largest tile, tiles, pixels of the tiles at which a pass
    begins and ends, and the n, row and column cut.
    """
    N, K, C, pixels, u, v, o, p, fed, most_bits = numbers
    steps, pool, size = _empty_stair(11)
    new = np.zeros(11, np.int64)
    new[10] = 3
    for y, tiles, first, last, n, i, j in tilings:
        new[5], new[8], new[9] = n, i, j
        for k in range(ks.shape[0]):
            n_k, x, last_k = ks[k]
            if tiles * n_k == 1 or x * y * p >= most_bits:
                continue
            new[6] = k
            base = K * C * tiles * u + N * C * n_k * fed * v + N * K * pixels * o
            turns = (n_k // 2) * last + ((n_k - 1) // 2) * first
            k_turns = (tiles // 2) * last_k + ((tiles - 1) // 2) * x
            by_taps, by_inputs = y * v + u, (x * u + v if y > 1 else 1 << 60)
            main = x * y * p + min(by_taps, by_inputs)
            new[2] = 0 if by_taps <= by_inputs else 2
            for kind in range(2):
                if (x if kind == 0 else y) < 2:
                    continue
                new[4] = 3 + kind
                gain, reached = K * (tiles - 1) * u + turns * v, 1 << 62
                if kind == 1:
                    gain = N * fed * (n_k - 1) * v + k_turns * u
                for b in slabs:
                    if base - b * gain >= reached:
                        continue
                    if kind == 0:
                        bits = _slab_bits(b, x, y, u, v, p, tiles > 1)
                    else:
                        bits = _slab_bits(b, y, x, v, u, p, n_k > 1)
                    if bits >= most_bits:
                        break
                    # what is reached at this size is less than larger slabs need to be of use
                    reached = _reached(steps, size, bits)
                    if base - b * gain >= reached:
                        continue
                    if 2 * b < C:
                        bits = max(bits, main)
                    new[0], new[1], new[7] = bits, base - b * gain, b
                    steps, pool = _insert(steps, pool, size, new)
    return _rows(steps, pool, size)


@njit(cache=True)
def _slab_bits(b, x, y, u, v, p, turns):  # type: ignore[no-untyped-def]
    """Most live bits of a slab of b channels that runs one of x after another; see `spare`.

    turns: whether any turn keeps what the slab runs through (else only the other operand stays).
    """
    if not turns:
        return u + max(((b - 1) * y + 1) * v + x * y * p, b * y * v + ((x - 1) * y + 1) * p)
    bits = b * u + x * y * p + max(((b - 1) * y + 1) * v, b * y * v - (y - 1) * p)
    bits = max(bits, max(((x - 1) * b + 1) * u + b * y * v, x * b * u + y * v) + y * p)
    if x > 2:
        bits = max(bits, 2 * b * u + b * y * v + (x - 1) * y * p)
        bits = max(bits, (x - 1) * b * u + b * y * v + 2 * y * p)
    return bits


@njit(cache=True)
def uneven_kernel(numbers, ns, ks, heights, sums, whole, cols):  # type: ignore[no-untyped-def]
    """Pareto set of the uneven splits along rows; see `tiling.uneven_splits`.

    heights: bands of 1, 2, ... rows as the cuts of an axis, first those inside the layer, then
    those at its top, then at its bottom. sums (3·P, 2): inputs and taps used by each band. whole
    (P + 1, 2): for each height, up to how many bands from the top have whole windows but the first,
    from the bottom but the last.
    """
    P, padded = numbers[3], numbers[11]
    bands = np.zeros((256, 11), np.int64)
    begins = np.zeros(3 * P + 1, np.int64)
    for h in range(3 * P):
        # inside bands come in twos at least; the one at the top is alone if it is over a half
        begins[h + 1] = begins[h]
        if (not padded and h >= P) or (padded and (2 * h > P > h or P <= h < P + P // 2 - 1)):
            continue
        found = _bands(numbers, ns, ks, heights, sums, h, cols)
        begins[h + 1] += len(found)
        while begins[h + 1] > len(bands):
            bands = np.concatenate((bands, np.zeros_like(bands)))
        bands[begins[h] : begins[h + 1]] = found
    return _joined(numbers, ns, ks, sums, whole, cols, bands, begins)


@njit(cache=True)
def _bands(numbers, ns, ks, heights, sums, h, cols):  # type: ignore[no-untyped-def]
    """Pareto set of the tilings of a band of a height."""
    N, K, C, _, _, w, u, _, ps, is_conv, most_bits, _ = numbers
    steps, pool, size = _empty_stair(11)
    new, figures = np.zeros(11, np.int64), np.zeros(12, np.int64)
    for j in range(cols[0].shape[0]):
        if cols[0][j, 1] != 1:
            continue
        loads = sums[h, 1] * cols[0][j, 3]
        fetched = sums[h, 0] * cols[0][j, 2]
        fed = 0
        for b in range(cols[1][j], cols[1][j + 1]):
            fed = max(fed, heights[2][h, 0] * cols[2][b, 0])
        new[9], is_counted = j, False
        for n in range(len(ns)):
            n_n, t_n, _ = ns[n]
            reached = 1 << 62
            for k in range(len(ks) - 1, -1, -1):
                n_k, t_k, _ = ks[k]
                traffic = K * C * n_n * loads * w + N * C * n_k * fetched * u
                held = t_n * t_k * fed * ps
                if held >= most_bits or traffic >= reached:
                    continue
                reached = _reached(steps, size, held + u + w)
                if traffic >= reached:
                    continue
                if not is_counted:
                    figures, is_counted = _past_outputs(h, j, heights, cols, is_conv), True
                least = 1 << 60
                if figures[TAPS_SURE] and (t_k >= 2 or t_n * fed == 1):
                    least = t_n * figures[BAND] * u + w
                    new[2], new[3], new[10] = (
                        figures[WAY] // 2,
                        figures[WAY] % 2,
                        figures[TAPS_SURE],
                    )
                for phased in range(2 if t_n == 1 and fed > 1 else 0):
                    between, at_tap = figures[2 + 2 * phased], figures[3 + 2 * phased]
                    bits = ((t_k - 1) * between + at_tap) * w + u
                    sure = figures[INPUTS_SURE + phased]
                    if sure and bits < least:
                        least, new[2], new[3], new[10] = bits, 2 + phased, 0, sure
                if least < 1 << 60:
                    new[0], new[1], new[5], new[6] = held + least, traffic, n, k
                    steps, pool = _insert(steps, pool, size, new)
    return _rows(steps, pool, size)


@njit(cache=True)
def _joined(numbers, ns, ks, sums, whole, cols, tiles, begins):  # type: ignore[no-untyped-def]
    """Pareto set of two parts, of bands of two heights; tiles: those of each height one by one."""
    N, K, C, P, pixels, w, u, o, _, _, most_bits, padded = numbers
    steps, pool, size = _empty_stair(20)
    point = np.zeros(20, np.int64)
    once = N * K * pixels * o
    # traffic of a tiling: so much for each tap and for each input that its bands use
    a_tap, an_input = np.zeros(begins[-1], np.int64), np.zeros(begins[-1], np.int64)
    for at in range(begins[-1]):
        n, k, j = tiles[at, 5], tiles[at, 6], tiles[at, 9]
        a_tap[at] = K * C * ns[n, 0] * cols[0][j, 3] * w
        an_input[at] = N * C * ks[k, 0] * cols[0][j, 2] * u
    for one in range(1, P):
        for m in range(max((P - 1) // one - 1, 1), (P - 1) // one + 1):
            rest = P - m * one
            for bands in range(1, min(rest, 2) + 1):
                other = rest // bands
                if rest % bands or other == one or m > whole[one, 0] or bands > whole[other, 1]:
                    continue
                # a part of several bands has one inside; its need is that of the whole band
                first = one - 1 if m > 1 or not padded else P + one - 1
                second = other - 1 if bands > 1 or not padded else 2 * P + other - 1
                inputs, taps = sums[P + one - 1] + (m - 1) * sums[one - 1]
                inputs_below, taps_below = sums[2 * P + other - 1] + (bands - 1) * sums[other - 1]
                a, b, reached = begins[first], begins[second], 1 << 62
                while a < begins[first + 1] and b < begins[second + 1]:
                    bits = max(tiles[a, 0], tiles[b, 0])
                    if bits >= most_bits:
                        break
                    traffic = once + taps * a_tap[a] + inputs * an_input[a]
                    traffic += taps_below * a_tap[b] + inputs_below * an_input[b]
                    if traffic < reached:
                        reached = _reached(steps, size, bits)
                    if traffic < reached:
                        above, below = tiles[a], tiles[b]
                        point[0], point[1] = bits, traffic
                        point[2:7] = above[2], above[3], above[5], above[6], above[9]
                        point[7:10] = one, m, above[0]
                        point[10:15] = below[2], below[3], below[5], below[6], below[9]
                        point[15:18] = other, bands, below[0]
                        # of two bands with padding above, the whole one is the last
                        alone = padded and m == 2 and cols[0][above[9], 0] == 1
                        point[18], point[19] = above[10] & 2 and not alone, below[10] & 2
                        steps, pool = _insert(steps, pool, size, point)
                    # the part that holds less takes its next step
                    next_a = tiles[a + 1, 0] if a + 1 < begins[first + 1] else 1 << 60
                    next_b = tiles[b + 1, 0] if b + 1 < begins[second + 1] else 1 << 60
                    if next_a == next_b == 1 << 60:
                        break
                    if next_a <= next_b:
                        a += 1
                    else:
                        b += 1
    return _rows(steps, pool, size)


@njit(cache=True)
def _streams(i, j, outer, inner, is_conv, all_taps, weighty, first):  # type: ignore[no-untyped-def]
    """Streams past resident weights, gather and scatter: (2, 7); of the first kind of tile or all.

    Most words of a channel live at a position, left over between two channels, live at one tap;
    whether all weights live on at a position with most: strictly inside one strip, or after the
    births of the first strip or before the deaths of the last, or in a strip between strips;
    whether the second and third figure fall together on a position where all weights live on.
    """
    _, a_kinds, a_sizes, a_lengths, a_counts, _ = outer
    _, b_kinds, b_sizes, b_lengths, b_counts, _ = inner
    found = np.zeros((2, 7), np.int64)
    for sweep in range(2):
        words, taps = (2, 4) if sweep == 0 else (3, 1)
        best, best_turn, best_tap = 0, 0, 0
        safe, safe_strips, safe_between, safe_turn = 0, 0, 0, 0
        for a in range(a_kinds[i], a_kinds[i] + 1 if first else a_kinds[i + 1]):
            for b in range(b_kinds[j], b_kinds[j] + 1 if first else b_kinds[j + 1]):
                whole = a_sizes[a, 3] * b_sizes[b, 3]
                full = whole == all_taps or not weighty
                one, other = a_counts[a, words], b_counts[b, words]
                w_one, w_other = a_counts[a, taps], b_counts[b, taps]
                for x in range(a_lengths[a, words]):
                    apart = one[5, x] == 0 or (one[3, x] == 1 and one[4, x] == 1)
                    for y in range(b_lengths[b, words]):
                        live, born, dying, only, _, _ = _live(one, x, other, y)
                        if live < min(best, max(best_turn, best_tap)) and live <= min(
                            best_turn, best_tap
                        ):
                            continue  # no figure is more than all that live
                        turn = live - min(born, dying)
                        at_tap, sure = _at_tap(
                            live, born, dying, only, apart, is_conv or sweep == 1
                        )
                        w_live, w_born, w_dying, w_only, w_unborn, w_dead = _live(
                            w_one, x, w_other, y
                        )
                        inside = full and (
                            not weighty or w_live - w_born - w_dying + w_only == whole
                        )
                        staying = full and ((w_unborn == 0 and w_born == 0) or (
                            w_dead == 0 and w_dying == 0))  # fmt: skip
                        if live > best:
                            best, safe, safe_strips, safe_between = live, 0, 0, 0
                        if live == best:
                            safe, safe_strips = max(safe, inside), max(safe_strips, staying)
                            safe_between = max(safe_between, full)
                        if turn > best_turn or at_tap > best_tap:
                            safe_turn = 0
                        best_turn, best_tap = max(best_turn, turn), max(best_tap, at_tap)
                        if turn == best_turn and at_tap == best_tap:
                            safe_turn = max(safe_turn, sure and inside)
        found[sweep] = best, best_turn, best_tap, safe, safe_strips, safe_between, safe_turn
    return found


@njit(cache=True)
def _live(one, x, other, y):  # type: ignore[no-untyped-def]
    """Words at a position (x of the outer axis, y of the inner) of a nested sweep.

    Live, born there, dying there, both, not yet born after it, dead before it (`tile_axes`).
    """
    u, v = one[0, x], other[0, y]
    unborn = one[1, x] * v + one[3, x] * other[1, y]
    dead = one[2, x] * v + one[4, x] * other[2, y]
    born, dying = one[3, x] * other[3, y], one[4, x] * other[4, y]
    return u * v - unborn - dead, born, dying, one[5, x] * other[5, y], unborn, dead


@njit(cache=True)
def _most_live(one, one_length, other, other_length):  # type: ignore[no-untyped-def]
    """Most live words at any position of a nested sweep."""
    most = 0
    for x in range(one_length):
        for y in range(other_length):
            u, v = one[0, x], other[0, y]
            live = u * v - (one[1, x] + one[2, x]) * v
            most = max(most, live - one[3, x] * other[1, y] - one[4, x] * other[2, y])
    return most


@njit(cache=True)
def _inside(counts, length):  # type: ignore[no-untyped-def]
    """2 if a position of a sweep is strictly inside the uses of all words, 1 if all live there."""
    found = 0
    for x in range(length):
        if counts[1, x] == 0 and counts[2, x] == 0:
            if counts[3, x] == 0 and counts[4, x] == 0:
                return 2
            found = 1
    return found


@njit(cache=True)
def _turns(one, one_length, other, other_length, rising):  # type: ignore[no-untyped-def]
    """Most words of a nested sweep that live between two of its inner channels, and at one tap.

    At a position, words that are born come alive channel by channel, those that die go channel by
    channel: between two channels all that pass and the more of the two live; `_at_tap` tells what
    lives in a channel's turn. The third figure says whether both are reached at one position, so
    that t channels hold (t - 1)·between + at_tap at the peak.
    """
    between, at_tap, alone = 0, 0, 0
    for x in range(one_length):
        apart = one[5, x] == 0 or (one[3, x] == 1 and one[4, x] == 1)
        for y in range(other_length):
            live, born, dying, only, _, _ = _live(one, x, other, y)
            if live <= min(between, at_tap) and (alone or live < max(between, at_tap)):
                continue  # neither figure is more than all that live
            here = live - min(born, dying)
            tap, sure = _at_tap(live, born, dying, only, apart, rising)
            if here > between or tap > at_tap:
                alone = 0
            between, at_tap = max(between, here), max(at_tap, tap)
            if here == between and tap == at_tap:
                alone = max(alone, sure)
    return between, at_tap, alone


@njit(cache=True)
def _at_tap(live, born, dying, only, apart, rising):  # type: ignore[no-untyped-def]
    """Most words of one channel live at one step of its turn at a position, and is that certain.

    Where words move up with the position (`rising`), those that die there come up before those that
    are born, else after. Words born and dying at one position live for a step; `apart` says that
    rows of the two kinds do not mix.
    """
    if born == only and dying == only:
        return live - only + min(only, 1), 1
    if only == 0 and (born == 0 or dying == 0):
        return live, 1
    if only == 0 and apart:
        return live - min(born, dying) if rising else live, 1
    return live, 0


@njit(cache=True)
def _empty_stair(fields):  # type: ignore[no-untyped-def]
    """A staircase without steps: steps (3, room), pool (room, fields), size (1).

    Of each step bits, traffic, and where in the pool its row is: rows stay where they are while
    steps come and go. Beyond the last step are the places that are free.
    """
    steps = np.zeros((3, 256), np.int64)
    steps[2] = np.arange(256)
    return steps, np.zeros((256, fields), np.int64), np.zeros(1, np.int64)


@njit(cache=True)
def _rows(steps, pool, size):  # type: ignore[no-untyped-def]
    """The rows of a staircase in ascending bits."""
    return pool[steps[2, : size[0]]]


@njit(cache=True)
def _insert(steps, pool, size, row):  # type: ignore[no-untyped-def]
    """Add a candidate to a staircase if nothing there is as small and as frugal."""
    bits, traffic, count = row[0], row[1], size[0]
    begin = _place(steps, count, bits)
    if begin > 0 and steps[1, begin - 1] <= traffic:
        return steps, pool
    if begin > 0 and steps[0, begin - 1] == bits:
        begin -= 1
    end = begin
    while end < count and steps[1, end] >= traffic:
        end += 1
    if end == begin:
        if count == steps.shape[1]:
            more = np.zeros_like(steps)
            more[2] = np.arange(count, 2 * count)
            steps = np.concatenate((steps, more), axis=1)
            pool = np.concatenate((pool, np.zeros_like(pool)))
        free = steps[2, count]
        for at in range(count, begin, -1):
            steps[0, at], steps[1, at] = steps[0, at - 1], steps[1, at - 1]
            steps[2, at] = steps[2, at - 1]
        steps[2, begin] = free
    else:
        gone = end - begin - 1
        for at in range(end, count if gone else 0):
            steps[0, at - gone], steps[1, at - gone] = steps[0, at], steps[1, at]
            steps[2, at - gone], steps[2, at] = steps[2, at], steps[2, at - gone]
    size[0] = count - (end - begin) + 1
    steps[0, begin], steps[1, begin] = bits, traffic
    for at in range(len(row)):
        pool[steps[2, begin], at] = row[at]
    return steps, pool


@njit(cache=True)
def _reached(steps, size, bits):  # type: ignore[no-untyped-def]
    """The least traffic of a staircase at a size."""
    place = _place(steps, size[0], bits)
    return steps[1, place - 1] if place else 1 << 62


@njit(cache=True)
def _place(steps, count, bits):  # type: ignore[no-untyped-def]
    """How many steps of a staircase need no more bits."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if steps[0, middle] <= bits:
            low = middle + 1
        else:
            high = middle
    return low
