"""
PEP 249: what the caller holds.

`connect` takes the place of `impala.dbapi.connect`; this module takes the place of
``impala.dbapi`` where a tool wants a module (``create_engine("impala://", module=...)``).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from impala.dbapi import (
    BINARY,
    DATE,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)
from impala.hiveserver2 import HiveServer2Connection

from . import errors
from ._cursor import Cursor, DictCursor
from ._driver import ImpylaDriver, Link, system_user
from ._extras import need
from ._failover import Call, Failover
from ._health import Breaker
from ._model import Coordinator
from ._options import Options
from ._retry import Retry
from ._session import Session
from ._settings import Settings
from .cluster import Cluster
from .errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 - PEP 249 calls it so
)
from .policies import Policy

__all__ = [
    "BINARY",
    "DATE",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "DictCursor",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
threadsafety = 1  # threads may share the module, but not connections
paramstyle = "pyformat"

Hosts = str | Coordinator | Iterable[str | Coordinator] | Cluster


class Connection(HiveServer2Connection):  # type: ignore[misc]  # impyla is not typed
    """
    A connection that moves to another coordinator when its own is lost, whenever that is safe.

    It is an `impala.hiveserver2.HiveServer2Connection` with all of its methods.  One thread at a
    time may use it.

    Attributes:
        cluster: Who is there and how they are; shared with other connections.
        options: What `connect` was told; its repr shows no secret.
        default_db: The database of new cursors.
    """

    def __init__(self, cluster: Cluster, options: Options, retry: Retry):
        self.cluster = cluster
        self.options = options
        self.default_db = options.database
        self._user = options.user or system_user()
        self._failover = Failover(
            cluster,
            ImpylaDriver(options, cluster.clock),
            retry,
            first=(self._user, self._configuration()),
            connect_timeout=options.connect_timeout,
            zone=options.zone,
        )
        self._failover.run(Call("connect", proof=True), lambda link: None)

    def _configuration(self) -> dict[str, str]:
        if not self.default_db:
            return {}
        return {"use:database": self.default_db.strip("`")}

    @property
    def coordinator(self) -> Coordinator | None:
        """Where the next statement goes; None while that is open."""
        link = self._failover.link
        return link.coordinator if link is not None else None

    @property
    def service(self) -> Any:
        """impyla's HS2Service of the present connection."""
        return self._link().service

    @property
    def closed(self) -> bool:
        """Was `close` called?"""
        return self._failover.closed

    def _link(self) -> Link:
        return self._failover.run(Call("connect", proof=False), lambda link: link)

    def cursor(
        self,
        user: str | None = None,
        configuration: Mapping[str, str] | None = None,
        convert_types: bool = True,
        dictify: bool = False,
        fetch_error: bool = True,
        close_finished_queries: bool = True,
        convert_strings_to_unicode: bool = True,
    ) -> Any:
        """
        Open a session and return its cursor; parameters as in impyla.

        Args:
            user: Name in the session, where the server does not authenticate; by default that of
                `connect`, or the name in the system.
            configuration: Options of the session.
            convert_types: Whether TIMESTAMP, DATE and DECIMAL become Python values.
            dictify: Whether rows are dicts.
            fetch_error: Whether to ask Impala before 2.7 for the text of an error.
            close_finished_queries: Whether a statement is closed as soon as it has ended.
            convert_strings_to_unicode: Whether strings are decoded.

        Raises:
            InterfaceError: The connection is closed, or belongs to the parent process.
        """
        self._failover.check_usable()
        wanted = {**self._configuration(), **(configuration or {})}
        session = Session(user or self._user, MappingProxyType(wanted))
        return (DictCursor if dictify else Cursor)(
            self._failover,
            session,
            convert_types=convert_types,
            fetch_error=fetch_error,
            close_finished_queries=close_finished_queries,
            convert_strings_to_unicode=convert_strings_to_unicode,
        )

    def close(self) -> None:
        """Close the sessions on the server and the connection; a second time does nothing."""
        if not self._failover.closed:
            self._failover.close()

    def commit(self) -> None:
        """Do nothing: Impala has no transactions."""
        self._failover.check_usable()

    def rollback(self) -> None:
        """Do nothing: Impala has no transactions (impyla raises, and pools then give up)."""
        self._failover.check_usable()

    def reconnect(self) -> None:
        """Open a new connection to the coordinator whose turn it is."""
        self._failover.check_usable()
        link = self._failover.link
        if link is not None:
            self._failover.leave(link)
            link.close()
        self._link()

    def kerberized(self) -> bool:
        """Is GSSAPI the mechanism?"""
        return self.options.auth_mechanism == "GSSAPI"

    def __repr__(self) -> str:
        where = "closed" if self.closed else str(self.coordinator or "not connected")
        return f"<impala_ha Connection {where}, {self.options!r}>"


