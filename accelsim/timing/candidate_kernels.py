"""The kernel behind `candidates`: what every candidate holds, moves and takes, and the best of all.

Jitted functions call only jitted functions of their own file. A candidate's tiles are of a few
kinds, products of the axes' kinds of pieces; tiles follow each other without overlap (see
`pipeline`), so that cycles, like words, are sums over kinds times how many there are. A tile's
first load is asked for when the compute before it ends, and the store before it, asked for at the
same time, has then waited out the latency: only the layer's first tile pays it. A tile's own
timeline begins with that latency, so that the layer takes

    latency + groups · sum over kinds of count · (timeline of the kind - latency)

In a tile whose inner blocks are all alike the timeline is max-plus linear: once the channel and the
next load stand to the array as they did a block before, each further block adds the same.

The tables of the axes are those of `axis_pieces`, with the reads of their windows filled in.
`_box` is `memory.box_cost` once more.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numba import njit

from accelsim.timing.axis_pieces import OF_INPUTS, OF_OUTPUTS, OF_TAPS, PIECE_RUNS, STEP_RUNS

# places in `layer`; STORED are parts of a bit of a word in DRAM, ALL extents of whole tensors
N, K, C, WIDTH_W, WIDTH_I, WIDTH_O, WIDTH_P, GROUPS, HAS_WEIGHTS = range(9)
STORED_W, STORED_I, STORED_O, STORED_P = 9, 10, 11, 12
ALL_K, ALL_C, ALL_H, ALL_W, ALL_P, ALL_Q, ALL_R, ALL_S = 13, 14, 15, 16, 17, 18, 19, 20
PARTS, SLOWDOWN_ONE = 256, 1024  # of a bit; of the peak's time per byte
# places in `machine`; a spatial array has kind 0, then os, ws, is; PORT is 0 without a limit,
# 1 for one port, 3 for a bus per operand
KIND, ROWS, COLS, OVERLAPS, UNROLL, LANES, PORT, RATES = 0, 1, 2, 3, 4, 11, 12, 13
BITS_NUMERATOR, BITS_DENOMINATOR, LATENCY, BUFFERING, CAPACITIES, OBJECTIVE = 16, 17, 18, 19, 20, 23
SINGLE, PREFETCH, DOUBLE = 0, 1, 2
COMPULSORY = 24  # parts of a whole layer's words, each once
# parts of a burst (0: any bits move alone), pixels of all channels together (1) or not, and the
# table of run lengths in parts and slowdowns, so many rows, and the least of these slowdowns
BURST, CHANNELS_LAST, FASTEST, LENGTHS = 25, 26, 27, 28
# prices in millionths of a pJ: of a layer whatever its schedule is, of a MAC of a block's box, of
# the register words of a sum, of a word of weights, inputs, outputs in SRAM, of a bit of DRAM
PJ_LAYER, PJ_MAC, PJ_SUM, PJ_W, PJ_I, PJ_O, PJ_DRAM, TABLE = 29, 30, 31, 32, 33, 34, 35, 36
CYCLES, TRAFFIC, SPACE, ONCE, STALL_FREE, ENERGY, EDP = 0, 1, 2, 3, 4, 5, 6
# places in `found`: what is compared, then what is told. SPACE compares bits beyond the capacity;
# ONCE is the least SRAM in which each word moves once, STALL_FREE likewise without IDLE cycles
# and with transfers that take no longer than the array does
TIME, MOVED, HELD, TILES = 0, 1, 2, 3
HELD_W, HELD_I, HELD_O, COMPUTE, DRAM, BLOCKS, OVER = 4, 5, 6, 7, 8, 9, 10
READ_W, READ_I, READ_P, WRITE_O, WRITE_P = 11, 12, 13, 14, 15
FAMILY, N_SIZE, K_SIZE, C_SIZE, P_SIZE, Q_SIZE, STEP = 16, 17, 18, 19, 20, 21, 22
IDLE = 23  # cycles in which the array waits, but for the first block of each tile
BURSTS, AT_PEAK = 24, 25  # parts of all bursts; bits that take as long at the peak
# words in SRAM that blocks read, visits of psums; MACs of their boxes, sums that go to a register
USED_W, USED_I, VISITS, MACS, SUMS = 26, 27, 28, 29, 30
FIELDS = 31
OUTPUTS_STAY, INPUTS_STAY, WEIGHTS_STAY = 0, 1, 2
# places in what `_fill_least` tells
MOVES, LOADS_W, LOADS_I, SPILLS, STORES_O, WORKS = range(6)
_MOST_BLOCKS = 2**16


@njit(cache=True)
def search(layer, machine, families, sizes, rows, cols, steps):  # type: ignore[no-untyped-def]
    """The best candidate of the families that are asked for, as `found`; TIME -1 if none fits.

    sizes: of n, k, c, p, q: (sizes, 3) number of tiles, extent, extent of the last. rows, cols:
    kinds of pieces of every cut and where each cut's begin. steps: the same of blocks of rows.
    """
    best, now = np.zeros(FIELDS, np.int64), np.zeros(FIELDS, np.int64)
    best[TIME] = -1
    tried = np.array([len(size) for size in sizes])  # of n, k, c, p, q
    if _is_once(machine):  # words of several tiles move again
        tried[:] = 1
    if machine[KIND] == 1:
        tried[2] = 1  # sums of `os` do not leave unfinished
    sums = _sums(machine, rows, 3), _sums(machine, cols, 4)
    if families[OUTPUTS_STAY]:
        _try_outputs(layer, machine, now, best, tried, sums, sizes, rows, cols)
    if families[INPUTS_STAY]:
        _try_inputs(layer, machine, now, best, tried, sums, sizes, rows, cols)
    if families[WEIGHTS_STAY]:
        _try_weights(layer, machine, now, best, tried, sums, sizes, cols, steps, rows)
    return best


@njit(cache=True)
def _try_outputs(layer, machine, now, best, tried, sums, sizes, rows, cols):  # type: ignore[no-untyped-def]
    """Put the best of outputs that stay in place of the best, if it is better."""
    ns, ks, cs = sizes[:3]
    least = np.zeros(6, np.int64)
    for n in range(tried[0]):
        for k in range(tried[1]):
            for p in range(tried[3]):
                for q in range(tried[4]):
                    row, col = sums[0][p], sums[1][q]
                    _fill_least(layer, machine, least, ns[n], ks[k], cs[0], row, col)
                    if _is_beaten(layer, machine, best, least, 0):
                        continue
                    for step in range(len(cs)):
                        # nothing goes by as a tile's first block comes, or its outputs leave
                        part = cs[step, 1] / layer[C]
                        alone = part * (least[LOADS_W] + least[LOADS_I]) + least[STORES_O]
                        if _is_beaten(layer, machine, best, least, alone):
                            continue
                        _place(now, OUTPUTS_STAY, n, k, 0, p, q, step)
                        if _outputs_stay(layer, machine, now, best, sizes, rows, cols):
                            best[:] = now


@njit(cache=True)
def _try_inputs(layer, machine, now, best, tried, sums, sizes, rows, cols):  # type: ignore[no-untyped-def]
    """Put the best of inputs that stay in place of the best, if it is better."""
    ns, ks, cs = sizes[:3]
    least = np.zeros(6, np.int64)
    for n in range(tried[0]):
        for c in range(tried[2]):
            for p in range(tried[3]):
                for q in range(tried[4]):
                    row, col = sums[0][p], sums[1][q]
                    _fill_least(layer, machine, least, ns[n], ks[0], cs[c], row, col)
                    if _is_beaten(layer, machine, best, least, 0):
                        continue
                    for step in range(len(ks)):
                        # nor as its inputs and first block come, or its last block's outputs go
                        first, last = ks[step, 1] / layer[K], ks[step, 2] / layer[K]
                        alone = least[LOADS_I] + first * (least[LOADS_W] + least[SPILLS])
                        alone += last * (least[STORES_O] + least[SPILLS])
                        if _is_beaten(layer, machine, best, least, alone):
                            continue
                        _place(now, INPUTS_STAY, n, 0, c, p, q, step)
                        if _inputs_stay(layer, machine, now, best, sizes, rows, cols):
                            best[:] = now


@njit(cache=True)
def _try_weights(layer, machine, now, best, tried, sums, sizes, cols, steps, rows):  # type: ignore[no-untyped-def]
    """Put the best of weights that stay in place of the best, if it is better."""
    ns, ks, cs = sizes[:3]
    least, whole = np.zeros(6, np.int64), sums[0][0].copy()
    for k in range(tried[1]):
        for c in range(tried[2]):
            for q in range(tried[4]):
                col, whole[3] = sums[1][q], sums[0][:, 3].min()
                _fill_least(layer, machine, least, ns[0], ks[k], cs[c], whole, col)
                if _is_beaten(layer, machine, best, least, 0):
                    continue
                for step in range(len(steps[1]) - 1):
                    table = steps[0][steps[1][step] : steps[1][step + 1]]
                    whole[3] = sums[0][step, 3]  # the array takes the rows block by block
                    _fill_least(layer, machine, least, ns[0], ks[k], cs[c], whole, col)
                    if _is_beaten(
                        layer, machine, best, least, _ends_of_rows(layer, least, table, whole)
                    ):
                        continue
                    _place(now, WEIGHTS_STAY, 0, k, c, 0, q, step)
                    if _weights_stay(layer, machine, now, best, sizes, cols, steps, rows):
                        best[:] = now


@njit(cache=True)
def _place(now, family, n, k, c, p, q, step):  # type: ignore[no-untyped-def]
    """Begin a candidate: nothing counted, its choices noted."""
    now[:] = 0
    now[FAMILY], now[N_SIZE], now[K_SIZE], now[C_SIZE] = family, n, k, c
    now[P_SIZE], now[Q_SIZE], now[STEP] = p, q, step


@njit(cache=True)
def _fill_least(layer, machine, least, n, k, c, row, col):  # type: ignore[no-untyped-def]
    """Fill in what tiles of such sizes do whatever block they have, the whole layer.

    Parts that move; parts of weights, inputs loaded, of psums spilled one way, of outputs stored;
    cycles that the array works at least. row, col: `_sums` of the cuts.
    """
    groups = layer[GROUPS]
    fed = layer[N] * layer[K] * row[0] * col[0] * groups
    weights = n[0] * layer[K] * layer[C] * row[1] * col[1] * layer[STORED_W] * groups
    least[LOADS_W] = weights * layer[HAS_WEIGHTS]
    least[LOADS_I] = k[0] * layer[N] * layer[C] * row[2] * col[2] * layer[STORED_I] * groups
    least[SPILLS], least[STORES_O] = (c[0] - 1) * fed * layer[STORED_P], fed * layer[STORED_O]
    least[MOVES] = least[LOADS_W] + least[LOADS_I] + 2 * least[SPILLS] + least[STORES_O]
    least[WORKS] = 0
    if machine[KIND] == 0 and layer[HAS_WEIGHTS]:  # cycles of tiles are products, too
        cycles = row[3] * col[3] * -(-layer[C] // machine[UNROLL + 2])
        cycles *= (n[0] - 1) * -(-n[1] // machine[UNROLL]) + -(-n[2] // machine[UNROLL])
        cycles *= (k[0] - 1) * -(-k[1] // machine[UNROLL + 1]) + -(-k[2] // machine[UNROLL + 1])
        least[WORKS] = cycles * groups


@njit(cache=True)
def _is_beaten(layer, machine, best, least, alone):  # type: ignore[no-untyped-def]
    """Whether what moves and works so much at least (`_fill_least`) is no better than the best.

    alone: parts that are moved while the array does not work; tiles do not overlap. Bursts hold
    what moves and more, and no run is faster than the fastest of the table.
    """
    if best[TIME] < 0 or machine[OBJECTIVE] == SPACE or _is_once(machine):
        return False
    if machine[OBJECTIVE] == TRAFFIC:
        return least[MOVES] > best[MOVED]
    priced = machine[OBJECTIVE] == ENERGY or machine[OBJECTIVE] == EDP
    energy = _least_energy(layer, machine, least) if priced else 0.0
    if machine[OBJECTIVE] == ENERGY:
        return energy > _energy(layer, machine, best)
    # rounded down, in floats: so many bits in one transfer are more than int64 may hold
    rate = machine[BITS_NUMERATOR] / machine[BITS_DENOMINATOR] / PARTS
    rate *= 0.999999 * machine[FASTEST] / SLOWDOWN_ONE
    cycles = max(int(rate * least[MOVES]), least[WORKS] + int(rate * alone))
    if machine[OBJECTIVE] == EDP:
        return energy * cycles > _energy(layer, machine, best) * best[TIME]
    return cycles > best[TIME] or (cycles == best[TIME] and least[MOVES] > best[MOVED])


@njit(cache=True)
def _is_once(machine):  # type: ignore[no-untyped-def]
    return machine[OBJECTIVE] == ONCE or machine[OBJECTIVE] == STALL_FREE


@njit(cache=True)
def _least_energy(layer, machine, least):  # type: ignore[no-untyped-def]
    """Millionths of a pJ that tiles cost at least: the layer's own, DRAM, and SRAM as it is filled.

    In floats, with a margin for their rounding.
    """
    found = machine[PJ_LAYER] + float(machine[PJ_DRAM]) * least[MOVES] / PARTS
    found += float(machine[PJ_W]) * least[LOADS_W] / layer[STORED_W]
    found += float(machine[PJ_I]) * least[LOADS_I] / layer[STORED_I]
    found += float(machine[PJ_O]) * 2 * least[SPILLS] / layer[STORED_P]
    return 0.999999 * found


@njit(cache=True)
def _energy(layer, machine, now):  # type: ignore[no-untyped-def]
    """Millionths of a pJ that a candidate costs, see `events`."""
    used = now[USED_W], now[USED_I], now[VISITS]
    if layer[HAS_WEIGHTS] == 0:  # passes through
        used = 0, now[READ_I], now[WRITE_O]
    found = machine[PJ_LAYER] + float(machine[PJ_DRAM]) * now[BURSTS] / PARTS
    found += float(machine[PJ_MAC]) * now[MACS] + float(machine[PJ_SUM]) * now[SUMS]
    found += float(machine[PJ_W]) * (now[READ_W] + used[0])
    found += float(machine[PJ_I]) * (now[READ_I] + used[1])
    return found + float(machine[PJ_O]) * (now[READ_P] + now[WRITE_P] + 2 * used[2])


@njit(cache=True)
def _count(layer, machine, now, number, box, row_reads, col_reads):  # type: ignore[no-untyped-def]
    """Add what a number of blocks of a box use."""
    if layer[HAS_WEIGHTS] == 0 or machine[OBJECTIVE] < ENERGY:
        return
    number *= layer[GROUPS]
    weights, inputs, outputs, _ = _accesses(machine, box, row_reads, col_reads)
    macs, depth = 1, 1
    for at in range(7):
        macs *= box[at]
        if machine[KIND] == 0 and (at == 2 or at > 4):
            depth *= min(box[at], machine[UNROLL + at])
    now[USED_W] += number * weights
    now[USED_I] += number * inputs
    now[VISITS] += number * outputs
    now[MACS] += number * macs
    now[SUMS] += number * -(-macs // depth)


@njit(cache=True)
def _ends_of_rows(layer, least, table, row):  # type: ignore[no-untyped-def]
    """Parts that come with the first and go with the last block of rows of a tile, of all tiles."""
    outputs, taps, inputs = max(row[0], 1), max(row[1], 1), max(row[2], 1)
    come = table[0, 7] / inputs * least[LOADS_I] + table[0, 3] / outputs * least[SPILLS]
    go = table[-1, 3] / outputs * (least[STORES_O] + least[SPILLS])
    return table[0, 4] / taps * least[LOADS_W] + (come + go) / layer[N]


@njit(cache=True)
def _sums(machine, axis, dim):  # type: ignore[no-untyped-def]
    """Outputs fed, taps and inputs used, steps of a spatial array, of all pieces: (cuts, 4)."""
    cuts = len(axis[1]) - 1
    found = np.zeros((cuts, 4), np.int64)
    for cut in range(cuts):
        for at in range(axis[1][cut], axis[1][cut + 1]):
            row = axis[0][at]
            along = -(-row[0] // machine[UNROLL + dim]) * -(-row[1] // machine[UNROLL + dim + 2])
            for place in range(3):
                found[cut, place] += row[5] * row[2 + place]
            found[cut, 3] += row[5] * along
    return found


@njit(cache=True)
def _outputs_stay(layer, machine, now, best, sizes, rows, cols):  # type: ignore[no-untyped-def]
    """Outputs of a tile (n, k, p, q) stay while blocks of c, with all taps, go by."""
    ns, ks, cs, ps, qs = sizes
    n_size, k_size, block = ns[now[N_SIZE]], ks[now[K_SIZE]], cs[now[STEP], 1]
    count = -(-layer[C] // block)
    largest = n_size[1], k_size[1], block, ps[now[P_SIZE], 1], qs[now[Q_SIZE], 1], 1, 1
    goes_on = machine[KIND] == 1 and _folds(machine, largest) == 1
    if machine[KIND] == 1 and count > 1 and not goes_on:
        return False  # sums stay in the PEs
    last = layer[C] - (count - 1) * block
    held, spans = np.zeros(3, np.int64), np.zeros(9, np.int64)
    for a in range(2 * 2):
        n, n_count = _piece(n_size, a // 2)
        k, k_count = _piece(k_size, a % 2)
        for i in range(rows[1][now[P_SIZE]], rows[1][now[P_SIZE] + 1]):
            for j in range(cols[1][now[Q_SIZE]], cols[1][now[Q_SIZE] + 1]):
                row, col = rows[0][i], cols[0][j]
                number = n_count * k_count * row[5] * col[5]
                if number == 0:
                    continue
                w = k * row[3] * col[3] * layer[HAS_WEIGHTS]
                u, fed = n * row[4] * col[4], n * k * row[2] * col[2]
                each = w * layer[WIDTH_W], u * layer[WIDTH_I]
                after = 0 if count == 1 or machine[BUFFERING] != PREFETCH else block
                after = last if count == 2 and after else after
                held[0], held[1] = (block + after) * each[0], (block + after) * each[1]
                held[2] = fed * layer[WIDTH_P]
                if not _fits(machine, held, now):
                    return False
                whole = n, k, block, row[0], col[0], row[1], col[1]
                rest = n, k, last, row[0], col[0], row[1], col[1]
                loaded = _add_boxes(
                    _weights(layer, machine, k, block, row, col, PIECE_RUNS, row[3]),
                    _inputs(layer, machine, n, block, row, col, PIECE_RUNS, row[4]),
                )
                ending = loaded
                if last != block:
                    ending = _add_boxes(
                        _weights(layer, machine, k, last, row, col, PIECE_RUNS, row[3]),
                        _inputs(layer, machine, n, last, row, col, PIECE_RUNS, row[4]),
                    )
                stored = _outputs(
                    layer, machine, layer[STORED_O], n, k, row, col, PIECE_RUNS, row[2]
                )
                spans[0] = spans[1] = _transfer(machine, loaded[1])
                spans[2] = _transfer(machine, ending[1])
                spans[3] = _cycles(layer, machine, whole, row[6], col[6], False)
                spans[4] = _cycles(layer, machine, whole, row[6], col[6], goes_on)
                spans[5] = _cycles(layer, machine, rest, row[6], col[6], goes_on)
                spans[6] = spans[7] = 0
                spans[8] = _transfer(machine, stored[1])
                if count == 1:
                    spans[5] = spans[3]
                _add_moved(now, layer, number * (count - 1), loaded)
                _add_moved(now, layer, number, _add_boxes(ending, stored))
                now[READ_W] += number * layer[C] * w
                now[READ_I] += number * layer[C] * u
                now[WRITE_O] += number * fed
                _count(layer, machine, now, number * (count - 1), whole, row[6], col[6])
                _count(layer, machine, now, number, rest, row[6], col[6])
                if not _add_tiles(layer, machine, now, best, number, count, spans):
                    return False
    return _is_better(layer, machine, now, best)


@njit(cache=True)
def _inputs_stay(layer, machine, now, best, sizes, rows, cols):  # type: ignore[no-untyped-def]
    """Inputs of a tile (n, c, p, q) stay while blocks of k, with all taps, go by."""
    ns, ks, cs = sizes[:3]
    n_size, c_size, block = ns[now[N_SIZE]], cs[now[C_SIZE]], ks[now[STEP], 1]
    count = -(-layer[K] // block)
    last = layer[K] - (count - 1) * block
    held, spans = np.zeros(3, np.int64), np.zeros(9, np.int64)
    for a in range(2 * 3):
        n, n_count = _piece(n_size, a // 3)
        c, c_count, again, ends = _channels(c_size, a % 3)
        for i in range(rows[1][now[P_SIZE]], rows[1][now[P_SIZE] + 1]):
            for j in range(cols[1][now[Q_SIZE]], cols[1][now[Q_SIZE] + 1]):
                row, col = rows[0][i], cols[0][j]
                number = n_count * c_count * row[5] * col[5]
                if number == 0:
                    continue
                w = c * row[3] * col[3] * layer[HAS_WEIGHTS]
                u, fed = n * c * row[4] * col[4], n * row[2] * col[2]
                held[1] = u * layer[WIDTH_I]
                _hold_k(layer, machine, held, count, block, last, w, fed, again, ends)
                if not _fits(machine, held, now):
                    return False
                whole = n, block, c, row[0], col[0], row[1], col[1]
                rest = n, last, c, row[0], col[0], row[1], col[1]
                goes_on = machine[KIND] == 3 and _folds(machine, whole) == 1
                resident = _inputs(layer, machine, n, c, row, col, PIECE_RUNS, row[4])
                load, store = _block_of_k(layer, machine, n, block, c, row, col, again, ends)
                load_last, store_last = load, store
                if last != block:
                    load_last, store_last = _block_of_k(
                        layer, machine, n, last, c, row, col, again, ends
                    )
                spans[0] = _transfer(machine, _add_boxes(load, resident)[1])
                spans[1] = _transfer(machine, load[1])
                spans[2] = _transfer(machine, load_last[1])
                spans[3] = _cycles(layer, machine, whole, row[6], col[6], False)
                spans[4] = _cycles(layer, machine, whole, row[6], col[6], goes_on)
                spans[5] = _cycles(
                    layer, machine, rest, row[6], col[6], machine[KIND] == 3
                    and _folds(machine, rest) == 1,
                )  # fmt: skip
                if count == 1:
                    spans[5] = spans[3]
                spans[6] = spans[7] = _transfer(machine, store[1])
                spans[8] = _transfer(machine, store_last[1])
                _add_moved(now, layer, number * (count - 1), _add_boxes(load, store))
                _add_moved(now, layer, number, _add_boxes(load_last, store_last))
                _add_moved(now, layer, number, resident)
                now[READ_W] += number * layer[K] * w
                now[READ_I] += number * u
                now[READ_P] += number * layer[K] * fed * again
                now[WRITE_O] += number * layer[K] * fed * ends
                now[WRITE_P] += number * layer[K] * fed * (not ends)
                _count(layer, machine, now, number * (count - 1), whole, row[6], col[6])
                _count(layer, machine, now, number, rest, row[6], col[6])
                if not _add_tiles(layer, machine, now, best, number, count, spans):
                    return False
    return _is_better(layer, machine, now, best)


@njit(cache=True)
def _block_of_k(layer, machine, n, k, c, row, col, again, ends):  # type: ignore[no-untyped-def]
    """What a block of k beside inputs that stay loads, without these, and what it stores."""
    load = _weights(layer, machine, k, c, row, col, PIECE_RUNS, row[3])
    if again:
        psums = _outputs(layer, machine, layer[STORED_P], n, k, row, col, PIECE_RUNS, row[2])
        load = _add_boxes(load, psums)
    word = layer[STORED_O] if ends else layer[STORED_P]
    return load, _outputs(layer, machine, word, n, k, row, col, PIECE_RUNS, row[2])


@njit(cache=True)
def _hold_k(layer, machine, held, count, block, last, w, fed, again, ends):  # type: ignore[no-untyped-def]
    """Most bits of weights and outputs beside inputs that stay; `held` has theirs already.

    With prefetch a block's neighbours count too: the next one's loads, outputs of the one before.
    """
    weights, outputs, most = 0, 0, -1
    for at in range(min(count, 5)):
        place = at if at < 3 else count - (5 - at) if count > 4 else at
        own = last if place == count - 1 else block
        after = 0 if place >= count - 1 else last if place == count - 2 else block
        before = block if place else 0
        if machine[BUFFERING] != PREFETCH:
            after = before = 0
        mine = (own + after) * w * layer[WIDTH_W]
        theirs = (own + after * again) * fed * layer[WIDTH_P] + before * ends * fed * layer[WIDTH_O]
        if machine[CAPACITIES + 1] >= 0:  # of separate buffers each counts alone
            weights, outputs = max(weights, mine), max(outputs, theirs)
        elif mine + theirs > most:
            weights, outputs, most = mine, theirs, mine + theirs
    held[0], held[2] = weights, outputs


@njit(cache=True)
def _weights_stay(layer, machine, now, best, sizes, cols, steps, rows):  # type: ignore[no-untyped-def]
    """Weights of a tile (k, c, q) stay while blocks of rows go by, image after image."""
    ks, cs = sizes[1:3]
    k_size, c_size = ks[now[K_SIZE]], cs[now[C_SIZE]]
    first, stop = steps[1][now[STEP]], steps[1][now[STEP] + 1]
    table = steps[0][first:stop]
    blocks = layer[N] * len(table)
    if blocks > _MOST_BLOCKS or table[0, 3] == 0 or table[-1, 3] == 0:
        return False  # a tile begins with a load and ends with a store, or tiles do not add up
    spans, held = np.zeros((blocks, 3), np.int64), np.zeros(3, np.int64)
    for a in range(2 * 3):
        k, k_count = _piece(k_size, a // 3)
        c, c_count, again, ends = _channels(c_size, a % 3)
        for j in range(cols[1][now[Q_SIZE]], cols[1][now[Q_SIZE] + 1]):
            col = cols[0][j]
            number = k_count * c_count * col[5]
            if number == 0:
                continue
            if _is_too_much(layer, machine, table[len(table) // 2], k, c, col):
                return False
            moved = _rows_go_by(layer, machine, table, k, c, again, ends, col, held, spans)
            if not _fits(machine, held, now):
                return False
            _add_moved(now, layer, number, moved)
            taps, ins, fed = 0, 0, 0
            for at in range(len(table)):
                box = 1, k, c, table[at, 0], col[0], table[at, 1], col[1]
                _count(layer, machine, now, number * layer[N], box, table[at, 9], col[6])
                taps, ins, fed = taps + table[at, 4], ins + table[at, 7], fed + table[at, 3]
            fed *= layer[N] * k * col[2] * number
            now[READ_W] += number * k * c * taps * col[3] * layer[HAS_WEIGHTS]
            now[READ_I] += number * layer[N] * c * ins * col[4]
            now[READ_P] += fed * again
            now[WRITE_O] += fed * ends
            now[WRITE_P] += fed * (not ends)
            total, idle = _timeline(spans, machine)
            _add(layer, machine, now, number, total, idle, spans[:, 1].sum(),
                 spans[:, 0].sum() + spans[:, 2].sum(), blocks)  # fmt: skip
            if _is_late(machine, now, best):
                return False
    return _is_better(layer, machine, now, best)


@njit(cache=True)
def _is_too_much(layer, machine, step, k, c, col):  # type: ignore[no-untyped-def]
    """Whether what a block of rows uses, with the weights that wait, is beyond the capacity."""
    copies = 2 if machine[BUFFERING] == DOUBLE else 1
    weights = copies * (step[5] - step[6]) * k * c * col[3] * layer[WIDTH_W] * layer[HAS_WEIGHTS]
    inputs = copies * step[8] * c * col[4] * layer[WIDTH_I]
    psums = copies * step[3] * k * col[2] * layer[WIDTH_P]
    if machine[OBJECTIVE] == SPACE:
        return False
    if machine[CAPACITIES + 1] < 0:
        return weights + inputs + psums > machine[CAPACITIES]
    beyond = weights > machine[CAPACITIES] or inputs > machine[CAPACITIES + 1]
    return beyond or psums > machine[CAPACITIES + 2]


@njit(cache=True)
def _rows_go_by(layer, machine, table, k, c, again, ends, col, held, spans):  # type: ignore[no-untyped-def]
    """Fill the cycles of each block's load, compute and store, the most bits held; what moves."""
    w = k * c * col[3] * layer[WIDTH_W] * layer[HAS_WEIGHTS]
    u, fed = c * col[4] * layer[WIDTH_I], k * col[2]
    ahead, apart = machine[BUFFERING] == PREFETCH, machine[CAPACITIES + 1] >= 0
    all_taps, count = table[:, 4].sum(), len(table)
    most = -1
    held[:] = 0
    moved = _move_rows(layer, machine, table, k, c, again, ends, col, spans)
    for at in range(layer[N] * count):
        n, step = at // count, table[at % count]
        box = 1, k, c, step[0], col[0], step[1], col[1]
        goes_on = machine[KIND] == 2 and _folds(machine, box) == 1 and at > 0
        if goes_on:
            before = table[(at - 1) % count]
            goes_on = before[1] == step[1] and before[2] == step[2]
        spans[at, 1] = _cycles(layer, machine, box, step[9], col[6], goes_on)
        born = all_taps if n else step[5]
        gone = step[6] if n == layer[N] - 1 else 0
        weights, inputs, outputs = (born - gone) * w, step[8] * u, step[3] * fed * layer[WIDTH_P]
        if ahead and at + 1 < layer[N] * count:
            after = table[(at + 1) % count]
            weights += after[4] * w * (at + 1 < count)
            inputs += after[7] * u
            outputs += again * after[3] * fed * layer[WIDTH_P]
        if ahead and at and ends:
            outputs += table[(at - 1) % count][3] * fed * layer[WIDTH_O]
        if apart:
            held[0], held[1] = max(held[0], weights), max(held[1], inputs)
            held[2] = max(held[2], outputs)
        elif weights + inputs + outputs > most:
            held[0], held[1], held[2] = weights, inputs, outputs
            most = weights + inputs + outputs
    return moved


