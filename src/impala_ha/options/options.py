"""
Every option there is, each in one place.

A field of `Options` (or of `Security`, from which it has those of logging in) with its help text is
all it takes: the keyword of ``connect()``, the environment variable ``IMPALA_HA_<NAME>`` and the
reference page derive from it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from impala_ha.balancing.policies import POLICIES

from . import converters as read
from .converters import option
from .security import Security


@dataclass(frozen=True)
class Options(Security):
    """What ``connect()`` takes besides its hosts, read and checked."""

    database: str | None = option(
        read.text,
        None,
        "Default database. Whether there is one of that name is asked once in a process and "
        "cluster, with the first cursor: Impala itself takes any.",
    )
    timeout: float | None = option(
        read.timeout,
        None,
        "Seconds that one read from a connected coordinator may take; 0 or None: "
        "no limit. Connecting has `connect_timeout`.",
    )
    use_http_transport: bool = option(read.flag, False, "Speak HiveServer2 over HTTP.")
    http_path: str = option(read.text, "", "Path in the URL, with `use_http_transport`.")
    http_cookie_names: Any = option(
        read.anything,
        "*",
        "Cookies to keep, with `use_http_transport`: names in a list or with commas; '*': all.",
    )
    retries: int = option(
        read.count,
        3,
        "Taken for the sake of impyla's signature and without effect: how often another "
        "try is made is up to `deadline` and to whether it is safe.",
    )
    user_agent: str | None = option(read.text, None, "User agent, with `use_http_transport`.")
    get_user_custom_headers_func: Any = option(
        read.function, None, "Function that returns more HTTP headers as pairs."
    )
    policy: Any = option(
        read.policy,
        "round_robin",
        f"Who is next: {', '.join(POLICIES)}, or an object with choose().",
    )
    connect_timeout: float = option(
        read.seconds,
        10.0,
        "Seconds for one coordinator, from its TCP connection to its answer to OpenSession.",
    )
    hedge_after: float | None = option(
        read.timeout,
        0.25,
        "Seconds without an answer to OpenSession after which a second coordinator is asked as "
        "well, and the first answer taken; 0: never.",
    )
    probe_after: float | None = option(
        read.timeout,
        15.0,
        "Seconds of silence in a call after which the coordinator is probed on a second "
        "connection, again and again; given up after two probes without an answer; 0: never. An "
        "answer that has begun goes on within twice that time (60 seconds if 0), or is lost.",
    )
    max_lifetime: float | None = option(
        read.timeout,
        3600.0,
        "Seconds, or up to a tenth less, after which a connection goes where a new one would go, "
        "at its next statement with nothing open; 0: never.",
    )
    deadline: float = option(read.seconds, 60.0, "Seconds that one call may spend on failing over.")
    metadata_lag: float = option(
        read.seconds,
        10.0,
        "Seconds after a change of its own in which a connection that moved waits for the other "
        "coordinator to hear of it, when that says that a table does not exist.",
    )
    sync_ddl: bool = option(
        read.flag, False, "Set SYNC_DDL on statements that change something, and on those alone."
    )
    statement_tag: str = option(
        read.tag,
        "client_identifier",
        "How a write is marked, so that its outcome can be found out when its coordinator is lost: "
        "`client_identifier` by the query option CLIENT_IDENTIFIER, where the session has none, "
        "`comment` by a comment before its text as well, `none` not at all.",
    )
    zone: str = option(
        read.text, "", "Where this client stands: coordinators with the same `?zone=` come first."
    )
    eject_for: float = option(
        read.seconds,
        5.0,
        "Seconds that a failed coordinator is left alone before somebody tries it; after a trial "
        "that failed the next one comes after 1, 2, 4, ... seconds.",
    )
    eject_most: float = option(
        read.seconds, 300.0, "The most seconds that a failed coordinator is left alone."
    )

    @cached_property
    def key(self) -> str:
        """
        What opening a connection depends on besides the coordinator, in words, without secrets.

        Connections of the same form meet the same failures; those of another one may not.
        """
        named = [(name, getattr(self, name)) for name in _FORM]
        told = [
            f"{name}={value.partition('?')[0] if name == 'http_path' else value!r}"
            for name, value in named
            if value != _DEFAULTS[name] or name == "auth_mechanism"
        ]
        if (headers := self.get_user_custom_headers_func) is not None:
            told.append(f"headers of {getattr(headers, '__qualname__', type(headers).__name__)}")
        if self.auth_mechanism == "GSSAPI" and not self.keytab and "KRB5CCNAME" in os.environ:
            told.append(f"KRB5CCNAME={os.environ['KRB5CCNAME']}")
        return ", ".join(told)

    def __repr__(self) -> str:
        """Without secrets, and without what is as it is by default."""
        told = []
        for known in fields(self):
            value = getattr(self, known.name)
            if value != known.default:
                shown = "***" if known.metadata["secret"] else repr(value)
                told.append(f"{known.name}={shown}")
        return f"Options({', '.join(told)})"


#: Those of the transport, of the login without who logs in by password, and of patience.
_FORM = (
    *("auth_mechanism", "use_ssl", "ca_cert", "verify_cert", "client_cert", "client_key"),
    *("use_http_transport", "http_path"),
    *("krb_host", "kerberos_service_name", "krb_canonicalize", "principal", "keytab"),
    *("kerberos_backend", "connect_timeout", "timeout", "hedge_after", "probe_after", "deadline"),
)
_DEFAULTS = {known.name: known.default for known in fields(Options)}