def connect(  # noqa: PLR0917 - impyla's order
    host: Hosts | None = None,
    port: int | None = None,
    database: str | None = None,
    timeout: float | None = None,
    use_ssl: bool | None = None,
    ca_cert: str | None = None,
    auth_mechanism: str | None = None,
    user: str | None = None,
    password: str | None = None,
    kerberos_service_name: str | None = None,
    use_ldap: bool | None = None,
    ldap_user: str | None = None,
    ldap_password: str | None = None,
    use_kerberos: bool | None = None,
    protocol: str | None = None,
    krb_host: str | None = None,
    use_http_transport: bool | None = None,
    http_path: str | None = None,
    auth_cookie_names: Any = None,
    http_cookie_names: Any = None,
    retries: int | None = None,
    jwt: str | None = None,
    user_agent: str | None = None,
    get_user_custom_headers_func: Any = None,
    verify_cert: bool | None = None,
    *,
    policy: str | Policy | None = None,
    connect_timeout: float | None = None,
    deadline: float | None = None,
    zone: str | None = None,
    eject_for: float | None = None,
    eject_most: float | None = None,
    **unknown: Any,
) -> Connection:
    """
    Connect to the coordinator whose turn it is, and to another one where that one does not answer.

    It takes impyla's parameters in impyla's order, and then its own by name.  None means "not
    said": then ``IMPALA_HA_<NAME>`` in the environment counts, then the default.

    Args:
        host: One name, ``"a,b:21051,[::1]:21050"`` (comma or white space separates; each with or
            without ``?weight=2&zone=east``), a list, or a `Cluster`.  Not said: ``IMPALA_HA_HOSTS``,
            ``IMPALA_HOSTS`` or ``IMPALA_HOST`` of the environment, then ``localhost``.
        port: For hosts that name none; 21050 by default, which is Impala's ``--hs2_port``.
        policy: Who is next: ``"round_robin"`` (default), ``"random"``, ``"least_connections"``,
            ``"two_choices"``, ``"ordered"`` or an object with ``choose(candidates)``.
        connect_timeout: Seconds for one coordinator, from TCP to its answer to OpenSession; 10.
        deadline: Seconds that one call may spend on failing over; 60.
        zone: Coordinators of this ``?zone=`` come first as long as one of them is well.
        eject_for: Seconds that a failed coordinator is left alone at first; 5.
        eject_most: Seconds that it is left alone at most; 300.
        database, timeout, use_ssl, ca_cert, auth_mechanism, user, password: As in impyla, but
            `timeout` is for reads alone (seconds; 0 and None: no limit).
        kerberos_service_name, krb_host, use_http_transport, http_path: As in impyla.
        http_cookie_names, jwt, user_agent, get_user_custom_headers_func, verify_cert: As in impyla.
        use_ldap, ldap_user, ldap_password, use_kerberos, protocol, auth_cookie_names: Deprecated
            in impyla, and taken.
        retries: Taken and without effect; see `deadline`.
        **unknown: Told as a mistake, with the names that are near.

    Returns:
        A connection on which OpenSession was answered.

    Raises:
        ConfigurationError: Something cannot be; every mistake is told, nothing was opened.
        AuthenticationFailed: The first coordinator that was asked did not accept the user.
        NoCoordinatorLeft: Nobody answered before the deadline.
    """
    words = {**unknown, **{n: v for n, v in locals().items() if n in _PARAMETERS}}
    cluster = host if isinstance(host, Cluster) else None
    if cluster is not None:
        _only_for_new_clusters(words)
        words.pop("host")
    settings = Settings.read(words, os.environ, hosts_known=cluster is not None)
    options = settings.options
    if options.auth_mechanism == "GSSAPI":
        need("kerberos", "kerberos")
    if cluster is None:
        breaker = Breaker(ejection=options.eject_for, max_ejection=options.eject_most)
        cluster = Cluster.shared(settings.coordinators, options.policy, breaker)
    return Connection(cluster, options, Retry(deadline=options.deadline))


def _only_for_new_clusters(words: Mapping[str, Any]) -> None:
    said = [n for n in ("port", "policy", "eject_for", "eject_most") if words.get(n) is not None]
    if said:
        raise errors.ConfigurationError(
            [f"{', '.join(said)} cannot be given with a Cluster, which has its own"]
        )


_PARAMETERS = frozenset(inspect.signature(connect).parameters) - {"unknown"}
