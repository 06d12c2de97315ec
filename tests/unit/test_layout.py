"""Who may import whom: each module only from rows above its own."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import accelsim
from accelsim import verify

PACKAGE = Path(__file__).parents[2] / "accelsim"
ROWS = [
    ["units", "ranges", "spec", "fields", "results"],
    ["workload"],
    ["hardware"],
    ["dataflow.schedule", "dataflow.schedule_file"],
    ["replay"],
    ["dataflow"],
    ["timing"],
    ["crosslayer"],
    ["training"],
    ["simulate"],
    ["choosing", "known_choices"],
    [
        "claims",
        "staircase",
        "frontiers",
        "mappings",
        "runs",
        "stall_free",
        "traces",
        "sweep",
        "sweeping",
        "trainings",
        "verify",
    ],
    ["importers"],
    ["report"],
    ["options", "cli", "__main__", "__init__"],
]
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
HEAVY = {"numba", "matplotlib", "rich", "pandas"}


def row_of(module: str) -> int:
    """The row of the longest name that the module's begins with."""
    module = module.removesuffix(".__init__")
    matches = [
        (len(name), at)
        for at, row in enumerate(ROWS)
        for name in row
        if module == name or module.startswith(f"{name}.")
    ]
    assert matches, f"{module} has no row; give it one"
    return max(matches)[1]


def imports(path: Path, *, at_import_time: bool = False) -> set[str]:
    """Full names of what a file imports; only what runs when it is imported, if asked."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return found


def own_modules(names: set[str]) -> set[str]:
    """The modules of ours among imported names; `accelsim.__version__` is a constant."""
    found = set()
    for name in names - {"accelsim.__version__"}:
        top, _, inside = name.partition(".")
        if top == "accelsim":
            parent = inside.rpartition(".")[0]
            known = [each for each in (inside, f"{inside}.__init__", parent) if each in MODULES]
            found.add(known[0] if known else f"{parent}.__init__")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_above(module):
    own = row_of(module)
    for other in own_modules(imports(MODULES[module])):
        assert row_of(other) <= own, f"{module} imports {other} from below"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("replay")])
def test_replay_sees_workload_and_schedule_only(module):
    allowed = ("workload", "dataflow.schedule", "replay", "spec", "units", "results")
    for other in own_modules(imports(MODULES[module])):
        assert other.startswith(allowed), f"{module} shares {other} with the formulas"


def test_formulas_never_see_replay():
    for module in MODULES:
        if module.startswith("dataflow"):
            assert not any("replay" in name for name in own_modules(imports(MODULES[module])))


@pytest.mark.parametrize("start", ["cli", "simulate", "report.tables", "report.explain"])
def test_nothing_heavy_is_imported_on_the_way(start):
    """Follow what runs at import, from the module to all that it pulls in."""
    waiting, seen = [start], set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        names = imports(MODULES[module], at_import_time=True)
        heavy = {name.partition(".")[0] for name in names} & HEAVY
        assert not heavy, f"{module} imports {heavy}"
        waiting += own_modules(names)


def test_replay_is_the_function_whatever_is_loaded():
    package = importlib.import_module("accelsim.replay")
    setattr(accelsim, package.__name__.rpartition(".")[2], package)  # what import does
    assert accelsim.replay is verify.replay
