"""
The folder that all coordinators share: Parquet files, and the catalog that lists them.

Files are written under a name that starts with a dot and renamed when they are whole.  What a
DROP or an OVERWRITE takes away stays on disk for a while, for readers that began before it.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote as percent

from pocket_impala.coordinator.contract import SystemRows
from pocket_impala.sql import typenames
from pocket_impala.sql.catalog import FILE, Catalog
from pocket_impala.sql.lag import old
from pocket_impala.sql.tables import Database, DataFile, Table
from pocket_impala.sql.view import View

_TRASH_AGE = 600.0  # seconds that a file stays after it was taken from its table
_LOST_AGE = 3600.0  # seconds after which what nobody lists was left by a process that was killed
_SWEEP_PAUSE = 60.0  # seconds between two looks at the trash
_STAGE = ".stage-"
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

Rows = Callable[[str], Sequence[Sequence[object]]]  # runs SQL, returns all rows


class Warehouse:
    """
    The shared folder and its catalog.

    Attributes:
        folder: The folder.
        catalog: What is in it.
        system: Where the rows of the system tables come from; None when there are none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.catalog = Catalog(self.folder / FILE)
        self.system: SystemRows | None = None
        self.sweep()
        self.tidy()

    @contextmanager
    def view(self) -> Iterator[View]:
        """The catalog as a statement sees it that is planned now."""
        with self.catalog.transaction() as db:
            yield View(db, self.system, old(db, self.catalog.me))

    def location(self, database: Database) -> str:
        """Where the tables of *database* go."""
        return database.location or f"file:{self.folder / database.name}.db"

    def home(self, table: Table) -> Path:
        """Where the files of *table* go, whatever location it shows."""
        return self.folder / f"{table.database}.db" / table.name

    def write(self, rows: Rows, query: str, table: Table) -> list[DataFile]:
        """
        Write what *query* returns, which must have the table's columns, to new files.

        The files are whole and in place, and nobody lists them yet.
        """
        if time.monotonic() - self._swept > _SWEEP_PAUSE:
            self.sweep()
        stage = self.folder / f"{_STAGE}{uuid.uuid4().hex}"
        stage.mkdir()
        try:
            return self._placed(rows(_copy(query, table, stage)), table)
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def catalog_has(self, table: Table) -> bool:
        """Whether there is a table of this name now."""
        with self.catalog.read() as catalog:
            return catalog.table(table.database, table.name) is not None

    def discard(self, files: Sequence[DataFile]) -> None:
        """Delete files that were written and will not be listed."""
        for file in files:
            Path(file.path).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what was taken away long ago."""
        self._swept = time.monotonic()
        with self.catalog.write() as catalog:
            expired = catalog.expired(_TRASH_AGE)
        for path in expired:
            Path(path).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete what killed processes left: stages, and files that they did not come to list."""
        limit = time.time() - _LOST_AGE
        with self.catalog.read() as catalog:
            known = catalog.paths()
        found = [*self.folder.glob(f"{_STAGE}*"), *self.folder.glob("*.db/**/*.parq")]
        for path in found:
            with contextlib.suppress(OSError):  # another coordinator tidies as well
                if str(path) in known or path.stat().st_mtime > limit:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _placed(self, written: Sequence[Sequence[object]], table: Table) -> list[DataFile]:
        files = []
        for path, count, size, _footer, _statistics, keys, *_ in written:
            if not count:
                continue
            spec = partition_spec(table, keys) if isinstance(keys, dict) else ""
            target = Path(self.home(table), spec, f"{uuid.uuid4().hex}_data.0.parq")
            target.parent.mkdir(parents=True, exist_ok=True)
            Path(str(path)).rename(target)
            files.append(DataFile(str(target), int(str(count)), int(str(size)), spec))
        return files


def _copy(query: str, table: Table, stage: Path) -> str:
    fields = ", ".join(
        f"{typenames.quote(column.name)}: {number}"
        for column, number in zip(table.columns, table.fields, strict=True)
    )
    options = f"FORMAT PARQUET, FIELD_IDS {{{fields}}}, RETURN_STATS"
    target = stage / "0.parquet"
    if table.partitioned_by:
        names = ", ".join(typenames.quote(column.name) for column in table.partition_columns)
        options += f", PARTITION_BY ({names}), WRITE_PARTITION_COLUMNS true"
        target = stage / "0"
    return f"COPY ({query}) TO {typenames.literal(str(target))} ({options})"


def partition_spec(table: Table, keys: dict[str, str | None]) -> str:
    """A partition as Impala writes it: ``year=2024/month=1``."""
    return "/".join(
        f"{column.name}={_value(keys[column.name])}" for column in table.partition_columns
    )


def _value(key: str | None) -> str:
    return _NO_VALUE if key is None else percent(str(key), safe=" :-.,")


def scan(table: Table, files: Sequence[DataFile]) -> str:
    """The SELECT that reads *files* as *table* now is."""
    if table.source:
        return table.source
    own = [file.path for file in files if not file.foreign]
    foreign = [file.path for file in files if file.foreign]
    parts = []
    if own:
        schema = ", ".join(
            f"{number}: {{name: {typenames.literal(column.name)},"
            f" type: {typenames.literal(typenames.to_duck(column.type))}, default_value: NULL}}"
            for column, number in zip(table.columns, table.fields, strict=True)
        )
        parts.append(f"SELECT * FROM read_parquet({_list(own)}, schema=MAP {{{schema}}})")
    if foreign:
        columns = ", ".join(typenames.column_cell(c.name, c.type) for c in table.columns)
        parts.append(f"SELECT {columns} FROM read_parquet({_list(foreign)})")
    if not parts:
        columns = ", ".join(
            f"CAST(NULL AS {typenames.to_duck(c.type)}) AS {typenames.quote(c.name)}"
            for c in table.columns
        )
        parts.append(f"SELECT {columns} WHERE false")
    return " UNION ALL ".join(parts)


def numbered(table: Table) -> Table:
    """*table* with a field number for each column, as a new table has them."""
    count = len(table.columns)
    return replace(table, fields=tuple(range(1, count + 1)), next_field=count + 1)


def _list(paths: Sequence[str]) -> str:
    return "[" + ", ".join(typenames.literal(path) for path in paths) + "]"
