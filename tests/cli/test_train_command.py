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
