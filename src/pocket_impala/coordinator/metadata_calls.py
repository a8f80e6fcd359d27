"""The calls by which drivers ask for databases, tables, columns, functions and types.

Each makes an operation like that of a statement, whose rows are fetched in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impala._thrift_gen.TCLIService import ttypes as t

from pocket_impala.coordinator import handles
from pocket_impala.coordinator.contract import Column, Job
from pocket_impala.coordinator.encode import type_infos
from pocket_impala.coordinator.queries import Query
from pocket_impala.coordinator.replies import done

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pocket_impala.coordinator.impalad import Connection, Impalad

_ALL = "%"
_TABLE_TYPE = 3
_TYPE_COLUMNS = (
    Column("TYPE_NAME", "string"),
    Column("DATA_TYPE", "int"),
    Column("PRECISION", "int"),
    Column("LITERAL_PREFIX", "string"),
    Column("LITERAL_SUFFIX", "string"),
    Column("CREATE_PARAMS", "string"),
    Column("NULLABLE", "int"),
    Column("CASE_SENSITIVE", "boolean"),
    Column("SEARCHABLE", "int"),
    Column("UNSIGNED_ATTRIBUTE", "boolean"),
    Column("FIXED_PREC_SCALE", "boolean"),
    Column("AUTO_INCREMENT", "boolean"),
    Column("LOCAL_TYPE_NAME", "string"),
    Column("MINIMUM_SCALE", "int"),
    Column("MAXIMUM_SCALE", "int"),
    Column("SQL_DATA_TYPE", "int"),
    Column("SQL_DATETIME_SUB", "int"),
    Column("NUM_PREC_RADIX", "int"),
)


class MetadataCalls:
    """GetSchemas, GetTables, GetColumns, GetFunctions, and the fixed lists."""

    def __init__(self, impalad: Impalad) -> None:
        self._impalad = impalad

    def GetSchemas(self, req: Any, connection: Connection) -> Any:  # noqa: N802  # Thrift's name
        """List databases."""
        return self._open(
            "GetSchemas",
            req,
            connection,
            lambda: self._impalad.engine.schemas(_name(req.schemaName)),
        )

    def GetTables(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """List tables and views."""

        def find() -> Job:
            job = self._impalad.engine.tables(_name(req.schemaName), _name(req.tableName))
            wanted = {kind.upper() for kind in req.tableTypes or ()}
            return _OfType(job, wanted) if wanted else job

        return self._open("GetTables", req, connection, find)

    def GetColumns(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """List columns."""
        names = _name(req.schemaName), _name(req.tableName), _name(req.columnName)
        return self._open(
            "GetColumns", req, connection, lambda: self._impalad.engine.table_columns(*names)
        )

    def GetFunctions(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """List functions."""
        names = _name(req.schemaName), _name(req.functionName)
        return self._open(
            "GetFunctions", req, connection, lambda: self._impalad.engine.functions(*names)
        )

    def GetCatalogs(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """List catalogs: Impala has none."""
        columns = (Column("TABLE_CAT", "string"),)
        return self._open("GetCatalogs", req, connection, lambda: _Fixed(columns, []))

    def GetTableTypes(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """List the kinds of tables."""
        columns = (Column("TABLE_TYPE", "string"),)
        rows = [("TABLE",), ("VIEW",)]
        return self._open("GetTableTypes", req, connection, lambda: _Fixed(columns, rows))

    def GetTypeInfo(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """List the types."""
        return self._open(
            "GetTypeInfo", req, connection, lambda: _Fixed(_TYPE_COLUMNS, type_infos())
        )

    def _open(self, rpc: str, req: Any, connection: Connection, find: Callable[[], Job]) -> Any:
        self._impalad.check_not_draining()
        registry = self._impalad.registry
        asked = handles.from_thrift(req.sessionHandle.sessionId)
        session = registry.session(asked, connection.number, connection.user)
        handle = handles.new_query(session.handle)
        query = Query(
            handle, rpc, session, find(), journal=None, tell=self._impalad.error_formatter(handle)
        )
        registry.add_query(query)
        query.start(None)
        query.progress.wait(None)
        operation = t.TOperationHandle(
            operationId=handle.to_thrift(),
            operationType=_OPERATIONS[rpc],
            hasResultSet=True,
        )
        return getattr(t, f"T{rpc}Resp")(status=done(), operationHandle=operation)


class _Fixed:
    """A job whose rows are known."""

    kind = "DDL"
    modified_rows: Mapping[str, int] | None = None

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
        self.columns = columns
        self._rows = rows

    def run(self) -> None:
        """Nothing is left to do."""

    def cancel(self) -> None:
        """Nothing can be stopped."""

    def fetch(self, rows: int) -> list[Sequence[object]]:
        """Return the next rows, by column."""
        taken, self._rows = self._rows[:rows], self._rows[rows:]
        return list(zip(*taken, strict=True))

    def close(self) -> None:
        """Nothing is held."""


class _OfType:
    """The tables that another job finds, without those of a kind that was not asked for."""

    kind = "DDL"
    modified_rows: Mapping[str, int] | None = None

    def __init__(self, job: Job, wanted: set[str]) -> None:
        self.columns = job.columns
        self.run, self.cancel, self.close = job.run, job.cancel, job.close
        self._job = job
        self._wanted = wanted

    def fetch(self, rows: int) -> list[Sequence[object]]:
        """Return the next rows, by column; fewer than *rows* only at the end."""
        found: list[Sequence[object]] = []
        while len(found) < rows:
            batch = self._job.fetch(rows)
            found += [row for row in zip(*batch, strict=True) if row[_TABLE_TYPE] in self._wanted]
            if not batch or not batch[0]:
                break
        return list(zip(*found, strict=True))


def _name(pattern: str | None) -> str:
    return pattern or _ALL


_OPERATIONS = {
    "GetSchemas": t.TOperationType.GET_SCHEMAS,
    "GetTables": t.TOperationType.GET_TABLES,
    "GetColumns": t.TOperationType.GET_COLUMNS,
    "GetFunctions": t.TOperationType.GET_FUNCTIONS,
    "GetCatalogs": t.TOperationType.GET_CATALOGS,
    "GetTableTypes": t.TOperationType.GET_TABLE_TYPES,
    "GetTypeInfo": t.TOperationType.GET_TYPE_INFO,
}
