"""What choosing schedules costs, in CPU seconds; run with -n 0 --benchmark-enable."""

from __future__ import annotations

import time

import pytest

from accelsim.runs import run
from accelsim.spec import shipped_names


@pytest.fixture(autouse=True)
def only_when_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("speed is measured with -n 0 --benchmark-enable")


@pytest.mark.parametrize("accelerator", shipped_names("accelerators"))
def test_resnet50_takes_less_than_a_second(accelerator):
    run("resnet50", accelerator)  # compiles, fills caches
    begin = time.process_time()
    run("resnet50", accelerator)
    assert time.process_time() - begin < 1


def test_all_networks_on_all_accelerators_take_less_than_three_minutes():
    begin = time.perf_counter()
    found = run(shipped_names("networks"), shipped_names("accelerators"), leave_out=True)
    assert time.perf_counter() - begin < 180
    assert len(found.summary["accelerators"]) == len(shipped_names("accelerators"))