@njit(cache=True)
def _move_rows(layer, machine, table, k, c, again, ends, col, spans):  # type: ignore[no-untyped-def]
    """Fill the cycles of each block's load and store; parts and bits of all of them."""
    count, images = len(table), layer[N]
    load, store, moved = (0, 0), (0, 0), (0, 0)
    word = layer[STORED_O] if ends else layer[STORED_P]
    for at in range(count):
        step = table[at]
        if at == 0 or not _moves_alike(step, table[at - 1]):
            load = _inputs(layer, machine, 1, c, step, col, STEP_RUNS, step[7])
            store = _outputs(layer, machine, word, 1, k, step, col, STEP_RUNS, step[3])
            if again:
                psums = layer[STORED_P]
                load = _add_boxes(
                    load, _outputs(layer, machine, psums, 1, k, step, col, STEP_RUNS, step[3])
                )
        first = load
        if step[4]:
            weights = _weights(layer, machine, k, c, step, col, STEP_RUNS, step[4])
            first = _add_boxes(load, weights)
        loading, storing = _transfer(machine, load[1]), _transfer(machine, store[1])
        for n in range(images):
            spans[n * count + at, 0], spans[n * count + at, 2] = loading, storing
        spans[at, 0] = _transfer(machine, first[1])
        both = _add_boxes(load, store)
        moved = _add_boxes(moved, _add_boxes(first, store))
        moved = moved[0] + (images - 1) * both[0], moved[1] + (images - 1) * both[1]
    return moved


