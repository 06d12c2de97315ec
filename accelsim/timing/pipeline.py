"""The timeline of a list of blocks: what is loaded, computed, stored when, to the cycle.

One DRAM channel serves the loads L and stores S of the blocks in a fixed order; the array computes
the blocks C one after another. With b = 0 for `single` buffering, 1 for `prefetch` and `double`:

    channel   L0 .. Lb, S0, L(b+1), S1, L(b+2), ...     it waits rather than reorders
    L(i)      is asked for at the end of C(i-1-b), when its space is free (at 0 for i <= b)
    S(i)      is asked for at the end of C(i)
    C(i)      starts at the later of the ends of L(i) and C(i-1)

A transfer of some bytes streams for ceil(bytes · cycles per byte) cycles. It begins a latency after
it was asked for, at the earliest, and no earlier than the end of the transfer before:

    start = max(end of the one before, asked + latency)

So a stream without a gap takes no latency at all, and a gap costs one at most: requests travel
while earlier data still stream. (Were the whole latency paid whenever the channel falls idle, more
bandwidth could be slower: a transfer that ends a cycle sooner would make a gap.) A transfer of no
bytes takes no time, but its turn still comes after those before it: with `single` buffering a block
that loads nothing waits until the outputs of the one before have left, for their space is counted.

A tile is run to its end before the next, and the space of words fetched ahead is counted within a
tile: the first block of a tile is never fetched ahead. Its load is asked for at the end of the
compute before it and served after that block's store, as with `single`; then the tile's next.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from accelsim.dataflow.schedule import Buffering
from accelsim.workload.layer import Int64

TRACE_COLUMNS = (
    "load_start_cycles", "load_end_cycles", "compute_start_cycles", "compute_end_cycles",
    "store_start_cycles", "store_end_cycles",
)  # fmt: skip
_MOST_CYCLES = 2**62


@dataclass(frozen=True)
class Timeline:
    """When a list of blocks is done.

    `total_cycles` until the last output has left; `compute_cycles` and `dram_cycles` are the cycles
    in which the array works and the channel streams. `trace`, if it was asked for, is (blocks, 6),
    by `TRACE_COLUMNS`.
    """

    total_cycles: int
    compute_cycles: int
    dram_cycles: int
    load_bytes: int
    store_bytes: int
    trace: Int64 | None = None

    @property
    def stall_cycles(self) -> int:
        """Cycles in which the array has nothing to do."""
        return self.total_cycles - self.compute_cycles

    def trace_rows(self) -> list[dict[str, int]]:
        """The trace as rows, a block each; none where it was not asked for."""
        if self.trace is None:
            return []
        return [
            {"block": number, **dict(zip(TRACE_COLUMNS, times, strict=True))}
            for number, times in enumerate(self.trace.tolist())
        ]


def timeline(
    load_bytes: ArrayLike,
    compute_cycles: ArrayLike,
    store_bytes: ArrayLike,
    *,
    buffering: Buffering,
    cycles_per_byte: Fraction | int,
    latency_cycles: int = 0,
    begins_tile: ArrayLike | None = None,
    trace: bool = False,
) -> Timeline:
    """Run blocks through one DRAM channel and one PE array.

    The three arrays are (blocks,), whole numbers from 0. `cycles_per_byte` is
    clock / (peak bandwidth · efficiency); 0 is an unlimited channel, which has no latency either.
    `begins_tile` (blocks,) tells which blocks are the first of a tile; without it there is one.
    Raises ValueError for arrays of unequal length, negative or broken numbers, or 2**62 cycles.
    """
    loads, computes, stores = (
        _whole(name, values)
        for name, values in (
            ("load_bytes", load_bytes),
            ("compute_cycles", compute_cycles),
            ("store_bytes", store_bytes),
        )
    )
    if not len(loads) == len(computes) == len(stores):
        raise ValueError(f"{len(loads)} loads, {len(computes)} computes, {len(stores)} stores")
    first = np.zeros(len(loads), dtype=np.bool_)
    if begins_tile is not None:
        first = np.array(begins_tile, dtype=np.bool_)
        if first.shape != loads.shape:
            raise ValueError(f"{len(loads)} loads, but begins_tile is {first.shape}")
    first[:1] = True
    rate = Fraction(cycles_per_byte)
    if rate < 0 or latency_cycles < 0:
        raise ValueError("cycles_per_byte and latency_cycles are 0 or more")
    load_cycles, store_cycles = _transfer_cycles(loads, rate), _transfer_cycles(stores, rate)
    each = sum(
        float(times.sum(dtype=np.float64)) for times in (load_cycles, computes, store_cycles)
    )
    if each + 2 * len(loads) * float(latency_cycles) > _MOST_CYCLES:
        raise ValueError("more than 2**62 cycles; give fewer or smaller blocks")
    ahead = 0 if buffering == "single" else 1
    times = np.zeros((len(loads) if trace else 0, len(TRACE_COLUMNS)), dtype=np.int64)
    total = _run(load_cycles, computes, store_cycles, first, ahead, int(latency_cycles), times)
    return Timeline(
        total_cycles=int(total),
        compute_cycles=int(computes.sum()),
        dram_cycles=int(load_cycles.sum() + store_cycles.sum()),
        load_bytes=int(loads.sum()),
        store_bytes=int(stores.sum()),
        trace=times if trace else None,
    )


def _whole(name: str, values: ArrayLike) -> Int64:
    given: NDArray[Any] = np.asarray(values)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ValueError(f"{name} is a list of whole numbers")
    if given.size and (int(given.min()) < 0 or int(given.max()) >= _MOST_CYCLES):
        raise ValueError(f"{name} lies between 0 and 2**62")
    return np.ascontiguousarray(given, dtype=np.int64)


def _transfer_cycles(sizes: Int64, rate: Fraction) -> Int64:
    """Bytes times rate, each rounded up; exact, in Python's integers where int64 is too small."""
    most = int(sizes.max(initial=0))
    above, below = rate.numerator, rate.denominator
    if most * above + below < _MOST_CYCLES:
        return (sizes * above + (below - 1)) // below
    if -(-most * above // below) >= _MOST_CYCLES:
        raise ValueError("more than 2**62 cycles; give fewer or smaller blocks")
    return np.array([-(-size * above // below) for size in sizes.tolist()], dtype=np.int64)


@njit(cache=True)
def _transfer(free, asked, latency, cycles):  # type: ignore[no-untyped-def]
    """Start and end of a transfer on a channel that is free from `free` on."""
    start = max(free, asked + latency) if cycles > 0 else max(free, asked)
    return start, start + cycles


@njit(cache=True)
def _run(loads, computes, stores, first, ahead, latency, trace):  # type: ignore[no-untyped-def]
    """The last end of any transfer or compute; fills the rows of `trace` that there are."""
    blocks = len(computes)
    traced = len(trace) > 0
    free, computed = 0, 0  # ends of the last transfer and of C(i-1)
    loaded = np.zeros(blocks, dtype=np.int64)
    for i in range(blocks):
        fetched = i if first[i] or not ahead else i + 1
        while fetched <= i + ahead and fetched < blocks and (fetched == i or not first[fetched]):
            start, free = _transfer(free, computed, latency, loads[fetched])
            loaded[fetched] = free
            if traced:
                trace[fetched, 0], trace[fetched, 1] = start, free
            fetched += 1
        begin = max(loaded[i], computed)
        computed = begin + computes[i]
        start, free = _transfer(free, computed, latency, stores[i])
        if traced:
            trace[i, 2], trace[i, 3] = begin, computed
            trace[i, 4], trace[i, 5] = start, free
    return max(free, computed)
