"""Ranges and fields by path: what they mean, and what is refused."""

from __future__ import annotations

import pytest

from accelsim.fields import with_fields
from accelsim.hardware.accelerator import load_accelerator
from accelsim.ranges import parse_range, value_of
from accelsim.spec import InputError, read_shipped
from accelsim.workload.network import load_network


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("16KiB:64KiB:x2", ["16384B", "32768B", "65536B"]),
        ("512KiB:1MiB:x2", ["524288B", "1048576B"]),
        ("8:32:+8", ["8", "16", "24", "32"]),
        ("8:20:8", ["8", "16"]),
        ("1KiB:3KiB:x1.5", ["1024B", "1536B", "2304B"]),
        ("1GB/s,2.5GB/s", ["1000000000B/s", "2500000000B/s"]),
        ("100ns,1.5us,0.5ns", ["100ns", "1500ns", "0.5ns"]),
        ("single, prefetch", ["single", "prefetch"]),
        ("3x224x224", ["3x224x224"]),
        ("1,4:16:x2,100", ["1", "4", "8", "16", "100"]),
    ],
)
def test_range(text, values):
    assert parse_range(text) == tuple(values)
    assert parse_range(",".join(values)) == tuple(values)  # one value, one text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("1:2", "is not first:last:step; write for instance 16KiB:4MiB:x2"),
        ("1,,2", "has an empty value"),
        ("1KiB:1GHz:x2", "goes from B to Hz"),
        ("1KiB:1MiB:+2", "step of another unit; write it in B"),
        ("1KiB:1MiB:x2B", "a factor has no unit"),
        ("4MiB:16KiB:x2", "does not go up"),
        ("1:9:x1", "does not go up"),
        ("1:9:+0", "does not go up"),
        ("1KB:4KB:x2", "is no number with a unit"),
        ("8,16,8", "has 8 twice"),
        ("64KiB,65536B", "has 65536B twice"),
        ("1:1000000:+1", "at most 10000 are tried"),
    ],
)
def test_range_refused(text, right):
    with pytest.raises(ValueError, match=r".") as told:
        parse_range(text)
    assert right in str(told.value) and "\n" not in str(told.value)


def test_values_are_numbers_in_base_units():
    values = ["64KiB", "1GB/s", "1.5ns", "200MHz", "16", "prefetch"]
    assert [value_of(text) for text in values] == [65536, 10**9, 1.5, 2 * 10**8, 16, "prefetch"]


@pytest.mark.parametrize(
    ("change", "right"),
    [
        (("pe.rowz", "3"), "gemmini_16x16.yaml:8:1: pe.rowz: unknown key; did you mean `rows`"),
        (("pe.rows", "0"), "gemmini_16x16.yaml:8:22: pe.rows: `0` is too small"),
        (("clock_hz", "64KiB"), "clock_hz: `64KiB` has an unknown unit"),
        (("pe..rows", "3"), "`pe..rows` is not the path of a field"),
        (("pe.rows.", "3"), "is not the path of a field"),
        (("pe[x]", "3"), "pe[x]: names no field"),
    ],
)
def test_a_field_that_cannot_be_set(change, right):
    with pytest.raises(InputError) as told:
        load_accelerator("gemmini_16x16", changes=[change])
    assert right in str(told.value)


def test_items_of_a_list_go_by_name():
    plain = load_network("resnet18")
    changed = load_network("resnet18", changes=[("layers[layer1.*.conv?].bits", "4")])
    four = [node.name for node in changed.layers if node.layer.widths.weights == 4]
    assert four == [f"layer1.{block}.conv{conv}" for block in (0, 1) for conv in (1, 2)]
    assert changed.macs == plain.macs and changed.sha256 == plain.sha256
    with pytest.raises(InputError, match=r"layers has no `layer9\*`; known are avgpool, conv1"):
        load_network("resnet18", changes=[("layers[layer9*].bits", "4")])


def test_the_document_itself_stays():
    document = read_shipped("accelerators", "gemmini_16x16")
    before = str(document.data)
    assert with_fields(document, [("pe.rows", "32")]).data["pe"]["rows"] == "32"
    assert str(document.data) == before
