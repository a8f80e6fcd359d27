"""`Cursor` with dicts for rows: impyla's ``cursor(dictify=True)``."""

from __future__ import annotations

from typing import Any

from impala.hiveserver2 import HiveServer2Cursor, HiveServer2DictCursor

from ._cursor import Cursor


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
        row = Cursor.__next__(self)
        return row if isinstance(row, dict) else dict(zip(self.fields or (), row, strict=True))

    def _pop_from_buffer(self, size: int) -> list[dict[str, Any]]:
        fields = self.fields or ()
        rows = HiveServer2Cursor._pop_from_buffer(self, size)  # noqa: SLF001
        return [dict(zip(fields, row, strict=True)) for row in rows]
