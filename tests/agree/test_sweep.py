"""A sweep's points are what `run` says one by one, whoever does the work and whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sweep_cases import MANY, write_case

from accelsim.hardware.accelerator import load_accelerator
from accelsim.runs import run
from accelsim.simulate import TooLittleSram
from accelsim.sweep import read_sweep, sweep
from accelsim.sweeping.executors import Processes
from accelsim.units import parse_bytes_per_s

SIZES = ("4KiB", "16KiB", "100KiB", "256KiB", "4MiB")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def whole(case, tmp_path_factory):
    """The 525 points of a sweep that nobody disturbs."""
    return sweep(*case, **MANY, file=tmp_path_factory.mktemp("whole") / "whole.sqlite")


def content(path):
    """All that a sweep's file says of its points and layers."""
    with closing(sqlite3.connect(path)) as db:
        points = db.execute("SELECT * FROM points ORDER BY place").fetchall()
        return points, db.execute("SELECT * FROM layers ORDER BY place, at").fetchall()


@pytest.mark.parametrize("objective", ["cycles", "traffic"])
@pytest.mark.parametrize(
    ("network", "accelerator"),
    [
        ("mobilenet_v3_small", "gemmini_16x16"),
        ("squeezenet1_1", "edge_npu"),
        ("alexnet", "systolic_ws_32x32"),
    ],
)
def test_points_are_runs(network, accelerator, objective):
    """Also where choices of a larger SRAM are taken over, pools and element-wise ops included."""
    found = sweep(network, accelerator, sram=SIZES, objective=objective)
    layers = iter(found.layers.table)
    for row, size in zip(found.table, (4096, 16384, 102400, 2**18, 2**22), strict=True):
        assert row["sram_capacity_bytes"] == size
        try:
            alone = run(network, accelerator, sram=size, objective=objective)
        except TooLittleSram as error:
            assert row["error"] == str(error)
            continue
        assert alone.summary.items() <= row.items()
        for own in alone.table:
            assert own.items() <= next(layers).items()
    assert next(layers, None) is None


def test_fields_by_path_are_those_of_a_file(tmp_path, case):
    """A value set by its path is the value written there."""
    network, accelerator = case
    text = Path(accelerator).read_text()
    for old, new in (("{K: 4, C: 4}", "{K: 2, C: 8}"), ("1GB/s", "3GB/s"), ("2KiB", "1KiB")):
        text = text.replace(old, new)
    (tmp_path / "changed.yaml").write_text(text)
    layers = Path(network).read_text().replace("H: 10", "H: 12").replace("act: relu", "bits: 4")
    (tmp_path / "net.yaml").write_text(layers)
    alone = run(tmp_path / "net.yaml", tmp_path / "changed.yaml", batch=2)
    wanted = {
        "pe.unroll.K": [2], "pe.unroll.C": "8", "dram.peak_bytes_per_s": "3GB/s", "batch": [2],
        "sram_bytes": "1KiB", "input.H": [12], "layers[first].bits": [4],
    }  # fmt: skip
    found = sweep(network, accelerator, set=wanted)
    assert alone.summary.items() <= found.rows()[0].items()
    assert found.rows()[0]["dram.peak_bytes_per_s"] == parse_bytes_per_s("3GB/s")
    assert next(iter(found.layers.table))["block"] == alone.table[0]["block"]


def test_processes_and_threads_bring_the_same(case, whole, tmp_path):
    sweep(*case, **MANY, file=tmp_path / "two.sqlite", jobs=2)
    assert content(tmp_path / "two.sqlite") == content(whole.path)
    with ThreadPoolExecutor(2) as threads:
        sweep(*case, **MANY, file=tmp_path / "threads.sqlite", executor=threads)
    assert content(tmp_path / "threads.sqlite") == content(whole.path)


def test_what_is_there_is_not_run_again(case, whole, tmp_path):
    path = tmp_path / "some.sqlite"
    few = {"sram": MANY["sram"], "set": {"dram.peak_bytes_per_s": "500MB/s,900MB/s"}}
    assert sweep(*case, **few, file=path).summary["points"] == 42
    seen = []
    found = sweep(*case, **MANY, file=path, progress=lambda *told: seen.append(told))
    assert seen[0][:2] == (525, 42)
    assert sorted(map(str, found.rows())) == sorted(map(str, whole.rows()))
    seen.clear()
    sweep(*case, **MANY, file=path, progress=lambda *told: seen.append(told))
    assert [told[:2] for told in seen] == [(525, 525)]
    assert len(sweep(*case, **few, file=path).rows()) == 42  # only what is asked for
    assert sweep(*case, **few, file=path, fresh=True).summary["points"] == 42
    assert read_sweep(path).summary["points"] == 42


def _sweep(case: tuple[str, str], path: str) -> None:
    sweep(*case, **MANY, file=path)


