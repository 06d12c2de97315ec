"""Timelines worked by hand on paper, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from accelsim.timing.pipeline import TRACE_COLUMNS, timeline


def test_single_by_hand():
    """Latency 10, a byte a cycle: the array waits for every transfer.

    L0 is asked for at 0, streams 10-14, C0 14-19. S0 and L1 are asked for at 19: one latency for
    both, S0 29-32, L1 32-34. C1 34-40. S1 is asked for at 40, streams 50-51.
    """
    found = timeline(
        [4, 2], [5, 6], [3, 1], buffering="single", cycles_per_byte=1, latency_cycles=10, trace=True
    )
    assert found.trace is not None
    assert found.trace.tolist() == [[10, 14, 14, 19, 29, 32], [32, 34, 34, 40, 50, 51]]
    assert (found.total_cycles, found.compute_cycles, found.stall_cycles) == (51, 11, 40)
    assert (found.dram_cycles, found.load_bytes, found.store_bytes) == (10, 6, 4)


@pytest.mark.parametrize("buffering", ["prefetch", "double"])
def test_prefetch_by_hand(buffering):
    """Latency 2, a byte a cycle.

    L0 2-6; L1, asked for at 0 as well, follows at 6-9; C0 6-9. S0 is asked for at 9: 11-13. L2 is
    asked for at 9 too and follows at 13-14. C1 9-18, so S1 20-22. C2 18-20; it stores nothing, at
    22, when S1 has left.
    """
    found = timeline(
        [4, 3, 1], [3, 9, 2], [2, 2, 0],
        buffering=buffering, cycles_per_byte=1, latency_cycles=2, trace=True,
    )  # fmt: skip
    assert found.trace is not None
    assert found.trace.tolist() == [
        [2, 6, 6, 9, 11, 13],
        [6, 9, 9, 18, 20, 22],
        [13, 14, 18, 20, 22, 22],
    ]
    assert (found.total_cycles, found.stall_cycles, found.dram_cycles) == (22, 8, 12)


def test_nothing_to_move_and_a_broken_rate_by_hand():
    """3/2 cycles a byte, no latency: transfers of 8, 5 and 11 cycles, the others are empty.

    L0 0-8, L1 at 8, C0 8-12, S0 at 12; L2 waits for C0: 12-17. C1 12-22, S1 at 22; C2 22-24, S2
    24-35.
    """
    found = timeline(
        [5, 0, 3], [4, 10, 2], [0, 0, 7],
        buffering="prefetch", cycles_per_byte=Fraction(3, 2), trace=True,
    )  # fmt: skip
    assert found.trace is not None
    assert found.trace.tolist() == [
        [0, 8, 8, 12, 12, 12],
        [8, 8, 12, 22, 22, 22],
        [12, 17, 22, 24, 24, 35],
    ]
    assert (found.total_cycles, found.compute_cycles, found.dram_cycles) == (35, 16, 24)


def test_single_waits_for_the_outputs_of_the_block_before_even_if_it_loads_nothing():
    given = {"cycles_per_byte": 1, "latency_cycles": 1}
    single = timeline([1, 0], [2, 2], [5, 0], buffering="single", **given)
    assert single.total_cycles == 12  # L0 1-2, C0 2-4, S0 5-10, C1 10-12
    ahead = timeline([1, 0], [2, 2], [5, 0], buffering="prefetch", **given)
    assert ahead.total_cycles == 10  # C1 4-6 beside S0 5-10


def test_a_request_travels_while_earlier_data_stream():
    """S0, asked for at 9, has its first byte at 9 + 4 although the channel is busy until 11.

    L0 4-8, L1 8-11, C0 8-9; S0 13-14. With the channel busy until 14 it costs nothing: 14-15.
    """
    given = {"buffering": "prefetch", "cycles_per_byte": 1, "latency_cycles": 4, "trace": True}
    partly = timeline([4, 3], [1, 0], [1, 0], **given)
    hidden = timeline([4, 6], [1, 0], [1, 0], **given)
    assert partly.trace_rows()[0]["store_start_cycles"] == 13
    assert hidden.trace_rows()[0]["store_start_cycles"] == 14


def test_trace_rows_and_no_blocks():
    found = timeline([1], [2], [3], buffering="single", cycles_per_byte=1, trace=True)
    assert found.trace_rows() == [
        {"block": 0, **dict(zip(TRACE_COLUMNS, (0, 1, 1, 3, 3, 6), strict=True))}
    ]
    assert timeline([1], [2], [3], buffering="single", cycles_per_byte=1).trace_rows() == []
    none = timeline([], [], [], buffering="prefetch", cycles_per_byte=1, trace=True)
    assert (none.total_cycles, none.trace_rows()) == (0, [])


def test_large_transfers_are_exact():
    """2**50 bytes at 10**12 Hz and 7 bytes a second do not fit; at 10**9 + 7 bytes a second do."""
    rate = Fraction(10**12, 10**9 + 7)
    found = timeline([2**50, 1], [0, 0], [0, 0], buffering="single", cycles_per_byte=rate)
    assert found.dram_cycles == -(-(2**50) * 10**12 // (10**9 + 7)) + 1000
    with pytest.raises(ValueError, match=r"2\*\*62 cycles"):
        timeline([2**50], [0], [0], buffering="single", cycles_per_byte=Fraction(10**12, 7))
    with pytest.raises(ValueError, match=r"2\*\*62 cycles"):
        timeline([0] * 8, [2**61] * 8, [0] * 8, buffering="single", cycles_per_byte=1)


@pytest.mark.parametrize(
    ("lists", "more", "says"),
    [
        (([1], [1, 2], [1]), {}, "1 loads, 2 computes, 1 stores"),
        (([-1], [1], [1]), {}, "load_bytes lies between 0"),
        (([1], [0.5], [1]), {}, "compute_cycles is a list of whole numbers"),
        (([1], [1], [[1]]), {}, "store_bytes is a list of whole numbers"),
        (([1], [1], [1]), {"cycles_per_byte": -1}, "0 or more"),
        (([1], [1], [1]), {"latency_cycles": -1}, "0 or more"),
    ],
)
def test_what_is_no_block_list_is_refused(lists, more, says):
    with pytest.raises(ValueError, match=says):
        timeline(*lists, **{"buffering": "single", "cycles_per_byte": 1, **more})


def test_tiles_by_hand():
    """Prefetch, latency 2, a byte a cycle, two blocks and then a tile of its own.

    L0 2-5, L1 5-7, C0 5-8, S0 is asked for at 8, streams 10-11. C1 8-10, S1 12-14. The second tile
    is asked for at 10 and comes when S1 has left: L2 14-15, C2 15-16, S2 18-19.
    """
    found = timeline(
        [3, 2, 1], [3, 2, 1], [1, 2, 1], buffering="prefetch", cycles_per_byte=1, latency_cycles=2,
        begins_tile=[True, False, True], trace=True,
    )  # fmt: skip
    assert found.trace is not None
    assert found.trace.tolist() == [
        [2, 5, 5, 8, 10, 11], [5, 7, 8, 10, 12, 14], [14, 15, 15, 16, 18, 19],
    ]  # fmt: skip


def test_begins_tile_is_as_long_as_the_list():
    with pytest.raises(ValueError, match="2 loads, but begins_tile is"):
        timeline([1, 1], [1, 1], [1, 1], buffering="single", cycles_per_byte=1, begins_tile=[True])
