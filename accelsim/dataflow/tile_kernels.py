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
    """Staircases of outputs, inputs, weights resident; see `plain_tilings`."""
    stairs = np.zeros((3, 256, 11), np.int64)
    sizes = np.zeros(3, np.int64)
    row_cuts, row_split, col_cuts, col_split = rows[0], rows[5], cols[0], cols[5]
    one_tap = rows[2][0, 3] * cols[2][0, 3] == 1
    for i in range(row_cuts.shape[0]):
        for j in range(col_cuts.shape[0]):
            pair = _pair(i, j, rows, cols, numbers[8])
            stairs = _outputs_resident(
                numbers, ns, ks, i, j, row_cuts, col_cuts, pair, stairs, sizes
            )
            stairs = _inputs_resident(
                numbers, ns, cs, i, j, row_cuts, col_cuts, pair, stairs, sizes
            )
            # strips of one axis, swept along the other; none where nothing is shared by pixels
            if (one_tap or pair[3] < _all_taps(i, j, rows, cols)) and (
                row_split[i] or col_split[j]
            ):
                continue
            for turned in range(2):
                if turned == 0 and row_split[i] == 0:
                    streams = _streams(i, j, rows, cols, numbers[8], pair[3], numbers[4] > 0)
                elif turned == 1 and col_split[j] == 0:
                    streams = _streams(j, i, cols, rows, numbers[8], pair[3], numbers[4] > 0)
                else:
                    continue
                stairs = _weights_resident(
                    numbers, ks, cs, i, j, row_cuts, col_cuts, pair, streams, turned, stairs, sizes
                )
    return (
        stairs[0, : sizes[0]].copy(), stairs[1, : sizes[1]].copy(), stairs[2, : sizes[2]].copy(),
    )  # fmt: skip


# what `_pair` tells of a cut of rows and a cut of columns
FED, OUTS, INS, TAPS, BAND, WAY, PSUMS = range(7)
OVER_INPUTS, OVER_PHASE, OVER_PIXELS = 7, 9, 11  # two places each, see `_turns`
TAPS_SURE, INPUTS_SURE, PHASE_SURE, IMAGES_SURE, PIXELS_SURE, FRAMES_SURE, HELD_SURE = range(13, 20)
ONE_KIND = 20


