"""AlexNet on the Eyeriss chip (JSSC 2017, tables III and V) against the model, layer by layer."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from accelsim.hardware.accelerator import load_accelerator
from accelsim.runs import run
from accelsim.timing.row_stationary import Passes, active_pes, buffer_bytes, fault

DATA = json.loads((Path(__file__).parents[1] / "data" / "eyeriss_alexnet.json").read_text())
VALIDATION = Path(__file__).parents[2] / "results" / "validation"
PASSES = VALIDATION / "eyeriss_alexnet_passes.yaml"
CHIP = DATA["alexnet_N4"][:-1]
TABLE = [dict(zip(DATA["alexnet_mapping_tableIII"]["columns"], row, strict=True))
         for row in DATA["alexnet_mapping_tableIII"]["rows"]]  # fmt: skip


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(VALIDATION / "eyeriss.py"))


@pytest.fixture(scope="module")
def found():
    return run("alexnet_caffe", "eyeriss", batch=4, layer="conv*", passes=PASSES)


def mapping(row):
    return Passes(**{name: row[name] for name in "mnepqrt"})


def test_buffers_and_pes_are_the_table_s(found):
    for row, chip, layer in zip(TABLE, CHIP, found.runs, strict=True):
        assert layer.choice.passes == mapping(row)
        inputs, psums = buffer_bytes(layer.layer, mapping(row))
        assert (round(inputs / 1024, 1), round(psums / 1024, 1)) == (
            row["ifmap_KB"], row["psum_KB"],
        )  # fmt: skip
        assert active_pes(layer.layer, mapping(row)) == chip["active_PEs"]


def test_the_table_fits_and_no_more_would(found):
    (pe,) = {device.pe for device in found.accelerators}
    for layer in found.runs:
        own = layer.choice.passes
        assert fault(pe, layer.layer, own, 108 * 1024) is None
        assert fault(pe, layer.layer, own, 96 * 1024) is not None


def test_processing_time_is_the_chip_s(found):
    model = [row["compute_cycles"] / 200e3 for row in found.rows()]
    chip = [row["processing_latency_ms"] for row in CHIP]
    assert all(abs(ours / theirs - 1) < 0.10 for ours, theirs in zip(model, chip, strict=True))
    assert abs(sum(model) / sum(chip) - 1) < 0.05


def test_buffer_traffic_is_the_chip_s(script):
    model = {row["layer"]: (row["buffer_mb"], row["chip_buffer_mb"]) for row in script["alexnet"]()}
    ours, theirs = (sum(column) for column in zip(*model.values(), strict=True))
    assert abs(ours / theirs - 1) < 0.15
    model.pop("CONV3")  # not measured with the table's mapping
    assert all(abs(ours - theirs) < 0.06 for ours, theirs in model.values())


def test_conv3_was_measured_with_the_mapping_of_conv4(tmp_path, script):
    path = tmp_path / "passes.yaml"
    path.write_text("layers:\n  conv3: {m: 64, n: 4, e: 13, p: 16, q: 3, r: 2, t: 2}\n")
    other = run("alexnet_caffe", "eyeriss", batch=4, layer="conv3", passes=path)
    assert round(script["figures"](other.runs[0], other)["buffer_mb"], 1) == 50.2


def test_dram_traffic_is_the_chip_s(script):
    errors = [row["dram_mb"] / row["chip_dram_mb"] - 1 for row in script["alexnet"]()]
    assert all(abs(error) < 0.15 for error in errors)


def test_the_rule_gives_the_table():
    found = run("alexnet_caffe", "eyeriss", batch=4, layer="conv*")
    assert [layer.choice.passes for layer in found.runs] == [mapping(row) for row in TABLE]


def test_any_order_of_the_first_three_measures_gives_the_table():
    rules = runpy.run_path(str(VALIDATION / "eyeriss_rules.py"))
    alexnet = rules["listed"]("alexnet_caffe", 4, load_accelerator("eyeriss"))
    assert len(rules["ORDERS"]) == 6
    for order in rules["ORDERS"]:
        assert rules["rows_given"](alexnet, (*order, "buffer words")) == 5
    assert rules["rows_given"](alexnet, ("buffer words", *rules["ORDERS"][0])) < 5


def test_early_layers_of_vgg16_wait_for_psums(script):
    found = run("vgg16", "eyeriss", batch=3, layer="conv[12]_*")
    assert [script["parts_of"](layer, found).bound for layer in found.runs] == ["psums"] * 4


def test_the_chip_is_faster_than_psums_in_and_out_in_turn(script):
    """A half-duplex path for psums would take conv4 and conv5 far longer than the chip does."""
    modelled, in_turn, *_ = script["other_buses"]()
    for row in (modelled, in_turn):
        errors = [float(cell.split()[0]) for cell in row[4:6]]
        assert all(abs(error) < 10 for error in errors) == (row is modelled)
        assert row is modelled or min(errors) > 25


def test_what_lies_there_is_what_the_script_writes(script):
    chip, predicted = script["alexnet"](), script["vgg16"]()
    assert len(predicted) == 13
    assert (VALIDATION / "eyeriss.md").read_text() == script["report"](chip, predicted)
