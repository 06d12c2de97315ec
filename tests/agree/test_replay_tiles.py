"""Tiled schedules: the machine against a plain Python walk of the same definition."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from cases import random_block, random_layer
from walk import macs

from accelsim.dataflow.residency import candidates
from accelsim.dataflow.schedule import ONE_MAC, RESIDENTS, Cut, Part, Schedule, Stay, Tiling
from accelsim.dataflow.trace import Counted, counted
from accelsim.replay import Replayed, machine, replay
from accelsim.workload.layer import Axis, Conv

WORD = {"weights": "KCRS", "inputs": "NCHW", "outputs": "NKPQ"}


def random_schedule(rng: random.Random) -> Schedule:
    """Any layer, block, order and tiling, and often stays, an order at the turns, two parts."""
    while True:
        layer, block = random_layer(rng, most_macs=1500).group(), random_block(rng)
        if max(layer.dims.values()) > 1:
            break
    choices = list(candidates(layer, block))
    schedule = random_tiles(rng, Schedule(layer, *rng.choice(choices), block), choices)
    halved = [dim for dim in "NKPQ" if layer.dims[dim] > 1]
    if not halved or rng.random() < 0.6:
        return schedule
    dim = rng.choice(halved)
    middle = rng.randint(1, layer.dims[dim] - 1)
    first = replace(schedule, part=Part(dim, 0, middle))
    rest = Part(dim, middle, layer.dims[dim])
    second = Schedule(layer, *rng.choice(choices), block, part=rest)
    parts = [random_tiles(rng, part, choices) for part in (first, second)]
    if rng.random() < 0.5:
        through = Stay(
            rng.choice(RESIDENTS), 0, rng.choice((None, rng.randint(1, 9))), through=True
        )
        for at, part in enumerate(parts):
            others = [
                stay
                for stay in part.tiling.stays
                if (stay.operand, stay.next_only, stay.words is None)
                != (through.operand, False, through.words is None)
            ]
            parts[at] = replace(part, tiling=replace(part.tiling, stays=(*others, through)))
    return replace(parts[0], then=parts[1])


def random_tiles(rng: random.Random, schedule: Schedule, choices: list) -> Schedule:
    """Up to three dims cut anywhere, in any loop order; any operands stay, for any scope."""
    dims = {dim: extent for dim, extent in schedule.dims.items() if extent > 1}
    cuts = []
    for dim in rng.sample(list(dims), min(len(dims), rng.randint(1, 3))):
        inner = rng.sample(range(1, dims[dim]), rng.randint(1, min(3, dims[dim] - 1)))
        cuts.append(Cut(dim, (0, *sorted(inner))))
    stays = tuple(
        Stay(name, rng.randint(0, max(len(cuts) - 1, 0)), words, next_only)
        for name in RESIDENTS
        for words, next_only in ((None, False), (rng.choice((1, 2, 4, 9, 40)), False), (None, True))
        if rng.random() < 0.35
    )  # fmt: skip
    turn_order = rng.choice(choices)[2] if cuts and rng.random() < 0.5 else ()
    tiling = Tiling(tuple(cuts), rng.random() < 0.5, stays)
    return replace(schedule, tiling=tiling, turn_order=turn_order)


class Walk:
    """Sets of words on the chip, one block after another; what crossed the edge, the most bits."""

    def __init__(self, layer: Conv) -> None:
        self.layer, widths = layer, layer.widths
        self.widths = {
            "weights": widths.weights * layer.has_weights,
            "inputs": widths.inputs,
            "outputs": widths.psums,
        }
        at = macs(layer)
        self.all_macs = [dict(zip(at, row, strict=True)) for row in zip(*at.values(), strict=True)]
        self.chip: dict[str, set] = {name: set() for name in WORD}
        self.places: dict[str, set] = {name: set() for name in WORD}
        self.macs_left = Counter(word_of(mac, "outputs") for mac in self.all_macs)
        unfed = layer.outputs_words - len(self.macs_left)
        self.traffic = Counter(outputs_write=unfed)
        self.spilled: set = set()
        self.peak_bits = 0

    def part(self, schedule: Schedule, then: Schedule | None) -> None:
        part, cuts = schedule.part, schedule.tiling.cuts
        tiles: dict[tuple[int, ...], list[dict]] = {}
        for mac in self.all_macs:
            if part and not part.begin <= mac[part.dim] < part.end:
                continue
            own = {**mac, part.dim: mac[part.dim] - part.begin} if part else mac
            pieces = tuple(sum(own[cut.dim] >= begin for begin in cut.begins) - 1 for cut in cuts)
            tiles.setdefault(pieces, []).append({"mac": mac, "own": own})
        order = [pieces for pieces in pieces_in_order(schedule.tiling) if pieces in tiles]
        words = [
            {name: {word_of(each["mac"], name) for each in tiles[pieces]} for name in WORD}
            for pieces in order
        ]
        for number, pieces in enumerate(order):
            wanted: dict[str, set] = {name: set() for name in WORD}
            soon: dict[str, set] = {name: set() for name in WORD}
            for stay in schedule.tiling.stays:
                later = range(number + 1, len(order))
                if stay.next_only:
                    later = later[:1]
                for other in later:
                    if order[other][: stay.depth] == pieces[: stay.depth]:
                        waiting = soon if stay.words is None else wanted
                        waiting[stay.operand] |= words[other][stay.operand]
                if stay.through and then and then.part:
                    (soon if stay.words is None else wanted)[stay.operand] |= {
                        word_of(mac, stay.operand)
                        for mac in self.all_macs
                        if mac[then.part.dim] >= then.part.begin
                    }
            self.tile(schedule, pieces, tiles[pieces], wanted, soon)
        staying = {stay.operand for stay in schedule.tiling.stays if stay.through and then}
        assert not any(words for name, words in self.chip.items() if name not in staying)

    def tile(
        self, schedule: Schedule, pieces: tuple, tile: list[dict], wanted: dict, soon: dict
    ) -> None:
        uses = {name: Counter(word_of(each["mac"], name) for each in tile) for name in WORD}
        limits = {
            stay.operand: stay.words
            for stay in schedule.tiling.stays if stay.words is not None
        }  # fmt: skip
        blocks: dict[tuple, list[dict]] = {}
        for each in tile:
            blocks.setdefault(block_of(schedule, pieces, each["own"]), []).append(each["mac"])
        for _, block in sorted(blocks.items()):
            for mac in block:
                for name in WORD:
                    self.bring(name, word_of(mac, name))
            bits = sum(len(self.chip[name]) * self.widths[name] for name in WORD)
            self.peak_bits = max(self.peak_bits, bits)
            for mac in sorted(block, key=lambda mac: [int(mac[dim]) for dim in "NKCPRQS"]):
                self.macs_left[word_of(mac, "outputs")] -= 1
                for name in WORD:
                    word = word_of(mac, name)
                    uses[name][word] -= 1
                    if not uses[name][word]:
                        self.done_with(name, word, wanted[name], limits.get(name, 0), soon[name])

    def bring(self, name: str, word: tuple) -> None:
        if word in self.chip[name]:
            return
        self.chip[name].add(word)
        if name != "outputs":
            self.traffic[f"{name}_read"] += 1
        elif word in self.spilled:
            self.traffic["psums_read"] += 1
            self.spilled.remove(word)

    def done_with(self, name: str, word: tuple, wanted: set, limit: float, soon: set) -> None:
        places = self.places[name]
        places.discard(word)
        if word in wanted and len(places) < limit:
            places.add(word)
            return
        if word in soon:
            return
        self.chip[name].remove(word)
        if name == "outputs" and self.macs_left[word]:
            self.traffic["psums_write"] += 1
            self.spilled.add(word)
        elif name == "outputs":
            self.traffic["outputs_write"] += 1


def word_of(mac: dict, name: str) -> tuple:
    return tuple(mac[dim] for dim in WORD[name])


def pieces_in_order(tiling: Tiling) -> list[tuple[int, ...]]:
    """The piece of each cut, tile by tile."""
    turns = [0] * len(tiling.cuts)

    def visit(level: int, chosen: tuple[int, ...]) -> list[tuple[int, ...]]:
        if level == len(tiling.cuts):
            return [chosen]
        forth = list(range(len(tiling.cuts[level].begins)))
        if tiling.serpentine and turns[level] % 2:
            forth.reverse()
        turns[level] += 1
        return [found for piece in forth for found in visit(level + 1, (*chosen, piece))]

    return visit(0, ())


def block_of(schedule: Schedule, pieces: tuple[int, ...], own: dict) -> tuple[int, ...]:
    """Where the block of a MAC comes in its tile: blocks count from the tile's own corner."""
    cuts, order = schedule.tiling.cuts, schedule.order
    at_a_turn = cuts and pieces[-1] in (0, len(cuts[-1].begins) - 1)
    if schedule.turn_order and at_a_turn:
        order = schedule.turn_order
    corner = {cut.dim: cut.begins[piece] for cut, piece in zip(cuts, pieces, strict=True)}
    key = []
    for loop in order:
        dim = loop[0]
        axis = schedule.layer.rows if dim in "PRH" else schedule.layer.cols
        common = math.gcd(axis.stride, axis.dilation)
        if dim in "PQ":
            phases, phase = (axis.dilation // common if axis.kind == "conv" else 1), own[dim]
        else:
            phases, phase = axis.stride // common, own[dim] * axis.dilation // common
        if loop[-1] == "%":
            key.append(int(phase % phases))
        elif dim in "HW":
            key.append(int(own[dim]))
        elif f"{dim}%" in order:
            key.append(int(own[dim]) // phases // getattr(schedule.block, dim))
        else:
            key.append((int(own[dim]) - corner.get(dim, 0)) // getattr(schedule.block, dim))
    return tuple(key)


def walked(schedule: Schedule) -> tuple[int, Counter]:
    """Peak of live bits and traffic of a schedule, one block and one word at a time."""
    walk = Walk(schedule.layer)
    for part in (schedule, schedule.then):
        if part:
            walk.part(part, part.then)
    if not schedule.layer.has_weights:
        walk.traffic["weights_read"] = 0
    return walk.peak_bits, walk.traffic


def traffic(done: Replayed) -> Counter:
    return Counter(
        weights_read=done.weights_read_words, inputs_read=done.inputs_read_words,
        psums_read=done.psums_read_words, psums_write=done.psums_write_words,
        outputs_write=done.outputs_write_words,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(400))
def test_tiled_schedules(seed, monkeypatch):
    """As the walk and the trace have it; alike without the quick path, and with prefetch."""
    schedule = random_schedule(random.Random(seed))
    assert schedule.fault() is None
    done = replay(schedule)
    bits, moved = walked(schedule)
    assert done.correct
    assert done.peak_bits == bits
    assert traffic(done) == moved
    if schedule.block == ONE_MAC:
        inputs, psums = moved["inputs_read"], moved["psums_read"]
        assert counted(schedule) == Counted(bits, moved["weights_read"], inputs, psums)
    monkeypatch.setattr(machine, "run_macs", machine.run)
    assert replay(schedule) == done
    then = schedule.then and replace(schedule.then, buffering="prefetch")
    ahead = replay(replace(schedule, buffering="prefetch", then=then))
    assert ahead.correct
    assert traffic(ahead) == moved


def matmul(N: int, K: int, C: int) -> Conv:
    return Conv("", "matmul", 1, K, C, 1, Axis(N, 1, N), Axis(1))


def tiled(layer: Conv, cuts: dict, *stays: Stay, serpentine=False) -> Replayed:
    """Replay with the pixels of a tile outermost."""
    tiling = Tiling(tuple(Cut(*cut) for cut in cuts.items()), serpentine, stays)
    schedule = Schedule(layer, "weights", "", ("P", "K", "C"), tiling=tiling)
    assert schedule.fault() is None
    return replay(schedule)


def test_first_come_first_kept():
    """Of four inputs that both tiles use two have a place: the first two that are done with."""
    done = tiled(matmul(4, 2, 1), {"K": (0, 1)}, Stay("inputs", words=2))
    assert (done.inputs_read_words, done.peak_words) == (4 + 2, (1, 3, 1))


def test_a_place_is_kept_through_the_tiles_in_between():
    """Three tiles each use both inputs; the first of them keeps the only place for good."""
    done = tiled(matmul(2, 3, 1), {"K": (0, 1, 2)}, Stay("inputs", words=1))
    assert done.inputs_read_words == 2 + 1 + 1


@pytest.mark.parametrize(
    ("stays", "serpentine", "reads"),
    [
        ((), False, 12),
        ((Stay("inputs"),), False, 4),
        ((Stay("inputs", depth=1),), False, 12),
        ((Stay("inputs", next_only=True),), False, 12),
        ((Stay("inputs", next_only=True),), True, 4 + 2 + 2),
        ((Stay("inputs", words=1), Stay("inputs", next_only=True)), True, 4 + 1 + 2),
        ((Stay("inputs", depth=1, next_only=True),), True, 12),
    ],
)
def test_inputs_of_the_next_tile_and_of_later_ones(stays, serpentine, reads):
    """Three k-tiles, each over both halves of four pixels."""
    cuts = {"K": (0, 1, 2), "P": (0, 2)}
    done = tiled(matmul(4, 3, 1), cuts, *stays, serpentine=serpentine)
    assert done.inputs_read_words == reads


def test_a_psum_that_stays_is_not_spilled():
    cuts = {"C": (0, 1)}
    assert tiled(matmul(3, 1, 2), cuts).psums_write_words == 3
    assert tiled(matmul(3, 1, 2), cuts, Stay("outputs")).psums_write_words == 0
    done = tiled(matmul(3, 1, 2), cuts, Stay("outputs", words=1))
    assert (done.psums_write_words, done.psums_read_words, done.outputs_write_words) == (2, 2, 3)


def test_tiles_at_the_turn_run_in_their_own_order():
    """Two weights to a pixel, or with k outside a whole tile's pixels to a weight."""
    layer, pixels_outside, k_outside = matmul(6, 2, 1), ("P", "K"), ("K", "P")
    big_inside = Schedule(layer, "weights", "", k_outside, tiling=Tiling((Cut("P", (0, 1, 5)),)))
    assert replay(big_inside).peak_words == (1, 4, 1)
    assert replay(replace(big_inside, turn_order=pixels_outside)).peak_words == (1, 4, 1)
    big_ends = replace(big_inside, tiling=Tiling((Cut("P", (0, 3)),)))
    assert replay(big_ends).peak_words == (1, 3, 1)
    assert replay(replace(big_ends, turn_order=pixels_outside)).peak_words == (2, 1, 1)
    big_start = replace(big_inside, tiling=Tiling((Cut("P", (0, 4, 5)),)))
    assert replay(replace(big_start, turn_order=pixels_outside)).peak_words == (2, 1, 1)


def test_a_part_fetches_only_its_own_words():
    """A 3-tap row of 6 outputs in parts of 2 and 4: inputs 0-3, then 2-7; the weights twice."""
    row = Conv("", "conv", 1, 1, 1, 1, Axis(6, 3, 8), Axis(1))
    first = Schedule(row, "weights", "", ("P", "R"), part=Part("P", 0, 2))
    rest = Schedule(row, "inputs", "", ("R", "P"), part=Part("P", 2, 6))
    done = replay(replace(first, then=rest))
    assert done.correct
    assert (done.weights_read_words, done.inputs_read_words) == (6, 4 + 6)
    assert (done.outputs_write_words, done.peak_words) == (6, (1, 3, 4))


def test_groups_run_alike():
    layer = random_layer(random.Random(4))
    layer = replace(layer, groups=1, K=4, C=3)
    cuts = (Cut("K", (0, 3)), Cut("P", (0, 1)))
    tiling = Tiling(cuts, True, (Stay("inputs", words=5), Stay("weights", 1)))
    one = replay(Schedule(layer, "weights", "", tuple("PQKCRS"), tiling=tiling))
    three = replace(layer, groups=3, K=12, C=9)
    all_three = replay(Schedule(three, "weights", "", tuple("PQKCRS"), tiling=tiling))
    assert all_three.peak_bits == one.peak_bits
    assert traffic(all_three) == Counter({name: 3 * words for name, words in traffic(one).items()})
    assert np.array_equal([all_three.macs, all_three.blocks], [3 * one.macs, 3 * one.blocks])
