"""One training iteration as a list of operators over tensors: who makes, reads and overwrites what.

    forward of each layer, in file order
    the loss of each output of the network, forward and backward
    backward of each layer, last first: d-inputs and d-weights from d-outputs
    the optimizer

A *value* is what a layer or its gradient computes, a *tensor* the memory that holds it. Several
values may be one tensor: flatten, reshape, identity and in-place activations forward; backward the
gradients of what add and concat join are views of the gradient of their output. Where a value has
several readers their gradients are added up, in place where no other value is in that tensor.
What depends on no parameter, the input batch before all, has no gradient.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accelsim.spec import InputError
from accelsim.training.passes import depends_on_parameters
from accelsim.training.saved import Keeps, Saved, keeps
from accelsim.workload.network import Network, Node

Kind = Literal["parameters", "buffers", "optimizer", "input", "gradients", "activations", "deltas"]
Phase = Literal["forward", "loss", "backward", "optimizer"]
Optimizer = Literal["none", "sgd", "momentum", "adam"]
STATES: Mapping[Optimizer, int] = {"none": 0, "sgd": 0, "momentum": 1, "adam": 2}
"""Words of state that an optimizer keeps for each parameter."""
RESIDENT: tuple[Kind, ...] = ("parameters", "buffers", "optimizer", "gradients")
"""What cannot leave the device."""

_VIEWS = ("flatten", "reshape", "identity")
_MOVES_NOTHING_BACK = (*_VIEWS, "concat")


@dataclass(frozen=True, slots=True)
class Tensor:
    """Memory of so many bytes. `deltas` are gradients of activations, `gradients` of parameters."""

    name: str
    bytes: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Op:
    """One step of the iteration; `reads` and `writes` name tensors."""

    name: str
    phase: Phase
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """The iteration. `saved` are the tensors that forward keeps for backward, in order of birth.

    `tensor_of` says which tensor holds each layer's output.
    """

    network: Network
    batch: int
    ops: tuple[Op, ...]
    tensors: Mapping[str, Tensor]
    saved: tuple[str, ...]
    tensor_of: Mapping[str, str]


def training_graph(network: Network, saved: Saved = "torch", optimizer: Optimizer = "sgd") -> Graph:
    """Return one iteration of a network with a cross-entropy loss on each of its outputs.

    Raises InputError for a file of stand-alone layers, and where there is nothing to train.
    """
    if network.input_shape is None:
        raise InputError(f"{network.path}: stand-alone layers have no backward; give an `input`")
    if not network.params:
        raise InputError(f"{network.path}: no layer has parameters; there is nothing to train")
    build = _Build(network, saved)
    build.add("input", build.words("input"), "input")
    for node in network.nodes:
        build.forward(node)
    for output in build.outputs:
        build.loss(output)
    for output in reversed(build.outputs):
        build.loss_backward(output)
    for node in reversed(network.nodes):
        build.backward(node)
    if optimizer != "none":
        build.step(STATES[optimizer])
    return Graph(
        network, network.input_shape[0], tuple(build.ops), build.tensors, tuple(build.saved),
        build.tensor_of,
    )  # fmt: skip


@dataclass
class _Build:
    """The graph while it is built."""

    network: Network
    convention: Saved
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    saved: dict[str, None] = field(default_factory=dict)
    tensor_of: dict[str, str] = field(default_factory=lambda: {"input": "input"})
    delta_of: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = self.network
        assert network.input_shape is not None
        readers = Counter(name for node in network.nodes for name in node.inputs)
        self.readers = readers
        self.outputs = [node.name for node in network.nodes if not readers[node.name]]
        self.shape = {"input": network.input_shape} | {n.name: n.out_shape for n in network.nodes}
        self.bits = _word_bits(network)
        self.trained = depends_on_parameters(network)
        self.rules = {n.name: keeps(n, self.convention, self.bits[n.name]) for n in network.nodes}
        self.kept = self._kept()

    def words(self, value: str) -> int:
        """Bytes of a value."""
        return -(-math.prod(self.shape[value]) * self.bits[value] // 8)

    def add(self, name: str, size: int, kind: Kind) -> str:
        """A new tensor; returns its name."""
        self.tensors[name] = Tensor(name, size, kind)
        return name

    def forward(self, node: Node) -> None:
        """A layer's output, and what is made for its backward pass."""
        if node.op in _VIEWS:
            self.tensor_of[node.name] = self.tensor_of[node.inputs[0]]
            return
        rule, reads = self.rules[node.name], [self.tensor_of[name] for name in node.inputs]
        if node.params:
            reads.append(self.add(f"{node.name}.weights", self._parameters(node), "parameters"))
        if node.op == "norm" and node.kind == "batch":
            # running mean and variance, and a count of batches
            reads.append(self.add(f"{node.name}.running", 8 * node.out_shape[1] + 8, "buffers"))
        if self._in_place(node, rule):
            self.tensor_of[node.name] = reads[0]
        else:
            self.tensor_of[node.name] = self.add(node.name, self.words(node.name), "activations")
        writes = [self.tensor_of[node.name]]
        if self.trained[node.name]:
            for value in self._kept_by(node, rule):
                if self.tensor_of[value] != "input":
                    self.saved[self.tensor_of[value]] = None
            if more := self._more(node, rule):
                writes.append(self.add(more, -(-rule.more_bits // 8), "activations"))
                self.saved[more] = None
        self.ops.append(Op(node.name, "forward", tuple(reads), tuple(writes)))

    def loss(self, output: str) -> None:
        """Cross-entropy: log-probabilities, an int64 label per pixel, and the labels' weight."""
        batch, _, rows, cols = self.shape[output]
        made = [
            self.add(f"{output}.log_probs", self.words(output), "activations"),
            self.add(f"{output}.labels", 8 * batch * rows * cols + 4, "activations"),
        ]
        self.saved |= dict.fromkeys(made)
        made.append(self.add(f"{output}.loss", 4, "activations"))
        self.ops.append(Op(f"{output}.loss", "loss", (self.tensor_of[output],), tuple(made)))

    def loss_backward(self, output: str) -> None:
        """From the loss to the gradient of an output, by way of its log-probabilities'."""
        size = self.words(output)
        middle = self.add(f"d {output}.log_probs", size, "deltas")
        self.delta_of[output] = self.add(f"d {output}", size, "deltas")
        reads = tuple(f"{output}.{part}" for part in ("log_probs", "labels", "loss"))
        writes = middle, self.delta_of[output]
        self.ops.append(Op(f"{output}.loss", "backward", reads, writes))

    def backward(self, node: Node) -> None:
        """Gradients of a layer's parameters and of its inputs, from its output's."""
        if not self.trained[node.name]:
            return
        delta, rule = self.delta_of.pop(node.name), self.rules[node.name]
        if node.op in _MOVES_NOTHING_BACK or (node.op == "add" and self._same_shapes(node)):
            self._join(node, delta)
            return
        reads = [delta, *(self.tensor_of[value] for value in self._kept_by(node, rule))]
        if more := self._more(node, rule):
            reads.append(more)
        elif rule.unless_output:
            reads.append(self.tensor_of[node.name])
        writes = []
        if node.params:
            reads.append(f"{node.name}.weights")
            writes.append(self.add(f"d {node.name}.weights", self._parameters(node), "gradients"))
        for name in node.inputs:
            if not self.trained[name]:
                continue
            if rule.in_place and self.convention != "torch" and self._alone(delta):
                writes += self._receive(name, delta)
            else:
                made = self.add(f"d {name} of {node.name}", self.words(name), "deltas")
                writes += self._receive(name, made)
        reads = list(dict.fromkeys(reads))
        self.ops.append(Op(node.name, "backward", tuple(reads), tuple(dict.fromkeys(writes))))

    def step(self, states: int) -> None:
        """The optimizer reads every gradient, and updates parameters and state in place."""
        reads, writes = [], []
        for tensor in list(self.tensors.values()):
            if tensor.kind == "gradients":
                reads.append(tensor.name)
            if tensor.kind == "parameters":
                writes.append(tensor.name)
                if states:
                    name = f"{tensor.name}.state"
                    writes.append(self.add(name, states * tensor.bytes, "optimizer"))
        self.ops.append(Op("optimizer", "optimizer", tuple(reads), tuple(writes)))

    def _join(self, node: Node, delta: str) -> None:
        """The inputs' gradients are the output's, or views of it; sums of two are computed."""
        writes = []
        for name in node.inputs:
            if self.trained[name]:
                writes += [each for each in self._receive(name, delta) if each != delta]
        if writes:
            self.ops.append(Op(node.name, "backward", (delta,), tuple(dict.fromkeys(writes))))

    def _receive(self, value: str, made: str) -> list[str]:
        """Add one reader's gradient to the value's; returns the tensors that this writes."""
        held = self.delta_of.get(value)
        if held is None:
            self.delta_of[value] = made
            return [made]
        if self._alone(held, but=value):
            return [made, held]
        total = self.add(f"d {value} to {made}", self.words(value), "deltas")
        self.delta_of[value] = total
        return [made, held, total]

    def _alone(self, delta: str, but: str = "") -> bool:
        """Whether no value (but one) that still goes backward has its gradient in this tensor."""
        return all(held != delta or value == but for value, held in self.delta_of.items())

    def _same_shapes(self, node: Node) -> bool:
        return all(shape == node.out_shape for shape in node.in_shapes)

    def _parameters(self, node: Node) -> int:
        bits = node.layer.widths.weights if node.layer else 0
        return -(-node.params * bits // 8)

    def _in_place(self, node: Node, rule: Keeps) -> bool:
        source = node.inputs[0]
        return rule.in_place and source not in self.kept and self.readers[source] == 1

    def _kept(self) -> set[str]:
        """Values that someone keeps, and what may not be overwritten: the input batch."""
        found = {"input"}
        for node in self.network.nodes:
            if self.trained[node.name]:
                found.update(self._kept_by(node, self.rules[node.name]))
        return found

    def _kept_by(self, node: Node, rule: Keeps) -> list[str]:
        return [*(node.inputs if rule.inputs else ()), *((node.name,) if rule.output else ())]

    def _more(self, node: Node, rule: Keeps) -> str | None:
        """The tensor that is made for the backward pass alone, if there is one."""
        if not rule.more_bits or (rule.unless_output and self._output_is_kept(node)):
            return None
        return f"{node.name}.more"

    def _output_is_kept(self, node: Node) -> bool:
        """Whether the output, or a view of it, is kept by someone."""
        views, found = {node.name}, node.name in self.kept
        for other in self.network.nodes:
            if other.op in _VIEWS and other.inputs[0] in views:
                views.add(other.name)
                found |= other.name in self.kept
        return found


def _word_bits(network: Network) -> dict[str, int]:
    """Width of each value: its layer's; a layer that moves nothing takes its first input's."""
    bits: dict[str, int] = {}
    for node in network.nodes:
        if "input" in node.inputs and node.layer is not None:
            bits.setdefault("input", node.layer.widths.inputs)
    bits.setdefault("input", 32)
    for node in network.nodes:
        bits[node.name] = node.layer.widths.outputs if node.layer else bits[node.inputs[0]]
    return bits
