"""The bound against every replay of the suite (`watch.py`): it watches, and it can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import watch

from accelsim import verify
from accelsim.dataflow.bounds import TrafficBound
from accelsim.dataflow.frontier import frontier
from accelsim.replay import replay
from accelsim.workload.layer import Axis, Conv, Widths

LAYER = Conv(
    "grouped", "conv", 1, 6, 9, 3, Axis(4, 3, 6), Axis(3, 2, 4), Widths(8, 8, 8, 32)
)  # fmt: skip


def test_tests_and_commands_replay_under_watch():
    assert verify.execute is replay
    seen = replay.seen
    found = frontier(LAYER)
    replay(found.schedule(found.points[0]), found.points[0].bits)
    assert replay.seen == seen + 1


@pytest.mark.parametrize("sample", [None, 2])
def test_an_execution_of_less_than_compulsory_is_noticed(sample):
    found = frontier(LAYER)
    schedule = found.schedule(found.points[-1])
    done = replay(schedule, sample=sample)
    watch.check(schedule, done)
    with pytest.raises(watch.BelowTheBound):
        watch.check(schedule, replace(done, inputs_read_words=done.inputs_read_words - 1))


def test_a_bound_too_high_by_one_bit_is_noticed(monkeypatch):
    """Of a peak and of a larger capacity, whichever the bound is wrong for."""
    found = frontier(LAYER)
    schedule, bits = found.schedule(found.points[0]), found.points[0].bits
    traffic = found.points[0].traffic_bits
    for wrong, capacity in ((bits, bits), (bits + 1, bits + 1)):
        with monkeypatch.context() as patched, pytest.raises(watch.BelowTheBound):
            patched.setattr(
                TrafficBound, "bits", lambda self, at, wrong=wrong: traffic + (at == wrong)
            )
            replay(schedule, capacity)
