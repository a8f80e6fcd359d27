"""Which room plans which statement: its first word decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from impala_ha.testing._impalad.contract import Job, SessionState
from impala_ha.testing._impalad.sql import create, insert, remove, select, settings, show
from impala_ha.testing._impalad.sql.context import Context
from impala_ha.testing._impalad.sql.duck import Duck
from impala_ha.testing._impalad.sql.reader import Reader
from impala_ha.testing._impalad.sql.warehouse import Warehouse

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


def plan(
    sql: str,
    session: SessionState,
    overlay: Mapping[str, str],
    warehouse: Warehouse,
    duck: Duck,
) -> Job:
    """Plan one statement.  Raises `ImpalaError`: what Impala says when it does not plan it."""
    reader = Reader(sql)
    options = {key.upper(): value for key, value in {**session.options, **overlay}.items()}
    with warehouse.catalog.read() as catalog:
        context = Context(warehouse, duck, session, options, catalog)
        return _planner(reader)(reader, context)


def _planner(reader: Reader) -> Planner:
    word = reader.word
    first = "" if word is None else word.text.upper()
    if first == "WITH":
        return insert.plan_insert if reader.leads_to("INSERT") else select.plan_query
    if first not in PLANNERS:
        reader.fail(*(name for name in sorted(PLANNERS) if name.isalpha()), "WITH")
    return PLANNERS[first]
