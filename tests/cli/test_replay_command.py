"""`accelsim replay`, `min-sram --replay`: claimed and counted together, 3 where they differ."""

from __future__ import annotations

import csv
import io
import json

import pytest

from accelsim.cli import main


def test_claims_and_counts_side_by_side(capsys):
    assert main(["replay", "alexnet_caffe", "--layer", "conv5", "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["claimed_sram_bits"] == row["counted_sram_bits"] == str(8 * 21_802)
    assert row["counted_weights_read_words"] == "442368"
    assert (row["groups_replayed"], row["groups"]) == ("2", "2")
    assert (row["result"], row["agrees"]) == ("right", "yes")


def test_min_sram_takes_replay(capsys):
    assert main(["min-sram", "mobilenet_v2", "--layer", "block4.*", "--replay",
                 "--format", "json"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["summary"]["replay_agrees"] is True
    assert all(row["counted_sram_bits"] == 8 * row["min_sram_bytes"] for row in found["rows"])


def test_too_little_sram_is_an_honest_no(capsys):
    assert main(["replay", "vgg16", "--sram", "64KiB"]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    needs = "vgg16 conv3_2 needs 619,008 bytes, more than 65,536"
    assert said.err == f"accelsim replay: {needs}; nothing was run\n"


def test_a_schedule_file(capsys, tmp_path):
    path = tmp_path / "schedule.yaml"
    assert main(["explain", "resnet18", "layer4.0.conv1", "-o", str(path)]) == 0
    assert main(["replay", "--schedule", str(path), "--sram", "25138"]) == 0
    assert "right" in capsys.readouterr().out
    assert main(["replay", "--schedule", str(path), "--sram", "25137"]) == 3
    fits = "layer4.0.conv1 does not fit; 25,138 bytes are needed"
    assert capsys.readouterr().err == f"accelsim replay: {fits}\n"


def test_a_stream_has_no_schedule(capsys):
    assert main(["explain", "resnet18", "layer1.0.add", "--format", "yaml"]) == 2
    what = "layer1.0.add only passes words through and has no schedule; leave out yaml"
    assert capsys.readouterr().err == f"accelsim explain: {what}\n"


def test_a_disagreement_exits_with_three(capsys, monkeypatch):
    """A formula that claims one word less than the truth is caught."""
    import accelsim.verify
    from accelsim.replay import DoesNotFit

    def tight(schedule, bits, **options):
        raise DoesNotFit(bits + 1, bits)

    monkeypatch.setattr(accelsim.verify, "execute", tight)
    assert main(["replay", "alexnet_caffe", "--layer", "conv5"]) == 3
    assert "agrees" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "name networks, or one --schedule FILE"),
        (["vgg16", "--schedule", "x.yaml"], "name networks, or one --schedule FILE"),
    ],
)
def test_wrong_use(arguments, line, capsys):
    assert main(["replay", *arguments]) == 2
    assert capsys.readouterr().err == f"accelsim replay: {line}\n"


def test_sample_says_how_many_groups(capsys):
    assert main(["replay", "mobilenet_v2", "--layer", "block2.dw", "--sample", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 of 96" in out
    assert "only a sample of groups ran" in out
