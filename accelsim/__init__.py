"""accelsim: least on-chip SRAM, least off-chip traffic, and the schedules that prove it.

>>> import accelsim
>>> found = accelsim.min_sram("vgg16")
>>> found.summary["min_sram_words"], found.summary["limiting_layer"]
(619008, 'conv3_2')

Everything is imported when it is first used. Results have `.rows()`, `.to_csv()`, `.to_json()`,
`.to_dataframe()`, `.plot()` and show as a table in a notebook.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from accelsim.results import Result

__version__ = "0.1.0"

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from accelsim.dataflow.loopnest import Loop, Mapping
    from accelsim.dataflow.schedule import Block, Schedule
    from accelsim.dataflow.schedule_file import from_yaml, to_yaml
    from accelsim.frontiers import frontier
    from accelsim.hardware.accelerator import Accelerator, load_accelerator
    from accelsim.mappings import mapping
    from accelsim.report.explain import explain
    from accelsim.runs import run
    from accelsim.simulate import min_sram
    from accelsim.spec import InputError
    from accelsim.sweep import SweepResult, read_sweep
    from accelsim.trainings import train
    from accelsim.verify import Verified, replay
    from accelsim.workload.network import Network, load_network

_HOME = {
    "Accelerator": "accelsim.hardware.accelerator",
    "Block": "accelsim.dataflow.schedule",
    "Loop": "accelsim.dataflow.loopnest",
    "Mapping": "accelsim.dataflow.loopnest",
    "InputError": "accelsim.spec",
    "Network": "accelsim.workload.network",
    "Schedule": "accelsim.dataflow.schedule",
    "explain": "accelsim.report.explain",
    "frontier": "accelsim.frontiers",
    "from_yaml": "accelsim.dataflow.schedule_file",
    "load_accelerator": "accelsim.hardware.accelerator",
    "load_network": "accelsim.workload.network",
    "mapping": "accelsim.mappings",
    "min_sram": "accelsim.simulate",
    "read_sweep": "accelsim.sweep",
    "run": "accelsim.runs",
    "to_yaml": "accelsim.dataflow.schedule_file",
    "train": "accelsim.trainings",
}
__all__ = [
    "Accelerator",
    "Block",
    "InputError",
    "Loop",
    "Mapping",
    "Network",
    "Result",
    "Schedule",
    "__version__",
    "explain",
    "from_yaml",
    "frontier",
    "load_accelerator",
    "load_network",
    "mapping",
    "min_sram",
    "read_sweep",
    "replay",
    "run",
    "sweep",
    "to_yaml",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'accelsim' has no attribute {name!r}")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package. `replay` and `sweep` are the functions, whatever modules are loaded."""

    @property
    def replay(self) -> Callable[..., Verified]:
        """`accelsim.verify.replay`."""
        from accelsim.verify import replay

        return replay

    @replay.setter
    def replay(self, _: ModuleType) -> None:
        """Where import would put the package `accelsim.replay`."""

    @property
    def sweep(self) -> Callable[..., SweepResult]:
        """`accelsim.sweep.sweep`, with its progress shown."""
        from accelsim.report.progress import shown_sweep

        return shown_sweep

    @sweep.setter
    def sweep(self, _: ModuleType) -> None:
        """Where import would put the module `accelsim.sweep`."""


sys.modules[__name__].__class__ = _Package


def _repr_html(result: Result) -> str:
    from accelsim.report.tables import repr_html

    return repr_html(result)


def _plot(
    result: Result, *, width_inches: float = 7.0, panels: bool = False, kind: str | None = None
) -> Figure:
    """Draw the result as a matplotlib figure; raises InputError where it has no picture.

    `panels` gives each layer of a frontier or sweep its own; `kind` is which picture of a sweep:
    bandwidth, traffic, cycles, map or pareto.
    """
    from accelsim.report.plots import plot

    return plot(result, width_inches=width_inches, panels=panels, kind=kind)


# Results show themselves; their own module lies below all pictures and cannot say so itself.
Result._repr_html_ = _repr_html  # type: ignore[attr-defined]
Result.plot = _plot  # type: ignore[attr-defined]
