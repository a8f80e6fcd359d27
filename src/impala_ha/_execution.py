"""
A statement on its way: where its cursor is at home, and how it gets to another coordinator.

impyla's cursor is the base, and `Failover` the loop; this room brings them together.  A cursor is
at home on the link where its session was opened.  When the home is lost, or is not where the
connection is any more, the session is opened anew before the next statement (`_settle`), and a
statement whose result nobody has seen may be given again (`_course`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from impala._thrift_gen.TCLIService.ttypes import TGetOperationStatusReq, TOperationState
from impala.hiveserver2 import HiveServer2Cursor

from . import errors
from ._attempts import Call, Trail
from ._driver import FAREWELL, Link
from ._failover import Failover
from ._faults import Fault, judge
from ._session import Session
from ._statement import Effect, Statement

Got = TypeVar("Got")

_log = logging.getLogger("impala_ha")
_GONE = frozenset({Fault.SESSION_GONE, Fault.RESULT_GONE})
_WORKING = frozenset({"PENDING_STATE", "INITIALIZED_STATE", "RUNNING_STATE"})


@dataclass(slots=True)
class Errand:
    """
    What the cursor was given to do, kept so that it can be done elsewhere.

    Attributes:
        submit: Sends it in the session of the cursor it is handed and notes the operation there.
        statement: What it does.
        accepted: Whether a server took it.
        begun: Whether rows of its result were handed out.
    """

    submit: Callable[[Execution], None]
    statement: Statement
    accepted: bool = False
    begun: bool = False


class Execution(HiveServer2Cursor):  # type: ignore[misc]  # impyla is not typed
    """The moving parts of `Cursor`."""

    _closed = True  # until __init__ is through: impyla's __del__ asks

    def __init__(self, failover: Failover, session: Session, **options: Any):
        HiveServer2Cursor.__init__(self, None, **options)
        self.session: Any = None
        self._last_operation_finished: bool = False
        self._failover = failover
        self._wanted = session
        self._home: Link | None = None
        self._errand: Errand | None = None
        self._inside = False
        self._trail = Trail()
        self._run(Call("cursor", proof=True), self._settle)

    def _run(
        self,
        call: Call,
        work: Callable[[Link], Got],
        home: Callable[[], Link | None] = lambda: None,
    ) -> Got:
        """Do *work* through the loop; what it calls on this cursor goes straight through."""
        self._trail = Trail()

        def at(link: Link) -> Got:
            try:
                return work(link)
            except errors.Error as error:
                if self._home is link and judge(error, link.phase) in _GONE:
                    self._home = None  # only this session; the link may carry others
                raise

        self._inside = True
        try:
            failover, wanted = self._failover, self._wanted
            configuration = wanted.whole() if failover.impala else wanted.configuration
            first = (wanted.user, configuration)
            return failover.run(call, at, home=home, first=first, trail=self._trail)
        except Exception:
            raise
        except BaseException:  # Ctrl-C, or a time limit of the caller
            with suppress(Exception):
                self._abandon()
            raise
        finally:
            self._inside = False

    def _course(self, operation: str, work: Callable[[], Got]) -> Got:
        """Do *work* on the errand's operation; give it to a server first if none has it."""
        errand = self._errand
        if errand is None:
            raise errors.ProgrammingError(f"{operation}: nothing was executed")
        repeatable = errand.statement.repeatable
        finished = errand.begun or (errand.accepted and self._last_operation_finished)
        call = Call(
            operation,
            repeatable=repeatable,
            again=not errand.begun and (repeatable or not errand.accepted),
            early=errand.statement.early,
            finished=finished and (errand.begun or not repeatable),
            proof=not errand.accepted,
        )
        anew = not errand.accepted
        if not anew and (self._home is None or self._home.broken):
            if not call.again:
                raise self._lost(call)
            anew = True

        def attempt(link: Link) -> Got:
            nonlocal anew
            if anew:
                self._submit(link, errand)
            anew = True  # another try means from the start
            return work()

        return self._run(call, attempt, lambda: None if anew else self._home)

    def _lost(self, call: Call) -> errors.Told:
        """The home was lost by an earlier call: say what that means for this one."""
        why = self._home.client.broken if self._home else None
        where = f"coordinator {self._home.coordinator}" if self._home else "the session"
        kind = errors.ResultLost if call.finished else errors.OutcomeUnknown
        return errors.tell(kind, f"{call.operation} failed: {where} was lost before: {why}", why)

    def _submit(self, link: Link, errand: Errand) -> None:
        self._discard()
        self._settle(link)
        link.check()
        errand.submit(self)
        self._last_operation_active = True
        errand.accepted = True

    def _settle(self, link: Link) -> None:
        """Open the session on *link* unless it is there already."""
        if self._home is link:
            return
        old, session = self._home, self.session
        wanted = self._wanted
        if link.impala:
            self.session = link.session(wanted.user, wanted.whole())
        else:
            self.session = link.session(wanted.user, wanted.configuration)
            for text in wanted.replay():
                self._replay(text)
        self._home = link
        if old is not None and not old.broken:
            with suppress(Exception):  # an open session delays the shutdown of the old one
                old.end(session)

    def _replay(self, text: str) -> None:
        operation = self.session.execute(text, run_async=True)
        self._await(operation)
        operation.close()

    def _discard(self) -> None:
        """Close what the cursor holds of an earlier statement."""
        if self._home is None or self._home.broken or self._failover.closed:
            self._last_operation_active = False
        with suppress(Exception):  # it is over either way, and a broken link is met soon
            HiveServer2Cursor._reset_state(self)  # noqa: SLF001
        HiveServer2Cursor._reset_state(self)  # noqa: SLF001 - the rest, if closing failed

    def _abandon(self) -> None:
        """Stop what runs on the server for a call that was interrupted."""
        home, session = self._home, self.session
        if home is None or session is None or home.client.forked:
            return
        if home.broken:  # in mid-answer: only another connection can say it
            self._home = None
            self._failover.driver.end_elsewhere(home.coordinator, self._wanted.user, session)
        elif self._last_operation_active:
            with home.within(FAREWELL / 2):
                self._last_operation.cancel()

    def _complete(self) -> None:
        """What impyla's ``execute`` does once the statement was sent."""
        self._wait_to_finish()
        if not self.has_result_set and self.close_finished_queries:
            self._close_finished_operation()

    def _close_finished_operation(self) -> None:
        """
        Close a statement that ran to its end.

        The statement is done and its rows are here, so a coordinator that fails now costs only
        the log and the count of rows.
        """
        try:
            HiveServer2Cursor._close_finished_operation(self)  # noqa: SLF001
        except errors.Error as error:
            self._last_operation_active = False
            home = self._home
            if home is None or not (home.broken or judge(error, home.phase) in _GONE):
                raise
            _log.warning("%s was lost after the statement was done: %s", home.coordinator, error)

    def _wait_to_finish(self) -> None:
        if self._last_operation_finished:
            return
        if not self._inside:
            self._course("wait", self._wait_to_finish)
            return
        self._await(self._last_operation)
        self._last_operation_finished = True

    def _await(self, operation: Any) -> None:
        """Poll until *operation* has ended, on the cluster's clock."""
        clock = self._failover.cluster.clock
        start = clock.now()
        while True:
            asked = clock.now()
            request = TGetOperationStatusReq(operationHandle=operation.handle)
            answer = operation._rpc("GetOperationStatus", request, True)  # noqa: SLF001
            operation.update_has_result_set(answer)
            state = TOperationState._VALUES_TO_NAMES[answer.operationState]  # noqa: SLF001
            if state == "ERROR_STATE":
                self._raise_state(answer)
            if state not in _WORKING:
                return
            now = clock.now()
            # Where the server polls for us (LONG_POLLING_TIME_MS), there is nothing to sleep.
            clock.sleep(max(0.0, _interval(now - start) - (now - asked)))

    def _raise_state(self, answer: Any) -> None:
        if answer.errorMessage:
            raise errors.OperationalError(answer.errorMessage)
        if self.fetch_error and self.has_result_set:
            self._last_operation_active = False
            self._last_operation.fetch()  # Impala before 2.7 tells the error only here
        raise errors.OperationalError("Operation is in ERROR_STATE")

    def __del__(self) -> None:
        """Leave the session to the link: garbage collection must not talk on a socket."""
        home = getattr(self, "_home", None)
        if not self._closed and home is not None and home.client.broken is None:
            home.drop(self.session)
            self._closed = True


def _interval(elapsed: float) -> float:
    """Seconds between two polls, as impyla has them."""
    for within, seconds in ((0.05, 0.01), (1.0, 0.05), (10.0, 0.1), (60.0, 0.5)):
        if elapsed < within:
            return seconds
    return 1.0


def given(text: str, idempotent: bool | None) -> Statement:
    """What *text* does, where the caller may know better."""
    statement = Statement.parse(text)
    if idempotent is None:
        return statement
    effect = Effect.HARMLESS if idempotent else Effect.WRITE
    return Statement(effect, statement.setting, early=statement.early)
