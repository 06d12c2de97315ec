"""The least words that F MACs touch: of a layer with weights, whatever the MACs (THEORY.md 4).

A word counts with its bits: bw, bi, bo of a weight, input, output. Let a set of MACs touch w, i, o
words of them; X(F) is the least bw·w + bi·i + bo·o of any F MACs.

1. *One filter plane.* Taps r with equal r·dilation mod stride, likewise columns, are a phase; what
   it reads (of a deconv: writes) no other phase does. MACs of one k, c and phase are triples
   (tap, output, input), each of which two of them determine, input = output + tap on the phase's
   lattice. So t taps, o outputs, i inputs have at most h = t·min(o, i) MACs.
2. *Halo.* Two taps opposite each other about the centre of the phase's box of taps: join an output
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
3. *All planes.* For each A > 0 let B(A) be the largest (h - A·t) / (o·i) over phases, t and m >= 1.
   Summed over k, c, phases: MACs <= A·w + B(A)·o·i, as outputs belong to a k (of a deconv: and to a
   phase), inputs to a c and a phase. Without halo the best A gives sqrt(T·w·o·i), T the largest.
   Also w, i, o >= MACs / those of the weight, input, output that has most.
4. *X(F)* is the least bw·w + bi·i + bo·o with all that. For a product g = o·i the best i and o are
   closed form, concave in g; the least w falls piecewise linearly; so a corner is least.
5. *Phases of unequal size.* MACs may be weighted by phase: 3 and 4 hold for weighted MACs, and
   cut by weight a segment misses its share by one MAC at most. Tried are 1 and 1/sqrt(T), with
   which each phase is as good as another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from accelsim.workload.layer import Axis, Conv, Int64

Floats = NDArray[np.float64]


def fed_outputs(axis: Axis) -> int:
    """Outputs that at least one useful pair feeds."""
    return len(np.unique(axis.pairs()[0]))


@dataclass(frozen=True)
class Planes:
    """Steps 3 and 5: (weighted) MACs in all, of one MAC and of one word at most; corners.

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
def planes_of(layer: Conv, weighted: bool) -> Planes:
    """Count and bound the (weighted) MACs of one group; raises ValueError unless `is_known`."""
    if not is_known(layer):
        raise ValueError("the proof is of convs and deconvs with weights and useful MACs")
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
    return Planes(
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


def weightings(layer: Conv) -> tuple[bool, ...]:
    """Also weighted where stride phases have different numbers of taps; else it is the same."""
    uneven = (len({len(taps) for taps in _phases(axis)}) > 1 for axis in (layer.rows, layer.cols))
    return (False, True) if any(uneven) else (False,)


def is_known(layer: Conv) -> bool:
    """Whether the proof by segments holds: convs and deconvs that have weights and MACs."""
    windows = {layer.rows.kind, layer.cols.kind} <= {"conv", "deconv"}
    return layer.has_weights and windows and layer.useful_macs > 0


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
    """Step 3: the least B for each A, for a phase with a box of taps whose MACs weigh so much."""
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
    hull, turns = highest(1 / slopes, areas / slopes)
    if len(turns) == 0:
        return np.zeros((0, 2))
    line = hull[1:]
    return np.stack([turns, (1 - areas[line] * turns) / slopes[line]], axis=1)


def highest(starts: Floats, falls: Floats) -> tuple[Int64, Floats]:
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


def touched(planes: Planes, bits: tuple[int, int, int], macs: Floats) -> Floats:
    """Step 4: the least bits that so many (weighted) MACs touch, both (numbers of MACs,).

    `bits` are of a live weight, input, output.
    """
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
