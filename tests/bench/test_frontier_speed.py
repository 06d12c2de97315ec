"""What frontiers cost on one core; run with -n 0 --benchmark-enable."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from accelsim.dataflow import tiling
from accelsim.dataflow.frontier import frontier
from accelsim.dataflow.schedule import ONE_MAC
from accelsim.workload.layer import Conv
from accelsim.workload.network import load_network


@pytest.fixture(autouse=True)
def only_when_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("speed is measured with -n 0 --benchmark-enable")


@pytest.fixture(scope="module")
def layers() -> list[Conv]:
    """The different layers of ResNet-50 that have windows."""
    found = [node.layer for node in load_network("resnet50").layers]
    return list({replace(layer, name="") for layer in found if isinstance(layer, Conv)})


def cpu_s(work: Callable[[], object]) -> float:
    """The fastest of five warm runs: what others do on the machine only adds."""
    work()
    times = []
    for _ in range(5):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def test_plain_tilings_of_a_layer(layers, benchmark):
    cuts = [tiling.cuts_of(layer.group(), ONE_MAC) for layer in layers]
    runs = [cpu_s(lambda cut=cut: tiling.plain_tilings(cut, "single", 1 << 60)) for cut in cuts]
    benchmark.extra_info["median_cpu_s"] = statistics.median(runs)
    benchmark.pedantic(tiling.plain_tilings, (cuts[0], "single", 1 << 60), rounds=3)
    assert statistics.median(runs) <= 0.005


def test_all_families_of_a_layer_and_a_network(layers, benchmark):
    runs = [cpu_s(lambda layer=layer: frontier(layer)) for layer in layers]
    benchmark.extra_info |= {"median_cpu_s": statistics.median(runs), "network_cpu_s": sum(runs)}
    benchmark.pedantic(lambda: [frontier(layer) for layer in layers], rounds=3)
    assert statistics.median(runs) <= 0.020
    assert sum(runs) <= 0.500


def test_a_cold_process(benchmark):
    program = [sys.executable, "-m", "accelsim", "frontier", "resnet50"]
    # byte code is kept, as an install does
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}

    def run() -> tuple[float, int]:
        with subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = status
        assert status == 0
        return used.ru_utime + used.ru_stime, used.ru_maxrss

    run()  # fills the caches
    seconds, peak_kb = min(run() for _ in range(3))
    benchmark.extra_info |= {"cpu_s": seconds, "peak_kb": peak_kb}
    benchmark.pedantic(run, rounds=1)
    assert seconds <= 3
    assert peak_kb <= 300_000
