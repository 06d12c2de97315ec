"""Every replay of the suite against the proven bound: `conftest.py` puts this around `replay`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from accelsim.dataflow.bounds import traffic_bound
from accelsim.dataflow.schedule import Schedule
from accelsim.replay.engine import Replayed


class BelowTheBound(AssertionError):
    """An execution moved less than is proven possible in the words it held."""


def watched(replay: Callable[..., Replayed]) -> Callable[..., Replayed]:
    """Return `replay`, but raising BelowTheBound where a whole layer moved too little."""

    @wraps(replay)
    def watching(schedule: Schedule, capacity_bits: int | None = None, **more: object) -> Replayed:
        done = replay(schedule, capacity_bits, **more)
        watching.seen += 1
        check(schedule, done, capacity_bits)
        return done

    watching.seen = 0
    return watching


def check(schedule: Schedule, done: Replayed, capacity_bits: int | None = None) -> None:
    """Raise BelowTheBound if the groups that ran moved less than the bound at their peak allows.

    A group's own peak may be less than the highest one, which bounds it from further below.
    """
    layer = schedule.layer
    widths = layer.widths
    if done.macs != done.groups * layer.group().useful_macs:
        return
    moved = (
        done.weights_read_words * widths.weights
        + done.inputs_read_words * widths.inputs
        + (done.psums_read_words + done.psums_write_words) * widths.psums
        + done.outputs_write_words * widths.outputs
    )
    bound = traffic_bound(layer, schedule.buffering)
    for held in {done.peak_bits, capacity_bits or done.peak_bits}:
        proven = done.groups * int(bound.bits(held))
        if moved < proven:
            raise BelowTheBound(f"{moved} bits moved within {held}, less than {proven}: {schedule}")