@njit(cache=True)
def _moves_alike(step, other):  # type: ignore[no-untyped-def]
    """Whether two steps load and store as many inputs and outputs, lying alike."""
    if step[3] != other[3] or step[7] != other[7]:
        return False
    for of in (OF_OUTPUTS, OF_INPUTS):
        at = STEP_RUNS + of
        if step[at] != other[at] or step[at + 1] != other[at + 1]:
            return False
    return True


@njit(cache=True)
def _piece(size, which):  # type: ignore[no-untyped-def]
    """Extent and number of the tiles of a dim but the last (0), or of the last (1)."""
    return (size[2], 1) if which else (size[1], size[0] - 1)


@njit(cache=True)
def _channels(size, which):  # type: ignore[no-untyped-def]
    """Extent and number of tiles of c: the first, those between, the last; come psums, do they end.

    Without a cut the last is the only one, to which none come.
    """
    count = size[0]
    if which == 2:
        return size[2], 1, int(count > 1), 1
    if which == 1:
        return size[1], max(count - 2, 0), 1, 0
    return size[1], int(count > 1), 0, 0


@njit(cache=True)
def _fits(machine, held, now):  # type: ignore[no-untyped-def]
    """Note what a kind of tile holds; whether it is within the capacity, or what is beyond it."""
    copies = 2 if machine[BUFFERING] == DOUBLE else 1
    apart = machine[CAPACITIES + 1] >= 0
    over = 0
    if apart:
        for operand in range(3):
            now[HELD_W + operand] = max(now[HELD_W + operand], copies * held[operand])
            over += max(0, now[HELD_W + operand] - machine[CAPACITIES + operand])
        now[HELD] = now[HELD_W] + now[HELD_I] + now[HELD_O]
    else:
        bits = copies * held.sum()
        if bits > now[HELD]:
            now[HELD] = bits
            for operand in range(3):
                now[HELD_W + operand] = copies * held[operand]
        over = max(0, now[HELD] - machine[CAPACITIES])
    now[OVER] = over
    return over == 0 or machine[OBJECTIVE] == SPACE


