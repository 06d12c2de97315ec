"""A field of a YAML file by its path, `dram.peak_bytes_per_s` or `layers[conv*].bits`: set anew.

The file's text stays as it is; its model decides what the new value means, and says so where it
means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from accelsim.spec import Document, InputError
from accelsim.units import quote, suggest

Change = tuple[str, str]
"""A path and the text of its value."""
_STEP = re.compile(r"([A-Za-z_]\w*)(?:\[([^\]]+)\])?(?:\.|$)")


def with_fields(document: Document, changes: Iterable[Change]) -> Document:
    """The document with other values at these paths; raises InputError for a path that is none.

    What is not there yet is made; `layers[NAME]` are all items whose name matches.
    """
    data = document.data
    for path, text in changes:
        data = _changed(document, path, data, steps_of(path), text)
    return replace(document, data=data)


def steps_of(path: str) -> tuple[tuple[str, str], ...]:
    """Keys of a path, each with the pattern in its brackets, or nothing; raises InputError."""
    steps, at = [], 0
    while match := _STEP.match(path, at):
        steps.append((match[1], match[2] or ""))
        at = match.end()
        if at == len(path):
            break
    if not steps or at != len(path) or path.endswith("."):
        right = "write for instance pe.rows or layers[conv1].K"
        raise InputError(f"{quote(path)} is not the path of a field; {right}")
    return tuple(steps)


def _changed(
    document: Document, path: str, data: Any, steps: tuple[tuple[str, str], ...], text: str
) -> Any:
    """A copy of the data with the value at the end of these steps."""
    (key, pattern), rest = steps[0], steps[1:]
    own = dict(data) if isinstance(data, dict) else {}
    if not pattern:
        own[key] = _changed(document, path, own.get(key), rest, text) if rest else text
        return own
    items = own.get(key)
    items = items if isinstance(items, list) else []
    names = [str(item.get("name")) for item in items if isinstance(item, dict)]
    if not rest or not any(fnmatchcase(name, pattern) for name in names):
        wrong = f"{path}: {key} has no {quote(pattern)}" if rest else f"{path}: names no field"
        right = suggest(pattern, names, most=8) if names and rest else "write layers[NAME].FIELD"
        raise InputError(f"{document.path}: {wrong}; {right}")
    own[key] = [
        _changed(document, path, item, rest, text)
        if isinstance(item, dict) and fnmatchcase(str(item.get("name")), pattern)
        else item
        for item in items
    ]
    return own
