"""Shipped networks against the graphs of their reference definitions, node by node."""

import json
import re
from pathlib import Path

import pytest

from accelsim.workload.network import load_network

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "networks").glob("*.yaml"))
_DATA = json.loads((ROOT / "tests" / "data" / "networks_oracle.json").read_text())
ORACLE = _DATA["networks"]
OPS = {
    "depthwise_conv": ("conv", ""),
    "linear": ("fc", ""),
    "batch_norm": ("norm", "batch"),
    "max_pool": ("pool", "max"),
    "avg_pool": ("pool", "avg"),
    "resize": ("upsample", "bilinear"),
    **{kind: ("act", kind) for kind in ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid")},
}
# from their papers: no reference graph, only the counts in `source`
OTHERS = {
    "zfnet", "yolov2", "tiny_yolov2", "fcn8s", "segnet", "unet",
    "srcnn", "vdsr", "dncnn17", "ffdnet", "ircnn",
}  # fmt: skip


def oracle_nodes(name):
    """The oracle's nodes as dicts by column; the first is the input."""
    return [dict(zip(_DATA["columns"], row, strict=True)) for row in ORACLE[name]["nodes"]]


def window(node, expected):
    """Kernel, stride, padding, dilation, groups of a node, as far as the oracle states them."""
    axes = (node.layer.rows, node.layer.cols)
    found = {
        "kernel": [axis.taps for axis in axes],
        "stride": [axis.stride for axis in axes],
        "padding": [axis.pad for axis in axes],
        "dilation": [axis.dilation for axis in axes],
        "groups": node.layer.groups,
    }
    return {key: value for key, value in found.items() if expected[key] is not None}


def test_every_network_is_shipped():
    assert set(FILES) == set(ORACLE) | OTHERS


@pytest.mark.parametrize("name", ORACLE)
def test_totals_equal_the_reference(name):
    network = load_network(name)
    expected = ORACLE[name]
    weighted = [node for node in network.nodes if node.op in ("conv", "fc")]
    elements = sum(node.out_shape[1] * node.out_shape[2] * node.out_shape[3] for node in weighted)
    assert network.params == expected["params_total"]
    assert network.macs == expected["macs_total"]
    assert sum(node.op == "conv" for node in weighted) == expected["n_conv"]
    assert sum(node.op == "fc" for node in weighted) == expected["n_linear"]
    assert elements == expected["conv_linear_out_elems"]


@pytest.mark.parametrize("name", ORACLE)
def test_nodes_equal_the_reference(name):
    network = load_network(name)
    source, *expected = oracle_nodes(name)
    assert network.input_shape == tuple(source["out_shape"])
    assert len(network.nodes) == len(expected)
    position = {"input": 0} | {node.name: i for i, node in enumerate(network.nodes, 1)}
    for node, want in zip(network.nodes, expected, strict=True):
        if want["op"] in ("adaptive_avg_pool", "global_avg_pool"):
            op = ("global_pool" if want["out_shape"][2:] == [1, 1] else "pool", "avg")
        else:
            op = OPS.get(want["op"], (want["op"], ""))
        assert (node.op, node.kind) == op, node.name
        assert [position[producer] for producer in node.inputs] == want["inputs"], node.name
        assert [list(shape) for shape in node.in_shapes] == want["in_shapes"], node.name
        assert list(node.out_shape) == want["out_shape"], node.name
        assert (node.params, node.macs) == (want["params"], want["macs"]), node.name
        if want["kernel"] is not None:
            found = window(node, want)
            assert found == {key: want[key] for key in found}, node.name


@pytest.mark.parametrize("name", FILES)
def test_source_states_the_counts(name):
    network = load_network(name)
    params, macs, giga = re.search(
        r"([\d,]+) parameters, ([\d.,]+) (G )?MACs", network.source
    ).groups()
    assert network.name == name
    assert network.params == int(params.replace(",", ""))
    if giga:
        assert f"{network.macs / 1e9:.4g}" == macs
    else:
        assert network.macs == int(macs.replace(",", ""))
    assert name in ORACLE or not giga


def test_googlenet_is_the_one_of_the_paper():
    assert load_network("googlenet").name == "googlenet_2014"


@pytest.mark.parametrize("name", ["segnet", "srcnn", "vdsr", "dncnn17", "ircnn"])
def test_image_networks_resize(name):
    small = load_network(name)
    _, C, H, W = small.input_shape
    large = load_network(name, input=(C, H + 8, W + 24))
    assert large.params == small.params
    assert large.nodes[-1].out_shape == (1, small.nodes[-1].out_shape[1], H + 8, W + 24)


@pytest.mark.parametrize("name", ["fcn8s", "unet", "fcn_resnet50", "lraspp_mobilenet_v3_large"])
def test_segmentation_networks_resize(name):
    small = load_network(name)
    large = load_network(name, input=(small.input_shape[1], 544, 640))
    assert large.params == small.params
    assert large.nodes[-1].out_shape[2:] == (544, 640)
