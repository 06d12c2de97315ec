"""Claims held against executions: what min-sram says and what replay counts, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from accelsim import __version__
from accelsim.choosing import LayerRun
from accelsim.claims import Claim
from accelsim.dataflow.schedule import Buffering
from accelsim.dataflow.schedule_file import from_yaml
from accelsim.frontiers import FrontierResult
from accelsim.replay import DoesNotFit, Replayed, replay_stream
from accelsim.replay import replay as execute
from accelsim.results import Result, Row
from accelsim.runs import RunResult
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


def with_counts(claimed: MinSram, counted: Verified) -> MinSram:
    """Add to each row of `min_sram` what its replay counted."""
    table = []
    for row, found in zip(claimed.table, counted.table, strict=True):
        more = {name: value for name, value in found.items() if name.startswith("counted_")}
        agreed = {"replay_result": found["result"], "replay_agrees": found["agrees"]}
        table.append({**row, **more, **agreed})
    summary = {**claimed.summary, "replay_agrees": counted.agrees}
    return changed(claimed, table=tuple(table), summary=summary)


def verify_frontier(
    claimed: FrontierResult, *, seed: int = 0, progress: Progress | None = None
) -> FrontierResult:
    """Execute every row's schedule within exactly its capacity and add what was counted.

    Rows that differ only in the layer's name run once.
    """
    known: dict[tuple[Layer, int], Row] = {}
    table = []
    for row, claim in zip(claimed.table, claimed.claims, strict=True):
        key = changed(claim.layer, name=""), claim.point.bits
        if key not in known:
            name = f"{row['layer']} {row['sram_bytes']} B"
            tell = _teller(progress, name, claim.layer.useful_macs)
            known[key] = _counted_claim(claim, claimed.meta["buffering"], seed, tell)
        table.append({**row, **known[key]})
    agreed = sum(row["replay_agrees"] == "yes" for row in table)
    more = {"replay_agrees": agreed == len(table), "rows": len(table), "rows_agreed": agreed}
    return changed(claimed, table=tuple(table), summary={**claimed.summary, **more})


def verify_run(claimed: RunResult, *, seed: int = 0, progress: Progress | None = None) -> RunResult:
    """Execute every layer's schedule within exactly its SRAM and add what was counted.

    Where operands have buffers of their own, and where words only pass by in chunks, the SRAM that
    is counted may be less than what is claimed, never more. Layers that differ only in name run
    once an accelerator.
    """
    known: dict[tuple[str, Layer], Row] = {}
    apart = {device.name: not isinstance(device.sram_bytes, int) for device in claimed.accelerators}
    buffering = {device.name: device.buffering for device in claimed.accelerators}
    table = []
    for row, run in zip(claimed.table, claimed.runs, strict=True):
        device = str(row["accelerator"])
        key = device, changed(run.layer, name="")
        if key not in known:
            tell = _teller(progress, str(row["layer"]), run.layer.useful_macs)
            at_most = apart[device] or not run.layer.macs
            known[key] = _counted_run(run, at_most, cast(Buffering, buffering[device]), seed, tell)
        table.append({**row, **known[key]})
    agreed = sum(row["replay_agrees"] == "yes" for row in table)
    more = {"replay_agrees": agreed == len(table), "rows": len(table), "rows_agreed": agreed}
    return changed(claimed, table=tuple(table), summary={**claimed.summary, **more})


def _counted_run(
    run: LayerRun,
    at_most: bool,
    buffering: Buffering,
    seed: int,
    tell: Callable[[int], None] | None,
) -> Row:
    """What the execution of a layer counted, and whether it is what its row says."""
    claimed = sum(run.choice.held_bits)
    try:
        if run.schedule is None:
            assert isinstance(run.layer, Stream)
            done = replay_stream(run.layer, claimed, buffering)
        else:
            done = execute(run.schedule, claimed, seed=seed, progress=tell)
    except DoesNotFit as error:
        return _counts(error.bits, (0, 0, 0, 0, 0), False)
    moved = _words_of(done)
    agrees = done.correct and done.macs == run.layer.useful_macs and moved == run.choice.traffic
    return _counts(done.peak_bits, moved, agrees and (at_most or done.peak_bits == claimed))


def _words_of(done: Replayed) -> tuple[int, int, int, int, int]:
    return (
        done.weights_read_words, done.inputs_read_words, done.outputs_write_words,
        done.psums_read_words, done.psums_write_words,
    )  # fmt: skip


def _counts(bits: int, moved: tuple[int, ...], agrees: bool) -> Row:
    names = ("weights_read", "inputs_read", "outputs_write", "psums_read", "psums_write")
    return {
        "counted_sram_bits": bits,
        **{f"counted_{name}_words": n for name, n in zip(names, moved, strict=True)},
        "replay_agrees": "yes" if agrees else "no",
    }


def _counted_claim(
    claim: Claim, buffering: Buffering, seed: int, tell: Callable[[int], None] | None
) -> Row:
    """What the execution of one row counted, and whether it is what the row says."""
    try:
        if claim.schedule is None:
            assert isinstance(claim.layer, Stream)
            done = replay_stream(claim.layer, claim.point.bits, buffering)
        else:
            done = execute(claim.schedule, claim.point.bits, seed=seed, progress=tell)
    except DoesNotFit as error:
        return _counts(error.bits, (0, 0, 0, 0, 0), False)
    bits, moved = done.peak_bits, _words_of(done)
    right = done.correct and done.macs == claim.layer.useful_macs
    return _counts(bits, moved, right and bits == claim.point.bits and moved == claim.traffic)


def replay_file(path: str | Path, sram_bytes: int | None = None) -> Verified:
    """Execute the schedule of a YAML file and say whether `sram_bytes` are enough for it.

    Nothing is claimed but useful MACs, right results and that it fits. Raises InputError for a
    file that holds no schedule.
    """
    schedule = from_yaml(path)
    layer = schedule.layer
    done = execute(schedule)
    row = _executed(layer.useful_macs, done)
    if sram_bytes is not None and done.peak_bits > 8 * sram_bytes:
        row |= {"result": "does not fit", "agrees": "no"}
    agrees = row["agrees"] == "yes"
    name: Row = {"network": "", "layer": layer.name, "op": layer.op}
    return Verified(
        meta={
            "version": __version__,
            "command": "replay",
            "inputs": {str(path): sha256(Path(path).read_bytes()).hexdigest()},
            "convention": "exact",
            "buffering": schedule.buffering,
        },
        table=({**name, **row},),
        summary={"agrees": agrees, "layers": 1, "layers_agreed": int(agrees)},
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
    share = done.groups / done.all_groups if done else 1
    weights, inputs, outputs = (round(count * share) for count in need.layer.words)
    row = _executed(round(need.layer.useful_macs * share), done)
    row |= {
        "claimed_sram_bits": need.peak.bits,
        "counted_sram_bits": counted_bits,
        "claimed_weights_read_words": weights,
        "claimed_inputs_read_words": inputs,
        "claimed_outputs_write_words": outputs,
    }
    same = all(
        row[f"claimed_{name}"] == row[f"counted_{name}"]
        for name in ("sram_bits", *(f"{operand}_words" for operand in _TRAFFIC))
    )
    once = row["counted_psums_words"] == 0
    return {**row, "agrees": "yes" if same and once and row["agrees"] == "yes" else "no"}


_TRAFFIC = ("weights_read", "inputs_read", "outputs_write")


def _executed(useful_macs: int, done: Replayed | None) -> Row:
    """The columns of an execution (None: it did not fit) that claims no more than its MACs."""
    words = (
        (done.weights_read_words, done.inputs_read_words, done.outputs_write_words)
        if done else (0, 0, 0)
    )  # fmt: skip
    spilled = done.psums_read_words + done.psums_write_words if done else 0
    macs, bits = (done.macs, done.peak_bits) if done else (0, 0)
    right = done is not None and done.correct and macs == useful_macs
    row: Row = {
        "groups_replayed": done.groups if done else 0,
        "groups": done.all_groups if done else 0,
        "claimed_sram_bits": bits,
        "counted_sram_bits": bits,
    }
    for name, count in zip(_TRAFFIC, words, strict=True):
        row |= {f"claimed_{name}_words": count, f"counted_{name}_words": count}
    return {
        **row,
        "counted_psums_words": spilled,
        "claimed_macs": useful_macs,
        "counted_macs": macs,
        "result": ("right" if done.correct else "wrong") if done else "does not fit",
        "agrees": "yes" if right else "no",
    }
