"""
What HiveServer2's metadata calls answer: GetSchemas, GetTables, GetColumns, GetFunctions.

Columns, names and numbers are those of Impala's ``MetadataOp``, which follow JDBC's
``DatabaseMetaData``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pocket_impala.coordinator.contract import Column, Job
from pocket_impala.sql import typenames
from pocket_impala.sql.catalog import Reading
from pocket_impala.sql.functions import names
from pocket_impala.sql.jobs import TableJob
from pocket_impala.sql.tables import Table
from pocket_impala.sql.warehouse import Warehouse


def _columns(text: str) -> tuple[Column, ...]:
    pairs = (item.split(":") for item in text.split())
    return tuple(Column(name, kind) for name, kind in pairs)


_SCHEMAS = _columns("TABLE_SCHEM:string TABLE_CATALOG:string")
_TABLES = _columns(
    "TABLE_CAT:string TABLE_SCHEM:string TABLE_NAME:string TABLE_TYPE:string REMARKS:string"
)
_COLUMNS = _columns(
    "TABLE_CAT:string TABLE_SCHEM:string TABLE_NAME:string COLUMN_NAME:string DATA_TYPE:int"
    " TYPE_NAME:string COLUMN_SIZE:int BUFFER_LENGTH:int DECIMAL_DIGITS:int NUM_PREC_RADIX:int"
    " NULLABLE:int REMARKS:string COLUMN_DEF:string SQL_DATA_TYPE:int SQL_DATETIME_SUB:int"
    " CHAR_OCTET_LENGTH:int ORDINAL_POSITION:int IS_NULLABLE:string SCOPE_CATALOG:string"
    " SCOPE_SCHEMA:string SCOPE_TABLE:string SOURCE_DATA_TYPE:smallint IS_AUTO_INCREMENT:string"
)
_FUNCTIONS = _columns(
    "FUNCTION_CAT:string FUNCTION_SCHEM:string FUNCTION_NAME:string REMARKS:string"
    " FUNCTION_TYPE:int SPECIFIC_NAME:string"
)
# Impala's type: JDBC's number, size, digits after the point, radix
_JDBC: dict[str, tuple[int, int | None, int | None, int | None]] = {
    "boolean": (16, 1, None, None),
    "tinyint": (-6, 3, 0, 10),
    "smallint": (5, 5, 0, 10),
    "int": (4, 10, 0, 10),
    "bigint": (-5, 19, 0, 10),
    "float": (6, 7, 7, 10),
    "double": (8, 15, 15, 10),
    "string": (12, 2147483647, None, None),
    "timestamp": (93, 29, 9, None),
    "date": (91, 10, None, None),
    "binary": (-2, 2147483647, None, None),
}
_NULLABLE = 1
_NO_TABLE_RESULT = 1  # JDBC's functionNoTable


def schemas_job(warehouse: Warehouse, pattern: str) -> Job:
    """What GetSchemas answers."""

    def rows(reading: Reading) -> Iterable[tuple[object, ...]]:
        return (
            (database.name, "") for database in reading.databases() if _fits(pattern, database.name)
        )

    return _job(warehouse, _SCHEMAS, rows)


def tables_job(warehouse: Warehouse, schema: str, table: str) -> Job:
    """What GetTables answers."""

    def rows(reading: Reading) -> Iterable[tuple[object, ...]]:
        for found in _tables(reading, schema, table):
            kind = "TABLE" if found.view is None else "VIEW"
            yield "", found.database, found.name, kind, found.comment

    return _job(warehouse, _TABLES, rows)


def columns_job(warehouse: Warehouse, schema: str, table: str, column: str) -> Job:
    """What GetColumns answers."""

    def rows(reading: Reading) -> Iterable[tuple[object, ...]]:
        for found in _tables(reading, schema, table):
            for place, one in enumerate(found.columns, 1):
                if _fits(column, one.name):
                    yield _column_row(found, one, place)

    return _job(warehouse, _COLUMNS, rows)


def functions_job(warehouse: Warehouse, function: str) -> Job:
    """What GetFunctions answers: the built-in functions."""

    def rows(_reading: Reading) -> Iterable[tuple[object, ...]]:
        for name in names():
            if _fits(function, name):
                yield "", "_impala_builtins", name, "", _NO_TABLE_RESULT, name

    return _job(warehouse, _FUNCTIONS, rows)


def _job(
    warehouse: Warehouse,
    columns: tuple[Column, ...],
    rows: Callable[[Reading], Iterable[tuple[object, ...]]],
) -> Job:
    def work() -> list[tuple[object, ...]]:
        with warehouse.view() as reading:
            return list(rows(reading))

    return TableJob("DDL", columns, work)


def _tables(reading: Reading, schema: str, table: str) -> Iterable[Table]:
    for database in reading.databases():
        if _fits(schema, database.name):
            for found in reading.tables(database.name):
                if _fits(table, found.name):
                    yield found


def _column_row(table: Table, column: Column, place: int) -> tuple[object, ...]:
    number, size, digits, radix = _jdbc(column.type)
    head: tuple[object, ...] = ("", table.database, table.name, column.name, number)
    kind = column.type.split("<", 1)[0].split("(", 1)[0].upper()
    described = (kind, size, None, digits, radix, _NULLABLE, column.comment, None, None, None)
    return (*head, *described, None, place, "YES", None, None, None, None, "NO")


def _jdbc(kind: str) -> tuple[int, int | None, int | None, int | None]:
    if kind in _JDBC:
        return _JDBC[kind]
    if kind.startswith("decimal"):
        precision, scale = (int(part) for part in kind[8:-1].split(","))
        return 3, precision, scale, 10
    if kind.startswith(typenames.COMPLEX):
        return (
            {"array": 2003, "map": 2000, "struct": 2002}[kind.split("<", maxsplit=1)[0]],
            None,
            None,
            None,
        )
    return (12 if kind.startswith("varchar") else 1), int(kind[kind.find("(") + 1 : -1]), None, None


def _fits(pattern: str, name: str) -> bool:
    """HiveServer2's patterns: ``%`` and ``.*`` are any text, ``_`` one character."""
    if pattern in ("", "*", "%"):
        return True
    expression = re.sub(r"%|\.\*|\*", "\0", pattern)
    expression = re.escape(expression).replace("\\\0", ".*").replace("\0", ".*").replace("_", ".")
    return re.fullmatch(expression.replace("\\.", "."), name, re.IGNORECASE) is not None
