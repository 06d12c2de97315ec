"""Tables, explanations, pictures: what they say is what the results hold."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
from matplotlib import pyplot

import accelsim
from accelsim.dataflow.schedule import RESIDENTS, Block
from accelsim.report.explain import explain
from accelsim.report.nest import loop_nest
from accelsim.report.plots import FAMILIES, MAX_PANELS, plot_min_sram
from accelsim.report.staircase_plots import _apart
from accelsim.report.tables import min_sram_text, plain_text, repr_html
from accelsim.results import Result, Row
from accelsim.simulate import min_sram, with_families
from accelsim.spec import InputError

LAYERS = [
    ("vgg16", "conv3_2"),
    ("vgg16", "fc6"),
    ("vgg16", "pool1"),
    ("alexnet_caffe", "conv2"),
    ("alexnet_caffe", "norm1"),
    ("resnet18", "conv1"),
    ("resnet18", "layer2.0.downsample"),
    ("resnet18", "layer3.0.conv1"),
    ("mobilenet_v2", "block2.dw"),
    ("mobilenet_v3_small", "block1.se.mul"),
    ("fcn8s", "upscore2"),
    ("unet", "up3.deconv"),
    ("fcn_resnet50", "layer3.1.conv2"),
    ("ircnn", "conv4"),
]
SEARCHES = [
    {},
    {"buffering": "double", "bits": 8, "psum_bits": 32},
    {"buffering": "prefetch", "bits": 8, "psum_bits": 32, "batch": 2},
    {"block": Block(K=16, C=16)},
    *({"resident": resident} for resident in RESIDENTS),
]


def value(arithmetic: str) -> int:
    """What `2 x (3 r x 256 k + 1)` comes to; words between the numbers are only names."""
    twice = re.fullmatch(r"2 x \((.*)\)", arithmetic)
    if twice:
        return 2 * value(twice[1])
    terms = arithmetic.replace(",", "").split(" + ")
    return sum(math.prod(map(int, re.findall(r"\d+", term))) for term in terms)


@pytest.mark.parametrize(("network", "layer"), LAYERS)
@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_explained_operands_add_up_to_the_peak(network, layer, search):
    found = explain(network, layer, **search)
    row = min_sram(network, layer=layer, **search).rows()[0]
    assert sum(value(str(own["arithmetic"])) for own in found.rows()) == row["min_sram_words"]
    assert [value(str(own["arithmetic"])) for own in found.rows()] == [
        own["words"] for own in found.rows()
    ]
    assert sum(int(own["bytes"]) for own in found.rows()) == row["min_sram_bytes"]
    assert f"{row['min_sram_words']:,} words" in str(found)
    assert f"{row['min_sram_bytes']:,} bytes" in str(found)
    assert found.summary | row == found.summary


@pytest.mark.parametrize(("network", "layer"), LAYERS)
def test_loop_nest_has_a_line_for_each_loop(network, layer):
    schedule = explain(network, layer).need.schedule
    if schedule is None:
        return
    lines = loop_nest(schedule)
    groups = schedule.layer.groups > 1
    assert len(lines) == groups + len(schedule.order) + 1
    assert [len(line) - len(line.lstrip()) for line in lines] == [
        2 * depth for depth in range(len(lines))
    ]
    heads = [line.split()[1] for line in lines[groups:-1]]
    assert heads == [loop[0].lower() for loop in schedule.order]


def test_what_a_nest_says_stays():
    """VGG-16's row sweep: all weights, the input rows of a window, a row of psums."""
    schedule = explain("vgg16", "conv3_2").need.schedule
    assert schedule is not None
    assert schedule.order == ("P", "R", "Q", "K", "C", "S")
    notes = dict(
        (line.split()[1], line.partition("# ")[2]) for line in loop_nest(schedule) if "#" in line
    )
    assert notes == {
        "p": "all weights stay, used at every p; input rows wait for the next p",
        "r": "psums of one p stay, summed over r",
    }


def test_nest_of_stride_and_dilation_phases():
    strided = explain("resnet18", "layer3.0.conv1").need.schedule
    dilated = explain("fcn_resnet50", "layer3.1.conv2").need.schedule
    assert strided is not None and dilated is not None
    text = "\n".join(loop_nest(strided))
    assert "for r mod 2 in 2 phases:" in text and "for r in the phase, at most 2:" in text
    text = "\n".join(loop_nest(dilated))
    assert "for p mod 2 in 2 phases:" in text and "for p in the phase, at most 33:" in text


def test_nest_shows_blocks():
    schedule = explain("vgg16", "conv3_2", block=Block(K=16, C=16)).need.schedule
    assert schedule is not None
    text = "\n".join(loop_nest(schedule))
    assert "for k in 256 by 16:" in text and "for c in 256 by 16:" in text


