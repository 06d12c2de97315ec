"""Pieces of an axis meet what they met in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from accelsim.dataflow.tile_axes import last_inputs
from accelsim.workload.layer import Axis

AXES = st.builds(
    Axis,
    outputs=st.integers(1, 14),
    taps=st.integers(1, 5),
    inputs=st.integers(1, 14),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    pad=st.integers(0, 6),
    kind=st.sampled_from(["conv", "deconv"]),
)


@given(AXES, st.integers(0, 13))
def test_the_last_inputs_meet_the_same_outputs_and_taps(axis, begin):
    p, r, h = axis.pairs()
    later = h >= begin
    p, r, h = p[later], r[later], h[later]
    moved = (p - p.min(initial=99), r, h - h.min(initial=99))
    piece = last_inputs(axis, begin)
    assert piece.pad >= 0
    found, expected = (set(zip(*map(list, each), strict=True)) for each in (piece.pairs(), moved))
    assert found == expected
