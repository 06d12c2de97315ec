"""Proven lower bounds: what no schedule whatever can go below.

**Least SRAM** (`least_sram`). A matmul W (k, c) x I (c, m) has MACs (k, c, m), a box of sides K, C,
M, and every word is a line of that box: a weight the MACs of one (k, c), and so on. Between two
MACs let E be the set already run. A line that is mixed (partly in E) belongs to a word that must
be on the chip, since once-only traffic lets no word return.

*Lemma.* Let a, b <= c be the sides and |E| = floor(abc / 2). Then at least a·b lines are mixed.

1. A slice, a x b cells of which g are in E: at least (2/c)·min(g, ab - g) of its rows (a of them,
   b cells each) and columns are mixed. By symmetry let g <= ab/2. No full row or column: the r
   rows and s columns that are not empty are all mixed, g <= r·s, r + s >= 2·sqrt(g) >= 2g/c, as
   g <= c². A full row and a full column: no line is empty, the same holds for the complement. A
   full column only: all a rows are mixed, and a >= ab/c >= 2g/c. A full row only: likewise b.
2. Of the ab lines across the slices let F be full, L empty. Every slice z has F <= g_z <= ab - L.
   Put A = ab/2 - F, B = ab/2 - L, h_z = g_z - ab/2 in [-A, B], of mean e with |e| <= 1/(2c). The
   chord of |h| over [-A, B] gives mean |h| <= 2AB/(A + B) + |e| <= (A + B)/2 + |e|. By step 1 the
   slices hold at least (2/c)·sum(ab/2 - |h_z|) = ab - 2·mean|h| >= F + L - 2|e| mixed lines, and
   ab - F - L lines across are mixed. Together at least ab - 1/c, an integer: ab (c = 1 is plain).

So a matmul needs the product of its two smaller sides, in words on the chip at once, whatever the
order. Any subset of a layer's MACs bounds the layer from below (leaving MACs out shortens lives).
Take r x s neighbouring taps and pixels so far apart that their windows of these taps share no
input: K x (C·r·s) x pixels is a matmul, and the largest figure over r, s is the bound. For a deconv
inputs and outputs change parts: C x (K·r·s) x input positions. Words of unequal width count with
the narrowest. A running MAC's own three words are a bound of their own.

**Least traffic** (`traffic_bound`), of a layer with weights. A word counts with its live bits: bw,
bi, bo of a weight, input, output. Charge each load of a weight or input with them, and each stay of
an output on the chip with bo, the first one too. A stay that is not the first costs a write and a
read of psum bits; so in bits traffic is at least charges + outputs·(output bits - bo), for any bo
up to the psum bits. Tried are the psum bits and, if they are fewer, the output bits.

Cut the M useful MACs, in the order they run, into m segments of M/m. At a cut at most S bits are on
the chip, at the first none; whatever else a segment touches is charged in it. If no F MACs touch
less than X(F) bits (`touched` proves it), charges are at least m·X(M/m) - (m - 1)·S: for each m a
line in S. (Hong & Kung, "I/O complexity: the red-blue pebble game", STOC 1981, cut by charges.)

**Least SRAM, sharper** (`once_only_bound`). Cut a once-only execution after F of its MACs: the
parts touch X(F) and X(M - F) bits at least; what that is more than all words together is of words
that both touch, which are on the chip at the cut. With more segments likewise. For a conv of many
channels this is far above the matmul.

Words kept instead of fetched again: an execution with e bits of traffic above compulsory becomes
once-only with e bits of SRAM more. So traffic >= compulsory + `least_sram` - S, too.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace
from functools import cache, cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike

from accelsim.dataflow.schedule import Buffering
from accelsim.dataflow.touched import (
    Floats,
    fed_outputs,
    highest,
    is_known,
    planes_of,
    touched,
    weightings,
)
from accelsim.workload.layer import Axis, Conv, Int64, Stream, Widths

_SAFE = 1 - 1e-9  # more than all that rounding may have added


def least_sram(layer: Conv, buffering: Buffering = "single") -> tuple[int, int]:
    """Return (bits, words) below which no once-only schedule of one group of `layer` can go.

    Proven for every order and block. Capacities double with `double` (DESIGN.md section 3).
    """
    if not layer.useful_macs:
        return 0, 0
    widths, dims = layer.widths, layer.dims
    twice = 2 if buffering == "double" else 1
    if not layer.has_weights:
        return twice * (widths.inputs + widths.psums), twice * 2
    kept, reduced = dims["K"], dims["C"]
    if layer.rows.kind == "deconv":
        kept, reduced = reduced, kept
    lines = 0
    for taps_r, rows in _disjoint_windows(layer.rows):
        for taps_s, cols in _disjoint_windows(layer.cols):
            sides = sorted((kept, reduced * taps_r * taps_s, layer.N * rows * cols))
            lines = max(lines, sides[0] * sides[1])
    bits = max(lines * min(widths.live), sum(widths.live))
    return twice * bits, twice * max(lines, 3)


def least_stream_words(layer: Stream, buffering: Buffering = "single") -> int:
    """Return words that any schedule of a stream holds: one of each operand, and the output."""
    broadcast = layer.op in ("add", "mul") and layer.live_inputs > layer.fresh_inputs
    words = layer.fresh_inputs + broadcast + 1
    return words * (2 if buffering == "double" else 1)


@cache
def _disjoint_windows(axis: Axis) -> tuple[tuple[int, int], ...]:
    """For each number of neighbouring taps: how many positions have disjoint windows of them.

    Positions are outputs (of a deconv: inputs); all taps of each must be useful there.
    """
    positions, others = axis.outputs, axis.inputs
    if axis.kind == "deconv":
        positions, others = others, positions
    found = []
    for taps in range(1, axis.taps + 1):
        step = ((taps - 1) * axis.dilation) // axis.stride + 1
        counts = [0]
        for tap in range(axis.taps - taps + 1):
            last_tap = tap + taps - 1
            first = max(0, -((tap * axis.dilation - axis.pad) // axis.stride))
            last = (others - 1 + axis.pad - last_tap * axis.dilation) // axis.stride
            counts.append(max(0, min(last, positions - 1) - first + step) // step)
        found.append((taps, max(counts)))
    return tuple(found)


@lru_cache(maxsize=4096)
def once_only_bound(layer: Conv, buffering: Buffering = "single") -> tuple[int, int]:
    """Return (bits, words) below which no once-only schedule of one group of `layer` can go.

    The larger of `least_sram` and what segments say; proven for every order and block.
    """
    bits, words = least_sram(layer, buffering)
    group, twice = layer.group(), 2 if buffering == "double" else 1
    if not is_known(group):
        return bits, words
    live = group.widths.live
    across = _across_cuts(group, live)
    if len(set(live)) == 1:
        return max(bits, twice * across), max(words, twice * across // live[0])
    return max(bits, twice * across), max(words, twice * _across_cuts(group, (1, 1, 1)))


def _across_cuts(layer: Conv, bits: tuple[int, int, int]) -> int:
    """Bits that a once-only execution holds at the worst cut, of one in two or of several."""
    fed = layer.N * layer.dims["K"] * fed_outputs(layer.rows) * fed_outputs(layer.cols)
    words = layer.weights_words, layer.inputs_words, fed
    every = sum(count * width for count, width in zip(words, bits, strict=True))
    macs, most = layer.useful_macs, 0.0
    shares = np.unique(np.linspace(0, macs // 2, 65, dtype=np.int64))
    segments = np.unique(np.geomspace(2, 1024, 50).astype(np.int64))
    for weighted in weightings(layer):
        planes = planes_of(layer, weighted)
        if weighted:
            parts = planes.macs * np.arange(65) / 128
            one, other = np.maximum(parts - planes.heaviest, 0), planes.macs - parts
            each = np.maximum(planes.macs / segments - planes.heaviest, 0)
        else:
            one, other = shares.astype(np.float64), (macs - shares).astype(np.float64)
            each = (macs // segments).astype(np.float64)
        held = touched(planes, bits, one) + touched(planes, bits, other) - every
        several = (segments * touched(planes, bits, each) - every) / (segments - 1)
        most = max(most, float(held.max()), float(several.max()))
    unit = math.gcd(*bits)
    return unit * math.ceil((most - (1 - _SAFE) * every) / unit)


@dataclass(frozen=True)
class TrafficBound:
    """What no schedule of one group of a layer can move less than, at every SRAM size.

    `least_bits` is compulsory, `least_sram_bits` what once-only needs at least; traffic is at least
    `starts - cuts * sram_bits`, (lines,), of which the one between two of `turns` is highest.
    """

    layer: Conv
    buffering: Buffering
    least_bits: int
    least_sram_bits: int
    starts: Floats
    cuts: Floats
    turns: Floats

    def bits(self, sram_bits: ArrayLike) -> Int64:
        """Bits of traffic, of the shape of the capacities given in bits."""
        sram = np.asarray(sram_bits, dtype=np.int64) // (2 if self.buffering == "double" else 1)
        line = np.searchsorted(self.turns, sram)
        charged = (self.starts[line] - self.cuts[line] * sram) * _SAFE
        unit = math.gcd(*astuple(self.layer.widths))
        traffic = unit * np.ceil(charged / unit).astype(np.int64)
        kept = self.least_bits + self.least_sram_bits - sram
        return np.maximum(np.maximum(traffic, kept), self.least_bits)

    def words(self, sram_words: ArrayLike) -> Int64:
        """Words of traffic where all words are equally wide, of the shape of the capacities."""
        return self._equal.bits(sram_words)

    @cached_property
    def _equal(self) -> TrafficBound:
        return traffic_bound(replace(self.layer, widths=Widths(1, 1, 1, 1)), self.buffering)


@lru_cache(maxsize=4096)
def traffic_bound(layer: Conv, buffering: Buffering = "single") -> TrafficBound:
    """Tabulate the least traffic of one group of `layer`; see the module for the proof.

    Compulsory, and what the least SRAM implies, where there are no weights: the pools.
    """
    group, widths = layer.group(), layer.widths
    compulsory = (
        group.weights_words * widths.weights
        + group.inputs_words * widths.inputs
        + group.outputs_words * widths.outputs
    )
    least, _ = least_sram(group)
    starts, cuts = np.zeros(1), np.zeros(1)
    if is_known(group):
        lines = [
            _lines(group, weighted, output_bits)
            for weighted in weightings(group)
            for output_bits in {widths.psums, min(widths.psums, widths.outputs)}
        ]
        starts, cuts = (np.concatenate(each) for each in zip(*lines, strict=True))
    hull, turns = highest(starts, cuts)
    return TrafficBound(layer, buffering, compulsory, least, starts[hull], cuts[hull], turns)


def _lines(layer: Conv, weighted: bool, output_bits: int) -> tuple[Floats, Floats]:
    """Step 1: traffic is at least `start - cuts * sram`, for numbers of segments up to the MACs."""
    widths, planes = layer.widths, planes_of(layer, weighted)
    macs = layer.useful_macs
    segments = [1]
    while segments[-1] < macs // 2:
        segments.append(max(segments[-1] + 1, segments[-1] * 33 // 32))
    count = np.array(segments, dtype=np.float64)
    bits = (widths.weights, widths.inputs, output_bits)
    if weighted:
        shares = np.maximum(planes.macs / count - planes.heaviest, 0)
        shares[0] = planes.macs
        charges = count * touched(planes, bits, shares)
    else:
        share = np.array([macs // m for m in segments], dtype=np.float64)
        longer = np.array([macs % m for m in segments], dtype=np.float64)
        least = touched(planes, bits, share)
        charges = count * least
        few = share < 1024  # of more, one more makes no difference
        charges[few] += longer[few] * (touched(planes, bits, share[few] + 1) - least[few])
    fed = layer.N * layer.dims["K"] * fed_outputs(layer.rows) * fed_outputs(layer.cols)
    written = layer.outputs_words * widths.outputs - fed * output_bits
    return charges + written, count - 1
