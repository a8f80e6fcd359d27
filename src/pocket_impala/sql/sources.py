"""
A folder of CSV and Parquet files as tables.

A CSV file is copied into the warehouse once, with the types that DuckDB finds in all of it;
numbers that all have as many digits after the point, two or more, are exact (DECIMAL), as money
is.  A Parquet file stays where it is.  Coordinators start at the same time: the first to finish
wins, the others see its table.  A file that has changed since becomes a new table in place of the
old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pocket_impala.coordinator.contract import Column, ImpalaError
from pocket_impala.sql import typenames
from pocket_impala.sql.duck import Duck, Lane
from pocket_impala.sql.tables import DataFile, Table
from pocket_impala.sql.warehouse import Warehouse, numbered

_SNIFF = (
    "sample_size=-1, auto_type_candidates="
    "['BOOLEAN', 'INTEGER', 'BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'VARCHAR']"
)
_LEAST_SCALE, _MOST_SCALE = 2, 6  # digits after the point of what is taken for money
_SUFFIXES = (".csv", ".parquet", ".parq")


def load(folder: Path, warehouse: Warehouse, duck: Duck) -> None:
    """
    Make tables of the files of *folder*, in database ``default``.

    Raises:
        ImpalaError: The folder or one of its files cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise ImpalaError(f"Cannot read the data folder {folder}: {error.strerror}") from error
    lane = Lane(duck)
    try:
        for path in paths:
            _load_one(path.absolute(), warehouse, duck, lane)
    finally:
        lane.close()


def _load_one(path: Path, warehouse: Warehouse, duck: Duck, lane: Lane) -> None:
    try:
        _load(path, warehouse, duck, lane)
    except (ImpalaError, OSError) as error:
        raise ImpalaError(f"Cannot make a table of {path}: {error}") from error


def _load(path: Path, warehouse: Warehouse, duck: Duck, lane: Lane) -> None:
    state = path.stat()
    stamp = f"{state.st_size} {state.st_mtime_ns}"
    with warehouse.catalog.read() as catalog:
        if catalog.stamp(str(path)) == stamp:
            return
    is_csv = path.suffix.lower() == ".csv"
    source = _csv(path, duck, lane) if is_csv else f"read_parquet({typenames.literal(str(path))})"
    described = duck.describe(f"SELECT * FROM {source}")
    columns = tuple(
        Column(name.strip().lower(), typenames.from_duck(kind)) for name, kind in described
    )
    table = numbered(
        Table(
            "default",
            path.stem.lower(),
            columns,
            format="PARQUET",
            external=not is_csv,
            location=f"file:{path}",
        )
    )
    files = _copied(source, table, warehouse, lane) if is_csv else [_foreign(path, lane)]
    with warehouse.catalog.write() as catalog:
        if catalog.stamp(str(path)) == stamp:  # another coordinator was faster
            warehouse.discard([file for file in files if not file.foreign])
            return
        if (old := catalog.table(table.database, table.name)) is not None:
            catalog.drop_table(old)
        catalog.add_files(catalog.add_table(table), files)
        catalog.mark(str(path), stamp)


def _csv(path: Path, duck: Duck, lane: Lane) -> str:
    """The DuckDB call that reads a CSV file, with the types of its columns."""
    file = typenames.literal(str(path))
    found = duck.describe(f"SELECT * FROM read_csv({file}, {_SNIFF})")
    exact = {}
    for name, kind in found:
        if kind == "DOUBLE" and (decimal := _decimal(file, typenames.quote(name), lane)):
            exact[name] = decimal
    if not exact:
        return f"read_csv({file}, {_SNIFF})"
    types = ", ".join(f"{typenames.literal(name)}: '{kind}'" for name, kind in exact.items())
    return f"read_csv({file}, {_SNIFF}, types={{{types}}})"


def _decimal(file: str, column: str, lane: Lane) -> str | None:
    parts = f"regexp_extract({column}, '^-?(\\d+)\\.(\\d+)$', "
    row = lane.rows(
        f"SELECT max(length({parts}1))), min(length({parts}2))), max(length({parts}2)))"
        f" FROM read_csv({file}, all_varchar=true)"
    )[0]
    whole, shortest, longest = (int(str(number)) for number in row)
    if shortest != longest or not _LEAST_SCALE <= longest <= _MOST_SCALE:
        return None
    width = next((size for size in (9, 18, 38) if whole + longest <= size), None)
    return f"DECIMAL({width},{longest})" if width else None


def _copied(source: str, table: Table, warehouse: Warehouse, lane: Lane) -> Sequence[DataFile]:
    names = ", ".join(typenames.quote(column.name) for column in table.columns)
    cells = ", ".join(typenames.column_cell(c.name, c.type) for c in table.columns)
    return warehouse.write(lane.rows, f"SELECT {cells} FROM {source} AS s({names})", table)


def _foreign(path: Path, lane: Lane) -> DataFile:
    rows = lane.rows(f"SELECT num_rows FROM parquet_file_metadata({typenames.literal(str(path))})")
    return replace(DataFile(str(path), int(str(rows[0][0])), path.stat().st_size), foreign=True)
