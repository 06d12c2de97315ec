"""Networks in, frontiers out: the least off-chip traffic of each layer at every SRAM size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from accelsim.dataflow.frontier import Frontier, Point
from accelsim.dataflow.frontier import frontier as layer_frontier
from accelsim.dataflow.schedule import ONE_MAC, RESIDENTS, Block, Buffering, Resident, Schedule
from accelsim.dataflow.tile_traffic import Traffic, tile_text, traffic_words
from accelsim.results import LazyRows, Result, Row
from accelsim.simulate import chosen_layers, conserve, layer_need, result_meta
from accelsim.spec import InputError
from accelsim.units import format_bytes, quote
from accelsim.workload.layer import Axis, Conv, Layer, Stream, operand_bytes
from accelsim.workload.network import Network, load_network

Convention = Literal["exact", "padded"]
CONVENTIONS: tuple[Convention, ...] = ("exact", "padded")


class TooLittleSram(InputError):
    """A layer runs with no schedule at the size that is asked; the line says what would do."""


@dataclass(frozen=True)
class Claim:
    """What a row claims: a layer, one group's capacity and traffic, and the schedule that does it.

    A layer that only passes words through has no `frontier`, and no schedule.
    """

    layer: Layer
    point: Point
    sram_bytes: int
    frontier: Frontier | None = None

    @cached_property
    def schedule(self) -> Schedule | None:
        """The schedule that does it; None where words only pass through."""
        if self.frontier is None or isinstance(self.layer, Stream):
            return None
        schedule = self.frontier.schedule(self.point)
        if schedule.layer == self.layer:
            return schedule
        then = schedule.then and replace(schedule.then, layer=self.layer)
        return replace(schedule, layer=self.layer, then=then)

    @cached_property
    def traffic(self) -> Traffic:
        """Words that the whole layer moves.

        Raises RuntimeError where the schedule's words cannot account for the claimed bits.
        """
        if self.schedule is None:
            return (*self.layer.words, 0, 0)
        words = traffic_words(self.schedule, self.point.traffic_bits)
        weights, inputs, outputs, read, written = (self._groups * count for count in words)
        return weights, inputs, outputs, read, written

    @cached_property
    def dram_bytes(self) -> int:
        """Bytes of the whole layer's traffic, each column rounded up once."""
        if self.frontier is not None and not _rounding(self.layer):
            return self._groups * self.point.traffic_bits // 8  # columns of whole bytes
        widths = self.layer.widths
        bits = (widths.weights, widths.inputs, widths.outputs, widths.psums, widths.psums)
        return sum(-(-count * width // 8) for count, width in zip(self.traffic, bits, strict=True))

    @property
    def gain_bits(self) -> int:
        """Bits of the whole layer's traffic that each further word saves."""
        return self._groups * self.point.gain_bits

    @property
    def pin_gain_x(self) -> float:
        """Words of traffic that each further word saves, 0 where none does."""
        return round(self.gain_bits / self.point.step_bits, 4) if self.point.steps else 0

    @property
    def pin_sram_bytes(self) -> int:
        """Bytes of all the further words that save something."""
        return self.point.steps * self.point.step_bits // 8

    @property
    def _groups(self) -> int:
        return self.layer.groups if isinstance(self.layer, Conv) else 1


@dataclass(frozen=True)
class LayerClaims:
    """A layer of a network and its claims in ascending bytes.

    The layer of the claims has no name: layers that differ in nothing else share them.
    """

    name: str
    op: str
    layer: Layer
    claims: Sequence[Claim]

    @property
    def compulsory_bytes(self) -> int:
        """Bytes of every used word once, each operand rounded up once."""
        return operand_bytes(self.layer.words, self.layer.widths)


@dataclass(frozen=True)
class FrontierResult(Result):
    """What `frontier` found, layer by layer; the rows are made when they are first used."""

    networks: tuple[Network, ...] = ()
    layers: tuple[LayerClaims, ...] = ()

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """The claims in the order of the rows, each with its layer's own name."""
        return tuple(replace(claim, layer=own.layer) for own in self.layers for claim in own.claims)


def frontier(
    network: str | Path | Network,
    *,
    layer: str | Sequence[str] | None = None,
    resident: Resident | None = None,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    convention: Convention = "exact",
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | Mapping[str, int] | None = None,
    psum_bits: int | None = None,
    sram: int | None = None,
) -> FrontierResult:
    """Return the least off-chip traffic of each layer at every SRAM size.

    A row per point, in ascending `sram_bytes` a layer; it holds up to the next row's SRAM, and each
    word pinned in between saves `pin_gain_x` words, up to `pin_sram_bytes` of them. With `sram`, in
    bytes, a row per layer: the best at that size. Raises TooLittleSram where a layer does not fit.
    Options are those of `min_sram`; with convention `padded` the padding counts as ordinary inputs.

    `sram_words` are the words at the peak where all operands are equally wide; else words of the
    widest operand that so many bits hold, rounded up. `sram_bytes` of widths that are no whole
    bytes are two bytes more than the bits come to, enough to round each operand up; a layer's last
    row has exactly `min_sram_bytes`. SRAM is one group's, traffic the whole layer's.
    """
    if convention not in CONVENTIONS:
        raise InputError(f"convention: {quote(convention)}; known are {', '.join(CONVENTIONS)}")
    loaded = (
        network if isinstance(network, Network)
        else load_network(network, batch=batch, input=input, bits=bits, psum_bits=psum_bits)
    )  # fmt: skip
    residents = RESIDENTS if resident is None else (resident,)
    known: dict[Layer, list[Claim]] = {}
    layers: list[LayerClaims] = []
    for node in chosen_layers(loaded, layer):
        assert node.layer is not None
        counted = padded(node.layer) if convention == "padded" else node.layer
        key = replace(counted, name="")
        if key not in known:
            known[key] = layer_claims(key, residents, block, buffering, sram)
        layers.append(LayerClaims(node.name, node.op, counted, known[key]))
    if sram is not None:
        _refuse_too_little(layers, sram)
    return FrontierResult(
        meta=result_meta("frontier", (loaded,), buffering, convention),
        table=LazyRows(partial(_rows, loaded.name, layers)),
        summary=_summary(layers),
        networks=(loaded,),
        layers=tuple(layers),
    )


def padded(layer: Layer) -> Layer:
    """The layer whose padded input box is ordinary input; other kinds of axes as they are."""
    if isinstance(layer, Stream):
        return layer
    return replace(layer, rows=_boxed(layer.rows), cols=_boxed(layer.cols))


def _boxed(axis: Axis) -> Axis:
    if axis.kind != "conv":
        return axis
    reach = (axis.outputs - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1
    return replace(axis, inputs=reach, pad=0)


def layer_claims(
    layer: Layer,
    residents: tuple[Resident, ...] = RESIDENTS,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    sram: int | None = None,
) -> list[Claim]:
    """A layer's frontier in ascending bytes; with `sram` the best at that size.

    Where nothing fits `sram`, the smallest there is.
    """
    if isinstance(layer, Stream):
        need = layer_need(layer, residents=residents, block=block, buffering=buffering)
        moved = (
            layer.inputs_words * layer.widths.inputs + layer.outputs_words * layer.widths.outputs
        )
        return [Claim(layer, Point(need.peak.bits, moved, 0, 0, 0, None, 0), need.peak.bytes)]
    found = layer_frontier(layer, block=block, buffering=buffering, residents=residents)
    conserve(found.once.schedule)
    last, spare_bytes = found.points[-1], _rounding(layer)
    if sram is not None:
        best = found.at(8 * (sram - spare_bytes)) or found.points[0]
        if found.once.peak.bytes <= sram or best is last:
            return [Claim(layer, last, found.once.peak.bytes, found)]
        return [Claim(layer, best, -(-best.bits // 8) + spare_bytes, found)]
    kept = [Claim(layer, last, found.once.peak.bytes, found)]
    for point in reversed(found.points[:-1]):
        claim = Claim(layer, point, -(-point.bits // 8) + spare_bytes, found)
        if claim.sram_bytes >= kept[-1].sram_bytes:
            continue  # rounding: the next one does better in as many bytes
        while len(kept) > 1 and claim.dram_bytes <= kept[-1].dram_bytes:
            kept.pop()
        if claim.dram_bytes > kept[-1].dram_bytes:
            kept.append(claim)
    return kept[::-1]


def _rounding(layer: Layer) -> int:
    """Bytes that rounding three operands up one by one may take beyond rounding their sum up."""
    widths = layer.widths
    return 2 if any(bits % 8 for bits in (*widths.live, widths.outputs)) else 0


def _rows(network: str, layers: Sequence[LayerClaims]) -> list[Row]:
    """The rows of all layers; columns of shared claims are made once."""
    known: dict[int, list[Row]] = {}
    rows: list[Row] = []
    for own in layers:
        if id(own.claims) not in known:
            known[id(own.claims)] = [_columns(claim) for claim in own.claims]
        names: Row = {"network": network, "layer": own.name, "op": own.op}
        rows += [names | columns for columns in known[id(own.claims)]]
    return rows


def _columns(claim: Claim) -> Row:
    """What a row says of any layer with this claim."""
    layer, schedule, point = claim.layer, claim.schedule, claim.point
    least = operand_bytes(layer.words, layer.widths)
    weights, inputs, outputs, read, written = claim.traffic
    return {
        "sram_words": -(-point.bits // max(*layer.widths.live, layer.widths.outputs)),
        "sram_bytes": claim.sram_bytes,
        "dram_words": sum(claim.traffic),
        "dram_bytes": claim.dram_bytes,
        "weights_read_words": weights,
        "inputs_read_words": inputs,
        "outputs_write_words": outputs,
        "psums_read_words": read,
        "psums_write_words": written,
        "dram_x": round(claim.dram_bytes / least, 6) if least else 1.0,
        "bound_words": sum(layer.words),
        "resident": schedule.stays if schedule else "none",
        "order": schedule.order_text if schedule else "",
        "tile": tile_text(schedule) if schedule else "",
        "pin_gain_x": claim.pin_gain_x,
        "pin_sram_bytes": claim.pin_sram_bytes,
        "staying_words": point.staying,
        "family": schedule.family if schedule else "",
        "compulsory_bytes": least,
    }


def _refuse_too_little(layers: Sequence[LayerClaims], sram: int) -> None:
    """Raise TooLittleSram if the smallest schedule of a layer does not fit."""
    most = max(layers, key=lambda own: own.claims[0].sram_bytes)
    least = most.claims[0].sram_bytes
    if least > sram:
        need = f"{format_bytes(least)} ({least:,} bytes)" if least > 1023 else f"{least:,} bytes"
        raise TooLittleSram(f"{most.name} does not fit {sram:,} bytes; {need} are the least")


def _summary(layers: Sequence[LayerClaims]) -> dict[str, Any]:
    """The network's staircase: sizes at which every layer runs, and their traffic together."""
    limiting = max(layers, key=lambda own: own.claims[-1].sram_bytes, default=None)
    return {
        "staircase": staircase([own.claims for own in layers]),
        "compulsory_bytes": sum(own.compulsory_bytes for own in layers),
        "min_sram_bytes": limiting.claims[-1].sram_bytes if limiting else 0,
        "limiting_layer": limiting.name if limiting else "",
    }


def staircase(layers: Sequence[Sequence[Claim]]) -> list[list[int]]:
    """Sizes in bytes and the least traffic in bytes of all layers together, each at its best.

    A step wherever a layer has a point; the words that layers pin in between count there too.
    """
    if not layers:
        return []
    shared = Counter(map(id, layers))  # layers that are alike share their claims
    held = {
        id(own): np.array(
            [
                (c.sram_bytes, c.dram_bytes, c.point.step_bits, c.gain_bits, c.point.steps)
                for c in own
            ],
            dtype=np.int64,
        )
        for own in {id(own): own for own in layers}.values()
    }
    start = max(points[0, 0] for points in held.values())
    sizes = np.unique(np.concatenate([points[:, 0] for points in held.values()]))
    sizes = sizes[sizes >= start]
    total = np.zeros_like(sizes)
    for own, points in held.items():
        at = points[np.searchsorted(points[:, 0], sizes, side="right") - 1]
        pinned = np.minimum(8 * (sizes - at[:, 0]) // np.maximum(at[:, 2], 1), at[:, 4])
        total += shared[own] * (at[:, 1] - pinned * at[:, 3] // 8)
    kept = np.r_[True, total[1:] < total[:-1]]
    found: list[list[int]] = np.stack((sizes, total), axis=1)[kept].tolist()
    return found
