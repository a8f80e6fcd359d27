"""ALTER ... SET and COMMENT ON: what is noted about a table and does not touch its rows."""

from __future__ import annotations

from dataclasses import replace

from pocket_impala.coordinator.contract import Job
from pocket_impala.sql.alteration import alteration, changed, existing
from pocket_impala.sql.clauses import read_properties
from pocket_impala.sql.context import Context
from pocket_impala.sql.jobs import SUMMARY, TableJob
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.tables import Table


def plan_set(reader: Reader, context: Context, table: Table) -> Job:
    """Plan ALTER ... SET; that much has been read."""
    if reader.take_one("TBLPROPERTIES", "SERDEPROPERTIES"):
        new = read_properties(reader)
        reader.end()
        return alteration(
            context,
            table,
            "Updated table." if table.view is None else "Updated view.",
            lambda now, _: replace(now, properties={**now.properties, **new}),
        )
    if reader.take("FILEFORMAT"):
        word = reader.any().text.upper()
        kind = {"TEXTFILE": "TEXT"}.get(word, word)
        return alteration(
            context, table, "Updated table.", lambda now, _: replace(now, format=kind)
        )
    if reader.take("LOCATION"):
        place = reader.string()
        summary = "New location has been set."
        return alteration(context, table, summary, lambda now, _: replace(now, location=place))
    if reader.take("OWNER"):
        reader.take_one("USER", "ROLE")
        owner = reader.name()
        summary = "Updated table/view."
        return alteration(context, table, summary, lambda now, _: replace(now, owner=owner))
    if reader.take_one("CACHED", "UNCACHED", "ROW", "COLUMN"):
        reader.seek("\0")
        return alteration(context, table, "Updated table.", lambda now, _: now)
    raise reader.failure("CACHED", "FILEFORMAT", "LOCATION", "OWNER", "ROW", "SERDEPROPERTIES",
                "TBLPROPERTIES", "UNCACHED")  # fmt: skip


def plan_comment(reader: Reader, context: Context) -> Job:
    """Plan COMMENT ON."""
    reader.expect("COMMENT", "ON")
    what = reader.take_one("DATABASE", "TABLE", "VIEW", "COLUMN")
    if what is None:
        reader.fail("COLUMN", "DATABASE", "TABLE", "VIEW")
    if what == "DATABASE":
        return _comment_database(reader, context)
    parts = [reader.name()]
    while reader.take("."):
        parts.append(reader.name())
    comment = _comment_text(reader)
    column = parts.pop() if what == "COLUMN" else None
    name, database = parts.pop(), parts.pop() if parts else context.session.database
    table = context.table(database, name)
    if column is None:
        summary = f"Updated {what.lower()}."
        return alteration(context, table, summary, lambda now, _: replace(now, comment=comment))
    old = existing(table, column)
    return changed(reader, context, table, old, replace(old, comment=comment))


def _comment_database(reader: Reader, context: Context) -> Job:
    name = context.database(reader.name()).name
    comment = _comment_text(reader)

    def change() -> list[tuple[str]]:
        with context.warehouse.catalog.write() as catalog:
            catalog.comment_database(name, comment)
        return [("Updated database.",)]

    return TableJob("DDL", SUMMARY, change)


def _comment_text(reader: Reader) -> str:
    reader.expect("IS")
    text = "" if reader.take("NULL") else reader.string()
    reader.end()
    return text
