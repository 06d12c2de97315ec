"""`sweep`, `results` and `plot` of a sweep: what they print, write and refuse."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from sweep_cases import write_case
from test_cli import refused, run

from accelsim.sweep import read_sweep
from accelsim.sweeping import store

SWEEP = ("--sram", "16B,256B:1KiB:x2", "--set", "dram.peak_bytes_per_s=100MB/s,1GB/s")


@pytest.fixture
def case(tmp_path, monkeypatch):
    """The two files' names, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return [Path(name).name for name in write_case(tmp_path)]


@pytest.fixture
def command(case):
    network, accelerator = case
    return ["sweep", network, "-a", accelerator, *SWEEP, "--jobs", "1"]


def test_points_as_a_table_and_as_csv(capsys, command):
    code, out, err = run(capsys, *command)
    assert code == 0 and err.startswith("sweep.sqlite keeps every point")
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["network", "accelerator", "dram.peak_bytes_per_s", "SRAM"]
    assert len(lines) == 2 + 8 + 2
    assert lines[-1] == "6 of 8 points are done, 2 cannot be."
    assert "does not fit tiny_npu: inputs need" in lines[2]  # 16 B hold nothing
    code, out, _ = run(capsys, *command, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["sram_capacity_bytes"] for row in rows] == ["16", "256", "512", "1024"] * 2
    assert [row["dram.peak_bytes_per_s"] for row in rows] == ["100000000"] * 4 + ["1000000000"] * 4
    found = json.loads(run(capsys, *command, "--format", "json")[1])
    assert found["summary"] == {"points": 8, "done": 6, "failed": 2, "left": 0}
    assert set(found["meta"]["inputs"].keys()) == {"tiny.yaml", "tiny_npu.yaml"}


def test_results_are_filtered_and_exported(capsys, command):
    run(capsys, *command)
    where = ("--where", "dram.peak_bytes_per_s=1GB/s", "--where", "sram_capacity_bytes>=512")
    code, out, err = run(capsys, "results", "sweep.sqlite", *where, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err, [row["sram_capacity_bytes"] for row in rows]) == (0, "", ["512", "1024"])
    _, out, _ = run(capsys, "results", "sweep.sqlite", *where, "--layers", "--format", "csv")
    layers = list(csv.DictReader(io.StringIO(out)))
    assert [row["layer"] for row in layers] == ["first", "half", "fc"] * 2
    for at, row in enumerate(rows):
        own = layers[3 * at : 3 * at + 3]
        assert sum(int(each["total_cycles"]) for each in own) == int(row["total_cycles"])
    _, out, _ = run(capsys, "results", "sweep.sqlite", "--layer", "f*", "--format", "json")
    assert [row["layer"] for row in json.loads(out)["rows"]] == ["first", "fc"] * 6
    _, out, _ = run(capsys, "results", "sweep.sqlite", "--failed", "--format", "csv")
    failed = list(csv.DictReader(io.StringIO(out)))
    assert [row["sram_capacity_bytes"] for row in failed] == ["16", "16"]
    assert all("would do" in row["error"] for row in failed)


def test_parquet_holds_the_same(capsys, command):
    parquet = pytest.importorskip("pyarrow.parquet")
    run(capsys, *command)
    assert run(capsys, "results", "sweep.sqlite", "-o", "points.parquet")[0] == 0
    found = parquet.read_table("points.parquet").to_pylist()
    rows = [
        {name: None if value == "" else value for name, value in row.items()}
        for row in read_sweep("sweep.sqlite").rows()
    ]
    assert sorted(map(str, found)) == sorted(map(str, rows))


def test_a_sweep_file_says_the_same(capsys, command, case):
    Path("asked.yaml").write_text(
        f"networks: ./{case[0]}\naccelerators: [./{case[1]}]\nsram: [16B, '256B:1KiB:x2']\n"
        "set: {dram.peak_bytes_per_s: [100MB/s, 1GB/s]}\n"
    )
    given = run(capsys, *command, "--format", "csv")[1]
    by_file = ["sweep", "--points", "asked.yaml", "--store", "other.sqlite", "--format", "csv"]
    assert run(capsys, *by_file, "--jobs", "1")[1] == given
    Path("asked.yaml").write_text("networks: [a]\naccelerator: b\n")
    assert refused(capsys, *by_file) == (
        "asked.yaml:2:1: accelerator: unknown key; did you mean `accelerators`"
    )


@pytest.mark.parametrize("kind", ["bandwidth", "traffic", "cycles", "map", "pareto"])
def test_every_picture_is_drawn(capsys, command, kind):
    run(capsys, *command)
    code, _, err = run(capsys, "plot", "sweep.sqlite", "--kind", kind, "-o", "it.svg")
    assert (code, err) == (0, "wrote it.svg\n")
    text = Path("it.svg").read_text()
    assert "tiny" in text and ("KiB" in text or "ms" in text)


