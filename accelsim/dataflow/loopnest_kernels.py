"""The kernels behind `loopnest`: walk a nest MAC by MAC, count its words; search all box tiles.

Dims are numbered in the order N K C P Q R S, operands weights, inputs, outputs. All arrays are
int64. Jitted functions call only jitted functions of their own file.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def orojenesis_kernel(tiles, counts, shape):  # type: ignore[no-untyped-def]
    """Evaluate every box tile with its best loop order; see `loopnest.orojenesis_frontier`.

    tiles (7, most): the tile sizes to try of each dim, counts (7,) how many; each divides the last.
    shape: row stride, dilation, column stride, dilation, 1 if there are weights.
    Returns (candidates, 3): buffer words, traffic words, the innermost dim (-1 without loops), and
    the number of mappings covered: orders of the loops with more than one iteration, summed.
    """
    total = 1
    for dim in range(7):
        total *= counts[dim]
    found = np.empty((total, 3), np.int64)
    orders = np.ones(8, np.int64)
    for loops in range(1, 8):
        orders[loops] = loops * orders[loops - 1]
    mappings = 0
    row_stride, row_dilation, col_stride, col_dilation, has_weights = shape
    ends = np.empty(7, np.int64)
    for dim in range(7):
        ends[dim] = tiles[dim, counts[dim] - 1]
    at = 0
    for i_n in range(counts[0]):
        n = tiles[0, i_n]
        b_n = ends[0] // n
        for i_k in range(counts[1]):
            k = tiles[1, i_k]
            b_k = ends[1] // k
            for i_c in range(counts[2]):
                c = tiles[2, i_c]
                b_c = ends[2] // c
                for i_p in range(counts[3]):
                    p = tiles[3, i_p]
                    b_p = ends[3] // p
                    for i_q in range(counts[4]):
                        q = tiles[4, i_q]
                        b_q = ends[4] // q
                        pixel_loops = b_n * b_p * b_q
                        outer = pixel_loops * b_k * b_c
                        outputs = n * k * p * q
                        some = (
                            int(b_n > 1) + int(b_k > 1) + int(b_c > 1) + int(b_p > 1) + int(b_q > 1)
                        )
                        for i_r in range(counts[5]):
                            r = tiles[5, i_r]
                            b_r = ends[5] // r
                            rows = (p - 1) * row_stride + (r - 1) * row_dilation + 1
                            for i_s in range(counts[6]):
                                s = tiles[6, i_s]
                                b_s = ends[6] // s
                                cols = (q - 1) * col_stride + (s - 1) * col_dilation + 1
                                loops = outer * b_r * b_s
                                weights = k * c * r * s * has_weights
                                planes = n * c
                                inputs = planes * rows * cols
                                mappings += orders[some + int(b_r > 1) + int(b_s > 1)]
                                w_all, i_all, o_all = (
                                    weights * loops,
                                    inputs * loops,
                                    outputs * loops,
                                )
                                # weights wait while N, P, Q run
                                best, inner = w_all + i_all + 2 * o_all, -1
                                if b_n > 1:
                                    words = w_all // pixel_loops + i_all + 2 * o_all
                                    if words < best:
                                        best, inner = words, 0
                                if b_p > 1:
                                    fresh = rows + (b_p - 1) * min(rows, p * row_stride)
                                    words = w_all // pixel_loops + 2 * o_all
                                    words += loops // b_p * planes * cols * fresh
                                    if words < best:
                                        best, inner = words, 3
                                if b_q > 1:
                                    fresh = cols + (b_q - 1) * min(cols, q * col_stride)
                                    words = w_all // pixel_loops + 2 * o_all
                                    words += loops // b_q * planes * rows * fresh
                                    if words < best:
                                        best, inner = words, 4
                                # inputs wait while K runs
                                if b_k > 1:
                                    words = w_all + i_all // b_k + 2 * o_all
                                    if words < best:
                                        best, inner = words, 1
                                # outputs wait while C, R, S run
                                sums = b_c * b_r * b_s
                                if b_c > 1:
                                    words = w_all + i_all + 2 * (o_all // sums)
                                    if words < best:
                                        best, inner = words, 2
                                if b_r > 1:
                                    fresh = rows + (b_r - 1) * min(rows, r * row_dilation)
                                    words = w_all + 2 * (o_all // sums)
                                    words += loops // b_r * planes * cols * fresh
                                    if words < best:
                                        best, inner = words, 5
                                if b_s > 1:
                                    fresh = cols + (b_s - 1) * min(cols, s * col_dilation)
                                    words = w_all + 2 * (o_all // sums)
                                    words += loops // b_s * planes * rows * fresh
                                    if words < best:
                                        best, inner = words, 6
                                found[at, 0] = weights + inputs + outputs
                                found[at, 1] = best
                                found[at, 2] = inner
                                at += 1
    # 2 x visits - size(O): every output's first visit reads nothing
    outputs = ends[0] * ends[1] * ends[3] * ends[4]
    for at in range(total):
        found[at, 1] -= outputs
    return found, mappings


@njit(cache=True)
def walk(loops, extents, row_inputs, col_inputs, heights, macs):  # type: ignore[no-untyped-def]
    """The MACs of a nest in the order in which they run.

    loops (loops, 2): dim and step, outermost first. extents (7,). row_inputs (P, R), col_inputs
    (Q, S): which input a useful pair reads, else -1. heights: rows and columns of the input.
    Returns words (macs, 3), their step (macs,), scopes (macs, loops + 1): the number of the scope
    of the first j loops in which a MAC runs. Steps and scopes without a MAC have no number.
    """
    depth = loops.shape[0]
    words = np.empty((macs, 3), np.int64)
    steps = np.empty(macs, np.int64)
    scopes = np.empty((macs, depth + 1), np.int64)
    low = np.zeros((depth + 1, 7), np.int64)
    high = np.zeros((depth + 1, 7), np.int64)
    high[0] = extents
    fresh = np.ones(depth + 1, np.int64)  # whether a scope has not had a MAC yet
    now = np.full(depth + 1, -1, np.int64)
    cursor = np.zeros(depth + 1, np.int64)
    level, count, step = 0, 0, -1
    while level >= 0:
        if level < depth:
            dim, size = loops[level]
            if cursor[level] >= high[level, dim]:
                level -= 1
                continue
            low[level + 1] = low[level]
            high[level + 1] = high[level]
            low[level + 1, dim] = cursor[level]
            high[level + 1, dim] = min(cursor[level] + size, high[level, dim])
            cursor[level] = high[level + 1, dim]
            level += 1
            fresh[level] = 1
            if level < depth:
                cursor[level] = low[level, loops[level, 0]]
            continue
        a, z = low[level], high[level]
        is_new = True
        for n in range(a[0], z[0]):
            for k in range(a[1], z[1]):
                for c in range(a[2], z[2]):
                    for p in range(a[3], z[3]):
                        for r in range(a[5], z[5]):
                            h = row_inputs[p, r]
                            if h < 0:
                                continue
                            for q in range(a[4], z[4]):
                                for s in range(a[6], z[6]):
                                    w = col_inputs[q, s]
                                    if w < 0:
                                        continue
                                    if is_new:
                                        is_new = False
                                        step += 1
                                        for j in range(depth + 1):
                                            now[j] += fresh[j]
                                            fresh[j] = 0
                                    words[count, 0] = (
                                        (k * extents[2] + c) * extents[5] + r
                                    ) * extents[6] + s
                                    words[count, 1] = (
                                        (n * extents[2] + c) * heights[0] + h
                                    ) * heights[1] + w
                                    words[count, 2] = (
                                        (n * extents[1] + k) * extents[3] + p
                                    ) * extents[4] + q
                                    steps[count] = step
                                    scopes[count] = now
                                    count += 1
        level -= 1
    return words, steps, scopes


@njit(cache=True)
def held(words, steps, scopes, keeps, size):  # type: ignore[no-untyped-def]
    """Live words of one operand at each step, and how many stays on the chip its words have.

    words, steps, scopes (macs,). A word stays from its first to its last use in a scope and, with
    `keeps`, up to its first use in the next scope.
    """
    live = np.zeros(steps[-1] + 2, np.int64)
    last = np.full(size, -1, np.int64)
    scope = np.full(size, -2, np.int64)
    stays = 0
    for mac in range(len(words)):
        word, step, here = words[mac], steps[mac], scopes[mac]
        before = last[word]
        if before < 0 or (scope[word] != here and not (keeps and scope[word] == here - 1)):
            stays += 1
            live[step] += 1
            if before >= 0:
                live[before + 1] -= 1
        last[word], scope[word] = step, here
    for word in range(size):
        if last[word] >= 0:
            live[last[word] + 1] -= 1
    for step in range(1, len(live)):
        live[step] += live[step - 1]
    return live[:-1], stays


@njit(cache=True)
def nest_kernel(words, steps, scopes, sizes, has_weights, bits, costs, least, witness, number):  # type: ignore[no-untyped-def]
    """Every depth of every operand of one nest, with and without words kept into the next scope.

    bits (3,): of a live word; costs (3,): of one more stay. least[b]: least traffic so far of what
    needs b bits, witness[b]: nest number, depths, keeps. Returns how many mappings were counted.
    """
    levels = scopes.shape[1]
    span = steps[-1] + 1
    profiles = np.zeros((3, 2 * levels, span), np.int64)
    traffic = np.zeros((3, 2 * levels), np.int64)
    choice = np.zeros((3, 2 * levels), np.int64)
    count = np.zeros(3, np.int64)
    for operand in range(3):
        if operand == 0 and not has_weights:
            count[0] = 1
            continue
        for at in range(2 * levels):
            live, stays = held(
                words[:, operand], steps, scopes[:, at // 2], at % 2 == 1, sizes[operand]
            )
            live = live * bits[operand]
            cost = stays * costs[operand]
            is_beaten = False
            for other in range(count[operand]):
                if traffic[operand, other] <= cost:
                    if np.all(profiles[operand, other] <= live):
                        is_beaten = True
                        break
            if not is_beaten:
                mine = count[operand]
                profiles[operand, mine] = live
                traffic[operand, mine] = cost
                choice[operand, mine] = at
                count[operand] += 1
    both = np.zeros(span, np.int64)
    for i in range(count[0]):
        for j in range(count[1]):
            both = profiles[0, i] + profiles[1, j]
            for k in range(count[2]):
                cost = traffic[0, i] + traffic[1, j] + traffic[2, k]
                peak = 0
                for step in range(span):
                    live = both[step] + profiles[2, k, step]
                    if live > peak:
                        peak = live
                if cost < least[peak]:
                    least[peak] = cost
                    witness[peak, 0] = number
                    witness[peak, 1] = choice[0, i]
                    witness[peak, 2] = choice[1, j]
                    witness[peak, 3] = choice[2, k]
    operands = 2 + (1 if has_weights else 0)
    return (2 * levels) ** operands
