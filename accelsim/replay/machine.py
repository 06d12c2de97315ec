"""The machine: walks a program's blocks, fetches, computes, drops, and counts every live bit.

Per block: its weights, inputs and re-read psums are fetched if they are not there; a fresh output
takes its place; all live bits are summed and held against the capacity; the MACs are done; a word
that no later block of the tile uses is dropped, unless it stays for a later tile; an output leaves
as a psum if later tiles still add to it. With prefetch, the fetches of a block are done a block
early and finished outputs leave a block late.

All arrays are int64. `left` holds for each word how many uses the tile still has for it: negative
while the word is not there, zero once it is dropped, KEPT if it stays for a later tile.
A word stays if there is a place for it and a tile after this one, by their numbers, that it waits
for; it has its place until it is done with in the last of these.
"""

from __future__ import annotations

import numpy as np
from numba import njit

KEPT = 2**62
ADDS_ONLY, PREFETCH = 1, 2  # bits of `mode`

# places in `state`
LIVE_W, LIVE_I, LIVE_O, LATE = 0, 1, 2, 3  # live words; LATE are finished outputs still there
READ_W, READ_I, READ_P, WRITE_P, WRITE_O = 4, 5, 6, 7, 8  # words across the chip edge
PEAK, PEAK_W, PEAK_I, PEAK_O = 9, 10, 11, 12  # most live bits and the words then
MACS, BLOCKS, OVERFLOW = 13, 14, 15  # OVERFLOW: bits that did not fit
TILE = 16  # number of the tile, from 1 on
STAY_W, STAY_I, STAY_O = 17, 18, 19  # words that have a place to stay
HELD = 20  # with prefetch, leaves of the block whose turn is next; -1 if there is none
STATE_SIZE = HELD + 5

# places in `limits`: bits of a weight, input, psum, output, the capacity; how many words may stay
BITS_W, BITS_I, BITS_P, BITS_O, CAPACITY, MOST_W, MOST_I, MOST_O = 0, 1, 2, 3, 4, 5, 6, 7


@njit(cache=True)
def run(entries, leaves, loops, children, first, stop, left, fate, data, limits, mode, state):  # type: ignore[no-untyped-def]
    """Run the blocks whose outermost loop is at its nodes `first` to `stop`.

    left, data: flat arrays of weights, inputs, outputs. fate: for weights, inputs, outputs the
    tile that the word waits for, then whether it has a place to stay; then for outputs their uses
    in later tiles and whether a psum of them is off the chip; then the very next tile if it waits
    for that alone.
    """
    count = loops.shape[0]
    leaf = np.zeros(5, dtype=np.int64)
    if count == 0:
        _block(entries, leaves, leaf, left, fate, data, limits, mode, state)
        return
    node = np.zeros(count, dtype=np.int64)
    end = np.zeros(count, dtype=np.int64)
    node[0], end[0] = first, stop
    place = 0
    while place >= 0:
        if node[place] >= end[place]:
            place -= 1
            if place >= 0:
                node[place] += 1
            continue
        leaf[loops[place, 0]] = node[place]
        if place < count - 1:
            place += 1
            outer = loops[place, 2]
            parent = node[outer] if outer >= 0 else 0
            node[place] = children[place, parent]
            end[place] = children[place, parent + 1]
            continue
        _block(entries, leaves, leaf, left, fate, data, limits, mode, state)
        if state[OVERFLOW] > 0:
            return
        node[place] += 1


