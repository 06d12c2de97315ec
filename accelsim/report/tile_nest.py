"""A layer's schedule at one SRAM size: loops over tiles, what stays, the order, the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from accelsim.dataflow.schedule import Schedule, Stay
from accelsim.report.nest import loop_nest
from accelsim.results import Result
from accelsim.spec import InputError
from accelsim.units import format_bytes, quote
from accelsim.workload.layer import Conv

_COLUMNS = (
    ("weights read", "weights_read_words", "weights"),
    ("inputs read", "inputs_read_words", "inputs"),
    ("outputs written", "outputs_write_words", "outputs"),
    ("psums read", "psums_read_words", "psums"),
    ("psums written", "psums_write_words", "psums"),
)


@dataclass(frozen=True)
class TileExplanation(Result):
    """The row of `frontier` at one size; `schedule` does it (None: words only pass through)."""

    schedule: Schedule | None
    sram_bytes: int

    def __str__(self) -> str:
        """The whole working as text."""
        return "\n".join(_lines(self)) + "\n"


def explain_at(network: str | Path, layer: str, sram: int, **search: Any) -> TileExplanation:
    """Return one layer's schedule of least traffic in `sram` bytes; its `str` is the text.

    Arguments as for `frontier`. Raises InputError, TooLittleSram where nothing fits.
    """
    from accelsim.frontiers import frontier

    found = frontier(network, layer=layer, sram=sram, **search)
    if len(found.table) > 1:
        wrong = f"{quote(layer)} stands for {len(found.table)} layers"
        first = found.table[0]["layer"]
        raise InputError(f"{found.networks[0].path}: {wrong}; name one, {first} for instance")
    schedule = found.claims[0].schedule
    nest = tile_nest(schedule) if schedule else []
    return TileExplanation(
        meta={**found.meta, "command": "explain"},
        table=found.table,
        summary={**found.summary, "loop_nest": nest},
        schedule=schedule,
        sram_bytes=sram,
    )


def tile_nest(schedule: Schedule) -> list[str]:
    """Return the loops over tiles and inside one tile as indented text, part after part."""
    if schedule.part is None:
        return _nest(schedule)
    lines = []
    for part in (schedule, schedule.then):
        assert part is not None and part.part is not None
        where = part.part
        lines.append(f"{where.dim.lower()} from {where.begin} up to {where.end}:")
        lines += ["  " + line for line in _nest(replace(part, part=None, then=None), part)]
    return lines


def _nest(schedule: Schedule, part: Schedule | None = None) -> list[str]:
    cuts, dims = schedule.tiling.cuts, (part or schedule).dims
    lines = []
    for level, cut in enumerate(cuts):
        sizes = [end - begin for begin, end in pairwise((*cut.begins, dims[cut.dim]))]
        head = f"for {cut.dim.lower()} tile in {len(sizes):,} of {_sizes(sizes)}"
        if schedule.tiling.serpentine and level:
            head += ", forth and back"
        lines.append("  " * level + head + ":")
    indent = "  " * len(cuts)
    for stay in schedule.tiling.stays:
        lines.append(f"{indent}# {_stays(stay, [cut.dim.lower() for cut in cuts])}")
    if not cuts and part is None:
        return [*lines, *loop_nest(schedule)]
    here = "tile" if cuts else "part"
    inner = f"in {'each tile' if cuts else 'one tile'}" + (
        f" (first and last {cuts[-1].dim.lower()} tile: {' '.join(schedule.turn_order)})"
        if schedule.turn_order
        else ""
    )
    lines.append(
        f"{indent}{inner}, order {schedule.order_text}: {schedule.stays} of the {here} stay"
    )
    return lines


def _sizes(sizes: Sequence[int]) -> str:
    """`64`, or `19 and 18` of tiles that differ."""
    return " and ".join(f"{size:,}" for size in dict.fromkeys(sizes))


def _stays(stay: Stay, loops: list[str]) -> str:
    """What a Stay says, in a sentence."""
    if stay.next_only:
        return f"{stay.operand} that the next tile uses too stay for it"
    count = "all" if stay.words is None else f"the first {stay.words:,}"
    if stay.through:
        when = "through both parts"
    elif not stay.depth:
        when = "from tile to tile throughout"
    else:
        when = f"from tile to tile of one {', '.join(loops[: stay.depth])}"
    return f"{count} {stay.operand} that later tiles use stay, {when}"


def _lines(found: TileExplanation) -> Iterator[str]:
    row, schedule = found.table[0], found.schedule
    asked = format_bytes(found.sram_bytes)
    times = f"{row['dram_x']:.3f} times compulsory traffic"
    yield f"{row['network']} {row['layer']} in {asked}: {times}"
    yield ""
    if schedule is None:
        yield "Words only pass through."
        layer = None
    else:
        layer = schedule.layer
        family = "in two parts" if schedule.then else schedule.family
        yield f"{schedule.stays} resident, {family}:"
        yield ""
        if layer.groups > 1:
            yield f"  for group in {layer.groups}, one after another:"
        yield from (("  " if layer.groups == 1 else "    ") + line for line in tile_nest(schedule))
    yield ""
    yield "Across the chip edge:"
    cells = []
    for name, column, operand in _COLUMNS:
        words = int(row[column])
        if words or operand not in ("psums", "weights"):
            cells.append((name, f"{words:,} words", _times(layer, operand, words)))
    cells.append(
        ("sum", f"{int(row['dram_words']):,} words", f"= {int(row['dram_bytes']):,} bytes")
    )
    widths = [max(len(cell[at]) for cell in cells) for at in range(2)]
    for name, count, text in cells:
        yield f"  {name:{widths[0]}}  {count:>{widths[1]}}  {text}".rstrip()
    yield ""
    taken = int(row["sram_bytes"])
    more = f", of which {int(row['staying_words']):,} words stay" if row["staying_words"] else ""
    yield f"It takes {taken:,} bytes of {found.sram_bytes:,}{more}."
    least, gap = int(row["bound_words"]), float(row["gap_x"])
    yield f"Proven: in so few no schedule moves less than {least:,} words; gap {gap:.2f}x."


def _times(layer: Conv | None, operand: str, words: int) -> str:
    """The words as a multiple of the operand's own, and a rest: it adds up exactly."""
    if layer is None:
        return ""
    own = dict(zip(("weights", "inputs", "outputs"), layer.words, strict=True))
    base = own.get(operand, layer.outputs_words)
    times, rest = divmod(words, base) if base else (0, words)
    if not rest:
        return "once each" if times == 1 else f"= {times:,} x {base:,}"
    if not times:
        return f"of {base:,}"
    return f"= {times:,} x {base:,} + {rest:,}"
