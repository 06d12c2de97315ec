"""Small layers for the tests: those of the brute-force oracle, and random ones with blocks."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from accelsim.dataflow.schedule import Block
from accelsim.workload.layer import Axis, Conv, Widths

SHARE = float(os.environ.get("ACCELSIM_TEST_SHARE", "1"))
"""Which part of the random cases to try; mutation testing runs them a thousand times, so fewer."""
DATA = Path(__file__).parent / "data"
TINY = {
    case["name"]: case
    for case in json.loads((DATA / "liveness_tiny.json").read_text())["layers"]
}  # fmt: skip


def share_of(cases: int) -> int:
    """How many of so many random cases to try, at least one."""
    return max(1, round(cases * SHARE))


def tiny_layer(case: dict) -> Conv:
    """A layer of the oracle `liveness_tiny.json`."""
    (sr, sc), (dr, dc), (pr, pc) = case["stride"], case["dilation"], case["pad"]
    rows = Axis(case["P"], case["R"], case["H"], sr, dr, pr)
    cols = Axis(case["Q"], case["S"], case["W"], sc, dc, pc)
    return Conv(case["name"], "conv", case["N"], case["K"], case["C"], 1, rows, cols)


def random_axis(rng: random.Random, deconv: bool) -> Axis:
    stride, dilation, taps = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)), rng.randint(1, 4)
    reach, pad, pad_after = (taps - 1) * dilation + 1, rng.randint(0, 3), rng.randint(0, 3)
    if deconv:
        inputs = rng.randint(1, 5)
        outputs = (inputs - 1) * stride + reach - pad + rng.randint(0, 2)
        return Axis(max(outputs, 1), taps, inputs, stride, dilation, pad, "deconv")
    inputs = max(rng.randint(1, 9), reach - pad - pad_after)
    outputs = (inputs + pad + pad_after - reach) // stride + 1
    return Axis(outputs, taps, inputs, stride, dilation, pad)


def random_layer(rng: random.Random, most_macs: int = 4000) -> Conv:
    """A small layer with batch, groups, stride, dilation, padding on all sides, mixed widths."""
    deconv = rng.random() < 0.2
    while True:
        groups = rng.choice((1, 1, 1, 2, 3))
        layer = Conv(
            "random", "deconv" if deconv else "conv", rng.choice((1, 1, 1, 2, 3)),
            groups * rng.randint(1, 4), groups * rng.randint(1, 4), groups,
            random_axis(rng, deconv), random_axis(rng, deconv),
            Widths(*(rng.choice((4, 8, 16, 32)) for _ in range(4))),
            has_weights=rng.random() < 0.9,
        )  # fmt: skip
        if 0 < layer.group().useful_macs <= most_macs:
            return layer


def random_block(rng: random.Random) -> Block:
    return rng.choice(
        (
            Block(),
            Block(K=rng.randint(1, 3), C=rng.randint(1, 3)),
            Block(*(rng.randint(1, 3) for _ in range(7))),
        )
    )
