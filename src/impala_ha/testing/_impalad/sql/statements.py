"""Which room plans which statement: its first word decides."""

from __future__ import annotations

from collections.abc import Callable

from impala_ha.testing._impalad.contract import Job
from impala_ha.testing._impalad.sql import create, insert, remove, select, settings, show
from impala_ha.testing._impalad.sql.context import Context
from impala_ha.testing._impalad.sql.reader import Reader

Planner = Callable[[Reader, Context], Job]

PLANNERS: dict[str, Planner] = {
    "SELECT": select.plan_query,
    "VALUES": select.plan_query,
    "(": select.plan_query,
    "EXPLAIN": select.plan_explain,
    "INSERT": insert.plan_insert,
    "CREATE": create.plan_create,
    "DROP": remove.plan_drop,
    "TRUNCATE": remove.plan_truncate,
    "USE": settings.plan_use,
    "SET": settings.plan_set,
    "SHOW": show.plan_show,
}


def planner(reader: Reader) -> Planner:
    """Who plans the statement that *reader* begins."""
    word = reader.word
    first = "" if word is None else word.text.upper()
    if first == "WITH":
        return insert.plan_insert if reader.leads_to("INSERT") else select.plan_query
    if first not in PLANNERS:
        reader.fail(*(name for name in sorted(PLANNERS) if name.isalpha()), "WITH")
    return PLANNERS[first]
