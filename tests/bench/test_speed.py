"""What a command costs, in CPU seconds of whole processes; run with -n 0 --benchmark-enable.

Two programs are compared within one run, turn by turn, each by its fastest time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from accelsim.spec import shipped_names

BARE = [sys.executable, "-c", "import numpy, yaml, pydantic"]
ACCELSIM = [sys.executable, "-m", "accelsim"]


@pytest.fixture(autouse=True)
def only_when_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("speed is measured with -n 0 --benchmark-enable")


@pytest.fixture
def cpu_s(tmp_path: Path):
    """CPU seconds of a program that may keep its bytecode, as installed ones do."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def measure(program: list[str]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(program, env=environment, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return measure


def test_vgg16_costs_little_more_than_its_libraries(cpu_s, benchmark):
    program = [*ACCELSIM, "min-sram", "vgg16"]
    cpu_s(BARE), cpu_s(program)  # warm the caches
    pairs = [(cpu_s(BARE), cpu_s(program)) for _ in range(10)]
    bare, ours = (min(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info |= {"bare_cpu_s": bare, "min_sram_cpu_s": ours}
    benchmark.pedantic(cpu_s, (program,), rounds=3)
    assert ours < 2.5 * bare


def test_all_shipped_networks(cpu_s, benchmark):
    program = [*ACCELSIM, "min-sram", *shipped_names("networks"), "--format", "csv"]
    cpu_s(program)
    seconds = min(cpu_s(program) for _ in range(3))
    benchmark.extra_info["cpu_s"] = seconds
    benchmark.pedantic(cpu_s, (program,), rounds=1)
    assert seconds < 3
