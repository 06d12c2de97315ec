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
"""

from __future__ import annotations

from functools import cache

from accelsim.dataflow.schedule import Buffering
from accelsim.workload.layer import Axis, Conv, Stream


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
