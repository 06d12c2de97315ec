"""Networks: shapes of every operator as PyTorch has them, parameters, MACs, widths, links."""

import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.spec import InputError, shipped_names
from accelsim.workload.format import schema
from accelsim.workload.layer import Axis, Conv, Stream, Widths
from accelsim.workload.network import Network, Node, check_file, load_network


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def build(*layers: str, head: str = "input: {C: 6, H: 20, W: 30}", **options: Any) -> Network:
        path = tmp_path / "net.yaml"
        lines = "".join(f"  - {{{layer}}}\n" for layer in layers)
        path.write_text(f"name: net\n{head}\nlayers:\n{lines}")
        return load_network(path, **options)

    return build


ALONE = "source: stand-alone"


@pytest.mark.parametrize(
    ("layer", "out", "params", "macs"),
    [
        ("op: conv, K: 8, R: 3, S: 5", (8, 18, 26), 8 * 6 * 15 + 8, 8 * 6 * 15 * 18 * 26),
        ("op: conv, K: 8, R: 3, S: 3, pad: 1, bias: false", (8, 20, 30), 432, 432 * 600),
        ("op: conv, K: 8, R: 3, S: 3, stride: [2, 3], pad: [1, 0]", (8, 10, 10), 440, 432 * 100),
        ("op: conv, K: 8, R: 3, S: 3, pad: [0, 1, 2, 3]", (8, 19, 33), 440, 432 * 19 * 33),
        ("op: conv, K: 8, R: 3, S: 3, dilation: [2, 4]", (8, 16, 22), 440, 432 * 16 * 22),
        ("op: conv, K: 12, R: 3, S: 3, groups: 6, pad: 1", (12, 20, 30), 120, 108 * 600),
        ("op: deconv, K: 8, R: 4, S: 4, stride: 2, pad: 1", (8, 40, 60), 776, 768 * 600),
        ("op: deconv, K: 8, R: 3, S: 3, stride: 2, pad: 1", (8, 39, 59), 440, 432 * 600),
        (
            "op: deconv, K: 8, R: 3, S: 3, stride: 2, pad: 1, output_pad: [1, 0], dilation: [1, 2]",
            (8, 40, 61),
            440,
            432 * 600,
        ),
        ("op: fc, K: 10", (10, 1, 1), 36_010, 36_000),
        ("op: matmul, K: 7", (7, 20, 30), 42, 42 * 600),
        ("op: pool, kind: max, R: 2, S: 2", (6, 10, 15), 0, 0),
        ("op: pool, kind: max, R: 3, S: 3, stride: 2", (6, 9, 14), 0, 0),
        ("op: pool, kind: max, R: 3, S: 3, stride: 2, ceil: true", (6, 10, 15), 0, 0),
        # the fourth window of rows would start in the padding behind, so it is dropped
        ("op: pool, kind: avg, R: 2, S: 2, stride: 7, pad: 1, ceil: true", (6, 3, 5), 0, 0),
        ("op: pool, kind: avg, out: [7, 5]", (6, 7, 5), 0, 0),
        ("op: global_pool", (6, 1, 1), 0, 0),
        ("op: upsample, scale: [2, 3]", (6, 40, 90), 0, 0),
        ("op: upsample, size: 64, kind: bilinear", (6, 64, 64), 0, 0),
        ("op: upsample, size: input, kind: unpool", (6, 20, 30), 0, 0),
        ("op: softmax", (6, 20, 30), 0, 0),
        ("op: lrn", (6, 20, 30), 0, 0),
        ("op: norm", (6, 20, 30), 12, 0),
        ("op: act, kind: prelu", (6, 20, 30), 6, 0),
        ("op: act", (6, 20, 30), 0, 0),
        ("op: dropout", (6, 20, 30), 0, 0),
        ("op: identity", (6, 20, 30), 0, 0),
        ("op: flatten", (3600, 1, 1), 0, 0),
        ("op: reshape, out: [24, 10, 15]", (24, 10, 15), 0, 0),
        ("op: shuffle, groups: 3", (6, 20, 30), 0, 0),
        ("op: add, from: [input, input]", (6, 20, 30), 0, 0),
        ("op: concat, from: [input, input]", (12, 20, 30), 0, 0),
    ],
)
def test_shape_params_macs(
    write: Any, layer: str, out: tuple[int, ...], params: int, macs: int
) -> None:
    node = write(f"name: it, {layer}").nodes[-1]
    assert node.out_shape == (1, *out)
    assert node.params == params
    assert node.macs == macs
    assert node.in_shapes[0] == (1, 6, 20, 30)
    if node.layer is not None:
        assert node.layer.outputs_words == math.prod(out)
    batched = write(f"name: it, {layer}", batch=3).nodes[-1]
    assert batched.out_shape == (3, *out)
    assert (batched.params, batched.macs) == (params, 3 * macs)


