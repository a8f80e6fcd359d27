"""
PEP 249: what the caller holds.

`connect` takes the place of `impala.dbapi.connect`; this module takes the place of
``impala.dbapi`` where a tool wants a module (``create_engine("impala://", module=...)``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

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
from impala_ha.balancing.host_source import HostSource
from impala_ha.balancing.policies import Policy
from impala_ha.core.events import Event
from impala_ha.core.forks import importing
from impala_ha.core.model import Coordinator
from impala_ha.core.secret import scrub
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
from impala_ha.net import tls
from impala_ha.options import recent
from impala_ha.options.options import Options
from impala_ha.options.parameters import implemented_by

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

_Listed = str | Coordinator | Iterable[str | Coordinator]
Hosts = _Listed | Callable[[], _Listed] | Cluster


def _connect(arguments: dict[str, object]) -> Connection:
    host = arguments.get("host")
    cluster = host if isinstance(host, Cluster) else None
    if cluster is not None:
        _only_for_new_clusters(arguments)
        del arguments["host"]
    try:
        cluster, options = _prepared(arguments, cluster)
    except Exception as error:
        scrub(error)
        raise
    sqlalchemy_dialect.extend_dialect()
    return Connection(cluster, options, Retry(deadline=options.deadline))


def _prepared(arguments: Mapping[str, object], cluster: Cluster | None) -> tuple[Cluster, Options]:
    """Whom to connect to and how; all that can be wrong with it is found before it is opened."""
    settings = recent.read(arguments, hosts_known=cluster is not None)
    options = settings.options
    if options.auth_mechanism == "GSSAPI":
        with importing():
            from impala_ha.auth import kerberos  # noqa: PLC0415 - not each import pays for it

        kerberos.check(options)
    if cluster is None:
        breaker = CircuitBreaker(ejection=options.eject_for, max_ejection=options.eject_most)
        hosts: Sequence[Coordinator] | HostSource = settings.coordinators
        if settings.source is not None:
            with importing():
                from impala_ha.discovery import sources  # noqa: PLC0415 - most hosts are listed

            hosts = sources.make_source(settings.source, options)
        cluster = Cluster.shared(
            hosts,
            options.policy,
            breaker,
            options.connect_timeout,
            share_state=options.share_state,
        )
    if options.use_ssl or (options.web_ssl and cluster.board is not None):
        tls.prepare(options, cluster.coordinators)
    return cluster, options


def _only_for_new_clusters(arguments: Mapping[str, object]) -> None:
    names = ("port", "policy", "eject_for", "eject_most", "share_state")
    given = [name for name in names if arguments.get(name) is not None]
    if given:
        raise errors.ConfigurationError(
            [f"{', '.join(given)} cannot be given with a Cluster, which has its own"]
        )


@implemented_by(_connect)
def connect(  # noqa: PLR0917 - impyla's parameters
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
    auth_cookie_names: str | Iterable[str] | None = None,
    http_cookie_names: str | Iterable[str] | None = None,
    retries: int | None = None,
    jwt: str | Callable[[], str] | None = None,
    user_agent: str | None = None,
    get_user_custom_headers_func: Callable[[], Iterable[tuple[str, str]]] | None = None,
    verify_cert: bool | None = None,
    *,
    profile: str | None = None,
    policy: str | Policy | None = None,
    sticky_key: str | None = None,
    balance: str | None = None,
    connect_timeout: float | None = None,
    hedge_after: float | None = None,
    probe_after: float | None = None,
    max_lifetime: float | None = None,
    deadline: float | None = None,
    metadata_lag: float | None = None,
    sync_ddl: bool | None = None,
    statement_tag: str | None = None,
    client_identifier: str | None = None,
    zone: str | None = None,
    eject_for: float | None = None,
    eject_most: float | None = None,
    share_state: bool | None = None,
    web_port: int | None = None,
    web_ssl: bool | None = None,
    web_user: str | None = None,
    web_password: str | Callable[[], str] | None = None,
    web_timeout: float | None = None,
    on_event: Callable[[Event], object] | None = None,
    report: str | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
    password_cmd: str | None = None,
    jwt_cmd: str | None = None,
    doas_user: str | None = None,
    krb_canonicalize: bool | None = None,
    principal: str | None = None,
    keytab: str | None = None,
    kerberos_backend: str | None = None,
) -> Connection:
    """
    Connect to the coordinator whose turn it is, or to another one where that one does not answer.

    It takes impyla's parameters in impyla's order, and then its own by name.  None means "not
    given": then the *profile* counts, then ``IMPALA_HA_<NAME>`` in the environment, then
    the default.

    Returns:
        A connection on which OpenSession was answered.

    Raises:
        ConfigurationError: With every mistake in the arguments; nothing was opened.
        AuthenticationFailed: The first coordinator that was asked did not accept the user, or there
            is nothing to log in with (then nothing was opened).
        NoCoordinatorLeft: Nobody answered before the deadline, or where coordinators come from
            could not be asked.
        MissingExtra: The package that a URL in *host* needs is not installed.
    """
    raise NotImplementedError


def __dir__() -> list[str]:
    return __all__


for _public in (Connection, Cursor, DictCursor):
    _public.__module__ = __name__  # where to import them from, as messages show it
