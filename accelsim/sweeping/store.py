"""The file of a sweep: SQLite, whole at every moment, whoever is stopped or writes beside us.

    sweep    what made it: our version, format, inputs
    points   place, key, network, accelerator, fields (JSON), state ('', done, failed), error,
             totals (JSON)
    layers   place, at, and the columns of `run`: a row per layer of each point that is done

A point is there from the moment it is asked for, once (its key is unique), and its answer comes
with all its layers in one transaction, once: whoever is second changes nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim import __version__
from accelsim.results import Row
from accelsim.spec import InputError
from accelsim.units import quote

if TYPE_CHECKING:
    from accelsim.sweeping.work import Answer

APPLICATION_ID = 0x61637377
FORMAT = "1"
_BUSY_S = 120.0
_TABLES = """
CREATE TABLE IF NOT EXISTS sweep (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS points (
  place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, network TEXT NOT NULL,
  accelerator TEXT NOT NULL, fields TEXT NOT NULL, state TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '', totals TEXT NOT NULL DEFAULT '{}');
"""


class Store:
    """A sweep's file, open. Every fault is an InputError of one line; what is in it stays."""

    def __init__(self, path: str | Path, *, fresh: bool = False) -> None:
        self.path = str(path)
        with _told(self.path):
            check_is_sweep(self.path)
            self._db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            try:
                self._begin(fresh)
            except BaseException:
                self._db.close()
                raise

    def _begin(self, fresh: bool) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self._transaction():
            if self._db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            for statement in filter(str.strip, _TABLES.split(";")):
                self._db.execute(statement)
            if fresh:
                self._db.execute("DROP TABLE IF EXISTS layers")
                for table in ("points", "sweep"):
                    self._db.execute(f"DELETE FROM {table}")
            for name, value in (("version", __version__), ("format", FORMAT)):
                self._db.execute("INSERT OR IGNORE INTO sweep VALUES (?, ?)", (name, value))
            made = dict(self._db.execute("SELECT name, value FROM sweep"))
            if (made["version"], made["format"]) != (__version__, FORMAT):
                raise InputError(
                    f"{self.path}: was made by accelsim {made['version']}, this is {__version__}; "
                    "name another file, or start it over with --fresh"
                )

    def close(self) -> None:
        """Leave one file behind, without a journal beside it, where nobody else has it open."""
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA busy_timeout=0")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()

    def ask(self, points: Sequence[tuple[str, str, str, str]]) -> None:
        """Make room for points (key, network, accelerator, fields as JSON) that are not there."""
        with _told(self.path), self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO points (place, key, network, accelerator, fields) VALUES "
                "((SELECT coalesce(max(place), -1) + 1 FROM points), ?, ?, ?, ?)",
                points,
            )

    def note(self, inputs: Mapping[str, str]) -> None:
        """Keep the hashes of input files, by path."""
        with _told(self.path), self._transaction():
            pairs = [(f"input {path}", digest) for path, digest in inputs.items()]
            self._db.executemany("INSERT OR REPLACE INTO sweep VALUES (?, ?)", pairs)

    def states(self) -> dict[str, tuple[int, str]]:
        """Place and state of every point, by key."""
        with _told(self.path):
            rows = self._db.execute("SELECT key, place, state FROM points")
            return {key: (place, state) for key, place, state in rows}

    def add(self, answers: Sequence[Answer]) -> int:
        """Keep answers, whose numbers are places; returns how many nobody had brought before."""
        with _told(self.path), self._transaction():
            return sum(self._add(each) for each in answers)

    def _add(self, answer: Answer) -> bool:
        state = "failed" if answer.error else "done"
        new = self._db.execute(
            "UPDATE points SET state=?, error=?, totals=? WHERE place=? AND state=''",
            (state, answer.error, json.dumps(dict(answer.totals)), answer.number),
        )
        if new.rowcount == 1 and answer.rows:
            names = ", ".join(f'"{name}"' for name in ("place", "at", *answer.columns))
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS layers ({names}, PRIMARY KEY (place, at)) "
                "WITHOUT ROWID"
            )
            marks = ", ".join("?" * (len(answer.columns) + 2))
            rows = ((answer.number, at, *row) for at, row in enumerate(answer.rows))
            self._db.executemany(f"INSERT INTO layers ({names}) VALUES ({marks})", rows)
        return new.rowcount == 1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise


def check_is_sweep(path: str) -> None:
    """Raise InputError for a file that is there and is something else; an empty one will do."""
    if os.path.isdir(path):
        raise InputError(f"{path}: is a directory; name a file for the sweep")
    if not os.path.exists(path) or not os.path.getsize(path):
        return
    wrong = f"{path}: is not a sweep; name another file, this one stays as it is"
    with open(path, "rb") as file:
        header = file.read(72)
    if not header.startswith(b"SQLite format 3\0"):
        raise InputError(wrong)
    if int.from_bytes(header[68:72], "big") not in (APPLICATION_ID, 0):
        raise InputError(wrong)
    with read_only(path) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if tables and "points" not in tables:
        raise InputError(wrong)


