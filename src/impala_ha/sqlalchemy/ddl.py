"""
DDL: tables with Impala's clauses, and without what Impala does not have.

CHECK, UNIQUE, FOREIGN KEY and indexes are left out, and so are PRIMARY KEY and DEFAULT but for
tables of Kudu, and NOT NULL but for those of Kudu and Iceberg.  Clauses are arguments of
`sqlalchemy.Table`:

- ``impala_stored_as="PARQUET"``;
- ``impala_partitioned_by=["year", "month"]``: names of columns, or the clause in brackets as text;
- ``impala_partition_by="HASH (id) PARTITIONS 3"``, of Kudu;
- ``impala_sort_by=["name"]``, ``impala_row_format``, ``impala_location``;
- ``impala_table_properties={"name": "value"}``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Integer, Numeric, String, exc
from sqlalchemy.sql import compiler

LONGEST_DECIMAL = 38


class ImpalaDDLCompiler(compiler.DDLCompiler):
    """CREATE, DROP, COMMENT."""

    def get_column_specification(self, column: Any, **kw: Any) -> str:
        """Name, type, and of Kudu what else a column can have; then the comment."""
        words = [self.preparer.format_column(column), self._type(column)]
        if column.computed is not None or column.identity is not None:
            raise exc.CompileError(f"Impala computes no columns, as {column} is to be")
        stored_as = _stored_as(column.table, self.dialect)
        if stored_as in ("KUDU", "ICEBERG") and not column.nullable:
            words.append("NOT NULL")
        if stored_as == "KUDU":
            default = self.get_column_default_string(column)
            if default is not None and isinstance(column.type, (Integer, Numeric)):
                default = default.strip("'")  # for Impala '7' is no number
            words += [] if default is None else [f"DEFAULT {default}"]
        if column.comment is not None:
            words.append(f"COMMENT {self._text(column.comment)}")
        return " ".join(words)

    def _type(self, column: Any) -> str:
        name: str = self.dialect.type_compiler.process(column.type, type_expression=column)
        return name

    def _text(self, text: str) -> str:
        return self.sql_compiler.render_literal_value(text, String())

    def visit_create_column(self, create: Any, first_pk: bool = False, **kw: Any) -> str | None:
        """A column, unless it is one of PARTITIONED BY, which has those of its own."""
        column = create.element
        if column.name in _names(_option(column.table, "partitioned_by")):
            return None
        text: str | None = super().visit_create_column(create, first_pk=first_pk, **kw)
        return text and text.rstrip()  # which a constraint left that Impala lacks

    def visit_primary_key_constraint(self, constraint: Any, **kw: Any) -> str | None:
        """Of tables of Kudu; elsewhere nobody would hold it."""
        if not len(constraint) or _stored_as(constraint.table, self.dialect) != "KUDU":
            return None
        return f"PRIMARY KEY ({self._names(column.name for column in constraint)})"

    def _nothing(self, *_: Any, **kw: Any) -> None:
        """Impala has none."""

    visit_foreign_key_constraint = _nothing
    visit_unique_constraint = _nothing
    visit_check_constraint = _nothing

    def _no_statement(self, *_: Any, **kw: Any) -> str:
        """Impala has no such statement, and the empty one is not sent; or no such clause."""
        return ""

    visit_column_check_constraint = _no_statement
    visit_create_index = _no_statement
    visit_drop_index = _no_statement
    visit_add_constraint = _no_statement
    visit_drop_constraint = _no_statement

    def post_create_table(self, table: Any) -> str:
        """The clauses behind the columns, in Impala's order."""
        clauses = []
        partitions = _option(table, "partitioned_by")
        if names := _names(partitions):
            columns = ", ".join(self.get_column_specification(table.c[name]) for name in names)
            clauses.append(f"PARTITIONED BY ({columns})")
        elif partitions:
            clauses.append(f"PARTITIONED BY {partitions}")
        if by := _option(table, "partition_by"):
            clauses.append(f"PARTITION BY {by}")
        if sort := _names(_option(table, "sort_by")):
            clauses.append(f"SORT BY ({self._names(sort)})")
        if table.comment is not None:
            clauses.append(f"COMMENT {self._text(table.comment)}")
        if row_format := _option(table, "row_format"):
            clauses.append(f"ROW FORMAT {row_format}")
        if stored_as := _stored_as(table, self.dialect):
            clauses.append(f"STORED AS {stored_as}")
        if location := _option(table, "location"):
            clauses.append(f"LOCATION {self._text(location)}")
        if properties := _option(table, "table_properties"):
            pairs = (
                f"{self._text(k)} = {self._text(str(v))}" for k, v in sorted(properties.items())
            )
            clauses.append(f"TBLPROPERTIES ({', '.join(pairs)})")
        return "".join(f"\n{clause}" for clause in clauses)

    def _names(self, names: Iterable[str]) -> str:
        return ", ".join(self.preparer.quote(name) for name in names)


