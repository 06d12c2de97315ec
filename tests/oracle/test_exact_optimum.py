"""The searched optimum: against a search without any of its savings, oracle, nests; then ours."""

from __future__ import annotations

import heapq
import os
from itertools import pairwise

import pytest
from cases import TINY, tiny_layer
from exact_optimum import Pebbling, least_excess, pebbling
from optimality import LAYERS, ONE, WORD_BITS, kept_optimum, least_capacity, ours, searched

from accelsim.dataflow.bounds import once_only_bound, traffic_bound
from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.loopnest_search import exact_frontier
from accelsim.workload.layer import Axis, Conv

OPTIMUM = kept_optimum()
QUICK = ["matmul_223", "matmul_233", "images", "row_padded", "deconv", "pool"]
MINUTES = ["matmul_333", "row"]


def axis(outputs: int, taps: int, stride: int = 1, pad: int = 0) -> Axis:
    return Axis(outputs, taps, (outputs - 1) * stride + taps - 2 * pad, stride, 1, pad)


def conv(k: int, c: int, rows: Axis, cols: Axis = ONE, **more) -> Conv:
    return Conv("tiny", "conv", 1, k, c, 1, rows, cols, **more)


def plain_excess(sets: Pebbling, sram_words: int) -> int:
    """Dijkstra over (MACs done, words there): load a word, drop a word, run a MAC; nothing else."""
    macs = sets.macs.tolist()
    users = [
        sum(1 << at for at, mac in enumerate(macs) if mac >> word & 1)
        for word in range(sets.words)
    ]  # fmt: skip
    best, waiting = {(0, 0): 0}, [(0, 0, 0)]
    while waiting:
        cost, done, held = heapq.heappop(waiting)
        if done == (1 << len(macs)) - 1:
            return cost
        if best[done, held] < cost:
            continue
        following = [
            (cost, done | 1 << at, held)
            for at, mac in enumerate(macs)
            if not done >> at & 1 and not mac & ~held
        ]
        for word, uses in enumerate(users):
            if held >> word & 1:
                early = bool(uses & done and uses & ~done)
                cost_of_it = early * (2 if sets.outputs >> word & 1 else 1)
                following.append((cost + cost_of_it, done, held & ~(1 << word)))
            elif held.bit_count() < sram_words:
                following.append((cost, done, held | 1 << word))
        for state in following:
            if best.get(state[1:], 2**30) > state[0]:
                best[state[1:]] = state[0]
                heapq.heappush(waiting, state)
    raise AssertionError("no MAC fits")


@pytest.mark.parametrize(
    ("layer", "sram"),
    [
        (conv(2, 2, axis(2, 1)), 3),
        (conv(1, 1, axis(4, 2)), 3),
        (conv(1, 1, axis(3, 3)), 3),
        (conv(2, 1, axis(2, 2)), 3),
        (conv(1, 2, axis(2, 2)), 3),
        (conv(1, 1, axis(3, 3, 2)), 3),
        (conv(1, 1, axis(2, 2), axis(2, 2, 1, 1)), 3),
        (conv(1, 1, axis(4, 3), has_weights=False), 2),
        (conv(1, 1, axis(4, 3)), 4),  # at 3 words it takes minutes
        (conv(2, 1, axis(4, 2, 1, 1)), 4),
    ],
)
def test_search_equals_one_without_savings(layer, sram):
    sets, excess = pebbling(layer), -1
    while excess:
        excess = least_excess(sets, sram)[0]
        assert excess == plain_excess(sets, sram), f"{sram} words"
        sram += 1


def test_search_says_when_there_is_nothing_to_find():
    sets = pebbling(conv(2, 2, axis(2, 1)))
    assert least_excess(sets, 4, 2)[0] == 2
    for arguments in ((2,), (4, 1), (4, 9, 4)):
        with pytest.raises(ValueError, match=r"^\d words: (nothing fits|more than 4 states)"):
            least_excess(sets, *arguments)


@pytest.mark.parametrize("name", [name for name, case in TINY.items() if "exact_min" in case])
def test_compulsory_from_the_oracles_least_capacity_on(name):
    sets, least = pebbling(tiny_layer(TINY[name])), TINY[name]["exact_min"]
    assert least_excess(sets, least)[0] == 0
    assert least_excess(sets, least - 1)[0] > 0


def test_ten_layers_and_more_at_every_capacity():
    assert set(OPTIMUM) == set(LAYERS) and len(LAYERS) >= 10
    assert max(layer.useful_macs for layer in LAYERS.values()) in range(25, 35)
    for name, layer in LAYERS.items():
        assert list(OPTIMUM[name]) == list(range(least_capacity(layer), max(OPTIMUM[name]) + 1))


@pytest.mark.parametrize("name", QUICK)
def test_kept_optimum_is_what_the_search_finds(name, capsys):
    assert dict(map(tuple, searched(LAYERS[name])["optimum"])) == OPTIMUM[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LAYERS if name not in QUICK])
def test_kept_optimum_of_the_larger_layers_too(name, capsys):
    """Two that take minutes only if asked; `optimality.py --search` does all."""
    if name in MINUTES and not os.environ.get("ACCELSIM_EVERY_OPTIMUM"):
        pytest.skip("takes minutes; ACCELSIM_EVERY_OPTIMUM=1 searches it anew")
    assert dict(map(tuple, searched(LAYERS[name])["optimum"])) == OPTIMUM[name]


@pytest.mark.parametrize("name", LAYERS)
def test_each_word_more_saves_a_word_until_all_is_compulsory(name):
    """The pinning law (THEORY.md), which holds for the best schedules, so for the optimum."""
    traffic = list(OPTIMUM[name].values())
    assert all(more <= less - 1 for less, more in pairwise(traffic))
    assert traffic[-1] == sum(LAYERS[name].words)


@pytest.mark.parametrize("name", LAYERS)
def test_between_the_bound_and_the_frontier(name):
    layer, optimum = LAYERS[name], OPTIMUM[name]
    found, bound = frontier(layer), traffic_bound(layer)
    for sram, best in optimum.items():
        assert bound.words(sram) <= best <= ours(found, sram), f"{sram} words"
    assert once_only_bound(layer)[1] <= max(optimum) <= found.points[-1].bits // WORD_BITS


@pytest.mark.parametrize("name", LAYERS)
def test_no_loop_nest_is_below_it(name):
    found = exact_frontier(LAYERS[name])
    compulsory = sum(LAYERS[name].words)
    for bits, traffic in zip(found.bits.tolist(), found.traffic_bits.tolist(), strict=True):
        best = OPTIMUM[name].get(bits // WORD_BITS, compulsory)
        assert best <= traffic // WORD_BITS, f"{bits // WORD_BITS} words"