@njit(cache=True)
def _add_tiles(layer, machine, now, best, number, count, spans):  # type: ignore[no-untyped-def]
    """Add tiles of `count` blocks, spans: load, compute, store of the first, the others, the last.

    False if the candidate is now later than the best.
    """
    if machine[OBJECTIVE] == SPACE:
        return True
    if now[BLOCKS] + number * count * layer[GROUPS] > 2**40:
        return False
    total, idle = _alike(spans, machine, count)
    inner = max(count - 2, 0)
    compute = spans[3] * (count > 1) + inner * spans[4] + spans[5]
    dram = spans[0] + spans[8]
    if count > 1:
        dram += inner * (spans[1] + spans[7]) + spans[2] + spans[6]
    _add(layer, machine, now, number, total, idle, compute, dram, count)
    return not _is_late(machine, now, best)


@njit(cache=True)
def _add(layer, machine, now, number, total, idle, compute, dram, blocks):  # type: ignore[no-untyped-def]
    number *= layer[GROUPS]
    now[TIME] += number * (total - machine[LATENCY])
    now[IDLE] += number * idle
    now[COMPUTE] += number * compute
    now[DRAM] += number * dram
    now[TILES] += number
    now[BLOCKS] += number * blocks


@njit(cache=True)
def _is_late(machine, now, best):  # type: ignore[no-untyped-def]
    return machine[OBJECTIVE] == CYCLES and best[TIME] >= 0 and now[TIME] > best[TIME]


