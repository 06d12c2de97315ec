"""A network and an accelerator so small that hundreds of points are seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NETWORK = """\
name: tiny
input: {C: 4, H: 10, W: 10}
layers:
  - {name: first, op: conv, K: 8, R: 3, S: 3, pad: 1, act: relu}
  - {name: half, op: pool, kind: max, R: 2, S: 2}
  - {name: fc, op: fc, K: 10}
"""
ACCELERATOR = """\
name: tiny_npu
pe: {kind: spatial, unroll: {K: 4, C: 4}}
clock_hz: 1GHz
sram_bytes: 2KiB
dram: {peak_bytes_per_s: 1GB/s, latency_ns: 20ns}
buffering: prefetch
"""
MANY: dict[str, Any] = {
    "sram": "48B:1008B:+48B",  # the least do not fit
    "set": {"dram.peak_bytes_per_s": "100MB/s:2500MB/s:+100MB/s"},
}
"""21 sizes at 25 rates."""


def write_case(folder: Path) -> tuple[str, str]:
    """The two files, in a folder."""
    names = folder / "tiny.yaml", folder / "tiny_npu.yaml"
    for name, text in zip(names, (NETWORK, ACCELERATOR), strict=True):
        name.write_text(text)
    return str(names[0]), str(names[1])
