"""`Cursor` with dicts for rows: impyla's ``cursor(dictify=True)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from impala.hiveserver2 import HiveServer2Cursor, HiveServer2DictCursor

from impala_ha.core.remote import Row
from impala_ha.sql.parameters import Parameters

from .cursor import Cursor

DictRow: TypeAlias = dict[str, Any]


class DictCursor(Cursor, HiveServer2DictCursor):  # type: ignore[misc]  # impyla is not typed
    """A cursor whose rows are dicts."""

    if TYPE_CHECKING:  # what follows from `__next__` and `_pop_from_buffer`

        def fetchmany(self, size: int | None = None) -> list[DictRow]:  # type: ignore[override]
            """As `Cursor.fetchmany`."""

        def fetchall(self) -> list[DictRow]:  # type: ignore[override]
            """As `Cursor.fetchall`."""

    @property
    def fields(self) -> list[str] | None:
        """Names of the columns."""
        description = self.description
        return None if description is None else [column[0] for column in description]

    def execute(
        self,
        operation: str,
        parameters: Parameters | None = None,
        configuration: Mapping[str, object] | None = None,
        *,
        idempotent: bool | None = None,
    ) -> None:
        """As `Cursor.execute`: impyla's class has one of its own."""
        Cursor.execute(self, operation, parameters, configuration, idempotent=idempotent)

    def __next__(self) -> DictRow:  # type: ignore[override]  # dicts are what it is for
        return self._named(Cursor.__next__(self))

    def fetchone(self) -> DictRow | None:  # type: ignore[override]
        """As `Cursor.fetchone`."""
        row = Cursor.fetchone(self)
        return None if row is None else self._named(row)

    def _named(self, row: Row | DictRow) -> DictRow:
        """*row* as a dict, which one that came through the loop is already."""
        if isinstance(row, dict):
            return row
        return dict(zip(self.fields or (), row))  # noqa: B905 - the rows fit their description

    def _pop_from_buffer(self, size: int) -> list[DictRow]:
        fields = self.fields or ()
        rows = HiveServer2Cursor._pop_from_buffer(self, size)  # noqa: SLF001
        return [dict(zip(fields, row)) for row in rows]  # noqa: B905
