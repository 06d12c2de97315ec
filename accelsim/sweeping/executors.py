"""Who does the work: this process, others on this machine, or any executor, by one code path.

An executor is what has `submit(function, argument)` and gives futures of `concurrent.futures`;
Dask's client gives one. Only so many tasks are out at a time, so that memory does not grow with the
sweep. Where a worker process dies, its tasks are done again, one by one: the one that kills its
worker each time is told apart from its neighbours.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any

from accelsim.spec import InputError
from accelsim.sweeping.work import Answer, Task, answer
from accelsim.units import quote

_MOST_DEATHS = 3


class Here(Executor):
    """This process: the work is done when it is submitted."""

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*given, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Processes of this machine, each begun anew (spawn); a new pool where one has died."""

    def __init__(self, jobs: int) -> None:
        self._jobs, self._pool = jobs, self._begin(jobs)

    def _begin(self, jobs: int) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_as_worker)

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """As ProcessPoolExecutor's; processes that it begins never see Ctrl-C."""
        with _interrupts_held():
            try:
                return self._pool.submit(function, *given, **named)
            except BrokenExecutor:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = self._begin(self._jobs)
                return self._pool.submit(function, *given, **named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As ProcessPoolExecutor's."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back; a process that is begun meanwhile holds it back for good."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _as_worker() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        """End with the parent, however that ends."""
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def executor_of(given: Any, jobs: int, scheduler: str | None) -> Iterator[tuple[Any, int]]:
    """An executor and how many tasks may be out; one of our own is ended after its last task.

    `given` is an executor or a Dask client. Raises InputError where Dask is missing or silent.
    """
    if given is not None:
        own = given.get_executor() if hasattr(given, "get_executor") else given
        yield own, 2 * (getattr(own, "_max_workers", None) or 16)
    elif scheduler is not None:
        client = _dask_client(scheduler)
        try:
            yield client.get_executor(), 32
        finally:
            client.close()
    elif jobs == 1:
        yield Here(), 1
    else:
        before = set(multiprocessing.active_children())
        pool = Processes(jobs)
        try:
            yield pool, 2 * jobs
        except BaseException:
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            pool.shutdown(cancel_futures=True)  # waits until the pool's own threads have seen it
            raise
        pool.shutdown()


def _dask_client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--scheduler needs Dask, which is not installed; pip install 'accelsim[dask]'"
        ) from None
    try:
        return Client(scheduler, timeout=5, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        what = " ".join(str(error).split())[:200]
        right = "start one, `dask scheduler`, and give its address, tcp://HOST:8786"
        raise InputError(f"{quote(scheduler)}: no scheduler answers ({what}); {right}") from None


def work(executor: Any, most: int, tasks: Iterable[Task]) -> Iterator[list[Answer]]:
    """Yield the answers of each task as it is done; at most so many tasks are out at a time."""
    waiting, again = iter(tasks), deque[Task]()
    out: dict[Future[list[Answer]], Task] = {}
    deaths: dict[int, int] = {}
    while True:
        while len(out) < (1 if again else most):
            task = again.popleft() if again else next(waiting, None)
            if task is None:
                break
            out[executor.submit(answer, task)] = task
        if not out:
            return
        done, _ = wait(out, return_when=FIRST_COMPLETED)
        for future in done:
            task = out.pop(future)
            try:
                yield future.result()
            except Exception as error:
                if not _is_death(error):
                    raise
                at = task.points[0][0]
                deaths[at] = deaths.get(at, 0) + 1
                if deaths[at] >= _MOST_DEATHS and not out:
                    yield _killed(task)
                else:
                    again.append(task)


def _is_death(error: Exception) -> bool:
    """Whether a worker has died, not the work failed."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


def _killed(task: Task) -> list[Answer]:
    wrong = f"a worker process died {_MOST_DEATHS} times on this; is there too little memory?"
    return [Answer(number, wrong, {}) for number, _ in task.points]
