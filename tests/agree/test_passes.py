"""Backward passes as nests: their results are the gradients, and their witnesses replay exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from accelsim.replay.engine import replay
from accelsim.replay.reference import direct
from accelsim.simulate import layer_need, min_sram
from accelsim.training.passes import backward_data, backward_weight
from accelsim.workload.layer import Axis, Conv
from accelsim.workload.network import load_network


def random_conv(seed: int, kind: str = "conv") -> Conv:
    """A small layer: stride, dilation, one-sided padding, cropped edges, groups, depthwise.

    `same` is a conv of stride 1 with as many outputs as inputs.
    """
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    K, C = (groups * int(rng.integers(1, 4)) for _ in range(2))
    if rng.random() < 0.2:
        K = C = groups = int(rng.integers(2, 5))
    axes = []
    for _ in range(2):
        taps, stride, dilation = (int(rng.integers(1, most)) for most in (4, 4, 3))
        before, after = (int(each) for each in rng.integers(0, 3, 2))
        reach = (taps - 1) * dilation + 1
        if kind == "same":
            size, pad = int(rng.integers(1, 8)), int(rng.integers(0, reach))
            axes.append(Axis(size, taps, size, 1, dilation, pad))
            continue
        size = int(rng.integers(1, 8)) + max(0, reach - before - after)
        if kind == "deconv":
            grown = (size - 1) * stride + reach - before
            axes.append(Axis(max(1, grown - after), taps, size, stride, dilation, before, kind))
        else:
            outputs = (size + before + after - reach) // stride + 1
            axes.append(Axis(outputs, taps, size, stride, dilation, before))
    return Conv("layer", kind.replace("same", "conv"), int(rng.integers(1, 4)), K, C, groups, *axes)


def slices(layer: Conv, r: int, s: int):
    """Of a padded picture, what tap (r, s) meets; its length is that of the far operand."""
    far = [axis.inputs if axis.kind == "deconv" else axis.outputs
           for axis in (layer.rows, layer.cols)]  # fmt: skip
    return tuple(
        slice(tap * axis.dilation, tap * axis.dilation + (count - 1) * axis.stride + 1, axis.stride)
        for axis, tap, count in zip((layer.rows, layer.cols), (r, s), far, strict=True)
    )


def gradients(layer: Conv, w, x, dy):
    """Reverse-mode differentiation of the sum of dy·conv(x, w) of one group, tap by tap.

    The forward pass is strided views of a padded picture times w[:, :, r, s]; each view's gradient
    is added to where it was taken from. A deconv adds to the picture instead of reading it.
    """
    deconv = layer.rows.kind == "deconv"
    near = dy if deconv else x
    pads = [
        (axis.pad, axis.stride * (axis.outputs + axis.inputs) + axis.taps * axis.dilation)
        for axis in (layer.rows, layer.cols)
    ]
    padded = np.pad(near, ((0, 0), (0, 0), *pads))
    dx, dw = np.zeros_like(padded if not deconv else x), np.zeros_like(w)
    y = np.zeros_like(padded if deconv else dy)
    for r, s in itertools.product(range(layer.rows.taps), range(layer.cols.taps)):
        at = (slice(None), slice(None), *slices(layer, r, s))
        tap = w[:, :, r, s]
        if deconv:
            y[at] += np.einsum("kc,nchw->nkhw", tap, x)
            dx += np.einsum("kc,nkhw->nchw", tap, padded[at])
            dw[:, :, r, s] = np.einsum("nkhw,nchw->kc", padded[at], x)
        else:
            y += np.einsum("kc,nchw->nkhw", tap, padded[at])
            dx[at] += np.einsum("kc,nkpq->ncpq", tap, dy)
            dw[:, :, r, s] = np.einsum("nkpq,ncpq->kc", dy, padded[at])
    crop = [slice(axis.pad, axis.pad + (axis.outputs if deconv else axis.inputs))
            for axis in (layer.rows, layer.cols)]  # fmt: skip
    if deconv:
        return y[:, :, crop[0], crop[1]], dx, dw
    return y, dx[:, :, crop[0], crop[1]], dw


@pytest.mark.parametrize("kind", ["conv", "same", "deconv"])
@pytest.mark.parametrize("seeds", [range(at, at + 50) for at in range(0, 200, 50)], ids=str)
def test_passes_are_the_gradients(kind, seeds):
    for seed in seeds:
        layer = random_conv(seed, kind)
        group, rng = layer.group(), np.random.default_rng(seed + 1000)
        N, K, C, P, Q, R, S = group.dims.values()
        w = rng.integers(-8, 8, (K, C, R, S))
        x = rng.integers(-8, 8, (N, C, group.rows.inputs, group.cols.inputs))
        dy = rng.integers(-8, 8, (N, K, P, Q))
        y, dx, dw = gradients(group, w, x, dy)
        assert np.array_equal(direct(group, w, x), y)
        data, weight = backward_data(layer).group(), backward_weight(layer).group()
        turned = w.swapaxes(0, 1)
        if layer.rows.kind == data.rows.kind == "conv":  # stride 1: the taps in reverse
            turned = turned[:, :, ::-1, ::-1]
        assert np.array_equal(direct(data, turned, dy), dx)
        filters, pictures = (x, dy) if kind == "deconv" else (dy, x)
        found = direct(weight, filters.swapaxes(0, 1), pictures.swapaxes(0, 1))
        # the nest has its pictures' channels, of the near operand, first
        assert np.array_equal(found if kind == "deconv" else found.swapaxes(0, 1), dw)


@pytest.mark.parametrize("kind", ["conv", "deconv"])
def test_the_three_passes_do_the_same_macs_on_the_same_words(kind):
    for seed in range(200):
        layer = random_conv(seed, kind)
        data, weight = backward_data(layer), backward_weight(layer)
        assert layer.useful_macs == data.useful_macs == weight.useful_macs
        assert backward_data(data).words == layer.words
        assert data.weights_words == layer.weights_words
        assert data.outputs_words == layer.N * layer.C * layer.rows.inputs * layer.cols.inputs
        dw = layer.K * layer.C // layer.groups * layer.rows.taps * layer.cols.taps
        assert weight.outputs_words == dw
        if kind == "conv":
            assert layer.macs == data.macs == weight.macs
            assert weight.inputs_words == layer.inputs_words


@pytest.mark.parametrize("seeds", [range(at, at + 50) for at in range(0, 200, 50)], ids=str)
def test_witnesses_replay_exactly(seeds):
    for seed in seeds:
        layer = random_conv(seed, "deconv" if seed % 4 == 0 else "conv")
        for nest in (backward_data(layer), backward_weight(layer)):
            need = layer_need(nest)
            done = replay(need.schedule, need.peak.bits)
            assert done.correct and done.peak_bits == need.peak.bits
            read = done.weights_read_words, done.inputs_read_words
            assert (*read, done.outputs_write_words) == nest.words
            assert done.psums_read_words == done.psums_write_words == 0
            assert done.macs == layer.useful_macs


def test_a_same_convs_backward_data_is_a_conv():
    three = Conv("same", "conv", 1, 4, 3, 1, Axis(8, 3, 8, 1, 1, 1), Axis(9, 3, 9, 1, 2, 2))
    assert (backward_data(three).rows, backward_data(three).cols) == (three.rows, three.cols)
    strided = Conv("half", "conv", 1, 4, 3, 1, Axis(4, 3, 8, 2, 1, 1), Axis(9, 3, 9, 1, 2, 2))
    assert {backward_data(strided).rows.kind, backward_data(strided).cols.kind} == {"deconv"}


def test_rows_of_each_pass():
    forward = min_sram("alexnet", batch=2)
    data = min_sram("alexnet", batch=2, pass_="backward-data")
    weight = min_sram("alexnet", batch=2, pass_="backward-weight")
    every = min_sram("alexnet", batch=2, pass_="training")
    assert [row["layer"] for row in data.table][-1] == "conv2.backward-data"  # not the first's
    assert [row["layer"] for row in weight.table][-1] == "conv1.backward-weight"
    assert len(every.table) == len(forward.table) + len(data.table) + len(weight.table)
    network = load_network("alexnet", batch=2)
    assert sum(row["macs"] for row in weight.table) == network.macs
    assert every.networks[0].params == network.params
