"""The true least traffic of a tiny layer: every order of its MACs, optimal replacement.

Independent of the package's formulas, families and replay; from the layer it takes only which
triples of words meet in a MAC. All words are equally wide and the rules are those of `exact`: one
MAC at a time, its words on the chip together; a load of a weight or an input is one word, an
output takes a place from its first MAC on, leaving before its last MAC costs a write and a read,
and it is written once when it is done.

*States.* D, the MACs done, and R, the words on the chip that still have MACs before them. Traffic
beyond compulsory is paid where a word leaves too early: 1 for a weight or input, 2 for an output.
A move is the next MAC: what it lacks comes in, and where no place is free so many others leave, no
more. The least sum from the empty state to all MACs done is found in ascending cost (A*). What
makes it short, each step safe:

1. A MAC whose words are all there runs at once: the rest of any plan works without it.
2. So does a word, if a place is free, all of whose MACs left have their other words there: what its
   coming in costs is paid already.
3. (D, R) at cost f is as good as no state if there is (D, R') at cost f' with f' + cost(R' - R)
   <= f: let R' - R leave and follow the plan of R; what R' lacks of R is paid, and comes in where
   that plan uses it, at its place.
4. Symmetry: permutations of the words that map MACs to MACs and outputs to outputs. One state
   stands for its images.
5. What is left costs at least what leaves in the next move; and what arrives, less one arrival for
   each word outside, which is paid. Two of a MAC's words determine the third, so a word that
   arrives at S - 1 others is in at most (S - 1) // 2 MACs there; S = 3 takes two words for each
   MAC. (Of a pool, whose MACs have two words: S - 1.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numba import njit

from accelsim.workload.layer import Axis, Conv, Int64

MOST_SYMMETRIES = 1024
_NOTHING_FITS, _TOO_MANY = -1, -2
_COSTS = 4096


@dataclass(frozen=True)
class Pebbling:
    """A layer as sets of words: `macs` (MACs,), bits of the words of each; `outputs`, their bits.

    Symmetries move MACs `of_macs` (symmetries, MACs) and words `of_words` (symmetries, words).
    """

    macs: Int64
    outputs: int
    words: int
    of_macs: Int64
    of_words: Int64


def pebbling(layer: Conv) -> Pebbling:
    """The words that meet in the MACs of one group; ValueError for more than 62 of either."""
    dims = layer.group().dims
    numbers: dict[tuple[object, ...], int] = {}
    triples = []
    windows = product(_meetings(layer.rows), _meetings(layer.cols))
    for (p, r, h), (q, s, w) in windows:
        for n, k, c in product(*(range(dims[dim]) for dim in "NKC")):
            names: list[tuple[object, ...]] = [("I", n, c, h, w), ("O", n, k, p, q)]
            if layer.has_weights:
                names.append(("W", k, c, r, s))
            triples.append([numbers.setdefault(name, len(numbers)) for name in names])
    if max(len(triples), len(numbers)) > 62:
        raise ValueError(f"{len(triples)} MACs and {len(numbers)} words; up to 62 are searched")
    outputs = [name[0] == "O" for name in numbers]
    symmetries = list(_symmetries(triples, outputs))
    place = {frozenset(triple): at for at, triple in enumerate(triples)}
    of_macs = [[place[frozenset(to[x] for x in triple)] for triple in triples] for to in symmetries]
    return Pebbling(
        np.array([sum(1 << x for x in triple) for triple in triples], dtype=np.int64),
        sum(1 << x for x, is_output in enumerate(outputs) if is_output),
        len(numbers), np.array(of_macs, dtype=np.int64), np.array(symmetries, dtype=np.int64),
    )  # fmt: skip


def _meetings(axis: Axis) -> list[tuple[int, int, int]]:
    return list(zip(*(each.tolist() for each in axis.pairs()), strict=True))


def _symmetries(triples: list[list[int]], outputs: list[bool]) -> Iterator[list[int]]:
    """At most `MOST_SYMMETRIES` permutations of the words that map MACs to MACs.

    Words are placed one after another, each next to one that is placed, if there is one; a MAC
    with all words placed must land on a MAC.
    """
    count = len(outputs)
    uses: list[list[frozenset[int]]] = [[] for _ in outputs]
    for triple in triples:
        for x in triple:
            uses[x].append(frozenset(triple))
    known = {frozenset(triple) for triple in triples}
    known |= {frozenset(pair) for triple in triples for pair in product(triple, triple)}
    kind = [(outputs[x], len(uses[x])) for x in range(count)]
    order = [0]
    while len(order) < count:
        near = [sum(len(mac & set(order)) for mac in uses[x]) for x in range(count)]
        order.append(max((x for x in range(count) if x not in order), key=lambda x: near[x]))
    to = [-1] * count
    found = 0

    def place(at: int) -> Iterator[list[int]]:
        nonlocal found
        if at == count:
            found += 1
            yield list(to)
            return
        x = order[at]
        taken = {to[y] for y in order[:at]}
        for image in [x, *(y for y in range(count) if y != x)]:
            if image in taken or kind[image] != kind[x] or found >= MOST_SYMMETRIES:
                continue
            to[x] = image
            ready = (frozenset(to[y] for y in mac if to[y] >= 0) for mac in uses[x])
            if all(part in known for part in ready):
                yield from place(at + 1)
            to[x] = -1

    yield from place(0)


def least_excess(
    layer: Pebbling, sram_words: int, most_excess: int = _COSTS - 1, most_states: int = 2**25
) -> tuple[int, int]:
    """(words beyond compulsory, states kept) of the best execution within a capacity.

    `most_excess` is one that is known to be possible. Raises ValueError if it is not, if not even
    one MAC fits, or if more than `most_states` are needed.
    """
    tables = _spread(layer.of_macs), _spread(layer.of_words)
    states = min(2**17, most_states)
    while True:  # most searches are small, and tables are made as large as they may get
        excess, kept = _search(
            layer.macs, layer.outputs, layer.words, sram_words, *tables, most_excess, states
        )  # fmt: skip
        if excess >= 0:
            return int(excess), int(kept)
        if excess == _NOTHING_FITS:
            raise ValueError(f"{sram_words} words: nothing fits, or not with {most_excess} more")
        if states == most_states:
            raise ValueError(f"{sram_words} words: more than {most_states:,} states")
        states = min(16 * states, most_states)


def _spread(permutations: Int64) -> Int64:
    """(symmetries, bytes of a set, 256): the image of each eight members of a set of bits."""
    count, members = permutations.shape
    tables = np.zeros((count, -(-members // 8), 256), dtype=np.int64)
    for member in range(members):
        has = (np.arange(256) >> (member % 8)) & 1
        tables[:, member // 8] |= has << permutations[:, member, None]
    return tables


@njit(cache=True)
def _ones(members: int) -> int:
    members -= (members >> 1) & 0x5555555555555555
    members = (members & 0x3333333333333333) + ((members >> 2) & 0x3333333333333333)
    members = (members + (members >> 4)) & 0x0F0F0F0F0F0F0F0F
    members += members >> 8
    members += members >> 16
    members += members >> 32
    return members & 0x7F


@njit(cache=True)
def _cost(gone, outputs):
    return _ones(gone) + _ones(gone & outputs)


@njit(cache=True)
def _image(members, table):
    found = 0
    for byte in range(table.shape[0]):
        found |= table[byte, (members >> (8 * byte)) & 255]
    return found


@njit(cache=True)
def _settled(done, held, macs, users, capacity):
    """Steps 1 and 2, until nothing more runs by itself; words without MACs left go."""
    again = True
    while again:
        again = False
        for mac in range(len(macs)):
            if not done >> mac & 1 and macs[mac] & ~held == 0:
                done |= 1 << mac
        for word in range(len(users)):
            left = users[word] & ~done
            if held >> word & 1:
                if left == 0:
                    held &= ~(1 << word)
                    again = True
        if _ones(held) >= capacity:
            continue
        for word in range(len(users)):
            left = users[word] & ~done
            if left == 0 or held >> word & 1:
                continue
            ready = True
            for mac in range(len(macs)):
                if left >> mac & 1 and macs[mac] & ~held != 1 << word:
                    ready = False
                    break
            if ready:
                done |= left
                again = True
    return done, held


@njit(cache=True)
def _canonical(done, held, of_macs, of_words):
    """Step 4: the least image."""
    best_done, best_held = done, held
    for symmetry in range(of_macs.shape[0]):
        image = _image(done, of_macs[symmetry])
        if image <= best_done:
            words = _image(held, of_words[symmetry])
            if image < best_done or words < best_held:
                best_done, best_held = image, words
    return best_done, best_held


@njit(cache=True)
def _search(macs, outputs, words, capacity, of_macs, of_words, limit, most):
    users = np.zeros(words, dtype=np.int64)
    for mac in range(len(macs)):
        if _ones(macs[mac]) > capacity:
            return _NOTHING_FITS, 0
        for word in range(words):
            if macs[mac] >> word & 1:
                users[word] |= 1 << mac
    every = (1 << len(macs)) - 1
    slots = 2
    while slots < 2 * most:
        slots *= 2
    heads = np.full(slots, -1, dtype=np.int32)  # last state of each D, by hash
    state_done = np.zeros(most, dtype=np.int64)
    state_held = np.zeros(most, dtype=np.int64)
    state_cost = np.zeros(most, dtype=np.int16)
    before = np.full(most, -1, dtype=np.int32)  # of the same D
    waiting = np.full(most, -1, dtype=np.int32)  # stack of states to expand at the same cost
    tops = np.full(_COSTS, -1, dtype=np.int32)
    count = 1
    tops[0] = 0
    heads[0] = 0  # the hash of no MACs
    chosen = np.zeros(3, dtype=np.int64)
    places = np.zeros(words, dtype=np.int64)
    level = 0
    while level <= limit:
        at = tops[level]
        if at < 0:
            level += 1
            continue
        tops[level] = waiting[at]
        done, held, cost = state_done[at], state_held[at], np.int64(state_cost[at])
        if done == every:
            return cost, count
        if _beaten(
            at, done, held, cost, state_done, state_held, state_cost, before, heads, outputs
        ):
            continue
        there = _ones(held)
        for mac in range(len(macs)):
            if done >> mac & 1:
                continue
            missing = macs[mac] & ~held
            leaving = max(0, there + _ones(missing) - capacity)
            others = 0
            for word in range(words):
                if held >> word & 1 and not macs[mac] >> word & 1:
                    places[others] = word
                    others += 1
            if others < leaving:
                continue
            for number in range(leaving):
                chosen[number] = number
            while True:
                gone = 0
                for number in range(leaving):
                    gone |= 1 << places[chosen[number]]
                new_cost = cost + _cost(gone, outputs)
                new_done, new_held = _settled(
                    done | 1 << mac, held & ~gone | missing, macs, users, capacity
                )
                need = max(level, new_cost + _need(new_done, new_held, macs, users, capacity))
                new = need <= limit
                if new:
                    new_done, new_held = _canonical(new_done, new_held, of_macs, of_words)
                    new = not _beaten(
                        -1, new_done, new_held, new_cost, state_done, state_held, state_cost,
                        before, heads, outputs,
                    )  # fmt: skip
                if new:
                    if count == most:
                        return _TOO_MANY, count
                    state_done[count], state_held[count] = new_done, new_held
                    state_cost[count] = new_cost
                    slot = _slot(new_done, state_done, heads)
                    before[count] = heads[slot]
                    heads[slot] = count
                    if new_done == every:
                        limit = need  # what costs more needs no look any more
                    waiting[count] = tops[need]
                    tops[need] = count
                    count += 1
                number = leaving - 1  # the next choice of so many
                while number >= 0 and chosen[number] == others - leaving + number:
                    number -= 1
                if number < 0:
                    break
                chosen[number] += 1
                for later in range(number + 1, leaving):
                    chosen[later] = chosen[later - 1] + 1
    return _NOTHING_FITS, count


@njit(cache=True)
def _need(done, held, macs, users, capacity):
    """What the rest costs at least; see the module."""
    left, outside, there, least = 0, 0, _ones(held), 3
    for mac in range(len(macs)):
        if not done >> mac & 1:
            left += 1
            least = min(least, max(0, there + _ones(macs[mac] & ~held) - capacity))
    if left == 0:
        return 0
    for word in range(len(users)):
        outside += users[word] & ~done != 0 and not held >> word & 1
    of_a_mac = _ones(macs[0])
    arrivals = (of_a_mac - 1) * left
    if capacity > of_a_mac:
        of_arrival = (capacity - 1) // (of_a_mac - 1)
        arrivals = -(-left // of_arrival)
    return max(least, arrivals - outside)


@njit(cache=True)
def _slot(done, state_done, heads):
    """Where the states of these MACs hang, or the free place for them."""
    mixed = done * 0x9E3779B97F4A7C1
    mixed ^= mixed >> 29
    slot = mixed & (len(heads) - 1)
    while heads[slot] >= 0 and state_done[heads[slot]] != done:
        slot = (slot + 1) & (len(heads) - 1)
    return slot


@njit(cache=True)
def _beaten(me, done, held, cost, state_done, state_held, state_cost, before, heads, outputs):
    """Step 3; a state already kept (`me`) is beaten by cheaper ones only, or by fewer words."""
    other = heads[_slot(done, state_done, heads)]
    while other >= 0:
        if other != me:
            less = cost - state_cost[other]
            if less >= 0 and _cost(state_held[other] & ~held, outputs) <= less:
                if me < 0 or less > 0 or state_held[other] != held:
                    return True
        other = before[other]
    return False
