"""`Cursor` with dicts for rows: impyla's ``cursor(dictify=True)``."""

from __future__ import annotations

from typing import Any

from impala.hiveserver2 import HiveServer2Cursor, HiveServer2DictCursor

from .cursor import Cursor


class DictCursor(Cursor, HiveServer2DictCursor):  # type: ignore[misc]  # impyla is not typed
    """A cursor whose rows are dicts."""

    @property
    def fields(self) -> list[str] | None:
        """Names of the columns."""
        description = self.description
        return None if description is None else [column[0] for column in description]

    def execute(self, *args: Any, **options: Any) -> None:
        """As `Cursor.execute`."""
        Cursor.execute(self, *args, **options)

    def __next__(self) -> Any:
        return self._named(Cursor.__next__(self))

    def fetchone(self) -> Any:
        """As `Cursor.fetchone`."""
        return self._named(Cursor.fetchone(self))

    def _named(self, row: Any) -> Any:
        """*row* as a dict, which one that came through the loop is already; None at the end."""
        if row is None or isinstance(row, dict):
            return row
        return dict(zip(self.fields or (), row))  # noqa: B905 - the rows fit their description

    def _pop_from_buffer(self, size: int) -> list[dict[str, Any]]:
        fields = self.fields or ()
        rows = HiveServer2Cursor._pop_from_buffer(self, size)  # noqa: SLF001
        return [dict(zip(fields, row)) for row in rows]  # noqa: B905