@njit(cache=True)
def _is_better(layer, machine, now, best):  # type: ignore[no-untyped-def]
    """Finish the sums of a candidate and compare it with the best, if there is one."""
    for place in range(READ_W, WRITE_P + 1):
        now[place] *= layer[GROUPS]
    now[TIME] += machine[LATENCY]
    now[MOVED] = now[READ_W] * layer[STORED_W] + now[READ_I] * layer[STORED_I]
    now[MOVED] += now[WRITE_O] * layer[STORED_O]
    now[MOVED] += (now[READ_P] + now[WRITE_P]) * layer[STORED_P]
    if _is_once(machine) and now[MOVED] > machine[COMPULSORY]:
        return False
    if machine[OBJECTIVE] == STALL_FREE and (now[IDLE] > 0 or now[DRAM] > now[COMPUTE]):
        return False
    if best[TIME] < 0:
        return True
    order = (TIME, MOVED, HELD, TILES)
    if machine[OBJECTIVE] >= ENERGY:
        mine, other = _energy(layer, machine, now), _energy(layer, machine, best)
        if machine[OBJECTIVE] == EDP:
            mine, other = mine * now[TIME], other * best[TIME]
        if mine != other:
            return mine < other
    if machine[OBJECTIVE] == TRAFFIC:
        order = (MOVED, TIME, HELD, TILES)
    if machine[OBJECTIVE] == SPACE:
        order = (OVER, HELD, MOVED, TILES)
    if _is_once(machine):
        order = (HELD, TIME, MOVED, TILES)
    for place in order:
        if now[place] != best[place]:
            return now[place] < best[place]
    return False


