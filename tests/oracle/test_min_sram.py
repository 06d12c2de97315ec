"""min-sram against figures made by others: six workloads, AlexNet and VGG-16, nn_dataflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelsim.dataflow.bounds import least_sram
from accelsim.dataflow.residency import once_only, tile_footprint
from accelsim.dataflow.schedule import RESIDENTS
from accelsim.simulate import min_sram
from accelsim.workload.layer import Axis, Conv

DATA = Path(__file__).parents[1] / "data"
ORACLE = json.loads((DATA / "min_sram.json").read_text())
CLASSES = {"weights": ("WR_gather", "WR_scatter"), "inputs": ("IR",), "outputs": ("OR",)}


def conv(K, C, P, R, stride=1, pad=0, H=None, groups=1, op="conv") -> Conv:
    size = (P - 1) * stride + R - 2 * pad if H is None else H
    axis = Axis(P, R, size, stride, 1, pad)
    return Conv("", op, 1, K, C, groups, axis, axis)


def rows_only(K, C, P) -> Conv:
    return Conv("", "matmul", 1, K, C, 1, Axis(P, 1, P), Axis(1, 1, 1))


WORKLOADS = {
    "vgg02": conv(64, 64, 224, 3, 1, 1),
    "alex1": conv(96, 3, 55, 11, 4, 0, 227),
    "res_s2": conv(128, 64, 28, 3, 2, 1, 56),
    "mbv2_dw": conv(96, 96, 56, 3, 2, 1, 112, groups=96),
    "fc6": rows_only(4096, 25088, 1),
    "gemm": rows_only(1024, 1024, 1024),
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_six_workloads(name):
    layer, truth = WORKLOADS[name], ORACLE["layers"][name]
    assert once_only(layer).peak.words <= truth["min"]
    for resident in RESIDENTS:
        found = once_only(layer, residents=(resident,)).peak.words
        assert found <= min(truth["classes"][form] for form in CLASSES[resident])
        short = {"weights": "WR", "inputs": "IR", "outputs": "OR"}[resident]
        tile = tile_footprint(layer, residents=(resident,)).words
        assert tile == truth["tile_footprint_per_tensor"][short]
    sizes = {"W": layer.words[0], "I": layer.words[1], "O": layer.words[2]}
    if name == "mbv2_dw":  # that oracle's row is one group of the layer's
        sizes = {key: size // 96 for key, size in sizes.items()}
    assert sizes == truth["sizes"]


@pytest.mark.parametrize(("network", "file"), [("alexnet", "alexnet_caffe"), ("vgg16", "vgg16")])
def test_networks_layer_by_layer(network, file):
    """Never above the oracle's minimum, and below it only by the row sweep."""
    result = min_sram(file)
    rows = [row for row in result.rows() if row["op"] in ("conv", "fc")]
    truths = ORACLE["networks"][network]["layers"]
    for row, truth in zip(rows, truths, strict=True):
        assert row["min_sram_words"] <= truth["min"]
        if row["min_sram_words"] < truth["min"]:  # an order that the oracle did not have
            assert row["order"] in ("P R Q K C S", "Q S P K C R")
        assert row["tile_sram_words"] == truth["sep"]
        assert (row["weights_words"], row["outputs_words"]) == (truth["W"], truth["O"])
        assert row["inputs_words"] == truth["I"]
        assert row["bound_words"] <= row["min_sram_words"]
    compulsory = result.summary["conv_fc_compulsory_words"]
    assert compulsory == ORACLE["networks"][network]["once_traffic_words"]
    most = max(row["min_sram_words"] for row in rows if row["op"] == "conv")
    assert most <= ORACLE["networks"][network]["conv_max"]


def test_vgg16_headline():
    """conv3_2 limits: 56 columns, K = C = 256, 3 x 3 taps.

    Gather holds W + C·(2·56 + 2) + K; the row sweep an input row and two words and a psum row of
    each channel instead, which is K words less.
    """
    summary = min_sram("vgg16").summary
    weights = 256 * 256 * 9
    assert weights + 256 * (2 * 56 + 2) + 256 == 619_264
    assert summary["limiting_layer"] == "conv3_2"
    assert summary["min_sram_words"] == weights + 256 * (56 + 2) + 256 * 56 == 619_264 - 256


NN_LAYERS = {
    "alex_net": {
        "conv1": conv(48, 3, 55, 11, 4), "pool1": conv(48, 48, 27, 3, 2, op="pool"),
        "conv2": conv(128, 48, 27, 5, 1, 2), "pool2": conv(128, 128, 13, 3, 2, op="pool"),
        "conv3": conv(192, 256, 13, 3, 1, 1), "conv4": conv(192, 192, 13, 3, 1, 1),
        "conv5": conv(128, 192, 13, 3, 1, 1), "pool3": conv(128, 128, 6, 3, 2, op="pool"),
        "fc1": rows_only(4096, 9216, 1), "fc2": rows_only(4096, 4096, 1),
        "fc3": rows_only(1000, 4096, 1),
    },
    "vgg_net": {
        "conv1": conv(64, 3, 224, 3, 1, 1), "conv2": conv(64, 64, 224, 3, 1, 1),
        "conv3": conv(128, 64, 112, 3, 1, 1), "conv4": conv(128, 128, 112, 3, 1, 1),
        "conv5": conv(256, 128, 56, 3, 1, 1), "conv6": conv(256, 256, 56, 3, 1, 1),
        "conv7": conv(256, 256, 56, 3, 1, 1), "conv8": conv(512, 256, 28, 3, 1, 1),
        "conv9": conv(512, 512, 28, 3, 1, 1), "conv10": conv(512, 512, 28, 3, 1, 1),
        **{f"conv{i}": conv(512, 512, 14, 3, 1, 1) for i in (11, 12, 13)},
        **{
            f"pool{i + 1}": conv(C, C, P, 2, 2, op="pool")
            for i, (C, P) in enumerate(((64, 112), (128, 56), (256, 28), (512, 14), (512, 7)))
        },
        "fc1": rows_only(4096, 25088, 1), "fc2": rows_only(4096, 4096, 1),
        "fc3": rows_only(1000, 4096, 1),
    },
}  # fmt: skip
NN_ROWS = [
    pytest.param(network, row, id=f"{network}-{row['layer']}")
    for network, rows in json.loads((DATA / "nn_layer_stats.json").read_text())["networks"].items()
    for row in rows
]


@pytest.mark.parametrize(("network", "row"), NN_ROWS)
def test_never_above_nn_dataflow(network, row):
    """Its least buffer keeps one operand whole and counts padding as data."""
    layer = NN_LAYERS[network][row["layer"].split("_")[0]]
    if layer.op == "pool":
        layer = Conv("", "pool", 1, layer.K, layer.C, layer.C, layer.rows, layer.cols,
                     has_weights=False)  # fmt: skip
    else:  # the dims are the ones it meant
        assert round(layer.weights_words / 1024, 2) == row["weight_KiB"]
        assert round(layer.macs / 1024**2, 2) == row["MiMACs"]
    assert round(layer.outputs_words / 1024, 2) == row["ofmap_KiB"]
    assert round(once_only(layer).peak.bytes / 1024, 2) <= row["min_opt_buf_KiB"]
    assert least_sram(layer.group())[0] <= once_only(layer).peak.bits