@njit(cache=True)
def _pair(i, j, rows, cols, is_conv):  # type: ignore[no-untyped-def]
    """Largest figures over the kinds of tile of a cut of rows and a cut of columns.

    FED outputs fed by any tap; OUTS, INS, TAPS of a tile; BAND of inputs that live while taps are
    swept, rows or columns first, plain or by stride phases (WAY says which is least); PSUMS live
    while taps are swept; `_turns` of the taps while inputs, inputs of one phase, or pixels are
    swept. The rest say whether the figures that a family adds up are those of one kind (3; 1 if it
    may be that of the last tile alone): taps swept, inputs swept (by phases; several images),
    pixels swept (several images), taps swept past inputs; ONE_KIND whether there is but one.
    """
    _, row_kinds, row_sizes, row_lengths, row_counts, _ = rows
    _, col_kinds, col_sizes, col_lengths, col_counts, _ = cols
    count = (row_kinds[i + 1] - row_kinds[i]) * (col_kinds[j + 1] - col_kinds[j])
    kinds = np.zeros((count, 18), np.int64)
    at = 0
    for a in range(row_kinds[i], row_kinds[i + 1]):
        for b in range(col_kinds[j], col_kinds[j + 1]):
            kind = kinds[at]
            at += 1
            for size in range(4):
                kind[size] = row_sizes[a, size] * col_sizes[b, size]
            for way in range(4):
                one = 6 if way >= 2 and row_lengths[a, 6] else 0
                other = 6 if way >= 2 and col_lengths[b, 6] else 0
                if way >= 2 and one == 0 and other == 0:
                    kind[4 + way] = 1 << 60
                elif way % 2 == 0:
                    kind[4 + way] = _most_live(
                        row_counts[a, one], row_lengths[a, one],
                        col_counts[b, other], col_lengths[b, other],
                    )  # fmt: skip
                else:
                    kind[4 + way] = _most_live(
                        col_counts[b, other], col_lengths[b, other],
                        row_counts[a, one], row_lengths[a, one],
                    )  # fmt: skip
            kind[8] = _most_live(
                row_counts[a, 5], row_lengths[a, 5], col_counts[b, 5], col_lengths[b, 5]
            )
            for place, sweep in ((9, 1), (12, 7), (15, 4)):
                one = sweep if row_lengths[a, sweep] else 1
                other = sweep if col_lengths[b, sweep] else 1
                if sweep == 7 and one == other == 1:  # no phases
                    kind[12:15] = kind[9:12]
                    continue
                x = _inside(row_counts[a, one], row_lengths[a, one])
                if sweep < 7 and (x == 2 or (x == 1 and _inside(
                    col_counts[b, other], col_lengths[b, other]) == 2)):  # fmt: skip
                    kind[place], kind[place + 1], kind[place + 2] = kind[3], kind[3], 1
                    continue
                kind[place], kind[place + 1], kind[place + 2] = _turns(
                    row_counts[a, one], row_lengths[a, one],
                    col_counts[b, other], col_lengths[b, other], is_conv == (sweep != 4),
                )  # fmt: skip
    pair = np.zeros(21, np.int64)
    pair[ONE_KIND] = count == 1
    if count == 0:
        return pair
    most = kinds[0].copy()
    for at in range(1, count):
        most = np.maximum(most, kinds[at])
    way = int(np.argmin(most[4:8]))
    pair[FED], pair[OUTS], pair[INS], pair[TAPS] = most[:4]
    pair[BAND], pair[WAY], pair[PSUMS] = most[4 + way], way, most[8]
    pair[7:9], pair[9:11], pair[11:13] = most[9:11], most[12:14], most[15:17]
    for at in range(count):
        same = kinds[at] == most
        fed, ins = same[0], same[2]
        # the last kind may be that of the last tile alone
        sure = 3 if at < count - 1 or count == 1 else 1
        pair[13] |= sure * (fed and same[4 + way])
        pair[14] |= sure * (fed and same[9] and same[10] and kinds[at, 11])
        pair[15] |= sure * (fed and same[12] and same[13] and kinds[at, 14])
        pair[16] |= sure * (fed and same[3])
        pair[17] |= sure * (ins and same[15] and same[16] and kinds[at, 17])
        pair[18] |= sure * (ins and same[3])
        pair[19] |= sure * (ins and same[1] and same[8])
    return pair


@njit(cache=True)
def _outputs_resident(numbers, ns, ks, i, j, row_cuts, col_cuts, pair, stairs, sizes):  # type: ignore[no-untyped-def]
    """Tiles in n, k, p, q; inside them tap tiles between which the psums stay."""
    N, K, C, pixels, w, u, o, ps, _, macs, bn, bk, bc, bt, bp, window, _, most_bits = numbers
    new = np.zeros(11, np.int64)
    new[7], new[8], new[9] = 0, i, j
    loads = row_cuts[i, 3] * col_cuts[j, 3]
    fetched = row_cuts[i, 2] * col_cuts[j, 2]
    one_piece = row_cuts[i, 1] * col_cuts[j, 1] == 1
    whole = one_piece or pair[1] == pair[0]  # each tap tile of the largest tile visits all outputs
    long = C >= 3 and macs
    if not (long or one_piece):
        return stairs
    for n in range(ns.shape[0]):
        t_n = ns[n, 1]
        new[5] = n
        weights = K * C * ns[n, 0] * loads * w + N * K * pixels * o
        for k in range(ks.shape[0]):
            t_k = ks[k, 1]
            new[6] = k
            new[1] = weights + N * C * ks[k, 0] * fetched * u
            held = t_n * t_k * pair[0] * ps
            if held >= most_bits and macs:
                continue
            if not macs:
                held += bk * bc * bt * w + bn * bc * bp * bt * u + bn * bk * bp * (ps + o)
            band = pair[4] if macs else pair[2]
            new[0] = held + bc * t_n * band * u + bk * bc * bt * w
            new[2], new[3] = pair[5] // 2, pair[5] % 2
            new[10] = pair[13] * (long and whole and (t_k >= 2 or t_n * pair[0] == 1))
            offered = one_piece or new[10] > 0
            for phased in range(2 if t_n * pair[0] > 1 else 0):
                between, at_tap = pair[7 + 2 * phased], pair[8 + 2 * phased]
                sure = pair[14 + phased]
                if phased and (between == pair[7] or not macs):
                    continue
                if t_n > 1 or not macs:  # taps serve one image after another
                    between = at_tap = between if phased and t_n == 1 else pair[3]
                    sure = pair[16] * (t_n > 2 and not phased)
                bits = held + bc * ((t_k - 1) * between + at_tap) * w
                bits += (bc * t_n * pair[2] if window else bn * bc) * u
                exact = sure * (long and whole)
                if (one_piece or exact > 0) and (not offered or bits < new[0]):
                    new[0], new[2], new[3], new[10], offered = bits, 2 + phased, 0, exact, True
            if offered:
                if new[10] == 0:
                    new[10] = 2 * (long and pair[20])
                stairs = _insert(stairs, sizes, 0, new)
    return stairs


