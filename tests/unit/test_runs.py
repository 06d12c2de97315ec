"""What `run` reports: rows that add up, widths by their order, refusals that say what would do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import accelsim
from accelsim.hardware.accelerator import load_accelerator
from accelsim.report.run_tables import run_text
from accelsim.runs import run
from accelsim.simulate import TooLittleSram
from accelsim.spec import InputError

COLUMNS = (
    "network layer op resident tile block sram_bytes dram_read_bytes dram_write_bytes dram_x macs "
    "compute_cycles dram_cycles stall_cycles total_cycles utilization_x avg_bandwidth_bytes_per_s "
    "needed_bandwidth_bytes_per_s energy_pj"
).split()


@pytest.fixture(scope="module")
def found():
    return run("resnet18", "systolic_os_16x16")


def test_columns_and_sums(found):
    assert found.columns[: len(COLUMNS)] == COLUMNS
    for name in ("macs", "compute_cycles", "stall_cycles", "total_cycles", "dram_read_bytes"):
        assert found.summary[name] == sum(row[name] for row in found.table)
    for row in found.table:
        assert row["stall_cycles"] == row["total_cycles"] - row["compute_cycles"] >= 0
        assert row["sram_bytes"] <= 256 * 1024
        assert row["dram_x"] >= 1
        moved = row["dram_read_bytes"] + row["dram_write_bytes"]
        assert row["avg_bandwidth_bytes_per_s"] == round(moved * 10**9 / row["total_cycles"])
        assert row["avg_bandwidth_bytes_per_s"] <= 19.2e9
        assert row["needed_bandwidth_bytes_per_s"] == round(moved * 10**9 / row["compute_cycles"])
        assert row["utilization_x"] == round(row["macs"] / (256 * row["total_cycles"]), 6)


def test_bursts_and_efficiency(found):
    """On a DDR4 channel with MOP4CLXOR: bytes in whole bursts, time at what their runs reach."""
    for row in found.table:
        moved = row["dram_read_bytes"] + row["dram_write_bytes"]
        assert row["dram_burst_bytes"] % 64 == 0
        assert row["dram_burst_bytes"] >= moved
        assert 0.3 < row["dram_efficiency_x"] < 0.95
        at_peak = row["dram_burst_bytes"] * 10 / 192  # 19.2 GB/s at 1 GHz
        least = (at_peak - 64) / row["dram_efficiency_x"]
        assert least <= row["dram_cycles"] + 1
        # each transfer is rounded up to a bit at the peak and to a cycle
        assert row["dram_cycles"] <= at_peak / row["dram_efficiency_x"] + 2 * row["blocks"] + 1
    bursts = found.summary["dram_burst_bytes"]
    assert bursts == sum(row["dram_burst_bytes"] for row in found.table)
    assert found.summary["dram_efficiency_x"] == pytest.approx(
        bursts * 10 / 192 / found.summary["dram_cycles"], rel=0.01
    )


def test_a_peak_alone_is_said_to_have_efficiency_one():
    found = run("alexnet", "diannao")
    for row in found.table:
        assert row["dram_burst_bytes"] == row["dram_read_bytes"] + row["dram_write_bytes"]
        assert row["dram_efficiency_x"] == 1
    assert "efficiency 1, no device is given" in run_text(found)


def test_layouts_and_mappings_differ_as_their_runs_do():
    """A depthwise layer group by group: a channel is contiguous in NCHW; in NHWC each of the 32
    channels reads along the others, which are in the same bursts."""
    device = load_accelerator("systolic_os_16x16")
    other = replace(device, name="last", dram=replace(device.dram, layout="NHWC"))
    worst = replace(device, name="worst", dram=replace(device.dram, mapping="ChRaBaRoCo"))
    first, last, slow = (
        run("mobilenet_v2", each, layer="block1.dw").table[0] for each in (device, other, worst)
    )
    assert 20 < last["dram_burst_bytes"] / first["dram_burst_bytes"] < 33
    assert slow["dram_efficiency_x"] < first["dram_efficiency_x"]
    assert slow["total_cycles"] > first["total_cycles"]


def test_layers_that_are_alike_run_alike(found):
    same = [
        row for row in found.table if row["layer"].startswith("layer1.") and row["op"] == "conv"
    ]
    assert len(same) == 4
    assert len({row["total_cycles"] for row in same}) == 1
    runs = dict(zip((row["layer"] for row in found.table), found.runs, strict=True))
    assert runs["layer1.1.conv2"].schedule.layer.name == "layer1.1.conv2"


def test_exported():
    device = accelsim.load_accelerator("diannao")
    assert accelsim.run("alexnet", device, layer="conv1").table[0]["layer"] == "conv1"


def test_widths_command_line_layer_network_accelerator(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        "name: net\ninput: {C: 4, H: 8, W: 8}\nbits: {weights: 4}\nlayers:\n"
        "  - {name: one, op: conv, K: 4, R: 3, S: 3}\n"
        "  - {name: two, op: conv, K: 4, R: 3, S: 3, bits: {inputs: 16}}\n"
    )
    first, second = run(path, "tpu_v1").runs
    assert first.layer.widths == replace(first.layer.widths, weights=4, inputs=8, psums=32)
    assert second.layer.widths.inputs == 16
    asked = run(path, "tpu_v1", bits=2, psum_bits=24).runs
    assert asked[1].layer.widths == replace(asked[1].layer.widths, weights=2, inputs=2, psums=24)


def test_does_not_fit_says_what_would():
    with pytest.raises(TooLittleSram) as refused:
        run("alexnet", "systolic_os_16x16", layer="conv1", sram=300)
    line = str(refused.value)
    said = re.fullmatch(
        r"conv1 does not fit systolic_os_16x16: (weights|inputs|outputs) need (\d+) bytes, "
        r"all operands share 300; (\d+) bytes of SRAM would do",
        line,
    )
    assert said is not None, line
    enough = int(said[3])
    assert enough > 300
    (row,) = run("alexnet", "systolic_os_16x16", layer="conv1", sram=enough).table
    assert int(said[2]) < row["sram_bytes"] <= enough
    with pytest.raises(TooLittleSram):
        run("alexnet", "systolic_os_16x16", layer="conv1", sram=enough - 1)


def test_an_operand_s_own_buffer_is_named():
    device = load_accelerator("diannao")
    small = device.sram_bytes.model_copy(update={"inputs": 100})
    with pytest.raises(TooLittleSram, match=r"inputs need .* bytes, their buffer has 100; weights"):
        run("alexnet", replace(device, sram_bytes=small), layer="conv1")


def test_a_stream_that_does_not_fit():
    with pytest.raises(TooLittleSram, match=r"all operands share 2; 10 bytes of SRAM would do"):
        run("resnet18", "systolic_os_16x16", layer="layer1.0.add", sram=2)
    assert run("resnet18", "systolic_os_16x16", layer="layer1.0.add", sram=10).table


def test_faults_of_arguments():
    with pytest.raises(InputError, match="objective: `speed` is not known"):
        run("alexnet", "tpu_v1", objective="speed")
    with pytest.raises(InputError, match="several accelerators are named `tpu_v1`"):
        run("alexnet", ["tpu_v1", "tpu_v1"])
    with pytest.raises(InputError, match="none is given"):
        run("alexnet", [])


def test_traffic_moves_no_more_than_cycles():
    fast, frugal = (
        run("alexnet", "diannao", objective=objective) for objective in ("cycles", "traffic")
    )
    assert frugal.summary["dram_x"] <= fast.summary["dram_x"]
    assert frugal.summary["total_cycles"] >= fast.summary["total_cycles"]


def test_several_networks_and_accelerators():
    both = run(["alexnet", "resnet18"], ["tpu_v1", "diannao"], layer="fc*")
    each = both.summary["accelerators"]
    assert list(each) == ["tpu_v1", "diannao"]
    assert list(each["tpu_v1"]["networks"]) == ["alexnet", "resnet18"]
    alone = run("alexnet", "diannao", layer="fc*")
    assert each["diannao"]["networks"]["alexnet"] == alone.summary


def test_unlimited_dram_never_stalls():
    found = run("resnet18", "shidiannao")
    assert found.summary["stall_cycles"] == 0


def test_what_the_pes_hold_stands_apart():
    found = run("alexnet", "tpu_v1", layer="conv1").summary
    assert found["pe_local_bytes"] == 2 * 65536
    assert found["on_chip_bytes"] == found["pe_local_bytes"] + (256 + 24 * 1024 + 4 * 1024) * 1024


def test_what_does_not_fit_is_left_out_where_asked(tmp_path):
    path = tmp_path / "tall.yaml"
    path.write_text(
        "name: tall\ninput: {C: 1, H: 20, W: 20}\n"
        "layers:\n  - {name: conv9, op: conv, K: 2, R: 13, S: 3}\n"
    )
    asked = {"layer": "conv*", "leave_out": True}
    found = run(["alexnet", path], "eyeriss", **asked)
    assert [network.name for network in found.networks] == ["alexnet"]
    assert {row["network"] for row in found.table} == {"alexnet"}
    (said,) = found.meta["left_out"]
    assert said.startswith("tall: conv9 does not fit eyeriss: ")
    assert "alexnet" in run_text(found)
    with pytest.raises(TooLittleSram, match="tall: conv9 does not fit"):
        run(path, "eyeriss", **asked)