@njit(cache=True, inline="always")
def _weights(layer, machine, k, c, row, col, at, taps):  # type: ignore[no-untyped-def]
    """Parts and bits of the weights of k and c at so many taps along rows, and those of `col`."""
    if layer[HAS_WEIGHTS] == 0:
        return 0, 0
    if machine[BURST] == 0:
        return _alone(layer[STORED_W], k * c * taps * col[3])
    along_k, along_c = (k, 1, k, layer[ALL_K]), (c, 1, c, layer[C])
    r = taps, row[at + OF_TAPS], row[at + OF_TAPS + 1], layer[ALL_R]
    s = col[3], col[PIECE_RUNS + OF_TAPS], col[PIECE_RUNS + OF_TAPS + 1], layer[ALL_S]
    if machine[CHANNELS_LAST]:
        return _box(machine, layer[STORED_W], along_c, s, r, along_k)
    return _box(machine, layer[STORED_W], s, r, along_c, along_k)


@njit(cache=True, inline="always")
def _inputs(layer, machine, n, c, row, col, at, used):  # type: ignore[no-untyped-def]
    """Parts and bits of the inputs of n and c in so many rows, and the columns of `col`."""
    if machine[BURST] == 0:
        return _alone(layer[STORED_I], n * c * used * col[4])
    rows = used, row[at + OF_INPUTS], row[at + OF_INPUTS + 1], layer[ALL_H]
    place = PIECE_RUNS + OF_INPUTS
    cols = col[4], col[place], col[place + 1], layer[ALL_W]
    return _pixels(layer, machine, layer[STORED_I], n, (c, 1, c, layer[ALL_C]), rows, cols)