@njit(cache=True)
def _inputs_resident(numbers, ns, cs, i, j, row_cuts, col_cuts, pair, stairs, sizes):  # type: ignore[no-untyped-def]
    """Tiles in c, taps, n, p, q; halos stay where a tile's inputs outlive each k."""
    N, K, C, pixels, w, u, o, ps, _, macs, bn, bk, bc, bt, bp, _, spills, most_bits = numbers
    new = np.zeros(11, np.int64)
    new[6], new[8], new[9] = 0, i, j
    loads = row_cuts[i, 3] * col_cuts[j, 3]
    visits = row_cuts[i, 4] * col_cuts[j, 4]
    used = row_cuts[0, 4] * col_cuts[0, 4]
    long = K >= 3 and macs
    fetched, loops = row_cuts[i, 2] * col_cuts[j, 2], 2
    if long:
        along_cols = row_cuts[i, 2] * (col_cuts[j, 2] - col_cuts[j, 5])
        along_rows = (row_cuts[i, 2] - row_cuts[i, 5]) * col_cuts[j, 2]
        fetched = min(along_cols, along_rows)
        loops = 0 if along_cols <= along_rows else 1
    new[4] = loops
    for n in range(ns.shape[0]):
        t_n = ns[n, 1]
        new[5] = n
        fixed = K * C * ns[n, 0] * loads * w + N * K * pixels * o + N * C * fetched * u
        for c in range(cs.shape[0]):
            if cs[c, 0] * visits > used and not spills:
                continue
            t_c = cs[c, 1]
            new[7] = c
            new[1] = fixed + 2 * N * K * (cs[c, 0] * visits - used) * ps
            held = t_n * t_c * pair[2] * u
            if held >= most_bits and macs:
                continue
            extra = 0
            if not macs:
                extra = bk * bc * bt * w + bn * bc * bp * bt * u + bn * bk * bp * (ps + o)
            between, at_tap = pair[11:13]
            sure = pair[17]
            if t_n > 1 or not macs:
                between = at_tap = pair[3]
                sure = pair[18] * (t_n > 2)
            by_pixels = bk * ((t_c - bc) * between + bc * at_tap) * w + bn * bk * bp * ps
            psums = pair[1] if t_c > bc or not macs else pair[6]
            by_taps = bk * bc * bt * w + bk * t_n * psums * ps
            new[0] = held + extra + min(by_pixels, by_taps)
            if by_pixels <= by_taps:
                new[2], new[10] = 4, sure * long
            else:
                new[2], new[10] = 5, pair[19] * (long and (t_c >= 2 or pair[3] == 1))
            if new[10] == 0:
                new[10] = 2 * (long and pair[20])
            stairs = _insert(stairs, sizes, 1, new)
    return stairs


