"""`accelsim frontier`, `explain --sram`: what is printed, replayed, saved and refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from accelsim.cli import main

COLUMNS = (
    "network layer op sram_words sram_bytes dram_words dram_bytes weights_read_words "
    "inputs_read_words outputs_write_words psums_read_words psums_write_words dram_x bound_words "
    "resident order tile pin_gain_x"
).split()
SMALL = """\
name: small
input: {C: 2, H: 6, W: 6}
layers:
  - {name: first, op: conv, K: 3, R: 3, S: 3, pad: 1, act: relu}
  - {name: half, op: pool, kind: max, R: 2, S: 2}
  - {name: second, op: conv, K: 4, R: 2, S: 2, groups: 1}
  - {name: sum, op: add, from: [second, second]}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL)
    return "small.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    found = capsys.readouterr()
    return code, found.out, found.err


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--bits", "8", "--psum-bits", "32"],
        ["--bits", "3"],
        ["--buffering", "prefetch"],
        ["--buffering", "double"],
        ["--block", "K=2,C=2"],
        ["--convention", "padded"],
        ["--resident", "weights"],
        ["--resident", "inputs", "--batch", "2"],
        ["--sram", "40"],
    ],
    ids=" ".join,
)
def test_every_row_replays(options, small, capsys):
    code, out, err = run(capsys, "frontier", small, "--replay", "--format", "csv", *options)
    assert (code, err.count("\n")) == (0, 2)
    found = rows(out)
    assert list(found[0])[: len(COLUMNS)] == COLUMNS
    assert {row["replay_agrees"] for row in found} == {"yes"}
    moved = COLUMNS[7:12]
    assert all(int(row["dram_words"]) == sum(int(row[name]) for name in moved) for row in found)
    assert all(row[name] == row[f"counted_{name}"] for row in found for name in moved)


def test_json_table_and_picture(small, capsys):
    found = json.loads(run(capsys, "frontier", small, "--format", "json")[1])
    assert found["meta"]["command"] == "frontier" and found["summary"]["staircase"]
    code, out, err = run(capsys, "frontier", small)
    assert (code, err) == (0, "")
    assert "KiB at 2x" in out and "convention exact" in out and "decides" in out
    assert "convention padded" in run(capsys, "frontier", small, "--convention", "padded")[1]
    out = run(capsys, "frontier", small, "--layer", "first")[1]
    count = sum(row["layer"] == "first" for row in found["rows"])
    assert out.count("\n") == count + 5
    assert "times the compulsory" in run(capsys, "frontier", small, "--sram", "100")[1]
    for name in ("it.json", "it.csv"):
        assert run(capsys, "frontier", small, "-o", name)[0] == 0
        assert run(capsys, "plot", name) == (0, "", "wrote it.png\n")
        assert Path("it.png").read_bytes().startswith(b"\x89PNG")


def test_a_size_that_is_too_small_is_an_honest_no(small, capsys):
    said = "first does not fit 2 bytes; 3 bytes are the least"
    assert run(capsys, "frontier", small, "--sram", "2") == (3, "", f"accelsim frontier: {said}\n")
    code, out, err = run(capsys, "explain", small, "first", "--sram", "2")
    assert (code, out, err) == (3, "", f"accelsim explain: {said}\n")


def test_an_explained_schedule_replays(small, capsys):
    code, out, err = run(capsys, "explain", small, "first", "--sram", "40")
    assert (code, err) == (0, "")
    assert "first in 40 B" in out and "tile" in out
    words = out.partition("  sum ")[2].split()[0]
    assert run(capsys, "explain", small, "first", "--sram", "40", "-o", "it.yaml")[0] == 0
    assert run(capsys, "replay", "--schedule", "it.yaml", "--sram", "40")[0] == 0
    assert main(["replay", "--schedule", "it.yaml", "--format", "csv"]) == 0
    (row,) = rows(capsys.readouterr().out)
    names = ("weights_read", "inputs_read", "outputs_write", "psums")
    assert sum(int(row[f"counted_{name}_words"]) for name in names) == int(words.replace(",", ""))


def test_a_disagreement_exits_with_three(small, capsys, monkeypatch):
    import accelsim.verify
    from accelsim.replay import DoesNotFit

    def tight(schedule, bits, **options):
        raise DoesNotFit(bits + 1, bits)

    monkeypatch.setattr(accelsim.verify, "execute", tight)
    code, _, err = run(capsys, "frontier", small, "--layer", "first", "--replay")
    assert (code, err.count("\n")) == (3, 1)
    assert err.startswith("accelsim frontier: replay disagrees: only 0 of ")


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("frontier", "accelsim frontier: NET is missing; usage: accelsim frontier NET [options]"),
        ("frontier small.yaml --sram 64KB",
         "accelsim frontier: --sram: `64KB` is ambiguous; did you mean KiB = 1024 or kB = 1000"),
        ("frontier small.yaml --sram 0",
         "accelsim frontier: --sram: `0` is too small; 1 to 1125899906842624 bytes are allowed"),
        ("frontier small.yaml --convention pad",
         "accelsim frontier: --convention: `pad` is not known; did you mean `padded`"),
        ("frontier small.yaml --layer frist",
         "small.yaml: no layer `frist` with a row; did you mean `first`"),
        ("explain small.yaml sum --sram 40 --format yaml",
         "accelsim explain: sum only passes words through and has no schedule; leave out yaml"),
    ],
)  # fmt: skip
def test_refusals(line, right, small, capsys):
    assert run(capsys, *line.split()) == (2, "", f"{right}\n")
