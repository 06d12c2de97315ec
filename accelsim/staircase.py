"""A network's staircase: all layers at one size together, which layer limits, how far the bound is.

Layers run one after another, so each has the whole SRAM at a time and its best schedule in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from accelsim.claims import Claims, LayerClaims
from accelsim.workload.layer import Int64, Stream

_KIB = 1024
_MOST_LIMITS = 4


def staircase(layers: Sequence[Claims]) -> list[list[int]]:
    """Sizes in bytes and the least traffic in bytes of all layers together, each at its best.

    A step wherever a layer has a point; the words that layers pin in between count there too.
    """
    if not layers:
        return []
    shared = _counted(layers)
    start = max(own.steps[0, 0] for own, _ in shared)
    sizes = np.unique(np.concatenate([own.steps[:, 0] for own, _ in shared]))
    sizes = sizes[sizes >= start]
    total = sum((count * own.dram_bytes_at(sizes) for own, count in shared), np.zeros_like(sizes))
    kept = np.r_[True, total[1:] < total[:-1]]
    found: list[list[int]] = np.stack((sizes, total), axis=1)[kept].tolist()
    return found


def at_size(layers: Sequence[Claims]) -> list[list[int]]:
    """The same of claims at one size: the largest SRAM that a layer takes, and their traffic."""
    size = max((own.shown[-1].sram_bytes for own in layers), default=0)
    total = sum(own.shown[-1].dram_bytes for own in layers)
    return [[size, total]] if layers else []


def bounds(steps: Sequence[Sequence[int]], layers: Sequence[Claims]) -> list[list[int]]:
    """Some of a staircase's sizes and the bytes that no schedules of all layers together go below.

    Sizes are some 16 an octave, the last one among them.
    """
    sizes = np.array([size for size, _ in steps], dtype=np.int64)
    octaves = np.floor(16 * np.log2(np.maximum(sizes, 1)))
    some = sizes[np.r_[octaves[1:] > octaves[:-1], True]]
    found: list[list[int]] = np.stack((some, bound_bytes(layers, some)), axis=1).tolist()
    return found


def bound_bytes(layers: Sequence[Claims], sram_bytes: Int64) -> Int64:
    """Bytes that no schedules of all layers together go below, at sizes in bytes."""
    bits = sum(
        (count * own.bound.bits(sram_bytes) for own, count in _counted(layers)),
        np.zeros_like(sram_bytes),
    )
    found: Int64 = -(-bits // 8)
    return found


def limits(layers: Sequence[LayerClaims], sram: int | None = None) -> list[dict[str, Any]]:
    """What limits at `sram` bytes, or at up to four sizes that quadruple; what more SRAM buys.

    The layer with most traffic beyond the compulsory limits, counted together with its like; how
    much more SRAM halves that, and the bytes that then no longer cross the chip edge, its own and
    those of all layers. Empty `layer` where every word already moves once.
    """
    if not layers:
        return []
    first = max(own.claims.every[0].sram_bytes for own in layers)
    last = max(own.claims.every[-1].sram_bytes for own in layers)
    sizes = [sram] if sram is not None else list(_sizes(first, last))[-_MOST_LIMITS:]
    return [_limit(layers, size) for size in sizes if size >= first]


def _sizes(first: int, last: int) -> Iterator[int]:
    """1 KiB, 4 KiB, ... between two sizes, of small layers also a quarter of that, and so on."""
    size = 1
    while size < last:
        if size >= first:
            yield size
        size *= 4


def _limit(layers: Sequence[LayerClaims], sram: int) -> dict[str, Any]:
    names: dict[int, str] = {}
    for own in layers:
        names.setdefault(id(own.claims), own.name)
    sizes, shared = np.array([sram]), _counted([own.claims for own in layers])
    moved = [int(own.dram_bytes_at(sizes)[0]) for own, _ in shared]
    over = [
        count * (total - own.compulsory_bytes)
        for total, (own, count) in zip(moved, shared, strict=True)
    ]
    most = max(range(len(over)), key=lambda at: over[at])
    found: dict[str, Any] = {"sram_bytes": sram, "dram_bytes": sum(
        count * total for total, (_, count) in zip(moved, shared, strict=True)
    )}  # fmt: skip
    if not over[most]:
        return {**found, "layer": "", "layers_alike": 0, "more_sram_bytes": 0,
                "less_dram_bytes": 0, "all_less_dram_bytes": 0}  # fmt: skip
    limiting, count = shared[most]
    half = limiting.compulsory_bytes + (moved[most] - limiting.compulsory_bytes) / 2
    size = limiting.size_for(half)
    after = sum(times * int(own.dram_bytes_at(np.array([size]))[0]) for own, times in shared)
    less = moved[most] - int(limiting.dram_bytes_at(np.array([size]))[0])
    return {
        **found,
        "layer": names[id(limiting)],
        "layers_alike": count,
        "more_sram_bytes": size - sram,
        "less_dram_bytes": count * less,
        "all_less_dram_bytes": found["dram_bytes"] - after,
    }


def gap(layers: Sequence[LayerClaims]) -> dict[str, Any]:
    """How many times the proven bound layers move, those with weights.

    Geometric mean over layers and the sizes of 1 KiB, 2 KiB, ... at which they do not yet move
    every word once, and the worst of these; with one size a layer, over that.
    """
    logs, total, worst = 0.0, 0, (1.0, "", 0)
    for own, count in _counted([each.claims for each in layers]):
        name = next(each.name for each in layers if each.claims is own)
        layer = own.bound.layer
        if isinstance(layer, Stream) or not layer.has_weights:
            continue
        sizes, moved = _measured(own)
        if not len(sizes):
            continue
        ratios = 8 * moved / own.bound.bits(sizes)
        at = int(np.argmax(ratios))
        logs += count * float(np.log(ratios).sum())
        total += count * len(sizes)
        worst = max(worst, (float(ratios[at]), name, int(sizes[at])), key=lambda each: each[0])
    return {
        "geometric_mean_x": round(math.exp(logs / total), 4) if total else 1.0,
        "worst_x": round(worst[0], 4),
        "worst_layer": worst[1],
        "worst_sram_bytes": worst[2],
    }


def _measured(own: Claims) -> tuple[Int64, Int64]:
    """Sizes and traffic, in bytes, at which a layer is held against its bound."""
    if len(own.shown) == 1 and len(own.every) > 1:
        claim = own.shown[0]
        return np.array([claim.sram_bytes]), np.array([claim.dram_bytes])
    first, last = int(own.steps[0, 0]), int(own.steps[-1, 0])
    doubled = [_KIB << power for power in range(30) if first <= _KIB << power < last]
    sizes = np.array(doubled, dtype=np.int64)
    return sizes, own.dram_bytes_at(sizes) if doubled else sizes


def _counted(layers: Sequence[Claims]) -> list[tuple[Claims, int]]:
    """Different claims, and how many layers share them."""
    shared = Counter(map(id, layers))
    return [(own, shared[key]) for key, own in {id(own): own for own in layers}.items()]
