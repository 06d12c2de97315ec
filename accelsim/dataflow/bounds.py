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

1. *Segments.* Cut the M useful MACs, in the order they run, into m segments of M/m. At a cut at
   most S bits are on the chip, at the first none; whatever else a segment touches is charged in it.
   If no F MACs touch less than X(F) bits, charges are at least m·X(M/m) - (m - 1)·S: for each m a
   line in S. (Hong & Kung, "I/O complexity: the red-blue pebble game", STOC 1981, cut by charges.)
2. *One filter plane.* Taps r with equal r·dilation mod stride, likewise columns, are a phase; what
   it reads (of a deconv: writes) no other phase does. MACs of one k, c and phase are triples
   (tap, output, input), each of which two of them determine, input = output + tap on the phase's
   lattice. So t taps, o outputs, i inputs have at most h = t·min(o, i) MACs.
3. *Halo.* Two taps opposite each other about the centre of the phase's box of taps: join an output
   to the inputs that the two lead to. Each output has two such inputs, each input two such outputs,
   and no cycle closes, so this is a set of paths, one for each class of outputs modulo the taps'
   distance: of MACs there are at most o + i - (classes met). Two distances that are not parallel:
   an output is alone in its two classes, hence classes · classes' >= o; likewise >= i. For p pairs
   of which no more than p/2 are parallel, a fractional perfect matching of non-parallel ones gives
   at least p·sqrt(max(o, i)) classes together (the mean of two is no less than their geometric
   mean). Of a box of T taps, t contain p >= t - ceil(T/2) pairs, and a line through the centre has
   at most half of the box's longer side in pairs. With lo <= hi for o, i and m = sqrt(o·i):
   h <= (t - 2p)·lo + p·min(2·lo, lo + hi - sqrt(hi)) <= t·m - p·(sqrt(m) - 0.05).
   The last step: put hi = m·x. The second term of the minimum, less 2m - sqrt(m), is convex in x,
   so largest at x = 1, where it is 0, or where both terms are equal: with y = sqrt(x) that is
   y³(y-1) / ((y+1)(y²+1)²), rising up to lo = 1, where y² is the golden ratio: 0.036. (Where lo
   reaches 1 before the terms are equal, m² - 3m + 1 + sqrt(m) is no larger.) With several images
   classes add up over them, and sums of square roots are no less than the root of the sum.
4. *All planes.* For each A > 0 let B(A) be the largest (h - A·t) / (o·i) over phases, t and m >= 1.
   Summed over k, c, phases: MACs <= A·w + B(A)·o·i, as outputs belong to a k (of a deconv: and to a
   phase), inputs to a c and a phase. Without halo the best A gives sqrt(T·w·o·i), T the largest.
   Also w, i, o >= MACs / those of the weight, input, output that has most.
5. *X(F)* is the least bw·w + bi·i + bo·o with all that. For a product g = o·i the best i and o are
   closed form, concave in g; the least w falls piecewise linearly; so a corner is least.
6. *Phases of unequal size.* MACs may be weighted by phase: 4 and 5 hold for weighted MACs, and
   cut by weight a segment misses its share by one MAC at most. Tried are 1 and 1/sqrt(T), with
   which each phase is as good as another.

Words kept instead of fetched again: an execution with e bits of traffic above compulsory becomes
once-only with e bits of SRAM more. So traffic >= compulsory + `least_sram` - S, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accelsim.dataflow.schedule import Buffering
from accelsim.workload.layer import Axis, Conv, Int64, Stream, Widths

Floats = NDArray[np.float64]
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
        charged = np.ceil((self.starts[line] - self.cuts[line] * sram) * _SAFE).astype(np.int64)
        kept = self.least_bits + self.least_sram_bits - sram
        return np.maximum(np.maximum(charged, kept), self.least_bits)

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
    is_known = group.has_weights and {group.rows.kind, group.cols.kind} <= {"conv", "deconv"}
    if is_known and group.useful_macs:
        lines = [
            _lines(group, weighted, output_bits)
            for weighted in {False, _is_uneven(group.rows) or _is_uneven(group.cols)}
            for output_bits in {widths.psums, min(widths.psums, widths.outputs)}
        ]
        starts, cuts = (np.concatenate(each) for each in zip(*lines, strict=True))
    hull, turns = _highest(starts, cuts)
    return TrafficBound(layer, buffering, compulsory, least, starts[hull], cuts[hull], turns)


