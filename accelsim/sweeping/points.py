"""The points of a sweep: networks x accelerators x every value of every axis.

Networks are outermost, then accelerators, then the axes as given, the SRAM size last. A point's key
is a hash of all that its answer depends on: the files, the values, the options and our version.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import groupby, product
from pathlib import Path
from typing import Any

from accelsim import __version__
from accelsim.fields import Change, steps_of
from accelsim.hardware.accelerator import Accelerator, load_accelerator
from accelsim.hardware.format import AcceleratorFile
from accelsim.ranges import parse_range
from accelsim.simulate import chosen_layers
from accelsim.spec import Document, InputError, read_shipped
from accelsim.units import parse_bytes, quote, suggest
from accelsim.workload.format import BitWidths, NetworkFile
from accelsim.workload.network import Network, load_network

MAX_POINTS = 250_000
SRAM = "sram"
LOADING = ("batch", "input", "bits", "psum_bits")
"""Axes that `load_network` takes as they are; all others but the SRAM are paths into files."""
_UNSWEPT = ("name", "source")

Source = Document | Network | Accelerator
Settings = tuple[Change, ...]


@dataclass(frozen=True)
class Axis:
    """One or several fields that take the same values together (`pe.rows,pe.cols`)."""

    paths: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def is_size(self) -> bool:
        """Whether points along it differ in nothing but their SRAM, so that they share work."""
        return all(path.partition(".")[0] in (SRAM, "sram_bytes") for path in self.paths)


@dataclass(frozen=True)
class Point:
    """One network on one accelerator with these values, by path, and the key of its answer."""

    network: Source
    accelerator: Source
    settings: Settings
    key: str


@dataclass(frozen=True)
class Plan:
    """What is swept; `options` are those of `run` that all points share."""

    networks: tuple[Source, ...]
    accelerators: tuple[Source, ...]
    axes: tuple[Axis, ...]
    options: Mapping[str, Any]

    def __len__(self) -> int:
        return math.prod(
            [len(self.networks), len(self.accelerators), *(len(axis.values) for axis in self.axes)]
        )

    def points(self) -> Iterator[Point]:
        """All points, in order."""
        for network, accelerator in product(self.networks, self.accelerators):
            own = [__version__, _identity(network), _identity(accelerator), dict(self.options)]
            for values in product(*(axis.values for axis in self.axes)):
                settings = tuple(
                    (path, value)
                    for axis, value in zip(self.axes, values, strict=True)
                    for path in axis.paths
                )
                text = json.dumps([*own, sorted(settings)], sort_keys=True)
                key = sha256(text.encode()).hexdigest()[:32]
                yield Point(network, accelerator, settings, key)

    def groups(self) -> Iterator[list[tuple[int, Point]]]:
        """Points, with their numbers, of which each group differs in SRAM only."""
        sizes = {path for axis in self.axes if axis.is_size for path in axis.paths}

        def shared(numbered: tuple[int, Point]) -> tuple[Any, ...]:
            """What a point shares with its group."""
            point = numbered[1]
            rest = tuple(each for each in point.settings if each[0] not in sizes)
            return id(point.network), id(point.accelerator), rest

        for _, group in groupby(enumerate(self.points()), key=shared):
            yield list(group)


def plan_of(
    networks: Sequence[str | Path | Network],
    accelerators: Sequence[str | Path | Accelerator],
    axes: Mapping[str, str | Sequence[Any]],
    options: Mapping[str, Any],
) -> Plan:
    """Return the plan with every file read and every value tried by itself.

    An axis maps a path (several with commas between them) to a range's text, or to values. Raises
    InputError for a fault of files, paths or values.
    """
    found = [_axis(paths, values) for paths, values in axes.items()]
    found.sort(key=lambda axis: axis.is_size)
    taken = [path for axis in found for path in axis.paths]
    twice = next((path for path in taken if taken.count(path) > 1), None)
    if twice is not None:
        raise InputError(f"{twice}: two axes set it; keep one")
    plan = Plan(
        tuple(_read("networks", each) for each in networks),
        tuple(_read("accelerators", each) for each in accelerators),
        tuple(found),
        {name: value for name, value in sorted(options.items()) if value is not None},
    )
    for kind, sources in (("network", plan.networks), ("accelerator", plan.accelerators)):
        if not sources:
            raise InputError(f"{kind}: none is given; `accelsim list {kind}s` shows some")
    if len(plan) > MAX_POINTS:
        raise InputError(f"{len(plan):,} points; at most {MAX_POINTS:,} are swept, leave some out")
    _check_values(plan)
    return plan


def accelerator_of(source: Source, settings: Settings) -> Accelerator:
    """The accelerator of a point; raises InputError."""
    changes = tuple(each for each in settings if side_of(each[0]) == "accelerator")
    if isinstance(source, Document):
        return load_accelerator(source, changes=changes)
    assert isinstance(source, Accelerator)
    if changes:
        raise InputError(f"{changes[0][0]}: {source.name} is loaded already; give its file instead")
    return source


def network_of(source: Source, settings: Settings, device: Accelerator) -> Network:
    """The network of a point, widths that it does not set being the accelerator's; InputError."""
    own = tuple(each for each in settings if side_of(each[0]) in ("network", "loading"))
    if isinstance(source, Document):
        return _loaded(_Same(source), own, device.word_bits)
    assert isinstance(source, Network)
    if own:
        raise InputError(f"{own[0][0]}: {source.name} is loaded already; give its file instead")
    return source


