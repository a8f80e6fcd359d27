"""
Reading a result: once rows were handed out it cannot be started over.

Each method says what it does with the result (looks at it, hands out rows, asks the one
coordinator that ran the statement) and leaves the rest to `Execution`.
"""

from __future__ import annotations

from threading import get_ident
from typing import Any

from impala._thrift_gen.RuntimeProfile.ttypes import TRuntimeProfileFormat
from impala.hiveserver2 import HiveServer2Cursor

from impala_ha import errors
from impala_ha.core.interruption import suppress
from impala_ha.failover.attempts import Call
from impala_ha.hs2.link import CLOSE_TIMEOUT

from .execution import Execution

_END = object()


class Results(Execution):
    """The part of `Cursor` that reads results."""

    def _check_open(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the cursor is closed")
        self._failover.check_usable()

    def _course(self, operation: str, work: Any) -> Any:
        """As below; then no cursor of the connection leaves a session where it is no more."""
        try:
            got = super()._course(operation, work)
        except errors.Error as error:
            errors.shorten(error)
            raise
        self._failover.sweep()
        return got

    def vacate(self) -> None:
        """
        End the session if the connection is elsewhere and nothing is open in it any more.

        It would hold up the shutdown of a coordinator that drains, by up to an hour.
        """
        home = self._home
        if home in (None, self._failover.link) or home.full or self._last_operation_active:
            return
        with suppress(Exception):  # a coordinator that has gone has ended it
            home.close_session(self.session)

    # What may be had again elsewhere while no row was handed out.

    def _read(self, operation: str, work: Any) -> Any:
        """Do *work* on the result, which may be had again elsewhere while no row was handed out."""
        if self._inside == get_ident():
            return work(self)
        self._check_open()
        try:
            with self._failover.exclusive:
                return self._course(operation, lambda: work(self))
        except errors.Error as error:
            errors.shorten(error)
            raise

    def _hand_out(self, operation: str, work: Any, rows: float = float("inf")) -> Any:
        """Do *work*, which gives out *rows* rows; no server is asked for those that are here."""
        if self._inside == get_ident():
            return work(self)
        self._check_open()
        with self._failover.exclusive:
            if self._are_here(rows):
                self._inside = get_ident()
                try:
                    return work(self)
                finally:
                    self._inside = None
            got = self._course(operation, lambda: work(self))
            if got and got is not _END and self._errand is not None:
                self._errand.begun = True
            return got

    def _are_here(self, rows: float) -> bool:
        """Have the next *rows* rows come already, or all that are left?"""
        operation = self._last_operation
        return len(self._buffer) >= rows or (operation is not None and operation.complete)

    @property
    def description(self) -> Any:
        """PEP 249: name, type and so on of each column; None without a result set."""
        if self._description is None and self._last_operation is not None and not self._closed:
            return self._read("description", HiveServer2Cursor.description.fget)
        return self._description

    def fetchone(self) -> Any:
        """The next row; None at the end."""
        if len(self._buffer) and not self._failover.closed:
            self._rowcount += 1
            return self._buffer.pop()
        return self._hand_out("fetchone", HiveServer2Cursor.fetchone, 1)

    def fetchmany(self, size: int | None = None) -> Any:
        """Up to *size* (`arraysize` by default) next rows."""
        rows = self.arraysize if size is None else size
        if 0 < rows <= len(self._buffer) and not self._failover.closed:
            return self._pop_from_buffer(rows)
        return self._hand_out("fetchmany", lambda me: HiveServer2Cursor.fetchmany(me, rows), rows)

    def fetchall(self) -> Any:
        """All rows that are left; none are handed out before all are there."""
        return self._hand_out("fetchall", HiveServer2Cursor.fetchall)

    def fetchcolumnar(self) -> Any:
        """All rows that are left, as impyla's column batches."""
        return self._hand_out("fetchcolumnar", _columnar)

    def fetchcbatch(self) -> Any:
        """The next column batch; None if none is there."""
        return self._hand_out("fetchcbatch", HiveServer2Cursor.fetchcbatch)

    def __next__(self) -> Any:
        if len(self._buffer) and not self._failover.closed:
            self._rowcount += 1
            return self._buffer.pop()
        if self._inside == get_ident():
            return HiveServer2Cursor.__next__(self)
        row = self._hand_out("next", _next_or_end)
        if row is _END:
            raise StopIteration
        return row

    def _state(self, operation: str) -> Any:
        """The state, which no server knows any more once the operation has ended and is closed."""
        self._check_open()
        if self._last_operation_finished and not self._last_operation_active:
            return "FINISHED_STATE"
        return self._read(operation, HiveServer2Cursor.status)

    def status(self) -> Any:
        """State of the operation, as HiveServer2 names it."""
        return self._state("status")

    def is_executing(self) -> Any:
        """Is the operation pending or running?"""
        return self._op_state_is_executing(self._state("is_executing"))

    def execution_failed(self) -> Any:
        """Did the operation fail?"""
        return self._op_state_is_error(self._state("execution_failed"))

    # What only the coordinator that ran the statement can tell.

    def _ask(self, operation: str, work: Any) -> Any:
        if self._inside == get_ident():
            return work(self)
        self._check_open()
        with self._failover.exclusive:
            if self._last_operation is None:
                return work(self)
            call = Call(operation, again=False, finished=True)
            if self._home is None or not self._home.usable():
                raise self._lost(call, self._errand)
            return self._run(call, lambda _: work(self), lambda: self._home)

    @property
    def rowcounts(self) -> tuple[int, int]:
        """Rows that a write changed, and rows that it could not; -1 where that is not known."""
        if self._rows_failed is not None:
            return self._rowcount, self._rows_failed
        return HiveServer2Cursor.rowcounts.fget(self)  # type: ignore[no-any-return]

    def _set_rowcount_from_close_result(self, close_result: Any) -> None:
        HiveServer2Cursor._set_rowcount_from_close_result(self, close_result)  # noqa: SLF001
        if told := getattr(close_result, "dml_result", None):
            self._rows_failed = told.num_row_errors or 0

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
        if self._last_operation is None:
            raise errors.ProgrammingError("Operation state is not available")
        return self._ask("get_summary", HiveServer2Cursor.get_summary)

    def cancel_operation(self, reset_state: bool = True) -> None:
        """Stop the statement on its coordinator, unless it was lost or closed."""
        if self._closed or self._failover.closed:
            return
        self._check_open()
        if self._inside or not self._failover.exclusive.run_if_free(
            lambda: self._cancel(reset_state)
        ):
            self._cancel_elsewhere()

    def _cancel(self, reset_state: bool) -> None:
        if self._home is None or not self._home.usable():
            self._last_operation_active = False
            if reset_state:
                self.close_operation()
            return
        self._ask("cancel", lambda me: HiveServer2Cursor.cancel_operation(me, reset_state))

    def _cancel_elsewhere(self) -> None:
        """
        Stop a statement while its connection is in use.

        By another thread, or by this one, whose call a signal handler has interrupted. Whoever
        waits for the statement is told by the server.
        """
        clock = self._failover.cluster.clock
        end = clock.now() + CLOSE_TIMEOUT
        while not self._last_operation_active and self._inside not in {None, get_ident()}:
            if clock.now() >= end:
                break
            clock.sleep(0.01)
        home, operation = self._home, self._last_operation
        if home is not None and operation is not None and self._last_operation_active:
            self._failover.driver.cancel(home, operation, CLOSE_TIMEOUT)
        elif self._inside:
            raise errors.InterfaceError(
                "the coordinator has not taken the statement yet, and it cannot be cancelled "
                "before; close() ends it"
            )

    def cancel(self) -> None:
        """Stop the statement on its coordinator."""
        self.cancel_operation()

    def close_operation(self) -> None:
        """Close the statement; the cursor can be used for another one."""
        with self._failover.exclusive:
            self._discard()
            self._errand = None

    def _reset_state(self) -> None:
        """As `close_operation`: impyla's name, which its own methods and programs call."""
        self.close_operation()


def _columnar(cursor: Results) -> Any:
    """All rows: impyla's ``fetchcolumnar`` stumbles where there is no result."""
    cursor._wait_to_finish()  # noqa: SLF001 - impyla's own
    if not cursor.has_result_set:
        raise errors.ProgrammingError("Tried to fetch but no results.")
    return HiveServer2Cursor.fetchcolumnar(cursor)


def _next_or_end(cursor: Results) -> Any:
    """The next row: StopIteration would not get through the loop's machinery."""
    try:
        return next(cursor)
    except StopIteration:
        return _END
