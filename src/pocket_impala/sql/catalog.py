"""
What tables there are: one SQLite file that every coordinator of the warehouse reads and writes.

A table's rows are exactly the files that the catalog lists for it, so a statement becomes visible
at the commit that lists its files, everywhere at once and as a whole; a process that is killed
before it leaves files behind that nobody lists.  Each change raises the table's version: a
statement that read a table in order to rewrite it commits only if nobody else did meanwhile.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pocket_impala.sql import lag
from pocket_impala.sql.tables import (
    Database,
    DataFile,
    Table,
    from_json,
    to_json,
)

_BUSY_TIMEOUT = 60.0  # seconds that one process waits for another's transaction
_MOMENT = 0.05  # seconds that `is_free` waits for one that is under way
FILE = "catalog.sqlite"  # its name in the folder of the warehouse
_SCHEMA = """
CREATE TABLE IF NOT EXISTS databases (
    name TEXT PRIMARY KEY, comment TEXT NOT NULL, location TEXT NOT NULL, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tables (
    id INTEGER PRIMARY KEY AUTOINCREMENT, db TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (db, name));
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, table_id INTEGER NOT NULL, partition TEXT NOT NULL,
    row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, foreign_file INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS files_of ON files (table_id);
CREATE TABLE IF NOT EXISTS partitions (
    table_id INTEGER NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (table_id, spec));
CREATE TABLE IF NOT EXISTS sources (path TEXT PRIMARY KEY, stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trash (path TEXT PRIMARY KEY, since REAL NOT NULL);
INSERT OR IGNORE INTO databases VALUES ('default', 'Default Hive database', '', 'public');
INSERT OR IGNORE INTO databases
    VALUES ('_impala_builtins', 'System database for Impala builtin functions', '', '');
"""


def is_free(path: Path) -> bool:
    """
    Could others read and write?

    Not while a process is inside a transaction, and for good if it was stopped there.

    Args:
        path: The catalog file; one that is not there is free.
    """
    if not path.exists():
        return True
    db = sqlite3.connect(path, timeout=_MOMENT, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        db.close()
    return True


class Moved(Exception):
    """The table is not any more what the statement read."""


class Catalog:
    """
    The catalog file, opened anew for each transaction: safe for threads, forks and kills.

    Attributes:
        me: By what name others know who changes something here.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.me = ""
        # SQLite does not wait when two processes switch a file to WAL at once: they take turns.
        with path.with_suffix(".lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            with self._connect() as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {lag.SCHEMA} COMMIT;")

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """One consistent view of everything."""
        with self.transaction() as db:
            yield Reading(db)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that only reads."""
        with self._connect() as db:
            db.execute("BEGIN")
            yield db

    @contextmanager
    def write(self) -> Iterator[Writing]:
        """One transaction: all of it, or nothing when the block raises."""
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            before = lag.image(db)
            yield Writing(db, self.me)
            lag.note(db, self.me, before)
            db.execute("COMMIT")

    def lag(self, seconds: float) -> None:
        """See what others change only after *seconds*; 0 ends it."""
        with self._connect() as db:
            lag.set_lag(db, self.me, seconds)

    def reveal(self, *names: str) -> None:
        """Let all see these databases and tables (``"shop.sales"``) as they are; none: all."""
        with self._connect() as db:
            lag.reveal(db, *names)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous=OFF")  # a crash of the machine may cost a test its data
            yield db
        finally:
            db.close()  # rolls back what was not committed


class Reading:
    """What one transaction sees."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def databases(self) -> list[Database]:
        """All databases, by name."""
        rows = self._db.execute(
            "SELECT name, comment, location, owner FROM databases ORDER BY name"
        )
        return [Database(*row) for row in rows]

    def database(self, name: str) -> Database | None:
        """One database, if it exists."""
        return next((found for found in self.databases() if found.name == name), None)

    def tables(self, database: str) -> list[Table]:
        """The tables and views of a database, by name."""
        rows = self._db.execute(
            "SELECT id, version, body FROM tables WHERE db = ? ORDER BY name", (database,)
        )
        return [from_json(*row) for row in rows]

    def table(self, database: str, name: str) -> Table | None:
        """One table or view, if it exists."""
        row = self._db.execute(
            "SELECT id, version, body FROM tables WHERE db = ? AND name = ?", (database, name)
        ).fetchone()
        return None if row is None else from_json(*row)

    def files(self, table: Table) -> list[DataFile]:
        """The files that hold the table's rows, oldest first."""
        rows = self._db.execute(
            "SELECT path, row_count, bytes, partition, foreign_file FROM files"
            " WHERE table_id = ? ORDER BY rowid",
            (table.id,),
        )
        return [
            DataFile(path, count, size, spec, foreign=bool(foreign))
            for path, count, size, spec, foreign in rows
        ]

    def paths(self) -> set[str]:
        """All files that belong to a table, or did until lately."""
        rows = self._db.execute("SELECT path FROM files UNION SELECT path FROM trash")
        return {row[0] for row in rows}

    def partitions(self, table: Table) -> list[str]:
        """The table's partitions, also those without rows."""
        rows = self._db.execute("SELECT spec FROM partitions WHERE table_id = ?", (table.id,))
        return [row[0] for row in rows]

    def stamp(self, source: str) -> str | None:
        """What `Writing.mark` noted for *source*."""
        row = self._db.execute("SELECT stamp FROM sources WHERE path = ?", (source,)).fetchone()
        return None if row is None else str(row[0])


class Writing(Reading):
    """Changes of one transaction, by one author."""

    def __init__(self, db: sqlite3.Connection, author: str) -> None:
        super().__init__(db)
        self._author = author

    def learn(self, name: str) -> None:
        """Let the author see a database or table as it is: it was in the way of his change."""
        lag.learn(self._db, self._author, name)

    def add_database(self, database: Database) -> None:
        """Add a database."""
        self._db.execute(
            "INSERT INTO databases VALUES (?, ?, ?, ?)",
            (database.name, database.comment, database.location, database.owner),
        )

    def drop_database(self, name: str) -> None:
        """Drop a database, which must be empty by now."""
        self._db.execute("DELETE FROM databases WHERE name = ?", (name,))

    def comment_database(self, name: str, comment: str) -> None:
        """Change a database's comment."""
        self._db.execute("UPDATE databases SET comment = ? WHERE name = ?", (comment, name))

    def add_table(self, table: Table) -> Table:
        """Add a table; the answer has its number."""
        cursor = self._db.execute(
            "INSERT INTO tables (db, name, version, body) VALUES (?, ?, 1, ?)",
            (table.database, table.name, to_json(table)),
        )
        found = self.table(table.database, table.name)
        assert found is not None
        assert cursor.lastrowid == found.id
        return found

    def change_table(self, table: Table) -> None:
        """Replace a table's description (same number); raises `Moved` if it was changed."""
        cursor = self._db.execute(
            "UPDATE tables SET db = ?, name = ?, body = ?, version = version + 1"
            " WHERE id = ? AND version = ?",
            (table.database, table.name, to_json(table), table.id, table.version),
        )
        if cursor.rowcount != 1:
            raise Moved

    def drop_table(self, table: Table) -> None:
        """Drop a table; its own files become trash."""
        self.remove_files(self.files(table))
        self._db.execute("DELETE FROM partitions WHERE table_id = ?", (table.id,))
        self._db.execute("DELETE FROM tables WHERE id = ?", (table.id,))

    def touch(self, table: Table, *, unchanged: bool) -> None:
        """
        Raise the table's version.

        Raises:
            Moved: It is gone, or, when it must be *unchanged*, is not any more as *table* says.
        """
        cursor = self._db.execute(
            "UPDATE tables SET version = version + 1 WHERE id = ? AND (? OR version = ?)",
            (table.id, not unchanged, table.version),
        )
        if cursor.rowcount != 1:
            raise Moved

    def add_files(self, table: Table, files: Iterable[DataFile]) -> None:
        """Let *files* be the table's, and their partitions."""
        for file in files:
            self._db.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)",
                (file.path, table.id, file.partition, file.rows, file.bytes, file.foreign),
            )
            if table.partitioned_by:
                self.add_partition(table, file.partition)

    def remove_files(self, files: Iterable[DataFile]) -> None:
        """Take *files* from their table; `expired` tells later when they can be deleted."""
        for file in files:
            self._db.execute("DELETE FROM files WHERE path = ?", (file.path,))
            if not file.foreign:
                self._db.execute("INSERT INTO trash VALUES (?, ?)", (file.path, time.time()))

    def add_partition(self, table: Table, spec: str) -> None:
        """Let the table have a partition, with or without rows."""
        self._db.execute("INSERT OR IGNORE INTO partitions VALUES (?, ?)", (table.id, spec))

    def drop_partition(self, table: Table, spec: str) -> None:
        """Drop a partition and its files."""
        self.remove_files(file for file in self.files(table) if file.partition == spec)
        self._db.execute("DELETE FROM partitions WHERE table_id = ? AND spec = ?", (table.id, spec))

    def mark(self, source: str, stamp: str) -> None:
        """Note that *source*, as of *stamp*, has been made a table."""
        self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (source, stamp))

    def expired(self, age: float) -> list[str]:
        """Files that were taken away more than *age* seconds ago; they are forgotten here."""
        limit = time.time() - age
        rows = self._db.execute("SELECT path FROM trash WHERE since < ?", (limit,)).fetchall()
        self._db.execute("DELETE FROM trash WHERE since < ?", (limit,))
        return [row[0] for row in rows]
