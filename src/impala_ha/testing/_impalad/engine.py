"""
SQL over the shared warehouse: the front of the engine.

A statement is read word by word (`sql.reader`), planned by the room that its first word belongs
to, and comes back as a job.  Planning looks things up in the catalog and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from impala_ha.testing._impalad.contract import Engine, ImpalaError, Job, SessionState

if TYPE_CHECKING:
    from impala_ha.testing._impalad.sql.context import Context
    from impala_ha.testing._impalad.sql.reader import Reader

    Planner = Callable[[Reader, Context], Job]


def warm() -> None:
    """Import what running SQL needs, so that the first statement does not wait for it."""
    import duckdb  # noqa: F401, PLC0415 - imports are the point

    from impala_ha.testing._impalad.sql import statements  # noqa: F401, PLC0415


def make_engine(
    warehouse: Path, *, data: Path | None = None, memory_limit: str = "256MB"
) -> Engine:
    """
    An engine over *warehouse*, a folder that several processes may share.

    Args:
        warehouse: The folder; it is made when it does not exist.
        data: A folder whose CSV and Parquet files become tables of database ``default``.
        memory_limit: What DuckDB may use, in DuckDB's words.
    """
    from impala_ha.testing._impalad.sql.duck import Duck  # noqa: PLC0415
    from impala_ha.testing._impalad.sql.warehouse import Warehouse  # noqa: PLC0415

    return PocketEngine(Warehouse(warehouse), Duck(memory_limit))


class PocketEngine:
    """The engine of one coordinator."""

    def __init__(self, warehouse: object, duck: object) -> None:
        self._warehouse = warehouse
        self._duck = duck

    def plan(
        self, sql: str, session: SessionState, overlay: Mapping[str, str] | None = None
    ) -> Job:
        """Parse and check *sql*."""
        from impala_ha.testing._impalad.sql.context import Context
        from impala_ha.testing._impalad.sql.reader import Reader
        from impala_ha.testing._impalad.sql.statements import planner

        reader = Reader(sql)
        options = {k.upper(): v for k, v in {**session.options, **(overlay or {})}.items()}
        with self._warehouse.catalog.read() as catalog:
            context = Context(self._warehouse, self._duck, session, options, catalog)
            return planner(reader)(reader, context)
