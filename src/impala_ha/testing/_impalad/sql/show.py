"""SHOW."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from impala_ha.testing._impalad.contract import Column, Job
from impala_ha.testing._impalad.sql.context import Context
from impala_ha.testing._impalad.sql.jobs import TableJob
from impala_ha.testing._impalad.sql.reader import Reader


def plan_show(reader: Reader, context: Context) -> Job:
    """Plan a SHOW statement."""
    reader.expect("SHOW")
    if reader.take_one("DATABASES", "SCHEMAS"):
        pattern = _pattern(reader)
        names = [(d.name, d.comment) for d in context.catalog.databases() if fits(d.name, pattern)]
        return _table(("name", "comment"), names)
    if reader.take_one("TABLES"):
        database = reader.name() if reader.take("IN") else context.session.database
        pattern = _pattern(reader)
        tables = context.catalog.tables(context.database(database).name)
        return _table(("name",), [(t.name,) for t in tables if fits(t.name, pattern)])
    reader.fail("DATABASES", "TABLES")


def _pattern(reader: Reader) -> str:
    reader.take("LIKE")
    pattern = "*" if reader.ended else reader.string()
    reader.end()
    return pattern


def fits(name: str, pattern: str) -> bool:
    """Whether *name* is one of *pattern*: ``*`` is any text, ``|`` separates alternatives."""
    return any(fnmatch.fnmatchcase(name, part.strip().lower()) for part in pattern.split("|"))


def _table(names: Iterable[str], rows: Iterable[tuple[object, ...]]) -> Job:
    return TableJob("DDL", tuple(Column(name, "string") for name in names), lambda: rows)
