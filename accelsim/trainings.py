"""Networks in training: what is on the device while an iteration runs, operator by operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from accelsim.results import Result, Row
from accelsim.simulate import result_meta
from accelsim.spec import InputError
from accelsim.training.graph import Optimizer, training_graph
from accelsim.training.memory import CATEGORIES, Memory
from accelsim.training.saved import SAVED, Saved
from accelsim.units import parse_choice
from accelsim.workload.format import BitWidths
from accelsim.workload.network import Network, load_network

WORD_BITS = BitWidths.model_validate(dict.fromkeys(BitWidths.model_fields, "32"))
"""Widths in training where nothing else is given."""


@dataclass(frozen=True)
class TrainResult(Result):
    """What `train` found; `memory` holds the operators and the lives of all tensors."""

    memory: Memory | None = None


def train(
    network: str | Path | Network,
    *,
    saved: Saved = "torch",
    optimizer: Optimizer = "sgd",
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | Mapping[str, int] | None = None,
    psum_bits: int | None = None,
) -> TrainResult:
    """Return the memory of one training iteration with a cross-entropy loss, nothing offloaded.

    A row per operator: forward in file order, loss, backward, optimizer. `saved` is the convention
    of what forward keeps for backward (`accelsim.training.saved`), `optimizer` says what is kept
    per parameter. Words are 32 bits where nothing else is given; the rest is as for
    `load_network`, and does not apply to a Network that is already loaded. Raises InputError for a
    fault of files or arguments.
    """
    for option, value, known in (
        ("saved", saved, SAVED),
        ("optimizer", optimizer, get_args(Optimizer)),
    ):
        try:
            parse_choice(value, known)
        except ValueError as error:
            raise InputError(f"{option}: {error}") from None
    if not isinstance(network, Network):
        network = load_network(
            network, batch=batch, input=input, bits=bits, psum_bits=psum_bits, word_bits=WORD_BITS
        )
    memory = Memory(training_graph(network, saved, optimizer))
    meta = result_meta("train", (network,), "single", saved)
    return TrainResult(
        meta={**meta, "saved": saved, "optimizer": optimizer, "policy": "keep_all"},
        table=_rows(memory),
        summary=_summary(memory),
        memory=memory,
    )


def _rows(memory: Memory) -> tuple[Row, ...]:
    """A row per operator; `*_bytes` of the categories add up to live_bytes."""
    live = {each: memory.live_bytes[each].tolist() for each in CATEGORIES}
    total, working = memory.total_bytes.tolist(), memory.working_bytes.tolist()
    return tuple(
        {
            "network": memory.graph.network.name,
            "layer": op.name,
            "pass": op.phase,
            "start": at,
            "live_bytes": total[at],
            **{f"{each}_bytes": live[each][at] for each in CATEGORIES},
            "working_bytes": working[at],
        }
        for at, op in enumerate(memory.graph.ops)
    )


def _summary(memory: Memory) -> dict[str, Any]:
    graph, peak = memory.graph, memory.peak_at
    return {
        "batch": graph.batch,
        "saved_bytes": memory.saved_bytes,
        "parameter_bytes": memory.bytes_of("parameters"),
        "gradient_bytes": memory.bytes_of("gradients"),
        "optimizer_bytes": memory.bytes_of("optimizer"),
        "peak_bytes": memory.peak_bytes,
        "structural_min_bytes": memory.structural_min_bytes,
        "peak_start": peak,
        "peak_layer": graph.ops[peak].name,
        "peak_pass": graph.ops[peak].phase,
        "peak": {f"{each}_bytes": int(memory.live_bytes[each][peak]) for each in CATEGORIES},
        "structural_min_layer": graph.ops[memory.structural_at].name,
        "saved_tensors": [_waiting(memory, name) for name in graph.saved],
    }


def _waiting(memory: Memory, name: str) -> Row:
    """A saved tensor: between which operators it lies idle, and how many run meanwhile."""
    life, ops = memory.lives[name], memory.graph.ops
    return {
        "tensor": name,
        "bytes": memory.graph.tensors[name].bytes,
        "made_start": life.birth,
        "idle_from_start": life.forward_last,
        "idle_to_start": life.backward_first,
        "idle_ops": life.idle_ops,
        "needed_by": ops[life.backward_first].name,
    }
