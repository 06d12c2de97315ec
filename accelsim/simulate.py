"""Networks in, results out: the best schedule of each layer, what they add up to together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from accelsim import __version__
from accelsim.dataflow.bounds import least_sram, least_stream_words, once_only_bound
from accelsim.dataflow.liveness import Peak, covered, separate_peaks
from accelsim.dataflow.residency import once_only, tile_footprint
from accelsim.dataflow.schedule import (
    ONE_MAC,
    RESIDENTS,
    Block,
    Buffering,
    Resident,
    Schedule,
)
from accelsim.dataflow.streams import stream_peak
from accelsim.results import Result, Row
from accelsim.spec import InputError
from accelsim.training.passes import Pass, in_pass
from accelsim.units import quote, suggest
from accelsim.workload.layer import Conv, Layer, Stream, operand_bytes
from accelsim.workload.network import Network, Node, load_network

_WEIGHTED = ("conv", "deconv", "fc", "matmul")


class TooLittleSram(InputError):
    """A layer runs with no schedule at the size that is asked; the line says what would do."""


@dataclass(frozen=True, slots=True)
class LayerNeed:
    """Least SRAM for once-only traffic of a layer, its schedule, and what stands beside it.

    All figures are one group's; a stream has no schedule. `parted` holds each operand's own peak.
    """

    layer: Layer
    schedule: Schedule | None
    peak: Peak
    parted: Peak
    tile: Peak
    bound_bits: int
    bound_words: int

    def named(self, layer: Layer) -> LayerNeed:
        """The same need of a layer that differs in its name only."""
        schedule = self.schedule
        if schedule is not None and isinstance(layer, Conv):
            schedule = replace(schedule, layer=layer)
        return replace(self, layer=layer, schedule=schedule)


@dataclass(frozen=True)
class MinSram(Result):
    """What `min_sram` found; `needs` holds the layers' witnesses in the order of the rows."""

    networks: tuple[Network, ...] = ()
    needs: tuple[LayerNeed, ...] = ()


def min_sram(
    networks: str | Path | Network | Sequence[str | Path | Network],
    *,
    layer: str | Sequence[str] | None = None,
    resident: Resident | None = None,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | Mapping[str, int] | None = None,
    psum_bits: int | None = None,
    pass_: Pass = "forward",
    families: bool = False,
) -> MinSram:
    """Return the least SRAM with which every weight and activation crosses the chip edge once.

    A row for each layer that moves words, in file order. `layer` keeps some by name or pattern
    (`conv*`), `resident` restricts the families, `families` adds what `with_families` does, `pass_`
    takes the layers of a backward pass or of all three (`training.passes`); the rest is as for
    `load_network`, and does not apply to a Network that is already loaded. Raises InputError for a
    fault of files or arguments.
    """
    loaded = load_each(networks, pass_, batch=batch, input=input, bits=bits, psum_bits=psum_bits)
    residents = RESIDENTS if resident is None else (resident,)
    known: dict[Layer, LayerNeed] = {}
    rows, needs, summaries = [], [], {}
    for network in loaded:
        own = []
        for node in chosen_layers(network, layer):
            assert node.layer is not None
            key = replace(node.layer, name="")
            if key not in known:
                known[key] = layer_need(key, residents=residents, block=block, buffering=buffering)
            need = known[key].named(node.layer)
            needs.append(need)
            own.append(_row(network, node, need))
        summaries[network.name] = _summary(own)
        rows += own
    summary = next(iter(summaries.values())) if len(summaries) == 1 else _summary(rows)
    found = MinSram(
        meta=result_meta("min-sram", loaded, buffering),
        table=tuple(rows),
        summary={**summary, "networks": summaries},
        networks=loaded,
        needs=tuple(needs),
    )
    return with_families(found) if families else found


