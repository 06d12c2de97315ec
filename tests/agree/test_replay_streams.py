"""Layers that only pass words through: what the formula holds is what an execution needs."""

from __future__ import annotations

import pytest
from cases import share_of
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.dataflow.schedule import BUFFERINGS
from accelsim.dataflow.streams import stream_peak
from accelsim.replay import DoesNotFit, replay_stream
from accelsim.workload.layer import Stream, Widths

widths = st.builds(Widths, *[st.sampled_from((4, 8, 16, 32))] * 4)


@st.composite
def streams(draw) -> Stream:
    op = draw(st.sampled_from(("add", "mul", "act", "norm", "softmax", "lrn", "upsample")))
    N, K, pixels = (draw(st.integers(1, 6)) for _ in range(3))
    outputs, live, fresh = N * K * pixels, 1, 1
    inputs = outputs
    if op in ("add", "mul"):
        fresh = draw(st.integers(1, 3))
        held = draw(st.sampled_from((0, K, pixels)))
        live, inputs = fresh + held, fresh * outputs + N * held
    elif op == "softmax":
        live = K
    elif op == "lrn":
        live = min(draw(st.integers(1, 7)), K)
    elif op == "upsample":
        outputs = inputs * draw(st.integers(1, 9)) + draw(st.integers(0, 5))
    return Stream("", op, N, K, inputs, outputs, live, fresh, draw(widths))


@settings(max_examples=share_of(3000), deadline=None, database=None)
@given(streams(), st.sampled_from(BUFFERINGS))
def test_formula_equals_execution(layer, buffering):
    claimed = stream_peak(layer, buffering).bits
    done = replay_stream(layer, claimed, buffering)
    assert done.correct
    assert (done.inputs_read_words, done.outputs_write_words) == layer.words[1:]
    assert done.peak_bits == claimed
    with pytest.raises(DoesNotFit):
        replay_stream(layer, claimed - 1, buffering)


def test_a_broadcast_operand_comes_anew_for_each_image():
    """Found by replay: with prefetch, two images' scales are there between the images."""
    layer = Stream("se.mul", "mul", 2, 72, 2 * 72 + 2 * 72 * 49, 2 * 72 * 49, 73, 1)
    assert stream_peak(layer, "prefetch").words == 73 + 73 + 2
    assert replay_stream(layer, None, "prefetch").peak_words == (0, 146, 2)


def test_two_outputs_never_meet_both_neighbours():
    """Found by replay: of two steps only one has a next word and only the other a late output."""
    layer = Stream("", "act", 2, 1, 2, 2, 1)
    assert stream_peak(layer, "prefetch").words == 3
    assert replay_stream(layer, None, "prefetch").peak_words == (0, 2, 1)


def test_a_single_softmax_row_is_never_whole_beside_two_outputs():
    layer = Stream("", "softmax", 1, 1000, 1000, 1000, 1000)
    assert stream_peak(layer, "prefetch").words == 1001
    assert replay_stream(layer, None, "prefetch").peak_words == (0, 1000, 1)


def test_an_upsampled_input_meets_the_next_inside_an_image():
    """Found by replay: after seven outputs of one input the next comes, beside a late output."""
    layer = Stream("", "upsample", 1, 1, 3, 21, 1)
    assert stream_peak(layer, "prefetch").words == 4
    assert replay_stream(layer, None, "prefetch").peak_words == (0, 2, 2)


def test_the_peak_is_weighed_in_bits():
    """A row of two: two 8-bit inputs and a 32-bit output, then one input and two outputs."""
    layer = Stream("", "softmax", 1, 2, 2, 2, 2, 1, Widths(8, 8, 32, 32))
    assert stream_peak(layer, "prefetch").bits_by_operand == (0, 8, 64)
    assert replay_stream(layer, None, "prefetch").peak_bits == 72
