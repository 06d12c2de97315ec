"""Tiled schedules: the machine against a plain Python walk of the same definition."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cases import random_block, random_layer
from walk import steps

from accelsim.dataflow.residency import candidates
from accelsim.dataflow.schedule import Cut, Schedule, Tiling
from accelsim.replay import replay
from accelsim.workload.layer import Conv


def random_tiling(rng: random.Random, layer: Conv) -> Tiling:
    """Up to three dims cut anywhere, in any loop order, with any operands kept."""
    dims = [dim for dim, extent in layer.dims.items() if extent > 1]
    cuts = []
    for dim in rng.sample(dims, min(len(dims), rng.randint(1, 3))):
        extent = layer.dims[dim]
        inner = rng.sample(range(1, extent), rng.randint(1, min(3, extent - 1)))
        cuts.append(Cut(dim, (0, *sorted(inner))))
    keeps = tuple(name for name in ("weights", "inputs", "outputs") if rng.random() < 0.4)
    return Tiling(tuple(cuts), rng.random() < 0.5, keeps)


def tile_numbers(layer: Conv, tiling: Tiling, at: dict[str, np.ndarray]) -> np.ndarray:
    """The number of the tile in which each MAC runs."""
    pieces = [np.searchsorted(cut.begins, at[cut.dim], side="right") - 1 for cut in tiling.cuts]
    turns = [0] * len(tiling.cuts)
    order: dict[tuple[int, ...], int] = {}

    def visit(level: int, chosen: tuple[int, ...]) -> None:
        if level == len(tiling.cuts):
            order[chosen] = len(order)
            return
        forth = list(range(len(tiling.cuts[level].begins)))
        if tiling.serpentine and turns[level] % 2:
            forth.reverse()
        turns[level] += 1
        for piece in forth:
            visit(level + 1, (*chosen, piece))

    visit(0, ())
    return np.array([order[key] for key in zip(*pieces, strict=True)])


def walked(layer: Conv, schedule: Schedule) -> tuple[int, dict[str, int]]:
    """Peak of live bits and traffic, one block and one word at a time."""
    tiling, widths = schedule.tiling, layer.widths
    at, _ = steps(layer, (), schedule.block)
    tile = tile_numbers(layer, tiling, at)
    position = np.zeros_like(tile)
    for number in np.unique(tile):  # blocks and phases count from the tile's own corner
        inside = tile == number
        shifted = {dim: values[inside] for dim, values in at.items()}
        position[inside] = block_numbers(layer, schedule, shifted, number, tiling)
    clock = np.lexsort((position, tile))
    stamp = list(zip(tile[clock], position[clock], strict=True))
    words = {
        "weights": list(zip(*(at[d][clock] for d in "KCRS"), strict=True)),
        "inputs": list(zip(*(at[d][clock] for d in "NCHW"), strict=True)),
        "outputs": list(zip(*(at[d][clock] for d in "NKPQ"), strict=True)),
    }
    if not layer.has_weights:
        del words["weights"]
    blocks = sorted(set(stamp))
    number_of = {block: index for index, block in enumerate(blocks)}
    tile_of = [block[0] for block in blocks]
    live_bits = np.zeros(len(blocks), dtype=np.int64)
    traffic = dict.fromkeys(("weights", "inputs", "psums_read", "psums_write", "outputs"), 0)
    tiles = sorted(set(tile.tolist()))
    following = dict(pairwise(tiles))
    for name, used in words.items():
        spans: dict[tuple, dict[int, list[int]]] = {}
        for word, when in zip(used, stamp, strict=True):
            spans.setdefault(word, {}).setdefault(int(when[0]), []).append(number_of[when])
        width = widths.psums if name == "outputs" else getattr(widths, name)
        for visits in spans.values():
            stays = []  # [first, last] while the word is on the chip
            for number in sorted(visits):
                first, last = min(visits[number]), max(visits[number])
                before = stays[-1] if stays else None
                joined = (
                    before is not None
                    and name in tiling.keeps
                    and following.get(tile_of[before[1]]) == number
                )
                if joined:
                    before[1] = last
                else:
                    stays.append([first, last])
            for first, last in stays:
                live_bits[first : last + 1] += width
            if name == "outputs":
                traffic["psums_write"] += len(stays) - 1
                traffic["psums_read"] += len(stays) - 1
                traffic["outputs"] += 1
            else:
                traffic[name] += len(stays)
    empty = layer.outputs_words - len(set(words["outputs"]))
    traffic["outputs"] += empty
    return int(live_bits.max()), traffic


def block_numbers(layer, schedule, at, number, tiling) -> np.ndarray:
    """Position of each MAC of a tile in the tile's own order of blocks."""
    keys = [np.zeros_like(at["N"])]
    begin = {}
    for cut in tiling.cuts:
        piece = np.searchsorted(cut.begins, at[cut.dim][:1], side="right") - 1
        begin[cut.dim] = cut.begins[int(piece[0])]
    for loop in schedule.order:
        values = at[loop]
        if loop in "NKCPQRS":
            values = (values - begin.get(loop, 0)) // getattr(schedule.block, loop)
        keys.append(values)
    _, position = np.unique(np.stack(keys), axis=1, return_inverse=True)
    return position.ravel()


@pytest.mark.parametrize("seed", range(300))
def test_tiled_schedules(seed):
    rng = random.Random(seed)
    layer = random_layer(rng).group()
    block = random_block(rng)
    choices = [found for found in candidates(layer, block) if "%" not in "".join(found[2])]
    resident, family, order = rng.choice(choices)
    if all(extent == 1 for extent in layer.dims.values()):
        pytest.skip("nothing to cut")
    schedule = Schedule(layer, resident, family, order, block)
    schedule = replace(schedule, tiling=random_tiling(rng, layer))
    done = replay(schedule)
    bits, traffic = walked(layer, schedule)
    assert done.correct
    assert done.peak_bits == bits
    assert traffic == {
        "weights": done.weights_read_words, "inputs": done.inputs_read_words,
        "psums_read": done.psums_read_words, "psums_write": done.psums_write_words,
        "outputs": done.outputs_write_words,
    } | ({} if layer.has_weights else {"weights": 0})  # fmt: skip
