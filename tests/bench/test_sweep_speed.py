"""What a sweep costs; run with -n 0 --benchmark-enable."""

from __future__ import annotations

import resource

import pytest
from sweep_cases import write_case

from accelsim.sweep import sweep

NETWORKS = ("resnet18", "vgg16", "mobilenet_v2")


@pytest.fixture(autouse=True)
def only_when_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("speed is measured with -n 0 --benchmark-enable")


def cpu_seconds() -> float:
    """Of this process and of those that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def test_a_thousand_points_take_less_than_a_minute_of_two_cores(tmp_path):
    begin = cpu_seconds()
    found = sweep(
        NETWORKS, "systolic_os_16x16", sram="16KiB:4MiB:x2", jobs=2, file=tmp_path / "s.sqlite",
        set={"dram.peak_bytes_per_s": "1GB/s:37GB/s:+1GB/s"},
    )  # fmt: skip
    assert found.summary["done"] == 999
    assert cpu_seconds() - begin < 2 * 60


def test_twenty_thousand_points_hold_less_than_500_megabytes(tmp_path):
    found = sweep(
        *write_case(tmp_path), sram="48B:960B:+48B", jobs=2, file=tmp_path / "s.sqlite",
        set={"dram.peak_bytes_per_s": "1MB/s:1GB/s:+1MB/s"},
    )  # fmt: skip
    assert found.summary["points"] == len(found.table) == 20_000
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    assert max(resource.getrusage(each).ru_maxrss for each in whose) < 500_000
