"""Rows of `frontier`: traffic per operand as replay counts it, staircases, what is printed."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from cases import random_layer

from accelsim.claims import layer_claims, padded
from accelsim.dataflow.frontier import frontier as layer_frontier
from accelsim.dataflow.tile_traffic import tile_text, traffic_words
from accelsim.frontiers import TooLittleSram, frontier
from accelsim.replay import replay
from accelsim.report.frontier_plots import line
from accelsim.report.frontier_tables import frontier_text
from accelsim.report.tile_nest import explain_at
from accelsim.simulate import min_sram
from accelsim.spec import InputError
from accelsim.workload.layer import Axis, Conv, Stream, Widths


@pytest.mark.parametrize("seed", range(24))
def test_the_five_columns_are_what_replay_counts(seed):
    rng = random.Random(seed)
    layer = replace(random_layer(rng, 600).group(), K=rng.randint(1, 7), C=rng.randint(1, 7))
    if seed % 3 == 0:  # one tap: residents are exchanged at the turn
        rows, cols = (Axis(rng.randint(2, 6), 1, 12, 2, 1, rng.choice((0, 2))) for _ in "pq")
        layer = replace(layer, rows=rows, cols=cols, has_weights=True)
    found = layer_frontier(layer)
    for point in found.points:
        schedule = found.schedule(point)
        done = replay(schedule, point.bits)
        counted = (
            done.weights_read_words, done.inputs_read_words, done.outputs_write_words,
            done.psums_read_words, done.psums_write_words,
        )  # fmt: skip
        assert traffic_words(schedule, point.traffic_bits) == counted


def test_claims_that_do_not_add_up_are_refused():
    found = layer_frontier(random_layer(random.Random(1)).group())
    with pytest.raises(RuntimeError, match="are claimed"):
        traffic_words(found.schedule(found.points[-1]), found.points[-1].traffic_bits + 1)


@pytest.mark.parametrize("seed", range(12))
def test_rows_descend_and_end_at_min_sram(seed):
    layer = random_layer(random.Random(seed))
    layer = replace(layer, widths=random.Random(seed).choice((Widths(), Widths(3, 5, 4, 9))))
    claims = layer_claims(layer)
    sizes = [claim.sram_bytes for claim in claims]
    traffic = [claim.dram_bytes for claim in claims]
    assert sizes == sorted(set(sizes)) and traffic == sorted(set(traffic), reverse=True)
    assert claims[-1].traffic[:3] == layer.words and claims[-1].traffic[3:] == (0, 0)
    assert all(8 * claim.sram_bytes >= claim.point.bits for claim in claims)


def test_one_size_is_the_last_row_that_fits_and_what_more_is_pinned():
    layer = Conv("l", "conv", 1, 8, 8, 1, Axis(8, 3, 8, pad=1), Axis(8, 3, 8, pad=1))
    every = layer_claims(layer)
    for at, claim in enumerate(every):
        (same,) = layer_claims(layer, sram=claim.sram_bytes)
        assert same.traffic == claim.traffic
        if (
            claim.point.steps
            and at + 1 < len(every)
            and every[at + 1].sram_bytes > claim.sram_bytes + 1
        ):
            (more,) = layer_claims(layer, sram=claim.sram_bytes + 1)
            assert claim.dram_bytes - more.dram_bytes == claim.gain_bits // claim.point.step_bits


def test_padding_as_input():
    layer = Conv("l", "conv", 1, 2, 3, 1, Axis(4, 3, 4, pad=1), Axis(2, 3, 5, stride=2, pad=0))
    boxed = padded(layer)
    assert isinstance(boxed, Conv)
    assert boxed.inputs_words == 3 * 6 * 5
    assert layer_claims(boxed)[-1].traffic[1] == 90
    stream = Stream("s", "add", 1, 2, 8, 4, 2, 2)
    assert padded(stream) is stream
    deconv = Axis(8, 2, 4, 2, kind="deconv")
    assert padded(replace(layer, rows=deconv, cols=deconv)).rows is deconv  # type: ignore[union-attr]


def test_a_network():
    found = frontier("alexnet_caffe", layer=["conv5", "fc8", "norm1", "pool5"])
    need = min_sram("alexnet_caffe", layer=["conv5", "fc8", "norm1", "pool5"]).summary
    for name in ("min_sram_bytes", "limiting_layer", "compulsory_bytes"):
        assert found.summary[name] == need[name]
    steps = found.summary["staircase"]
    assert steps[-1] == [need["min_sram_bytes"], need["compulsory_bytes"]]
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(steps))
    assert "conv5" in found._repr_html_()  # type: ignore[attr-defined]
    figure = found.plot()  # type: ignore[attr-defined]
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "alexnet_caffe, all layers" in labels
    rows = [row for row in found.rows() if row["layer"] == "conv5"]
    sizes, traffic = line(rows)
    assert sizes == sorted(sizes) and traffic == sorted(traffic, reverse=True)
    assert traffic[-1] == rows[-1]["dram_bytes"] / 1e6


def test_rows_are_made_when_they_are_asked_for_and_checked(monkeypatch):
    """A network's table needs no words; whatever shows a row counts and checks its words."""

    def refuse(schedule, traffic_bits):
        raise RuntimeError("words were asked for")

    monkeypatch.setattr("accelsim.claims.traffic_words", refuse)
    found = frontier("alexnet_caffe", layer=["conv5", "fc8"])
    assert "KiB at 2x" in frontier_text(found)
    for show in (found.rows, found.to_csv, found.to_json, lambda: found.claims[0].traffic):
        with pytest.raises(RuntimeError, match="words were asked for"):
            show()


def test_layers_that_are_alike_share_claims_under_their_own_names():
    found = frontier("resnet50", layer=["layer1.1.conv2", "layer1.2.conv2"])
    first, second = (own.claims for own in found.layers)
    assert first is second
    half = len(found.claims) // 2
    assert len(found.table) == 2 * half == 2 * len(first)
    for at, name in ((0, "layer1.1.conv2"), (half, "layer1.2.conv2")):
        claim, row = found.claims[at], found.table[at]
        assert claim.schedule is not None
        assert claim.layer.name == claim.schedule.layer.name == row["layer"] == name
        assert sum(claim.traffic) == row["dram_words"]


def test_refusals():
    with pytest.raises(TooLittleSram, match="conv5 does not fit 1 bytes; 3 bytes are the least"):
        frontier("alexnet_caffe", layer="conv5", sram=1)
    with pytest.raises(InputError, match="convention: `nearly`; known are exact, padded"):
        frontier("alexnet_caffe", convention="nearly")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a row a layer makes no line"):
        frontier("alexnet_caffe", layer="conv5", sram=10**5).plot()  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="stands for 2 layers"):
        explain_at("alexnet_caffe", "conv[45]", 10**5)


@pytest.mark.parametrize("sram", [10, 500, 2_000, 20_000, 100_000])
@pytest.mark.parametrize("layer", ["conv5", "norm1", "fc8"])
def test_explained_columns_add_up(layer, sram):
    found = explain_at("alexnet_caffe", layer, sram)
    (row,) = found.rows()
    text = str(found)
    assert f"{row['dram_words']:,} words" in text and f"{row['sram_bytes']:,} bytes" in text
    if found.schedule is not None:
        assert all(f"for {cut.dim.lower()} tile" in text for cut in found.schedule.tiling.cuts)
        assert row["tile"] == tile_text(found.schedule)
