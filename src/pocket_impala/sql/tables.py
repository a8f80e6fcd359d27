"""What the catalog knows: databases, tables and views, and the files that hold their rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from pocket_impala.coordinator.contract import Column


@dataclass(frozen=True, slots=True)
class Database:
    """One database; an empty location means the warehouse itself."""

    name: str
    comment: str = ""
    location: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class DataFile:
    """
    One file of a table.

    Attributes:
        path: Where it is.
        rows: How many rows it holds.
        bytes: How long it is.
        partition: As Impala writes it, ``"year=2024/month=1"``; empty when there is none.
        foreign: Somebody else's file: read by column name, never deleted.
    """

    path: str
    rows: int
    bytes: int
    partition: str = ""
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """
    One table or view.

    Attributes:
        fields: The number of each column in its Parquet files, in column order.  A column
            keeps its number when it is renamed; no number is given twice.
        partitioned_by: How many of the last columns are partition columns.
        keys: Primary key columns (Kudu).
        view: The SELECT of a view, else None.
        source: What DuckDB reads in place of files, for a system table; it is not stored.
    """

    database: str
    name: str
    columns: tuple[Column, ...]
    fields: tuple[int, ...] = ()
    next_field: int = 1
    partitioned_by: int = 0
    keys: tuple[str, ...] = ()
    format: str = "TEXT"
    external: bool = False
    location: str = ""
    comment: str = ""
    owner: str = ""
    created: float = 0.0
    properties: Mapping[str, str] = field(default_factory=dict)
    view: str | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    id: int = 0
    version: int = 0

    @property
    def full_name(self) -> str:
        """Database and name."""
        return f"{self.database}.{self.name}"

    @property
    def plain_columns(self) -> tuple[Column, ...]:
        """The columns that are not partition columns."""
        return self.columns[: len(self.columns) - self.partitioned_by]

    @property
    def partition_columns(self) -> tuple[Column, ...]:
        """The partition columns."""
        return self.columns[len(self.columns) - self.partitioned_by :]

    @property
    def mutable(self) -> bool:
        """Whether UPDATE and DELETE are possible."""
        return self.format in ("KUDU", "ICEBERG")


_BODY = (
    "database", "name", "fields", "next_field", "partitioned_by", "keys", "format", "external",
    "location", "comment", "owner", "created", "properties", "view", "stats",
)  # fmt: skip


def to_json(table: Table) -> str:
    """A table as the catalog stores it."""
    body = {name: getattr(table, name) for name in _BODY}
    body["columns"] = [astuple(column) for column in table.columns]
    return json.dumps(body)


def from_json(number: int, version: int, body: str) -> Table:
    """The table that the catalog stored."""
    values = json.loads(body)
    values["columns"] = tuple(Column(*column) for column in values["columns"])
    values["fields"], values["keys"] = tuple(values["fields"]), tuple(values["keys"])
    return Table(id=number, version=version, **values)
