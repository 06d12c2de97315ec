"""Lists of blocks move what replay moves, block by block what a plain walk brings."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product

import pytest
from agree.test_replay_tiles import WORD, block_of, pieces_in_order, random_schedule, word_of
from cases import random_layer, share_of
from walk import macs

from accelsim.dataflow.residency import candidates
from accelsim.dataflow.schedule import Block, Cut, Part, Schedule, Stay, Tiling
from accelsim.hardware.format import SpatialArray, SystolicArray, Unroll
from accelsim.replay import replay
from accelsim.timing.block_list import block_list
from accelsim.timing.pe_array import accesses, array_cycles, blocks, folds, order_fault, sram_cycles
from accelsim.timing.pipeline import timeline
from accelsim.workload.layer import Axis, Conv, Widths

ONE = SpatialArray.model_construct(
    kind="spatial", unroll=Unroll.model_construct(**dict.fromkeys("NKCPQRS", 1)), local_bytes=None
)


def systolic(dataflow: str, rows: int, cols: int) -> SystolicArray:
    return SystolicArray.model_construct(
        kind="systolic", rows=rows, cols=cols, dataflow=dataflow, overlap_folds=False,
        local_bytes=None,
    )  # fmt: skip


def with_whole_stays(schedule: Schedule) -> Schedule:
    """The same schedule where all of what stays does, and within a part."""
    stays = tuple(stay for stay in schedule.tiling.stays if stay.words is None and not stay.through)
    then = schedule.then and with_whole_stays(schedule.then)
    return replace(schedule, tiling=replace(schedule.tiling, stays=stays), then=then)


def without_stays(schedule: Schedule) -> Schedule:
    then = schedule.then and without_stays(schedule.then)
    return replace(schedule, tiling=replace(schedule.tiling, stays=()), then=then)


@pytest.mark.parametrize("seed", range(share_of(150)))
def test_any_schedule_moves_what_replay_moves(seed):
    schedule = with_whole_stays(random_schedule(random.Random(seed)))
    done, found = replay(schedule), block_list(schedule, ONE)
    assert tuple(found.words.sum(axis=0)) == (
        done.weights_read_words, done.inputs_read_words, done.psums_read_words,
        done.outputs_write_words, done.psums_write_words,
    )  # fmt: skip
    assert found.words.min() >= 0


def walked(schedule: Schedule) -> list[list[int]]:
    """Words that each block is the first, or the last, of its tile to use; nothing stays."""
    layer = schedule.layer
    at = macs(layer)
    all_macs = [dict(zip(at, row, strict=True)) for row in zip(*at.values(), strict=True)]
    left = Counter(word_of(mac, "outputs") for mac in all_macs)
    fed: set = set()
    rows = []
    for part in [each for each in (schedule, schedule.then) if each]:
        tiles: dict[tuple, dict[tuple, list]] = {}
        for mac in all_macs:
            own = mac
            if part.part:
                if not part.part.begin <= mac[part.part.dim] < part.part.end:
                    continue
                own = {**mac, part.part.dim: mac[part.part.dim] - part.part.begin}
            cuts = part.tiling.cuts
            pieces = tuple(sum(own[cut.dim] >= begin for begin in cut.begins) - 1 for cut in cuts)
            where = block_of(part, pieces, own)
            tiles.setdefault(pieces, {}).setdefault(where, []).append(mac)
        for pieces in [each for each in pieces_in_order(part.tiling) if each in tiles]:
            chip: dict[str, set] = {name: set() for name in WORD}
            uses = {
                name: Counter(word_of(m, name) for block in tiles[pieces].values() for m in block)
                for name in WORD
            }
            for _, block in sorted(tiles[pieces].items()):
                row = [0] * 5
                for mac in block:
                    left[word_of(mac, "outputs")] -= 1
                    for column, name in enumerate(WORD):
                        word = word_of(mac, name)
                        uses[name][word] -= 1
                        if word not in chip[name]:
                            chip[name].add(word)
                            row[column] += name != "outputs" or word in fed
                    word = word_of(mac, "outputs")
                    if not uses["outputs"][word]:
                        row[4 if left[word] else 3] += 1
                fed |= {word_of(mac, "outputs") for mac in block}
                rows.append([row[0] * layer.has_weights, *row[1:]])
    return rows


@pytest.mark.parametrize("seed", range(share_of(60)))
def test_each_block_brings_and_sends_what_a_walk_does(seed):
    schedule = without_stays(random_schedule(random.Random(1000 + seed)))
    words, walk = block_list(schedule, ONE).words, walked(schedule)
    # outputs that no MAC feeds leave with the last block
    words[-1, 3] -= schedule.layer.outputs_words - sum(row[3] for row in walk)
    assert [row for row in words.tolist() if any(row)] == [row for row in walk if any(row)]


SMALL = Conv("small", "conv", 2, 7, 5, 1, Axis(6, 3, 6, 1, 1, 1), Axis(5, 3, 5, 1, 1, 1))
PLAIN = tuple("NPQKCRS")


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_one_block_is_the_whole_layer_on_the_array(dataflow):
    pe = systolic(dataflow, 4, 3)
    whole = Block(**SMALL.dims)
    found = block_list(Schedule(SMALL, "outputs", "any", (), whole), pe)
    assert found.compute_cycles.tolist() == [array_cycles(pe, whole)]
    assert found.words.tolist() == [[*SMALL.words[:2], 0, SMALL.outputs_words, 0]]


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_blocks_that_an_array_offers_take_what_their_boxes_take(dataflow):
    """A box at a time, a fill for each but where a stream goes on."""
    pe, order = systolic(dataflow, 4, 3), {"os": PLAIN, "ws": tuple("KCRSNPQ")}.get(dataflow)
    order = order or tuple("NPQCRSK")
    streams = {"os": "CRS", "ws": "NPQ", "is": "K"}[dataflow]
    for block in blocks(pe, **SMALL.dims):
        assert order_fault(pe, order, block, SMALL.dims) is None
        ranges = [
            [range(SMALL.dims[dim])[at : at + step] for at in range(0, SMALL.dims[dim], step)]
            for dim, step in ((dim, getattr(block, dim)) for dim in order)
        ]
        expected, before = [], None
        for box in product(*ranges):
            extents = Block(**{dim: len(each) for dim, each in zip(order, box, strict=True)})
            still = [each for dim, each in zip(order, box, strict=True) if dim not in streams]
            goes_on = still == before and folds(pe, extents) == 1
            expected.append(array_cycles(pe, extents, continues=goes_on))
            before = still
        found = block_list(Schedule(SMALL, "outputs", "any", order, block), pe)
        assert found.compute_cycles.tolist() == expected


def test_the_padding_takes_its_time_but_moves_nothing():
    found = block_list(Schedule(SMALL, "outputs", "any", PLAIN), ONE)
    assert found.compute_cycles.sum() == SMALL.macs > SMALL.useful_macs


def test_an_order_over_inputs_skips_the_padding():
    order = ("N", "H", "W", "C", "K", "P", "Q")
    found = block_list(Schedule(SMALL, "weights", "scatter", order), ONE)
    assert found.compute_cycles.sum() == SMALL.useful_macs


def test_sram_is_the_bound_where_it_is_slower():
    block = Block(K=3, C=5, Q=4, R=3, S=3)
    pe, schedule = systolic("os", 4, 3), Schedule(SMALL, "outputs", "any", tuple("NPQK"), block)
    free, slow = block_list(schedule, pe), block_list(schedule, pe, 1)
    least = sram_cycles(accesses(pe, block), SMALL.widths, 1)
    assert slow.compute_cycles[0] == least > free.compute_cycles[0]
    assert (slow.words == free.words).all()


@pytest.mark.parametrize("seed", range(share_of(30)))
def test_bytes_are_those_of_the_whole_layer_rounded_once_an_operand(seed):
    rng = random.Random(2000 + seed)
    layer = random_layer(rng, most_macs=600)
    layer = replace(layer, widths=Widths(*(rng.choice((3, 4, 8, 12)) for _ in range(4))))
    choices = list(candidates(layer.group(), Block()))
    found = block_list(Schedule(layer, *rng.choice(choices)), ONE)
    widths = layer.widths
    weights, inputs, outputs = layer.words
    loaded = -(-weights * widths.weights // 8) + -(-inputs * widths.inputs // 8)
    assert found.load_bytes.sum() == loaded
    assert found.store_bytes.sum() == -(-outputs * widths.outputs // 8)
    assert min(found.load_bytes.min(), found.store_bytes.min()) >= 0
    run = timeline(
        found.load_bytes, found.compute_cycles, found.store_bytes,
        buffering="prefetch", cycles_per_byte=1,
    )  # fmt: skip
    assert (run.load_bytes, run.compute_cycles) == (loaded, found.compute_cycles.sum())


def test_a_layer_of_nothing_but_padding_writes_its_outputs():
    layer = Conv("dark", "conv", 1, 2, 1, 1, Axis(1, 1, 1, 1, 1, 1), Axis(1))
    found = block_list(Schedule(layer, "outputs", "any", PLAIN), ONE)
    assert found.words.tolist() == [[0, 0, 0, 2, 0]]
    assert found.compute_cycles.tolist() == [0]


@pytest.mark.parametrize("stay", [Stay("inputs", words=3), Stay("inputs", through=True)])
def test_stays_without_a_list_are_refused(stay):
    halves = [Part("K", begin, end) for begin, end in pairwise((0, 3, 7))]
    first, second = (
        Schedule(
            SMALL, "inputs", "any", PLAIN,
            tiling=Tiling((Cut("C", (0, 2)),), stays=(stay,)), part=half,
        )
        for half in halves
    )  # fmt: skip
    schedule = replace(first, then=second)
    assert schedule.fault() is None
    with pytest.raises(ValueError, match="inputs stay in part; no block list is known"):
        block_list(schedule, ONE)


def test_too_many_blocks_are_refused():
    axis = Axis(4096, 1, 4096)
    layer = Conv("huge", "conv", 1, 64, 64, 1, axis, axis)
    with pytest.raises(ValueError, match="blocks in a tile; take a larger block"):
        block_list(Schedule(layer, "outputs", "any", PLAIN), ONE)
