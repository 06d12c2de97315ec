"""Random small layers and blocks for the agreement tests."""

from __future__ import annotations

import random

from accelsim.dataflow.schedule import Block
from accelsim.workload.layer import Axis, Conv, Widths


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