@njit(cache=True)
def _weights_resident(  # type: ignore[no-untyped-def]
    numbers, ks, cs, i, j, row_cuts, col_cuts, pair, streams, turned, stairs, sizes
):
    """Tiles in k, c, taps; strips of one axis inside them, between which the weights stay."""
    N, K, C, pixels, w, u, o, ps, _, macs, bn, bk, bc, bt, bp, window, spills, most_bits = numbers
    new = np.zeros(11, np.int64)
    new[3], new[5], new[8], new[9] = turned, 0, i, j
    fetched = row_cuts[i, 2] * col_cuts[j, 2]
    visits = row_cuts[i, 4] * col_cuts[j, 4]
    used = row_cuts[0, 4] * col_cuts[0, 4]
    fixed = K * C * row_cuts[0, 3] * col_cuts[0, 3] * w + N * K * pixels * o
    strips = row_cuts[i, 0] * col_cuts[j, 0]
    extra = 0
    if not macs:
        extra = bk * bc * bt * w + bn * bc * bp * bt * u + bn * bk * bp * (ps + o)
    for k in range(ks.shape[0]):
        t_k = ks[k, 1]
        new[6] = k
        for c in range(cs.shape[0]):
            if cs[c, 0] * visits > used and not spills:
                continue
            t_c = cs[c, 1]
            new[7] = c
            new[1] = fixed + N * C * ks[k, 0] * fetched * u
            new[1] += 2 * N * K * (cs[c, 0] * visits - used) * ps
            held = t_k * t_c * pair[3] * w + extra
            if held >= most_bits and macs:
                continue
            least = 1 << 60
            for sweep in range(1 if window else 2):
                live, between, at_tap, safe, in_two, in_more, safe_turn = streams[sweep]
                if sweep == 0:
                    mine, other, mine_bits, other_bits, block_other = t_c, t_k, u, ps, bk
                else:
                    mine, other, mine_bits, other_bits, block_other = t_k, t_c, ps, u, bc
                if window or bp > 1:
                    live = pair[2]
                # one of the other operand at a time, or a channel of the stream at a time
                bits = bn * (mine * live * mine_bits + block_other * bp * other_bits)
                exact = (
                    other >= 2
                    and macs
                    and (safe or (in_two and strips == 2) or (in_more and (strips > 2 or N > 2)))
                )
                if (strips == 1 or exact) and bits < least:
                    least, new[2], new[10] = bits, 6 + 2 * sweep, exact
                bits = other * other_bits + ((mine - 1) * between + at_tap) * mine_bits
                if not macs:
                    bits = bn * (bp * other * other_bits + mine * live * mine_bits)
                exact = macs and safe_turn
                if (strips == 1 or exact) and bits < least:
                    least, new[2], new[10] = bits, 7 + 2 * sweep, exact
            if least < 1 << 60:
                new[0] = held + least
                new[10] |= 2 * new[10]
                stairs = _insert(stairs, sizes, 2, new)
    return stairs


