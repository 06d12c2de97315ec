"""An iteration of small networks by hand: who keeps what, when it is live, how gradients add up."""

from __future__ import annotations

from typing import Any

import pytest

from accelsim.spec import InputError
from accelsim.training.graph import training_graph
from accelsim.training.memory import Memory
from accelsim.trainings import WORD_BITS, train
from accelsim.workload.network import Network, load_network


@pytest.fixture
def write(tmp_path) -> Any:
    def build(*layers: str, batch: int = 3) -> Network:
        path = tmp_path / "net.yaml"
        lines = "".join(f"  - {{{layer}}}\n" for layer in layers)
        path.write_text(f"name: net\ninput: {{C: 2, H: 4, W: 4}}\nlayers:\n{lines}")
        return load_network(path, batch=batch, word_bits=WORD_BITS)

    return build


SMALL = (
    "name: a, op: conv, K: 4, R: 1, S: 1, bias: false, act: relu",
    "name: pool, op: pool, kind: max, R: 2, S: 2",
    "name: flat, op: flatten",
    "name: fc, op: fc, K: 5",
)


def conv(name: str, more: str = "") -> str:
    return f"name: {name}, op: conv, K: 2, R: 1, S: 1, bias: false{more}"


@pytest.mark.parametrize(
    ("saved", "kept"),
    [
        # 3 images: a is 3·4·16 words, the pooled 3·4·4, the logits 3·5; labels 8 B each, and 4 B
        ("torch", {"a": 768, "pool.more": 8 * 48, "pool": 192}),
        ("vdnn", {"a": 768, "pool": 192}),
        ("ideal", {"a.act.more": 192 // 8, "pool.more": 48 * 2 // 8, "pool": 192}),
    ],
)
def test_what_is_kept(write, saved, kept):
    graph = training_graph(write(*SMALL), saved)
    found = {name: graph.tensors[name].bytes for name in graph.saved}
    assert found == {**kept, "fc.log_probs": 60, "fc.labels": 28}


def test_relu_needs_no_mask_where_its_output_is_kept(write):
    graph = training_graph(write(conv("a", ", act: relu"), conv("b")), "ideal")
    assert graph.saved == ("a", "b.log_probs", "b.labels")
    through_a_view = (conv("a", ", act: relu"), "name: f, op: flatten", "name: fc, op: fc, K: 3")
    assert training_graph(write(*through_a_view), "ideal").saved[0] == "a"


def test_live_bytes_by_hand(write):
    memory = Memory(training_graph(write(conv("a"), conv("b"), batch=1), "torch", "momentum"))
    # 16-byte weights twice, their momenta; the input batch and each activation 128 B
    always = 2 * 16 + 2 * 16 + 128
    log, labels, loss = 128, 8 * 16 + 4, 4
    expected = [
        ("a", always + 128),
        ("b", always + 256),
        ("b.loss", always + 256 + log + labels + loss),
        ("b.loss", always + 128 + log + labels + loss + 128 + 128),  # d log_probs, d b
        ("b", always + 128 + 128 + 16 + 128),  # d b, d weights, d a
        ("a", always + 128 + 16 + 16),
        ("optimizer", always + 32),
    ]
    names = [op.name for op in memory.graph.ops]
    assert list(zip(names, memory.total_bytes.tolist(), strict=True)) == expected
    assert memory.lives["a"].idle_ops == 2  # from b forward to b backward: the loss, twice
    assert memory.structural_min_bytes == 64 + 128 + log + labels + loss + 128


def ops_back(graph):
    return [(op.name, op.writes) for op in graph.ops if op.phase == "backward"][1:]


def test_an_adds_gradient_is_both_its_inputs(write):
    layers = conv("a"), conv("b"), "name: sum, op: add, from: [a, b]", conv("c")
    b, a = ops_back(training_graph(write(*layers)))[1:]
    # b's d-input joins what a has of the sum already: in place, as b is done with it
    assert b == ("b", ("d b.weights", "d a of b", "d sum of c"))
    assert a == ("a", ("d a.weights",))


def test_a_shared_gradient_is_not_overwritten(write):
    layers = (
        conv("a"), conv("b"), "name: low, op: add, from: [a, b]",
        "name: high, op: add, from: [a, b]", "name: both, op: concat, from: [low, high]", conv("c"),
    )  # fmt: skip
    graph = training_graph(write(*layers))
    low = next(op for op in graph.ops if op.name == "low" and op.phase == "backward")
    sums = [name for name in low.writes if name.startswith("d a to")]
    assert len(sums) == 1 and graph.tensors[sums[0]].bytes == 3 * 32 * 4


def test_layers_before_the_first_parameter_have_no_backward(write):
    layers = "name: half, op: pool, kind: avg, R: 2, S: 2", conv("a"), conv("b")
    graph = training_graph(write(*layers))
    assert [name for name, _ in ops_back(graph)] == ["b", "a"]
    assert "d half of a" not in graph.tensors
    assert graph.saved == ("half", "a", "b.log_probs", "b.labels")


@pytest.mark.parametrize(("out", "kept"), [("out: 1", False), ("R: 4, S: 4", True)])
def test_a_mean_keeps_nothing_a_window_its_input(write, out, kept):
    layers = conv("a"), "name: p, op: pool, kind: avg, " + out, "name: fc, op: fc, K: 3"
    assert ("a" in training_graph(write(*layers)).saved) == kept


@pytest.mark.parametrize(("optimizer", "words"), [("none", 0), ("sgd", 0), ("adam", 2)])
def test_optimizer_state(write, optimizer, words):
    memory = train(write(*SMALL), optimizer=optimizer).memory
    assert memory.bytes_of("optimizer") == words * memory.bytes_of("parameters")
    assert (memory.graph.ops[-1].name == "optimizer") == (optimizer != "none")


def test_widths(write, tmp_path):
    write(*SMALL)
    half = train(tmp_path / "net.yaml", bits=16).summary
    full = train(tmp_path / "net.yaml").summary
    assert 2 * half["parameter_bytes"] == full["parameter_bytes"] == 4 * (8 + 85)


def test_nothing_to_train(write, tmp_path):
    with pytest.raises(InputError, match="no layer has parameters"):
        training_graph(write("name: p, op: pool, kind: avg, R: 2, S: 2"))
    with pytest.raises(InputError, match="saved: "):
        train("alexnet", saved="trch")
    path = tmp_path / "alone.yaml"
    path.write_text("name: alone\nlayers:\n  - {name: a, op: fc, K: 2, C: 3}\n")
    with pytest.raises(InputError, match="stand-alone layers have no backward"):
        train(path)