@pytest.mark.parametrize("terminal", [None, 80, 120, 240])
def test_table_marks_the_limiting_layer(terminal):
    result = min_sram("resnet18")
    text = re.sub("\x1b.*?m", "", min_sram_text(result, terminal))
    lines = text.splitlines()
    assert [line.split()[0] for line in lines if " <- " in line] == [
        result.summary["limiting_layer"]
    ]
    assert all(str(row["layer"]) in text for row in result.table)
    if terminal is None:
        assert all(str(row["reason"]) in text for row in result.table)
    table = lines[: lines.index("") if "" in lines else None]
    assert terminal is None or terminal < 100 or max(map(len, table)) <= terminal


def test_any_result_is_a_table():
    result = Result({}, ({"network": "one", "macs": 12345},), {})
    assert plain_text(result).splitlines()[2].split() == ["one", "12,345"]


def test_notebook_table():
    html = min_sram("vgg16")._repr_html_()
    assert html == repr_html(min_sram("vgg16"))
    assert html.count("<tr") == 23
    assert html.count("font-weight:bold") == 1
    assert "conv3_2 (&lt;-) decides" in html
    both = repr_html(min_sram(["vgg16", "alexnet"]))
    assert "<th>network</th>" in both
    assert repr_html(Result({}, ({"a": "<b>"},), {})).count("&lt;b&gt;") == 1


def test_picture_holds_the_figures():
    result = with_families(min_sram("alexnet"))
    figure = result.plot()
    axes = figure.axes[0]
    rows = [row for row in result.rows() if row["resident"] != "none"]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    for family in FAMILIES:
        wanted = [int(row[f"min_sram_{family}_resident_bytes"]) / 1024 for row in rows]
        assert drawn[f"{family} resident"] == wanted
    least = next(patch for patch in axes.patches if patch.get_label() == "least of all")
    assert list(least.get_data().values) == [int(row["min_sram_bytes"]) / 1024 for row in rows]
    assert any(str(result.summary["limiting_layer"]) in text.get_text() for text in axes.texts)
    assert axes.get_yscale() == "log" and "KiB" in axes.get_ylabel()
    assert not pyplot.get_fignums()  # drawn without pyplot: nothing to close


def test_picture_of_a_plain_result_finds_the_families_itself():
    result = min_sram("alexnet")
    assert [line.get_label() for line in result.plot().axes[0].lines][:3] == [
        f"{family} resident" for family in FAMILIES
    ]
    saved = Result(result.meta, result.table, result.summary)
    assert len(plot_min_sram(saved, width_inches=3.5).axes[0].lines) == 1


def test_no_picture_of_other_results():
    with pytest.raises(InputError, match="no column layer"):
        Result({}, ({"network": "one"},), {}).plot()


def test_many_networks_are_a_line_each_with_a_dot_a_layer():
    result = min_sram("alexnet")
    limiting = result.summary["limiting_layer"]
    many = [{**row, "network": f"net{at}"} for at in range(MAX_PANELS) for row in result.table]
    needs = [{**row, "network": "less"} for row in result.table if row["layer"] != limiting]
    (axes,) = plot_min_sram(Result({}, (*many, *needs), {})).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "less" and len(names) == MAX_PANELS + 1
    dots = {tuple(dot) for line in axes.lines[:3] for dot in line.get_xydata().tolist()}
    assert dots == {
        (row["min_sram_bytes"] / 1024, names.index(row["network"]))
        for row in (*many, *needs)
        if row["resident"] != "none"
    }


def test_families_of_a_stream_are_its_own_need():
    result = with_families(min_sram("alexnet_caffe", layer="norm1"))
    row = result.rows()[0]
    assert {row[f"min_sram_{stays}_resident_bytes"] for stays in RESIDENTS} == {6}


def test_explanation_is_a_result():
    found = accelsim.explain("vgg16", "fc8")
    assert "<table>" in found._repr_html_()
    assert replace(found, summary={}).rows() == found.rows()
    assert found.to_csv().startswith("network,layer,operand,words,")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_json_is_that_of_the_standard_library_and_csv_reads_back(count):
    row: Row = {"name": 'a "b", [c]\n  {d} ─', "words": 10**20, "gain_x": 0.5}
    found = Result({"inputs": {"a": "b"}}, (row,) * count, {"staircase": [[1, 2], []], "no": {}})
    whole = {"meta": found.meta, "rows": found.rows(), "summary": found.summary}
    assert found.to_json() == json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    texts = {name: str(value) for name, value in row.items()}
    assert list(csv.DictReader(io.StringIO(found.to_csv(), newline=""))) == [texts] * count


def test_names_below_the_floor_move_apart():
    """By hand: two too close move half the rest each, three around their mean; others stay."""
    assert _apart([0.0, 5.0], 1.0) == [0.0, 5.0]
    assert _apart([1.0, 1.5, 9.0], 1.0) == [0.75, 1.75, 9.0]
    assert _apart([1.0, 1.0, 1.0, 7.0], 2.0) == [-1.0, 1.0, 3.0, 7.0]