def test_convolutions_become_their_axes(write: Any) -> None:
    text = "op: conv, K: 8, R: 3, S: 5, stride: 2, dilation: [1, 2], pad: [1, 2, 3, 4], groups: 2"
    layer = write(f"name: c, {text}").nodes[0].layer
    rows, cols = Axis(11, 3, 20, 2, 1, 1), Axis(15, 5, 30, 2, 2, 3)
    assert layer == Conv("c", "conv", 1, 8, 6, 2, rows, cols)
    layer = write("name: d, op: deconv, K: 8, R: 4, S: 4, stride: 2, pad: 1").nodes[0].layer
    assert layer.rows == Axis(40, 4, 20, 2, 1, 1, "deconv")
    # every output row of this deconv has two taps that feed it, less one at either edge
    assert layer.rows.useful_pairs == 2 * 40 - 2


def test_pools_have_no_weights_and_a_group_per_channel(write: Any) -> None:
    network = write(
        "name: max, op: pool, kind: max, R: 2, S: 2",
        "name: avg, op: pool, kind: avg, out: [5, 6]",
        "name: all, op: global_pool",
        bits={"outputs": 8, "psums": 32},
    )
    largest, average, whole = (node.layer for node in network.nodes)
    assert not (largest.has_weights or average.has_weights or whole.has_weights)
    assert largest.groups == largest.C == largest.K == 6
    # a maximum never grows, a sum does
    assert (largest.widths.psums, average.widths.psums) == (8, 32)
    # 10 rows to 5 divides: plain windows; 15 columns to 6: windows of 3 that overlap
    assert average.rows == Axis(5, 2, 10, 2)
    assert average.cols == Axis(6, 3, 15, kind="adaptive")
    assert whole.rows == Axis(1, 5, 5)


