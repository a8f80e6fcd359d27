"""What an engine finds out about databases, tables and views; no call takes an admission slot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import exc
from sqlalchemy import types as sa

from impala_ha.sql.literals import literal

from .types import parse_type

Answer = TypeVar("Answer")

CALL = "impala_ha_call"  # execution option: a metadata call of the cursor in place of a statement
_DENIED = "AuthorizationException: "
_FORMATS = {"Parquet": "PARQUET", "Kudu": "KUDU", "Iceberg": "ICEBERG", "Orc": "ORC",
            "Avro": "AVRO", "SequenceFile": "SEQUENCEFILE", "RCFile": "RCFILE"}  # fmt: skip


def _cached(ask: Callable[..., Answer]) -> Callable[..., Answer]:
    """`sqlalchemy.engine.reflection.cache`, which does not read our annotations before 2.0."""

    @wraps(ask)
    def asked(self: Reflection, connection: Any, *names: Any, **kw: Any) -> Answer:
        cache = kw.get("info_cache")
        if cache is None:
            return ask(self, connection, *names, **kw)
        named = tuple(sorted((n, v) for n, v in kw.items() if isinstance(v, str)))
        key = (ask.__name__, names, named)
        if key not in cache:
            cache[key] = ask(self, connection, *names, **kw)
        answer: Answer = cache[key]
        return answer

    return asked


class Found(NamedTuple):
    """A table or view that GetTables names."""

    name: str
    is_view: bool
    comment: str


class Reflection:
    """The part of the dialect that `sqlalchemy.inspect` asks."""

    default_schema_name: str | None
    identifier_preparer: Any

    @_cached
    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:
        """The databases."""
        return [row[0] for row in _call(connection, "get_databases")]

    @_cached
    def _tables(self, connection: Any, schema: str | None = None, **kw: Any) -> list[Found]:
        wanted = (schema or self.default_schema_name or "default").lower()
        rows = _call(connection, "get_tables", wanted)
        # In the name that is asked for an underscore stands for any character.
        return [
            Found(name, kind.endswith("VIEW"), remarks or "")
            for _catalog, database, name, kind, remarks, *_ in rows
            if database == wanted
        ]

    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """The tables of a database, without views."""
        return [t.name for t in self._tables(connection, schema, **kw) if not t.is_view]

    def get_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """The views of a database."""
        return [t.name for t in self._tables(connection, schema, **kw) if t.is_view]

    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """Is there a table or view of that name?"""
        return self._find(connection, table_name, schema, **kw) is not None

    def _find(self, connection: Any, name: str, schema: str | None, **kw: Any) -> Found | None:
        for found in self._tables(connection, schema, **kw):
            if found.name == name.lower():
                return found
        return None

    def has_schema(self, connection: Any, schema_name: str, **kw: Any) -> bool:
        """Is there a database of that name?"""
        return schema_name.lower() in self.get_schema_names(connection, **kw)

    def _asked(
        self, connection: Any, statement: str, name: str, schema: str | None, **kw: Any
    ) -> list[Any]:
        """
        The rows of *statement*, which is about a table.

        Raises:
            NoSuchTableError: There is none of that name.
        """
        quote = self.identifier_preparer.quote_identifier
        missing = exc.NoSuchTableError(f"{schema}.{name}" if schema else name)
        try:
            full = quote(name) if schema is None else f"{quote(schema)}.{quote(name)}"
            return list(connection.exec_driver_sql(f"{statement} {full}"))
        except exc.CompileError as error:  # Impala has no such names
            raise missing from error
        except exc.DBAPIError as error:
            kw.pop("info_cache", None)  # it may have been made since
            denied = _DENIED in str(error.orig)  # and so not listed, whether it is there or not
            if error.connection_invalidated or denied or self._find(connection, name, schema, **kw):
                raise
            raise missing from error

    @_cached
    def _described(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[dict[str, str]]:
        """DESCRIBE, by the names of its columns, which depend on what stores the table."""
        rows = self._asked(connection, "DESCRIBE", table_name, schema, **kw)
        return [dict(row._mapping) for row in rows]

    @_cached
    def _formatted(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[tuple[str, str, str]]:
        """DESCRIBE FORMATTED, without blanks around the words."""
        rows = self._asked(connection, "DESCRIBE FORMATTED", table_name, schema, **kw)
        return [(_word(row[0]), _word(row[1]), _word(row[2])) for row in rows]

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[dict[str, Any]]:
        """Name, type, comment, and what Kudu and Iceberg know besides."""
        return [
            {
                "name": row["name"],
                "type": (kind := parse_type(row["type"])),
                "nullable": row.get("nullable", "true") == "true",
                "default": _default(kind, row.get("default_value", "")),
                "comment": row["comment"] or None,
            }
            for row in self._described(connection, table_name, schema, **kw)
        ]

    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> dict[str, Any]:
        """The key of a table of Kudu; others have none."""
        rows = self._described(connection, table_name, schema, **kw)
        keys = [row["name"] for row in rows if row.get("primary_key") == "true"]
        return {"constrained_columns": keys, "name": None}

    def _none(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        """Impala has none, but an error for a table that is not there."""
        self._described(connection, table_name, schema, **kw)
        return []

    get_foreign_keys = get_indexes = get_unique_constraints = get_check_constraints = _none

    def get_table_comment(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> dict[str, str | None]:
        """The comment of a table or view."""
        self._described(connection, table_name, schema, **kw)  # so that the server has loaded it
        kw.pop("info_cache", None)
        found = self._find(connection, table_name, schema, **kw)
        return {"text": (found.comment or None) if found else None}

    def get_table_options(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> dict[str, Any]:
        """Format and partition columns, as `sqlalchemy.Table` takes them."""
        rows = self._formatted(connection, table_name, schema, **kw)
        options: dict[str, Any] = {}
        for key, value, _ in rows:
            if key == "InputFormat:":
                options.update(
                    ("impala_stored_as", name) for part, name in _FORMATS.items() if part in value
                )
        if partitions := list(_partition_columns(rows)):
            options["impala_partitioned_by"] = partitions
        return options

    @_cached
    def get_view_definition(
        self, connection: Any, view_name: str, schema: str | None = None, **kw: Any
    ) -> str:
        """The CREATE VIEW statement."""
        found = self._find(connection, view_name, schema, **kw)
        if found is None or not found.is_view:
            raise exc.NoSuchTableError(f"{schema}.{view_name}" if schema else view_name)
        return str(self._asked(connection, "SHOW CREATE VIEW", view_name, schema, **kw)[0][0])


def _call(connection: Any, name: str, *arguments: str) -> list[Any]:
    """The rows of a metadata call of HiveServer2."""
    text = f"{name}({', '.join(map(literal, arguments))})"  # for logs
    result = connection.exec_driver_sql(text, execution_options={CALL: (name, arguments)})
    return list(result)


def _word(value: object) -> str:
    return str(value).strip() if value is not None else ""


def _default(kind: Any, text: str) -> str | None:
    """SQL of the default that DESCRIBE writes as *text*, without quotes."""
    if not text:
        return None
    if isinstance(kind, sa.TIMESTAMP):
        return f"unix_micros_to_utc_timestamp({text})"
    return literal(text) if isinstance(kind, (sa.String, sa.Date)) else text


def _partition_columns(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    """The names below the heading, up to the next one."""
    words = iter([row[0] for row in rows])
    for word in words:
        if word == "# Partition Information":
            break
    for word in words:
        if word.startswith("#") and word != "# col_name":
            return
        if word and word != "# col_name":
            yield word
