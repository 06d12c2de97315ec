"""The timeline's kernel and a SimPy model of the same machine agree to the cycle.

The model is written from DESIGN.md section 8, as processes that wait for each other: a sequencer
sends requests to memory in the channel's order, each as soon as it may; memory answers them one
after another; the array computes.
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest
import simpy
from cases import share_of

from accelsim.timing.pipeline import timeline


class Machine:
    """Blocks (bytes to load, cycles, bytes to store) on a channel and an array.

    `tiles` says how many blocks each tile has; nothing is loaded for a tile before its turn.
    """

    def __init__(self, blocks, ahead, cycles_per_byte, latency, tiles=None):
        self.env = simpy.Environment()
        self.blocks, self.ahead = blocks, ahead
        self.rate, self.latency = cycles_per_byte, latency
        self.tiles = tiles or [len(blocks)]
        self.requests = simpy.Store(self.env)
        self.loaded = [self.env.event() for _ in blocks]
        self.computed = [self.env.event() for _ in blocks]
        self.stored = [self.env.event() for _ in blocks]
        self.spans = {}
        for process in (self.sequencer(), self.memory(), self.array()):
            self.env.process(process)

    def order(self):
        """L0 .. Lb, S0, L(b+1), S1, ... of each tile, each with the compute that it waits for."""
        begin = 0
        for count in self.tiles:
            waiting = list(range(begin, begin + count))
            for _ in range(min(self.ahead, count)):
                yield "L", waiting.pop(0), begin - 1
            for block in range(begin, begin + count):
                if waiting:
                    load = waiting.pop(0)
                    yield "L", load, max(begin - 1, load - 1 - self.ahead)
                yield "S", block, block
            begin += count

    def sequencer(self):
        for kind, block, needed in self.order():
            if needed >= 0:
                yield self.computed[needed]
            yield self.requests.put((kind, block, self.env.now))

    def memory(self):
        for _ in range(2 * len(self.blocks)):
            kind, block, asked = yield self.requests.get()
            size = self.blocks[block][0 if kind == "L" else 2]
            cycles = ceil(size * self.rate)
            if cycles:
                yield self.env.timeout(max(0, asked + self.latency - self.env.now))
            begin = self.env.now
            yield self.env.timeout(cycles)
            self.spans[kind, block] = begin, self.env.now
            (self.loaded if kind == "L" else self.stored)[block].succeed()

    def array(self):
        for block, (_, cycles, _) in enumerate(self.blocks):
            yield self.loaded[block]
            begin = self.env.now
            yield self.env.timeout(cycles)
            self.spans["C", block] = begin, self.env.now
            self.computed[block].succeed()

    def run(self):
        self.env.run(self.env.all_of(self.stored))
        return self.env.now


def random_blocks(rng):
    """Lists that are bound by the channel, by the array, by neither, with holes."""
    most = [rng.choice((0, 1, 5, 50, 1000)) for _ in range(3)]
    holes = rng.choice((0, 0.3, 0.8))
    return [
        tuple(0 if rng.random() < holes else rng.randint(0, each) for each in most)
        for _ in range(rng.randint(1, 12))
    ]


@pytest.mark.parametrize("buffering", ["single", "prefetch"])
def test_random_block_lists(buffering):
    rng = random.Random(buffering)
    for _ in range(share_of(1000)):
        blocks = random_blocks(rng)
        rate = Fraction(rng.choice((0, 1, 1, 3, 7, 64)), rng.choice((1, 2, 5, 16)))
        latency = rng.choice((0, 1, 7, 100)) if rate else 0
        tile_share = rng.choice((0, 0.2, 0.5))
        first = [True] + [rng.random() < tile_share for _ in blocks[1:]]
        starts = [*(at for at, begins in enumerate(first) if begins), len(blocks)]
        tiles = [end - begin for begin, end in pairwise(starts)]
        machine = Machine(blocks, 0 if buffering == "single" else 1, rate, latency, tiles)
        found = timeline(
            *zip(*blocks, strict=True),
            buffering=buffering, cycles_per_byte=rate, latency_cycles=latency,
            begins_tile=first, trace=True,
        )  # fmt: skip
        assert found.total_cycles == machine.run(), (blocks, rate, latency)
        spans = [
            [at for kind in "LCS" for at in machine.spans[kind, block]]
            for block in range(len(blocks))
        ]
        assert found.trace is not None
        assert found.trace.tolist() == spans, (blocks, rate, latency)