def test_killed_at_ten_random_moments(case, whole, tmp_path):
    path, rng = str(tmp_path / "killed.sqlite"), random.Random(8)
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(["accelsim.sweep"])
    done = [0]
    for _ in range(10):
        victim = start.Process(target=_sweep, args=(case, path))
        victim.start()
        _wait_for(lambda: _done(path) > done[-1] or not victim.is_alive())  # noqa: B023
        time.sleep(rng.uniform(0, 0.15))
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        done.append(_done(path))
    assert 0 < done[1] < 525 and done == sorted(done), done
    sweep(*case, **MANY, file=path)
    assert content(path) == content(whole.path)


def _done(path: str) -> int:
    """Points with an answer; none before there is a table."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute("SELECT count(*) FROM points WHERE state!=''").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def _wait_for(what: Callable[[], bool]) -> None:
    moment = time.monotonic() + 60
    while not what():
        assert time.monotonic() < moment, "a minute has gone by"
        time.sleep(0.01)


def test_two_sweeps_on_one_file(case, whole, tmp_path):
    path = str(tmp_path / "shared.sqlite")
    command = [sys.executable, "-m", "accelsim", "sweep", case[0], "-a", case[1], "--store", path]
    command += ["--sram", MANY["sram"], "--jobs", "1", "-o", os.devnull]
    command += [f"--set={name}={values}" for name, values in MANY["set"].items()]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for each in both:
        assert each.wait(120) == 0, each.stderr.read()
        each.stderr.close()
    assert content(path) == content(whole.path)


def test_a_worker_that_dies_loses_nothing(case, whole, tmp_path):
    pool = Processes(2)
    killed = []

    def kill(points: int, done: int, failed: int) -> None:
        """Kill one worker, once there are points."""
        if done > 100 and not killed:
            killed.append(multiprocessing.active_children()[0])
            killed[0].kill()

    try:
        sweep(*case, **MANY, file=tmp_path / "died.sqlite", executor=pool, progress=kill)
    finally:
        pool.shutdown()
    assert killed
    assert content(tmp_path / "died.sqlite") == content(whole.path)


def test_workers_do_not_outlive_a_killed_sweep(case, tmp_path):
    """Two processes work for a sweep that is killed; both go, and what they did stays."""
    path = str(tmp_path / "orphans.sqlite")
    command = [sys.executable, "-m", "accelsim", "sweep", case[0], "-a", case[1], "--store", path]
    command += ["--sram", MANY["sram"], "--set", "dram.peak_bytes_per_s=1MB/s:900MB/s:+1MB/s"]
    main = subprocess.Popen([*command, "--jobs", "2"], start_new_session=True,
                            stderr=subprocess.DEVNULL)  # fmt: skip
    _wait_for(lambda: _done(path) > 0 or main.poll() is not None)
    assert main.poll() is None
    main.kill()
    main.wait()
    _wait_for(lambda: not _session(main.pid))
    found = read_sweep(path).summary
    assert 0 < found["done"] + found["failed"] and found["left"]


def _session(leader: int) -> list[int]:
    """Processes of a session that are not yet gone."""
    found = []
    for each in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, _, _, session = (
                Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[:4]
            )
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append(int(each))
    return found


def test_ctrl_c_leaves_a_file_and_says_how_to_go_on(case, tmp_path):
    path = str(tmp_path / "stopped.sqlite")
    command = [sys.executable, "-m", "accelsim", "sweep", case[0], "-a", case[1], "--store", path]
    command += ["--sram", MANY["sram"], "--set", "dram.peak_bytes_per_s=1MB/s:900MB/s:+1MB/s"]
    main = subprocess.Popen([*command, "--jobs", "2"], start_new_session=True,
                            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        _wait_for(lambda: _done(path) > 0 or main.poll() is not None)
        os.killpg(main.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        out, err = main.communicate(timeout=120)
    finally:  # a failure here leaves nothing to the next test
        main.kill()
        main.communicate()
    assert (main.returncode, out, err.count("\n")) == (130, "", 1)
    found = read_sweep(path).summary
    kept = f"{found['done'] + found['failed']:,} of 18,900 points are in {path}"
    assert err == f"accelsim sweep: stopped; {kept}, the same command goes on\n"
    assert not _session(main.pid)


def test_loaded_networks_and_accelerators_are_swept_too(case):
    network, accelerator = case
    device = load_accelerator(accelerator)
    one = sweep(network, device, sram=[600, 900])
    assert [row["sram_capacity_bytes"] for row in one.table] == [600, 900]
    assert one.rows() == sweep(network, accelerator, sram=["600B", "900"]).rows()


def test_dask(case, whole, tmp_path):
    """A real cluster of two processes; one of them is killed midway."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        path = tmp_path / "dask.sqlite"
        sweep(*case, **MANY, file=path, scheduler=cluster.scheduler_address)
        assert content(path) == content(whole.path)
        pids = list(client.run(os.getpid).values())
        killed = threading.Event()

        def kill(points: int, done: int, failed: int) -> None:
            """Kill a worker, once there are points."""
            if done > 100 and not killed.is_set():
                killed.set()
                os.kill(pids[0], signal.SIGKILL)

        again = tmp_path / "killed.sqlite"
        sweep(*case, **MANY, file=again, executor=client, progress=kill)
        assert killed.is_set()
        assert content(again) == content(whole.path)
