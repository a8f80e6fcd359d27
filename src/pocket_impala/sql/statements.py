"""Which room plans which statement: its first word decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pocket_impala.coordinator.contract import Job, SessionState
from pocket_impala.sql import (
    alter,
    change,
    create,
    describe,
    explain,
    insert,
    properties,
    refresh,
    remove,
    selects,
    settings,
    show,
    stats,
)
from pocket_impala.sql.context import Context
from pocket_impala.sql.duck import Duck
from pocket_impala.sql.jobs import SyncedJob
from pocket_impala.sql.options import checked
from pocket_impala.sql.reader import Reader
from pocket_impala.sql.warehouse import Warehouse

Planner = Callable[[Reader, Context], Job]

PLANNERS: dict[str, Planner] = {
    "SELECT": selects.plan_query,
    "VALUES": selects.plan_query,
    "(": selects.plan_query,
    "EXPLAIN": explain.plan_explain,
    "INSERT": insert.plan_insert,
    "UPSERT": insert.plan_insert,
    "UPDATE": change.plan_update,
    "DELETE": change.plan_delete,
    "CREATE": create.plan_create,
    "DROP": remove.plan_drop,
    "TRUNCATE": remove.plan_truncate,
    "USE": settings.plan_use,
    "SET": settings.plan_set,
    "SHOW": show.plan_show,
    "DESCRIBE": describe.plan_describe,
    "DESC": describe.plan_describe,
    "ALTER": alter.plan_alter,
    "COMMENT": properties.plan_comment,
    "COMPUTE": stats.plan_compute,
    "REFRESH": refresh.plan_refresh,
    "INVALIDATE": refresh.plan_invalidate,
    "LOAD": refresh.plan_load,
    "GRANT": refresh.plan_grant,
    "REVOKE": refresh.plan_grant,
}

_ONLY_LOOKING = frozenset(
    (
        selects.plan_query,
        explain.plan_explain,
        settings.plan_use,
        settings.plan_set,
        show.plan_show,
        describe.plan_describe,
        refresh.plan_refresh,
        refresh.plan_invalidate,
    )
)


def plan(
    sql: str,
    session: SessionState,
    overlay: Mapping[str, str],
    warehouse: Warehouse,
    duck: Duck,
) -> Job:
    """Plan one statement.  Raises `ImpalaError`: what Impala says when it does not plan it."""
    for name in overlay:
        if not name.lower().startswith("impala."):
            checked(name)
    reader = Reader(sql)
    options = {key.upper(): value for key, value in {**session.options, **overlay}.items()}
    with warehouse.view() as catalog:
        planner = _planner(reader)
        changes = planner not in _ONLY_LOOKING
        context = Context(warehouse, duck, session, options, catalog, changes=changes)
        job = planner(reader, context)
    if changes and options.get("SYNC_DDL", "").lower() in {"1", "true"}:
        return SyncedJob(job, warehouse.catalog.reveal)
    return job


def _planner(reader: Reader) -> Planner:
    word = reader.word
    first = "" if word is None else word.text.upper()
    if first == "WITH":
        return insert.plan_insert if reader.leads_to("INSERT", "UPSERT") else selects.plan_query
    if first not in PLANNERS:
        reader.fail(*(name for name in sorted(PLANNERS) if name.isalpha()), "WITH")
    return PLANNERS[first]