@given(st.integers(1, 200), st.integers(1, 60))
def test_adaptive_windows_are_as_large_as_the_largest(size: int, outputs: int) -> None:
    from accelsim.workload.shapes import _adaptive

    axis = _adaptive(size, outputs)
    windows = [
        (p * size // outputs, -(-(p + 1) * size // outputs)) for p in range(outputs)
    ]  # [first, after last) as PyTorch has them
    assert axis.taps == max(end - start for start, end in windows)
    expected = [
        (p, h - start, h) for p, (start, end) in enumerate(windows) for h in range(start, end)
    ]
    assert [tuple(map(int, pair)) for pair in zip(*axis.pairs(), strict=True)] == expected


@given(
    st.integers(1, 40), st.integers(1, 6), st.integers(1, 5),
    st.integers(0, 3), st.integers(0, 3), st.booleans(),
)  # fmt: skip
def test_pool_windows_start_inside(
    size: int, taps: int, stride: int, before: int, after: int, ceil: bool
) -> None:
    from accelsim.workload.shapes import ShapeError, _pool_windows

    padded = size + before + after
    try:
        windows = _pool_windows("R", size, taps, stride, before, after, ceil)
    except ShapeError:
        least = padded + (stride - 1 if ceil else 0)
        assert taps > least or 2 * max(before, after) > taps
        return
    last = (windows - 1) * stride
    if ceil:
        # the last window starts inside, and only padding may be left without a window
        assert last < size + before
        assert last + taps >= padded or last + stride >= size + before
        assert windows == 1 or last - stride + taps < padded
    else:
        assert last + taps <= padded < last + stride + taps


def test_streams_say_what_must_be_live(write: Any) -> None:
    network = write(
        "name: gate, op: global_pool",
        "name: map, op: pool, kind: avg, R: 1, S: 1, from: input",
        "name: scaled, op: mul, from: [input, gate]",
        "name: sum, op: add, from: [scaled, map, input]",
        "name: double, op: add, from: [sum, sum]",
        "name: soft, op: softmax",
        "name: lrn, op: lrn, size: 5",
        "name: wide, op: lrn, size: 9",
        batch=2,
    )
    live = {node.name: node.layer for node in network.nodes}
    words = 2 * 6 * 20 * 30
    assert live["scaled"] == Stream("scaled", "mul", 2, 6, words + 12, words, 7, 1)
    assert live["sum"] == Stream("sum", "add", 2, 6, 3 * words, words, 3, 3)
    # the same tensor twice is read once
    assert live["double"] == Stream("double", "add", 2, 6, words, words, 1, 1)
    assert live["soft"].live_inputs == 6
    assert live["lrn"].live_inputs == 5
    assert live["wide"].live_inputs == 6


def test_one_channel_broadcasts_over_channels(write: Any) -> None:
    mask = "name: mask, op: conv, K: 1, R: 1, S: 1"
    node = write(mask, "name: masked, op: mul, from: [mask, input]").nodes[-1]
    assert node.out_shape == (1, 6, 20, 30)
    assert node.layer.live_inputs == 1 + 600


def test_nearest_upsampling_reads_only_what_it_uses(write: Any) -> None:
    layer = write("name: up, op: upsample, size: [40, 10]").nodes[0].layer
    assert (layer.inputs_words, layer.outputs_words) == (6 * 20 * 10, 6 * 40 * 10)


def test_matmul_of_two_producers_has_a_matrix_per_image(write: Any) -> None:
    network = write(
        "name: q, op: conv, K: 8, R: 1, S: 1",
        "name: k, op: conv, K: 8, R: 2, S: 2, stride: 2, from: input",
        "name: scores, op: matmul, from: [q, k]",
        batch=2,
    )
    node = network.layer("scores")
    assert node.out_shape == (2, 150, 20, 30)
    assert node.params == 0
    assert node.macs == 2 * 600 * 150 * 8
    assert node.layer == Conv("scores", "matmul", 1, 300, 16, 2, Axis(600, inputs=600), Axis(1))
    assert node.layer.words == (2 * 150 * 8, 2 * 600 * 8, 2 * 600 * 150)


def test_shorthand_becomes_nodes_and_fuses(write: Any) -> None:
    network = write(
        "name: conv1, op: conv, K: 8, R: 1, S: 1, norm: batch, act: relu",
        "name: conv2, op: conv, K: 8, R: 1, S: 1",
        "name: act2, op: act",
        "name: sum, op: add, from: [conv1, act2]",
        "name: act3, op: act",
        "name: conv4, op: conv, K: 8, R: 1, S: 1",
        "name: swish, op: act, kind: sigmoid",
        "name: gated, op: mul, from: [conv4, swish]",
    )
    names = [node.name for node in network.nodes]
    assert names[:3] == ["conv1", "conv1.norm", "conv1.act"]
    links = {node.name: node.inputs for node in network.nodes}
    assert links["conv1"] == ("input",)
    assert links["conv2"] == ("conv1.act",)
    assert links["sum"] == ("conv1.act", "act2")
    fused = [node.name for node in network.nodes if node.fused]
    # act3 follows an add, and conv4 has two consumers
    assert fused == ["conv1.norm", "conv1.act", "act2"]
    rows = ["conv1", "conv2", "sum", "act3", "conv4", "swish", "gated"]
    assert [node.name for node in network.layers] == rows
    assert network.layer("conv1").params == 48  # no bias beside a norm
    assert network.layer("conv2").params == 72
    assert network.layer("conv1.norm").params == 16
    assert (network.layer("conv1.act").kind, network.layer("swish").kind) == ("relu", "sigmoid")


def test_concat_and_flatten_move_nothing(write: Any) -> None:
    network = write(
        "name: join, op: concat, from: [input, input]",
        "name: flat, op: flatten",
        "name: drop, op: dropout",
    )
    assert all(node.layer is None for node in network.nodes)
    assert network.layers == ()


def test_widths_command_line_then_layer_then_network_then_eight(write: Any) -> None:
    def widths(**options: Any) -> list[Widths]:
        network = write(
            "name: a, op: conv, K: 8, R: 1, S: 1",
            "name: b, op: conv, K: 8, R: 1, S: 1, bits: {weights: 2}",
            "name: c, op: conv, K: 8, R: 1, S: 1, bits: 16",
            head="input: {C: 6, H: 20, W: 30}\nbits: {weights: 4, psums: 32}",
            **options,
        )
        assert network.default_widths is ("bits" not in options)
        return [node.layer.widths for node in network.nodes]

    assert widths() == [Widths(4, 8, 8, 32), Widths(2, 8, 8, 32), Widths(16, 16, 16, 16)]
    assert widths(psum_bits=24) == [
        Widths(4, 8, 8, 24), Widths(2, 8, 8, 24), Widths(16, 16, 16, 24),
    ]  # fmt: skip
    assert widths(bits=8, psum_bits=32) == [Widths(8, 8, 8, 32)] * 3
    assert widths(bits=6) == [Widths(6, 6, 6, 6)] * 3
    names = {"weights": 1, "inputs": 2, "outputs": 3, "psums": 4}
    assert widths(bits=names) == [Widths(1, 2, 3, 4)] * 3


def test_stand_alone_layers_have_their_own_sizes(write: Any) -> None:
    def alone(layer: str, **options: Any) -> Node:
        return write(f"name: it, {layer}", head=ALONE, **options).nodes[0]

    node = alone("op: conv, K: 96, C: 3, R: 11, S: 11, stride: 4, P: 55, Q: 55")
    assert node.in_shapes == ((1, 3, 227, 227),)
    assert node.inputs == ()
    text = "op: conv, K: 64, C: 64, R: 3, S: 3, pad: 1, P: 14, Q: 14"
    assert alone(text).in_shapes == ((1, 64, 14, 14),)
    assert alone(f"{text}, N: 4").out_shape == (4, 64, 14, 14)
    assert alone(f"{text}, N: 4", batch=2).out_shape == (2, 64, 14, 14)
    # 56 rows give 28 outputs as 55 do: H says which
    strided = "op: conv, K: 8, C: 8, R: 3, S: 3, stride: 2, pad: 1, P: 28, Q: 28"
    assert alone(strided).in_shapes == ((1, 8, 55, 55),)
    assert alone(f"{strided}, H: 56, W: 56").in_shapes == ((1, 8, 56, 56),)
    assert alone("op: fc, K: 4096, C: 25088").macs == 4096 * 25088
    matmul = alone("op: matmul, K: 1024, C: 512, P: 256")
    assert (matmul.out_shape, matmul.macs) == ((1, 1024, 256, 1), 1024 * 512 * 256)
    assert alone("op: pool, kind: max, C: 8, R: 2, S: 2, P: 4, Q: 4").in_shapes[0][2:] == (8, 8)
    up = alone("op: deconv, K: 8, C: 8, R: 4, S: 4, stride: 2, pad: 1, P: 32, Q: 32")
    assert up.in_shapes == ((1, 8, 16, 16),)
    with pytest.raises(InputError, match="no input gives 33 outputs at stride 2; 32 or 34 would"):
        alone("op: deconv, K: 8, C: 8, R: 4, S: 4, stride: 2, pad: 1, P: 33, Q: 32")
    assert alone("op: add, C: 8, H: 4, W: 4").layer.inputs_words == 2 * 128
    assert alone("op: softmax, C: 1000, P: 1, Q: 1").layer.live_inputs == 1000


@given(
    st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3),
    st.integers(0, 2), st.sampled_from(["conv", "deconv"]),
)  # fmt: skip
def test_stand_alone_sizes_go_there_and_back(
    outputs: int, taps: int, stride: int, dilation: int, pad: int, op: str
) -> None:
    from accelsim.workload.format import ConvLayer, DeconvLayer
    from accelsim.workload.shapes import ShapeError, infer
    from accelsim.workload.standalone import own_shapes

    keys = {"R": taps, "S": taps, "stride": stride, "dilation": dilation, "pad": pad, "K": 1}
    keys |= {"C": 1, "P": outputs, "Q": outputs}
    model = ConvLayer if op == "conv" else DeconvLayer
    spec = model.model_validate({"name": "it", "op": op} | {k: str(v) for k, v in keys.items()})
    try:
        shapes = own_shapes(spec, None)
    except ShapeError:
        return
    assert infer(spec, shapes, None, Widths()).out == (1, 1, outputs, outputs)


