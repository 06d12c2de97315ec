"""Networks in, frontiers out: the least off-chip traffic of each layer at every SRAM size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from accelsim.claims import Claim, Claims, LayerClaims, box_claims, layer_claims, padded
from accelsim.dataflow.points import Frontier
from accelsim.dataflow.schedule import ONE_MAC, RESIDENTS, Block, Buffering, Resident
from accelsim.results import LazyRows, Result, Row
from accelsim.simulate import TooLittleSram, chosen_layers, load_each, result_meta
from accelsim.spec import InputError
from accelsim.staircase import at_size, bounds, gap, limits, staircase
from accelsim.training.passes import Pass
from accelsim.units import format_bytes, quote
from accelsim.workload.layer import Conv, Layer
from accelsim.workload.network import Network

Convention = Literal["exact", "padded", "orojenesis"]
CONVENTIONS: tuple[Convention, ...] = ("exact", "padded", "orojenesis")


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
    networks: str | Path | Network | Sequence[str | Path | Network],
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
    pass_: Pass = "forward",
    sram: int | None = None,
) -> FrontierResult:
    """Return the least off-chip traffic of each layer at every SRAM size.

    A row per point, in ascending `sram_bytes` a layer; it holds up to the next row's SRAM, and each
    word pinned in between saves `pin_gain_x` words, up to `pin_sram_bytes` of them. With `sram`, in
    bytes, a row per layer: the best at that size. Raises TooLittleSram where a layer does not fit.
    Options are those of `min_sram`. Layers of like groups are searched once, across networks too.

    With convention `padded` the padding counts as ordinary inputs. With `orojenesis` the rows are
    the frontier of box tiles as Timeloop counts them (`dataflow/loopnest.py`): all operands equally
    wide, no `resident`, `block` or `buffering`; raises InputError otherwise.

    `sram_words` are the words at the peak where all operands are equally wide; else words of the
    widest operand that so many bits hold, rounded up. `sram_bytes` of widths that are no whole
    bytes are two bytes more than the bits come to, enough to round each operand up; a layer's last
    row has exactly `min_sram_bytes`. SRAM is one group's, traffic the whole layer's. `bound_words`
    is what no schedule goes below in `sram_bytes`, `gap_x` how many times the bound's bits move.
    """
    if convention not in CONVENTIONS:
        raise InputError(f"convention: {quote(convention)}; known are {', '.join(CONVENTIONS)}")
    if convention == "orojenesis":
        plain = (resident, block, buffering) == (None, ONE_MAC, "single")
        if not plain:
            raise InputError("orojenesis has no resident, block or buffering; leave them out")
    loaded = load_each(networks, pass_, batch=batch, input=input, bits=bits, psum_bits=psum_bits)
    residents = RESIDENTS if resident is None else (resident,)
    known: dict[Layer, Claims] = {}
    groups: dict[Conv, Frontier] = {}
    layers: list[LayerClaims] = []
    for network in loaded:
        for node in chosen_layers(network, layer):
            assert node.layer is not None
            counted = node.layer if convention == "exact" else padded(node.layer)
            key = replace(counted, name="")
            if key not in known and convention == "orojenesis":
                known[key] = _boxes(network, node.name, key, sram)
            elif key not in known:
                known[key] = layer_claims(key, residents, block, buffering, sram, groups)
            layers.append(LayerClaims(node.name, node.op, counted, known[key], network.name))
    if sram is not None:
        _refuse_too_little(layers, sram)
    return FrontierResult(
        meta=result_meta("frontier", loaded, buffering, convention),
        table=LazyRows(partial(_rows, layers)),
        summary=_summary([network.name for network in loaded], layers, sram),
        networks=loaded,
        layers=tuple(layers),
    )


def _boxes(network: Network, name: str, layer: Layer, sram: int | None) -> Claims:
    """Box tiles of a layer; a fault says which layer has none."""
    try:
        return box_claims(layer, sram)
    except InputError as error:
        raise InputError(f"{network.path}: {name}: {error}") from None


def _rows(layers: Sequence[LayerClaims]) -> list[Row]:
    """The rows of all layers; columns of shared claims are made once."""
    known: dict[int, list[Row]] = {}
    rows: list[Row] = []
    for own in layers:
        if id(own.claims) not in known:
            known[id(own.claims)] = _columns(own.claims)
        names: Row = {"network": own.network, "layer": own.name, "op": own.op}
        rows += [names | columns for columns in known[id(own.claims)]]
    return rows


def _columns(claims: Claims) -> list[Row]:
    """What the rows say of any layer with these claims."""
    layer, least = claims.bound.layer, claims.compulsory_bytes
    widest = max(*layer.widths.live, layer.widths.outputs)
    bits = claims.bound_bits
    rows: list[Row] = []
    for claim, bound_bits, bound_words in zip(
        claims, bits.tolist(), claims.bound.words(bits).tolist(), strict=True
    ):
        point, traffic, dram_bytes = claim.point, claim.traffic, claim.dram_bytes
        weights, inputs, outputs, read, written = traffic
        rows.append({
            "sram_words": -(-point.bits // widest),
            "sram_bytes": claim.sram_bytes,
            "dram_words": sum(traffic),
            "dram_bytes": dram_bytes,
            "weights_read_words": weights,
            "inputs_read_words": inputs,
            "outputs_write_words": outputs,
            "psums_read_words": read,
            "psums_write_words": written,
            "dram_x": round(dram_bytes / least, 6) if least else 1.0,
            "bound_words": bound_words,
            "resident": claim.resident,
            "order": claim.order,
            "tile": claim.tile,
            "pin_gain_x": claim.pin_gain_x,
            "pin_sram_bytes": claim.pin_sram_bytes,
            "staying_words": point.staying,
            "family": claim.family,
            "compulsory_bytes": least,
            "bound_bytes": -(-bound_bits // 8),
            "gap_x": round(8 * dram_bytes / bound_bits, 4) if bound_bits else 1.0,
        })  # fmt: skip
    return rows


def _refuse_too_little(layers: Sequence[LayerClaims], sram: int) -> None:
    """Raise TooLittleSram if the smallest schedule of a layer does not fit."""
    most = max(layers, key=lambda own: own.claims[0].sram_bytes)
    least = most.claims[0].sram_bytes
    if least > sram:
        need = f"{format_bytes(least)} ({least:,} bytes)" if least > 1023 else f"{least:,} bytes"
        raise TooLittleSram(f"{most.name} does not fit {sram:,} bytes; {need} are the least")


def _summary(
    networks: Sequence[str], layers: Sequence[LayerClaims], sram: int | None
) -> dict[str, Any]:
    """Each network's figures under its name; those of the only one at the top too."""
    each = {
        name: _network_summary([own for own in layers if own.network == name], sram)
        for name in networks
    }
    return next(iter(each.values())) if len(each) == 1 else {"networks": each}


def _network_summary(layers: Sequence[LayerClaims], sram: int | None) -> dict[str, Any]:
    """The network's staircase (sizes at which every layer runs, their traffic together), limits.

    `min_sram_bytes` is the need of a network that moves every word once, in the sizes asked for.
    """
    limiting = max(layers, key=lambda own: own.claims[-1].sram_bytes, default=None)
    claims = [own.claims for own in layers]
    steps = staircase(claims) if sram is None else at_size(claims)
    return {
        "staircase": steps,
        "bounds": bounds(steps, claims) if steps else [],
        "compulsory_bytes": sum(own.compulsory_bytes for own in layers),
        "min_sram_bytes": limiting.claims[-1].sram_bytes if limiting else 0,
        "limiting_layer": limiting.name if limiting else "",
        "limits": limits(layers, sram),
        "gap": gap(layers),
    }
