"""`accelsim run`: tables, files, exit codes."""

from __future__ import annotations

import csv
import io
import json

import pytest

from accelsim.cli import main


def test_table_with_the_answer_below(capsys):
    assert main(["run", "resnet18", "-a", "systolic_os_16x16"]) == 0
    printed = capsys.readouterr().out
    assert "layer4.0.conv2 <-" in printed
    assert "resnet18 takes 8,454,523 cycles on systolic_os_16x16 (8.455 ms at 1 GHz)" in printed
    assert "buffering prefetch, bits a word: weights 8, inputs 8, outputs 8, psums 32" in printed


def test_a_line_for_each_pair(capsys):
    command = ["run", "alexnet", "resnet18", "-a", "tpu_v1", "-a", "shidiannao"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    pairs = [line.split()[:2] for line in lines[2:6]]
    assert pairs == [[device, net] for device in command[-3::2] for net in command[1:3]]
    assert "shidiannao: unlimited DRAM, as none is given" in lines[-1]


def test_csv_and_json_hold_the_same(capsys):
    rows = []
    for form in ("csv", "json"):
        assert main(["run", "alexnet", "-a", "tpu_v1", "--layer", "conv1", "--format", form]) == 0
        rows.append(capsys.readouterr())
    table = list(csv.DictReader(io.StringIO(rows[0].out)))
    found = json.loads(rows[1].out)
    assert {name: str(value) for name, value in found["rows"][0].items()} == table[0]
    assert found["meta"]["accelerators"]["tpu_v1"]["clock_hz"] == 700_000_000
    assert len(found["meta"]["inputs"]) == 2
    assert "Counted with convention exact" in rows[1].err


def test_too_little_sram_exits_3(capsys):
    assert main(["run", "alexnet", "-a", "tpu_v1", "--sram", "100B"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("accelsim run: conv1 does not fit tpu_v1: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["run", "alexnet"], "-a/--accelerator is missing"),
        (["run", "-a", "tpu_v1"], "name networks, or --all"),
        (["run", "alexnet", "-a", "tpu"], "did you mean tpu_v1"),
        (
            ["run", "alexnet", "-a", "tpu_v1", "--objective", "time"],
            "known are cycles, edp, energy, traffic",
        ),
        (["run", "alexnet", "-a", "tpu_v1", "--sram", "3KB"], "ambiguous"),
        (["run", "alexnet", "-a", "tpu_v1", "--first", "3"], "--first is for --trace and --gantt"),
    ],
)
def test_bad_commands_are_one_line(command, said, capsys):
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
