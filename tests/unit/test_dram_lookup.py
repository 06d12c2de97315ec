"""What the lookup does between rows of a table, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.hardware.dram import DRAM_TABLES, TIMINGS, load_dram_device
from accelsim.hardware.dram_channel import _run
from accelsim.spec import InputError, shipped_names

TABLE = """
name: tiny
source: made up
clock_ps: 1000
peak_bytes_per_s: 8GB/s
burst_bytes: 16
sizes: {pseudochannel: 1, bank_group: 2, bank: 2, row: 4, column: 8}
buses: one
activation: whole
timings: {%s}
write_shares: [0, 0.5]
mappings:
  RoBaRaCoCh:
    modelled:
      - [16, 0.25, 0.2]
      - [32, 0.5, 0.4]
      - [64, 0.8, 0.8]
    measured:
      - [32, 0, 0.4]
""" % ", ".join(f"{timing}: {number}" for number, timing in enumerate(TIMINGS, 2))  # noqa: UP031


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TABLE)
    return load_dram_device(str(path))


def test_measured_rows_come_first_and_time_is_linear_between(tiny):
    assert tiny.efficiency("RoBaRaCoCh", 32) == 0.4
    # time per byte 1 / 0.4 and 1 / 0.8, half of the way
    assert tiny.efficiency("RoBaRaCoCh", 48) == pytest.approx(2 / (1 / 0.4 + 1 / 0.8))
    # shares: 1 / 0.25 and 1 / 0.2, half of the way to 0.5
    assert tiny.efficiency("RoBaRaCoCh", 16, 0.25) == pytest.approx(2 / (1 / 0.25 + 1 / 0.2))
    assert tiny.efficiency("RoBaRaCoCh", 1) == 0.25
    assert tiny.efficiency("RoBaRaCoCh", 10**6) == 0.8
    assert tiny.slowdowns("RoBaRaCoCh", 0) == ((16, 4096), (32, 2560), (64, 1280))


def test_latency_by_hand():
    """DDR4-2400R: tRCD 16, tCL 16, a burst of 4 cycles of 0.833 ns."""
    device = load_dram_device("DDR4_2400R_8Gb_x8")
    assert device.latency_ns == pytest.approx(36 * 0.833)


@pytest.mark.parametrize("name", shipped_names(DRAM_TABLES))
def test_shipped_tables(name):
    device = load_dram_device(name)
    assert device.name == name and device.source
    peak = device.sizes["pseudochannel"] * device.burst_bytes
    peak /= device.timings[TIMINGS.index("tBL")] * device.clock_ps * 1e-12
    assert device.peak_bytes_per_s == pytest.approx(peak, rel=0.001)
    for runs, rows in device.tables.values():
        assert runs[0] == device.burst_bytes and runs[-1] == 2**16
        assert all(0 < each <= 1 for row in rows for each in row)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("buses: one", "buses: two", "8:1: buses: `two` is not known; known are one, row and"),
        ("tFAW: ", "tFAWN: ", "timings: tFAW is missing; give all of"),
        ("[16, 0.25, 0.2]", "[16, 0.25, 1.2]", "`1.2` is no share; write a number from 0 to 1"),
        ("[32, 0, 0.4]", "[32, 0.4]", "measured: a row of 2; write [run bytes, write share, eff"),
        ("[16, 0.25, 0.2]", "[16, 0.25]", "modelled: a row of 2; write the run bytes and 2 eff"),
        ("write_shares: [0, 0.5]", "write_shares: [0.5, 0]", "2 shares, not ascending; give two"),
        ("[16, 0.25, 0.2]", "[16, 0, 0.2]", "modelled: an efficiency of 0; write one above"),
        ("clock_ps: 1000", "clock_ps: 0", "4:1: clock_ps: `0` is too small; 1 to 1073741824"),
        ("[32, 0, 0.4]", "[32, 0.1, 0.4]", "measured: no modelled row for 32 bytes and share 0.1"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, old, new, says):
    path = tmp_path / "bad.yaml"
    assert old in TABLE
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(InputError) as error:
        load_dram_device(str(path))
    assert says in str(error.value)
    assert str(error.value).startswith(f"{path}:")


def test_places_by_hand(tiny):
    """Bursts of 16 bytes: 3 bits of column, then 1 of the group, 1 of the bank, the row."""
    address = np.array([16 * (5 + 8 * (1 + 2 * (0 + 2 * 3)))])
    assert tiny.places("RoBaRaCoCh", address).tolist() == [[0, 1, 2, 3, 0]]
    # column low 2 bits, group, bank, column high bit, row; XOR: group with bit 0, bank with bit 1,
    # row with bit 2 of the column
    address = np.array([16 * (1 + 4 * (1 + 2 * (1 + 2 * (1 + 2 * 2))))])
    assert tiny.places("MOP4CLXOR", address).tolist() == [[0, 0, 1, 3, 0]]
    assert tiny.places("ChRaBaRoCo", np.array([16 * (7 + 8 * (2 + 4 * 1))])).tolist() == [
        [0, 0, 1, 2, 0]
    ]


@pytest.mark.parametrize(
    ("rows", "period"),
    [([0], "tCCDL"), ([0, 1], "tRC")],
    ids=["hits of one row: tCCD_L", "two rows of a bank in turn: tRC"],
)
def test_one_bank_by_hand(rows, period):
    """Requests for one bank are apart by what the bank, or its group, waits for."""
    device = load_dram_device("DDR4_2400R_8Gb_x8")
    requests = np.zeros((2000, 5), np.int64)
    requests[:, 3] = np.resize(rows, 2000) if len(rows) == 1 else np.arange(2000)
    cycles = _run(requests, np.array(device.timings, dtype=np.int64), False, False, False)
    each = device.timings[TIMINGS.index(period)]
    assert cycles == pytest.approx(each * 2000, rel=0.03)