def _option(table: Any, name: str) -> Any:
    return table.kwargs.get(f"impala_{name}")


def _names(given: Any) -> tuple[str, ...]:
    """The names in *given*, which may be a list of them; a text is a clause."""
    return () if given is None or isinstance(given, str) else tuple(given)


def _stored_as(table: Any, dialect: Any) -> str | None:
    """Its own format, or the engine's; that of Kudu needs a key."""
    if own := _option(table, "stored_as"):
        return str(own).upper()
    if dialect.stored_as is None:
        return None
    general = str(dialect.stored_as).upper()
    return None if general == "KUDU" and not table.primary_key else general


class ImpalaTypeCompiler(compiler.GenericTypeCompiler):
    """Names of types."""

    def _string(self, *_: Any, **kw: Any) -> str:
        return "STRING"

    visit_text = visit_unicode_text = visit_enum = _string
    visit_TEXT = visit_CLOB = visit_NCLOB = visit_STRING = visit_JSON = _string
    visit_TIME = visit_time = visit_uuid = visit_UUID = _string

    def visit_VARCHAR(self, type_: Any, **kw: Any) -> str:
        """VARCHAR with a length, else STRING."""
        return f"VARCHAR({type_.length})" if type_.length else "STRING"

    visit_string = visit_unicode = visit_NVARCHAR = visit_VARCHAR

    def visit_CHAR(self, type_: Any, **kw: Any) -> str:
        """CHAR with a length, else STRING."""
        return f"CHAR({type_.length})" if type_.length else "STRING"

    visit_NCHAR = visit_CHAR

    def visit_INTEGER(self, *_: Any, **kw: Any) -> str:
        """INT."""
        return "INT"

    visit_INT = visit_INTEGER  # as impyla's dialect calls it

    def visit_TINYINT(self, *_: Any, **kw: Any) -> str:
        """TINYINT."""
        return "TINYINT"

    def visit_float(self, type_: Any, **kw: Any) -> str:
        """FLOAT where four bytes have its bits, else DOUBLE."""
        return "FLOAT" if type_.precision is not None and type_.precision <= 24 else "DOUBLE"  # noqa: PLR2004 - bits

    def visit_double(self, *_: Any, **kw: Any) -> str:
        """DOUBLE."""
        return "DOUBLE"

    visit_DOUBLE = visit_DOUBLE_PRECISION = visit_REAL = visit_double

    def visit_FLOAT(self, *_: Any, **kw: Any) -> str:
        """FLOAT, of four bytes."""
        return "FLOAT"

    def visit_NUMERIC(self, type_: Any, **kw: Any) -> str:
        """DECIMAL, with room on both sides of the point where no size is given."""
        if type_.precision is None:
            scale = 10 if type_.scale is None else type_.scale
            return f"DECIMAL({LONGEST_DECIMAL}, {scale})"
        return f"DECIMAL({type_.precision}, {type_.scale or 0})"

    visit_DECIMAL = visit_NUMERIC

    def visit_datetime(self, *_: Any, **kw: Any) -> str:
        """TIMESTAMP, which has no time zone."""
        return "TIMESTAMP"

    visit_DATETIME = visit_TIMESTAMP = visit_datetime

    def visit_large_binary(self, *_: Any, **kw: Any) -> str:
        """BINARY."""
        return "BINARY"

    visit_BLOB = visit_BINARY = visit_VARBINARY = visit_large_binary
