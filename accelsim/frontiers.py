"""Networks in, frontiers out: the least off-chip traffic of each layer at every SRAM size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from accelsim.dataflow.frontier import Frontier, Point
from accelsim.dataflow.frontier import frontier as layer_frontier
from accelsim.dataflow.schedule import ONE_MAC, RESIDENTS, Block, Buffering, Resident, Schedule
from accelsim.dataflow.tile_traffic import Traffic, tile_text, traffic_words
from accelsim.results import Result, Row
from accelsim.simulate import chosen_layers, layer_need, result_meta
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

    A layer that only passes words through has no schedule.
    """

    layer: Layer
    schedule: Schedule | None
    sram_bits: int
    sram_bytes: int
    traffic: Traffic
    step_bits: int = 0
    gain_bits: int = 0
    steps: int = 0
    staying: int = 0

    @property
    def dram_bytes(self) -> int:
        """Bytes of the whole layer's traffic, each column rounded up once."""
        widths = self.layer.widths
        bits = (widths.weights, widths.inputs, widths.outputs, widths.psums, widths.psums)
        return sum(-(-count * width // 8) for count, width in zip(self.traffic, bits, strict=True))


@dataclass(frozen=True)
class FrontierResult(Result):
    """What `frontier` found; `claims` holds the schedules in the order of the rows."""

    networks: tuple[Network, ...] = ()
    claims: tuple[Claim, ...] = ()


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
    rows: list[Row] = []
    claims: list[Claim] = []
    by_layer: dict[str, list[Claim]] = {}
    for node in chosen_layers(loaded, layer):
        assert node.layer is not None
        counted = padded(node.layer) if convention == "padded" else node.layer
        key = replace(counted, name="")
        if key not in known:
            known[key] = layer_claims(key, residents, block, buffering, sram)
        own = [_named(claim, counted) for claim in known[key]]
        by_layer[node.name] = own
        claims += own
        rows += [_row(loaded, node.name, node.op, claim) for claim in own]
    if sram is not None:
        _refuse_too_little(by_layer, sram)
    return FrontierResult(
        meta=result_meta("frontier", (loaded,), buffering, convention),
        table=tuple(rows),
        summary=_summary(by_layer),
        networks=(loaded,),
        claims=tuple(claims),
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
    need = layer_need(layer, residents=residents, block=block, buffering=buffering)
    last = need.peak.bytes
    if isinstance(layer, Stream):
        weights, inputs, outputs = layer.words
        traffic = weights, inputs, outputs, 0, 0
        return [Claim(layer, None, need.peak.bits, last, traffic)]
    found = layer_frontier(layer, block=block, buffering=buffering, residents=residents)
    if sram is not None:
        spare_bytes = _rounding(layer)
        best = found.at(8 * (sram - spare_bytes)) or found.points[0]
        best = found.points[-1] if last <= sram else best
        return [_claim(layer, found, best, last)]
    kept: list[Claim] = []
    for point in reversed(found.points):
        claim = _claim(layer, found, point, last)
        if kept and claim.sram_bytes >= kept[-1].sram_bytes:
            continue  # rounding: the next one does better in as many bytes
        while len(kept) > 1 and claim.dram_bytes <= kept[-1].dram_bytes:
            kept.pop()
        if not kept or claim.dram_bytes > kept[-1].dram_bytes:
            kept.append(claim)
    return kept[::-1]


def _claim(layer: Conv, found: Frontier, point: Point, last_bytes: int) -> Claim:
    schedule = found.schedule(point)
    traffic = traffic_words(schedule, point.traffic_bits)
    weights, inputs, outputs, read, written = (layer.groups * count for count in traffic)
    size = -(-point.bits // 8) + _rounding(layer)
    return Claim(
        layer, schedule, point.bits, last_bytes if point is found.points[-1] else size,
        (weights, inputs, outputs, read, written),
        point.step_bits, point.gain_bits * layer.groups, point.steps, point.staying,
    )  # fmt: skip


def _rounding(layer: Layer) -> int:
    """Bytes that rounding three operands up one by one may take beyond rounding their sum up."""
    widths = layer.widths
    return 2 if any(bits % 8 for bits in (*widths.live, widths.outputs)) else 0


def _named(claim: Claim, layer: Layer) -> Claim:
    schedule = claim.schedule
    if schedule is not None and isinstance(layer, Conv):
        then = schedule.then and replace(schedule.then, layer=layer)
        schedule = replace(schedule, layer=layer, then=then)
    return replace(claim, layer=layer, schedule=schedule)


def _row(network: Network, name: str, op: str, claim: Claim) -> Row:
    layer, schedule = claim.layer, claim.schedule
    least = operand_bytes(layer.words, layer.widths)
    weights, inputs, outputs, read, written = claim.traffic
    widths = layer.widths
    return {
        "network": network.name,
        "layer": name,
        "op": op,
        "sram_words": -(-claim.sram_bits // max(*widths.live, widths.outputs)),
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
        "pin_gain_x": round(claim.gain_bits / claim.step_bits, 4) if claim.steps else 0,
        "pin_sram_bytes": claim.steps * claim.step_bits // 8,
        "staying_words": claim.staying,
        "family": schedule.family if schedule else "",
        "compulsory_bytes": least,
    }


def _refuse_too_little(by_layer: Mapping[str, list[Claim]], sram: int) -> None:
    """Raise TooLittleSram if the smallest schedule of a layer does not fit."""
    name = max(by_layer, key=lambda each: by_layer[each][0].sram_bytes)
    least = by_layer[name][0].sram_bytes
    if least > sram:
        need = f"{format_bytes(least)} ({least:,} bytes)" if least > 1023 else f"{least:,} bytes"
        raise TooLittleSram(f"{name} does not fit {sram:,} bytes; {need} are the least")


def _summary(by_layer: Mapping[str, list[Claim]]) -> dict[str, Any]:
    """The network's staircase: sizes at which every layer runs, and their traffic together."""
    limiting = max(by_layer, key=lambda name: by_layer[name][-1].sram_bytes, default="")
    least = sum(operand_bytes(own[0].layer.words, own[0].layer.widths) for own in by_layer.values())
    return {
        "staircase": staircase(list(by_layer.values())),
        "compulsory_bytes": least,
        "min_sram_bytes": by_layer[limiting][-1].sram_bytes if limiting else 0,
        "limiting_layer": limiting,
    }


def staircase(layers: Sequence[list[Claim]]) -> list[list[int]]:
    """Sizes in bytes and the least traffic in bytes of all layers together, each at its best.

    A step wherever a layer has a point; the words that layers pin in between count there too.
    """
    if not layers:
        return []
    start = max(own[0].sram_bytes for own in layers)
    every = {claim.sram_bytes for own in layers for claim in own}
    sizes = np.array(sorted(size for size in every if size >= start), dtype=np.int64)
    total = np.zeros_like(sizes)
    for own in layers:
        held = np.array(
            [(c.sram_bytes, c.dram_bytes, c.step_bits, c.gain_bits, c.steps) for c in own],
            dtype=np.int64,
        )
        at = held[np.searchsorted(held[:, 0], sizes, side="right") - 1]
        pinned = np.minimum(8 * (sizes - at[:, 0]) // np.maximum(at[:, 2], 1), at[:, 4])
        total += at[:, 1] - pinned * at[:, 3] // 8
    kept = np.r_[True, total[1:] < total[:-1]]
    found: list[list[int]] = np.stack((sizes, total), axis=1)[kept].tolist()
    return found
