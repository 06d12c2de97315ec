"""One layer's answer with its working: the loop nest, each operand at the peak, what stands beside.

The words of an operand at the peak are written as slices of its own dims in the order of its loops,
`1 row x 56 columns x 256 c + 2 columns x 256 c`: a decomposition that adds up exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from accelsim.dataflow.bounds import least_sram
from accelsim.dataflow.schedule import (
    COL_LOOPS,
    ONE_MAC,
    RESIDENTS,
    ROW_LOOPS,
    Block,
    Buffering,
    Order,
    Resident,
    Schedule,
    output_phases,
    tap_phases,
)
from accelsim.report.nest import loop_nest, positions
from accelsim.results import Result, Row
from accelsim.simulate import LayerNeed, layer_need, min_sram, reason
from accelsim.spec import InputError
from accelsim.training.passes import Pass
from accelsim.units import format_bytes, format_count, quote
from accelsim.workload.layer import Axis, Conv, Layer, Stream
from accelsim.workload.network import Network

_DIMS: dict[str, str] = {"weights": "KCRS", "inputs": "NCHW", "psums": "NKPQ"}


@dataclass(frozen=True)
class Explanation(Result):
    """Rows are the operands at the peak; `need` is the witness, `families` each family's best."""

    need: LayerNeed
    families: Mapping[Resident, LayerNeed]

    def __str__(self) -> str:
        """The whole working as text."""
        return "\n".join(_lines(self)) + "\n"


def explain(
    network: str | Path | Network,
    layer: str,
    *,
    resident: Resident | None = None,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | Mapping[str, int] | None = None,
    psum_bits: int | None = None,
    pass_: Pass = "forward",
) -> Explanation:
    """Return the working behind one layer's least SRAM; its `str` is the text.

    Arguments as for `min_sram`. Raises InputError, also where `layer` is not exactly one.
    """
    found = min_sram(
        network, layer=layer, resident=resident, block=block, buffering=buffering,
        batch=batch, input=input, bits=bits, psum_bits=psum_bits, pass_=pass_,
    )  # fmt: skip
    need, row = found.needs[0], found.table[0]
    if len(found.needs) > 1:
        wrong = f"{quote(layer)} stands for {len(found.needs)} layers"
        raise InputError(
            f"{found.networks[0].path}: {wrong}; name one, {row['layer']} for instance"
        )
    families = {}
    if isinstance(need.layer, Conv) and need.layer.has_weights:
        families = {
            stays: layer_need(need.layer, residents=(stays,), block=block, buffering=buffering)
            for stays in RESIDENTS
        }
    nest = loop_nest(need.schedule) if need.schedule else []
    by_family = {stays: _figures(own) for stays, own in families.items()}
    return Explanation(
        meta={**found.meta, "command": "explain"},
        table=tuple({"network": row["network"], **own} for own in _operands(need)),
        summary={**row, "loop_nest": nest, "families": by_family},
        need=need,
        families=families,
    )


def _figures(need: LayerNeed) -> Row:
    assert need.schedule is not None
    order = need.schedule.order_text
    return {"words": need.peak.words, "bytes": need.peak.bytes, "order": order}