def with_families(result: MinSram) -> MinSram:
    """Add three columns: the least SRAM, in bytes, with each of the operands resident.

    A stream has no families: its own need stands in all three.
    """
    known: dict[tuple[Layer, Resident], int] = {}
    table = []
    for row, need in zip(result.table, result.needs, strict=True):
        more = {}
        block = need.schedule.block if need.schedule else ONE_MAC
        for resident in RESIDENTS:
            key = replace(need.layer, name=""), resident
            if key not in known:
                buffering = result.meta["buffering"]
                own = layer_need(key[0], residents=(resident,), block=block, buffering=buffering)
                known[key] = own.peak.bytes
            more[f"min_sram_{resident}_resident_bytes"] = known[key]
        table.append({**row, **more})
    return replace(result, table=tuple(table))


def layer_need(
    layer: Layer,
    *,
    residents: tuple[Resident, ...] = RESIDENTS,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
) -> LayerNeed:
    """Return one layer's least once-only SRAM with its witness."""
    if isinstance(layer, Stream):
        peak = stream_peak(layer, buffering)
        words = least_stream_words(layer, buffering)
        bits = words * min(layer.widths.inputs, layer.widths.outputs)
        return LayerNeed(layer, None, peak, peak, peak, bits, words)
    found = once_only(layer, block=block, buffering=buffering, residents=residents)
    conserve(found.schedule)
    tile = tile_footprint(layer, block=block, buffering=buffering, residents=residents)
    group, order = layer.group(), found.schedule.order
    parted = found.peak
    if group.useful_macs:
        parted = separate_peaks(group, order, block, buffering)
    bound = least_sram(group, buffering)
    if found.peak.bits > 1.1 * bound[0]:  # nearer than that the costly one has nothing to add
        bound = once_only_bound(replace(group, name=""), buffering)
    return LayerNeed(layer, found.schedule, found.peak, parted, tile, *bound)


def conserve(schedule: Schedule) -> None:
    """Every useful MAC is done, every used weight and input read: raises RuntimeError if not."""
    group = schedule.layer.group()
    if not group.useful_macs:
        return
    macs, (weights, inputs, _) = covered(group, schedule.order, schedule.block)
    done = (macs, weights, inputs)
    due = (group.useful_macs, group.weights_words, group.inputs_words)
    if schedule.fault() is not None or done != due:
        where = f"{schedule.layer.name}: order {schedule.order_text}"
        raise RuntimeError(f"{where} does (MACs, weights, inputs) {done}, the layer has {due}")


def load_each(
    networks: str | Path | Network | Sequence[str | Path | Network],
    pass_: Pass = "forward",
    **options: Any,
) -> tuple[Network, ...]:
    """Load networks that are not loaded yet, with the options of `load_network`, for one pass.

    Raises InputError for a fault of a file, and where two have one name, which results tell apart.
    """
    given = [networks] if isinstance(networks, str | Path | Network) else networks
    loaded = tuple(
        in_pass(each if isinstance(each, Network) else load_network(each, **options), pass_)
        for each in given
    )
    seen: dict[str, Network] = {}
    for network in loaded:
        if network.name in seen:
            other = seen[network.name].path
            wrong = f"is named {quote(network.name)} like {other}"
            raise InputError(f"{network.path}: {wrong}; give each network once, by its own name")
        seen[network.name] = network
    return loaded


def chosen_layers(network: Network, wanted: str | Sequence[str] | None) -> tuple[Node, ...]:
    """The network's rows, or those whose name matches; raises InputError where nothing does."""
    if wanted is None:
        return network.layers
    names = [node.name for node in network.layers]
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            right = suggest(pattern, names, most=8)
            raise InputError(f"{network.path}: no layer {quote(pattern)} with a row; {right}")
    return tuple(
        node for node in network.layers
        if any(fnmatchcase(node.name, pattern) for pattern in patterns)
    )  # fmt: skip


