"""DRAM tables and the channel model against the simulator that measured some of the rows."""

from __future__ import annotations

import csv
from statistics import mean

import pytest
from oracle.dram_tables import FOLDER, MEASURED, is_given, measured, run_lengths

from accelsim.hardware.dram import DRAM_TABLES, MAPPINGS, load_dram_device
from accelsim.hardware.dram_channel import modelled_efficiency
from accelsim.spec import shipped_names

DEVICES = shipped_names(DRAM_TABLES)
MEASURED_DEVICES = sorted({row["dram"] for row in MEASURED})


@pytest.mark.parametrize("name", MEASURED_DEVICES)
def test_given_rows_within_two_points(name):
    device = load_dram_device(name)
    rows = [row for row in MEASURED if row["dram"] == name and is_given(row)]
    assert rows
    for row in rows:
        found = device.efficiency(row["mapper"], row["run_bytes"], row["write_frac"])
        assert found == pytest.approx(row["eff"], abs=0.02), row


@pytest.mark.parametrize("name", MEASURED_DEVICES)
def test_run_lengths_left_out(name):
    """Each measured run length, taken out of the table: what is left there is the model's."""
    device = load_dram_device(name)
    errors = [
        abs(modelled_efficiency(device, mapping, run, share) - seen)
        for mapping in MAPPINGS
        for (run, share), seen in measured(name, mapping).items()
    ]
    assert mean(errors) < 0.01
    assert max(errors) < 0.03


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_tables_are_the_model_s_where_nothing_was_measured(name, mapping):
    device = load_dram_device(name)
    seen = {run for run, _ in measured(name, mapping)}
    lengths = [run for run in run_lengths(device) if run not in seen]
    for run in lengths[:: len(lengths) // 3]:
        for share in (0.0, 0.5):
            found = modelled_efficiency(device, mapping, run, share)
            assert device.efficiency(mapping, run, share) == pytest.approx(found, abs=1e-4)


def test_the_steps_are_the_mapping_s():
    """MOP4CLXOR spreads four bursts over the bank groups: below 8 bursts each opens its own row."""
    device = load_dram_device("DDR4_2400R_8Gb_x8")
    short, step = (device.efficiency("MOP4CLXOR", 64 * bursts) for bursts in (4, 8))
    assert device.efficiency("MOP4CLXOR", 64) == pytest.approx(short, abs=0.01)
    assert step > short + 0.3
    # four activations in tFAW bound runs of one row each; refresh takes tRFC of each tREFI
    assert short == pytest.approx(4 * 4 / 26 * (1 - 433 / 9364), abs=0.01)
    # a stream in one bank group takes tCCD_L a burst, but for the queue's reach into the next
    assert device.efficiency("RoBaRaCoCh", 2**16) >= 4 / 6 * (1 - 433 / 9364)
    # with the row bits under the bank bits each burst of another row takes tRC
    assert device.efficiency("ChRaBaRoCo", 64) == pytest.approx(
        4 / 55 * (1 - 433 / 9364), abs=0.002
    )


def test_validation_is_what_the_files_say():
    """Strided rows, too, with their error; a row of each device is made again."""
    rows = list(csv.DictReader((FOLDER / "dram.csv").read_text().splitlines()))
    assert len(rows) == len(MEASURED)
    for name in MEASURED_DEVICES:
        strided = [row for row in rows if row["device"] == name and "stride" in row["pattern"]]
        row = min(strided, key=lambda row: float(row["measured_x"]))
        found = modelled_efficiency(
            load_dram_device(name), row["mapping"], int(row["run_bytes"]),
            stride_bytes=int(row["pattern"].removeprefix("stride")),
        )  # fmt: skip
        assert found == pytest.approx(float(row["modelled_x"]), abs=1e-4)
        errors = [abs(float(row["error_points"])) for row in strided]
        assert mean(errors) < 0.6
        assert max(errors) < 6
