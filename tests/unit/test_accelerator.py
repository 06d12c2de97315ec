"""Accelerator files: presets, exact rates, and one line for whatever is wrong in a file."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest

from accelsim.cli import main
from accelsim.dataflow.schedule import Buffering
from accelsim.hardware.accelerator import check_file, load_accelerator
from accelsim.hardware.format import BUFFERINGS, OperandBytes, schema
from accelsim.spec import InputError, shipped_names

PRESETS = shipped_names("accelerators")
GOOD = """\
name: mine
pe: {kind: systolic, rows: 8, cols: 4, dataflow: ws, overlap_folds: true, local_bytes: 2}
clock_hz: 1.25GHz
sram_bytes: {weights: 4KiB, inputs: 2KiB, outputs: 1KiB}
sram: {bytes_per_cycle: 32}
dram: {peak_bytes_per_s: 25.6GB/s, latency_ns: 800ps}
buffering: prefetch
word_bits: {weights: 4, inputs: 8, outputs: 8, psums: 24}
"""


def loaded(folder: Path, text: str):
    path = folder / "acc.yaml"
    path.write_text(text)
    return load_accelerator(path)


def test_what_a_channel_does_not_say_is_its_device_s(tmp_path):
    line = GOOD.splitlines()[5]
    found = loaded(tmp_path, GOOD.replace(line, "dram: {device: LPDDR5_6400_8Gb_x16}")).dram
    assert (found.peak_bytes_per_s, found.burst_bytes, found.layout) == (12_800_000_000, 32, "NCHW")
    assert found.latency_ns == (15 + 17 + 2) * 1.25
    assert found.mapping == "RoBaRaCoCh"
    more = "dram: {device: LPDDR5_6400_8Gb_x16, peak_bytes_per_s: 1GB/s, latency_ns: 0ns, "
    more += "burst_bytes: 64, layout: NHWC, mapping: MOP4CLXOR}"
    found = loaded(tmp_path, GOOD.replace(line, more)).dram
    assert (found.peak_bytes_per_s, found.burst_bytes, found.layout) == (10**9, 64, "NHWC")
    assert (found.latency_ns, found.mapping) == (0, "MOP4CLXOR")
    assert loaded(tmp_path, GOOD).dram.slowdowns(0.3) == ()


@pytest.mark.parametrize(
    "name",
    ["systolic_os_16x16", "systolic_ws_32x32", "systolic_is_32x32", "gemmini_16x16", "tpu_v1",
     "nvdla_large"],
)  # fmt: skip
def test_presets_with_devices(name):
    dram = load_accelerator(name).dram
    assert dram.device is not None and dram.burst_bytes == dram.device.burst_bytes


def test_presets_are_the_issue_s():
    assert {"tpu_v1", "nvdla_large", "nvdla_small", "diannao", "dadiannao", "shidiannao"} <= {
        *PRESETS
    }
    assert {"gemmini_16x16", "edge_npu"} <= {*PRESETS}
    assert sum(name.startswith("systolic_") for name in PRESETS) == 3


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_named_as_its_file_and_says_its_source(name):
    found = load_accelerator(name)
    assert found.name == name
    assert len(found.source) > 40
    assert found.word_bits is not None
    assert re.search(rf"accelerator {name}, \d+ PEs, ", check_file(found.path))


@pytest.mark.parametrize(
    ("name", "tera_macs", "sram_mib"),
    [
        ("tpu_v1", 45.9, 28.25),  # Jouppi et al.: 92 TOPS, 28 MiB
        ("nvdla_large", 2.05, 0.5),
        ("diannao", 0.251, 36 / 1024),  # Chen et al.: 452 GOP/s with the adders and sigmoids
        ("dadiannao", 2.48, 36),  # 16 tiles of 2 MB and 4 MB
        ("shidiannao", 0.064, 0.25),  # 288 KB with 32 KB of instructions
        ("edge_npu", 0.256, 0.375),
    ],
)
def test_presets_have_the_peak_and_size_of_their_papers(name, tera_macs, sram_mib):
    found = load_accelerator(name)
    assert found.macs_per_s / 1e12 == pytest.approx(tera_macs, rel=0.01)
    assert found.sram_total_bytes == sram_mib * 2**20


def test_every_field_of_a_file(tmp_path):
    found = loaded(tmp_path, GOOD)
    assert (found.pe.pes, found.local_total_bytes, found.sram_total_bytes) == (32, 64, 7 * 1024)
    assert found.sram_bytes == OperandBytes.model_construct(weights=4096, inputs=2048, outputs=1024)
    assert (found.clock_hz, found.sram_rates, found.buffering) == (1_250_000_000, 32, "prefetch")
    assert found.word_bits is not None and found.word_bits.psums == 24
    # 800 ps at 1.25 GHz is one cycle to the digit, and 1.25 G / 25.6 G a cycle and byte
    assert found.latency_cycles == 1
    assert found.cycles_per_byte == Fraction(125, 2560)


def test_a_latency_is_rounded_up(tmp_path):
    assert loaded(tmp_path, GOOD.replace("800ps", "801ps")).latency_cycles == 2


def test_without_dram_and_sram_rates_both_are_unlimited(tmp_path):
    lines = [line for line in GOOD.splitlines() if not line.startswith(("sram:", "dram:", "buf"))]
    found = loaded(tmp_path, "\n".join(lines))
    assert (found.dram, found.sram_rates, found.buffering) == (None, None, "single")
    assert (found.cycles_per_byte, found.latency_cycles) == (0, 0)


def test_a_spatial_array_multiplies_its_unrolls(tmp_path):
    text = GOOD.replace(GOOD.splitlines()[1], "pe: {kind: spatial, unroll: {K: 16, C: 3, Q: 2}}")
    found = loaded(tmp_path, text)
    assert (found.pe.pes, found.local_total_bytes) == (96, 0)


PE = GOOD.splitlines()[1].removeprefix("pe: ")
BAD = [
    (PE, "{rows: 8, cols: 4}", "2:1: pe: kind is missing; write for instance `kind: systolic`"),
    (PE, "{kind: sistolic}", "2:6: pe.kind: `sistolic` is not known; did you mean `systolic`"),
    (PE, "8x4", "2:1: pe: `8x4` is given; write a mapping, `key: value`"),
    (PE, "{kind: systolic, rows: 8, cols: 4}",
     "2:1: pe: dataflow is missing; required are kind, rows, cols, dataflow"),
    ("rows: 8", "rows: 0", "2:22: pe.rows: `0` is too small; 1 to 16384 are allowed"),
    ("rows: 8", "rows: 1e3", "2:22: pe.rows: `1e3` is not in plain digits; write 1000"),
    ("rows: 8, cols: 4", "rows: 16384, cols: 16384",
     "2:1: pe: 268435456 PEs are too many; at most 16777216 are allowed"),
    ("dataflow: ws", "dataflow: osx",
     "2:40: pe.dataflow: `osx` is not known; did you mean `os`"),
    ("overlap_folds: true", "overlap_folds: yes",
     "2:54: pe.overlap_folds: `yes` is not true or false; write true"),
    (PE, "{kind: spatial, unroll: {}}",
     "2:21: pe.unroll: no dim is given; write for instance {K: 16, C: 16}"),
    (PE, "{kind: spatial, unroll: {H: 2}}",
     "2:30: pe.unroll.H: unknown key; known are C, K, N, P, Q, R, S"),
    (PE, "{kind: spatial, rows: 8}",
     "2:21: pe.rows: unknown key; known are kind, local_bytes, unroll"),
    ("clock_hz: 1.25GHz\n", "",
     "1:1: clock_hz is missing; required are name, pe, clock_hz, sram_bytes"),
    ("1.25GHz", "fast",
     "3:1: clock_hz: `fast` is not a number with a unit; write for instance 200MHz"),
    ("1.25GHz", "", "3:1: clock_hz: nothing is given; write for instance 200MHz"),
    ("weights: 4KiB, ", "",
     "4:1: sram_bytes: weights is missing; required are weights, inputs, outputs"),
    ("inputs: 2KiB", "inputs: 2KB",
     "4:29: sram_bytes.inputs: `2KB` is ambiguous; did you mean KiB = 1024 or kB = 1000"),
    ("inputs: 2KiB", "input: 2KiB", "4:29: sram_bytes.input: unknown key; did you mean `inputs`"),
    ("{weights: 4KiB, inputs: 2KiB, outputs: 1KiB}", "[1, 2]",
     "4:1: sram_bytes: a list of 2 is given; write one value, or weights, inputs and outputs"),
    ("{weights: 4KiB, inputs: 2KiB, outputs: 1KiB}", "big",
     "4:1: sram_bytes: `big` is not a number with a unit; write for instance 64KiB"),
    ("cycle: 32", "cycle: {weights: 1, inputs: 0, outputs: 1}",
     "5:38: sram.bytes_per_cycle.inputs: `0` is too small; 1 to 1048576 are allowed"),
    ("25.6GB/s", "25.6GB",
     "6:8: dram.peak_bytes_per_s: `25.6GB` has an unknown unit; did you mean GB/s"),
    ("latency_ns: 800ps", "latency: 800ps",
     "6:36: dram.latency: unknown key; did you mean `latency_ns`"),
    ("800ps", "-1",
     "6:36: dram.latency_ns: `-1` is not a number with a unit; write for instance 100ns"),
    ("peak_bytes_per_s: 25.6GB/s, ", "",
     "6:1: dram: give peak_bytes_per_s, as 25.6GB/s, or a device"),
    ("latency_ns: 800ps", "device: DDR4_2400R",
     "6:36: dram.device: `DDR4_2400R` is not known; did you mean `DDR4_2400R_8Gb_x8`"),
    ("latency_ns: 800ps", "device: HBM2_2000_2Gb, mapping: RoBaRaCoChi",
     "6:59: dram.mapping: `RoBaRaCoChi` is not known; did you mean `RoBaRaCoCh`"),
    ("latency_ns: 800ps", "mapping: RoBaRaCoCh",
     "6:36: dram.mapping: is a device's; give the device, too"),
    ("latency_ns: 800ps", "burst_bytes: 0",
     "6:36: dram.burst_bytes: `0` is too small; 1 to 65536 are allowed"),
    ("latency_ns: 800ps", "layout: NCWH",
     "6:36: dram.layout: `NCWH` is not known; did you mean `NCHW`"),
    ("buffering: prefetch", "compression: {inputs: rle}",
     "7:15: compression.inputs: `rle` is not known; did you mean `rlc`"),
    ("buffering: prefetch", "compression: {inputs: 0}",
     "7:15: compression.inputs: `0` is no ratio; write one of 0.001 to 1000, as 1.4"),
    ("buffering: prefetch", "compression: {psums: 2}",
     "7:15: compression.psums: unknown key; known are inputs, outputs, weights"),
    ("buffering: prefetch", "buffering: triple",
     "7:1: buffering: `triple` is not known; known are double, prefetch, single"),
    ("psums: 24", "psums: 65", "8:48: word_bits.psums: `65` is too large; 1 to 64 are allowed"),
    ("name: mine", "name: mine\nname: yours", "2:1: `name` is repeated; keep one"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), BAD)
def test_a_wrong_file_gets_one_line(tmp_path, monkeypatch, old, new, says):
    assert old in GOOD
    monkeypatch.chdir(tmp_path)
    Path("acc.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_accelerator("acc.yaml")
    assert str(caught.value) == f"acc.yaml:{says}"


def test_an_unknown_name_and_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no shipped file of this name; did you mean tpu_v1"):
        load_accelerator("tpu_v2")
    with pytest.raises(InputError, match="no: no such file"):
        load_accelerator("./no")


def test_buffering_words_are_the_schedule_s():
    assert BUFFERINGS == get_args(Buffering)


def test_check_tells_accelerators_from_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("acc.yaml").write_text(GOOD)
    Path("bad.yaml").write_text("pe: 3\n")
    network = "name: n\nlayers: [{name: a, op: fc, K: 2, C: 3}]\n"
    Path("net.yaml").write_text(network)
    assert main(["check", "acc.yaml", "bad.yaml", "net.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == ("acc.yaml: accelerator mine, 32 PEs, 40 GMAC/s, 7 KiB of SRAM")
    assert out.splitlines()[1].startswith("net.yaml: network n, 1 layers")
    assert err.startswith("bad.yaml:1:1: name is missing; required are name, pe")


def test_list_and_schema_of_accelerators(capsys):
    assert main(["list", "accelerators", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("accelerator,pes,clock_hz,sram_bytes,peak_bytes_per_s,")
    assert [line.partition(",")[0] for line in lines[1:]] == list(PRESETS)
    assert main(["list", "accelerators"]) == 0
    assert "tpu_v1" in capsys.readouterr().out
    assert main(["schema", "accelerators"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_the_schema_names_every_field():
    found = schema()
    assert found["required"] == ["name", "pe", "clock_hz", "sram_bytes"]
    arrays = [found["$defs"][name] for name in ("SystolicArray", "SpatialArray")]
    assert [array["properties"]["kind"]["const"] for array in arrays] == ["systolic", "spatial"]
    assert "null" not in str(found)
