"""
PEP 249's cursor, with all that impyla's has.

Each method says what it does with a result (reads it, hands out rows, asks about it) and leaves
the rest to `Execution`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from impala._thrift_gen.RuntimeProfile.ttypes import TRuntimeProfileFormat
from impala._thrift_gen.TCLIService.ttypes import TGetInfoReq, TGetInfoType
from impala.hiveserver2 import HiveServer2Cursor

from . import errors
from ._attempts import Call
from ._binding import bind
from ._driver import FAREWELL
from ._execution import Errand, Execution, Got, given
from ._model import Attempt, Coordinator
from ._statement import Effect, Statement

_END = object()
_METADATA = Statement(Effect.READ)


class Cursor(Execution):
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
        """What the last call tried, in order; the last one is how it ended."""
        return tuple(self._trail.attempts)

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
            idempotent: Whether running it twice is harmless; None: what the text tells. True lets
                a write run again when its coordinator was lost, False forbids it for a read.

        Raises:
            OutcomeUnknown: Its coordinator was lost and it may have run.
            NoCoordinatorLeft: Nobody took it within the deadline; it has not run.
            Error: What the server said of it.
        """
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
        HiveServer2Cursor.executemany(self, operation, list(seq_of_parameters), configuration)

    def _give(
        self, operation: str, parameters: Any, configuration: Any, idempotent: bool | None
    ) -> None:
        self._check_open()
        text, overlay = bind(operation, parameters, configuration)

        def submit(cursor: Execution) -> None:
            cursor._last_operation_string = text  # noqa: SLF001
            session = cursor.session
            cursor._last_operation = session.execute(text, overlay, run_async=True)  # noqa: SLF001

        self._errand = Errand(submit, given(text, idempotent))

    def _remember(self) -> None:
        if self._errand is not None:
            self._wanted = self._wanted.after(self._errand.statement)

    def _execute_async(self, operation_fn: Any) -> None:
        """Impyla's way to send a metadata call; *operation_fn* notes its operation on us."""
        self._check_open()
        self._errand = Errand(lambda _: operation_fn(), _METADATA)
        self._course("metadata", lambda: None)

    # What reads a result.

    def _read(self, operation: str, work: Any) -> Any:
        """Do *work* on the result, which may be had again elsewhere while no row was handed out."""
        if self._inside:
            return work(self)
        self._check_open()
        return self._course(operation, lambda: work(self))

    def _hand_out(self, operation: str, work: Any) -> Any:
        got = self._read(operation, work)
        if got and got is not _END and self._errand is not None and not self._inside:
            self._errand.begun = True
        return got

    @property
    def description(self) -> Any:
        """PEP 249: name, type and so on of each column; None without a result set."""
        if self._description is None and self._last_operation is not None and not self._closed:
            return self._read("description", HiveServer2Cursor.description.fget)
        return self._description

    def fetchone(self) -> Any:
        """The next row; None at the end."""
        return self._hand_out("fetchone", HiveServer2Cursor.fetchone)

    def fetchmany(self, size: int | None = None) -> Any:
        """Up to *size* (`arraysize` by default) next rows."""
        return self._hand_out("fetchmany", lambda me: HiveServer2Cursor.fetchmany(me, size))

    def fetchall(self) -> Any:
        """All rows that are left; none are handed out before all are there."""
        return self._hand_out("fetchall", HiveServer2Cursor.fetchall)

    def fetchcolumnar(self) -> Any:
        """All rows that are left, as impyla's column batches."""
        return self._hand_out("fetchcolumnar", HiveServer2Cursor.fetchcolumnar)

    def fetchcbatch(self) -> Any:
        """The next column batch; None if none is there."""
        return self._hand_out("fetchcbatch", HiveServer2Cursor.fetchcbatch)

    def __next__(self) -> Any:
        if self._inside:
            return HiveServer2Cursor.__next__(self)
        if len(self._buffer) and not self._closed:
            self._rowcount += 1
            return self._buffer.pop()
        row = self._hand_out("next", _next_or_end)
        if row is _END:
            raise StopIteration
        return row

    def status(self) -> Any:
        """State of the operation, as HiveServer2 names it."""
        return self._read("status", HiveServer2Cursor.status)

    def is_executing(self) -> Any:
        """Is the operation pending or running?"""
        return self._read("is_executing", HiveServer2Cursor.is_executing)

    def execution_failed(self) -> Any:
        """Did the operation fail?"""
        return self._read("execution_failed", HiveServer2Cursor.execution_failed)

    # What asks the one coordinator that ran it.

    def _ask(self, operation: str, work: Any) -> Any:
        self._check_open()
        if self._inside or self._last_operation is None:
            return work(self)
        call = Call(operation, again=False, finished=True)
        if self._home is None or self._home.broken:
            raise self._lost(call)
        return self._run(call, lambda _: work(self), lambda: self._home)

    def get_log(self) -> Any:
        """Messages of the server about the statement."""
        if self._last_operation_log is not None:
            return self._last_operation_log
        return self._ask("get_log", HiveServer2Cursor.get_log)

    def get_profile(self, profile_format: int = TRuntimeProfileFormat.STRING) -> Any:
        """The runtime profile; only the coordinator that ran the statement has it."""
        return self._ask(
            "get_profile", lambda me: HiveServer2Cursor.get_profile(me, profile_format)
        )

    def get_summary(self) -> Any:
        """The execution summary; only the coordinator that ran the statement has it."""
        return self._ask("get_summary", HiveServer2Cursor.get_summary)

    def cancel_operation(self, reset_state: bool = True) -> None:
        """Stop the statement on its coordinator."""
        self._ask("cancel", lambda me: HiveServer2Cursor.cancel_operation(me, reset_state))

    def cancel(self) -> None:
        """Stop the statement on its coordinator."""
        self.cancel_operation()

    def close_operation(self) -> None:
        """Close the statement; the cursor can be used for another one."""
        self._discard()
        self._errand = None

    # What needs a session only.

    def _in_session(self, operation: str, work: Any) -> Got:  # type: ignore[type-var]
        self._check_open()

        def settled(link: Any) -> Any:
            self._settle(link)
            return work(self)

        return self._run(Call(operation), settled)  # type: ignore[no-any-return]

    def ping(self) -> bool:
        """Does a coordinator answer that takes new statements?"""
        request = TGetInfoReq(infoType=TGetInfoType.CLI_SERVER_NAME)

        def info(me: Cursor) -> None:
            request.sessionHandle = me.session.handle
            me.session._rpc("GetInfo", request)  # noqa: SLF001

        try:
            self._in_session("ping", info)
        except errors.Error:
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

    def _check_open(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the cursor is closed")
        self._failover.check_usable()

    def close(self) -> None:
        """Close statement and session; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        home, self._home = self._home, None
        if home is None or home.broken or home.client.forked or home.client.busy:
            return
        with suppress(Exception), home.within(FAREWELL):
            if self._last_operation_active:
                self._last_operation.close()
        with suppress(Exception):
            home.end(self.session)


def _next_or_end(cursor: Cursor) -> Any:
    """The next row: StopIteration would not get through the loop's machinery."""
    try:
        return next(cursor)
    except StopIteration:
        return _END
