"""Training memory against PyTorch's own accounts: what autograd saves, and the peak."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelsim.training.graph import training_graph
from accelsim.training.memory import Memory
from accelsim.workload.format import BitWidths
from accelsim.workload.network import load_network

NETS = json.loads((Path(__file__).parents[1] / "data/training_memory.json").read_text())["nets"]
CASES = [(name, batch) for name, batches in NETS.items() for batch in batches]
WORDS = BitWidths.model_validate(dict.fromkeys(BitWidths.model_fields, "32"))


def memory_of(name, batch, saved="torch", optimizer="momentum"):
    return Memory(
        training_graph(load_network(name, batch=batch, word_bits=WORDS), saved, optimizer)
    )


@pytest.mark.parametrize(("name", "batch"), CASES)
def test_saved_bytes_and_peak(name, batch):
    truth, found = NETS[name][batch], memory_of(name, int(batch))
    assert found.saved_bytes == truth["saved_activation_bytes"]
    assert found.bytes_of("parameters") == truth["param_bytes"] == found.bytes_of("optimizer")
    assert found.bytes_of("gradients") == truth["grad_bytes"]
    assert found.bytes_of("buffers") == truth["buffer_bytes"]
    assert found.peak_bytes == pytest.approx(truth["peak"]["Total"], rel=0.005)


@pytest.mark.parametrize("name", NETS)
def test_each_saved_tensor(name):
    """Tensor by tensor; ours holds the labels and their weight, 8 + 4 bytes, in one."""
    graph = memory_of(name, 1).graph
    found = sorted(graph.tensors[tensor].bytes for tensor in graph.saved)
    found.remove(12)
    truth = list(NETS[name]["1"]["saved_storage_bytes"])
    truth.remove(8)
    truth.remove(4)
    stats = sum(2 * node.out_shape[1] * 4 for node in graph.network.nodes if node.op == "norm")
    assert sum(found) == sum(truth)
    if not stats:  # a norm's mean and deviation are two tensors there, one of ours
        assert found == truth


@pytest.mark.parametrize(("name", "batch"), CASES)
def test_at_the_turn_only_what_is_saved_is_left(name, batch):
    truth, found = NETS[name][batch]["end_of_forward"], memory_of(name, int(batch))
    turn = next(at for at, op in enumerate(found.graph.ops) if op.phase == "backward")
    left = sum(
        found.graph.tensors[tensor].bytes
        for tensor, life in found.lives.items()
        if life.birth < turn <= life.last and found.graph.tensors[tensor].kind == "activations"
    )
    assert left == truth["Activation"]


def test_vgg16_structural_minimum():
    """vDNN's case: conv1_2 backward holds x, dy and dx, 64·224·224 words of 256 images each.

    All gradients are there already but conv1_1's, 1,792 words.
    """
    found = memory_of("vgg16", 256, "vdnn", "sgd")
    largest = 3 * 4 * 256 * 64 * 224 * 224
    assert found.structural_min_bytes == largest + 4 * (2 * 138_357_544 - 1_792)
    assert 10.9e9 <= found.structural_min_bytes <= 11.0e9
