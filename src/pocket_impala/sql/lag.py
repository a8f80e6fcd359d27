"""
A catalog that comes late: what Impala's statestore makes of another coordinator's changes.

While a coordinator lags, each change by anybody leaves behind how the object was before.  The
laggard then sees, of each database and table, the state before the first change that it cannot
know yet: one by somebody else, not long ago, and after its own last change of that object (the
answer to a change brings the whole object along).  While nobody lags, nothing is kept.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pocket_impala.sql.tables import Database, DataFile, Table, from_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS lags (
    coordinator TEXT PRIMARY KEY, seconds REAL NOT NULL, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, author TEXT NOT NULL,
    object TEXT NOT NULL, before TEXT NOT NULL);
"""
_ALL = """
SELECT name, json_array(name, comment, location, owner) FROM databases
UNION ALL
SELECT db || '.' || name, json_array(id, version, body,
    (SELECT json_group_array(json_array(path, row_count, bytes, partition, foreign_file))
        FROM (SELECT * FROM files WHERE table_id = tables.id ORDER BY rowid)),
    (SELECT json_group_array(spec) FROM partitions WHERE table_id = tables.id))
    FROM tables
"""

Image: TypeAlias = dict[str, str]  # each object's state as JSON, by its name


@dataclass(frozen=True, slots=True)
class OldTable:
    """A table as it was, with its files and partitions."""

    table: Table
    files: list[DataFile]
    partitions: list[str]


@dataclass(frozen=True, slots=True)
class Old:
    """
    What a laggard sees instead of what is there; None for what it knows nothing of.

    Attributes:
        databases: By name.
        tables: By database and name.
    """

    databases: Mapping[str, Database | None]
    tables: Mapping[tuple[str, str], OldTable | None]


NOTHING_OLD = Old({}, {})


def set_lag(db: sqlite3.Connection, coordinator: str, seconds: float) -> None:
    """Let *coordinator* lag from now on; 0 ends it."""
    if seconds > 0:
        db.execute(
            "INSERT INTO lags VALUES (?, ?, ?)"
            " ON CONFLICT (coordinator) DO UPDATE SET seconds = excluded.seconds",
            (coordinator, seconds, time.time()),
        )
    elif db.execute("SELECT 1 FROM lags WHERE coordinator = ?", (coordinator,)).fetchone():
        db.execute("DELETE FROM lags WHERE coordinator = ?", (coordinator,))


def image(db: sqlite3.Connection) -> Image | None:
    """How everything is; None while nobody lags."""
    if db.execute("SELECT 1 FROM lags").fetchone() is None:
        return None
    return dict(db.execute(_ALL).fetchall())


def note(db: sqlite3.Connection, author: str, before: Image | None) -> None:
    """Keep how those objects were that *author* has changed, and forget what all know by now."""
    after = image(db)
    if before is None or after is None:
        db.execute("DELETE FROM history")
        return
    now = time.time()
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            _keep(db, now, author, name, before.get(name))
    longest = db.execute("SELECT max(seconds) FROM lags").fetchone()[0]
    db.execute("DELETE FROM history WHERE at < ?", (now - longest,))


def learn(db: sqlite3.Connection, author: str, name: str) -> None:
    """Let *author* know object *name* as it is: the answer to his change told him."""
    if (now := image(db)) is not None:
        _keep(db, time.time(), author, name, now.get(name))


def reveal(db: sqlite3.Connection, *names: str) -> None:
    """Let all know these objects as they are; without names: everything."""
    if not names:
        db.execute("DELETE FROM history")
    for name in names:
        db.execute("DELETE FROM history WHERE object = ?", (name,))


def old(db: sqlite3.Connection, coordinator: str) -> Old:
    """What *coordinator* sees instead of what is there."""
    lag = db.execute(
        "SELECT seconds, since FROM lags WHERE coordinator = ?", (coordinator,)
    ).fetchone()
    if lag is None:
        return NOTHING_OLD
    seconds, since = lag
    known_until = max(since, time.time() - seconds)
    states: dict[str, Any] = {}
    known = set()
    for at, author, name, before in db.execute(
        "SELECT at, author, object, before FROM history ORDER BY id DESC"
    ):
        if author == coordinator or at <= known_until:
            known.add(name)
        elif name not in known:
            states[name] = json.loads(before)
    return Old(
        {name: state and Database(*state) for name, state in states.items() if "." not in name},
        {_pair(name): state and _table(*state) for name, state in states.items() if "." in name},
    )


def _keep(db: sqlite3.Connection, at: float, author: str, name: str, before: str | None) -> None:
    db.execute(
        "INSERT INTO history (at, author, object, before) VALUES (?, ?, ?, ?)",
        (at, author, name, before or "null"),
    )


def _pair(name: str) -> tuple[str, str]:
    database, _, table = name.partition(".")
    return database, table


def _table(number: int, version: int, body: str, files: str, partitions: str) -> OldTable:
    found = [
        DataFile(path, count, size, spec, foreign=bool(foreign))
        for path, count, size, spec, foreign in _list(files)
    ]
    return OldTable(from_json(number, version, body), found, _list(partitions))


def _list(value: Any) -> list[Any]:
    # SQLite nests what its JSON functions made, and quotes it when it came through a subquery.
    return list(json.loads(value)) if isinstance(value, str) else list(value)
