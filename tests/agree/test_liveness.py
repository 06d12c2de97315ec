"""Live words from row and column counts equal the walked MACs, for every order we use."""

from __future__ import annotations

import random

import pytest
from walk import walked_peak

from accelsim.dataflow.liveness import peak, peak_at_least
from accelsim.dataflow.residency import candidates, once_only
from accelsim.dataflow.schedule import BUFFERINGS, Block
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


def random_layer(rng: random.Random) -> Conv:
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
        if 0 < layer.group().useful_macs <= 4000:
            return layer


def random_block(rng: random.Random) -> Block:
    return rng.choice(
        (
            Block(),
            Block(K=rng.randint(1, 3), C=rng.randint(1, 3)),
            Block(*(rng.randint(1, 3) for _ in range(7))),
        )
    )


@pytest.mark.parametrize("seed", range(500))
def test_every_family_and_order_equals_the_walk(seed):
    rng = random.Random(seed)
    layer, block = random_layer(rng), random_block(rng)
    group = layer.group()
    buffering = BUFFERINGS[seed % 3]
    bits_of = {}
    for resident, family, order in candidates(group, block):
        bits, at_peak = walked_peak(group, order, block, buffering)
        found = peak(group, order, block, buffering)
        assert found.bits == bits, (family, order)
        assert found.words_by_operand in at_peak, (family, order)
        assert peak_at_least(group, order, block, buffering) <= bits
        bits_of.setdefault(resident, []).append(bits)
    for residents in (("weights",), ("inputs",), ("outputs",), ("weights", "inputs", "outputs")):
        best = once_only(layer, block=block, buffering=buffering, residents=residents)
        assert best.peak.bits == min(min(bits_of[resident]) for resident in residents)
