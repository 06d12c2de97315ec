"""Once-only families: the orders that move every operand once, and the least SRAM among them.

Run as one tile, any order fetches each word once if the chip holds the peak of live words. The
orders worth trying keep one operand resident and stream the other two (DESIGN.md section 4); a
pair in parentheses runs in either order, and each order also with rows and columns exchanged:

- weights resident, gather:    N [P% Q%] P Q, then K C R S or C R S K
- weights resident, row sweep: N [P% Q%] P R Q, then K C S in any order
- weights resident, scatter:   N [P% Q%] H W, then C K P Q or K P Q C
- inputs resident:             K [R% S%], then N P Q (C RS) or (C RS) N P Q
- outputs resident:            C [R% S%], then R S (K NPQ) or N H W (K RS)
- any order of the dims, of a layer of a few MACs

Dilation phases P% Q% split the outputs of a dilated layer into classes that share no input; stride
phases R% S% split the taps of a strided layer into classes that share no input (of a deconv: no
output, so that there they serve the inputs-resident family). A block of several pixels or taps
leaves no loop over single inputs: scatter drops out, and outputs resident runs its pixels instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations

import numpy as np

from accelsim.dataflow.liveness import Peak, peak, peak_at_least
from accelsim.dataflow.schedule import (
    ONE_MAC,
    RESIDENTS,
    Block,
    Buffering,
    Order,
    Resident,
    Schedule,
    loop_extent,
    output_phases,
    transposed,
)
from accelsim.workload.layer import Axis, Conv, Widths

_TINY_MACS, _TINY_DIMS = 128, 5
"""Useful MACs of a group, and its dims of more than one, up to which every order is tried."""


@dataclass(frozen=True)
class OnceOnly:
    """A schedule that moves every word of its layer once, and the SRAM that takes."""

    schedule: Schedule
    peak: Peak


def once_only(
    layer: Conv,
    *,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    residents: tuple[Resident, ...] = RESIDENTS,
) -> OnceOnly:
    """Return the once-only schedule of one group of `layer` with the least peak of live bits.

    Ties go to the earlier order of the module's table.
    """
    group = layer.group()
    orders = list(candidates(group, block))
    if not group.useful_macs:  # every window lies in the padding
        return OnceOnly(Schedule(layer, *orders[0], block, buffering), _held(layer.widths, 0, 0, 0))
    kept_bits = {name: _least_kept_bits(group, block, name) for name in residents}
    best: tuple[int, int, Peak] | None = None
    for resident in sorted(residents, key=kept_bits.__getitem__):
        if best is not None and kept_bits[resident] > best[0]:
            break
        places = [place for place, found in enumerate(orders) if found[0] == resident]
        floors = [(peak_at_least(group, orders[at][2], block, buffering), at) for at in places]
        for floor, place in sorted(floors):
            if best is not None and (floor, place) > best[:2]:
                break
            found = peak(group, orders[place][2], block, buffering)
            if best is None or (found.bits, place) < best[:2]:
                best = found.bits, place, found
    assert best is not None, "every layer has an order of every family"
    if residents == RESIDENTS and block == ONE_MAC and group.useful_macs <= _TINY_MACS:
        own = _any_order(group, buffering, best[0])
        if own is not None:
            return OnceOnly(Schedule(layer, *own[0], block, buffering), own[1])
    found, order = best[2], orders[best[1]][2]
    if layer.has_weights:
        # families can share an order once idle loops are out: name the one whose operand stays
        pairs = zip(found.words_by_operand, group.words, strict=True)
        held = dict(zip(RESIDENTS, (live / used for live, used in pairs), strict=True))
        shared = [at for at in orders if at[2] == order and at[0] in residents]
        resident, family, _ = max(shared, key=lambda at: held[at[0]])
    else:
        resident, family, _ = orders[best[1]]
    return OnceOnly(Schedule(layer, resident, family, order, block, buffering), found)


def _any_order(
    group: Conv, buffering: Buffering, most_bits: int
) -> tuple[tuple[Resident, str, Order], Peak] | None:
    """The order of all loops over dims that needs least, if it is less than `most_bits`.

    Rows and columns of a few words each leave room for orders that suit no larger layer, such as
    k, p, r, q, s. It is named after the operand of which most is live at its peak.
    """
    dims = [dim for dim in "NKCPQRS" if group.dims[dim] > 1]
    best: tuple[int, Order, Peak] | None = None
    for order in permutations(dims) if len(dims) <= _TINY_DIMS else ():
        if peak_at_least(group, order, ONE_MAC, buffering) < (best[0] if best else most_bits):
            found = peak(group, order, ONE_MAC, buffering)
            if found.bits < (best[0] if best else most_bits):
                best = found.bits, order, found
    if best is None:
        return None
    pairs = zip(RESIDENTS, best[2].words_by_operand, group.words, strict=True)
    held = {name: live / used for name, live, used in pairs if used}
    return (max(held, key=held.__getitem__), "any order", best[1]), best[2]


def _least_kept_bits(layer: Conv, block: Block, resident: Resident) -> int:
    """Bits of the resident operand that are live together in every order of its family.

    Between the first and the second iteration of the outermost loop (k for inputs, c for outputs)
    every used word is live, since each iteration uses them all. Weights: between two outer
    positions halfway through an image, all taps that have outputs on both sides.
    """
    if resident == "inputs":
        return layer.inputs_words * layer.widths.inputs if layer.dims["K"] > block.K else 0
    if resident == "outputs":
        used = len(np.unique(layer.rows.pairs()[0])) * len(np.unique(layer.cols.pairs()[0]))
        bits = layer.N * layer.K * used * layer.widths.psums
        return bits if layer.dims["C"] > block.C else 0
    if max(output_phases(layer.rows), output_phases(layer.cols)) > 1 or not layer.has_weights:
        return 0
    taps = min(
        _straddling_taps(layer.rows, block.P) * layer.cols.used_taps,
        _straddling_taps(layer.cols, block.Q) * layer.rows.used_taps,
    )
    return layer.K * layer.C * taps * layer.widths.weights


@cache
def _straddling_taps(axis: Axis, block: int) -> int:
    """Least number of taps used on both sides of the middle, counted in outputs or in inputs."""
    p, r, h = axis.pairs()
    least = axis.taps
    for position in (p // block, h):
        middle = (int(position.max()) + 1) // 2
        before, after = r[position < middle], r[position >= middle]
        least = min(least, len(np.intersect1d(before, after)))
    return least


def candidates(layer: Conv, block: Block) -> Iterator[tuple[Resident, str, Order]]:
    """Yield (resident, family, order) for one group: each distinct order once, no idle loops."""
    square = layer.rows == layer.cols and (block.P, block.R) == (block.Q, block.S)
    seen: set[tuple[Resident, Order]] = set()
    for resident, family, order in _orders(layer, block):
        for variant in (order,) if square else (order, transposed(order)):
            short = without_idle_loops(layer, block, variant)
            if (resident, short) not in seen:
                seen.add((resident, short))
                yield resident, family, short


def _orders(layer: Conv, block: Block) -> Iterator[tuple[Resident, str, Order]]:
    for phases in ((), ("P%", "Q%")):
        for inner in ("KCRS", "CRSK"):
            yield "weights", "gather", ("N", *phases, "P", "Q", *inner)
        for kcs in permutations("KCS"):
            yield "weights", "row sweep", ("N", *phases, "P", "R", "Q", *kcs)
        for inner in () if block.has_window else ("CKPQ", "KPQC"):
            yield "weights", "scatter", ("N", *phases, "H", "W", *inner)
    deconv = layer.rows.kind == "deconv"
    for phases in ((), ("R%", "S%")) if deconv else ((),):
        for rest in ("NPQCRS", "NPQRSC", "CRSNPQ", "RSCNPQ"):
            yield "inputs", "inputs resident", ("K", *phases, *rest)
    pixels = "NPQ" if block.has_window else "NHW"
    for phases in ((),) if deconv else ((), ("R%", "S%")):
        for rest in ("RSKNPQ", "RSNPQK", pixels + "KRS", pixels + "RSK"):
            yield "outputs", "outputs resident", ("C", *phases, *rest)


def without_idle_loops(layer: Conv, block: Block, order: Order) -> Order:
    """Drop loops that run once; with a single tap or a single output, H is the other of P and R."""
    named = {"H": _named(layer.rows, "H", "P", "R"), "W": _named(layer.cols, "W", "Q", "S")}
    loops = dict.fromkeys(named.get(loop, loop) for loop in order)
    return tuple(loop for loop in loops if loop_extent(layer, block, loop) > 1)


def _named(axis: Axis, position: str, output: str, tap: str) -> str:
    return output if axis.taps == 1 else tap if axis.outputs == 1 else position


def tile_footprint(
    layer: Conv,
    *,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    residents: tuple[Resident, ...] = RESIDENTS,
) -> Peak:
    """Return the classical figure for one group: a whole rectangular tile per operand.

    Padding is fetched and a buffer depth is chosen per operand (DESIGN.md section 4):

    - weights resident: weights + a band of whole padded input rows (or columns) + a block's outputs
    - inputs resident: padded inputs + the lesser of (one k's weights, a block's outputs) and
      (a block's weights, one k's outputs)
    - outputs resident: outputs + the lesser of (one c's padded inputs, a block's weights) and
      (one c's weights, a block's inputs or, if it has a window, a band)

    With `prefetch` what streams is held twice, and outputs may wait finished; with `double`
    everything is held twice.
    """
    group, found, widths = layer.group(), [], layer.widths
    if buffering == "prefetch":
        widths = replace(widths, psums=max(widths.psums, widths.outputs))
    streamed_copies = 2 if buffering == "prefetch" else 1
    copies = 2 if buffering == "double" else 1
    for resident, words in _tiles(group, block):
        if resident not in residents:
            continue
        stays = RESIDENTS.index(resident)
        weights, inputs, outputs = (
            count * copies * (1 if operand == stays else streamed_copies)
            for operand, count in enumerate(words)
        )
        found.append(_held(widths, weights if layer.has_weights else 0, inputs, outputs))
    return min(found, key=lambda tile: tile.bits)


def _held(widths: Widths, weights: int, inputs: int, psums: int) -> Peak:
    bits = (weights * widths.weights, inputs * widths.inputs, psums * widths.psums)
    return Peak((weights, inputs, psums), bits)


def _tiles(layer: Conv, block: Block) -> Iterator[tuple[Resident, tuple[int, int, int]]]:
    """Yield the candidates of `tile_footprint` as (resident, (W, I, O) words on the chip)."""
    n, k, c, p, q, r, s = (min(getattr(block, dim), layer.dims[dim]) for dim in "NKCPQRS")
    N, K, C, P, Q, R, S = layer.dims.values()
    height, width = _reach(layer.rows, P), _reach(layer.cols, Q)
    band = min(_reach(layer.rows, p) * width, _reach(layer.cols, q) * height)
    few_inputs = n * c * (band if block.has_window else 1)
    yield "weights", (K * C * R * S, n * C * band, n * k * p * q)
    yield "inputs", (k * C * R * S, N * C * height * width, n * k * p * q)
    yield "inputs", (k * c * r * s, N * C * height * width, k * N * P * Q)
    yield "outputs", (k * c * r * s, c * N * height * width, N * K * P * Q)
    yield "outputs", (K * c * R * S, few_inputs, N * K * P * Q)


@cache
def _reach(axis: Axis, outputs: int) -> int:
    """Inputs, padding included, that the window of so many neighbouring outputs spans at most."""
    if axis.kind == "conv":
        return (outputs - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1
    if axis.kind == "deconv":
        reach = (outputs - 1 + (axis.taps - 1) * axis.dilation) // axis.stride + 1
        return min(reach, axis.inputs)
    p, _, h = axis.pairs()
    tile = p // outputs
    return max(int(np.ptp(h[tile == index])) + 1 for index in np.unique(tile))
