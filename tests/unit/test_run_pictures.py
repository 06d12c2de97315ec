"""Pictures and traces of `run`: what they show is what the rows say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Text

from accelsim.cli import main
from accelsim.report.files import read_result
from accelsim.report.plots import plot
from accelsim.report.run_plots import _overlap, _ranges, plot_run, plot_trace
from accelsim.runs import run
from accelsim.spec import InputError
from accelsim.traces import trace


@pytest.fixture(scope="module")
def found():
    return run("alexnet", "edge_npu")


def test_bars_are_the_cycles_and_dots_the_bandwidth(found):
    roof, cycles, rates = plot(found).axes
    heights = [bar.get_height() for bar in cycles.patches]
    columns = ("compute_cycles", "stall_cycles")
    assert heights == pytest.approx([row[name] / 1000 for name in columns for row in found.table])
    needed, average, peak = rates.lines
    assert list(average.get_ydata()) == [
        row["avg_bandwidth_bytes_per_s"] / 1e9 for row in found.table
    ]
    assert max(average.get_ydata()) <= peak.get_ydata()[0] == 3.75
    assert all(needed.get_ydata() >= average.get_ydata())
    limits, dots = roof.lines
    for x, y in dots.get_xydata():
        assert y <= 1.01 * min(256e9, 3.75e9 * x)  # under both roofs
    assert limits.get_ydata()[-1] == 256e9


def test_every_layer_with_macs_has_its_number(found):
    roof = plot(found).axes[0]
    ranges = [each.split("-") for text in roof.texts for each in text.get_text().split(", ")]
    numbers = [at for each in ranges for at in range(int(each[0]), int(each[-1]) + 1)]
    assert sorted(numbers) == [at for at, row in enumerate(found.table, 1) if row["macs"]]


@pytest.mark.parametrize("accelerator", ["tpu_v1", "shidiannao", "diannao"])
def test_no_label_lies_on_another(accelerator):
    figure = plot_run(run("resnet18", accelerator))
    figure.canvas.draw()
    boxes = []
    for text in figure.axes[0].texts:  # an annotation's own extent includes its arrow
        x, y = figure.axes[0].transData.transform(text.xy) + np.multiply(text.xyann, 100 / 72)
        size = Text.get_window_extent(text)
        half = size.width / 2, size.height / 2
        boxes.append((x - half[0], y - half[1], x + half[0], y + half[1]))
    for at, box in enumerate(boxes):
        smaller = box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1
        assert not any(_overlap(smaller, other) for other in boxes[:at])


def test_numbers_in_a_row_are_a_range():
    assert _ranges([3, 4, 7, 8]) == "3-4, 7-8"
    assert _ranges([1, 3, 5, 7, 9, 10]) == "1, 3 and 4 more"


def test_saved_and_drawn(found, tmp_path, capsys):
    path = tmp_path / "alexnet.json"
    path.write_text(found.to_json())
    assert main(["plot", str(path)]) == 0
    assert (tmp_path / "alexnet.png").read_bytes().startswith(b"\x89PNG")
    csv = tmp_path / "alexnet.csv"
    csv.write_text(found.to_csv())
    with pytest.raises(InputError, match="one network on one accelerator; save JSON"):
        plot(read_result(csv))
    with pytest.raises(InputError, match="one network on one accelerator"):
        plot(run("alexnet", ["tpu_v1", "diannao"], layer="fc8"))
    with pytest.raises(InputError, match="no layer has MACs"):
        plot(run("alexnet", "tpu_v1", layer="pool1"))


def test_trace_goes_on_from_layer_to_layer(found):
    rows = trace(found).table
    assert len(rows) == sum(row["blocks"] for row in found.table)
    assert max(row["store_end_cycles"] for row in rows) == found.summary["total_cycles"]
    for one, other in pairwise(rows):
        assert one["compute_end_cycles"] <= other["compute_start_cycles"]
        assert one["load_end_cycles"] <= other["load_start_cycles"]
    assert trace(found, first=3).table == rows[:3]


def test_gantt_shows_each_block_in_three_lanes(found):
    rows = trace(found, first=5)
    bars = plot_trace(rows).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == sum(
        row[f"{kind}_end_cycles"] - row[f"{kind}_start_cycles"]
        for row in rows.table
        for kind in ("load", "compute", "store")
    )


def test_command_writes_both(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = "run alexnet -a edge_npu --layer conv1 --trace t.csv --gantt g.png --first 7"
    assert main(command.split()) == 0
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 8
    assert (tmp_path / "g.png").exists()
    assert main([*command.split()[:6], "-o", "r.png"]) == 0
    assert (tmp_path / "r.png").exists()
