"""
PEP 249's cursor, with all that impyla's has.

What is here sends statements and metadata calls; `Results` reads what comes of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from impala._thrift_gen.TCLIService.ttypes import TGetInfoReq, TGetInfoType
from impala.hiveserver2 import HiveServer2Cursor

from impala_ha import errors
from impala_ha.core.interruption import from_signal_handler, suppress
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.failover.attempts import CLOSED_MEANWHILE, Call
from impala_ha.hs2.client import ConnectionClosed
from impala_ha.hs2.link import CLOSE_TIMEOUT
from impala_ha.sql.parameters import bind
from impala_ha.sql.statement import Effect, Statement

from .execution import Errand, given
from .results import Results

_METADATA = Statement(Effect.READ)


class Cursor(Results):
    """
    A cursor that survives its coordinator where that is safe.

    It is an `impala.hiveserver2.HiveServer2Cursor` with all of its methods, and more:

    - `execute` and `execute_async` take ``idempotent=``;
    - `coordinator` and `attempts` tell where it is and what was tried;
    - `cancel` is `cancel_operation`.
    """

    @property
    def coordinator(self) -> Coordinator | None:
        """Where its session is; None while it has none."""
        return self._home.coordinator if self._home is not None else None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """
        What the last statement tried, in order; the last one is how it ended.

        Looking at its result changes nothing here, unless that had to be tried again: then it is
        what that call tried.
        """
        return tuple(self._trail.attempts)

    def __repr__(self) -> str:
        where = str(self.coordinator or "not connected")
        if self._closed:
            where = "closed"
        elif self._last_operation is None:
            where += ", nothing executed"
        elif not self._last_operation_finished:
            where += ", executing"
        else:
            where += ", with a result" if self._last_operation_active else ", done"
        return f"<impala_ha {type(self).__name__} {where}>"

    # What sends a statement.

    def execute(
        self,
        operation: str,
        parameters: Any = None,
        configuration: dict[str, Any] | None = None,
        *,
        idempotent: bool | None = None,
    ) -> None:
        """
        Run *operation* and wait until it has ended.

        Args:
            operation: SQL.
            parameters: Values for its markers, in any paramstyle; a list, tuple or dict.
            configuration: Query options for this statement alone.
            idempotent: Whether running it twice is harmless; None: what the text tells, and then a
                write runs again only where its first run is certainly over. True lets it run again
                at once when its coordinator was lost. A coordinator that hangs may have it in its
                socket: the first run may then come later than the second, and later than
                statements that follow (a DROP that drops what was created since). False forbids
                a second run, also of a read.

        Raises:
            OutcomeUnknown: It may have run, in one try or more, and the last one failed.
            NoCoordinatorLeft: Nobody took it within the deadline; it has not run.
            Error: What the server said of it.
        """
        self._check_open()
        with self._failover.exclusive:
            self._give(operation, parameters, configuration, idempotent)
            self._course("execute", self._complete)
            self._remember()

    def execute_async(
        self,
        operation: str,
        parameters: Any = None,
        configuration: dict[str, Any] | None = None,
        *,
        idempotent: bool | None = None,
    ) -> None:
        """Send *operation* and return once a coordinator took it; poll with `is_executing`."""
        self._check_open()
        with self._failover.exclusive:
            self._give(operation, parameters, configuration, idempotent)
            self._course("execute_async", lambda: None)
            self._remember()

    def executemany(
        self,
        operation: str,
        seq_of_parameters: Iterable[Any],
        configuration: dict[str, Any] | None = None,
    ) -> None:
        """Run *operation* once for each of *seq_of_parameters*."""
        with self._failover.exclusive:
            HiveServer2Cursor.executemany(self, operation, list(seq_of_parameters), configuration)

    def _give(
        self, operation: str, parameters: Any, configuration: Any, idempotent: bool | None
    ) -> None:
        try:
            text, overlay = bind(operation, parameters, configuration)
        except errors.Error as error:
            errors.shorten(error)
            raise
        errand = given(lambda me: me._send(text, overlay, mark), text, idempotent)  # noqa: SLF001
        reads = errand.statement.effect is Effect.READ
        if self._failover.sync_ddl and not reads:
            overlay = {"SYNC_DDL": "true", **(overlay or {})}
        kind = "none" if reads else self._failover.statement_tag
        mark = None if kind == "none" else _mark(comment=kind == "comment")
        self._errand = errand

    def _remember(self) -> None:
        """What a statement that went well means for those that follow."""
        statement = self._errand.statement if self._errand is not None else _METADATA
        self._wanted = self._wanted.after(statement)
        if statement.effect is not Effect.READ and self._home is not None:
            self._failover.changes.add(self._home.coordinator, self._last_operation_string or "")

    def _execute_async(self, operation_fn: Any) -> None:
        """Impyla's way to send a metadata call; *operation_fn* notes its operation on us."""
        self._check_open()
        with self._failover.exclusive:
            self._errand = Errand(lambda _: operation_fn(), _METADATA, freely=True)
            self._course("metadata", lambda: None)

    # What needs a session only.

    def _in_session(self, operation: str, work: Any) -> Any:
        self._check_open()

        def settled(link: Any) -> Any:
            self._settle(link)
            return work(self)

        with self._failover.exclusive:
            return self._run(Call(operation), settled, lambda: self._stay)

    def ping(self) -> bool:
        """Does a coordinator answer that takes new statements?"""
        request = TGetInfoReq(infoType=TGetInfoType.CLI_SERVER_NAME)

        def info(me: Cursor) -> None:
            request.sessionHandle = me.session.handle
            me.session._rpc("GetInfo", request)  # noqa: SLF001

        with self._failover.exclusive:
            try:
                self._in_session("ping", info)
            except errors.Error as error:
                if from_signal_handler(error):
                    raise
                return False
        return True

    def database_exists(self, db_name: str) -> bool:
        """Is there a database of that name?"""
        return bool(
            self._in_session(
                "database_exists", lambda me: HiveServer2Cursor.database_exists(me, db_name)
            )
        )

    def table_exists(self, table_name: str, database_name: str | None = None) -> bool:
        """Is there a table of that name?"""
        return bool(
            self._in_session(
                "table_exists",
                lambda me: HiveServer2Cursor.table_exists(me, table_name, database_name),
            )
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("cursors cannot be pickled: connect in each worker")

    def close(self) -> None:
        """
        Close statement and session; a second time does nothing.

        A call of the cursor in which another thread waits ends at once.
        """
        if self._closed:
            return
        self._closed = True
        if self._failover.forked or self._failover.exclusive.run_if_free(self._close):
            return
        if self._inside is None:  # the thread waits on another cursor
            if self._home is not None:
                self._home.close_later(self.session)
            return
        home, self._trail.stopped = self._home, True
        if home is not None:
            home.release(self.session)
            if not self._failover.driver.end_session(
                home, home.user, self.session, CLOSE_TIMEOUT / 2
            ):
                home.client.hang_up(ConnectionClosed(CLOSED_MEANWHILE))

    def _close(self) -> None:
        home, self._home = self._home, None
        if home is not None and not home.client.forked and not home.client.busy and home.usable():
            with suppress(Exception), home.deadline(CLOSE_TIMEOUT):
                if self._last_operation_active:
                    self._last_operation.close()
            with suppress(Exception):
                home.close_session(self.session)
        self.close_operation()  # without a home that is memory alone


def _mark(*, comment: bool) -> Any:
    from impala_ha.sql.tag import StatementTag  # noqa: PLC0415 - programs that only read do not pay for it

    return StatementTag(comment)