def _lines(layer: Conv, weighted: bool, output_bits: int) -> tuple[Floats, Floats]:
    """Step 1: traffic is at least `start - cuts * sram`, for numbers of segments up to the MACs."""
    widths, planes = layer.widths, _planes(layer, weighted)
    macs = layer.useful_macs
    segments = [1]
    while segments[-1] < macs // 2:
        segments.append(max(segments[-1] + 1, segments[-1] * 33 // 32))
    count = np.array(segments, dtype=np.float64)
    bits = (widths.weights, widths.inputs, output_bits)
    if weighted:
        shares = np.maximum(planes.macs / count - planes.heaviest, 0)
        shares[0] = planes.macs
        charges = count * _touched(planes, bits, shares)
    else:
        share = np.array([macs // m for m in segments], dtype=np.float64)
        longer = np.array([macs % m for m in segments], dtype=np.float64)
        touched = _touched(planes, bits, share)
        charges = count * touched
        few = share < 1024  # of more, one more makes no difference
        charges[few] += longer[few] * (_touched(planes, bits, share[few] + 1) - touched[few])
    fed = layer.N * layer.dims["K"] * _fed(layer.rows) * _fed(layer.cols)
    written = layer.outputs_words * widths.outputs - fed * output_bits
    return charges + written, count - 1


def _fed(axis: Axis) -> int:
    """Outputs that at least one useful pair feeds."""
    return len(np.unique(axis.pairs()[0]))


@dataclass(frozen=True)
class _Planes:
    """Steps 4 and 6: (weighted) MACs in all, of one MAC and of one word at most; corners.

    `corners` (corners, 2): the least w for each g = o·i between them, both per MAC.
    """

    macs: float
    heaviest: float
    of_weight: float
    of_input: float
    of_output: float
    lines: tuple[Floats, Floats]
    corners: Floats


@lru_cache(maxsize=64)
def _planes(layer: Conv, weighted: bool) -> _Planes:
    axes = [_phases(axis) for axis in (layer.rows, layer.cols)]
    dims = layer.dims
    weighs = [[1 / math.sqrt(len(taps)) if weighted else 1.0 for taps in axis] for axis in axes]
    sums = [
        _sums(axis, phases, weigh)
        for axis, phases, weigh in zip((layer.rows, layer.cols), axes, weighs, strict=True)
    ]
    total, of_tap, of_input, of_output = (rows * cols for rows, cols in zip(*sums, strict=True))
    slopes = np.geomspace(0.25, 4.0 * layer.N * dims["P"] * dims["Q"] + 4, 150)
    areas = np.zeros_like(slopes)
    for row_taps, row_weight in zip(axes[0], weighs[0], strict=True):
        for col_taps, col_weight in zip(axes[1], weighs[1], strict=True):
            box = len(row_taps), len(col_taps)
            areas = np.maximum(areas, _area(box, row_weight * col_weight, slopes))
    of_weight = layer.N * of_tap
    lines = np.append(slopes, of_weight), np.append(areas, 0.0)
    return _Planes(
        layer.N * dims["K"] * dims["C"] * total,
        max(weighs[0]) * max(weighs[1]),
        of_weight, dims["K"] * of_input, dims["C"] * of_output, lines, _corners(*lines),
    )  # fmt: skip


def _phases(axis: Axis) -> list[list[int]]:
    """The taps of each stride phase."""
    phases: dict[int, list[int]] = {}
    for tap in range(axis.taps):
        phases.setdefault(tap * axis.dilation % axis.stride, []).append(tap)
    return list(phases.values())


def _is_uneven(axis: Axis) -> bool:
    """Whether stride phases have different numbers of taps, so that weights make a difference."""
    return len({len(taps) for taps in _phases(axis)}) > 1


def _sums(axis: Axis, phases: list[list[int]], weighs: list[float]) -> tuple[float, ...]:
    """Weighted pairs in all, and at most of one tap, one input, one output."""
    of_tap = np.zeros(axis.taps)
    for taps, weight in zip(phases, weighs, strict=True):
        of_tap[taps] = weight
    p, r, h = axis.pairs()
    each = of_tap[r]
    most = (float(np.bincount(index, each).max()) for index in (r, h, p))
    return (float(each.sum()), *most)


def _area(box: tuple[int, int], weight: float, slopes: Floats) -> Floats:
    """Step 4: the least B for each A, for a phase with a box of taps whose MACs weigh so much."""
    taps = box[0] * box[1]
    best = np.zeros_like(slopes)
    for used in range(1, taps + 1):
        pairs = max(0, used - (taps + 1) // 2)
        if pairs < 2 or pairs < 2 * (max(box) // 2):
            pairs = 0  # too many may be parallel
        # of (used·u² - pairs·(u - 0.05) - A·used) / u⁴, u >= 1 the root of m
        slope = slopes / weight
        rest = 0.05 * pairs - slope * used
        inside = np.maximum(9.0 * pairs**2 - 32 * used * rest, 0)
        for root in (np.sqrt(inside), -np.sqrt(inside), np.full_like(slopes, 4 * used - 3 * pairs)):
            u = np.maximum((3 * pairs + root) / (4 * used), 1)
            best = np.maximum(best, (used * u**2 - pairs * u + rest) / u**4)
    return best * weight


def _corners(slopes: Floats, areas: Floats) -> Floats:
    """Corners (g, w), in ascending g, of the region A·w + B·g >= 1 for all lines A, B."""
    hull, turns = _highest(1 / slopes, areas / slopes)
    if len(turns) == 0:
        return np.zeros((0, 2))
    line = hull[1:]
    return np.stack([turns, (1 - areas[line] * turns) / slopes[line]], axis=1)


def _highest(starts: Floats, falls: Floats) -> tuple[Int64, Floats]:
    """The lines `start - fall * x` that are highest somewhere on x >= 0, and where each ends."""
    order = np.lexsort((-starts, -falls))
    hull: list[int] = []
    turns: list[float] = []
    for at in order.tolist():
        if hull and falls[hull[-1]] == falls[at]:
            continue
        while hull:
            top = hull[-1]
            turn = (starts[top] - starts[at]) / (falls[top] - falls[at])
            if turn > (turns[-1] if turns else 0.0):
                turns.append(float(turn))
                break
            hull.pop()
            if turns:
                turns.pop()
        hull.append(at)
    return np.array(hull, dtype=np.int64), np.array(turns)


def _touched(planes: _Planes, bits: tuple[int, int, int], macs: Floats) -> Floats:
    """Step 5: the least bits that so many (weighted) MACs touch, (numbers of MACs,)."""
    of_weight, of_input, of_output = bits
    inputs, outputs = macs / planes.of_input, macs / planes.of_output
    first = inputs * outputs
    slopes, areas = planes.lines
    weights = np.maximum((macs[:, None] - areas * first[:, None]) / slopes, 0).max(axis=1)
    least = of_weight * weights + of_input * inputs + of_output * outputs
    products = macs[:, None] * planes.corners[:, 0]
    root = np.sqrt(products * of_input * of_output)
    held = np.maximum(np.maximum(of_input * inputs, of_output * outputs)[:, None], root)
    with np.errstate(invalid="ignore", divide="ignore"):
        both = held + np.where(held > 0, products * of_input * of_output / held, 0)
    sums = of_weight * macs[:, None] * planes.corners[:, 1] + both
    sums = np.where(products > first[:, None], sums, np.inf)
    found: Floats = np.minimum(least, sums.min(axis=1, initial=np.inf))
    return found
