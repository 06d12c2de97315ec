"""The command `train`: columns, figures, picture, refusals."""

from __future__ import annotations

import json

import pytest

from accelsim.cli import main
from accelsim.report.files import read_result
from accelsim.report.plots import plot
from accelsim.spec import InputError


def test_table_json_and_csv_say_the_same(tmp_path, capsys):
    arguments = ["train", "alexnet", "--batch", "32", "--optimizer", "momentum"]
    assert main([*arguments, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    summary = found["summary"]
    # PyTorch's own: bytes saved, parameters, the peak
    assert summary["saved_bytes"] == 100_578_564
    assert summary["parameter_bytes"] == summary["optimizer_bytes"] == 244_403_360
    assert summary["peak_bytes"] == pytest.approx(847_599_336, rel=1e-6)
    assert found["rows"][summary["peak_start"]]["live_bytes"] == summary["peak_bytes"]
    assert main([*arguments, "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(",") == list(found["rows"][0])
    assert len(lines) == 1 + len(found["rows"])
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "alexnet at batch 32 peaks at 847.60 MB, backward of conv2.act." in out
    assert "Saved for backward 100.58 MB" in out


def test_picture(tmp_path, capsys):
    path = tmp_path / "found.json"
    assert main(["train", "resnet18", "--batch", "4", "-o", str(path)]) == 0
    result = read_result(path)
    (axes,) = plot(result).axes
    top = max(patch.get_data().values.max() for patch in axes.patches)
    assert top == pytest.approx(result.summary["peak_bytes"] / 1e9)
    least = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert least[0].get_ydata()[0] == result.summary["structural_min_bytes"] / 1e9
    drawn = tmp_path / "found.png"
    assert main(["plot", str(path), "-o", str(drawn)]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_a_csv_has_no_picture(tmp_path):
    path = tmp_path / "found.csv"
    assert main(["train", "srcnn", "-o", str(path)]) == 0
    with pytest.raises(InputError, match="save JSON instead of CSV"):
        plot(read_result(path))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["alexnet", "--saved", "trch"], "torch"),
        (["alexnet", "--optimizer", "sdg"], "sgd"),
        (["alexnet", "vgg16"], "unexpected"),
        ([], "NET"),
    ],
)
def test_bad_commands_are_one_line(arguments, said, capsys):
    assert main(["train", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and said in err


NET = """name: net
input: {C: 2, H: 6, W: 6}
layers:
  - {name: a, op: conv, K: 4, R: 3, S: 3, stride: 2, pad: 1, norm: batch, act: relu}
  - {name: b, op: conv, K: 4, R: 3, S: 3, pad: 1, groups: 2}
  - {name: c, op: fc, K: 5}
"""


def test_three_passes_of_each_layer_run(tmp_path, capsys):
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    arguments = ["run", str(path), "-a", "edge_npu", "--batch", "3", "--pass", "training"]
    assert main([*arguments, "--replay", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    backward = ["c.backward-data", "c.backward-weight", "b.backward-data", "b.backward-weight"]
    assert [row["layer"] for row in rows] == ["a", "b", "c", *backward, "a.backward-weight"]
    macs = {row["layer"]: row["macs"] for row in rows}
    for row in rows:
        assert row["macs"] == macs[row["layer"].partition(".")[0]]
        assert row["dram_x"] >= 1 and row["replay_agrees"] == "yes"


@pytest.mark.parametrize("command", ["min-sram", "replay"])
def test_a_pass_is_replayed(command, tmp_path, capsys):
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    more = ["--replay"] if command == "min-sram" else []
    assert main([command, str(path), "--pass", "backward-data", *more, "--format", "csv"]) == 0
    assert "b.backward-data" in capsys.readouterr().out


def test_a_mapping_is_of_the_forward_pass(capsys):
    line = ["frontier", "alexnet", "--layer", "conv1", "--mapping", "x", "--pass", "training"]
    assert main(line) == 2
    assert "--mapping is of the forward pass" in capsys.readouterr().err
