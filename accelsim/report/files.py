"""Results on disk: written whole or not at all, and read back."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from accelsim.results import Result, Row, Value
from accelsim.spec import InputError
from accelsim.units import format_bytes

MAX_FILE_BYTES = 64 * 2**20


def write_whole(path: str | Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file, whole or in parts, beside the old one, then put it in its place; links stay.

    A pipe, and whatever is in /dev or /proc, is written to directly. Raises InputError.
    """
    parts = [content] if isinstance(content, bytes) else content
    special = str(path).startswith(("/dev/", "/proc/"))
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    draft = os.path.join(folder, f".{name[:200]}.{os.getpid()}")
    try:
        if special or (os.path.exists(target) and not os.path.isfile(target)):
            with open(path, "ab") as file:
                file.writelines(parts)
            return
        with open(draft, "xb") as file:
            try:
                file.writelines(parts)
                file.flush()
                os.replace(draft, target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(draft)
                raise
    except OSError as error:
        right = "name a file in a folder that you can write to"
        raise InputError(f"{path}: cannot be written: {error.strerror}; {right}") from None


def read_result(path: str | Path) -> Result:
    """Read what `to_json` or `to_csv` wrote, or a sweep's file, told apart by how they begin.

    Raises InputError for anything else.
    """
    if _is_sqlite(path):
        from accelsim.sweep import read_sweep

        return read_sweep(path)
    text = _text(path)
    if not text.lstrip().startswith("{"):
        return Result({}, _csv_rows(path, text), {})
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON: {error}; {_WANTED}") from None
    rows = found.get("rows")
    if not isinstance(rows, list) or not rows or not all(_is_row(row, rows[0]) for row in rows):
        raise InputError(f"{path}: has no rows of equal columns; {_WANTED}")
    meta, summary = found.get("meta", {}), found.get("summary", {})
    return Result(meta, tuple(rows), summary)


_WANTED = "name a file that `accelsim ... -o FILE` wrote as JSON or CSV"


def _is_sqlite(path: str | Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except (OSError, ValueError):
        return False


def _is_row(row: Any, first: Any) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == first.keys()
        and all(isinstance(value, int | float | str) for value in row.values())
    )


def _csv_rows(path: str | Path, text: str) -> tuple[Row, ...]:
    try:
        rows = list(csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"{path}: is not CSV: {error}; {_WANTED}") from None
    if not rows or any(None in row or None in row.values() for row in rows):
        raise InputError(f"{path}: has no rows of equal columns; {_WANTED}")
    return tuple({name: _value(text) for name, text in row.items()} for row in rows)


def _value(text: str) -> Value:
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    return text


def _text(path: str | Path) -> str:
    if os.path.isdir(path):
        raise InputError(f"{path}: is a directory; {_WANTED}")
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise InputError(f"{path}: is larger than {format_bytes(MAX_FILE_BYTES)}; {_WANTED}")
        return raw.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; {_WANTED}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}; {_WANTED}") from None
