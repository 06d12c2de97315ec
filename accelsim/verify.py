"""Claims held against executions: what min-sram says and what replay counts, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from accelsim.dataflow.schedule import Buffering
from accelsim.replay import DoesNotFit, Replayed, replay_stream
from accelsim.replay import replay as execute
from accelsim.results import Result, Row
from accelsim.simulate import LayerNeed, MinSram, min_sram
from accelsim.workload.layer import Layer, Stream
from accelsim.workload.network import Network

Progress = Callable[[str, int, int], None]
"""Called with the layer's name, the MACs just done and the layer's MACs."""


@dataclass(frozen=True)
class Verified(Result):
    """Claimed and counted figures side by side; `agrees` is False if any layer differs."""

    @property
    def agrees(self) -> bool:
        """Whether every layer was executed as claimed."""
        return bool(self.summary["agrees"])


def replay(
    networks: str | Path | Network | Sequence[str | Path | Network],
    *,
    sample: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **search: Any,
) -> Verified:
    """Execute the schedules that `min_sram` claims for a network; `search` is what it takes.

    Raises InputError as `min_sram` does.
    """
    claimed = min_sram(networks, **search)
    return verify(claimed, sample=sample, seed=seed, progress=progress)


def verify(
    claimed: MinSram,
    *,
    sample: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Verified:
    """Execute every layer's witness within exactly the claimed bits, on random integers.

    Layers that differ only in name run once. `sample` executes so many of each layer's groups,
    chosen by `seed`; the rows say how many of how many.
    """
    known: dict[Layer, Row] = {}
    rows: list[Row] = []
    for row, need in zip(claimed.table, claimed.needs, strict=True):
        key = changed(need.layer, name="")
        if key not in known:
            tell = _teller(progress, str(row["layer"]), need.layer.useful_macs)
            known[key] = _counted(need, claimed.meta["buffering"], sample, seed, tell)
        rows.append({name: row[name] for name in ("network", "layer", "op")} | known[key])
    agreed = sum(row["agrees"] == "yes" for row in rows)
    return Verified(
        meta={**claimed.meta, "command": "replay"},
        table=tuple(rows),
        summary={"agrees": agreed == len(rows), "layers": len(rows), "layers_agreed": agreed},
    )


def _teller(progress: Progress | None, name: str, macs: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    progress(name, 0, macs)
    return lambda done: progress(name, done, macs)


def _counted(
    need: LayerNeed,
    buffering: Buffering,
    sample: int | None,
    seed: int,
    tell: Callable[[int], None] | None,
) -> Row:
    """One layer's claims and counts, as the columns of a row."""
    bits = need.peak.bits
    try:
        if isinstance(need.layer, Stream):
            done = replay_stream(need.layer, bits, buffering)
        else:
            assert need.schedule is not None
            done = execute(need.schedule, bits, seed=seed, sample=sample, progress=tell)
    except DoesNotFit as error:
        return _row(need, None, error.bits)
    return _row(need, done, done.peak_bits)


def _row(need: LayerNeed, done: Replayed | None, counted_bits: int) -> Row:
    """Claims are for the groups that ran: the layer's, or their share."""
    groups = done.groups if done else 0
    share = groups / done.all_groups if done else 1
    words = [round(count * share) for count in need.layer.words]
    macs = round(need.layer.useful_macs * share)
    counted = (
        (done.weights_read_words, done.inputs_read_words, done.outputs_write_words)
        if done else (0, 0, 0)
    )  # fmt: skip
    spills = done.psums_read_words + done.psums_write_words if done else 0
    agrees = (
        done is not None
        and done.correct
        and counted_bits == need.peak.bits
        and counted == tuple(words)
        and spills == 0
        and done.macs == macs
    )
    return {
        "groups_replayed": groups,
        "groups": done.all_groups if done else 0,
        "claimed_sram_bits": need.peak.bits,
        "counted_sram_bits": counted_bits,
        "claimed_weights_read_words": words[0],
        "counted_weights_read_words": counted[0],
        "claimed_inputs_read_words": words[1],
        "counted_inputs_read_words": counted[1],
        "claimed_outputs_write_words": words[2],
        "counted_outputs_write_words": counted[2],
        "counted_psums_words": spills,
        "claimed_macs": macs,
        "counted_macs": done.macs if done else 0,
        "result": ("right" if done.correct else "wrong") if done else "does not fit",
        "agrees": "yes" if agrees else "no",
    }


# Loading the package accelsim.replay made `accelsim.replay` that package; people call the function.
setattr(sys.modules["accelsim"], "replay", replay)  # noqa: B010
