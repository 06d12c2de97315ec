"""A mapping that a user gives: what it needs and moves, beside the frontier and the bound there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.claims import Claims, box_claims, layer_claims, padded
from accelsim.dataflow.loopnest import Convention as Counting
from accelsim.dataflow.loopnest import Counted, Mapping, evaluate
from accelsim.dataflow.mapping_file import read_mapping
from accelsim.dataflow.schedule import RESIDENTS
from accelsim.frontiers import CONVENTIONS, Convention
from accelsim.results import Result, Row
from accelsim.simulate import chosen_layers, result_meta
from accelsim.spec import InputError
from accelsim.units import quote
from accelsim.workload.layer import Conv
from accelsim.workload.network import Network, Node, load_network


@dataclass(frozen=True)
class MappingResult(Result):
    """A row per operand; the summary has the sums, and what stands beside them."""

    layer: Conv
    mapping: Mapping
    counted: Counted
    networks: tuple[Network, ...] = ()


def mapping(
    network: str | Path | Network,
    layer: str,
    given: str | Path | Mapping,
    *,
    convention: Convention = "exact",
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | dict[str, int] | None = None,
    psum_bits: int | None = None,
) -> MappingResult:
    """Return what a mapping of one layer, a YAML file or a Mapping, needs and moves.

    A row per operand: words of one group at the peak (under `orojenesis`: of its box), words of the
    whole layer read and written. Beside it the frontier of the same convention at the SRAM that the
    mapping needs, and the proven bound. Other options as for `frontier`. Raises InputError, for a
    file with its line.
    """
    if convention not in CONVENTIONS:
        raise InputError(f"convention: {quote(convention)}; known are {', '.join(CONVENTIONS)}")
    loaded = (
        network if isinstance(network, Network)
        else load_network(network, batch=batch, input=input, bits=bits, psum_bits=psum_bits)
    )  # fmt: skip
    node = _one(loaded, layer)
    conv = node.layer
    if not isinstance(conv, Conv):
        raise InputError(f"{loaded.path}: {node.name} only passes words through; it has no loops")
    counting: Counting = "orojenesis" if convention == "orojenesis" else "exact"
    if convention != "exact":
        conv = padded(conv)
        assert isinstance(conv, Conv)
    inputs = {loaded.path: loaded.sha256}
    if isinstance(given, Mapping):
        fault = given.fault(conv, counting)
        if fault is not None:
            raise InputError(f"mapping: {fault[0]}: {fault[1]}")
        nest = given
    else:
        nest = read_mapping(given, conv, counting)
        inputs[str(given)] = sha256(Path(given).read_bytes()).hexdigest()
    counted = evaluate(conv, nest, counting)
    key = replace(conv, name="")
    sram_bytes = sum(
        -(-words * width // 8)
        for words, width in zip(counted.peak_words, conv.widths.live, strict=True)
    )
    of_boxes = convention == "orojenesis"
    claims = box_claims(key, sram_bytes) if of_boxes else layer_claims(key, sram=sram_bytes)
    names: Row = {"network": loaded.name, "layer": node.name, "op": node.op}
    rows = [names | own for own in _operands(conv, nest, counted)]
    return MappingResult(
        meta={**result_meta("frontier", (loaded,), "single", convention), "inputs": inputs},
        table=tuple(rows),
        summary=_summary(rows, counted, conv, sram_bytes, claims),
        layer=conv,
        mapping=nest,
        counted=counted,
        networks=(loaded,),
    )


def _one(network: Network, layer: str) -> Node:
    """The one layer of the name."""
    found = chosen_layers(network, layer)
    if len(found) > 1:
        wrong = f"{quote(layer)} stands for {len(found)} layers"
        raise InputError(f"{network.path}: {wrong}; name one, {found[0].name} for instance")
    return found[0]


def _operands(layer: Conv, nest: Mapping, counted: Counted) -> list[Row]:
    """A row per operand of the layer; psums in that of the outputs."""
    reads = counted.weights_read_words, counted.inputs_read_words, counted.psums_read_words
    writes = 0, 0, counted.psums_write_words + counted.outputs_write_words
    return [
        {
            "operand": operand,
            "held_depth": depth,
            "sram_words": held,
            "read_words": layer.groups * read,
            "write_words": layer.groups * written,
            "compulsory_words": own,
        }
        for operand, depth, held, read, written, own in zip(
            RESIDENTS, nest.held, counted.peak_words, reads, writes, layer.words, strict=True
        )
        if operand != "weights" or layer.has_weights
    ]


def _summary(
    rows: Sequence[Row], counted: Counted, layer: Conv, sram_bytes: int, claims: Claims
) -> dict[str, Any]:
    """Sums, and the frontier and the bound in as much SRAM."""
    best = claims[0]
    moved = layer.groups * counted.traffic_bits
    bound = int(claims.bound.bits(np.array([sram_bytes]))[0])
    fits = best.sram_bytes <= sram_bytes
    frontier_bits = layer.groups * best.point.traffic_bits if fits else 0
    return {
        "sram_words": counted.sram_words,
        "sram_bytes": sram_bytes,
        "dram_words": layer.groups * counted.dram_words,
        "dram_bytes": -(-moved // 8),
        "compulsory_words": sum(layer.words),
        "frontier_sram_bytes": best.sram_bytes,
        "frontier_dram_words": sum(best.traffic) if fits else 0,
        "frontier_dram_bytes": best.dram_bytes if fits else 0,
        "frontier_x": round(moved / frontier_bits, 4) if frontier_bits else 1.0,
        "bound_words": int(claims.bound.words(np.array([bound]))[0]),
        "bound_bytes": -(-bound // 8),
        "gap_x": round(moved / bound, 4) if bound else 1.0,
    }