@njit(cache=True)
def run_macs(entries, leaves, loops, children, first, stop, left, fate, data, limits, mode, state):  # type: ignore[no-untyped-def]
    """Do as `run` does where each block is one MAC and nothing is prefetched, many times faster.

    The state lives in local variables, and the innermost loop only moves one axis.
    """
    count = loops.shape[0]
    left_w, left_i, left_o = left
    later, spilled = fate[6], fate[7]
    data_w, data_i, data_o = data
    bits_w, bits_i, bits_o = limits[BITS_W], limits[BITS_I], limits[BITS_P]
    capacity = limits[CAPACITY]
    # columns apart: the innermost loop reads them one after another
    moves_w, moves_i, moves_o = entries[:, 0].copy(), entries[:, 1].copy(), entries[:, 2].copy()
    live_w, live_i, live_o = state[LIVE_W], state[LIVE_I], state[LIVE_O]
    bits = live_w * bits_w + live_i * bits_i + live_o * bits_o
    multiplies = mode & ADDS_ONLY == 0
    peak, macs = state[PEAK], 0
    node = np.zeros(count, dtype=np.int64)
    end = np.zeros(count, dtype=np.int64)
    # index of weight, input, output given by the loops outside each place
    base = np.zeros((count + 1, 3), dtype=np.int64)
    depth = np.zeros(5, dtype=np.int64)
    for place in range(count):
        depth[loops[place, 0]] += 1
    for axis in range(5):
        if depth[axis] == 0:
            base[0] += entries[leaves[axis, 0]]
    node[0], end[0] = first, stop
    place = 0
    while place >= 0:
        if node[place] >= end[place]:
            place -= 1
            if place >= 0:
                node[place] += 1
            continue
        axis = loops[place, 0]
        if place < count - 1:
            w, i, o = base[place]
            if loops[place, 1] == depth[axis] - 1:
                entry = leaves[axis, node[place]]
                w += entries[entry, 0]
                i += entries[entry, 1]
                o += entries[entry, 2]
            place += 1
            base[place, 0], base[place, 1], base[place, 2] = w, i, o
            outer = loops[place, 2]
            parent = node[outer] if outer >= 0 else 0
            node[place] = children[place, parent]
            end[place] = children[place, parent + 1]
            continue
        w0, i0, o0 = base[place]
        offset = leaves[axis, 0]  # leaves of one entry each follow one another
        for entry in range(offset + node[place], offset + end[place]):
            w = w0 + moves_w[entry]
            i = i0 + moves_i[entry]
            o = o0 + moves_o[entry]
            uses_w, uses_i, uses_o = left_w[w], left_i[i], left_o[o]
            if multiplies:
                if uses_w < 0:
                    uses_w = -uses_w
                    live_w += 1
                    bits += bits_w
                    state[READ_W] += 1
                data_o[o] += data_w[w] * data_i[i]
            else:
                data_o[o] += data_i[i]
            if uses_i < 0:
                uses_i = -uses_i
                live_i += 1
                bits += bits_i
                state[READ_I] += 1
            if uses_o < 0:
                uses_o = -uses_o
                live_o += 1
                bits += bits_o
                state[READ_P] += spilled[o]
            if bits > peak:
                peak = bits
                state[PEAK_W], state[PEAK_I], state[PEAK_O] = live_w, live_i, live_o
                if bits > capacity:
                    state[OVERFLOW] = state[PEAK] = bits
                    return
            macs += 1
            uses_w -= multiplies
            uses_i -= 1
            uses_o -= 1
            if uses_w == 0 and multiplies:
                if _stays(0, w, fate, limits, state):
                    uses_w = KEPT
                else:
                    live_w -= 1
                    bits -= bits_w
            if uses_i == 0:
                if _stays(1, i, fate, limits, state):
                    uses_i = KEPT
                else:
                    live_i -= 1
                    bits -= bits_i
            if uses_o == 0:
                if _stays(2, o, fate, limits, state):
                    uses_o = KEPT
                else:
                    live_o -= 1
                    bits -= bits_o
                    if later[o]:
                        spilled[o] = 1
                        state[WRITE_P] += 1
                    else:
                        spilled[o] = 0
                        state[WRITE_O] += 1
            left_w[w], left_i[i], left_o[o] = uses_w, uses_i, uses_o
        node[place] = end[place]
    state[LIVE_W], state[LIVE_I], state[LIVE_O] = live_w, live_i, live_o
    state[PEAK] = peak
    state[MACS] += macs
    state[BLOCKS] += macs


@njit(cache=True)
def finish(entries, leaves, left, fate, data, limits, mode, state):  # type: ignore[no-untyped-def]
    """Give the last block its turn, which with prefetch still waits, and let its outputs go."""
    if state[HELD] >= 0:
        leaf = state[HELD : HELD + 5].copy()
        state[HELD] = -1
        _compute(entries, leaves, leaf, left, fate, data, limits, mode, state)
    state[LATE] = 0


@njit(cache=True)
def _block(entries, leaves, leaf, left, fate, data, limits, mode, state):  # type: ignore[no-untyped-def]
    """A block comes up: fetch for it; its turn is now, or with prefetch after the one before."""
    _fetch(entries, leaves, leaf, left, fate, mode, state)
    if mode & PREFETCH == 0:
        _compute(entries, leaves, leaf, left, fate, data, limits, mode, state)
        state[LATE] = 0  # gone with the block
        return
    if state[HELD] >= 0:
        held = state[HELD : HELD + 5]
        _compute(entries, leaves, held, left, fate, data, limits, mode, state)
    state[HELD : HELD + 5] = leaf


@njit(cache=True)
def _slices(leaves, leaf):  # type: ignore[no-untyped-def]
    """How many (n, k, c) a block has; its MACs are listed for one of them at a time."""
    count = 1
    for axis in range(3):
        count *= leaves[axis, leaf[axis] + 1] - leaves[axis, leaf[axis]]
    return count


