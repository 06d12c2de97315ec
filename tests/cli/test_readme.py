"""What the README shows is what its commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from accelsim.cli import main

README = (Path(__file__).parents[2] / "README.md").read_text()
SHOWN = re.findall(r"^```\n\$ accelsim (.*)\n((?:.*\n)*?)```$", README, re.MULTILINE)


def test_there_are_examples():
    assert len(SHOWN) >= 3


NETWORK, MAPPING = re.findall(r"^```yaml\n((?:.*\n)*?)```$", README, re.MULTILINE)[::-1]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_example(command, output, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mapping.yaml").write_text(MAPPING)
    assert main(shlex.split(command)) == 0
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in output.splitlines()] == [
        line.rstrip() for line in printed.rstrip("\n").splitlines()
    ]


def test_the_yaml_example_is_a_network(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(NETWORK)
    assert main(["min-sram", str(path)]) == 0
    assert "conv1" in capsys.readouterr().out


def test_the_python_example_runs():
    (code,) = re.findall(r"^```python\n((?:.*\n)*?)```$", README, re.MULTILINE)
    scope: dict = {}
    exec(code, scope)
    assert scope["found"].summary["limiting_layer"]
