"""
Databases, tables and columns, for completion.

They are read when they are asked for, in threads and on connections of their own: the prompt never
waits for them, and the session of the person knows nothing of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import TYPE_CHECKING, Any

from impala_ha.cli.connect.credentials import Printed
from impala_ha.cli.connect.notes import UNHEARD

if TYPE_CHECKING:
    from impala_ha.cli.connect.conversation import Conversation

_MOST = 10_000  # names of one list
_DEADLINE = 5.0  # seconds
_NONE: Sequence[str] = ()


class Names:
    """
    What was read so far.

    Args:
        conversation: Whose database, and whose way to connect.
        connect: ``impala_ha.connect``.
    """

    def __init__(self, conversation: Conversation, connect: Callable[..., Any]) -> None:
        self._conversation = conversation
        self._connect = connect
        self._lists: dict[str, Future[Sequence[str]]] = {}

    @property
    def variables(self) -> Sequence[str]:
        """Those of ``${VAR:name}``."""
        return list(self._conversation.variables)

    def forget(self) -> None:
        """Something was changed."""
        self._lists = {}

    def databases(self) -> Future[Sequence[str]]:
        """All databases."""
        return self._list("SHOW DATABASES")

    def tables(self, database: str = "") -> Future[Sequence[str]]:
        """Tables and views of *database*, by default of the present one."""
        return self._list(f"SHOW TABLES IN {self._quoted(database)}")

    def columns(self, table: str, database: str = "") -> Future[Sequence[str]]:
        """The columns of a table or view."""
        return self._list(f"DESCRIBE {self._quoted(database)}.{_quoted(table)}")

    def _quoted(self, database: str) -> str:
        return _quoted(database or self._conversation.database or "default")

    def _list(self, sql: str) -> Future[Sequence[str]]:
        """The first column of *sql*, sooner or later; where it cannot be had, nothing."""
        found = self._lists.get(sql)
        if found is None:
            found = self._lists[sql] = Future()
            arguments = dict(self._conversation.arguments)
            work = (arguments, sql, found, self._lists)
            threading.Thread(target=self._read, args=work, name=UNHEARD, daemon=True).start()
        return found

    def _read(
        self,
        arguments: dict[str, Any],
        sql: str,
        found: Future[Sequence[str]],
        lists: dict[str, Future[Sequence[str]]],
    ) -> None:
        for name, value in arguments.items():
            if isinstance(value, Printed):  # whose command may ask the person
                arguments[name] = value.last
        arguments |= {"deadline": _DEADLINE, "connect_timeout": _DEADLINE, "database": None}
        try:
            with closing(self._connect(**arguments)) as connection:
                cursor = connection.cursor()
                cursor.execute(sql)
                found.set_result([str(row[0]) for row in cursor.fetchmany(_MOST)])
        except Exception:  # noqa: BLE001 - whatever it is, it is said when a statement meets it
            lists.pop(sql, None)  # next time it is tried again
            found.set_result(_NONE)


def _quoted(name: str) -> str:
    return f"`{name.strip('`')}`"
