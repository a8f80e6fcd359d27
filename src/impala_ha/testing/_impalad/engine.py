"""
SQL over the shared warehouse: the front of the engine.

A statement is read word by word (`sql.reader`), planned by the room that its first word belongs
to (`sql.statements`), and comes back as a job.  Planning looks things up in the catalog and
changes nothing.  DuckDB and sqlglot are imported by `make_engine`, not by this module, so that a
process that runs no SQL stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from impala_ha.testing._impalad.contract import Engine, Job, SessionState

if TYPE_CHECKING:
    from impala_ha.testing._impalad.sql.duck import Duck
    from impala_ha.testing._impalad.sql.warehouse import Warehouse


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

    Raises:
        ImpalaError: A file of *data* cannot be read.
    """
    from impala_ha.testing._impalad.sql.duck import Duck  # noqa: PLC0415
    from impala_ha.testing._impalad.sql.sources import load  # noqa: PLC0415
    from impala_ha.testing._impalad.sql.warehouse import Warehouse  # noqa: PLC0415

    engine = PocketEngine(Warehouse(warehouse), Duck(memory_limit))
    if data is not None:
        load(data, engine.warehouse, engine.duck)
    return engine


class PocketEngine:
    """The engine of one coordinator."""

    def __init__(self, warehouse: Warehouse, duck: Duck) -> None:
        self.warehouse = warehouse
        self.duck = duck

    def plan(
        self, sql: str, session: SessionState, overlay: Mapping[str, str] | None = None
    ) -> Job:
        """Parse and check *sql*."""
        from impala_ha.testing._impalad.sql.statements import plan  # noqa: PLC0415

        return plan(sql, session, overlay or {}, self.warehouse, self.duck)

    def schemas(self, pattern: str) -> Job:
        """What GetSchemas answers."""
        from impala_ha.testing._impalad.sql.metadata import schemas_job  # noqa: PLC0415

        return schemas_job(self.warehouse.catalog, pattern)

    def tables(self, schema: str, table: str) -> Job:
        """What GetTables answers."""
        from impala_ha.testing._impalad.sql.metadata import tables_job  # noqa: PLC0415

        return tables_job(self.warehouse.catalog, schema, table)

    def table_columns(self, schema: str, table: str, column: str) -> Job:
        """What GetColumns answers."""
        from impala_ha.testing._impalad.sql.metadata import columns_job  # noqa: PLC0415

        return columns_job(self.warehouse.catalog, schema, table, column)

    def functions(self, schema: str, function: str) -> Job:  # noqa: ARG002 - all are built in
        """What GetFunctions answers."""
        from impala_ha.testing._impalad.sql.metadata import functions_job  # noqa: PLC0415

        return functions_job(self.warehouse.catalog, function)
