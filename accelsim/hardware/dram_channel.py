"""One DRAM channel, command by command: how much of its peak a stream of requests reaches.

Addresses go through the mapping to pseudochannel, bank group, bank, row and column
(`dram.DramDevice.places`). A controller with a read and a write queue serves them first ready,
first come (FR-FCFS), rows stay open, and each command waits for all that the standard asks for:

    same bank        ACT to ACT tRC, ACT to RD/WR tRCD, ACT to PRE tRAS, PRE to ACT tRP,
                     RD to PRE tRTP, WR to PRE tCWL + burst + tWR
    same bank group  RD to RD, WR to WR tCCD_L, ACT to ACT tRRD_L, WR to RD tCWL + burst + tWTR_L
    pseudochannel    RD to RD, WR to WR tCCD_S, ACT to ACT tRRD_S, four of them in tFAW,
                     RD to WR tCL + burst + 2 - tCWL, WR to RD tCWL + burst + tWTR_S
    all banks        every tREFI all are closed and refreshed for tRFC

So the steps of efficiency over the run length are the mapping's: within a bank group a burst takes
tCCD_L, among groups tCCD_S; runs that stay in a row need one activation, and activations are bound
by tRRD, tFAW and tRC. Commands share one bus, a command a cycle; with `dual_bus` (HBM) row and
column commands have one each, and an ACT holds its own for two cycles. With `split_activate`
(LPDDR5) an ACT is two commands, the second of which waits while others are ready, at most tAAD.

Sources of the rules: JESD79-4C (DDR4), JESD209-5B (LPDDR5), JESD235D (HBM2); queues, watermarks and
order of choice as Ramulator 2.1's defaults (Luo et al., Ramulator 2.0, IEEE CAL 2023).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from accelsim.hardware.dram import TIMINGS, DramDevice
from accelsim.workload.layer import Int64

(BL, CL, RCD_RD, RCD_WR, RP, RP_ALL, RAS, RC, WR, RTP, CWL, CCD_S, CCD_L, RRD_S, RRD_L, WTR_S,
 WTR_L, FAW, RFC, REFI, PPD, AAD, WCK_POST) = range(len(TIMINGS))  # fmt: skip
REQUESTS = 16384
REGION_BYTES = 2**28
QUEUE = 32  # entries of the read and of the write queue
_HIGH, _LOW = 0.8 * QUEUE, 0.2 * QUEUE  # writes that begin and end a drain
_ARRIVALS = 4  # requests that come in a cycle, while there is room
_NONE = -1
_READ, _WRITE, _ACTIVATE, _PRECHARGE = 0, 1, 2, 3  # commands, and places of the times below
SIDE, GROUP, BANK, ROW, KIND = 0, 1, 2, 3, 4  # columns of a request; KIND is _READ or _WRITE
NOW, DRAINING, BUS_FREE, SYNCED, WAITING, DEADLINE, ACTIVE = 0, 1, 2, 3, 4, 5, 6  # of `numbers`


class _Channel(NamedTuple):
    """State of a channel: for sides, groups, banks the cycle from which on each command may come.

    `acts` are the last four activations of a side, `queues` the numbers of queued reads and writes,
    `active` those whose row was opened for them, `in_bank` how many each bank has; `due` sides
    wait for their refresh.
    """

    sides: Int64
    groups: Int64
    banks: Int64
    open_row: Int64
    side_of: Int64
    acts: Int64
    queues: Int64
    lengths: Int64
    active: Int64
    in_bank: Int64
    due: NDArray[np.bool_]
    numbers: Int64


def modelled_efficiency(
    device: DramDevice,
    mapping: str,
    run_bytes: int,
    write_share: float = 0.0,
    *,
    stride_bytes: int = 0,
    refresh: bool = True,
    seed: int = 1,
) -> float:
    """Return the share of its peak that a channel reaches on 16384 requests of a burst each.

    Runs of `run_bytes` begin anywhere in 256 MiB, at multiples of the largest power of two that is
    no longer than a run; from 64 KiB on they follow each other, a stream. Of the runs `write_share`
    are written, any of them, the others read. With `stride_bytes` each burst is so far from the one
    before.
    """
    addresses = _addresses(device, run_bytes, stride_bytes, seed)
    per_run = max(1, run_bytes // device.burst_bytes)
    runs = -(-REQUESTS // per_run)
    written = np.random.default_rng(seed + 1000).permutation(runs) < round(write_share * runs)
    requests = device.places(mapping, addresses)
    requests[:, KIND] = np.repeat(written, per_run)[:REQUESTS]
    dual, split = device.buses == "row and column", device.activation == "split"
    cycles = _run(requests, np.array(device.timings, dtype=np.int64), dual, split, refresh)
    seconds = int(cycles) * device.clock_ps * 1e-12
    return REQUESTS * device.burst_bytes / seconds / device.peak_bytes_per_s


def _addresses(device: DramDevice, run_bytes: int, stride_bytes: int, seed: int) -> Int64:
    burst = device.burst_bytes
    if stride_bytes or run_bytes >= 2**16:
        return np.arange(REQUESTS, dtype=np.int64) * (stride_bytes or burst)
    per_run = max(1, run_bytes // burst)
    unit = burst << (per_run.bit_length() - 1)
    runs = -(-REQUESTS // per_run)
    begins = np.random.default_rng(seed).integers(0, REGION_BYTES // unit, runs) * unit
    found = begins[:, None] + np.arange(per_run, dtype=np.int64) * burst
    return found.ravel()[:REQUESTS]


@njit(cache=True)
def _new(requests):  # type: ignore[no-untyped-def]
    """A channel with all banks closed."""
    sides, groups = requests[:, SIDE].max() + 1, requests[:, GROUP].max() + 1
    banks = requests[:, BANK].max() + 1
    side_of = np.zeros(banks, np.int64)
    for each in requests:
        side_of[each[BANK]] = each[SIDE]
    numbers = np.zeros(7, np.int64)
    numbers[WAITING] = _NONE
    return _Channel(
        np.zeros((sides, 4), np.int64), np.zeros((groups, 4), np.int64),
        np.zeros((banks, 4), np.int64), np.full(banks, _NONE), side_of,
        np.full((sides, 4), -(2**40)), np.zeros((2, QUEUE), np.int64), np.zeros(2, np.int64),
        np.zeros(banks, np.int64), np.zeros(banks, np.int64), np.zeros(sides, np.bool_), numbers,
    )  # fmt: skip


@njit(cache=True)
def _run(requests, t, dual, split, refresh):  # type: ignore[no-untyped-def]
    """Cycles until the last of the requests (SIDE .. KIND) has come in; `t` by `TIMINGS`."""
    channel, sent, issued = _new(requests), 0, False
    while True:
        before = sent
        for _ in range(_ARRIVALS):
            if sent == len(requests):
                return channel.numbers[NOW]
            kind = requests[sent, KIND]
            if channel.lengths[kind] == QUEUE:
                break
            channel.queues[kind, channel.lengths[kind]] = sent
            channel.lengths[kind] += 1
            sent += 1
        if sent == before and not issued:  # nothing happens before some command may come
            channel.numbers[NOW] = _next_change(channel, t) - 1
        channel.numbers[NOW] += 1
        if refresh and channel.numbers[NOW] % t[REFI] == 0:
            channel.due[:] = True
        if not dual:
            issued = _slot(channel, requests, t, True, True, split) != _NONE
            continue
        issued = _slot(channel, requests, t, True, False, split) != _NONE
        if channel.numbers[NOW] >= channel.numbers[BUS_FREE]:
            command = _slot(channel, requests, t, False, True, split)
            issued |= command != _NONE
            if command == _ACTIVATE:
                channel.numbers[BUS_FREE] = channel.numbers[NOW] + 2


@njit(cache=True)
def _next_change(channel, t):  # type: ignore[no-untyped-def]
    """The first cycle from the next on in which something may come that may not come now."""
    now = channel.numbers[NOW]
    least = (now // t[REFI] + 1) * t[REFI]
    for times in (channel.sides, channel.groups, channel.banks):
        for time in times.flat:
            if now < time < least:
                least = time
    for side in range(len(channel.acts)):
        time = channel.acts[side, 0] + t[FAW]
        if now < time < least:
            least = time
    for place in (BUS_FREE, DEADLINE):
        if now < channel.numbers[place] < least:
            least = channel.numbers[place]
    return least


@njit(cache=True)
def _slot(channel, requests, t, columns, rows, split):  # type: ignore[no-untyped-def]
    """Issue a command on a bus for columns, rows or both; which kind it was, or _NONE."""
    numbers = channel.numbers
    now, waits = numbers[NOW], numbers[WAITING] != _NONE
    if waits and now >= numbers[DEADLINE]:
        return _open(channel, requests, numbers[WAITING])
    if columns:
        for place in range(numbers[ACTIVE]):
            at = requests[channel.active[place]]
            if _may(channel, at, at[KIND], now):
                if not _synced(channel, t, at, split):
                    return at[KIND]
                _access(channel, at, t, now)
                channel.in_bank[at[BANK]] -= 1
                numbers[ACTIVE] -= 1
                _remove(channel.active, place, numbers[ACTIVE])
                return at[KIND]
    issued = _NONE
    if channel.due.any():
        if rows and not waits:
            issued = _refresh(channel, t, now)
    else:
        issued = _from_queue(channel, requests, t, columns, rows, split)
    if issued == _NONE and waits:
        return _open(channel, requests, numbers[WAITING])
    return issued


@njit(cache=True)
def _from_queue(channel, requests, t, columns, rows, split):  # type: ignore[no-untyped-def]
    """Issue the next command of the oldest queued request whose command may come; its kind."""
    numbers, lengths = channel.numbers, channel.lengths
    if not numbers[DRAINING]:
        numbers[DRAINING] = lengths[_WRITE] > _HIGH or lengths[_READ] == 0
    elif lengths[_WRITE] < _LOW and lengths[_READ] != 0:
        numbers[DRAINING] = 0
    kind = numbers[DRAINING]
    for place in range(lengths[kind]):
        number = channel.queues[kind, place]
        at = requests[number]
        command = _next(channel, requests, at, t, columns, rows)
        if command == _NONE:
            continue
        if command == _PRECHARGE:
            _precharge(channel, at, t, numbers[NOW])
            return command
        if command == _ACTIVATE:
            _activate(channel, at, t, numbers[NOW])
            numbers[WAITING], numbers[DEADLINE] = number, numbers[NOW] + t[AAD]
            if not split:
                _open(channel, requests, number)
        elif _synced(channel, t, at, split):
            _access(channel, at, t, numbers[NOW])
        else:
            return command
        lengths[kind] -= 1
        _remove(channel.queues[kind], place, lengths[kind])
        return command
    return _NONE


@njit(cache=True, inline="always")
def _next(channel, requests, at, t, columns, rows):  # type: ignore[no-untyped-def]
    """The next command of a queued request, if it may come now on this bus; else _NONE."""
    now, waiting = channel.numbers[NOW], channel.numbers[WAITING]
    here = channel.open_row[at[BANK]]
    command = at[KIND] if here == at[ROW] else _ACTIVATE if here == _NONE else _PRECHARGE
    if not (columns if command < _ACTIVATE else rows):
        return _NONE
    if command == _PRECHARGE and channel.in_bank[at[BANK]]:
        return _NONE  # the row is still wanted
    if waiting != _NONE and (command == _ACTIVATE or requests[waiting, BANK] == at[BANK]):
        return _NONE
    if not _may(channel, at, command, now):
        return _NONE
    if command == _ACTIVATE and now < channel.acts[at[SIDE], 0] + t[FAW]:
        return _NONE
    return command


@njit(cache=True, inline="always")
def _synced(channel, t, at, split):  # type: ignore[no-untyped-def]
    """Whether the data clock runs; if not, this cycle starts it. It stops a while after a burst."""
    if not split:
        return True
    now = channel.numbers[NOW]
    until = now + t[CWL if at[KIND] else CL] + t[BL] + t[WCK_POST]
    if now >= channel.numbers[SYNCED]:
        channel.numbers[SYNCED] = until + 1
        return False
    channel.numbers[SYNCED] = max(channel.numbers[SYNCED], until)
    return True


@njit(cache=True)
def _remove(numbers, place, left):  # type: ignore[no-untyped-def]
    for at in range(place, left):
        numbers[at] = numbers[at + 1]


@njit(cache=True, inline="always")
def _may(channel, at, command, now):  # type: ignore[no-untyped-def]
    """Whether a command to this place may come now."""
    if now < channel.banks[at[BANK], command] or now < channel.sides[at[SIDE], command]:
        return False
    return now >= channel.groups[at[GROUP], command]


@njit(cache=True, inline="always")
def _later(times, command, time):  # type: ignore[no-untyped-def]
    times[command] = max(times[command], time)


@njit(cache=True)
def _open(channel, requests, number):  # type: ignore[no-untyped-def]
    """A row is open for the request that asked for it."""
    at, numbers = requests[number], channel.numbers
    channel.open_row[at[BANK]] = at[ROW]
    channel.active[numbers[ACTIVE]] = number
    channel.in_bank[at[BANK]] += 1
    numbers[ACTIVE] += 1
    numbers[WAITING] = _NONE
    return _ACTIVATE


@njit(cache=True)
def _activate(channel, at, t, now):  # type: ignore[no-untyped-def]
    bank = channel.banks[at[BANK]]
    _later(bank, _ACTIVATE, now + t[RC])
    _later(bank, _READ, now + t[RCD_RD])
    _later(bank, _WRITE, now + t[RCD_WR])
    _later(bank, _PRECHARGE, now + t[RAS])
    _later(channel.groups[at[GROUP]], _ACTIVATE, now + t[RRD_L])
    _later(channel.sides[at[SIDE]], _ACTIVATE, now + t[RRD_S])
    acts = channel.acts[at[SIDE]]
    acts[0], acts[1], acts[2], acts[3] = acts[1], acts[2], acts[3], now


@njit(cache=True)
def _precharge(channel, at, t, now):  # type: ignore[no-untyped-def]
    channel.open_row[at[BANK]] = _NONE
    _later(channel.banks[at[BANK]], _ACTIVATE, now + t[RP])
    _later(channel.sides[at[SIDE]], _PRECHARGE, now + t[PPD])


@njit(cache=True)
def _access(channel, at, t, now):  # type: ignore[no-untyped-def]
    side, group = channel.sides[at[SIDE]], channel.groups[at[GROUP]]
    bank = channel.banks[at[BANK]]
    if at[KIND] == _WRITE:
        done = now + t[CWL] + t[BL]
        _later(bank, _PRECHARGE, done + t[WR])
        _later(group, _WRITE, now + t[CCD_L])
        _later(group, _READ, done + t[WTR_L])
        _later(side, _WRITE, now + t[CCD_S])
        _later(side, _READ, done + t[WTR_S])
    else:
        _later(bank, _PRECHARGE, now + t[RTP])
        _later(group, _READ, now + t[CCD_L])
        _later(side, _READ, now + t[CCD_S])
        _later(side, _WRITE, now + t[CL] + t[BL] + 2 - t[CWL])


@njit(cache=True)
def _refresh(channel, t, now):  # type: ignore[no-untyped-def]
    """Close the banks of the first side that waits for its refresh, or refresh them if closed."""
    side = 0
    while not channel.due[side]:
        side += 1
    any_open, closable, ready = False, now >= channel.sides[side, _PRECHARGE], True
    for bank in range(len(channel.side_of)):
        if channel.side_of[bank] == side:
            any_open |= channel.open_row[bank] != _NONE
            closable &= channel.in_bank[bank] == 0 and now >= channel.banks[bank, _PRECHARGE]
            ready &= now >= channel.banks[bank, _ACTIVATE]
    if not (closable if any_open else ready):
        return _NONE
    for bank in range(len(channel.side_of)):
        if channel.side_of[bank] == side:
            channel.open_row[bank] = _NONE
            _later(channel.banks[bank], _ACTIVATE, now + t[RP_ALL if any_open else RFC])
    channel.due[side] = any_open
    return _PRECHARGE