@pytest.mark.parametrize(
    ("more", "right"),
    [
        (["--set", "pe.rows"], "--set: `pe.rows` is not PATH=RANGE; write for instance pe.rows="),
        (["--set", "pw.rows=1"], "has a field `pw`; known are batch, bits, buf"),
        (["--set", "pe.unroll.K=2,0"], "pe.unroll.K: `0` is too small"),
        (["--set", "name=a,b"], "no network or accelerator has a field `name`"),
        (["--set", "clock_hz=1GHz,64KiB"], "clock_hz: `65536B` has an unknown unit"),
        (["--sram", "1KiB:4KiB"], "sram: `1KiB:4KiB` is not first:last:step"),
        (["--sram", "fast"], "sram: `fast` is not a number with a unit"),
        (["--input", "3x4"], "input: 2 sizes are given; three are wanted"),
        (["--bits", "99"], "bits"),
        (["--layer", "conv9"], "no layer `conv9` with a row"),
        (["--set", "batch=2", "--set", "batch,bits=2"], "batch: two axes set it; keep one"),
        (["--set", "clock_hz=1:9000:+1", "--batch", "1:9000:+1"], "at most 250,000 are swept"),
        (["--scheduler", "tcp://127.0.0.1:9"], "no scheduler answers"),
    ],
)
def test_refused_before_anything_runs(capsys, command, more, right):
    assert right in refused(capsys, *command, *more)
    assert not os.path.exists("sweep.sqlite")


def test_a_file_that_is_no_sweep_stays_as_it_is(capsys, command, case):
    texts = {"text.sqlite": b"not a database, but of some length" * 9, case[0]: None}
    other = sqlite3.connect("other.sqlite")
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    texts["other.sqlite"] = None
    for name, given in texts.items():
        if given:
            Path(name).write_bytes(given)
        before = Path(name).read_bytes()
        for fresh in ([], ["--fresh"]):
            line = refused(capsys, *command, "--store", name, *fresh)
            assert line == f"{name}: is not a sweep; name another file, this one stays as it is"
        assert "is not a sweep" in refused(capsys, "results", name)
        assert Path(name).read_bytes() == before
    assert "is a directory" in refused(capsys, *command, "--store", ".")
    line = refused(capsys, *command, "--store", "no/such/folder.sqlite")
    assert line.startswith("no/such/folder.sqlite: unable to open") and "write to" in line
    assert "no such file" in refused(capsys, "results", "nothing.sqlite")


def test_of_another_version(capsys, command):
    run(capsys, *command)
    with sqlite3.connect("sweep.sqlite") as db:
        db.execute("UPDATE sweep SET value='0.0.9' WHERE name='version'")
    db.close()
    assert "was made by accelsim 0.0.9" in refused(capsys, *command)
    assert run(capsys, *command, "--fresh")[0] == 0
    assert read_sweep("sweep.sqlite").meta["version"] == store.__version__


def test_full_disk_keeps_what_is_there(capsys, command):
    """A file system of 1 MiB: the sweep stops in one line; more room, and it goes on."""
    Path("disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "disk"]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nobody may mount here")
    try:
        many = [*command, "--set", "clock_hz=1MHz:60MHz:+1MHz", "--store", "disk/s.sqlite"]
        line = refused(capsys, *many)
        assert line.startswith("disk/s.sqlite: database or disk is full; what is in it stays")
        before = read_sweep("disk/s.sqlite").summary
        assert before["points"] == 480 and 0 < before["left"] < 480
        subprocess.run([*mount[:4], "remount,size=64m", "disk"], check=True)
        assert run(capsys, *many, "-o", os.devnull)[0] == 0
        assert read_sweep("disk/s.sqlite").summary["left"] == 0
    finally:
        subprocess.run(["umount", "disk"], check=True)


def test_read_only_folder(capsys, command):
    Path("fixed").mkdir()
    run(capsys, *command, "--store", "fixed/s.sqlite")
    if subprocess.run(["mount", "--bind", "fixed", "fixed"], capture_output=True).returncode:
        pytest.skip("nobody may mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", "fixed"], check=True)
        assert run(capsys, "results", "fixed/s.sqlite")[0] == 0
        line = refused(capsys, *command, "--store", "fixed/s.sqlite", "--batch", "2")
        assert "name a file in a folder that you can write to" in line
        assert "write to" in refused(capsys, *command, "--store", "fixed/new.sqlite")
    finally:
        subprocess.run(["umount", "fixed"], check=True)
