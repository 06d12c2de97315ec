"""The tables in `results/` are what their commands give today."""

from __future__ import annotations

import csv
import random
import re
import shlex
from pathlib import Path

import pytest
from regenerate import RESULTS, commands

from accelsim.cli import main
from accelsim.spec import shipped_names

TABLES = [
    (folder, lines[0], lines[0].rsplit(" -o ", 1)[1])
    for folder, lines in commands()
    if " --all " in lines[0] and lines[0].endswith(".csv")
]
LARGE = {"resnet152", "inception_v3", "fcn8s", "wide_resnet50_2", "resnext50_32x4d"}


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_folder_has_a_table_of_all_networks():
    assert [folder for folder, _, _ in TABLES] == ["min_sram", "frontier", "run", "sweep"]
    for folder, _, name in TABLES:
        names = {row["network"] for row in rows(RESULTS / folder / name)}
        assert names == set(shipped_names("networks"))


@pytest.mark.parametrize(("folder", "line", "name"), TABLES, ids=[folder for folder, *_ in TABLES])
def test_a_sample_again(folder, line, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = sorted({*shipped_names("networks")} - LARGE)
    sample = random.Random(folder).sample(small, 2)
    command = shlex.split(line)[1:]
    at = command.index("--all")
    assert main([*command[:at], *sample, *command[at + 1 :]]) == 0
    kept = [row for row in rows(RESULTS / folder / name) if row["network"] in sample]
    made = rows(Path(name))
    assert kept and sorted(map(str, made)) == sorted(map(str, kept))


def test_every_picture_and_table_is_shown_with_its_command():
    text = (RESULTS / "README.md").read_text()
    shown = set(re.findall(r"\]\(([^)]+)\)", text))
    there = {str(path.relative_to(RESULTS)) for path in RESULTS.rglob("*.png")}
    there |= {str(path.relative_to(RESULTS)) for path in RESULTS.rglob("networks.csv")}
    there = {name for name in there if not name.startswith("validation/")}  # pages of its own
    assert there <= shown
    assert all((RESULTS / name).exists() for name in shown)
    told = " ".join(line for _, lines in commands() for line in lines) + " optimality/gaps.png"
    for name in shown - {each for each in shown if each.startswith("validation/")}:
        if name.endswith((".png", ".csv")):
            stem = name.rsplit("/", 1)[1].rsplit(".", 1)[0]
            assert f"{stem}." in told or stem == "gaps", name
