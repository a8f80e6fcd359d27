"""PEP 249's connection: a link to a coordinator of a cluster, which cursors share."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, overload

from impala.hiveserver2 import HiveServer2Connection

from impala_ha import errors
from impala_ha.balancing.cluster import Cluster
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Coordinator
from impala_ha.core.remote import RemoteService
from impala_ha.failover.attempts import Call
from impala_ha.failover.failover import Failover
from impala_ha.failover.retry import Retry
from impala_ha.hs2.connector import ImpylaDriver, system_user
from impala_ha.hs2.link import CLOSE_TIMEOUT, Link
from impala_ha.options.options import Options
from impala_ha.sql.session_state import Session

from .cursor import Cursor
from .dict_cursor import DictCursor

if TYPE_CHECKING:
    from typing_extensions import Self

_DOAS = "impala.doas.user"  # Impala's option for the user that a session acts for


class Connection(HiveServer2Connection):  # type: ignore[misc]  # impyla is not typed
    """
    A connection that moves to another coordinator when its own is lost, whenever that is safe.

    It is an `impala.hiveserver2.HiveServer2Connection` with all of its methods.  One thread at a
    time may use it.  With ``balance="cursor"`` each cursor but the first has a connection of its
    own to the next coordinator, which is closed with it.

    Attributes:
        cluster: The coordinators and their health; shared with other connections.
        options: Those of `connect`; their repr shows no secret.
        default_db: The database of new cursors.
    """

    def __init__(self, cluster: Cluster, options: Options, retry: Retry):
        self.cluster = cluster
        self.options = options
        self.default_db = options.database
        self._user = system_user() if options.user is None else options.user
        driver = ImpylaDriver(options, cluster.clock, cluster.coordinators)
        first = (self._user, self._configuration())
        self._failover = Failover(cluster, driver, retry, options, first)
        self._cursors: weakref.WeakSet[Failover] = weakref.WeakSet()  # with links of their own
        self._is_fresh = True  # no cursor was opened
        self._asker: Cursor | None = None
        report = self._failover.report
        self._write_report = (
            weakref.finalize(self, report.write, options.report) if options.report else None
        )
        self._failover.run(Call("connect", proof=True), lambda _: None)

    def _configuration(self) -> dict[str, str]:
        found = {}
        if self.default_db:
            found["use:database"] = self.default_db.strip("`")
        if self.options.doas_user:
            found[_DOAS] = self.options.doas_user
        return found

    @property
    def coordinator(self) -> Coordinator | None:
        """
        Where the next statement goes; None while that is open.

        With ``balance="cursor"`` that of the first cursor: each has its own `Cursor.coordinator`.
        """
        link = self._failover.links.current
        return link.coordinator if link is not None else None

    def report(self) -> dict[str, object]:
        """
        What its calls have cost so far, to be looked at or written as JSON.

        No statement's text and no message of an error is in it.  The option `report` has it written
        to a file when the connection ends.

        Returns:
            ``program``, ``process``, ``began`` (UTC); ``seconds`` since then; ``calls`` of a
            coordinator, how many were ``statements`` and ``failed_calls``; ``seconds_lost`` with
            tries that failed and waiting; for each of ``coordinators`` the ``attempts`` and how
            many ``failed``.  And lists of up to 1,000 entries each, with operation, statement in a
            few words, tag, query id, coordinator, seconds and fault: ``failures``; ``run_again``,
            statements that were sent once more, and ``why`` that was safe; ``outcome_unknown``.
            ``left_out`` counts the entries above 1,000.
        """
        return self._failover.report.shown()

    @property
    def service(self) -> RemoteService:
        """Impyla's HS2Service of the present connection."""
        link = self._failover.links.current or self._link()
        return link.service

    @property
    def closed(self) -> bool:
        """Was `close` called, or does it belong to the parent of this process?"""
        return self._failover.links.closed or self._failover.links.forked

    def _link(self) -> Link:
        with self._failover.links.exclusive:
            return self._failover.run(Call("connect", proof=False), lambda link: link)

    @overload
    def cursor(
        self,
        user: str | None = ...,
        configuration: Mapping[str, str] | None = ...,
        convert_types: bool = ...,
        *,
        dictify: Literal[True],
        fetch_error: bool = ...,
        close_finished_queries: bool = ...,
        convert_strings_to_unicode: bool = ...,
    ) -> DictCursor: ...

    @overload
    def cursor(
        self,
        user: str | None = ...,
        configuration: Mapping[str, str] | None = ...,
        convert_types: bool = ...,
        dictify: bool = ...,
        fetch_error: bool = ...,
        close_finished_queries: bool = ...,
        convert_strings_to_unicode: bool = ...,
    ) -> Cursor: ...

    def cursor(  # noqa: PLR0917 - impyla's order
        self,
        user: str | None = None,
        configuration: Mapping[str, str] | None = None,
        convert_types: bool = True,
        dictify: bool = False,
        fetch_error: bool = True,
        close_finished_queries: bool = True,
        convert_strings_to_unicode: bool = True,
    ) -> Cursor:
        """
        Open a session and return its cursor; parameters as in impyla.

        Args:
            user: Name in the session, where the server does not authenticate; by default that of
                `connect`, or the name in the system.
            configuration: Options of the session. What the coordinator does not take, it drops in
                silence; a UserWarning names it.
            convert_types: Whether TIMESTAMP, DATE and DECIMAL become Python values.
            dictify: Whether rows are dicts.
            fetch_error: Whether to ask Impala before 2.7 for the text of an error.
            close_finished_queries: Whether a statement is closed as soon as it has ended.
            convert_strings_to_unicode: Whether strings are decoded.

        Raises:
            InterfaceError: The connection is closed, or belongs to the parent process.
            Error: The server's, "Database does not exist" for one.
        """
        self._failover.links.check_usable()
        wanted = self._configuration()
        if any(name.lower() == _DOAS for name in configuration or ()):
            wanted.pop(_DOAS, None)
        wanted.update(configuration or {})
        session = Session(user or self._user, MappingProxyType(wanted))
        failover = self._failover_of_next_cursor()
        try:
            return (DictCursor if dictify else Cursor)(
                failover,
                session,
                convert_types=convert_types,
                fetch_error=fetch_error,
                close_finished_queries=close_finished_queries,
                convert_strings_to_unicode=convert_strings_to_unicode,
            )
        except BaseException:
            if failover.links.of_cursor:
                failover.links.close()
            raise

    def _failover_of_next_cursor(self) -> Failover:
        """The connection's, or with ``balance="cursor"`` its own for each cursor but the first."""
        if self.options.balance == "cursor" and not self._is_fresh:
            failover = self._failover.for_cursor()
            self._cursors.add(failover)
            self._failover.links.check_usable()  # another thread may have closed it
            return failover
        self._is_fresh = False
        return self._failover

    def close(self) -> None:
        """Close the sessions on the server and the connection; a second time does nothing."""
        if self._failover.links.closed:
            return
        self._failover.links.closed = True  # so no cursor is added to those that are closed
        left = [self._failover.links, *(each.links for each in list(self._cursors))]
        clock = self.cluster.clock
        end = clock.now() + CLOSE_TIMEOUT
        while left:
            share = max(0.001, end - clock.now()) / len(left)
            left.pop().close(share)
        if self._write_report is not None:
            self._write_report()

    def commit(self) -> None:
        """Do nothing: Impala has no transactions."""
        self._failover.links.check_usable()

    def rollback(self) -> None:
        """Do nothing: Impala has no transactions (impyla raises, and pools then give up)."""
        self._failover.links.check_usable()

    def reconnect(self) -> None:
        """Open a new connection to the coordinator whose turn it is."""
        self._failover.links.check_usable()
        with self._failover.links.exclusive:
            link = self._failover.links.current
            if link is not None:
                self._failover.links.detach(link)
                link.close()
            self._link()

    def _asking(self) -> Cursor:
        """A cursor for questions about the server, whose session is opened once."""
        if self._asker is None:
            self._asker = self.cursor()
        return self._asker

    def ping(self) -> bool:
        """
        Does a coordinator answer that takes new statements?

        It costs one call, GetInfo, which a coordinator refuses that shuts down; the connection
        then moves to another one.  No statement is run.
        """
        try:
            return self._asking().ping()
        except errors.Error as error:
            if from_signal_handler(error):
                raise
            return False

    def server_version(self) -> str:
        """
        The server's version, "5.0.0-RELEASE" for one.

        Raises:
            Error: As of a statement; none is run.
        """
        return self._asking().server_version()

    def kerberized(self) -> bool:
        """Is GSSAPI the mechanism?"""
        return self.options.auth_mechanism == "GSSAPI"

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
        raise TypeError("connections cannot be pickled: connect in each worker")

    def __repr__(self) -> str:
        where = "closed" if self.closed else str(self.coordinator or "not connected")
        return f"<impala_ha Connection {where}, {self.options!r}>"
