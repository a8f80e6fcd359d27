"""Views: their query is kept as it was written, and their columns as they were then."""

from __future__ import annotations

from collections.abc import Sequence

from pocket_impala.coordinator.contract import Column, ImpalaError, Job
from pocket_impala.sql.clauses import if_not_exists, read_properties
from pocket_impala.sql.context import Context
from pocket_impala.sql.creation import creation
from pocket_impala.sql.query import bind, parse
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Table


def plan_create(reader: Reader, context: Context) -> Job:
    """Plan CREATE VIEW; that much has been read."""
    quiet = if_not_exists(reader)
    database, name = reader.qualified(context.session.database)
    aliases = view_columns(reader) if reader.sees("(") else []
    comment = reader.string() if reader.take("COMMENT") else ""
    properties = read_properties(reader) if reader.take("TBLPROPERTIES") else {}
    reader.expect("AS")
    columns, sql = view_query(reader, context, aliases)
    view = Table(
        database, name, columns, comment=comment, properties=properties, format="VIEW", view=sql
    )
    return creation(context, view, "View", quiet=quiet)


def view_query(
    reader: Reader, context: Context, aliases: Sequence[tuple[str, str]]
) -> tuple[tuple[Column, ...], str]:
    """The columns of a view's query, under *aliases* where there are any, and its text."""
    lane = context.lane()
    try:
        bound = bind(parse(reader.sql, reader.start), context.scope(lane), context.duck)
    finally:
        lane.close()
    sql = reader.rest()
    if not aliases:
        return bound.columns, sql
    if len(aliases) != len(bound.columns):
        raise ImpalaError(
            "AnalysisException: Column-definition list has "
            f"{'more' if len(aliases) > len(bound.columns) else 'fewer'} columns "
            f"({len(aliases)}) than the view-definition query statement returns "
            f"({len(bound.columns)})."
        )
    pairs = zip(aliases, bound.columns, strict=True)
    return tuple(Column(name, column.type, note) for (name, note), column in pairs), sql


def view_columns(reader: Reader) -> list[tuple[str, str]]:
    """Read the column names of a view, with their comments."""
    found = []
    reader.expect("(")
    while not reader.take(")"):
        name = reader.name()
        found.append((name, reader.string() if reader.take("COMMENT") else ""))
        reader.take(",")
    return found
