"""DESCRIBE of tables, views and databases, plain and formatted."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql.column_options import shown_default
from pocket_impala.sql.context import Context
from pocket_impala.sql.jobs import TableJob
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import DataFile, Table

_PLAIN = tuple(Column(name, "string") for name in ("name", "type", "comment"))
_KUDU = tuple(
    Column(name, "string")
    for name in ("primary_key", "key_unique", "nullable", "default_value", "encoding",
                 "compression", "block_size")
)  # fmt: skip
_DATABASE = tuple(Column(name, "string") for name in ("name", "location", "comment"))
_INPUT = {
    "TEXT": "org.apache.hadoop.mapred.TextInputFormat",
    "PARQUET": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "ORC": "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
    "KUDU": "org.apache.hadoop.hive.kudu.KuduInputFormat",
    "ICEBERG": "org.apache.iceberg.mr.hive.HiveIcebergInputFormat",
}
Line = tuple[str, str | None, str | None]


def plan_describe(reader: Reader, context: Context) -> Job:
    """Plan a DESCRIBE statement."""
    if not reader.take("DESC"):
        reader.expect("DESCRIBE")
    if reader.sees("DATABASE") or reader.sees("SCHEMA"):
        reader.any()
        return _describe_database(reader, context)
    formatted = reader.take_one("FORMATTED", "EXTENDED") is not None
    database, name = reader.qualified(context.session.database)
    reader.end()
    table = context.catalog.table(database, name)
    if table is None:
        raise ImpalaError(f"AnalysisException: Could not resolve path: '{name}'")
    if formatted:
        lines = list(_formatted(table, context.catalog.files(table)))
        return TableJob("DDL", _PLAIN, lambda: lines)
    titles: tuple[Column, ...] = _PLAIN
    rows: list[tuple[str, ...]] = [(c.name, c.type, c.comment) for c in table.columns]
    if table.format == "KUDU":
        titles += _KUDU
        rows = [(c.name, c.type, c.comment, *_kudu_cells(table, c)) for c in table.columns]
    elif table.format == "ICEBERG":
        titles += (Column("nullable", "string"),)
        rows = [(c.name, c.type, c.comment, _word(c.nullable)) for c in table.columns]
    return TableJob("DDL", titles, lambda: rows)


def _kudu_cells(table: Table, column: Column) -> tuple[str, ...]:
    key = column.name in table.keys
    return (_word(key), "true" if key else "", _word(column.nullable), shown_default(column),
            "AUTO_ENCODING", "DEFAULT_COMPRESSION", "0")  # fmt: skip


def _word(yes: bool) -> str:
    return "true" if yes else "false"


def _describe_database(reader: Reader, context: Context) -> Job:
    full = reader.take_one("FORMATTED", "EXTENDED") is not None
    database = context.database(reader.name())
    reader.end()
    rows = [(database.name, context.warehouse.location(database), database.comment)]
    if full:
        rows += [("Owner: ", "", ""), ("", database.owner, "USER")]
    return TableJob("DDL", _DATABASE, lambda: rows)


def _formatted(table: Table, files: Iterable[DataFile]) -> Iterable[Line]:
    yield from _columns("# col_name            ", table.plain_columns)
    if table.partitioned_by:
        yield "", None, None
        yield "# Partition Information", None, None
        yield from _columns("# col_name            ", table.partition_columns)
    yield "", None, None
    yield "# Detailed Table Information", None, None
    for label, value in _details(table):
        yield f"{label}:".ljust(20), value, None
    yield "Table Parameters:", None, None
    for key, value in sorted(_parameters(table, list(files)).items()):
        yield "", key.ljust(20), value.ljust(20)
    yield "", None, None
    if table.view is not None:
        yield "# View Information", None, None
        yield "View Original Text:".ljust(20), table.view, None
        yield "View Expanded Text:".ljust(20), table.view, None
        return
    yield "# Storage Information", None, None
    yield "InputFormat:".ljust(20), _INPUT.get(table.format, _INPUT["TEXT"]), None
    for label, value in (("Compressed", "No"), ("Num Buckets", "0"), ("Bucket Columns", "[]"),
                         ("Sort Columns", "[]")):  # fmt: skip
        yield f"{label}:".ljust(20), value.ljust(20), None


def _columns(title: str, columns: Iterable[Column]) -> Iterable[Line]:
    yield title, "data_type           ", "comment             "
    yield "", None, None
    for column in columns:
        yield column.name, column.type, column.comment or None


def _details(table: Table) -> Iterable[tuple[str, str]]:
    yield "Database", table.database.ljust(20)
    yield "OwnerType", "USER".ljust(20)
    yield "Owner", table.owner.ljust(20)
    yield "CreateTime", time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(table.created))
    yield "LastAccessTime", "UNKNOWN".ljust(20)
    yield "Retention", "0".ljust(20)
    yield "Location", table.location
    yield "Table Type", kind(table).ljust(20)


def kind(table: Table) -> str:
    """Hive's word for what *table* is."""
    if table.view is not None:
        return "VIRTUAL_VIEW"
    return "EXTERNAL_TABLE" if table.external else "MANAGED_TABLE"


def _parameters(table: Table, files: list[DataFile]) -> dict[str, str]:
    found = dict(table.properties)
    if table.comment:
        found["comment"] = table.comment
    if table.view is None:
        found["numFiles"] = str(len(files))
        found["totalSize"] = str(sum(file.bytes for file in files))
        found["transient_lastDdlTime"] = str(int(table.created))
    if table.stats:
        found["numRows"] = str(table.stats["rows"])
    if table.external:
        found["EXTERNAL"] = "TRUE"
    if table.format == "ICEBERG":
        found["table_type"] = "ICEBERG"
    return found