@njit(cache=True)
def exchange_kernel(numbers, slabs, tilings, ks):  # type: ignore[no-untyped-def]
    """Pareto set of the exchanges; see `tiling.exchanges`.

    tilings (tilings, 7): pixels of the largest tile, tiles, pixels of the tiles at which a pass
    begins and ends, and the n, row and column cut.
    """
    N, K, C, pixels, u, v, o, p, fed, most_bits = numbers
    stairs = np.zeros((1, 256, 11), np.int64)
    size = np.zeros(1, np.int64)
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
                for b in slabs:
                    if kind == 0:
                        bits = _slab_bits(b, x, y, u, v, p, tiles > 1)
                        saved = b * (K * (tiles - 1) * u + turns * v)
                    else:
                        bits = _slab_bits(b, y, x, v, u, p, n_k > 1)
                        saved = b * (N * fed * (n_k - 1) * v + k_turns * u)
                    if bits >= most_bits:
                        break
                    if 2 * b < C:
                        bits = max(bits, main)
                    new[0], new[1], new[7] = bits, base - saved, b
                    stairs = _insert(stairs, size, 0, new)
    return stairs[0, : size[0]].copy()


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
    N, K, C, P, pixels, w, u, o, ps, is_conv, most_bits, padded = numbers
    stairs = np.zeros((3 * P, 64, 11), np.int64)
    sizes = np.zeros(3 * P, np.int64)
    new = np.zeros(11, np.int64)
    for h in range(3 * P if padded else P):
        # inside bands come in twos at least; the one at the top is alone if it is over a half
        if padded and (2 * h > P > h or P <= h < P + P // 2 - 1):
            continue
        for j in range(cols[0].shape[0]):
            if cols[0][j, 1] != 1:
                continue
            pair = _pair(h, j, heights, cols, is_conv)
            loads = sums[h, 1] * cols[0][j, 3]
            fetched = sums[h, 0] * cols[0][j, 2]
            for n in range(ns.shape[0]):
                n_n, t_n, _ = ns[n]
                for k in range(ks.shape[0]):
                    n_k, t_k, _ = ks[k]
                    new[1] = K * C * n_n * loads * w + N * C * n_k * fetched * u
                    held = t_n * t_k * pair[0] * ps
                    if held >= most_bits:
                        continue
                    new[5], new[6], new[9] = n, k, j
                    least = 1 << 60
                    if pair[13] and (t_k >= 2 or t_n * pair[0] == 1):
                        least = t_n * pair[4] * u + w
                        new[2], new[3], new[10] = pair[5] // 2, pair[5] % 2, pair[13]
                    for phased in range(2 if t_n == 1 and pair[0] > 1 else 0):
                        bits = ((t_k - 1) * pair[7 + 2 * phased] + pair[8 + 2 * phased]) * w + u
                        if pair[14 + phased] and bits < least:
                            least, new[2], new[3], new[10] = bits, 2 + phased, 0, pair[14 + phased]
                    if least < 1 << 60:
                        new[0] = held + least
                        stairs = _insert(stairs, sizes, h, new)
    best = np.zeros((1, 512, 20), np.int64)
    size = np.zeros(1, np.int64)
    point = np.zeros(20, np.int64)
    costs = np.zeros((2, stairs.shape[1]), np.int64)
    once = N * K * pixels * o
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
                inputs = sums[P + one - 1] + (m - 1) * sums[one - 1]
                inputs_below = sums[2 * P + other - 1] + (bands - 1) * sums[other - 1]
                for at in range(sizes[first]):
                    n, k, j = stairs[first, at, 5], stairs[first, at, 6], stairs[first, at, 9]
                    costs[0, at] = K * C * ns[n, 0] * inputs[1] * cols[0][j, 3] * w
                    costs[0, at] += N * C * ks[k, 0] * inputs[0] * cols[0][j, 2] * u
                for at in range(sizes[second]):
                    n, k, j = stairs[second, at, 5], stairs[second, at, 6], stairs[second, at, 9]
                    costs[1, at] = K * C * ns[n, 0] * inputs_below[1] * cols[0][j, 3] * w
                    costs[1, at] += N * C * ks[k, 0] * inputs_below[0] * cols[0][j, 2] * u
                a, b = 0, 0
                while a < sizes[first] and b < sizes[second]:
                    point[0] = max(stairs[first, a, 0], stairs[second, b, 0])
                    if point[0] >= most_bits:
                        break
                    point[1] = once + costs[0, a] + costs[1, b]
                    if not _is_beaten(best, size, 0, point):
                        above, below = stairs[first, a], stairs[second, b]
                        point[2:7] = above[2], above[3], above[5], above[6], above[9]
                        point[7:10] = one, m, above[0]
                        point[10:15] = below[2], below[3], below[5], below[6], below[9]
                        point[15:18] = other, bands, below[0]
                        # of two bands with padding above, the whole one is the last
                        alone = padded and m == 2 and cols[0][above[9], 0] == 1
                        point[18], point[19] = above[10] & 2 and not alone, below[10] & 2
                        best = _insert(best, size, 0, point)
                    # the part that holds less takes its next step
                    next_a = stairs[first, a + 1, 0] if a + 1 < sizes[first] else 1 << 60
                    next_b = stairs[second, b + 1, 0] if b + 1 < sizes[second] else 1 << 60
                    if next_a == 1 << 60 and next_b == 1 << 60:
                        break
                    if next_a <= next_b:
                        a += 1
                    else:
                        b += 1
    return best[0, : size[0]].copy()


@njit(cache=True)
def _all_taps(i, j, rows, cols):  # type: ignore[no-untyped-def]
    """Most taps of a tap tile that are used anywhere in the layer."""
    row_taps, col_taps = i % (rows[5] == 0).sum(), j % (cols[5] == 0).sum()
    row, col = 0, 0
    for a in range(rows[1][row_taps], rows[1][row_taps + 1]):
        row = max(row, rows[2][a, 3])
    for b in range(cols[1][col_taps], cols[1][col_taps + 1]):
        col = max(col, cols[2][b, 3])
    return row * col


@njit(cache=True)
def _streams(i, j, outer, inner, is_conv, all_taps, weighty):  # type: ignore[no-untyped-def]
    """Streams past resident weights, gather and scatter: (2, 7).

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
        for a in range(a_kinds[i], a_kinds[i + 1]):
            for b in range(b_kinds[j], b_kinds[j + 1]):
                whole = a_sizes[a, 3] * b_sizes[b, 3]
                full = whole == all_taps or not weighty
                for x in range(a_lengths[a, words]):
                    for y in range(b_lengths[b, words]):
                        live, born, dying, only, _, _ = _live(
                            a_counts[a, words], x, b_counts[b, words], y
                        )
                        w_live, w_born, w_dying, w_only, w_unborn, w_dead = _live(
                            a_counts[a, taps], x, b_counts[b, taps], y
                        )
                        inside = full and (
                            not weighty or w_live - w_born - w_dying + w_only == whole
                        )
                        staying = full and ((w_unborn == 0 and w_born == 0) or (
                            w_dead == 0 and w_dying == 0))  # fmt: skip
                        turn = live - min(born, dying)
                        one = a_counts[a, words, :, x]
                        apart = one[5] == 0 or (one[3] == 1 and one[4] == 1)
                        at_tap, sure = _at_tap(
                            live, born, dying, only, apart, is_conv or sweep == 1
                        )
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
        for y in range(other_length):
            live, born, dying, only, _, _ = _live(one, x, other, y)
            apart = one[5, x] == 0 or (one[3, x] == 1 and one[4, x] == 1)
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
def _insert(stairs, sizes, which, candidate):  # type: ignore[no-untyped-def]
    """Add a candidate to a staircase if nothing there is as small and as frugal."""
    if _is_beaten(stairs, sizes, which, candidate):
        return stairs
    stair, size = stairs[which], sizes[which]
    bits, traffic = candidate[0], candidate[1]
    low = _place(stair, size, bits)
    begin = low - 1 if low > 0 and stair[low - 1, 0] == bits else low
    end = begin
    while end < size and stair[end, 1] >= traffic:
        end += 1
    if end == begin:
        if size == stairs.shape[1]:
            stairs = np.concatenate((stairs, np.zeros_like(stairs)), axis=1)
            stair = stairs[which]
        for at in range(size, begin, -1):
            stair[at] = stair[at - 1]
        sizes[which] += 1
    else:
        for at in range(end, size):
            stair[at - end + begin + 1] = stair[at]
        sizes[which] -= end - begin - 1
    stair[begin] = candidate
    return stairs


@njit(cache=True)
def _is_beaten(stairs, sizes, which, candidate):  # type: ignore[no-untyped-def]
    """Whether something in a staircase is as small and as frugal as a candidate."""
    low = _place(stairs[which], sizes[which], candidate[0])
    return low > 0 and stairs[which, low - 1, 1] <= candidate[1]


@njit(cache=True)
def _place(stair, size, bits):  # type: ignore[no-untyped-def]
    """How many steps of a staircase need no more bits."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if stair[middle, 0] <= bits:
            low = middle + 1
        else:
            high = middle
    return low
