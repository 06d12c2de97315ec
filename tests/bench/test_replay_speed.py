"""What executing real layers costs; run with -n 0 --benchmark-enable."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, time
from accelsim.simulate import min_sram
from accelsim.verify import verify
verify(min_sram("mobilenet_v2", layer="block17.dw"))  # compile
claimed = min_sram({network!r}, layer={layer!r})
begun = time.process_time()
assert verify(claimed).agrees
print(time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.fixture(autouse=True)
def only_when_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("speed is measured with -n 0 --benchmark-enable")


@pytest.mark.parametrize(
    ("network", "layer", "most_bytes"),
    [("vgg16", "conv1_2", 2**30), ("alexnet_caffe", None, 2**33)],
)
def test_a_minute_is_enough(network, layer, most_bytes, benchmark):
    """vgg16 conv1_2 has 1.85 G MACs; it also stays below 1 GiB. The whole AlexNet has 0.7 G."""
    program = [sys.executable, "-c", PROGRAM.format(network=network, layer=layer)]
    done = benchmark.pedantic(
        subprocess.run, (program,), {"capture_output": True, "text": True, "check": True}, rounds=1
    )
    cpu_s, memory_bytes = map(float, done.stdout.split())
    benchmark.extra_info |= {"cpu_s": cpu_s, "memory_bytes": memory_bytes}
    assert cpu_s < 60
    assert memory_bytes < most_bytes