def _operands(need: LayerNeed) -> Iterator[Row]:
    """A row for each operand that is on the chip at the peak."""
    peak, double = need.peak, need.schedule is not None and need.schedule.buffering == "double"
    for place, operand in enumerate(_DIMS):
        name = "outputs" if operand == "psums" and need.schedule is None else operand
        words, bits = peak.words_by_operand[place], peak.bits_by_operand[place]
        if not words:
            continue
        text = _in_slices(need, operand, words // 2 if double else words)
        yield {
            "layer": need.layer.name,
            "operand": name,
            "words": words,
            "word_bits": need.layer.widths.live[place],
            "bits": bits,
            "bytes": -(-bits // 8),
            "arithmetic": f"2 x ({text})" if double else text,
        }


def _in_slices(need: LayerNeed, operand: str, words: int) -> str:
    """So many words as whole outer slices, then slices of the next dim inside, and so on."""
    if words == 1:
        return "1"
    if need.schedule is None:
        return _stream_slices(need.layer, operand, words)
    group = need.schedule.layer.group()
    if words == group.words[list(_DIMS).index(operand)]:
        return _product([(name, extent) for name, extent in _all_of(group, operand) if extent > 1])
    dims = [(name, extent) for name, extent in _slices(need.schedule, operand) if extent > 1]
    terms, rest = [], words
    for depth, (name, _) in enumerate(dims):
        inner = dims[depth + 1 :]
        count, rest = divmod(rest, math.prod(extent for _, extent in inner))
        if count:
            terms.append(_product([(name, count), *inner]))
    return " + ".join(terms) if terms else f"{words:,}"


def _stream_slices(layer: Layer, operand: str, words: int) -> str:
    """What a layer that only passes words through holds of its inputs."""
    if not isinstance(layer, Stream) or operand != "inputs" or words != layer.live_inputs:
        return f"{words:,}"
    if layer.op in ("softmax", "lrn"):
        return f"{words:,} c"
    whole = words - layer.fresh_inputs
    return f"{layer.fresh_inputs} new + {whole:,} kept whole" if whole else f"{words:,}"


def _all_of(group: Conv, operand: str) -> list[tuple[str, int]]:
    """The operand's dims and used extents, each with its name in the text."""
    rows, cols = group.rows, group.cols
    return {
        "weights": [("k", group.K), ("c", group.C), ("r", rows.used_taps), ("s", cols.used_taps)],
        "inputs": [("n", group.N), ("c", group.C),
                   ("row", rows.used_inputs), ("column", cols.used_inputs)],
        "psums": [("n", group.N), ("k", group.K), ("row", rows.outputs), ("column", cols.outputs)],
    }[operand]  # fmt: skip


def _slices(schedule: Schedule, operand: str) -> list[tuple[str, int]]:
    """The same in the order of the loops, rows and columns those of one phase where it has any."""
    layer = schedule.layer.group()
    names = dict(zip(_DIMS[operand], (name for name, _ in _all_of(layer, operand)), strict=True))
    extents = dict(_all_of(layer, operand))
    row, col = tuple(_DIMS[operand][2:])
    for dim, axis in ((row, layer.rows), (col, layer.cols)):
        extents[names[dim]] = _in_one_phase(axis, schedule.order, operand)
    if operand == "weights":
        places = [loop[0] for loop in schedule.order]
    else:
        places = [
            row if loop in ROW_LOOPS else col if loop in COL_LOOPS else loop
            for loop in schedule.order
        ]
    own = dict.fromkeys(dim for dim in (*places, *_DIMS[operand]) if dim in names)
    return [(names[dim], extents[names[dim]]) for dim in own]


def _in_one_phase(axis: Axis, order: Order, operand: str) -> int:
    """Most used taps, inputs or outputs of an axis in one phase of the order's phase loops."""
    p, r, h = axis.pairs()
    own = {"weights": r, "inputs": h, "psums": p}[operand]
    phase = 0 * p
    if "R%" in order or "S%" in order:
        phase = r % tap_phases(axis)
    if "P%" in order or "Q%" in order:
        phase = phase * output_phases(axis) + p % output_phases(axis)
    return max(len(set(own[phase == one].tolist())) for one in set(phase.tolist()))


def _product(factors: list[tuple[str, int]]) -> str:
    return " x ".join(_many(name, extent) for name, extent in factors)


def _many(name: str, count: int) -> str:
    return f"{count:,} {name}{'s' if len(name) > 1 and count != 1 else ''}"


# the text


def _lines(found: Explanation) -> Iterator[str]:
    need = found.need
    yield f"{found.table[0]['network']} {_headline(need.layer, str(found.summary['op']))}"
    yield ""
    if need.schedule is None:
        yield f"{reason(need)[0].upper()}{reason(need)[1:]}: words only pass through."
    else:
        yield from _order(need.schedule)
    yield ""
    per_group = isinstance(need.layer, Conv) and need.layer.groups > 1
    yield f"At the peak{', in one group' if per_group else ''}:"
    yield from _aligned(_peak_cells(found))
    yield ""
    yield "Beside it:"
    yield from _aligned(_beside_cells(found))


def _headline(layer: Conv | Stream, op: str) -> str:
    weights, inputs, outputs = layer.words
    words = f"{inputs:,} inputs, {outputs:,} outputs"
    if isinstance(layer, Stream):
        return f"{layer.name}: {op}, {words}"
    dims = " ".join(
        f"{dim} {extent:,}" for dim, extent in {**layer.dims, "K": layer.K, "C": layer.C}.items()
    )
    rows, cols = layer.rows, layer.cols
    parts = [f"{layer.name}: {op}", dims]
    if max(rows.inputs, cols.inputs) > 1:
        parts.append(f"input {_pair(rows.inputs, cols.inputs, ' x ')}")
    for name in ("stride", "dilation", "pad"):
        own = getattr(rows, name), getattr(cols, name)
        if own != ((0, 0) if name == "pad" else (1, 1)):
            parts.append(f"{name} {_pair(*own) if own[0] != own[1] else own[0]}")
    if layer.groups > 1:
        parts.append(f"groups {layer.groups:,}")
    if layer.has_weights:
        words = f"{weights:,} weights, {words}, {format_count(layer.macs)} MACs"
    return f"{', '.join(parts)}; {words}"


def _pair(rows: int, cols: int, between: str = " x ") -> str:
    return f"{rows}{between}{cols}"


def _order(schedule: Schedule) -> Iterator[str]:
    stays = "" if schedule.stays == "none" else f" ({schedule.family})"
    yield f"Order {schedule.order_text}{stays}, which moves every word across the chip edge once:"
    yield ""
    yield from ("  " + line for line in loop_nest(schedule))
    rows, cols = schedule.layer.rows, schedule.layer.cols
    where = [positions(rows, "prh")] if max(rows.outputs, rows.inputs) > 1 else []
    where += [positions(cols, "qsw")] if max(cols.outputs, cols.inputs) > 1 else []
    yield ""
    if where:
        yield f"  with {', '.join(where)}, where that lies inside: padding is never fetched"
    yield "  a word comes at its first use and goes after its last, an output after its last MAC"


def _peak_cells(found: Explanation) -> Iterator[tuple[str, ...]]:
    for row in found.table:
        width = f"{row['word_bits']}"
        if int(row["bits"]) != int(row["words"]) * int(row["word_bits"]):
            width += f" or {found.need.layer.widths.outputs}"  # a finished output leaves late
        words = _many("word", int(row["words"]))
        yield str(row["operand"]), words, f"{width} bits", f"= {row['arithmetic']}"
    total = found.need.peak
    yield "sum", f"{total.words:,} words", format_bytes(total.bytes), f"= {total.bytes:,} bytes"


def _beside_cells(found: Explanation) -> Iterator[tuple[str, ...]]:
    need = found.need
    for stays, own in found.families.items():
        assert own.schedule is not None
        chosen = need.schedule is not None and stays == need.schedule.resident
        order = f"order {own.schedule.order_text}{' (this one)' if chosen else ''}"
        yield f"{stays} resident", f"{own.peak.words:,} words", format_bytes(own.peak.bytes), order
    if isinstance(need.layer, Conv):
        words, size = f"{need.tile.words:,} words", format_bytes(need.tile.bytes)
        yield "whole tiles", words, size, "a rectangle per operand, padding included"
    why = f"no schedule needs less; gap {found.summary['gap_x']:.2f}x"
    if isinstance(need.layer, Conv) and need.layer.has_weights and need.bound_words > 6:
        matmul = least_sram(need.layer.group(), found.meta["buffering"])[0]
        why += (
            ", from a matmul inside this layer: its two smaller sides multiplied"
            if matmul == need.bound_bits
            else ", from what both parts of a cut execution touch"
        )
    bound = format_bytes(-(-need.bound_bits // 8))
    yield "proven least", _many("word", need.bound_words), bound, why


def _aligned(cells: Iterator[tuple[str, ...]]) -> Iterator[str]:
    rows = list(cells)
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for name, words, size, text in rows:
        yield f"  {name:{widths[0]}}  {words:>{widths[1]}}  {size:>{widths[2]}}  {text}"
