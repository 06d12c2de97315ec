"""The kernel behind `passes_search`: every mapping of a layer on a row stationary array.

Jitted functions call only jitted functions of their own file. Rows of STRIPS: output rows e, sets
that fit, input rows of its window, strips as large, output and input rows of the last one if it is
smaller (else 0), and of all strips the input rows in windows, input rows used, taps used, and how
many strips there are.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# places in `layer`
(N, K, C, Q, R, S, WINDOW_COLS, USED_COLS, USED_TAPS, WIDTH_W, WIDTH_I, WIDTH_O, WIDTH_P) = range(
    13
)
# places in `array`
(BANKS, BANK_BITS, WEIGHTS_BITS, PAD_I, PAD_W, PAD_P, BUS_W, BUS_I, BUS_O, LATENCY) = range(10)
# places in `rates`: share of the weights' load exposed, channel cycles a bit, then pJ of a word of
# weights, inputs, psums between PEs, in or out of SRAM, and of a DRAM bit; DRAM bits of a word
EXPOSED, CYCLES_PER_BIT, HOP_W, HOP_I, HOP_O, PJ_W, PJ_I, PJ_O, PJ_DRAM = range(9)
STORED_W, STORED_I, STORED_O = 9, 10, 11
# places in a strip
E, SETS, WINDOW, WHOLE, LAST_E, LAST_WINDOW, WINDOWS, USED_ROWS, TAPS, COUNT = range(10)
# measures of a mapping; PADDED is TRAFFIC with whole boxes of inputs, BUFFER the words of inputs
# and psums between SRAM and PEs, TILES how often psums take the buffer anew
CYCLES, TRAFFIC, ENERGY, PADDED, BUFFER, TILES = range(6)
MEASURES = 6
FULL, HALVES, EVERY = range(3)


@njit(cache=True)
def _pass(layer, array, rates, n, k, c, e, window, r, t):  # type: ignore[no-untyped-def]
    """Cycles of a pass; see `row_stationary.pass_cycles`."""
    work = n * layer[Q] * -(-k // t) * (-(-c // r) * layer[S] + 1)
    if array[BUS_W] == 0:
        return float(work)
    inputs = n * c * window * layer[WINDOW_COLS] * layer[WIDTH_I]
    psums = n * k * e * layer[Q] * layer[WIDTH_P]
    bus = max(-(-inputs // (8 * array[BUS_I])), -(-psums // (8 * array[BUS_O])))
    load = rates[EXPOSED] * k * c * layer[R] * layer[S] * layer[WIDTH_W] / (8 * array[BUS_W])
    return max(work, bus) + np.ceil(load)


@njit(cache=True)
def _cycles(layer, array, rates, strip, m, n, kb, cb, r, t):  # type: ignore[no-untyped-def]
    """Cycles of all passes: each kind of image, strip, filter and channel step times its count."""
    k_sizes = (kb, m % kb, (layer[K] % m) % kb)
    k_counts = (layer[K] // m * (m // kb) + layer[K] % m // kb, layer[K] // m, 1)
    total = 0.0
    for n_size, n_count in ((n, layer[N] // n), (layer[N] % n, 1)):
        for e, window, e_count in (
            (strip[E], strip[WINDOW], strip[WHOLE]),
            (strip[LAST_E], strip[LAST_WINDOW], 1),
        ):
            for c_size, c_count in ((cb, layer[C] // cb), (layer[C] % cb, 1)):
                for at in range(3):
                    count = n_count * e_count * c_count * k_counts[at]
                    if count and n_size and e and c_size and k_sizes[at]:
                        total += count * _pass(
                            layer, array, rates, n_size, k_sizes[at], c_size, e, window, r, t
                        )
    return total


@njit(cache=True)
def _measure(layer, array, rates, strip, m, n, kb, cb, r, t, found):  # type: ignore[no-untyped-def]
    """Cycles with the channel's, bits across the chip edge, pJ of what depends on the mapping."""
    m_count, n_count, c_count = -(-layer[K] // m), -(-layer[N] // n), -(-layer[C] // cb)
    k_count = layer[K] // m * -(-m // kb) + -(-(layer[K] % m) // kb)
    weights = layer[K] * layer[C] * strip[TAPS] * layer[USED_TAPS] * n_count
    inputs = layer[N] * layer[C] * strip[USED_ROWS] * layer[USED_COLS] * m_count
    rows = strip[E] * strip[WHOLE] + strip[LAST_E]
    outputs = layer[N] * layer[K] * rows * layer[Q]
    bits = (
        rates[STORED_W] * weights + rates[STORED_I] * inputs + rates[STORED_O] * outputs
    )  # fmt: skip
    passes = float(strip[COUNT]) * n_count * c_count * k_count
    cycles = _cycles(layer, array, rates, strip, m, n, kb, cb, r, t)
    found[CYCLES] = cycles + bits * rates[CYCLES_PER_BIT] + array[LATENCY] * (passes + 1)
    found[TRAFFIC] = bits
    found[PADDED] = _padded(layer, rates, strip, m, n)
    boxes = float(layer[N]) * layer[C] * strip[WINDOWS] * layer[WINDOW_COLS] * k_count
    found[BUFFER] = boxes + 2.0 * outputs * c_count
    found[TILES] = strip[COUNT] * n_count * m_count
    rest = layer[C] % cb
    last_down = layer[R] * min(r, rest) - 1 if rest else 0
    lines = float(layer[N]) * layer[C] * layer[R] * rows * layer[WINDOW_COLS]
    hops = (
        rates[HOP_W] * layer[K] * layer[C] * layer[R] * layer[S] * rows * n_count
        + rates[HOP_I] * lines * k_count * t
        + rates[HOP_O] * outputs * (layer[C] // cb * (layer[R] * r - 1) + last_down)
    )
    found[ENERGY] = (
        hops + rates[PJ_W] * 2.0 * weights + rates[PJ_I] * (boxes + inputs)
        + rates[PJ_O] * 2.0 * outputs * c_count + rates[PJ_DRAM] * bits
    )  # fmt: skip


@njit(cache=True)
def _padded(layer, rates, strip, m, n):  # type: ignore[no-untyped-def]
    """Bits across the chip edge if padding is fetched as well: no pass changes them."""
    weights = layer[K] * layer[C] * strip[TAPS] * layer[USED_TAPS] * -(-layer[N] // n)
    inputs = layer[N] * layer[C] * strip[WINDOWS] * layer[WINDOW_COLS] * -(-layer[K] // m)
    outputs = layer[N] * layer[K] * (strip[E] * strip[WHOLE] + strip[LAST_E]) * layer[Q]
    return rates[STORED_W] * weights + rates[STORED_I] * inputs + rates[STORED_O] * outputs


@njit(cache=True)
def _better(found, best, order):  # type: ignore[no-untyped-def]
    for at in order:
        if found[at] != best[at]:
            return found[at] < best[at]
    return False


@njit(cache=True)
def search(layer, array, rates, strips, ks, ns, whole, depth, order):  # type: ignore[no-untyped-def]
    """The best mapping by the measures in `order`, as (m, n, e, p, q, r, t); m is 0 if none fits.

    ks, ns: sizes to cut filters and images into. whole: passes divide m. depth: how many sets r are
    tried: as many as fit (FULL), halves of that, or EVERY number, q·r then a divisor of C.
    """
    chosen, best, found = np.zeros(7, np.int64), np.full(MEASURES, np.inf), np.empty(MEASURES)
    for strip in strips:
        for m in ks:
            for n in ns:
                psums = n * m * strip[E] * layer[Q] * layer[WIDTH_P]
                room = array[BANKS] - -(-psums // array[BANK_BITS])
                if room < 1:
                    continue
                tiles = strip[COUNT] * -(-layer[N] // n) * -(-layer[K] // m)
                if order[0] == TILES and (
                    tiles > best[TILES]
                    or (tiles == best[TILES] and _padded(layer, rates, strip, m, n) > best[PADDED])
                ):
                    continue
                for kb in ks:
                    if kb > m or (whole and m % kb):
                        continue
                    for t in range(1, min(strip[SETS], kb) + 1):
                        p = -(-kb // t)
                        if p > array[PAD_P] or (whole and kb % t):
                            continue
                        r = min(strip[SETS] // t, layer[C])
                        while r:
                            most = min(array[PAD_I] // layer[S], array[PAD_W] // (p * layer[S]))
                            for q in range(1, min(most, -(-layer[C] // r)) + 1):
                                cb = min(q * r, layer[C])
                                weights = kb * cb * layer[R] * layer[S] * layer[WIDTH_W]
                                box = n * cb * strip[WINDOW] * layer[WINDOW_COLS] * layer[WIDTH_I]
                                if (
                                    weights > array[WEIGHTS_BITS]
                                    or -(-box // array[BANK_BITS]) > room
                                ):
                                    break
                                if depth == EVERY and layer[C] % (q * r):
                                    continue
                                _measure(layer, array, rates, strip, m, n, kb, cb, r, t, found)
                                if _better(found, best, order):
                                    best[:] = found
                                    chosen[:] = (m, n, strip[E], p, q, r, t)
                            r = 0 if depth == FULL else r // 2 if depth == HALVES else r - 1
    return chosen
