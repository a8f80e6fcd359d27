"""
The dialect: how an engine connects, executes, and finds out that a connection is lost.

A connection of this library moves to another coordinator by itself, so a pool has little to do.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from sqlalchemy import event, exc
from sqlalchemy.engine import URL
from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext

from impala_ha import dbapi, errors

from .compiler import ImpalaCompiler, ImpalaIdentifierPreparer
from .ddl import ImpalaDDLCompiler, ImpalaTypeCompiler
from .reflection import CALL, Reflection
from .types import COLSPECS
from .url import connect_arguments

_BUFFERED = 1000  # rows that stream_results asks for at a time; max_row_buffer goes before it


def _ours(connection: Any) -> dbapi.Connection:
    """The connection that a pool has wrapped, or has not."""
    ours: dbapi.Connection = getattr(connection, "dbapi_connection", connection)
    return ours


def _style(context: Any) -> dict[str, object] | None:
    """SQL that SQLAlchemy wrote has its own markers; that of `exec_driver_sql` has any."""
    written = context is not None and context.compiled is not None
    return {"paramstyle": ImpalaDialect.default_paramstyle} if written else None


def _refuse_closed(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool open another one in place of one that was closed, or is a forked parent's."""
    if dbapi_connection.closed:
        raise exc.DisconnectionError("the connection was closed, or is that of another process")


class ImpalaExecutionContext(DefaultExecutionContext):
    """
    One statement; the execution option ``cursor_configuration`` has its query options.

    Attributes:
        inserted: How many rows an INSERT has written, in all its parts; None: it was none.
    """

    inserted: int | None = None

    @property
    def rowcount(self) -> int:
        """How many rows were changed; SQLAlchemy closes the cursor of an INSERT before it asks."""
        count: int = super().rowcount if self.inserted is None else self.inserted
        return count

    def count_rows(self, cursor: dbapi.Cursor) -> None:
        """Note how many rows an INSERT, or one part of it, has written; -1 if that is not known."""
        if self.isinsert:
            known = cursor.rowcount >= 0 and (self.inserted or 0) >= 0
            self.inserted = (self.inserted or 0) + cursor.rowcount if known else -1

    def pre_exec(self) -> None:
        """Refuse texts that do not fit their columns, before they are cut."""
        for name, most in getattr(self.compiled, "limits", {}).items():
            for values in self.compiled_parameters:
                value = values.get(name)
                if isinstance(value, str) and len(value.encode()) > most:
                    text = f"{name} has {len(value.encode())} bytes, and its column holds {most}"
                    raise exc.DataError(self.unicode_statement, values, errors.DataError(text))

    def _cursor(self) -> dbapi.Cursor:
        options = self.execution_options.get("cursor_configuration")
        cursor: dbapi.Cursor = self._dbapi_connection.cursor(configuration=options)
        return cursor

    def create_default_cursor(self) -> dbapi.Cursor:
        """A cursor whose rows come in batches of some 4 MiB."""
        return self._cursor()

    def create_server_side_cursor(self) -> dbapi.Cursor:
        """One that asks for few rows at a time, for ``stream_results``."""
        cursor = self._cursor()
        cursor.set_arraysize(self.execution_options.get("max_row_buffer", _BUFFERED))
        return cursor


