"""
PEP 249's cursor, with all that impyla's has.

It has a `CursorSession` (the link that its session is on) and an `Execution` (its statement);
every call of a server goes through `Failover`.  The fields of impyla's cursor are
kept as impyla's methods expect them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from impala._thrift_gen.RuntimeProfile.ttypes import TRuntimeProfileFormat
from impala._thrift_gen.TCLIService.ttypes import TGetInfoType, TOperationState
from impala.hiveserver2 import Batch, HiveServer2Cursor

from impala_ha import errors
from impala_ha.arrow.reader import reader, table
from impala_ha.arrow.record_batch import TimestampUnit
from impala_ha.core import logs
from impala_ha.core.extras import import_extra
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import Fault
from impala_ha.core.interruption import from_signal_handler, is_interrupt, suppress
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.core.remote import RemoteOperation, RemoteSession, Row, Rows, Schema
from impala_ha.failover.attempts import History
from impala_ha.failover.failover import Failover
from impala_ha.hs2.batch import ColumnBatch
from impala_ha.hs2.client import FEW
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link, Place
from impala_ha.hs2.polling import poll
from impala_ha.sql.parameters import Parameters, bind
from impala_ha.sql.session_state import Session
from impala_ha.sql.tag import program_and_job

from .cancel_token import make_token, read_token
from .cursor_call import CursorCall, statement_call
from .cursor_session import CursorSession, failed
from .execution import Execution, MetadataExecution, prepare

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from typing_extensions import Self

Got = TypeVar("Got")
_END = object()


class Cursor(HiveServer2Cursor):  # type: ignore[misc]  # impyla is not typed
    """
    A cursor that survives its coordinator where that is safe.

    It is an `impala.hiveserver2.HiveServer2Cursor` with all of its methods, and more:

    - `execute` and `execute_async` take ``idempotent=``;
    - `coordinator` is where its session is, `attempts` what the last statement tried;
    - `cancel` is `cancel_operation`.
    """

    arraysize: int
    has_result_set: bool
    rowcount: int
    _rowcount: int
    _buffer: Rows
    _last_operation: RemoteOperation | None
    _closed = True  # until __init__ is through: impyla's __del__ asks

    def __init__(self, failover: Failover, session: Session, **options: bool):
        self._session = CursorSession(failover, session)
        HiveServer2Cursor.__init__(self, None, **options)
        self._last_operation_finished: bool = False
        self._failover = failover
        named = failover.options.client_identifier
        self._program = program_and_job() if named is None else named
        self._links = failover.links
        self._execution: Execution | None = None
        self._history = History()
        self._ahead = False  # is the next batch asked for before this one is used?
        self._calling_thread: int | None = None  # its calls go straight to impyla's methods
        self._rows_failed: int | None = None
        # With a database impyla has executed USE by now, and knows its log.
        self._last_operation_log: str | None = "" if session.names_database else None

        with self._links.exclusive:
            self._links.cursors.add(self)
            self._links.renew(failover.opener, self, self._session.arguments)
            self._run(self._call("cursor", proof=True), self._session.check_database)
            self._session.warn_of_ignored_options()

    @property
    def session(self) -> RemoteSession | None:
        """Impyla's session; None before there is one."""
        return self._session.handle

    @session.setter
    def session(self, handle: RemoteSession | None) -> None:  # impyla's __init__ assigns it
        self._session.handle = handle

    @property
    def coordinator(self) -> Coordinator | None:
        """Where its session is; None while it has none."""
        link = self._session.link
        return link.coordinator if link is not None else None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """
        The attempts of the last statement, in order; the last one is how it ended.

        A call that reads its result changes nothing here, unless it failed and was tried again:
        then they are those of that call.
        """
        return tuple(self._history.attempts)

    @property
    def query_id(self) -> str | None:
        """Of the last statement, as Impala prints it; None before a coordinator accepted it."""
        return self._execution.query_id if self._execution is not None else None

    @property
    def query_url(self) -> str | None:
        """The page of the last statement on the web server of its coordinator; None: no page."""
        execution = self._execution
        if execution is None or not execution.web_address or execution.query_id is None:
            return None
        scheme = "https" if self._failover.options.web_ssl else "http"
        return f"{scheme}://{execution.web_address}/query_plan?query_id={execution.query_id}"

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("cursors cannot be pickled: connect in each worker")

    # Calls through the loop.

    @property
    def _in_call(self) -> bool:
        """Is this a part of a call of this cursor?  The mark may stay after a signal handler."""
        return self._calling_thread == get_ident() and self._links.exclusive.held

    def _check_free(self) -> None:
        if self._in_call:
            raise errors.InterfaceError(
                "the cursor is in the middle of a call: a function that is told of events, or a "
                "signal handler, needs a cursor of its own"
            )

    def _check_open(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the cursor is closed")
        self._links.check_usable()

    def _call(self, operation: str, **about: Any) -> CursorCall:
        """A call that needs the session alone."""
        return CursorCall(operation, failover=self._failover, session=self._session, **about)

    def _statement_call(self, operation: str, *, new: bool = False) -> CursorCall:
        """
        A call on the last statement, which is submitted first where no server has it any more.

        One that is *new* is submitted in any case.
        """
        execution, session = self._execution, self._session
        # A signal handler may have raised before it was submitted: then nobody else does that.
        if execution is None or not (new or execution.accepted):
            raise errors.ProgrammingError(f"{operation}: nothing was executed")
        ended = self._last_operation_finished
        call = statement_call(operation, execution, session, self._failover, ended=ended)
        if call.submits:
            self._links.renew(self._failover.opener, self, session.arguments)
        elif not session.usable:
            if not execution.idempotent or not call.again:
                raise call.lost_before()
            call.submits = True
        return call

    def _run(self, call: CursorCall, work: Callable[[], Got]) -> Got:
        """Make *call*, which does *work*; calls within *work* are part of it."""
        before, inside, history = self._history, self._calling_thread, History()
        try:
            self._history, self._calling_thread = history, get_ident()
            self._failover.events.tag = call.tag
            got = self._failover.run(call, partial(self._attempt, call, work), history)
        except BaseException as error:
            if is_interrupt(error):
                with suppress(Exception):
                    self._cancel_interrupted(call)
            elif isinstance(error, errors.Error):
                errors.shorten(error)
            if isinstance(error, errors.OutcomeUnknown):
                call.leave_alone(error)
            if call.execution is not None and not call.execution.accepted:
                self._execution = None  # or a fetch that follows would send it once more
            raise
        finally:
            self._calling_thread = inside
            if not (call.proof or any(attempt.fault for attempt in history.attempts)):
                self._history = before  # a call that only read the result, and did not fail
        self._links.prune()
        return got

    def _attempt(self, call: CursorCall, work: Callable[[], Got], link: Link) -> Got:
        """One try of *call*, on *link*."""
        execution, session = call.execution, self._session
        if execution is not None and link.over_http:
            execution.request_id = execution.request_id or call.request_id or os.urandom(16).hex()
            link.name_requests(execution.request_id)
        if execution is not None and call.submits:
            self._reset()
            session.ensure(link)
            link.check()
            self._last_operation_string = execution.text or None
            self._last_operation = execution.submit(session)
            self._failover.events.tag = execution.tag
            self._last_operation_active = True
        elif call.opens:
            session.ensure(link)
        call.submits = True  # another try means from the start
        return work()

    def _cancel_interrupted(self, call: CursorCall) -> None:
        """Stop what runs on the server for *call*, which was interrupted."""
        active = self._last_operation_active
        if call.execution is not None and self._last_operation is None:
            # While it was being submitted: a server may have it, whether we know it or not.
            self._last_operation, active = call.execution.operation, True
        running = self._last_operation if active else None
        self._last_operation_active = False
        self._session.cancel_interrupted(running, unnamed=active and running is None)

    def reads(self, link: Link) -> bool:
        """Is something open on *link* that was not read to its end?"""
        operation = self._last_operation if self._last_operation_active else None
        if self._session.link is not link or operation is None:
            return False
        return len(self._buffer) > 0 or not operation.complete

    def close_stale_session(self) -> None:
        """End the session where the connection is no more, unless something is open in it."""
        if not self._last_operation_active:
            self._session.close_stale()

    # Statements.

    def execute(
        self,
        operation: str,
        parameters: Parameters | None = None,
        configuration: Mapping[str, object] | None = None,
        *,
        idempotent: bool | None = None,
    ) -> None:
        """
        Run *operation* and wait until it has ended.

        Args:
            operation: SQL.
            parameters: Values for its markers, in any paramstyle; a list, tuple or dict.
            configuration: Query options for this statement alone.
            idempotent: Whether running it twice is harmless; None: as the text shows, and then a
                write runs again only where its first run is certainly over. True lets it run again
                at once when its coordinator was lost. A coordinator that hangs may have it in its
                socket: the first run may then come later than the second, and later than
                statements that follow (a DROP that drops what was created since). False forbids
                a second run, also of a read.

        Raises:
            OutcomeUnknown: It may have run, in one try or more, and the last one failed.
            NoCoordinatorLeft: No coordinator accepted it within the deadline; it has not run.
            Error: The server's own.
        """
        self._check_open()
        self._check_free()
        with self._links.exclusive:
            self._calling_thread = None
            execution = self._prepare(operation, parameters, configuration, idempotent)
            self._run(self._statement_call("execute", new=True), self._complete)
            self._remember(execution)

    def execute_async(
        self,
        operation: str,
        parameters: Parameters | None = None,
        configuration: Mapping[str, object] | None = None,
        *,
        idempotent: bool | None = None,
    ) -> None:
        """Send *operation* and return once a coordinator took it; poll with `is_executing`."""
        self._check_open()
        self._check_free()
        with self._links.exclusive:
            self._calling_thread = None
            execution = self._prepare(operation, parameters, configuration, idempotent)
            self._run(self._statement_call("execute_async", new=True), _nothing)
            self._remember(execution)

    def finish(self) -> None:
        """
        Wait until the statement of `execute_async` has ended, as `execute` does.

        The `rowcount` of a write is known then.  Errors as of `execute`.
        """
        self._check_open()
        with self._links.exclusive:
            self._run(self._statement_call("finish"), self._complete)

    def executemany(
        self,
        operation: str,
        seq_of_parameters: Iterable[Parameters],
        configuration: Mapping[str, object] | None = None,
    ) -> None:
        """Run *operation* once for each of *seq_of_parameters*."""
        self._check_free()
        with self._links.exclusive:
            self._calling_thread = None
            HiveServer2Cursor.executemany(self, operation, list(seq_of_parameters), configuration)

    def _prepare(
        self,
        operation: str,
        parameters: Parameters | None,
        configuration: Mapping[str, object] | None,
        idempotent: bool | None,
    ) -> Execution:
        try:
            text, options = bind(operation, parameters, configuration)
        except errors.Error as error:
            errors.shorten(error)
            raise
        execution = prepare(text, options, idempotent, self._failover.options, self._program)
        self._execution = execution
        return execution

    def _remember(self, execution: Execution) -> None:
        """Note what a successful statement changed: the session, or a table."""
        session = self._session
        session.wanted = session.wanted.after(execution.statement)
        if execution.writes and session.link is not None:
            self._links.changes.add(session.link.coordinator, execution.text)

    def _complete(self) -> None:
        """What impyla's ``execute`` does once the statement was sent."""
        self._wait_to_finish()
        closed = not self._last_operation_active
        if not (closed or self.has_result_set) and self.close_finished_queries:
            self._close_finished_operation()

    def _execute_async(self, operation_fn: Callable[[], None]) -> None:
        """Send a metadata call: impyla's *operation_fn* assigns the operation to this cursor."""

        def send() -> RemoteOperation:
            operation_fn()
            assert self._last_operation is not None
            return self._last_operation

        self._check_open()
        with self._links.exclusive:
            self._execution = MetadataExecution(send)
            self._run(self._statement_call("metadata", new=True), _nothing)

    # The end of a statement.

    def _wait_to_finish(self) -> None:
        if self._last_operation_finished:
            return
        if not self._in_call:
            self._check_open()
            with self._links.exclusive:
                if self._execution is not None:  # ibis waits before it has executed anything
                    self._run(self._statement_call("wait"), self._wait_to_finish)
            return
        operation = self._last_operation
        assert operation is not None
        execution = self._execution
        ahead = execution is not None and execution.ahead and self.has_result_set
        answer = poll(operation, self._failover.cluster.clock, self.buffersize if ahead else 0)
        told = answer.errorMessage or answer.operationState != TOperationState.ERROR_STATE
        if not told and self.fetch_error and self.has_result_set:
            self._last_operation_active = False
            operation.fetch()  # Impala before 2.7 has the error only here
        if answer.operationState != TOperationState.FINISHED_STATE:
            raise failed(answer)
        self._last_operation_finished = True
        if execution is not None and operation.all_ahead:
            self._fetch_batch(operation)
            execution.fetched = True  # its rows are here, and need not be had again

    def _fetch_batch(self, operation: RemoteOperation) -> None:
        """Take the next rows into the buffer; once all are here, have the statement closed."""
        if self._description is None:
            operation.ask_ahead("GetResultSetMetadata", max_rows=self.buffersize)
        self._buffer = operation.fetch(
            _description(self),
            self.buffersize,
            convert_types=self.convert_types,
            convert_strings_to_unicode=self.convert_strings_to_unicode,
        )
        if self._ahead and len(self._buffer) and not operation.complete:
            operation.ask_ahead(max_rows=self.buffersize)
        if operation.complete and self.close_finished_queries:
            self._last_operation_active = not operation.close_ahead()

    def _ensure_buffer_is_filled(self) -> None:
        """As impyla's, which asks for one thing after the other."""
        if self._rowcount == -1:
            self._rowcount = 0
        operation = self._last_operation
        while not len(self._buffer):
            if operation is None or not self.has_result_set:
                text = "Trying to fetch results on an operation with no results."
                raise errors.ProgrammingError(text)
            if not self._last_operation_active:
                raise StopIteration
            self._fetch_batch(operation)
            if not (len(self._buffer) or self._buffer.expect_more_rows):
                if self.close_finished_queries and self._last_operation_active:
                    self._close_finished_operation()
                raise StopIteration

    def _close_finished_operation(self) -> None:
        """
        Close a statement that ran to its end.

        The statement is done and its rows are here, so a coordinator that fails now costs only the
        log and the count of rows.
        """
        self._last_operation_finished = True
        operation = self._last_operation
        assert operation is not None
        if operation.writes:
            operation.ask_ahead("GetLog", "CloseImpalaOperation")
        elif self._links.impala and operation.close_ahead():
            self._last_operation_active = False
            return
        try:
            HiveServer2Cursor._close_finished_operation(self)  # noqa: SLF001
        except errors.InterfaceError:
            raise
        except errors.Error as error:
            self._last_operation_active = False
            link = self._session.link
            if link is None or from_signal_handler(error):
                raise
            if not link.broken and classify(error, link.phase) is Fault.QUERY:
                raise
            self._failover.driver.redact(error)
            why = str(error)  # a record may be kept: a traceback in it would keep sockets open
            logs.warning("%s was lost after the statement was done: %s", link.coordinator, why)

    def _reset(self) -> None:
        """Close what the cursor holds of an earlier statement, or of an earlier try."""
        link = self._session.link
        if link is None or link.broken or self._links.closed:
            self._last_operation_active = False
        self._rows_failed = None
        with suppress(Exception):  # it is over either way, and a broken link is met soon
            HiveServer2Cursor._reset_state(self)  # noqa: SLF001
        HiveServer2Cursor._reset_state(self)  # noqa: SLF001 - the rest, if closing failed

    def _reset_state(self) -> None:
        """As `close_operation`: impyla's name, which its own methods and programs call."""
        self.close_operation()

    def close_operation(self) -> None:
        """Close the statement; the cursor can be used for another one."""
        with self._links.exclusive:
            self._reset()
            self._execution = None

    def cancel(self, token: str | None = None) -> None:
        """
        Stop the statement on its coordinator, or that of another cursor.

        Args:
            token: `cancel_token` of the other cursor, which may be in another process.

        Raises:
            InterfaceError: *token* is none, or its coordinator is none of this connection's.
            Error: The coordinator cannot be reached, or no longer knows the statement.
        """
        if token is None:
            self.cancel_operation()
            return
        self._check_open()
        coordinator, handle = read_token(token, self._failover.cluster.coordinators)
        place = Place(coordinator, self._session.wanted.user)
        self._failover.driver.cancel(place, handle, CLOSE_TIMEOUT)

    @property
    def cancel_token(self) -> str | None:
        """
        A text by which `cancel` stops the statement from elsewhere; None while none is open.

        It has the secret of the session, so it is to be kept as a password is. After the
        statement was run again on another coordinator it is another one.
        """
        coordinator, operation = self.coordinator, self._last_operation
        if coordinator is None or operation is None or not self._last_operation_active:
            return None
        return make_token(coordinator, operation.handle)

    def cancel_operation(self, reset_state: bool = True) -> None:
        """Stop the statement on its coordinator, unless it was lost or closed."""
        if self._closed or self._links.closed:
            return
        self._check_open()
        if self._calling_thread or not self._links.exclusive.run_if_free(
            lambda: self._cancel(reset_state)
        ):
            self._cancel_elsewhere()

    def _cancel(self, reset_state: bool) -> None:
        operation = self._last_operation
        if not self._session.usable or (operation is not None and operation.closing):
            self._last_operation_active = False
            if reset_state:
                self.close_operation()
            return
        self._ask("cancel", partial(HiveServer2Cursor.cancel_operation, self, reset_state))

    def _cancel_elsewhere(self) -> None:
        """
        Stop a statement while its connection is in use.

        By another thread, or by this one, whose call a signal handler has interrupted. Whoever
        waits for the statement gets the server's error.
        """
        clock = self._failover.cluster.clock
        end = clock.now() + CLOSE_TIMEOUT
        while not self._last_operation_active and self._calling_thread not in {None, get_ident()}:
            if clock.now() >= end:
                break
            clock.sleep(0.01)
        link, operation = self._session.link, self._last_operation
        if link is not None and operation is not None and self._last_operation_active:
            self._failover.driver.cancel(link.place, operation.handle, CLOSE_TIMEOUT)
        elif self._calling_thread:
            raise errors.InterfaceError(
                "the coordinator has not taken the statement yet, and it cannot be cancelled "
                "before; close() ends it"
            )

    def close(self) -> None:
        """
        Close statement and session; a second time does nothing.

        A call of the cursor in which another thread waits ends at once.
        """
        if self._closed:
            return
        self._closed = self._session.closed = True
        if self._links.forked or self._links.exclusive.run_if_free(self._close):
            return
        if self._links.of_cursor:
            self._session.stopped = True
            self._links.close()
        elif self._calling_thread is None:  # the thread waits on another cursor
            self._session.close_later()
        else:
            self._session.close_elsewhere()

    def _close(self) -> None:
        self._session.close(self._last_operation if self._last_operation_active else None)
        self.close_operation()  # without a link that is memory alone
        if self._links.of_cursor:
            self._links.close()

    def __del__(self) -> None:
        """Leave the session to the link: garbage collection must not talk on a socket."""
        link = None if self._closed else self._session.link
        if link is not None and link.client.broken is None:
            self._session.close_later()
            self._closed = True

    # Reading the result: it may be computed again elsewhere until the first row was fetched.

    def _read(self, operation: str, work: Callable[[], Got]) -> Got:
        """Do *work* on the result, without fetching rows."""
        if self._in_call:
            return work()
        self._check_open()
        try:
            with self._links.exclusive:
                return self._run(self._statement_call(operation), work)
        except errors.Error as error:
            errors.shorten(error)
            raise

    def _fetch(self, operation: str, work: Callable[[], Got], rows: float = float("inf")) -> Got:
        """Do *work*, which fetches *rows* rows; buffered ones cost no call."""
        if self._in_call:
            return work()
        self._check_open()
        with self._links.exclusive:
            if self._is_buffered(rows):
                self._calling_thread = get_ident()
                try:
                    return work()
                finally:
                    self._calling_thread = None
            got = self._run(self._statement_call(operation), work)
            if got and got is not _END and self._execution is not None:
                self._execution.fetched = True
            return got

    def _is_buffered(self, rows: float) -> bool:
        """Are the next *rows* rows buffered, or all that are left?"""
        operation = self._last_operation
        return len(self._buffer) >= rows or (operation is not None and operation.complete)

    @property
    def description(self) -> Schema | None:
        """PEP 249: name, type and so on of each column; None without a result set."""
        if self._description is None and self._last_operation is not None and not self._closed:
            return self._read("description", partial(_description, self))
        return self._description

    def fetchone(self) -> Row | None:
        """The next row; None at the end."""
        if len(self._buffer) and not self._links.closed:
            self._rowcount = self._rowcount + 1 if self._rowcount > 0 else 1
            return self._buffer.pop()
        return self._fetch("fetchone", partial(HiveServer2Cursor.fetchone, self), 1)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Up to *size* (`arraysize` by default) next rows."""
        rows = self.arraysize if size is None else size
        if 0 < rows <= len(self._buffer) and not self._links.closed:
            return self._pop_from_buffer(rows)
        return self._fetch("fetchmany", partial(HiveServer2Cursor.fetchmany, self, rows), rows)

    def fetchall(self) -> list[Row]:
        """All rows that are left; none are handed out before all are there."""
        return self._fetch("fetchall", self._ahead_of(partial(HiveServer2Cursor.fetchall, self)))

    def fetchcolumnar(self) -> list[Rows]:
        """All rows that are left, as impyla's column batches."""
        return self._fetch("fetchcolumnar", self._ahead_of(self._batches))

    def _batches(self) -> list[Rows]:
        """All batches that are left; of one that was begun the rest is dropped, as impyla does."""
        self._wait_to_finish()
        operation, batches = self._last_operation, []
        if operation is None or not self.has_result_set:
            raise errors.ProgrammingError("Tried to fetch but no results.")
        if not operation.is_columnar:
            raise errors.NotSupportedError("Server does not support columnar fetching")
        if len(self._buffer) and self._rowcount < 1:
            batches.append(self._buffer)
        self._buffer = Batch()
        while self._last_operation_active:
            self._fetch_batch(operation)
            batch, self._buffer = self._buffer, Batch()
            if len(batch):
                batches.append(batch)
            elif not batch.expect_more_rows:
                break
        return batches

    def _ahead_of(self, work: Callable[[], Got]) -> Callable[[], Got]:
        """*work*, which takes all rows: each batch is asked for while the last one is decoded."""

        def fetch_all() -> Got:
            self._ahead = True
            try:
                return work()
            except Exception as error:
                if self._last_operation is not None and not from_signal_handler(error):
                    self._last_operation.settle()
                raise
            finally:
                self._ahead = False

        return fetch_all

    def fetchcbatch(self) -> Rows | None:
        """The next column batch, which is waited for; None at the end."""
        return self._fetch("fetchcbatch", self._next_batch)

    def __next__(self) -> Row:
        if len(self._buffer) and not self._links.closed:
            self._rowcount = self._rowcount + 1 if self._rowcount > 0 else 1
            return self._buffer.pop()
        if self._in_call:
            return HiveServer2Cursor.__next__(self)
        # StopIteration would not get through the loop's machinery.
        row = self._fetch("next", partial(next, self, _END))
        if row is _END:
            raise StopIteration
        return row

    # Results as Arrow, by the names of ADBC.

    @property
    def buffersize(self) -> int:
        """Rows to ask for at a time: `arraysize` where it was set, else what makes some 4 MiB."""
        operation = self._last_operation
        return self._buffersize or (operation.batch_rows if operation is not None else FEW)

    def _next_batch(self) -> ColumnBatch | None:
        """The columns that are here, or the next ones; None at the end."""
        self._wait_to_finish()
        try:
            self._ensure_buffer_is_filled()
        except StopIteration:
            return None
        batch: Rows = self._buffer
        self._buffer: Rows = Batch()
        if not isinstance(batch, ColumnBatch):
            raise errors.NotSupportedError("the server does not send results by column")
        self._rowcount += len(batch)
        return batch

    def _described(self) -> Schema:
        if self.description is None:
            raise errors.ProgrammingError("nothing was executed that has a result")
        return self.description

    def fetch_record_batch(self, timestamp_unit: TimestampUnit = "ns") -> pa.RecordBatchReader:
        """
        The rows that are left, as a stream of Arrow's record batches.

        Each batch is fetched when it is asked for, so that memory holds one of some 4 MiB.  Once
        the first was given out, a coordinator that is lost ends the stream with `ResultLost`.

        Args:
            timestamp_unit: s, ms, us or ns; years before 1678 and after 2261 do not fit ns.

        Raises:
            MissingExtra: pyarrow is not installed (the extra ``arrow``).
            DataError: A value has no place in its type.
        """
        description, execution = self._described(), self._execution

        def next_batch() -> ColumnBatch | None:
            if self._execution is not execution:
                text = "the cursor has another statement by now, or none: this stream is at its end"
                raise errors.ProgrammingError(text)
            return self._fetch("fetch_record_batch", self._next_batch)

        return reader(description, timestamp_unit, next_batch)

    def fetch_arrow(self, timestamp_unit: TimestampUnit = "ns") -> pa.RecordBatchReader:
        """As `fetch_record_batch`: an object with ``__arrow_c_stream__``."""
        return self.fetch_record_batch(timestamp_unit)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow's PyCapsule: ``pa.table(cursor)``, ``pl.DataFrame(cursor)``, and so on."""
        return self.fetch_record_batch().__arrow_c_stream__(requested_schema)

    def fetch_arrow_table(self, timestamp_unit: TimestampUnit = "ns") -> pa.Table:
        """
        The rows that are left, as an Arrow table.

        None are handed out before all are there, so that a lost coordinator is made up for
        where the statement may run again.  Arguments and errors as of `fetch_record_batch`.
        """
        work = partial(table, self._described(), timestamp_unit, self._next_batch)
        return self._fetch("fetch_arrow_table", self._ahead_of(work))

    def fetch_df(self, timestamp_unit: TimestampUnit = "ns") -> pd.DataFrame:
        """The rows that are left, as a data frame of pandas, by way of Arrow."""
        import_extra("pandas", "pandas")
        frame: pd.DataFrame = self.fetch_arrow_table(timestamp_unit).to_pandas()
        return frame

    def fetch_polars(self, timestamp_unit: TimestampUnit = "ns") -> pl.DataFrame:
        """The rows that are left, as a data frame of polars (the extra ``polars``)."""
        polars = import_extra("polars", "polars")
        return polars.from_arrow(self.fetch_arrow_table(timestamp_unit))

    def _state(self, operation: str) -> str:
        """The state, which no server knows any more once the operation has ended and is closed."""
        self._check_open()
        if self._last_operation_finished and not self._last_operation_active:
            return "FINISHED_STATE"
        return self._read(operation, partial(HiveServer2Cursor.status, self))

    def status(self) -> str:
        """State of the operation, as HiveServer2 names it."""
        return self._state("status")

    def is_executing(self) -> bool:
        """Is the operation pending or running?"""
        return self._op_state_is_executing(self._state("is_executing"))

    def execution_failed(self) -> bool:
        """Did the operation fail?"""
        return self._op_state_is_error(self._state("execution_failed"))

    # What only the coordinator that ran the statement knows.

    def _ask(self, operation: str, work: Callable[[], Got]) -> Got:
        if self._in_call:
            return work()
        self._check_open()
        with self._links.exclusive:
            if self._last_operation is None:
                return work()
            call = self._call(operation, again=False, finished=True, opens=False)
            if not self._session.usable:
                raise call.lost_before()
            return self._run(call, work)

    @property
    def rowcounts(self) -> tuple[int, int]:
        """Rows that a write changed, and rows that it could not change; -1 if unknown."""
        if self._rows_failed is not None:
            return self._rowcount, self._rows_failed
        return HiveServer2Cursor.rowcounts.fget(self)

    def _set_rowcount_from_close_result(self, close_result: object) -> None:
        HiveServer2Cursor._set_rowcount_from_close_result(self, close_result)  # noqa: SLF001
        if result := getattr(close_result, "dml_result", None):
            self._rows_failed = result.num_row_errors or 0

    def get_log(self) -> str:
        """Messages of the server about the statement."""
        operation = self._last_operation
        if operation is not None and operation.closing:
            with self._links.exclusive:
                return operation.get_log()
        if self._last_operation_log is not None:
            return self._last_operation_log
        return self._ask("get_log", partial(HiveServer2Cursor.get_log, self))

    def get_profile(
        self, profile_format: int = TRuntimeProfileFormat.STRING, *, failed: bool = False
    ) -> Any:
        """
        The runtime profile; only the coordinator that ran the statement has it.

        Args:
            profile_format: One of impyla's TRuntimeProfileFormat.
            failed: Of the attempt before, which failed so that Impala ran the statement once more
                (RETRY_FAILED_QUERIES); None if it did not.
        """
        return self._ask(
            "get_profile",
            lambda: self._operation_at_hand().get_profile(profile_format, failed=failed),
        )

    def get_summary(self, *, failed: bool = False) -> Any:
        """
        The execution summary; only the coordinator that ran the statement has it.

        Args:
            failed: Of the attempt before, as of `get_profile`.
        """
        return self._ask(
            "get_summary", lambda: self._operation_at_hand().get_summary(failed=failed)
        )

    def _operation_at_hand(self) -> RemoteOperation:
        if self._last_operation is None:
            raise errors.ProgrammingError("Operation state is not available")
        return self._last_operation

    # Calls that need a session only.

    def _in_session(self, operation: str, work: Callable[[], Got]) -> Got:
        self._check_open()
        with self._links.exclusive:
            return self._run(self._call(operation), work)

    def ping(self) -> bool:
        """Does a coordinator answer that takes new statements?"""
        with self._links.exclusive:
            try:
                self._in_session("ping", self._session.get_info)
            except errors.Error as error:
                if from_signal_handler(error):
                    raise
                return False
        return True

    def server_version(self) -> str:
        """The server's version, "5.0.0-RELEASE" for one; costs one call and no statement."""
        return self._in_session(
            "server_version", partial(self._session.get_info, TGetInfoType.CLI_DBMS_VER)
        )

    def database_exists(self, db_name: str) -> bool:
        """Is there a database of that name?"""
        work = partial(HiveServer2Cursor.database_exists, self, db_name)
        return bool(self._in_session("database_exists", work))

    def table_exists(self, table_name: str, database_name: str | None = None) -> bool:
        """Is there a table of that name?"""
        work = partial(HiveServer2Cursor.table_exists, self, table_name, database_name)
        return bool(self._in_session("table_exists", work))


def _nothing() -> None:
    """The work of a call that only submits a statement."""


def _description(cursor: Cursor) -> Schema | None:
    return HiveServer2Cursor.description.fget(cursor)