@dataclass(frozen=True)
class _Same:
    """A document that equals another by its path and hash."""

    document: Document

    def __hash__(self) -> int:
        return hash(self.document.sha256)

    def __eq__(self, other: object) -> bool:
        mine = (self.document.path, self.document.sha256)
        return isinstance(other, _Same) and mine == (other.document.path, other.document.sha256)


@lru_cache(maxsize=64)
def _loaded(source: _Same, settings: Settings, word_bits: BitWidths | None) -> Network:
    changes = [each for each in settings if each[0] not in LOADING]
    loading = {path: _loading(path, text) for path, text in settings if path in LOADING}
    return load_network(source.document, changes=changes, word_bits=word_bits, **loading)


@lru_cache(maxsize=1024)
def side_of(path: str) -> str:
    """Whose field a path is: network, accelerator, sram or loading; raises InputError."""
    if path == SRAM or path in LOADING:
        return "sram" if path == SRAM else "loading"
    first = steps_of(path)[0][0]
    known: dict[str, str] = {}
    for side, model in (("network", NetworkFile), ("accelerator", AcceleratorFile)):
        fields = model.model_fields.items()
        known |= {field.alias or name: side for name, field in fields if name not in _UNSWEPT}
    if first not in known:
        right = suggest(first, {*known, SRAM, *LOADING})
        raise InputError(f"{path}: no network or accelerator has a field {quote(first)}; {right}")
    return known[first]


def _axis(paths: str, values: str | Sequence[Any]) -> Axis:
    names = tuple(name.strip() for name in paths.split(","))
    for name in names:
        side_of(name)
    try:
        if isinstance(values, str):
            return Axis(names, parse_range(values))
        each = [parse_range(_written(value)) for value in values]
    except ValueError as error:
        raise InputError(f"{paths}: {error}") from None
    if not each:
        raise InputError(f"{paths}: no value is given; write for instance 16,32,64")
    return Axis(names, tuple(dict.fromkeys(value for group in each for value in group)))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _loading(path: str, text: str) -> Any:
    """The value of an option of `load_network`, which itself says whether it is allowed."""
    try:
        if path == "input":
            return tuple(int(part) for part in text.split("x"))
        return int(text)
    except ValueError:
        example = "3x1080x1920" if path == "input" else "8"
        wrong = f"{path}: {quote(text)} is not a value of it"
        raise InputError(f"{wrong}; write for instance {example}") from None


def _read(kind: str, given: str | Path | Network | Accelerator) -> Source:
    return given if isinstance(given, Network | Accelerator) else read_shipped(kind, given)


def _identity(source: Source) -> str:
    """What tells one source from another: the file's hash; what is loaded may differ from that."""
    if isinstance(source, Document):
        return source.sha256
    return sha256(repr(source).encode()).hexdigest()


def _check_values(plan: Plan) -> None:
    """Each value alone, all others the first of theirs: what cannot be is told before all work."""
    first = tuple((path, axis.values[0]) for axis in plan.axes for path in axis.paths)
    names: set[tuple[str, str]] = set()
    for network, accelerator in product(plan.networks, plan.accelerators):
        tried = [first]
        for axis in plan.axes:
            rest = tuple(each for each in first if each[0] not in axis.paths)
            tried += [
                rest + tuple((path, value) for path in axis.paths) for value in axis.values[1:]
            ]
        for settings in tried:
            device = accelerator_of(accelerator, settings)
            loaded = network_of(network, settings, device)
            chosen_layers(loaded, plan.options.get("layer"))
        if (pair := (loaded.name, device.name)) in names:
            wrong = f"{pair[0]} on {pair[1]} is there twice"
            raise InputError(f"{wrong}; give each network and accelerator once, by its own name")
        names.add(pair)
    for axis in plan.axes:
        for path, value in ((path, value) for path in axis.paths for value in axis.values):
            if path == SRAM:
                size_of(value)


def size_of(text: str) -> int:
    """Bytes of an SRAM size; raises InputError."""
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise InputError(f"{SRAM}: {error}") from None
