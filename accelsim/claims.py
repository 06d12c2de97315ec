"""What a frontier claims of a layer: sizes, traffic, the schedules that do it, and the bound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from accelsim.dataflow.bounds import traffic_bound
from accelsim.dataflow.frontier import frontier as layer_frontier
from accelsim.dataflow.points import Frontier, Point
from accelsim.dataflow.schedule import ONE_MAC, RESIDENTS, Block, Buffering, Resident, Schedule
from accelsim.dataflow.tile_traffic import Traffic, tile_text, traffic_words
from accelsim.simulate import conserve, layer_need
from accelsim.spec import InputError
from accelsim.workload.layer import Axis, Conv, Int64, Layer, Stream, operand_bytes

if TYPE_CHECKING:
    from accelsim.dataflow.loopnest import Mapping
    from accelsim.dataflow.loopnest_search import BoxFrontier


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
    def resident(self) -> str:
        """The operand that stays, or `none`."""
        return self.schedule.stays if self.schedule else "none"

    @property
    def order(self) -> str:
        """The order of the loops inside a tile."""
        return self.schedule.order_text if self.schedule else ""

    @property
    def tile(self) -> str:
        """The tiles in a few words."""
        return tile_text(self.schedule) if self.schedule else ""

    @property
    def family(self) -> str:
        """What kind of schedule it is."""
        return self.schedule.family if self.schedule else ""

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
class BoxClaim(Claim):
    """A point of the frontier of box tiles, as `orojenesis` counts; a mapping does it."""

    box: BoxFrontier | None = None
    at: int = 0

    @cached_property
    def mapping(self) -> Mapping:
        """The loop nest that does it."""
        assert self.box is not None
        return self.box.mapping(self.at)

    @cached_property
    def traffic(self) -> Traffic:
        """Words that the whole layer moves, as `orojenesis` counts them."""
        from accelsim.dataflow.loopnest import evaluate

        assert self.box is not None
        found = evaluate(self.box.layer, self.mapping, "orojenesis")
        words = (
            found.weights_read_words, found.inputs_read_words, found.outputs_write_words,
            found.psums_read_words, found.psums_write_words,
        )  # fmt: skip
        weights, inputs, outputs, read, written = (self._groups * count for count in words)
        return weights, inputs, outputs, read, written

    @cached_property
    def dram_bytes(self) -> int:
        """Bytes of the whole layer's traffic; all words are equally wide."""
        return -(-self._groups * self.point.traffic_bits // 8)

    @property
    def resident(self) -> str:
        """The operand that waits while the innermost loops run, or `none`."""
        from accelsim.dataflow.loopnest import HAS

        last = self.mapping.loops[-1].dim if self.mapping.loops else ""
        return next((name for name in RESIDENTS if last and last not in HAS[name]), "none")

    @property
    def order(self) -> str:
        """The loops over tiles, outermost first."""
        return " ".join(loop.dim for loop in self.mapping.loops)

    @property
    def tile(self) -> str:
        """The extents of the dims that are cut."""
        return ", ".join(f"{loop.dim.lower()} {loop.step}" for loop in self.mapping.loops)

    @property
    def family(self) -> str:
        """What kind of schedule it is."""
        return "box tiles"


@dataclass(frozen=True, eq=False)
class Bound:
    """The proven bound of a whole layer: no schedule moves less, at any SRAM size.

    A word may be as wide as the widest operand's: beyond the compulsory words, whose bits are
    known, so many bits are at least so many words of that width.
    """

    layer: Layer
    buffering: Buffering

    def bits(self, sram_bytes: Int64) -> Int64:
        """Bits of traffic, of the shape of the sizes in bytes."""
        layer, widths = self.layer, self.layer.widths
        if isinstance(layer, Conv):
            bound = traffic_bound(layer.group(), self.buffering)
            found: Int64 = layer.groups * bound.bits(8 * sram_bytes)
            return found
        least = layer.inputs_words * widths.inputs + layer.outputs_words * widths.outputs
        return np.full_like(sram_bytes, least)

    def words(self, bits: Int64) -> Int64:
        """Words of traffic that so many bits of it are at least."""
        widths, words = self.layer.widths, self.layer.words
        own = (widths.weights, widths.inputs, widths.outputs)
        compulsory = sum(count * width for count, width in zip(words, own, strict=True))
        found: Int64 = sum(words) - (compulsory - bits) // max(*own, widths.psums)
        return found


@dataclass(frozen=True, eq=False)
class Claims(Sequence[Claim]):
    """The claims of one layer in ascending bytes, or of one size; `every` holds them all.

    Layers that differ in the name only share them.
    """

    shown: Sequence[Claim]
    every: Sequence[Claim]
    bound: Bound

    @cached_property
    def steps(self) -> Int64:
        """(all claims, 5): SRAM and traffic in bytes, bits of a further word, their gain, count."""
        return np.array(
            [
                (c.sram_bytes, c.dram_bytes, c.point.step_bits, c.gain_bits, c.point.steps)
                for c in self.every
            ],
            dtype=np.int64,
        )

    @cached_property
    def bound_bits(self) -> Int64:
        """(shown claims,): bits of traffic that no schedule at such a size goes below."""
        return self.bound.bits(np.array([claim.sram_bytes for claim in self.shown], dtype=np.int64))

    @property
    def compulsory_bytes(self) -> int:
        """Bytes of every used word once, each operand rounded up once."""
        return operand_bytes(self.bound.layer.words, self.bound.layer.widths)

    def dram_bytes_at(self, sram_bytes: Int64) -> Int64:
        """Bytes of traffic at sizes in bytes, none below the first claim's; pinned words count."""
        steps = self.steps
        at = steps[np.searchsorted(steps[:, 0], sram_bytes, side="right") - 1]
        pinned = np.minimum(8 * (sram_bytes - at[:, 0]) // np.maximum(at[:, 2], 1), at[:, 4])
        found: Int64 = at[:, 1] - pinned * at[:, 3] // 8
        return found

    def size_for(self, dram_bytes: float) -> int:
        """The least SRAM, in bytes, with so little traffic; the last claim's if none has."""
        steps = self.steps
        upto = np.append(steps[1:, 0], steps[-1, 0])
        pinned = np.minimum(8 * (upto - steps[:, 0]) // np.maximum(steps[:, 2], 1), steps[:, 4])
        least = steps[:, 1] - pinned * steps[:, 3] // 8
        place = min(int(np.searchsorted(-least, -dram_bytes)), len(steps) - 1)
        size, total, step, gain, _ = (int(value) for value in steps[place])
        if total <= dram_bytes or not gain or place + 1 == len(steps):
            return size
        words = math.ceil(8 * (total - dram_bytes) / gain)
        return size + -(-words * step // 8)

    def __len__(self) -> int:
        return len(self.shown)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self.shown)

    @overload
    def __getitem__(self, at: int) -> Claim: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Claim]: ...
    def __getitem__(self, at: int | slice) -> Claim | Sequence[Claim]:
        return self.shown[at]


@dataclass(frozen=True)
class LayerClaims:
    """A layer of a network and its claims in ascending bytes.

    The layer of the claims has no name: layers that differ in nothing else share them.
    """

    name: str
    op: str
    layer: Layer
    claims: Claims
    network: str = ""

    @property
    def compulsory_bytes(self) -> int:
        """Bytes of every used word once, each operand rounded up once."""
        return operand_bytes(self.layer.words, self.layer.widths)


def layer_claims(
    layer: Layer,
    residents: tuple[Resident, ...] = RESIDENTS,
    block: Block = ONE_MAC,
    buffering: Buffering = "single",
    sram: int | None = None,
    known: dict[Conv, Frontier] | None = None,
) -> Claims:
    """A layer's frontier in ascending bytes; with `sram` the best at that size.

    Where nothing fits `sram`, the smallest there is. `known` has the frontiers of groups searched
    so far: depthwise layers that differ in nothing but the number of channels are searched once.
    """
    bound = Bound(layer, buffering)
    if isinstance(layer, Stream):
        only = [_stream_claim(layer, residents, block, buffering)]
        return Claims(only, only, bound)
    known, group = {} if known is None else known, layer.group()
    if group in known:
        found = known[group].of(layer)
    else:
        found = layer_frontier(layer, block=block, buffering=buffering, residents=residents)
        known[group] = found
    conserve(found.once.schedule)
    every = _every(layer, found)
    return Claims(every if sram is None else [_best(layer, found, sram)], every, bound)


def _stream_claim(
    layer: Stream, residents: tuple[Resident, ...], block: Block, buffering: Buffering
) -> Claim:
    need = layer_need(layer, residents=residents, block=block, buffering=buffering)
    moved = layer.inputs_words * layer.widths.inputs + layer.outputs_words * layer.widths.outputs
    return Claim(layer, Point(need.peak.bits, moved, 0, 0, 0, None, 0), need.peak.bytes)


def _best(layer: Conv, found: Frontier, sram: int) -> Claim:
    """The claim at one size in bytes."""
    last, spare_bytes = found.points[-1], _rounding(layer)
    best = found.at(8 * (sram - spare_bytes)) or found.points[0]
    if found.once.peak.bytes <= sram or best is last:
        return Claim(layer, last, found.once.peak.bytes, found)
    return Claim(layer, best, -(-best.bits // 8) + spare_bytes, found)


def _every(layer: Conv, found: Frontier) -> list[Claim]:
    """The claims at all sizes in bytes."""
    spare_bytes = _rounding(layer)
    kept = [Claim(layer, found.points[-1], found.once.peak.bytes, found)]
    for point in reversed(found.points[:-1]):
        claim = Claim(layer, point, -(-point.bits // 8) + spare_bytes, found)
        if claim.sram_bytes >= kept[-1].sram_bytes:
            continue  # rounding: the next one does better in as many bytes
        while len(kept) > 1 and claim.dram_bytes <= kept[-1].dram_bytes:
            kept.pop()
        if claim.dram_bytes > kept[-1].dram_bytes:
            kept.append(claim)
    return kept[::-1]


def box_claims(layer: Layer, sram: int | None = None) -> Claims:
    """A layer's frontier of box tiles as `orojenesis` counts; `layer` is the padded one.

    With `sram` the best at that size, or the smallest there is. Raises InputError for an operator
    without box tiles, or operands of unequal width.
    """
    from accelsim.dataflow.loopnest_search import orojenesis_frontier

    if isinstance(layer, Stream):
        return layer_claims(layer, sram=sram)
    widths = layer.widths
    if len({widths.weights, widths.inputs, widths.outputs, widths.psums}) > 1:
        raise InputError("orojenesis counts words of one width; give --bits and --psum-bits alike")
    try:
        box = orojenesis_frontier(layer)
    except ValueError as error:
        raise InputError(f"{error}; choose others with --layer") from None
    every: list[Claim] = []
    for at, (buffer, moved) in enumerate(zip(box.buffer_words, box.dram_words, strict=True)):
        bits, traffic = int(buffer) * widths.weights, int(moved) * widths.weights
        point = Point(bits, traffic, 0, 0, 0, None, 0)
        claim = BoxClaim(layer, point, -(-bits // 8), box=box, at=at)
        if every and claim.sram_bytes == every[-1].sram_bytes:
            every.pop()
        every.append(claim)
    bound = Bound(layer, "single")
    if sram is None:
        return Claims(every, every, bound)
    fitting = [claim for claim in every if claim.sram_bytes <= sram]
    return Claims([fitting[-1] if fitting else every[0]], every, bound)


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


def _rounding(layer: Layer) -> int:
    """Bytes that rounding three operands up one by one may take beyond rounding their sum up."""
    widths = layer.widths
    return 2 if any(bits % 8 for bits in (*widths.live, widths.outputs)) else 0
