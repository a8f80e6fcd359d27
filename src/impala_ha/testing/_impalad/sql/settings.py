"""USE and SET: what changes the session."""

from __future__ import annotations

from impala_ha.testing._impalad.contract import Column, Job
from impala_ha.testing._impalad.sql.context import Context
from impala_ha.testing._impalad.sql.jobs import TableJob
from impala_ha.testing._impalad.sql.reader import Reader

_OPTION = (Column("option", "string"), Column("value", "string"), Column("level", "string"))


def plan_use(reader: Reader, context: Context) -> Job:
    """Plan a USE statement."""
    reader.expect("USE")
    name = reader.name()
    reader.end()
    context.database(name)

    def use() -> None:
        context.session.database = name

    return TableJob("DDL", (), use)


def plan_set(reader: Reader, context: Context) -> Job:
    """Plan a SET statement."""
    reader.expect("SET")
    key = reader.name().upper()
    reader.expect("=")
    value = reader.any().text if not reader.ended else ""
    reader.end()

    def change() -> None:
        context.session.options[key] = value

    return TableJob("SET", (), change)