def test_resizing_keeps_parameters_and_changes_shapes() -> None:
    small, large = load_network("fcn_resnet50"), load_network("fcn_resnet50", input=(3, 540, 960))
    assert large.input_shape == (1, 3, 540, 960)
    assert large.nodes[-1].out_shape == (1, 21, 540, 960)
    assert small.params == large.params
    assert small.macs < large.macs
    # pooling to a given size makes VGG resizable although it has fcs
    assert load_network("vgg16", input=(3, 448, 448)).layer("fc6").out_shape == (1, 4096, 1, 1)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (
            "googlenet",
            (3, 448, 448),
            "googlenet_2014.yaml:110:5: layers[fc]: takes 1024x1x1 at the file's own size, gets"
            " 4096x1x1; only a fully convolutional network can be resized"
            " (input resized to 3x448x448)",
        ),
        (
            "vdsr",
            (3, 256, 256),
            " do not fit together; they are equal at the file's own size, keep its input channels"
            " (input resized to 3x256x256)",
        ),
        ("vgg16", (3, 0, 224), "input: `0` is too small; 1 to 1048576 are allowed"),
    ],
)
def test_resizing_that_is_refused(name: str, size: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError) as error:
        load_network(name, input=size)
    assert str(error.value).partition("networks/")[2].endswith(message) or (
        str(error.value) == message
    )


