"""The engine that the service holds: statements and metadata calls, each answered with a job."""

from __future__ import annotations

from collections.abc import Mapping

from pocket_impala.coordinator.contract import Job, SessionState, SystemRows
from pocket_impala.sql import metadata
from pocket_impala.sql.duck import Duck
from pocket_impala.sql.statements import plan
from pocket_impala.sql.warehouse import Warehouse


class PocketEngine:
    """The engine of one coordinator."""

    def __init__(self, warehouse: Warehouse, duck: Duck) -> None:
        self.warehouse = warehouse
        self.duck = duck

    def show_system_tables(self, rows: SystemRows) -> None:
        """Have database ``sys`` from now on."""
        self.warehouse.system = rows

    def join(self, name: str) -> None:
        """Be known to the other coordinators by *name*."""
        self.warehouse.catalog.me = name
        # A coordinator of this name may have been killed while it lagged.
        self.lag(0)

    def lag(self, seconds: float) -> None:
        """See what other coordinators change only after *seconds*; 0 ends it."""
        self.warehouse.catalog.lag(seconds)

    def plan(
        self, sql: str, session: SessionState, overlay: Mapping[str, str] | None = None
    ) -> Job:
        """Parse and check *sql*."""
        return plan(sql, session, overlay or {}, self.warehouse, self.duck)

    def schemas(self, pattern: str) -> Job:
        """What GetSchemas answers."""
        return metadata.schemas_job(self.warehouse, pattern)

    def tables(self, schema: str, table: str) -> Job:
        """What GetTables answers."""
        return metadata.tables_job(self.warehouse, schema, table)

    def table_columns(self, schema: str, table: str, column: str) -> Job:
        """What GetColumns answers."""
        return metadata.columns_job(self.warehouse, schema, table, column)

    def functions(self, schema: str, function: str) -> Job:  # noqa: ARG002 - all are built in
        """What GetFunctions answers."""
        return metadata.functions_job(self.warehouse, function)
