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


def test_every_row_has_the_bound(small, capsys):
    for options in ([], ["--convention", "padded"], ["--convention", "orojenesis"]):
        found = json.loads(run(capsys, "frontier", small, "--format", "json", *options)[1])
        for row in found["rows"]:
            assert row["bound_words"] <= row["dram_words"]
            assert row["bound_bytes"] <= row["dram_bytes"] and row["gap_x"] >= 1
        assert any(row["bound_bytes"] > row["compulsory_bytes"] for row in found["rows"])
        bounds = dict(found["summary"]["bounds"])
        steps = dict(found["summary"]["staircase"])
        assert bounds.keys() <= steps.keys()
        assert all(bounds[size] <= steps[size] for size in bounds)


def test_what_limits(small, capsys):
    """Where one layer alone moves words twice it limits; half of these go with so many bytes."""
    found = json.loads(run(capsys, "frontier", small, "--sram", "40", "--format", "json")[1])
    (limit,) = found["summary"]["limits"]
    whole = json.loads(run(capsys, "frontier", small, "--format", "json")[1])
    rows = [row for row in whole["rows"] if row["layer"] == limit["layer"]]
    at = next(row for row in found["rows"] if row["layer"] == limit["layer"])
    over = at["dram_bytes"] - at["compulsory_bytes"]
    assert over == max(row["dram_bytes"] - row["compulsory_bytes"] for row in found["rows"])
    size = 40 + limit["more_sram_bytes"]
    left = min(row["dram_bytes"] for row in rows if row["sram_bytes"] <= size)
    assert over - (left - at["compulsory_bytes"]) >= limit["less_dram_bytes"] - 1 >= over / 2 - 1
    out = run(capsys, "frontier", small, "--sram", "40")[1]
    assert f"With 40 B 0.00 MB move; {limit['layer']} limits: {limit['more_sram_bytes']} B" in out
    assert f"{limit['layer']} <-" in out
    assert "move, every word once." in run(capsys, "frontier", small, "--sram", "1KiB")[1]


def test_several_networks(small, capsys):
    Path("other.yaml").write_text(SMALL.replace("name: small", "name: other"))
    found = json.loads(run(capsys, "frontier", small, "other.yaml", "--format", "json")[1])
    alone = json.loads(run(capsys, "frontier", small, "--format", "json")[1])
    assert found["summary"]["networks"] == dict.fromkeys(("small", "other"), alone["summary"])
    assert [row for row in found["rows"] if row["network"] == "small"] == alone["rows"]
    code, out, _ = run(capsys, "frontier", small, "other.yaml")
    assert code == 0 and out.count("\n") == 6
    assert "times" in run(capsys, "frontier", small, "other.yaml", "--sram", "40")[1]
    for line in (
        "frontier small.yaml other.yaml -o two.png",
        "frontier small.yaml --panels -o one.svg",
        "frontier small.yaml --convention orojenesis -o boxes.pdf",
    ):
        assert run(capsys, *line.split()) == (0, "", f"wrote {line.split()[-1]}\n")
    names = [f"{at}.yaml" for at in range(7)]  # more than one pair of axes holds
    for at, name in enumerate(names):
        Path(name).write_text(SMALL.replace("name: small", f"name: n{at}"))
    assert run(capsys, "frontier", *names, "-o", "many.png") == (0, "", "wrote many.png\n")
    for name in ("small", "other"):
        run(capsys, "frontier", f"{name}.yaml", "-o", f"{name}.json")
    assert run(capsys, "plot", "small.json", "other.json", "-o", "b.png") == (
        0,
        "",
        "wrote b.png\n",
    )
    assert run(capsys, "plot", "small.json", "--panels") == (0, "", "wrote small.png\n")


MAPPING = "loops:\n  - {K: 1}\n  - {P: 2}\nheld: {weights: 1, inputs: 2, outputs: 2}\n"


@pytest.mark.parametrize("convention", ["exact", "padded", "orojenesis"])
def test_a_mapping(convention, small, capsys):
    Path("it.yaml").write_text(MAPPING)
    line = f"frontier small.yaml --layer first --mapping it.yaml --convention {convention}"
    code, out, err = run(capsys, *line.split())
    assert (code, err) == (0, "") and "Loops K:1 P:2." in out
    found = json.loads(run(capsys, *line.split(), "--format", "json")[1])
    summary = found["summary"]
    moved = sum(row["read_words"] + row["write_words"] for row in found["rows"])
    assert (
        moved == summary["dram_words"] >= summary["frontier_dram_words"] >= summary["bound_words"]
    )
    assert sum(row["sram_words"] for row in found["rows"]) == summary["sram_words"]
    assert f"{summary['frontier_dram_words']:,}" in out and f"{summary['bound_words']:,}" in out
    assert found["meta"]["convention"] == convention and "it.yaml" in found["meta"]["inputs"]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("loops:\n  - {K: 9}\n", "it.yaml:2:5: loops[0]: K is 3 here; write a step of 1 to 3"),
        ("loops: []\nheld: {inputs: 1}\n",
         "it.yaml:2:8: held.inputs: a depth counts the loops outside, 0 to 0, not 1"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_one_line(text, right, small, capsys):
    Path("it.yaml").write_text(text)
    code, out, err = run(capsys, *"frontier small.yaml --layer first --mapping it.yaml".split())
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err == right + "\n"


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
        ("frontier", "accelsim frontier: name networks, or --all"),
        ("frontier small.yaml --sram 64KB",
         "accelsim frontier: --sram: `64KB` is ambiguous; did you mean KiB = 1024 or kB = 1000"),
        ("frontier small.yaml --all", "accelsim frontier: name networks, or --all"),
        ("frontier small.yaml --panels",
         "accelsim frontier: --panels is for pictures; add -o FILE.png"),
        ("frontier small.yaml --convention orojenesis --replay",
         "accelsim frontier: orojenesis has no schedules to replay; use padded"),
        ("frontier small.yaml --convention orojenesis --resident weights",
         "orojenesis has no resident, block or buffering; leave them out"),
        ("frontier small.yaml --convention orojenesis --psum-bits 32",
         "small.yaml: first: orojenesis counts words of one width; give --bits and --psum-bits "
         "alike"),
        ("frontier small.yaml --mapping it.yaml",
         "accelsim frontier: --mapping is of one NET and one --layer; name them"),
        ("frontier small.yaml --mapping it.yaml --layer first --sram 9",
         "accelsim frontier: --mapping goes without --sram"),
        ("frontier small.yaml --mapping it.yaml --layer sum",
         "small.yaml: sum only passes words through; it has no loops"),
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
