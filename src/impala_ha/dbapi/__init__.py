"""
PEP 249: what the caller holds.

`connect` takes the place of `impala.dbapi.connect`; this module takes the place of
``impala.dbapi`` where a tool wants a module (``create_engine("impala://", module=...)``).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from impala.dbapi import (
    BINARY,
    DATE,
    DATETIME,
    NUMBER,
    ROWID,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
    _DBAPITypeObject,
)

from impala_ha import errors
from impala_ha.balancing.circuit_breaker import CircuitBreaker
from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.policies import Policy
from impala_ha.core.model import Coordinator
from impala_ha.core.secret import masked, scrub
from impala_ha.errors import (
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
from impala_ha.failover.retry import Retry
from impala_ha.options.options import Options
from impala_ha.options.settings import Settings

from . import sqlalchemy_dialect
from .connection import Connection
from .cursor import Cursor
from .dict_cursor import DictCursor

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

# PEP 249: "columns that are string-based", of which impyla's own object knows one.
STRING = _DBAPITypeObject("STRING", "VARCHAR", "CHAR")

Hosts = str | Coordinator | Iterable[str | Coordinator] | Cluster


def connect(  # noqa: PLR0917, D417 - impyla's parameters, told together
    host: Hosts | None = None,
    port: int | None = None,
    database: str | None = None,
    timeout: float | None = None,
    use_ssl: bool | None = None,
    ca_cert: str | None = None,
    auth_mechanism: str | None = None,
    user: str | None = None,
    password: str | Callable[[], str] | None = None,
    kerberos_service_name: str | None = None,
    use_ldap: bool | None = None,
    ldap_user: str | None = None,
    ldap_password: str | Callable[[], str] | None = None,
    use_kerberos: bool | None = None,
    protocol: str | None = None,
    krb_host: str | Mapping[str, str] | None = None,
    use_http_transport: bool | None = None,
    http_path: str | None = None,
    auth_cookie_names: Any = None,
    http_cookie_names: Any = None,
    retries: int | None = None,
    jwt: str | Callable[[], str] | None = None,
    user_agent: str | None = None,
    get_user_custom_headers_func: Any = None,
    verify_cert: bool | None = None,
    *,
    policy: str | Policy | None = None,
    connect_timeout: float | None = None,
    hedge_after: float | None = None,
    probe_after: float | None = None,
    max_lifetime: float | None = None,
    deadline: float | None = None,
    metadata_lag: float | None = None,
    sync_ddl: bool | None = None,
    statement_tag: str | None = None,
    zone: str | None = None,
    eject_for: float | None = None,
    eject_most: float | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
    password_cmd: str | None = None,
    jwt_cmd: str | None = None,
    doas_user: str | None = None,
    krb_canonicalize: bool | None = None,
    principal: str | None = None,
    keytab: str | None = None,
    kerberos_backend: str | None = None,
    **unknown: Any,
) -> Connection:
    """
    Connect to the coordinator whose turn it is, and to another one where that one does not answer.

    It takes impyla's parameters in impyla's order, and then its own by name.  None means "not
    said": then ``IMPALA_HA_<NAME>`` in the environment counts, then the default.

    Args:
        host: One name, ``"a,b:21051,[::1]:21050"`` (comma or white space separates; each with or
            without ``?weight=2&zone=east&krb_host=NAME``), a list, or a `Cluster`.  Not said: the
            environment's ``IMPALA_HA_HOSTS``, ``IMPALA_HOSTS`` or ``IMPALA_HOST``, then
            ``localhost``.
        port: For hosts that name none; 21050 by default, which is Impala's ``--hs2_port``. Beside
            ``IMPALA_HOSTS`` and ``IMPALA_HOST`` the variable ``IMPALA_PORT`` counts as well.
        policy: Who is next: ``"round_robin"`` (default), ``"random"``, ``"least_connections"``,
            ``"two_choices"``, ``"ordered"`` or an object with ``choose(candidates)``.
        connect_timeout: Seconds for one coordinator, from TCP to its answer to OpenSession; 10.
        hedge_after: Seconds without an answer to OpenSession after which a second coordinator is
            asked as well; the first answer is taken. With a password only once it has worked.
            0: never; 0.25.
        probe_after: Seconds of silence in a call after which the coordinator is probed on a second
            connection; given up when two probes in a row get no answer. 0: never; 15. An answer
            that has begun goes on within twice that time (60 seconds if 0), or is lost.
        max_lifetime: Seconds, or up to a tenth less, after which a connection goes where a new one
            would go, so that connections spread again when a coordinator is back: at its next
            statement, while nothing else is open on it; ``USE`` and ``SET`` move along. Not with
            Hive or Spark. 0: never; 3600.
        deadline: Seconds that one call may spend on failing over; 60.
        metadata_lag: Seconds after its own DDL or write in which a connection that moved retries a
            "table does not exist" there; 10.
        sync_ddl: Set ``SYNC_DDL`` on DDL and writes, and on those alone; False.
        statement_tag: How a write is marked, so that `OutcomeUnknown.resolve` finds it:
            ``"client_identifier"`` sets the query option of that name on it where the session has
            none, ``"comment"`` puts a comment before its text as well, ``"none"`` neither.
        zone: Coordinators of this ``?zone=`` come first as long as one of them is well.
        eject_for: Seconds that a failed coordinator is left alone before it is tried again; 5.
            After a trial that failed the next one comes after 1, 2, 4, ... seconds.
        eject_most: Seconds that it is left alone at most; 300.
        client_cert, client_key: Files with a certificate and its key (or both in the first), in
            PEM form, for coordinators that ask for one.
        password, jwt: As in impyla, or a function that returns them. It is called once a
            connection, before anything is opened, and again after a refusal; another value is
            tried once more.
        password_cmd, jwt_cmd: A command that prints them, in place of `password` and `jwt`. It is
            run without a shell, and may take `connect_timeout`.
        doas_user: User to act for: ``impala.doas.user`` of every session; the coordinators must
            allow it. ``cursor(configuration=...)`` goes before it.
        database, timeout, use_ssl, ca_cert, auth_mechanism, user: As in impyla, but `timeout` is
            for reads alone (seconds; 0 and None: no limit), and without `ca_cert` or `verify_cert`
            one warning in the log says that TLS verifies nobody.
        kerberos_service_name, use_http_transport, http_path: As in impyla.
        krb_host: Host part of the service principal where it is not the coordinator's own name: a
            name for all, a pattern (``"_HOST.example.com"``), or a mapping from hosts to names.
            ``?krb_host=`` in `host` goes before.
        krb_canonicalize: Look up the name of a coordinator that is given by its address; False.
        principal: Kerberos principal to log in as; that of the credential cache by default.
        keytab: File with its key: tickets are acquired in this process, for it alone, and renewed
            before they end.
        kerberos_backend: ``"kerberos"``, ``"gssapi"`` or ``"auto"`` (default): kerberos where it is
            installed and can do it.
        http_cookie_names, user_agent, get_user_custom_headers_func, verify_cert: As in impyla.
        use_ldap, ldap_user, ldap_password, use_kerberos, protocol, auth_cookie_names: Deprecated
            in impyla, and taken.
        retries: Taken and without effect; see `deadline`.
        **unknown: Told as a mistake, with the names that are near.

    Returns:
        A connection on which OpenSession was answered.

    Raises:
        ConfigurationError: Something cannot be; every mistake is told, nothing was opened.
        AuthenticationFailed: The first coordinator that was asked did not accept the user, or there
            is nothing to log in with (then nothing was opened).
        NoCoordinatorLeft: Nobody answered before the deadline.
    """
    words = {n: v for n, v in locals().items() if n in _PARAMETERS}
    words |= dict.fromkeys(unknown)
    # Reports of errors show the variables of each frame.
    words |= {name: masked(words[name]) for name in _SECRET}
    del password, ldap_password, password_cmd, jwt, jwt_cmd, unknown
    cluster = host if isinstance(host, Cluster) else None
    if cluster is not None:
        _only_for_new_clusters(words)
        words.pop("host")
    try:
        cluster, options = _prepared(words, cluster)
    except Exception as error:
        scrub(error)
        if isinstance(error, errors.ConfigurationError):
            errors.shorten(error)
        raise
    sqlalchemy_dialect.extend_dialect()
    return Connection(cluster, options, Retry(deadline=options.deadline))


def _prepared(words: Mapping[str, Any], cluster: Cluster | None) -> tuple[Cluster, Options]:
    """Whom to connect to and how; all that can be wrong with it is found before it is opened."""
    settings = Settings.read(words, os.environ, hosts_known=cluster is not None)
    options = settings.options
    if options.auth_mechanism == "GSSAPI":
        from impala_ha.auth import kerberos  # noqa: PLC0415 - not each import pays for it

        kerberos.check(options)
    if cluster is None:
        breaker = CircuitBreaker(ejection=options.eject_for, max_ejection=options.eject_most)
        cluster = Cluster.shared(settings.coordinators, options.policy, breaker)
    if options.use_ssl:
        from impala_ha.net import tls  # noqa: PLC0415 - not each connection is encrypted

        tls.prepare(options, cluster.coordinators)
    return cluster, options


def __dir__() -> list[str]:
    return __all__


for _public in (Connection, Cursor, DictCursor):
    _public.__module__ = __name__  # where to import them from, as messages show it


def _only_for_new_clusters(words: Mapping[str, Any]) -> None:
    said = [n for n in ("port", "policy", "eject_for", "eject_most") if words.get(n) is not None]
    if said:
        raise errors.ConfigurationError(
            [f"{', '.join(said)} cannot be given with a Cluster, which has its own"]
        )


_SECRET = ("password", "ldap_password", "password_cmd", "jwt", "jwt_cmd")
_PARAMETERS = frozenset(inspect.signature(connect).parameters) - {"unknown"}