class ImpalaDialect(Reflection, DefaultDialect):
    """
    Impala by way of `impala_ha.connect`.

    Args:
        stored_as: The format of new tables that do not name one (``impala_stored_as``); None: the
            server's default. With "kudu" that of tables with a primary key alone.
    """

    name = "impala"
    driver = "ha"
    default_paramstyle: Any = "qmark"  # no percent sign in a text is ever taken for a marker

    statement_compiler = ImpalaCompiler
    ddl_compiler = ImpalaDDLCompiler
    type_compiler_cls = type_compiler = ImpalaTypeCompiler
    preparer = ImpalaIdentifierPreparer
    execution_ctx_cls = ImpalaExecutionContext
    colspecs = COLSPECS

    supports_statement_cache = True
    supports_server_side_cursors = True
    supports_native_boolean = True
    supports_native_decimal = True
    supports_multivalues_insert = True
    use_insertmanyvalues = True
    use_insertmanyvalues_wo_returning = True  # each INSERT makes a file
    supports_sane_rowcount = True
    supports_sane_multi_rowcount = True
    supports_alter = False
    supports_comments = True
    inline_comments = True
    supports_default_values = False
    supports_empty_insert = False
    supports_default_metavalue = False
    supports_sequences = False
    supports_schemas = True
    supports_views = True
    postfetch_lastrowid = False
    div_is_floordiv = False
    max_identifier_length = 128
    requires_name_normalize = False
    insert_returning = update_returning = delete_returning = False
    default_schema_name = "default"

    def __init__(self, stored_as: str | None = None, **options: Any):
        if options.setdefault("paramstyle", self.default_paramstyle) != self.default_paramstyle:
            raise exc.ArgumentError(f"paramstyle must be {self.default_paramstyle}")
        super().__init__(**options)
        self.stored_as = stored_as

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """`impala_ha.dbapi`."""
        return dbapi

    @classmethod
    def dbapi(cls) -> ModuleType:
        """`impala_ha.dbapi`."""
        return dbapi

    @classmethod
    def engine_created(cls, engine: Any) -> None:
        """Let its pool hand out no connection that is closed; no call is made for that."""
        event.listen(engine, "checkout", _refuse_closed)

    def create_connect_args(self, url: URL) -> tuple[list[object], dict[str, object]]:
        """
        What `impala_ha.connect` is called with.

        Raises:
            ConfigurationError: With every mistake in the URL.
        """
        return [], connect_arguments(url)

    def initialize(self, connection: Any) -> None:
        """Ask the first connection for version and database."""
        self.default_schema_name = _ours(connection.connection).default_db or "default"
        super().initialize(connection)

    def _get_default_schema_name(self, _connection: Any) -> str | None:
        return self.default_schema_name

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        found = re.search(r"\d+(\.\d+)*", _ours(connection.connection).server_version())
        return tuple(map(int, found[0].split("."))) if found else ()

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute a statement, a metadata call in its place, or nothing for DDL without a text."""
        if context is not None and (call := context.execution_options.get(CALL)):
            name, arguments = call
            getattr(cursor, name)(*arguments)
        elif statement.strip():
            cursor.execute(statement, parameters or None, _style(context))
            if context is not None:
                context.count_rows(cursor)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        """Execute a statement as it stands."""
        self.do_execute(cursor, statement, None, context)

    def do_executemany(
        self, cursor: Any, statement: str, parameters: Any, context: Any = None
    ) -> None:
        """Execute a statement for each of *parameters*; rowcount is that of all of them."""
        cursor.executemany(statement, parameters, _style(context))
        if context is not None:
            context.count_rows(cursor)

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Does a coordinator answer that takes new statements?  One call, GetInfo."""
        alive: bool = dbapi_connection.ping()
        return alive

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Has the fault *e* ended the session, or is the connection closed?"""
        return isinstance(e, errors.FailoverError) or (
            connection is not None and _ours(connection).closed
        )

    def get_isolation_level_values(self, _connection: Any) -> list[str]:
        """Each statement is on its own."""
        return ["AUTOCOMMIT"]

    def get_isolation_level(self, _connection: Any) -> Any:
        """Each statement is on its own."""
        return "AUTOCOMMIT"

    get_default_isolation_level = get_isolation_level

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """There is but one."""


class ImpalaHADialect(ImpalaDialect):
    """The same under a name of its own, for tools that choose by it."""

    name = "impala_ha"
    supports_statement_cache = True  # SQLAlchemy asks each class for both

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """`impala_ha.dbapi`."""
        return dbapi
