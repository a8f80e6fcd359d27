"""Clauses that several statements share: columns, properties, partitions, queries."""

from __future__ import annotations

from dataclasses import dataclass

from pocket_impala.coordinator.contract import Column, ImpalaError
from pocket_impala.sql import typenames
from pocket_impala.sql.reader import Reader

_COLUMN_WORDS = (
    "ENCODING", "COMPRESSION", "BLOCK_SIZE", "NULL", "NON", "UNIQUE", "DISABLE", "NOVALIDATE",
    "RELY",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """A list of column definitions, and the primary key that stands in it."""

    columns: tuple[Column, ...]
    keys: tuple[str, ...] = ()


def if_exists(reader: Reader) -> bool:
    """Read ``IF EXISTS``."""
    return reader.take("IF", "EXISTS")


def if_not_exists(reader: Reader) -> bool:
    """Read ``IF NOT EXISTS``."""
    return reader.take("IF", "NOT", "EXISTS")


def read_type(reader: Reader) -> str:
    """Read a column type."""
    word = reader.any()
    text = word.text.lower()
    if reader.take("<"):
        return _read_complex(reader, text)
    if reader.sees("("):
        text += f"({reader.group()})"
    kind = typenames.normal(text)
    try:
        typenames.to_duck(kind)
    except ValueError:
        reader.back()
        reader.fail("ARRAY", "BIGINT", "BINARY", "BOOLEAN", "CHAR", "DATE", "DATETIME", "DECIMAL",
                    "DOUBLE", "FLOAT", "INT", "MAP", "SMALLINT", "STRING", "STRUCT", "TIMESTAMP",
                    "TINYINT", "VARCHAR")  # fmt: skip
    return kind


def _read_complex(reader: Reader, kind: str) -> str:
    parts = []
    while not reader.take(">"):
        label = ""
        if kind == "struct":
            label = f"{reader.name()}:"
            reader.expect(":")
        parts.append(label + read_type(reader))
        if reader.take("COMMENT"):
            reader.string()
        reader.take(",")
    return f"{kind}<{','.join(parts)}>"


def read_column(reader: Reader) -> tuple[Column, bool]:
    """Read one column definition; true when it says PRIMARY KEY."""
    name, kind, comment, key = reader.name(), read_type(reader), "", False
    nullable, default = True, None
    while not reader.ended and not reader.sees(",") and not reader.sees(")"):
        if reader.take("COMMENT"):
            comment = reader.string()
        elif reader.take("PRIMARY", "KEY"):
            key = True
        elif reader.take("NOT", "NULL"):
            nullable = False
        elif reader.take("DEFAULT"):
            default = reader.until(",", ")", "COMMENT", "ENCODING", "COMPRESSION", "BLOCK_SIZE")
        elif (word := reader.take_one(*_COLUMN_WORDS)) is None:
            break
        elif word in ("ENCODING", "COMPRESSION", "BLOCK_SIZE"):
            reader.any()
    return Column(name, kind, comment, nullable, default), key


def read_columns(reader: Reader) -> Columns:
    """Read a bracketed list of column definitions."""
    columns, keys = [], []
    reader.expect("(")
    while True:
        if reader.take("NON", "UNIQUE", "PRIMARY", "KEY") or reader.take("PRIMARY", "KEY"):
            keys.extend(read_names(reader))
        else:
            column, key = read_column(reader)
            columns.append(column)
            keys.extend([column.name] if key else [])
        if not reader.take(","):
            break
    reader.expect(")")
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise ImpalaError(f"AnalysisException: Duplicate column name: {name}")
    return Columns(tuple(columns), tuple(keys))


def read_names(reader: Reader) -> list[str]:
    """Read ``(a, b)``."""
    names = []
    reader.expect("(")
    while not reader.take(")"):
        names.append(reader.name())
        reader.take(",")
    return names


def read_properties(reader: Reader) -> dict[str, str]:
    """Read ``('key'='value', ...)``."""
    properties = {}
    reader.expect("(")
    while not reader.take(")"):
        key = reader.string()
        reader.expect("=")
        properties[key] = reader.string()
        reader.take(",")
    return properties


def read_partition(reader: Reader) -> list[tuple[str, str | None]]:
    """Read ``(year=2024, month)``: names with the text of their value, or None (dynamic)."""
    parts: list[tuple[str, str | None]] = []
    reader.expect("(")
    while not reader.take(")"):
        name, value = reader.name(), None
        if reader.take("="):
            value = reader.until(",", ")")
        parts.append((name, value))
        reader.take(",")
    return parts
