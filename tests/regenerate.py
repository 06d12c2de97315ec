"""Make everything in `results/` again: `python tests/regenerate.py [FOLDER...]`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"


def commands() -> list[tuple[str, list[str]]]:
    """Folder and commands of each code block of the gallery, in order."""
    found = []
    for section in (RESULTS / "README.md").read_text().split("\n## ")[1:]:
        folder = section.split("\n", 1)[0]
        for block in re.findall(r"^```\n(accelsim .*)\n```$", section, re.MULTILINE):
            found.append((folder, block.split(" && ")))
    return found


if __name__ == "__main__":
    for folder, lines in commands():
        if folder in (sys.argv[1:] or [folder]):
            (RESULTS / folder).mkdir(exist_ok=True)
            for line in lines:
                print(f"{folder}: {line}", flush=True)
                command = [sys.executable, "-m", *line.split()]
                subprocess.run(command, cwd=RESULTS / folder, check=True)
