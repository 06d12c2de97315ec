"""Pictures of a sweep: what they show is what the rows say."""

from __future__ import annotations

import pytest
from sweep_cases import write_case

from accelsim.report.files import read_result
from accelsim.report.sweep_plots import pareto_points
from accelsim.results import Result
from accelsim.spec import InputError
from accelsim.sweep import sweep
from accelsim.units import format_bytes

KIB = 1024


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def sizes(case):
    return sweep(*case, sram="16B,128B:8KiB:x2")


@pytest.fixture(scope="module")
def both(case):
    return sweep(*case, sram="16B,128B:8KiB:x2", set={"dram.peak_bytes_per_s": "1GB/s:4GB/s:x2"})


def xy(line):
    return [tuple(point) for point in line.get_xydata().tolist()]


def test_bandwidth_of_network_and_layers(sizes):
    (axes,) = sizes.plot().axes
    lines = {line.get_label(): line for line in axes.lines}
    done = [row for row in sizes.table if not row["error"]]
    assert len(done) == len(sizes.table) - 1  # nothing fits 16 B
    for label, name in (("average", "avg"), ("needed, not to stall", "needed")):
        column = f"{name}_bandwidth_bytes_per_s"
        wanted = [(row["sram_capacity_bytes"] / KIB, row[column] / 1e9) for row in done]
        assert xy(lines[label]) == wanted
    assert set(lines["the device's 1 GB/s"].get_ydata()) == {1.0}
    of_layers = [row for row in sizes.layers.table if row["macs"]]
    thin = [point for line in axes.lines if line.get_linewidth() == 0.5 for point in xy(line)]
    assert sorted(thin) == sorted(
        (row["sram_capacity_bytes"] / KIB, row["avg_bandwidth_bytes_per_s"] / 1e9)
        for row in of_layers
    )
    assert "KiB" in axes.get_xlabel() and "GB/s" in axes.get_ylabel()


def test_the_corner_is_where_all_move_once_from_there_on(sizes):
    (axes,) = sizes.plot(kind="traffic").axes
    once = {
        row["sram_capacity_bytes"]: row["dram_read_bytes"] + row["dram_write_bytes"]
        == row["compulsory_bytes"]
        for row in sizes.table
        if not row["error"]
    }
    corner = min(size for size in once if all(once[more] for more in once if more >= size))
    assert corner > min(once)
    (marked,) = (line for line in axes.lines if len(set(line.get_xdata())) == 1)
    assert set(marked.get_xdata()) == {corner / KIB}
    assert axes.texts[0].get_text() == f"every word once\nfrom {format_bytes(corner)}"


def test_a_panel_per_layer(sizes):
    axes = [each for each in sizes.plot(panels=True).axes if each.get_visible()]
    assert [each.get_title(loc="left") for each in axes] == ["first", "fc"]
    for each in axes:
        rows = [row for row in sizes.layers.table if row["layer"] == each.get_title(loc="left")]
        assert [y for _, y in xy(each.lines[0])] == [
            row["avg_bandwidth_bytes_per_s"] / 1e9 for row in rows
        ]


def test_a_line_for_each_other_value(both):
    (axes,) = both.plot(kind="cycles").axes
    labels = [line.get_label() for line in axes.lines if line.get_label().startswith("peak")]
    assert labels == ["peak 1 GB/s", "peak 2 GB/s", "peak 4 GB/s"]
    for label in labels:
        (line,) = (line for line in axes.lines if line.get_label() == label)
        rate = int(label.split()[1]) * 10**9
        assert [y for _, y in xy(line)] == [
            1000 * row["seconds"]
            for row in both.table
            if row["dram.peak_bytes_per_s"] == rate and not row["error"]
        ]


def test_the_map_has_every_point(both):
    axes = both.plot(kind="map").axes[0]
    written = [text.get_text() for text in axes.texts]
    assert written.count("×") == 3  # 16 B
    for row in both.table:
        assert row["error"] or f"{1000 * row['seconds']:.3g}" in written
    assert axes.get_xlabel() == "on-chip SRAM" and axes.get_ylabel() == "dram.peak (GB/s)"


def test_no_point_beats_the_front(both):
    rows = [row for row in both.table if not row["error"]]
    front = pareto_points(rows)
    for row in rows:
        beaten = [
            best for best in front
            if best["sram_capacity_bytes"] <= row["sram_capacity_bytes"]
            and best["seconds"] <= row["seconds"]
        ]  # fmt: skip
        assert beaten
        if row in front:
            assert beaten == [row]
    (axes,) = both.plot(kind="pareto").axes
    assert xy(axes.lines[1]) == [
        (row["sram_capacity_bytes"] / KIB, 1000 * row["seconds"]) for row in front
    ]


def test_a_saved_table_is_drawn_like_its_sweep(both, tmp_path):
    (tmp_path / "it.csv").write_text(both.to_csv())
    (tmp_path / "it.json").write_text(both.to_json())
    for name in ("it.csv", "it.json"):
        again = read_result(tmp_path / name)
        assert [row["seconds"] for row in again.table] == [row["seconds"] for row in both.table]
        for kind in ("bandwidth", "map"):
            drawn, given = again.plot(kind=kind).axes[0], both.plot(kind=kind).axes[0]
            assert [xy(line) for line in drawn.lines] == [xy(line) for line in given.lines]
            assert len(drawn.texts) == len(given.texts)


def test_pictures_that_cannot_be(case, sizes, both):
    for found, options, wrong in (
        (sizes, {"kind": "map"}, "a map is of two fields, sram_capacity_bytes is swept"),
        (both, {"panels": True}, "where SRAM alone is swept"),
        (sweep(*case), {}, "nothing is swept"),
        (sweep(*case), {"kind": "pareto"}, "all points have the same SRAM"),
        (sweep(*case, sram="1B"), {}, "no point is done"),
        (sizes.layers, {}, "only the points of a sweep"),
        (Result({}, ({"a": 1},), {}), {"kind": "map"}, "only a sweep has several pictures"),
    ):
        with pytest.raises(InputError, match=wrong):
            found.plot(**options)
