"""CREATE TABLE in all its forms, CREATE VIEW, CREATE DATABASE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql import typenames, views
from pocket_impala.sql.clauses import (
    Columns,
    if_not_exists,
    read_columns,
    read_names,
    read_properties,
)
from pocket_impala.sql.column_options import with_defaults
from pocket_impala.sql.context import Context, checked_name
from pocket_impala.sql.creation import checked, creation, finished
from pocket_impala.sql.duck import Lane
from pocket_impala.sql.jobs import SUMMARY, TableJob
from pocket_impala.sql.query import Bound, bind, parse
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Database, Table

_FORMATS = ("PARQUET", "TEXTFILE", "ORC", "AVRO", "RCFILE", "SEQUENCEFILE", "KUDU", "ICEBERG",
            "JSONFILE", "PARQUETFILE", "TEXT")  # fmt: skip


@dataclass(slots=True)
class Clauses:
    """What follows the columns in CREATE TABLE, in any order."""

    format: str = "TEXT"
    location: str = ""
    comment: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    partitioned: Columns = field(default_factory=lambda: Columns(()))
    partition_names: list[str] = field(default_factory=list)


def plan_create(reader: Reader, context: Context) -> Job:
    """Plan a CREATE statement."""
    reader.expect("CREATE")
    if reader.take_one("DATABASE", "SCHEMA"):
        return _create_database(reader, context)
    if reader.take("VIEW"):
        return views.plan_create(reader, context)
    external = reader.take("EXTERNAL")
    reader.expect("TABLE")
    return _create_table(reader, context, external=external)


def _create_database(reader: Reader, context: Context) -> Job:
    quiet = if_not_exists(reader)
    name = checked_name(reader.name(), "database")
    comment = reader.string() if reader.take("COMMENT") else ""
    location = reader.string() if reader.take("LOCATION") else ""
    if reader.take("MANAGEDLOCATION"):
        reader.string()
    reader.end()
    database = Database(name, comment, location, context.session.user)
    problem = ImpalaError(f"AnalysisException: Database already exists: {name}")
    if context.catalog.database(name) and not quiet:
        raise problem

    def create() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            if catalog.database(name) is not None:
                if quiet:
                    catalog.learn(name)
                    return [("Database already exists.",)]
                raise problem
            catalog.add_database(database)
        return [("Database has been created.",)]

    return TableJob("DDL", SUMMARY, create)


def _create_table(reader: Reader, context: Context, *, external: bool) -> Job:
    quiet = if_not_exists(reader)
    database, name = reader.qualified(context.session.database)
    like = _like(reader, context)
    defined = read_columns(reader) if reader.sees("(") else Columns(())
    clauses = _clauses(reader)
    table = Table(
        database,
        name,
        defined.columns + clauses.partitioned.columns,
        partitioned_by=len(clauses.partitioned.columns),
        keys=defined.keys,
        format=clauses.format,
        external=external,
        location=clauses.location,
        comment=clauses.comment,
        properties=clauses.properties,
    )
    if like is not None:
        table = replace(
            like, database=database, name=name, external=external, location=clauses.location,
            comment=clauses.comment or like.comment, stats={}, view=None,
            format=clauses.format if clauses.format != "TEXT" else like.format,
        )  # fmt: skip
    if reader.take("AS"):
        return _create_as(reader, context, table, clauses, quiet=quiet)
    reader.end()
    if not table.columns:
        raise ImpalaError("AnalysisException: Table requires at least 1 column")
    return creation(context, with_defaults(context, table), "Table", quiet=quiet)


def _like(reader: Reader, context: Context) -> Table | None:
    if not reader.take("LIKE"):
        return None
    if reader.take_one("PARQUET", "ORC"):
        path = reader.string()
        described = context.duck.describe(f"SELECT * FROM read_parquet({typenames.literal(path)})")
        return Table(
            "", "", tuple(Column(n.lower(), typenames.from_duck(kind)) for n, kind in described)
        )
    return context.table(*reader.qualified(context.session.database))


def _clauses(reader: Reader) -> Clauses:
    found = Clauses()
    while not reader.ended and not reader.sees("AS"):
        if reader.take("PARTITIONED", "BY"):
            _partitioned(reader, found)
        elif reader.take("PARTITION", "BY"):
            reader.seek("COMMENT", "STORED", "TBLPROPERTIES", "AS")
        elif reader.take("SORT", "BY"):
            reader.take_one("LEXICAL", "ZORDER")
            read_names(reader)
        elif reader.take("COMMENT"):
            found.comment = reader.string()
        elif reader.take("ROW", "FORMAT"):
            reader.seek("STORED", "LOCATION", "TBLPROPERTIES", "AS", "WITH", "COMMENT")
        elif reader.take("STORED"):
            reader.take_one("AS", "BY")
            found.format = _format(reader)
        elif not _storage_clause(reader, found):
            reader.fail("AS", "CACHED", "COMMENT", "LOCATION", "PARTITIONED", "ROW", "SORT",
                        "STORED", "TBLPROPERTIES", "UNCACHED", "WITH")  # fmt: skip
    return found


def _storage_clause(reader: Reader, found: Clauses) -> bool:
    if reader.take("LOCATION"):
        found.location = reader.string()
    elif reader.take("TBLPROPERTIES"):
        found.properties.update(read_properties(reader))
    elif reader.take("WITH", "SERDEPROPERTIES"):
        read_properties(reader)
    elif reader.take("CACHED", "IN"):
        reader.string()
    else:
        return reader.take("UNCACHED")
    return True


def _partitioned(reader: Reader, found: Clauses) -> None:
    if reader.take("SPEC"):
        reader.group()  # Iceberg keeps such columns where they are
        return
    if reader.names_only():
        found.partition_names = read_names(reader)
    else:
        found.partitioned = read_columns(reader)


def _format(reader: Reader) -> str:
    word = reader.take_one(*_FORMATS)
    if word is None:
        reader.fail(*_FORMATS)
    return {"TEXTFILE": "TEXT", "PARQUETFILE": "PARQUET", "JSONFILE": "JSON"}.get(word, word)


def _create_as(
    reader: Reader, context: Context, table: Table, clauses: Clauses, *, quiet: bool
) -> Job:
    problem = checked(context, table, "Table", quiet=quiet)
    with context.planning() as lane:
        bound = bind(parse(reader.sql, reader.start), context.scope(lane), context.duck)
    made = finished(context, _shaped(table, bound, clauses.partition_names))

    def create() -> list[tuple[str]]:
        if context.warehouse.catalog_has(made):
            if quiet:
                with context.warehouse.catalog.write() as catalog:
                    catalog.learn(made.full_name)
                return [("Table already exists.",)]
            raise problem
        count = _fill(context, made, bound, lane, problem)
        return [(f"Inserted {count} row(s)",)]

    return TableJob("DDL", SUMMARY, create, lane)


def _shaped(table: Table, bound: Bound, partition_names: Sequence[str]) -> Table:
    by_name = {column.name: column for column in bound.columns}
    missing = [name for name in partition_names if name not in by_name]
    if missing:
        raise ImpalaError(
            f"AnalysisException: Could not resolve column/field reference: '{missing[0]}'"
        )
    first = tuple(column for column in bound.columns if column.name not in partition_names)
    last = tuple(by_name[name] for name in partition_names)
    return replace(table, columns=first + last, partitioned_by=len(last))


def _fill(context: Context, table: Table, bound: Bound, lane: Lane, problem: ImpalaError) -> int:
    cells = ", ".join(typenames.column_cell(c.name, c.type) for c in table.columns)
    names = ", ".join(typenames.quote(column.name) for column in bound.columns)
    query = f"SELECT {cells} FROM ({bound.sql}) AS q({names})"
    files = context.warehouse.write(lane.rows, query, table)
    try:
        lane.check()
        with context.warehouse.catalog.write() as catalog:
            there = catalog.table(table.database, table.name)
            if there is not None:
                raise problem  # noqa: TRY301 - the files must go, whatever the reason
            catalog.add_files(catalog.add_table(table), files)
    except BaseException:
        context.warehouse.discard(files)
        raise
    return sum(file.rows for file in files)