@njit(cache=True)
def _words(entries, leaves, leaf, part):  # type: ignore[no-untyped-def]
    """Weight, input and output of each MAC of one slice of a block: (MACs, 3)."""
    rows = leaves[3, leaf[3]], leaves[3, leaf[3] + 1]
    cols = leaves[4, leaf[4]], leaves[4, leaf[4] + 1]
    base = np.zeros(3, dtype=np.int64)
    for axis in range(2, -1, -1):
        first = leaves[axis, leaf[axis]]
        count = leaves[axis, leaf[axis] + 1] - first
        base += entries[first + part % count]
        part //= count
    words = np.empty(((rows[1] - rows[0]) * (cols[1] - cols[0]), 3), dtype=np.int64)
    mac = 0
    for y in range(rows[0], rows[1]):
        for x in range(cols[0], cols[1]):
            for operand in range(3):
                words[mac, operand] = base[operand] + entries[y, operand] + entries[x, operand]
            mac += 1
    return words


@njit(cache=True)
def _fetch(entries, leaves, leaf, left, fate, mode, state):  # type: ignore[no-untyped-def]
    """Fetch the block's weights, inputs and spilled psums that are not there."""
    for part in range(_slices(leaves, leaf)):
        _fetch_words(_words(entries, leaves, leaf, part), left, fate, mode, state)


@njit(cache=True)
def _fetch_words(words, left, fate, mode, state):  # type: ignore[no-untyped-def]
    weights, inputs, outputs = left
    spilled = fate[7]
    for w, i, o in words:
        if weights[w] < 0 and mode & ADDS_ONLY == 0:
            weights[w] = -weights[w]
            state[LIVE_W] += 1
            state[READ_W] += 1
        if inputs[i] < 0:
            inputs[i] = -inputs[i]
            state[LIVE_I] += 1
            state[READ_I] += 1
        if outputs[o] < 0 and spilled[o] > 0:
            outputs[o] = -outputs[o]
            state[LIVE_O] += 1
            state[READ_P] += 1


@njit(cache=True)
def _compute(entries, leaves, leaf, left, fate, data, limits, mode, state):  # type: ignore[no-untyped-def]
    """The block's turn: room for fresh outputs, the sum of live bits, the MACs, the drops."""
    outputs = left[2]
    slices = _slices(leaves, leaf)
    for part in range(slices):
        for o in _words(entries, leaves, leaf, part)[:, 2]:
            if outputs[o] < 0:
                outputs[o] = -outputs[o]
                state[LIVE_O] += 1
    _weigh(limits, state)
    if state[OVERFLOW] > 0:
        return
    finished = 0
    for part in range(slices):
        for w, i, o in _words(entries, leaves, leaf, part):
            finished += _mac(w, i, o, left, fate, data, limits, mode, state)
    state[LATE] = finished


@njit(cache=True)
def _weigh(limits, state):  # type: ignore[no-untyped-def]
    """Sum the live bits of a block; note the peak, or the overflow of the capacity."""
    state[BLOCKS] += 1
    bits = state[LIVE_W] * limits[BITS_W] + state[LIVE_I] * limits[BITS_I]
    bits += state[LIVE_O] * limits[BITS_P] + state[LATE] * limits[BITS_O]
    if bits > state[PEAK]:
        state[PEAK] = bits
        state[PEAK_W] = state[LIVE_W]
        state[PEAK_I] = state[LIVE_I]
        state[PEAK_O] = state[LIVE_O] + state[LATE]
        if bits > limits[CAPACITY]:
            state[OVERFLOW] = bits


@njit(cache=True)
def _mac(w, i, o, left, fate, data, limits, mode, state):  # type: ignore[no-untyped-def]
    """One MAC on words that are there; returns 1 if its output is finished by it."""
    state[MACS] += 1
    if mode & ADDS_ONLY:
        data[2][o] += data[1][i]
    else:
        data[2][o] += data[0][w] * data[1][i]
        left[0][w] -= 1
        if left[0][w] == 0:
            if _stays(0, w, fate, limits, state):
                left[0][w] = KEPT
            else:
                state[LIVE_W] -= 1
    left[1][i] -= 1
    if left[1][i] == 0:
        if _stays(1, i, fate, limits, state):
            left[1][i] = KEPT
        else:
            state[LIVE_I] -= 1
    left[2][o] -= 1
    if left[2][o] != 0:
        return 0
    if _stays(2, o, fate, limits, state):
        left[2][o] = KEPT
        return 0
    state[LIVE_O] -= 1
    if fate[6][o] > 0:
        fate[7][o] = 1
        state[WRITE_P] += 1
        return 0
    fate[7][o] = 0
    state[WRITE_O] += 1
    return 1


@njit(cache=True)
def _stays(operand, word, fate, limits, state):  # type: ignore[no-untyped-def]
    """Whether a word that its tile is done with stays; it takes a place or gives up its own."""
    last, placed, soon = fate[operand], fate[3 + operand], fate[8 + operand]
    if last[word] >= state[TILE]:
        state[STAY_W + operand] -= placed[word]
        waits = last[word] > state[TILE]
        placed[word] = waits and state[STAY_W + operand] < limits[MOST_W + operand]
        state[STAY_W + operand] += placed[word]
        if placed[word]:
            return True
    return soon[word] > state[TILE]
