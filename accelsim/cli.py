"""The command line: a function per command, every fault one line, nothing but data on stdout.

Exit codes: 0 done; 1 our bug; 2 bad command or input; 3 the honest answer is no; 130 Ctrl-C.
Commands import what they need when they run: `--help` stays instant, `min-sram` without numba.
"""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from accelsim import __version__, options
from accelsim.options import Parser, UsageError, right_word
from accelsim.units import format_bytes, quote

if TYPE_CHECKING:
    from accelsim.results import Result, Row
    from accelsim.verify import Verified


class _StdoutError(Exception):
    """Stdout is closed or full; its cause is the OSError."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, without the program's name, and return its exit code."""
    if "numpy" not in sys.modules:  # a process of our own
        # no BLAS here: its idle threads would be a sixth of the whole command's CPU time
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # commands keep what they make: looking for garbage in it would be a tenth of their time
        gc.set_threshold(100_000)
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    except SystemExit as done:  # argparse printed the help that was asked for
        return int(done.code or 0)
    except KeyboardInterrupt:
        return _say("accelsim: stopped", 130)
    except _StdoutError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python still holds goes nowhere
        if isinstance(error.__cause__, BrokenPipeError):
            return 0  # the reader had enough: `accelsim ... | head`
        return _say(f"accelsim: stdout cannot be written: {error}; use -o FILE", 2)
    except UsageError as error:
        return _say(str(error), 2)
    except Exception as error:
        from accelsim.spec import InputError

        if isinstance(error, InputError):
            return _say(str(error), 2)
        if os.environ.get("ACCELSIM_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        again = "ACCELSIM_DEBUG=1 shows the traceback"
        return _say(f"accelsim: our bug, please report it: {what[:400]} ({again})", 1)


@dataclass(frozen=True)
class _Command:
    usage: str
    help: str
    add_options: Callable[[Parser], None]
    run: Callable[[Namespace], int]


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        _write(_help())
        return 0
    if name == "--version":
        _write(f"accelsim {__version__}\n")
        return 0
    if name not in COMMANDS:
        what = "option" if name.startswith("-") else "command"
        right = right_word(name, (*COMMANDS, "--help", "--version"))
        raise UsageError(f"accelsim: unknown {what} {quote(name)}; {right}")
    command = COMMANDS[name]
    parser = Parser(name, command.usage, command.help)
    command.add_options(parser)
    return command.run(parser.read(arguments[1:]))


def _min_sram(given: Namespace) -> int:
    from accelsim.spec import shipped_names

    if bool(given.networks) == given.all:
        raise UsageError("accelsim min-sram: name networks, or --all")
    if given.all:
        given.networks = shipped_names("networks")
    if given.accelerator:
        return _stall_free(given)
    for option in ("at", "latency"):
        if getattr(given, option) is not None:
            raise UsageError(f"accelsim min-sram: --{option} is for -a ACC, which says the array")
    from accelsim.report.tables import assumptions, limiting_row, min_sram_text
    from accelsim.simulate import min_sram

    found = min_sram(given.networks, layer=given.layer, families=given.families, **_search(given))
    code = 0
    if given.replay:
        from accelsim.report.progress import replay_progress
        from accelsim.verify import verify, with_counts

        with replay_progress() as progress:
            counted = verify(found, progress=progress)
        found, code = with_counts(found, counted), _tell_agreement("min-sram", counted)
    chosen = _format(given)
    if chosen == "table":
        _write(min_sram_text(found, _terminal_columns(given)), given.output)
    else:
        _write(_encoded(found, chosen), given.output)
        _say(assumptions(found))
    limiting = limiting_row(found)
    need = int(limiting["min_sram_bytes"])
    if given.at_most is None or need <= given.at_most:
        return code
    where = f"{limiting['network']} needs {format_bytes(need)} ({need:,} bytes)"
    most = f"more than {format_bytes(given.at_most)} ({given.at_most:,} bytes)"
    return _say(f"accelsim min-sram: {where} because of layer {limiting['layer']}, {most}", 3)


def _stall_free(given: Namespace) -> int:
    """The least SRAM on an accelerator that never stalls."""
    from accelsim.report.run_tables import stall_free_text
    from accelsim.stall_free import stall_free_sram

    for option in ("families", "replay"):
        if getattr(given, option):
            raise UsageError(f"accelsim min-sram: -a goes without --{option}")
    if given.block or given.buffering != "single":
        raise UsageError("accelsim min-sram: -a says block and buffering; leave them out")
    options = ("layer", "resident", "batch", "input", "bits", "psum_bits", "pass_", "at")
    asked = {name: getattr(given, name) for name in options}
    found = stall_free_sram(given.networks, given.accelerator, latency_ns=given.latency, **asked)
    chosen = _format(given)
    if chosen == "table":
        _write(stall_free_text(found, _terminal_columns(given)), given.output)
    else:
        _write(_encoded(found, chosen), given.output)
    first = next((row for row in found.table if not row["stall_free_sram_bytes"]), None)
    if first is not None:
        where = f"{first['network']} {first['layer']} stalls with any SRAM"
        rate = f"{int(first['least_bandwidth_bytes_per_s']) / 1e9:.4g} GB/s"
        return _say(f"accelsim min-sram: {where}: bandwidth bounds it, {rate} would do", 3)
    need = max((int(row["stall_free_sram_bytes"]) for row in found.table), default=0)
    if given.at_most is not None and need > given.at_most:
        most = f"more than {format_bytes(given.at_most)} ({given.at_most:,} bytes)"
        return _say(f"accelsim min-sram: {format_bytes(need)} ({need:,} bytes), {most}", 3)
    return 0


def _frontier(given: Namespace) -> int:
    from accelsim.frontiers import frontier
    from accelsim.report.frontier_tables import frontier_assumptions, frontier_text
    from accelsim.simulate import TooLittleSram
    from accelsim.spec import shipped_names

    if bool(given.networks) == given.all:
        raise UsageError("accelsim frontier: name networks, or --all")
    if given.mapping:
        return _mapping(given)
    if given.replay and given.convention == "orojenesis":
        raise UsageError("accelsim frontier: orojenesis has no schedules to replay; use padded")
    _picture(given)  # refuses before the work
    names = shipped_names("networks") if given.all else given.networks
    asked = {"layer": given.layer, "sram": given.sram, "convention": given.convention}
    try:
        found = frontier(names, **asked, **_search(given))
    except TooLittleSram as error:
        return _say(f"accelsim frontier: {error}", 3)
    code = 0
    if given.replay:
        from accelsim.report.progress import replay_progress
        from accelsim.verify import verify_frontier

        with replay_progress() as progress:
            found = verify_frontier(found, progress=progress)
        code = _tell_rows("frontier", found)
    _show(given, found, frontier_text, frontier_assumptions)
    return code


def _run_networks(given: Namespace) -> int:
    from accelsim.report.run_tables import run_assumptions, run_text
    from accelsim.runs import run
    from accelsim.simulate import TooLittleSram
    from accelsim.spec import shipped_names

    if bool(given.networks) == given.all:
        raise UsageError("accelsim run: name networks, or --all")
    if given.first and not (given.trace or given.gantt):
        raise UsageError("accelsim run: --first is for --trace and --gantt, which list blocks")
    _picture(given)  # refuses before the work
    names = shipped_names("networks") if given.all else given.networks
    devices = shipped_names("accelerators") if given.accelerator == ["all"] else given.accelerator
    options = (
        "objective", "layer", "resident", "batch", "input", "bits", "psum_bits", "pass_", "sram",
        "density", "passes",
    )  # fmt: skip
    try:
        found = run(
            names, devices, leave_out=given.all,
            **{name: getattr(given, name) for name in options},
        )  # fmt: skip
    except TooLittleSram as error:
        return _say(f"accelsim run: {error}", 3)
    for each in found.meta["left_out"]:
        _say(f"left out: {each}")
    code = 0
    if given.replay:
        from accelsim.report.progress import replay_progress
        from accelsim.verify import verify_run

        with replay_progress() as progress:
            found = verify_run(found, progress=progress)
        code = _tell_rows("run", found)
    if given.trace or given.gantt:
        _trace(given, found)
    _show(given, found, run_text, run_assumptions)
    return code


def _sweep(given: Namespace) -> int:
    from accelsim.report.progress import sweep_progress
    from accelsim.report.sweep_tables import sweep_text
    from accelsim.sweep import read_sweep, sweep

    picture = _picture(given)
    asked = _swept(given)
    own = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    try:
        with sweep_progress() as progress:
            found = sweep(
                **asked, file=given.store, fresh=given.fresh, jobs=given.jobs or len(own),
                scheduler=given.scheduler, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        if not os.path.exists(given.store):
            raise
        done = read_sweep(given.store).summary
        kept = f"{done['done'] + done['failed']:,} of {done['points']:,} points are"
        return _say(
            f"accelsim sweep: stopped; {kept} in {given.store}, the same command goes on", 130
        )
    if picture:
        from accelsim.report.plots import plot, save

        save(plot(found), given.output)
        _say(f"wrote {given.output}")
    elif _format(given) == "table":
        _write(sweep_text(found, _terminal_columns(given)), given.output)
    else:
        _write(_encoded(found, _format(given)), given.output)
    return _say(f"{given.store} keeps every point; `accelsim results {given.store}` shows them")


def _swept(given: Namespace) -> dict[str, Any]:
    """What the sweep is asked for, by the command line and by a sweep file."""
    from accelsim.spec import shipped_names
    from accelsim.sweeping.format import read_sweep_file

    networks = [*given.networks, *(shipped_names("networks") if given.all else ())]
    asked: dict[str, Any] = {"networks": networks, "accelerator": given.accelerator}
    axes: dict[str, Any] = {}
    names = ("sram", "layer", "batch", "input", "bits", "psum_bits")
    if given.points:
        file = read_sweep_file(given.points)
        asked = {"networks": [*file.networks, *networks]}
        asked["accelerator"] = [*file.accelerators, *given.accelerator]
        axes |= file.set or {}
        axes |= {name: getattr(file, name) for name in names if getattr(file, name)}
    axes |= {name: getattr(given, name) for name in names if getattr(given, name)}
    for text in given.set:
        path, equals, values = text.partition("=")
        if not equals or not values:
            wrong = f"{quote(text)} is not PATH=RANGE; write for instance pe.rows=8:128:x2"
            raise UsageError(f"accelsim sweep: --set: {wrong}")
        axes[path] = values
    if not asked["networks"] or not asked["accelerator"]:
        raise UsageError("accelsim sweep: name networks, and an accelerator by -a ACC")
    asked |= {"sram": axes.pop("sram", None), "layer": axes.pop("layer", None)}
    return {**asked, "set": axes, "objective": given.objective, "resident": given.resident}


def _results(given: Namespace) -> int:
    """List, filter and export what a sweep's file keeps."""
    from fnmatch import fnmatchcase

    from accelsim.report.sweep_tables import conditions, meeting, parquet, sweep_text
    from accelsim.results import Result, csv_parts
    from accelsim.sweep import read_sweep

    found = read_sweep(given.file)
    of_layers = bool(given.layers or given.layer)
    if of_layers and given.failed:
        raise UsageError("accelsim results: what failed has no layers; leave out one of them")
    rows: Any = found.iterate_layers() if of_layers else iter(found.table)
    if given.layer:
        rows = (
            row for row in rows if any(fnmatchcase(str(row["layer"]), each) for each in given.layer)
        )
    if given.failed:
        rows = (row for row in rows if row["error"])
    rows = meeting(rows, conditions(given.where))
    ending = os.path.splitext(given.output or "")[1].lower()
    if ending == ".parquet" and not given.format:
        from accelsim.report.files import write_whole

        write_whole(given.output, parquet(rows))
        return _say(f"wrote {given.output}")
    chosen, picture = _format(given), _picture(given)
    if chosen == "csv":
        _write_parts(csv_parts(rows), given.output)
        return 0
    shown = replace(found, table=tuple(rows))
    if picture:
        from accelsim.report.plots import plot, save

        save(plot(shown), given.output)
        return _say(f"wrote {given.output}")
    if chosen == "json":
        _write(shown.to_json(), given.output)
    elif of_layers:
        from accelsim.report.tables import plain_text

        _write(plain_text(Result(shown.meta, shown.table, {})), given.output)
    else:
        _write(sweep_text(shown, _terminal_columns(given)), given.output)
    return 0


def _trace(given: Namespace, found: Any) -> None:
    """Write when each block runs, as CSV or as a picture."""
    from accelsim.traces import trace

    if given.trace:
        _write(trace(found, given.first).to_csv(), given.trace)
        _say(f"wrote {given.trace}")
    if given.gantt:
        from accelsim.report.plots import save
        from accelsim.report.run_plots import plot_trace

        save(plot_trace(trace(found, given.first or 40)), given.gantt)
        _say(f"wrote {given.gantt}")


def _mapping(given: Namespace) -> int:
    """What a user's mapping of one layer needs and moves."""
    from accelsim.mappings import mapping
    from accelsim.report.frontier_tables import mapping_text

    for option in ("sram", "resident", "replay", "all", "panels"):
        if getattr(given, option):
            raise UsageError(f"accelsim frontier: --mapping goes without --{option}")
    if given.block or given.buffering != "single":
        raise UsageError("accelsim frontier: --mapping goes without --block and --buffering")
    if given.pass_ != "forward":
        raise UsageError("accelsim frontier: --mapping is of the forward pass; leave out --pass")
    if len(given.networks) != 1 or len(given.layer or ()) != 1:
        raise UsageError("accelsim frontier: --mapping is of one NET and one --layer; name them")
    names = ("convention", "batch", "input", "bits", "psum_bits")
    asked = {name: getattr(given, name) for name in names}
    found = mapping(given.networks[0], given.layer[0], given.mapping, **asked)
    if _format(given) == "table":
        _write(mapping_text(found, _terminal_columns(given)), given.output)
    else:
        _write(_encoded(found, _format(given)), given.output)
    return 0


def _train(given: Namespace) -> int:
    from accelsim.report.train_tables import train_assumptions, train_text
    from accelsim.trainings import train

    names = ("saved", "optimizer", "batch", "input", "bits", "psum_bits")
    found = train(given.network, **{name: getattr(given, name) for name in names})
    _show(given, found, train_text, train_assumptions)
    return 0


def _picture(given: Namespace) -> bool:
    """Whether `-o` names a picture; raises UsageError for `--panels` without one."""
    ending = os.path.splitext(given.output or "")[1].lower()
    picture = ending in (".png", ".svg", ".pdf") and not given.format
    if getattr(given, "panels", False) and not picture:
        raise UsageError("accelsim frontier: --panels is for pictures; add -o FILE.png")
    return picture


def _show(
    given: Namespace, found: Any, text: Callable[..., str], assumptions: Callable[..., str]
) -> None:
    """A result as picture, table or data, as asked."""
    chosen = _format(given)
    if _picture(given):
        from accelsim.report.plots import plot, save

        save(plot(found, panels=getattr(given, "panels", False)), given.output)
        _say(f"wrote {given.output}")
    elif chosen == "table":
        _write(text(found, _terminal_columns(given)), given.output)
    else:
        _write(_encoded(found, chosen), given.output)
        _say(assumptions(found))


def _replay(given: Namespace) -> int:
    from accelsim.report.progress import replay_progress
    from accelsim.report.tables import replay_text
    from accelsim.simulate import min_sram
    from accelsim.verify import replay_file, verify

    if bool(given.networks) == bool(given.schedule):
        raise UsageError("accelsim replay: name networks, or one --schedule FILE")
    if given.schedule:
        counted = replay_file(given.schedule, given.sram)
    else:
        claimed = min_sram(given.networks, layer=given.layer, **_search(given))
        need = max(claimed.table, key=lambda row: int(row["min_sram_bytes"]))
        if given.sram is not None and int(need["min_sram_bytes"]) > given.sram:
            where = f"{need['network']} {need['layer']} needs {need['min_sram_bytes']:,} bytes"
            return _say(f"accelsim replay: {where}, more than {given.sram:,}; nothing was run", 3)
        with replay_progress() as progress:
            counted = verify(claimed, sample=given.sample, progress=progress)
    chosen = _format(given)
    if chosen == "table":
        _write(replay_text(counted, _terminal_columns(given)), given.output)
    else:
        _write(_encoded(counted, chosen), given.output)
    return 0 if counted.agrees else _tell_agreement("replay", counted)


def _explain(given: Namespace) -> int:
    from accelsim.report.explain import explain

    chosen = _format(given)
    if given.sram is None:
        found: Any = explain(given.network, given.layer, **_search(given))
        schedule = found.need.schedule
    else:
        from accelsim.report.tile_nest import explain_at
        from accelsim.simulate import TooLittleSram

        try:
            found = explain_at(given.network, given.layer, given.sram, **_search(given))
        except TooLittleSram as error:
            return _say(f"accelsim explain: {error}", 3)
        schedule = found.schedule
    if chosen == "yaml":
        from accelsim.dataflow.schedule_file import to_yaml

        if schedule is None:
            what = f"{given.layer} only passes words through"
            raise UsageError(f"accelsim explain: {what} and has no schedule; leave out yaml")
        _write(to_yaml(schedule), given.output)
        return 0
    _write(str(found) if chosen == "table" else _encoded(found, chosen), given.output)
    return 0


def _plot(given: Namespace) -> int:
    from accelsim.report.files import read_result
    from accelsim.report.plots import plot, plot_several, save
    from accelsim.spec import InputError

    picture = given.output or os.path.splitext(given.files[0])[0] + ".png"
    results = [read_result(path) for path in given.files]
    result = results[0]
    try:
        if len(results) > 1:
            if given.panels:
                raise UsageError("accelsim plot: --panels is for one FILE")
            figure = plot_several(results)
        else:
            figure = plot(result, panels=given.panels, kind=given.kind)
    except InputError as error:
        raise InputError(f"{given.files[0]}: {error}") from None
    save(figure, picture)
    drawn = result.columns
    if "min_sram_bytes" in drawn and "min_sram_weights_resident_bytes" not in drawn:
        _say("Only the least is drawn; `min-sram --families` saves the families too.")
    return _say(f"wrote {picture}")


def _check(given: Namespace) -> int:
    from accelsim.hardware import accelerator
    from accelsim.spec import InputError
    from accelsim.workload import network

    code = 0
    for path in given.files:
        try:
            checked = accelerator if accelerator.is_accelerator(path) else network
            _write(checked.check_file(path) + "\n")
        except InputError as error:
            code = _say(str(error), 2)
    return code


def _list(given: Namespace) -> int:
    from accelsim.results import Result
    from accelsim.spec import shipped_names

    row = _network_row if given.kind == "networks" else _accelerator_row
    rows = [row(name) for name in shipped_names(given.kind)]
    found = Result({"version": __version__, "command": "list", "inputs": {}}, tuple(rows), {})
    if _format(given) == "table":
        from accelsim.report.tables import plain_text

        _write(plain_text(found, _terminal_columns(given)), given.output)
    else:
        _write(_encoded(found, _format(given)), given.output)
    return 0


def _schema(given: Namespace) -> int:
    import json

    from accelsim.hardware import format as accelerator_format
    from accelsim.workload import format as network_format

    found = network_format if given.kind == "networks" else accelerator_format
    _write(json.dumps(found.schema(), indent=1) + "\n", given.output)
    return 0


# what commands share


def _tell_agreement(command: str, counted: Verified) -> int:
    """Say how the replay went; 3 if a layer did not run as claimed."""
    found = counted.summary
    ran = f"{found['layers_agreed']} of {found['layers']} layers ran exactly as claimed"
    if counted.agrees:
        return _say(f"Replayed: {ran}.")
    first = next(row for row in counted.table if row["agrees"] == "no")
    where = f"{first['network']} {first['layer']}".strip()
    if first["result"] == "does not fit":
        need = f"{-(-int(first['counted_sram_bits']) // 8):,} bytes"
        return _say(f"accelsim {command}: {where} does not fit; {need} are needed", 3)
    return _say(f"accelsim {command}: replay disagrees: only {ran}; {where} is the first", 3)


def _tell_rows(command: str, found: Result) -> int:
    """Say how the replay of rows went; 3 if one did not run as said."""
    ran = f"{found.summary['rows_agreed']} of {found.summary['rows']} rows ran exactly as said"
    if found.summary["replay_agrees"]:
        return _say(f"Replayed: {ran}.")
    first = next(row for row in found.table if row["replay_agrees"] == "no")
    where = f"{first['layer']} at {first['sram_bytes']:,} bytes is the first"
    return _say(f"accelsim {command}: replay disagrees: only {ran}; {where}", 3)


def _search(given: Namespace) -> dict[str, Any]:
    from accelsim.dataflow.schedule import Block

    names = ("resident", "buffering", "batch", "input", "bits", "psum_bits", "pass_")
    return {"block": Block(**given.block), **{name: getattr(given, name) for name in names}}


def _format(given: Namespace) -> str:
    """As asked; else what the name of `-o` says; else a table."""
    ending = os.path.splitext(given.output or "")[1].removeprefix(".")
    return given.format or (ending if ending in (*options.FORMATS, "yaml") else "table")


def _encoded(found: Result, chosen: str) -> str:
    return found.to_csv() if chosen == "csv" else found.to_json()


def _terminal_columns(given: Namespace) -> int | None:
    """Width of the terminal that the table goes to; None where it goes elsewhere."""
    if given.output or sys.stdout is None or not sys.stdout.isatty():
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns


def _network_row(name: str) -> Row:
    from accelsim.workload.network import load_network

    network = load_network(name)
    shape = "x".join(map(str, network.input_shape[1:])) if network.input_shape else ""
    return {
        "network": name,
        "input": shape,
        "layers": len(network.layers),
        "parameters": network.params,
        "macs": network.macs,
        "source": " ".join(network.source.split()),
    }


def _accelerator_row(name: str) -> Row:
    from accelsim.hardware.accelerator import load_accelerator

    found = load_accelerator(name)
    return {
        "accelerator": name,
        "pes": found.pe.pes,
        "clock_hz": found.clock_hz,
        "sram_bytes": found.sram_total_bytes,
        "peak_bytes_per_s": found.dram.peak_bytes_per_s if found.dram else "",
        "buffering": found.buffering,
        "source": " ".join(found.source.split()),
    }


def _write(text: str, path: str | None = None) -> None:
    """To stdout, or to a file that is there whole or not at all."""
    if path is not None:
        from accelsim.report.files import write_whole

        write_whole(path, text.encode())
    elif sys.stdout is not None:
        try:
            sys.stdout.write(_encodable(text, sys.stdout.encoding or "utf-8"))
            sys.stdout.flush()
        except OSError as error:
            raise _StdoutError(error.strerror) from error


def _write_parts(parts: Iterable[str], path: str | None) -> None:
    """Text that is made while it is written."""
    if path is None:
        for part in parts:
            _write(part)
    else:
        from accelsim.report.files import write_whole

        write_whole(path, (part.encode() for part in parts))


def _encodable(text: str, encoding: str) -> str:
    """The text, with plain characters for those that stdout does not know."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.replace("─", "-")
        return plain.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _say(line: str, code: int = 0) -> int:
    if sys.stderr is not None:
        print(line, file=sys.stderr)
    return code


def _help() -> str:
    heads = [f"{name} {command.usage}" for name, command in COMMANDS.items()]
    width = max(map(len, heads))
    commands = [
        f"  {head:{width}}  {command.help}"
        for head, command in zip(heads, COMMANDS.values(), strict=True)
    ]
    return (
        "accelsim: the least on-chip SRAM of a neural network, and the schedule that proves it\n\n"
        + "\n".join(commands)
        + "\n\nNET is a shipped name (`accelsim list`) or a network file (`./mine.yaml`).\n"
        "`accelsim COMMAND --help` shows the options of a command, --version the version.\n"
    )


COMMANDS = {
    "run": _Command(
        "NET... -a ACC",
        "a network on an accelerator: cycles, traffic",
        options.add_run,
        _run_networks,
    ),
    "sweep": _Command(
        "NET... -a ACC",
        "run at every SRAM size, every value of any field; resumes",
        options.add_sweep,
        _sweep,
    ),
    "results": _Command(
        "FILE", "list, filter, export what a sweep kept", options.add_results, _results
    ),
    "min-sram": _Command(
        "NET...", "least SRAM to move every word once", options.add_min_sram, _min_sram
    ),
    "frontier": _Command(
        "NET...", "least traffic at every SRAM size", options.add_frontier, _frontier
    ),
    "replay": _Command(
        "NET...", "execute what min-sram claims, word by word", options.add_replay, _replay
    ),
    "train": _Command("NET --batch B", "memory of a training iteration", options.add_train, _train),
    "explain": _Command(
        "NET LAYER", "the working behind one layer's need", options.add_explain, _explain
    ),
    "plot": _Command("FILE...", "a picture of what a command saved", options.add_plot, _plot),
    "check": _Command(
        "FILE...", "say what a file holds, or what is wrong in it", options.add_files, _check
    ),
    "list": _Command(
        "[accelerators]", "the shipped networks, or accelerators", options.add_list, _list
    ),
    "schema": _Command(
        "[accelerators]", "JSON Schema of the files, for editors", options.add_schema, _schema
    ),
}