def test_options_that_are_refused(write: Any) -> None:
    for options, message in (
        ({"batch": 0}, "batch: `0` is too small; 1 to 1048576 are allowed"),
        ({"input": (3, 224)}, "input: 2 sizes are given; three are wanted, C, H, W"),
        ({"bits": 65}, "bits: `65` is too large; 1 to 64 are allowed"),
        ({"psum_bits": 0}, "psum_bits: `0` is too small; 1 to 64 are allowed"),
        (
            {"bits": {"weight": 8}},
            "bits: `weight` is no operand; known are weights, inputs, outputs, psums",
        ),
    ):
        with pytest.raises(InputError) as error:
            load_network("vgg16", **options)
        assert str(error.value) == message
    with pytest.raises(InputError, match="stand-alone layers have sizes of their own; only a file"):
        write("name: f, op: fc, C: 8, K: 8", head=ALONE, input=(3, 8, 8))
    with pytest.raises(InputError, match=r"at most 1099511627776 are allowed$"):
        load_network("vgg16", batch=2**20)


def test_layer_by_name() -> None:
    network = load_network("vgg16")
    assert network.layer("conv3_2").out_shape == (1, 256, 56, 56)
    with pytest.raises(InputError, match=r"no layer `conv9_1`; did you mean `conv._1`$"):
        network.layer("conv9_1")


def test_check_says_what_the_file_holds(write: Any, tmp_path: Path) -> None:
    write("name: f, op: fc, K: 10")
    path = tmp_path / "net.yaml"
    assert check_file(path) == f"{path}: network net, 1 layers, 36010 parameters, 36000 MACs"


def test_schema_has_every_operator_and_no_null() -> None:
    found = schema()
    assert found["required"] == ["name", "layers"]
    operators = found["properties"]["layers"]["items"]["discriminator"]["mapping"]
    assert len(operators) == 19
    conv = found["$defs"]["ConvLayer"]
    assert set(conv["required"]) == {"name", "op", "K", "R", "S"}
    assert "from" in conv["properties"]
    assert "null" not in str(found)


def test_shipped_networks_load_fast_and_hold_together() -> None:
    load_network("vgg16")  # builds the models
    start = time.process_time()
    networks = [load_network(name) for name in shipped_names("networks")]
    assert time.process_time() - start < 1
    for network in networks:
        assert network.source
        known = {"input": network.input_shape}
        for node in network.nodes:
            assert tuple(known[name] for name in node.inputs) == node.in_shapes
            known[node.name] = node.out_shape
            assert node.macs == (node.layer.macs if node.layer else 0)
