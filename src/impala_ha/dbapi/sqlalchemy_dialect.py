"""
SQLAlchemy asks its dialect after an error whether the connection is lost; impyla's denies it.

Ours heal themselves, but for those that were closed, or that a forked process inherited: without a
yes to that question a pool would hand them out for ever.
"""

from __future__ import annotations

import sys
from typing import Any

from .connection import Connection


def extend_dialect() -> None:
    """Let impyla's dialect, where it is in use, know of connections of ours that are lost."""
    dialect: Any = getattr(sys.modules.get("impala.sqlalchemy"), "ImpalaDialect", None)
    if dialect is None or hasattr(dialect.is_disconnect, "extends"):
        return
    extends = dialect.is_disconnect

    def is_disconnect(self: object, error: object, connection: object, cursor: object) -> bool:
        ours = getattr(connection, "dbapi_connection", connection)
        if isinstance(ours, Connection) and ours.closed:
            return True
        return bool(extends(self, error, connection, cursor))

    is_disconnect.extends = extends  # type: ignore[attr-defined]  # a function takes any
    dialect.is_disconnect = is_disconnect