@njit(cache=True, inline="always")
def _outputs(layer, machine, word, n, k, row, col, at, fed):  # type: ignore[no-untyped-def]
    """Parts and bits of the outputs or psums of n and k in so many rows, the columns of `col`."""
    if machine[BURST] == 0:
        return _alone(word, n * k * fed * col[2])
    rows = fed, row[at + OF_OUTPUTS], row[at + OF_OUTPUTS + 1], layer[ALL_P]
    place = PIECE_RUNS + OF_OUTPUTS
    cols = col[2], col[place], col[place + 1], layer[ALL_Q]
    return _pixels(layer, machine, word, n, (k, 1, k, layer[ALL_K]), rows, cols)


@njit(cache=True)
def _pixels(layer, machine, word, n, channels, rows, cols):  # type: ignore[no-untyped-def]
    images = n, 1, n, layer[N]
    if machine[CHANNELS_LAST]:
        return _box(machine, word, channels, cols, rows, images)
    return _box(machine, word, cols, rows, channels, images)


@njit(cache=True, inline="always")
def _alone(word, words):  # type: ignore[no-untyped-def]
    """Parts and bits of words on a channel without bursts."""
    return words * word, -(-words * word // PARTS)


@njit(cache=True)
def _box(machine, word, first, second, third, fourth):  # type: ignore[no-untyped-def]
    """`memory.box_cost`: parts of bursts and bits at the peak.

    Axes are (used, segments, span, extent), innermost first.
    """
    burst = machine[BURST]
    if first[0] * second[0] * third[0] * fourth[0] == 0:
        return 0, 0
    runs, size, reach, unit, granule = 1, word, word, word, 0
    for used, segments, span, extent in (first, second, third, fourth):
        gap, skipped = unit - reach, (span - used) * unit
        if granule == 0 and used < extent:
            granule = gcd(burst, unit)
        runs, size = used * runs, used * size
        if gap < burst:
            runs, size = runs - (used - segments), size + (used - segments) * gap
        if segments > 1:
            between = gap * (segments - 1) + skipped
            if between < burst * (segments - 1):
                runs, size = runs - (segments - 1), size + between
        reach = (span - 1) * unit + reach
        unit *= extent
    parts = -(-size // burst) * burst if granule == 0 else size + runs * (burst - granule)
    return parts, _at_peak(machine, runs, parts)


@njit(cache=True)
def _at_peak(machine, runs, parts):  # type: ignore[no-untyped-def]
    """`memory.channel_bits`: bits that take as long at the peak as bursts in so many runs."""
    count = machine[LENGTHS]
    if count == 0:
        return -(-parts // PARTS)
    mean = parts // runs
    low, high = 0, count - 1  # the last length that is no longer than the mean is in low .. high-1
    while high - low > 1:
        middle = (low + high) // 2
        if machine[TABLE + 2 * middle] <= mean:
            low = middle
        else:
            high = middle
    begin, end = machine[TABLE + 2 * low], machine[TABLE + 2 * high]
    slow, other = machine[TABLE + 2 * low + 1], machine[TABLE + 2 * high + 1]
    inside = min(max(mean, begin), end) - begin
    slow += (other - slow) * inside // (end - begin)
    return -(-parts * slow // (PARTS * SLOWDOWN_ONE))


@njit(cache=True, inline="always")
def _add_boxes(one, other):  # type: ignore[no-untyped-def]
    return one[0] + other[0], one[1] + other[1]


@njit(cache=True, inline="always")
def _add_moved(now, layer, number, box):  # type: ignore[no-untyped-def]
    now[BURSTS] += number * layer[GROUPS] * box[0]
    now[AT_PEAK] += number * layer[GROUPS] * box[1]


@njit(cache=True, inline="always")
def _transfer(machine, bits):  # type: ignore[no-untyped-def]
    """Cycles in which the channel streams so many bits."""
    return -(-bits * machine[BITS_NUMERATOR] // machine[BITS_DENOMINATOR])


@njit(cache=True)
def _folds(machine, box):  # type: ignore[no-untyped-def]
    """How often a systolic array is filled for a box of (n, k, c, p, q, r, s)."""
    down, across, _ = _sides(machine, box)
    return -(-down // machine[ROWS]) * -(-across // machine[COLS])


@njit(cache=True)
def _sides(machine, box):  # type: ignore[no-untyped-def]
    n, k, c, p, q, r, s = box
    pixels, reduced = n * p * q, c * r * s
    if machine[KIND] == 1:
        return pixels, k, reduced
    return (reduced, k, pixels) if machine[KIND] == 2 else (reduced, pixels, k)


@njit(cache=True)
def _cycles(layer, machine, box, row_reads, col_reads, goes_on):  # type: ignore[no-untyped-def]
    """`pe_array.block_cycles` of a box whose windows are read so often along rows and columns."""
    n, k, c, p, q, r, s = box
    outputs = n * p * q * k
    if layer[HAS_WEIGHTS] == 0:
        words = outputs * c * r * s
        least = _port(layer, machine, 0, words, outputs)
        return max(-(-words // machine[LANES]), least)
    weights, inputs, outputs, psums = _accesses(machine, box, row_reads, col_reads)
    if machine[KIND] == 0:
        cycles = 1
        for at in range(7):
            cycles *= -(-box[at] // machine[UNROLL + at])
        return max(cycles, _port(layer, machine, weights, inputs, outputs))
    down, across, stream = _sides(machine, box)
    down, across = -(-down // machine[ROWS]), -(-across // machine[COLS])
    once = machine[ROWS] + machine[COLS] - 2 + (0 if machine[KIND] == 1 else machine[ROWS])
    cycles = down * across * (stream + once)
    if machine[OVERLAPS]:
        cycles = once + stream + (down * across - 1) * max(stream, machine[ROWS])
    if goes_on:
        cycles = stream
    return max(cycles, _port(layer, machine, weights, inputs, outputs + psums))


@njit(cache=True)
def _accesses(machine, box, row_reads, col_reads):  # type: ignore[no-untyped-def]
    """`pe_array.accesses` of a box: weights, inputs, outputs, psums."""
    n, k, c, p, q, r, s = box
    pixels, reduced = n * p * q, c * r * s
    weights, inputs, outputs = k * reduced, pixels * reduced, pixels * k
    if machine[KIND] == 0:
        weights *= -(-n // machine[UNROLL]) * -(-p // machine[UNROLL + 3])
        weights *= -(-q // machine[UNROLL + 4])
        inputs = n * c * row_reads * col_reads * -(-k // machine[UNROLL + 1])
        return weights, inputs, outputs, 0
    down, across, _ = _sides(machine, box)
    down, across = -(-down // machine[ROWS]), -(-across // machine[COLS])
    if machine[KIND] == 1:
        return weights * down, inputs * across, outputs, 0
    if machine[KIND] == 2:
        return weights, inputs * across, outputs * down, outputs * (down - 1)
    return weights * across, inputs, outputs * down, outputs * (down - 1)


@njit(cache=True)
def _port(layer, machine, weights, inputs, outputs):  # type: ignore[no-untyped-def]
    """Least cycles in which SRAM gives and takes these words."""
    if machine[PORT] == 0:
        return 0
    w = -(-weights * layer[WIDTH_W] // 8)
    u = -(-inputs * layer[WIDTH_I] // 8)
    o = -(-outputs * layer[WIDTH_P] // 8)
    if machine[PORT] == 1:
        return -(-(w + u + o) // machine[RATES])
    each = max(-(-w // machine[RATES]), -(-u // machine[RATES + 1]))
    return max(each, -(-o // machine[RATES + 2]))


@njit(cache=True)
def _start(free, asked, latency, cycles):  # type: ignore[no-untyped-def]
    return max(free, asked + latency) if cycles > 0 else max(free, asked)


@njit(cache=True)
def _alike(spans, machine, count):  # type: ignore[no-untyped-def]
    """Cycles, idle cycles of a tile of `count` blocks, all alike but the first and the last."""
    ahead, latency = machine[BUFFERING] != SINGLE, machine[LATENCY]
    free, computed, loaded, idle, waited = 0, 0, 0, 0, 0
    if ahead or count == 1:
        free = loaded = _start(0, 0, latency, spans[0]) + spans[0]
    at, slack_free, slack_loaded, was = 0, 0, 0, -1
    while at < count:
        kind = 0 if at == 0 and count > 1 else 2 if at == count - 1 else 1
        mine = loaded
        if not ahead and count > 1:
            load = spans[kind]
            free = mine = _start(free, computed, latency, load) + load
        elif ahead and at + 1 < count:
            load = spans[2 if at + 1 == count - 1 else 1]
            free = loaded = _start(free, computed, latency, load) + load
        waited = max(mine - computed, 0) if at else 0
        idle += waited
        computed = max(mine, computed) + spans[3 + kind]
        store = spans[6 + kind]
        free = _start(free, computed, latency, store) + store
        at += 1
        if kind == 1 and at + 2 < count:
            same = free - computed == slack_free and loaded - computed == slack_loaded
            if was >= 0 and (same or (not ahead and free - computed == slack_free)):
                skipped = count - 2 - at  # blocks that are like this one, and the next load too
                gained = skipped * (computed - was)
                free, computed, loaded = free + gained, computed + gained, loaded + gained
                idle += skipped * waited
                at += skipped
            slack_free, slack_loaded, was = free - computed, loaded - computed, computed
    return max(free, computed), idle


@njit(cache=True)
def _timeline(spans, machine):  # type: ignore[no-untyped-def]
    """Cycles, idle cycles of a tile of any blocks: load, compute, store in `spans`."""
    ahead, latency = machine[BUFFERING] != SINGLE, machine[LATENCY]
    free, computed, loaded, idle = 0, 0, 0, 0
    for at in range(len(spans)):
        if at == 0 or not ahead:
            free = loaded = _start(free, computed, latency, spans[at, 0]) + spans[at, 0]
        mine = loaded
        if ahead and at + 1 < len(spans):
            load = spans[at + 1, 0]
            free = loaded = _start(free, computed, latency, load) + load
        idle += max(mine - computed, 0) if at else 0
        computed = max(mine, computed) + spans[at, 1]
        free = _start(free, computed, latency, spans[at, 2]) + spans[at, 2]
    return max(free, computed), idle
