"""Bytes on the device during one training iteration: the peak, its moment, what it is made of.

A tensor is live from the operator that first writes it to the last that reads or writes it;
parameters, buffers, optimizer state and the input batch all the time, gradients of parameters until
the iteration ends. Memory of an operator is the sum of what is live while it runs: frees happen
after it, fragmentation and convolution workspace are not modelled.

The structural minimum is what no offloading can go below while layers stay whole: the largest
operator's own working set, beside what cannot leave and is there at that moment:

    max over operators of (parameters + buffers + optimizer state + gradients so far + the rest
                           that the operator touches)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from accelsim.training.graph import RESIDENT, Graph, Kind
from accelsim.workload.layer import Int64

CATEGORIES = (
    "parameters", "buffers", "optimizer", "gradients", "input", "saved", "transient",
)  # fmt: skip
"""What memory is divided into; `transient` are activations not kept, and their gradients."""
_ALWAYS: tuple[Kind, ...] = ("parameters", "buffers", "optimizer", "input")


@dataclass(frozen=True, slots=True)
class Life:
    """When a tensor is live: operators `birth` to `last`, both included.

    A saved tensor is idle between `forward_last`, the last operator of the forward pass that
    touches it, and `backward_first`, the first of the backward pass that reads it.
    """

    birth: int
    last: int
    forward_last: int
    backward_first: int

    @property
    def idle_ops(self) -> int:
        """Operators that run while the tensor waits."""
        return max(0, self.backward_first - self.forward_last - 1)


@dataclass(frozen=True)
class Memory:
    """The memory of a graph under the policy keep_all: nothing leaves the device."""

    graph: Graph

    @cached_property
    def lives(self) -> dict[str, Life]:
        """When each tensor is live."""
        ops = self.graph.ops
        touched: dict[str, list[int]] = {name: [] for name in self.graph.tensors}
        for at, op in enumerate(ops):
            for name in dict.fromkeys((*op.reads, *op.writes)):
                touched[name].append(at)
        turn = next(at for at, op in enumerate(ops) if op.phase == "backward")
        lives = {}
        for name, tensor in self.graph.tensors.items():
            moments = touched[name] or [0]
            first, last = moments[0], moments[-1]
            if tensor.kind in _ALWAYS:
                first, last = 0, len(ops) - 1
            elif tensor.kind == "gradients":
                last = len(ops) - 1
            before = max((at for at in moments if at < turn), default=first)
            after = min((at for at in moments if at >= turn), default=last)
            lives[name] = Life(first, last, before, after)
        return lives

    @cached_property
    def live_bytes(self) -> dict[str, Int64]:
        """Live bytes while each operator runs, by category: arrays of shape (ops,)."""
        saved = set(self.graph.saved)
        steps = {each: np.zeros(len(self.graph.ops) + 1, np.int64) for each in CATEGORIES}
        for name, tensor in self.graph.tensors.items():
            category = "saved" if name in saved else str(tensor.kind)
            life, change = self.lives[name], steps.get(category, steps["transient"])
            change[life.birth] += tensor.bytes
            change[life.last + 1] -= tensor.bytes
        return {each: np.cumsum(change)[:-1] for each, change in steps.items()}

    @cached_property
    def total_bytes(self) -> Int64:
        """Live bytes while each operator runs: shape (ops,)."""
        total: Int64 = np.array(list(self.live_bytes.values())).sum(axis=0)
        return total

    @property
    def peak_at(self) -> int:
        """The operator at which memory is largest, the first of equals."""
        return int(np.argmax(self.total_bytes))

    @property
    def peak_bytes(self) -> int:
        """The most that is live at once."""
        return int(self.total_bytes.max())

    @property
    def saved_bytes(self) -> int:
        """Bytes that the forward pass keeps for the backward pass."""
        return sum(self.graph.tensors[name].bytes for name in self.graph.saved)

    def bytes_of(self, kind: Kind) -> int:
        """Bytes of all tensors of a kind."""
        return sum(each.bytes for each in self.graph.tensors.values() if each.kind == kind)

    @cached_property
    def working_bytes(self) -> Int64:
        """What each operator touches beside what cannot leave: shape (ops,)."""
        tensors = self.graph.tensors
        return np.array([
            sum(
                tensors[name].bytes
                for name in {*op.reads, *op.writes}
                if tensors[name].kind not in RESIDENT
            )
            for op in self.graph.ops
        ], np.int64)  # fmt: skip

    @property
    def structural_at(self) -> int:
        """The operator that decides the structural minimum, the first of equals."""
        return int(np.argmax(self._least_bytes))

    @property
    def structural_min_bytes(self) -> int:
        """The least device memory on which whole layers can be trained."""
        return int(self._least_bytes.max())

    @cached_property
    def _least_bytes(self) -> Int64:
        total: Int64 = self.working_bytes + sum(self.live_bytes[each] for each in RESIDENT)
        return total