def _row(network: Network, node: Node, need: LayerNeed) -> Row:
    layer, peak, widths = need.layer, need.peak, need.layer.widths
    weights, inputs, outputs = layer.words
    schedule = need.schedule
    return {
        "network": network.name,
        "layer": node.name,
        "op": node.op,
        "macs": layer.macs,
        "weights_words": weights,
        "inputs_words": inputs,
        "outputs_words": outputs,
        "min_sram_words": peak.words,
        "min_sram_bytes": peak.bytes,
        "resident": schedule.stays if schedule else "none",
        "order": schedule.order_text if schedule else "",
        "weights_resident_words": peak.words_by_operand[0],
        "inputs_resident_words": peak.words_by_operand[1],
        "outputs_resident_words": peak.words_by_operand[2],
        "partitioned_sram_bytes": need.parted.bytes,
        "tile_sram_words": need.tile.words,
        "tile_sram_bytes": need.tile.bytes,
        "bound_words": need.bound_words,
        "bound_bytes": -(-need.bound_bits // 8),
        "gap_x": round(peak.bits / need.bound_bits, 4) if need.bound_bits else 1.0,
        "compulsory_bytes": operand_bytes(layer.words, widths),
        "reason": reason(need),
    }


def reason(need: LayerNeed) -> str:
    """One sentence on what fills the SRAM: `weights stay, 2 input rows + 3 words stream`."""
    layer, (weights, inputs, outputs) = need.layer, need.peak.words_by_operand
    if isinstance(layer, Stream) or need.schedule is None:
        return f"{_count(inputs, 'input')} and {_count(outputs, 'output')} at a time"
    dims, transposed = layer.dims, need.schedule.is_transposed
    line, lines = ("column", layer.rows) if transposed else ("row", layer.cols)
    parts = {
        "weights": _count(weights, "weight"),
        "inputs": _lines(inputs, dims["C"], lines.used_inputs, "input", line),
        "outputs": _lines(outputs, dims["K"], lines.outputs, "psum", line),
    }
    stays = need.schedule.stays
    streams = [text for name, text in parts.items() if name != stays and not text.startswith("0 ")]
    return (f"{stays} stay, " if stays != "none" else "") + " and ".join(streams) + " stream"


def _lines(words: int, channels: int, length: int, name: str, line: str) -> str:
    """Words of several channels as whole lines and the rest of one, where that says more."""
    whole, rest = divmod(words // channels, length)
    if words % channels or not whole or length == 1:
        return _count(words, name)
    text = _count(whole, f"{name} {line}") + (f" + {_count(rest, 'word')}" if rest else "")
    return f"{text} of {channels} channels" if channels > 1 else text


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" + ("s" if number != 1 else "")


def _summary(rows: list[Row]) -> dict[str, Any]:
    """The largest need, its layer, and compulsory traffic; again for conv and fc alone."""
    weighted = [row for row in rows if row["op"] in _WEIGHTED]
    alone = {f"conv_fc_{key}": value for key, value in _totals(weighted).items()}
    return {**_totals(rows), **alone}


def _totals(rows: list[Row]) -> dict[str, Any]:
    words = ("weights_words", "inputs_words", "outputs_words")
    limiting = max(rows, key=lambda row: row["min_sram_bytes"], default=None)
    return {
        "min_sram_words": limiting["min_sram_words"] if limiting else 0,
        "min_sram_bytes": limiting["min_sram_bytes"] if limiting else 0,
        "limiting_layer": limiting["layer"] if limiting else "",
        "compulsory_words": sum(int(row[name]) for row in rows for name in words),
        "compulsory_bytes": sum(int(row["compulsory_bytes"]) for row in rows),
    }


def result_meta(
    command: str,
    networks: tuple[Network, ...],
    buffering: Buffering,
    convention: str = "exact",
) -> dict[str, Any]:
    """Where a result came from."""
    return {
        "version": __version__,
        "command": command,
        "inputs": {network.path: network.sha256 for network in networks},
        "convention": convention,
        "buffering": buffering,
    }
