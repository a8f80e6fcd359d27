"""
Every option there is, each in one place.

A field with its help text is all that an option takes, besides its name and type in the signature
of ``connect()``: the docstring of that, the environment variable ``IMPALA_HA_<NAME>``, the flag of
the programs and the reference page derive from it.  The first sentence of a help text stands for
itself: it is what the programs print.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from impala_ha.balancing.policies import POLICIES, Policy
from impala_ha.core.cached_property import cached_property
from impala_ha.core.events import Event
from impala_ha.core.model import DEFAULT_PORT

from . import converters as to
from . import kerberos_names
from .converters import BACKENDS, BALANCED, MECHANISMS, option


@dataclass(frozen=True)
class HostOptions:
    """
    What ``connect()`` takes to know whom to connect to, and where options come from.

    `Settings` makes coordinators of it.
    """

    host: object = option(
        to.anything,
        "localhost",
        "Coordinators: `a,b:21051,[::1]:21050`, separated by commas or white space. Each may carry "
        "`?weight=2&zone=east&krb_host=NAME`. Also a list of such texts or of `Coordinator` "
        "values, or a `Cluster`. Or where they come from: `dns://NAME:PORT`, "
        "`srv://_NAME._tcp.DOMAIN`, `file:///PATH`, `backends://HOST:25000`, "
        "`zookeeper://H1,H2/PATH`; in Python also a function that returns one of the former.",
    )
    port: int = option(
        to.port,
        DEFAULT_PORT,
        "Port of the coordinators for which none is given: Impala's `--hs2_port`.",
    )
    profile: str = option(
        to.name,
        "",
        "Table of `~/.config/impala-ha/config.toml` whose keys are options. The call goes before "
        "it, and it goes before the environment.",
    )


@dataclass(frozen=True)
class LoadOptions:
    """What ``connect()`` takes to know how web servers are read, by `least_loaded` and others."""

    web_port: int | None = option(
        to.port,
        None,
        "Port of the web servers of the coordinators, which the policy `least_loaded` reads; by "
        "default what each coordinator tells (Impala's `--webserver_port`).",
    )
    web_ssl: bool = option(
        to.flag,
        False,
        "Encrypt with TLS what the policy `least_loaded` and `backends://` read; `ca_cert`, "
        "`verify_cert` and `client_cert` count there as well.",
    )
    web_user: str | None = option(
        to.name,
        None,
        "User name where web servers ask for a password, Basic or Digest: those of the "
        "coordinators for the policy `least_loaded`, and those in a URL `backends://`. With GSSAPI "
        "a ticket is shown where they ask for one (service HTTP). Digest needs the extra `web`.",
    )
    web_password: str | Callable[[], str] | None = option(
        to.secret,
        None,
        "Password of `web_user`, or a function that returns it; `password` is never sent there.",
        secret=True,
    )
    web_timeout: float = option(
        to.seconds,
        0.05,
        "Seconds that reading loads may take before a connection is opened; "
        "loading the extra `web`, once in a process that uses Digest, comes on top.",
    )


@dataclass(frozen=True)
class TelemetryOptions:
    """What ``connect()`` takes so that people and programs see what becomes of its calls."""

    on_event: Callable[[Event], object] | None = option(
        to.function,
        None,
        "Function that gets each event: a coordinator is ejected or back, a call failed over, a "
        "connection was hedged or made anew, the outcome of a write is unknown (see "
        "`impala_ha.events`). What it raises is logged.",
    )
    report: str | None = option(
        to.new_file,
        None,
        "File to which a line of JSON is appended when a connection ends: what `Connection.report` "
        "returns.",
    )
    client_identifier: str | None = option(
        to.printable,
        None,
        "What statements are known by in profiles and query logs (the query option "
        "CLIENT_IDENTIFIER), before the tag of a write. By default the name of the program, and in "
        "a task of Airflow the ids of DAG and task; empty: nothing.",
    )


@dataclass(frozen=True)
class Options(LoadOptions, TelemetryOptions):
    """What ``connect()`` takes besides its hosts, read and checked."""

    database: str | None = option(
        to.text,
        None,
        "Default database. Whether there is one of that name is asked once in a process and "
        "cluster, with the first cursor: Impala itself takes any.",
    )

    # Which coordinator, and when another one.
    policy: str | Policy = option(
        to.policy,
        "round_robin",
        f"Which coordinator is next: {', '.join(POLICIES)}. `ordered:2` takes the first two that "
        "are healthy in turn. In Python also an object with `choose(candidates)`.",
    )
    sticky_key: str = option(
        to.name,
        "",
        "What `policy=sticky` goes by: the same key leads to the same coordinator, from any "
        "machine. By default the user (`doas_user`, `user`, or the name in the system).",
    )
    balance: str = option(
        to.balance,
        "connection",
        f"What goes to the next coordinator: {' or '.join(BALANCED)}. With `cursor` each new "
        "cursor has a connection of its own, which is closed with it; the first one has that of "
        "`connect()`.",
    )
    zone: str = option(
        to.text,
        "",
        "Zone of this client. Coordinators with the same `?zone=` come first as long as one of "
        "them is healthy.",
    )
    connect_timeout: float = option(
        to.seconds,
        10.0,
        "Seconds for one coordinator, from its TCP connection to its answer to OpenSession.",
    )
    timeout: float | None = option(
        to.timeout,
        None,
        "Seconds that one read from a connected coordinator may take; 0: no limit. Connecting has "
        "`connect_timeout`.",
    )
    deadline: float = option(to.seconds, 60.0, "Seconds that one call may spend on failing over.")
    hedge_after: float | None = option(
        to.timeout,
        0.25,
        "Seconds without an answer to OpenSession after which a second coordinator is asked as "
        "well; 0: never. The first answer is taken. With a password only once it has worked.",
    )
    probe_after: float | None = option(
        to.timeout,
        15.0,
        "Seconds of silence in a call after which the coordinator is probed on a second "
        "connection; 0: never. It is given up when two probes in a row get no answer. An answer "
        "that has begun goes on within twice that time (60 seconds if 0), or is lost.",
    )
    max_lifetime: float | None = option(
        to.timeout,
        3600.0,
        "Seconds, or up to a tenth less, after which a connection goes where a new one would go; "
        "0: never. So connections spread again when a coordinator is back. It happens at the next "
        "statement, while nothing else is open; `USE` and `SET` move along. Not with Hive or "
        "Spark.",
    )
    metadata_lag: float = option(
        to.seconds,
        10.0,
        "Seconds after a DDL statement or a write of its own in which a connection that moved to "
        'another coordinator retries a "table does not exist" there.',
    )
    eject_for: float = option(
        to.seconds,
        5.0,
        "Seconds that a failed coordinator is left alone before it is tried again. After a trial "
        "that failed the next one comes after 1, 2, 4, ... seconds.",
    )
    eject_most: float = option(
        to.seconds, 300.0, "The most seconds that a failed coordinator is left alone."
    )
    share_state: bool = option(
        to.flag, True, "Share turns and ejections with other processes of the machine (Linux)."
    )
    retries: int = option(
        to.count,
        3,
        "Without effect, and taken because impyla has it. How often a call is retried is up to "
        "`deadline` and to whether it is safe.",
    )

    # What statements carry.
    sync_ddl: bool = option(
        to.flag, False, "Set SYNC_DDL on statements that change something, and on those alone."
    )
    statement_tag: str = option(
        to.tag,
        "client_identifier",
        "How a write is marked, so that `OutcomeUnknown.resolve` finds it: client_identifier, "
        "comment or none. `client_identifier` sets the query option of that name, where the "
        "session has none; `comment` puts a comment before the text as well.",
    )
    doas_user: str | None = option(
        to.text,
        None,
        "User to act for, where the coordinators allow it. It is `impala.doas.user` of every "
        "session; `cursor(configuration=...)` goes before it.",
    )

    # TLS.
    use_ssl: bool = option(
        to.flag,
        False,
        "Encrypt with TLS. Without `ca_cert` or `verify_cert` one warning in the log says that it "
        "verifies nobody.",
    )
    ca_cert: str | None = option(
        to.file, None, "File with the CA that signed the certificates of the coordinators."
    )
    verify_cert: bool = option(
        to.flag, False, "Verify certificates by the CAs of the system. `ca_cert` verifies anyway."
    )
    client_cert: str | None = option(
        to.file, None, "File with a certificate, in PEM form, for coordinators that ask for one."
    )
    client_key: str | None = option(
        to.file,
        None,
        "File with the key of the client certificate, where that file does not hold it as well.",
    )

    # Logging in.
    auth_mechanism: str = option(
        to.mechanism, "NOSASL", f"How to log in: {', '.join(MECHANISMS)}, in upper or lower case."
    )
    user: str | None = option(to.name, None, "User name; by default the name in the system.")
    password: str | Callable[[], str] | None = option(
        to.secret,
        None,
        "Password for PLAIN and LDAP, or a function that returns it. The function is called once a "
        "connection, before anything is opened, and again after a refusal; another value is tried "
        "once more.",
        secret=True,
    )
    password_cmd: str | None = option(
        to.command,
        None,
        "Command that prints the password. It is run without a shell, and may take "
        "`connect_timeout`.",
        secret=True,
    )
    jwt: str | Callable[[], str] | None = option(
        to.secret,
        None,
        "JSON Web Token, for JWT over HTTP, or a function that returns it, called as that of "
        "`password`.",
        secret=True,
    )
    jwt_cmd: str | None = option(
        to.command,
        None,
        "Command that prints the token. It is run as `password_cmd` is.",
        secret=True,
    )
    kerberos_service_name: str = option(
        to.text, "impala", "First part of the service principal of every coordinator."
    )
    krb_host: kerberos_names.Names | None = option(
        kerberos_names.read,
        None,
        "Host part of the service principal, where it is not the coordinator's own name: one name "
        "for all, a pattern such as `_HOST.example.com`, or a mapping from hosts to names (as a "
        "text: `a=x,b=y`). `?krb_host=` in `host` goes before it. Clusters that were set up for a "
        "load balancer accept only the balancer's name.",
    )
    krb_canonicalize: bool = option(
        to.flag,
        False,
        "Look up the name of a coordinator that is given by its address, for its service "
        "principal. This is a reverse look-up, with which the name service must be trusted.",
    )
    principal: str | None = option(
        to.text,
        None,
        "Kerberos principal to log in as, by default that of the credential cache or the first one "
        "of the keytab.",
    )
    keytab: str | None = option(
        to.file,
        None,
        "File with the key of the principal. Tickets are acquired with it in this process, for it "
        "alone, and renewed before they end.",
    )
    kerberos_backend: str = option(
        to.backend,
        "auto",
        f"What speaks Kerberos: {', '.join(BACKENDS)}. `system` is the system's libgssapi_krb5; "
        "`auto` is the first that is there and can do it.",
    )

    # HTTP.
    use_http_transport: bool = option(to.flag, False, "Speak HiveServer2 over HTTP.")
    http_path: str = option(to.text, "", "Path in the URL over HTTP.")
    http_cookie_names: str | Iterable[str] | None = option(
        to.anything,
        "*",
        "Cookies to keep over HTTP: names in a list or with commas; `*` keeps all.",
    )
    user_agent: str | None = option(to.text, None, "User agent over HTTP.")
    get_user_custom_headers_func: Callable[[], Iterable[tuple[str, str]]] | None = option(
        to.function, None, "Function that returns more HTTP headers, as pairs."
    )

    @cached_property
    def key(self) -> str:
        """
        What opening a connection depends on besides the coordinator, in words, without secrets.

        Connections of the same form meet the same failures; those of another one may not.
        """
        named = [(name, getattr(self, name)) for name in _FORM]
        parts = [
            f"{name}={value.partition('?')[0] if name == 'http_path' else value!r}"
            for name, value in named
            if value != _DEFAULTS[name] or name == "auth_mechanism"
        ]
        if (headers := self.get_user_custom_headers_func) is not None:
            parts.append(f"headers of {getattr(headers, '__qualname__', type(headers).__name__)}")
        if self.auth_mechanism == "GSSAPI" and not self.keytab and "KRB5CCNAME" in os.environ:
            parts.append(f"KRB5CCNAME={os.environ['KRB5CCNAME']}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Without secrets, and without what is as it is by default."""
        parts = []
        for known in fields(self):
            value = getattr(self, known.name)
            if value != known.default:
                shown = "***" if known.metadata["secret"] else repr(value)
                parts.append(f"{known.name}={shown}")
        return f"Options({', '.join(parts)})"


#: Those of the transport, of the login without who logs in by password, and of patience.
_FORM = (
    *("auth_mechanism", "use_ssl", "ca_cert", "verify_cert", "client_cert", "client_key"),
    *("use_http_transport", "http_path"),
    *("krb_host", "kerberos_service_name", "krb_canonicalize", "principal", "keytab"),
    *("kerberos_backend", "connect_timeout", "timeout", "hedge_after", "probe_after", "deadline"),
)
_DEFAULTS = {known.name: known.default for known in fields(Options)}