@contextmanager
def read_only(path: str | Path) -> Iterator[sqlite3.Connection]:
    """A sweep's file to read, also from a folder in which nothing can be written."""
    name = Path(os.path.abspath(path)).as_uri()
    with _told(str(path)):
        db = sqlite3.connect(f"{name}?mode=ro", uri=True, timeout=_BUSY_S)
        try:
            db.execute("SELECT 1 FROM sqlite_master")
        except sqlite3.OperationalError:
            db.close()
            if os.path.exists(f"{path}-wal"):
                raise
            db = sqlite3.connect(f"{name}?immutable=1", uri=True)
        try:
            yield db
        finally:
            db.close()


@contextmanager
def _told(path: str) -> Iterator[None]:
    """SQLite's complaints, and those of the file system, as one line."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        what = getattr(error, "strerror", None) or str(error)
        right = "what is in it stays; the same command goes on once that is mended"
        if "malformed" in what or "not a database" in what:
            right = "name another file; this one stays as it is"
        if "unable to open" in what or "readonly" in what:
            right = "name a file in a folder that you can write to"
        raise InputError(f"{path}: {what}; {right}") from None


def point_rows(path: str | Path, shown: Set[str] | None = None) -> Iterator[Row]:
    """A row per point that is done or failed, all with the same columns; some keys, or all."""
    columns: dict[str, None] = {}
    with read_only(path) as db:
        for (totals,) in db.execute(
            "SELECT DISTINCT totals FROM points WHERE state='done' LIMIT 1"
        ):
            columns = dict.fromkeys(json.loads(totals))
        fields = field_names(db)
        query = (
            "SELECT key, network, accelerator, fields, error, totals FROM points "
            "WHERE state != '' ORDER BY place"
        )
        for key, network, accelerator, own, error, totals in db.execute(query):
            if shown is None or key in shown:
                given, found = json.loads(own), json.loads(totals)
                first = {name: found.pop(name, "") for name in _FIRST}
                rest = {name: found.get(name, "") for name in columns if name not in _FIRST}
                yield {
                    "network": network, "accelerator": accelerator,
                    **{name: given.get(name, "") for name in fields},
                    **first, "error": error, **rest,
                }  # fmt: skip


_FIRST = ("sram_capacity_bytes", "peak_bandwidth_bytes_per_s", "pes")


def layer_rows(path: str | Path, shown: Set[str] | None = None) -> Iterator[Row]:
    """A row per point and layer, with the columns of `run` after the point's own."""
    with read_only(path) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name='layers'").fetchone():
            return
        fields = field_names(db)
        query = db.execute(
            "SELECT p.key, p.fields, p.totals, l.* FROM points p JOIN layers l USING (place) "
            "ORDER BY l.place, l.at"
        )
        names = [column[0] for column in query.description][5:]
        last, before = None, {}
        for key, own, totals, place, _, *values in query:
            if shown is not None and key not in shown:
                continue
            if place != last:
                given, found = json.loads(own), json.loads(totals)
                before = {name: given.get(name, "") for name in fields}
                before |= {name: found[name] for name in _FIRST if name in found}
                last = place
            row = dict(zip(names, values, strict=True))
            head = {name: row.pop(name) for name in ("network", "accelerator")}
            yield {**head, **before, **row}


def field_names(db: sqlite3.Connection) -> list[str]:
    """What is swept, in the order in which it was first asked for."""
    found: dict[str, None] = {}
    for (fields,) in db.execute("SELECT DISTINCT fields FROM points ORDER BY place"):
        found |= dict.fromkeys(json.loads(fields))
    return list(found)


def counts(path: str | Path, shown: Set[str] | None = None) -> tuple[int, int, int]:
    """How many points are asked for, done, failed."""
    with read_only(path) as db:
        asked = done = failed = 0
        for key, state in db.execute("SELECT key, state FROM points"):
            if shown is None or key in shown:
                asked, done, failed = (
                    asked + 1, done + (state == "done"), failed + (state == "failed")
                )  # fmt: skip
    return asked, done, failed


def notes(path: str | Path) -> dict[str, Any]:
    """What made the file: version, inputs' hashes by path; raises InputError for no sweep."""
    check_is_sweep(str(path))
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; `accelsim sweep --store {path}` makes one")
    with read_only(path) as db:
        found = dict(db.execute("SELECT name, value FROM sweep"))
    inputs = {name[6:]: value for name, value in found.items() if name.startswith("input ")}
    if "version" not in found:
        raise InputError(f"{quote(str(path))} is not a sweep; name a file that `sweep` made")
    return {"version": found["version"], "inputs": inputs}
