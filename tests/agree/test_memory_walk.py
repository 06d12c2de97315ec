"""Bursts of each block of chosen schedules against a walk over the addresses of its words."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from math import gcd

import numpy as np
import pytest
from agree.test_candidates import random_machine
from agree.test_replay_tiles import WORD, block_of, pieces_in_order, word_of
from cases import random_layer, share_of
from walk import macs

from accelsim.timing.block_list import block_list
from accelsim.timing.candidates import best_candidate
from accelsim.timing.memory import PARTS, Memory, burst_runs, plain_memory, some, whole

COLUMNS = ("weights", "inputs", "psums", "outputs", "psums")
INNERMOST_FIRST = {
    ("weights", "NCHW"): "SRCK", ("weights", "NHWC"): "CSRK",
    ("inputs", "NCHW"): "WHCN", ("inputs", "NHWC"): "CWHN",
    ("outputs", "NCHW"): "QPKN", ("outputs", "NHWC"): "KQPN",
}  # fmt: skip


def moved(schedule) -> list[list[set]]:
    """Words that each block brings (weights, inputs, psums) and sends (outputs, psums)."""
    layer = schedule.layer
    at = macs(layer)
    all_macs = [dict(zip(at, row, strict=True)) for row in zip(*at.values(), strict=True)]
    left = Counter(word_of(mac, "outputs") for mac in all_macs)
    tiles: dict[tuple, dict[tuple, list]] = {}
    for mac in all_macs:
        cuts = schedule.tiling.cuts
        pieces = tuple(sum(mac[cut.dim] >= begin for begin in cut.begins) - 1 for cut in cuts)
        tiles.setdefault(pieces, {}).setdefault(block_of(schedule, pieces, mac), []).append(mac)
    fed: set = set()
    found = []
    for pieces in [each for each in pieces_in_order(schedule.tiling) if each in tiles]:
        seen: dict[str, set] = {name: set() for name in WORD}
        uses = Counter(word_of(m, "outputs") for block in tiles[pieces].values() for m in block)
        for _, block in sorted(tiles[pieces].items()):
            used = {name: {word_of(mac, name) for mac in block} for name in WORD}
            new = {name: used[name] - seen[name] for name in WORD}
            done = Counter(word_of(mac, "outputs") for mac in block)
            uses, left = uses - done, left - done
            out = {word for word in used["outputs"] if not uses[word]}
            row = [new["weights"], new["inputs"], new["outputs"] & fed]
            found.append([*row, {w for w in out if not left[w]}, {w for w in out if left[w]}])
            for name in WORD:
                seen[name] |= used[name]
            fed |= used["outputs"]
    return found


def bursts(words: set, operand: str, extents: dict, memory: Memory, word: int) -> int:
    """Parts of all bursts that hold a word, in the mean over where the words may begin."""
    dims, order = WORD[operand], INNERMOST_FIRST[operand, memory.layout]
    units, unit = {}, word
    for dim in order:
        units[dim] = unit
        unit *= extents[dim]
    begins = sorted(
        sum(index * units[dim] for dim, index in zip(dims, each, strict=True)) for each in words
    )
    burst, runs = memory.burst, [[begins[0], begins[0] + word]]
    for begin in begins[1:]:
        if begin - runs[-1][1] < burst:
            runs[-1][1] = begin + word
        else:
            runs.append([begin, begin + word])
    used = {dim: {each[at] for each in words} for at, dim in enumerate(dims)}
    partial = [dim for dim in order if len(used[dim]) < extents[dim]]
    if not partial:
        return -(-unit // burst) * burst
    step = gcd(burst, units[partial[0]])
    total = sum(
        (end + shift - 1) // burst - (begin + shift) // burst + 1
        for begin, end in runs
        for shift in range(0, burst, step)
    )
    return total * step


@pytest.mark.parametrize("seed", range(share_of(60)))
def test_each_block_s_bursts(seed):
    rng = random.Random(seed)
    while True:  # gaps of an axis are alike unless it is strided and dilated
        layer = random_layer(rng, most_macs=1500).group()
        layer = replace(
            layer, **{
                name: replace(axis, dilation=1) if axis.stride > 1 else axis
                for name, axis in (("rows", layer.rows), ("cols", layer.cols))
            }
        )  # fmt: skip
        if layer.useful_macs:
            break
    memory = Memory(
        plain_memory(layer.widths).stored, rng.choice(("NCHW", "NHWC")), rng.choice((1, 2, 4, 8))
    )
    machine = replace(random_machine(rng), memory=memory, sram_bytes=rng.choice((60, 200, 3000)))
    found = best_candidate(layer, machine)
    if found is None:
        return
    listed = block_list(found.schedule, machine.pe, machine.rates, memory)
    rows, cols = layer.rows, layer.cols
    extents = {
        **layer.dims, "H": rows.inputs, "W": cols.inputs, "R": rows.taps, "S": cols.taps,
    }  # fmt: skip
    walk = moved(found.schedule)
    assert len(listed.words) - len(walk) in (0, 1)  # outputs that nothing feeds
    for words, costs, brought in zip(listed.words, listed.costs, walk, strict=False):
        for column, (operand, sets) in enumerate(zip(COLUMNS, brought, strict=True)):
            if operand == "weights" and not layer.has_weights:
                assert costs[column].tolist() == [0, 0]
                continue
            assert len(sets) == words[column]
            if not sets:
                assert costs[column].tolist() == [0, 0]
                continue
            name = "outputs" if operand == "psums" else operand
            stored = memory.stored[("weights", "inputs", "outputs", "psums").index(operand)]
            parts = bursts(sets, name, extents, memory, stored)
            assert costs[column].tolist() == [parts, -(-parts // PARTS)]


def test_by_hand():
    """Eight rows of eight bytes, bursts of four: rows 2 and 3 of one channel are one run of 16
    bytes, four bursts; columns 2 to 4 of them are two runs of three bytes, six apart by a gap of
    five, each over (3 - 1) / 4 + 1 bursts in the mean."""
    one = np.ones(1, dtype=np.int64)
    runs, size = burst_runs((whole(8), some(2 * one, 8)), 8, 32)
    assert (runs.tolist(), size.tolist()) == ([1], [128])
    runs, size = burst_runs((some(3 * one, 8), some(2 * one, 8)), 8, 32)
    assert (runs.tolist(), size.tolist()) == ([2], [2 * (24 + 32 - 8)])
    # a gap of five bytes is below a burst of eight, read along: 11 bytes from any byte on
    runs, size = burst_runs((some(3 * one, 8), some(2 * one, 8)), 8, 64)
    assert (runs.tolist(), size.tolist()) == ([1], [88 + 64 - 8])
