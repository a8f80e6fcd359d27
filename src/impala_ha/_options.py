"""
Every option there is, each in one place.

A field of `Options` with its help text is all it takes: the keyword of ``connect()``, the
environment variable ``IMPALA_HA_<NAME>`` and the reference page derive from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from ._mark import KINDS
from .policies import POLICIES

MECHANISMS = ("NOSASL", "PLAIN", "GSSAPI", "LDAP", "JWT")  # impala.dbapi.AUTH_MECHANISMS
FOREVER = 2**31 / 1000  # seconds; the most milliseconds that poll(2) takes, 24 days

_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")  # noqa: TRY004 - told with all other mistakes
    return value


def _anything(value: Any) -> Any:
    return value


def _function(value: Any) -> Any:
    if not callable(value):
        raise ValueError("must be callable")  # noqa: TRY004 - told with all other mistakes
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, (bool, int)) and value in (0, 1):
        return bool(value)
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false (also yes/no, on/off, 1/0)")
    return word in _TRUE


def _port(value: Any) -> int:
    number = _whole(value)
    if not 0 < number < 65536:  # noqa: PLR2004 - what TCP has
        raise ValueError("must be within 1..65535")
    return number


def _whole(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ValueError("must be a whole number") from None
    if isinstance(value, (bool, float)) and (isinstance(value, bool) or value != number):
        raise ValueError("must be a whole number")
    return number


def _count(value: Any) -> int:
    number = _whole(value)
    if number < 0:
        raise ValueError("must be at least 0")
    return number


def _seconds(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("must be a number of seconds") from None
    if isinstance(value, bool) or not number > 0:
        raise ValueError("must be above 0 seconds")
    return min(number, FOREVER)


def _timeout(value: Any) -> float | None:
    """0 means no limit: as a socket option it would make every read fail at once."""
    try:
        if not isinstance(value, bool) and float(value) == 0:
            return None
    except (TypeError, ValueError):
        pass
    return _seconds(value)


def _mechanism(value: Any) -> str:
    word = _text(value).strip().upper() or "NOSASL"
    if word not in MECHANISMS:
        known = ", ".join(MECHANISMS)
        # In parentheses: impyla's words, which programs look for.
        raise ValueError(f"must be one of {known} (Unsupported authentication mechanism: {word})")
    return word


def _policy(value: Any) -> Any:
    if isinstance(value, str):
        word = value.strip().lower().replace("-", "_")
        if word not in POLICIES:
            raise ValueError(f"must be one of {', '.join(POLICIES)}")
        return word
    if not callable(getattr(value, "choose", None)):
        raise ValueError(  # noqa: TRY004 - told with all other mistakes
            "must be a name or an object with choose(candidates)"
        )
    return value


def _tag(value: Any) -> str:
    word = _text(value).strip().lower()
    if word not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}")
    return word


def _file(value: Any) -> str:
    path = os.fspath(value)
    # pathlib would cost each import of the library a millisecond
    if not os.path.isfile(path) or not os.access(path, os.R_OK):  # noqa: PTH113
        raise ValueError("must be a file that can be read")
    return str(path)


def _option(read: Callable[[Any], Any], default: Any, text: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"read": read, "help": text, "secret": secret})


@dataclass(frozen=True)
class Options:
    """What ``connect()`` takes besides its hosts, read and checked."""

    database: str | None = _option(_text, None, "Default database.")
    timeout: float | None = _option(
        _timeout,
        None,
        "Seconds that one read from a connected coordinator may take; 0 or None: "
        "no limit. Connecting has `connect_timeout`.",
    )
    use_ssl: bool = _option(_flag, False, "Encrypt with TLS.")
    ca_cert: str | None = _option(_file, None, "File with the CA that signed the certificates.")
    auth_mechanism: str = _option(
        _mechanism, "NOSASL", f"One of {', '.join(MECHANISMS)}; upper or lower case."
    )
    user: str | None = _option(_text, None, "User name; by default the name in the system.")
    password: str | None = _option(_text, None, "Password of PLAIN and LDAP.", secret=True)
    kerberos_service_name: str = _option(
        _text, "impala", "First part of the service principal of every coordinator."
    )
    krb_host: str | None = _option(
        _text,
        None,
        "Host part of the service principal, where it is not the coordinator's own "
        "name (clusters set up for a load balancer accept only the balancer's).",
    )
    use_http_transport: bool = _option(_flag, False, "Speak HiveServer2 over HTTP.")
    http_path: str = _option(_text, "", "Path in the URL, with `use_http_transport`.")
    http_cookie_names: Any = _option(
        _anything, "*", "Cookies to keep, with `use_http_transport`; '*': all."
    )
    retries: int = _option(
        _count,
        3,
        "Taken for the sake of impyla's signature and without effect: how often another "
        "try is made is up to `deadline` and to whether it is safe.",
    )
    jwt: str | None = _option(_text, None, "JSON Web Token, with JWT over HTTP.", secret=True)
    user_agent: str | None = _option(_text, None, "User agent, with `use_http_transport`.")
    get_user_custom_headers_func: Any = _option(
        _function, None, "Function that returns more HTTP headers as pairs."
    )
    verify_cert: bool = _option(
        _flag, False, "Verify certificates by the CAs of the system; `ca_cert` verifies anyway."
    )
    policy: Any = _option(
        _policy, "round_robin", f"Who is next: {', '.join(POLICIES)}, or an object with choose()."
    )
    connect_timeout: float = _option(
        _seconds,
        10.0,
        "Seconds for one coordinator, from its TCP connection to its answer to OpenSession.",
    )
    hedge_after: float | None = _option(
        _timeout,
        0.25,
        "Seconds without an answer to OpenSession after which a second coordinator is asked as "
        "well, and the first answer taken; 0: never.",
    )
    probe_after: float | None = _option(
        _timeout,
        15.0,
        "Seconds of silence in a call after which the coordinator is probed on a second "
        "connection, again and again; given up after two probes without an answer; 0: never.",
    )
    deadline: float = _option(_seconds, 60.0, "Seconds that one call may spend on failing over.")
    metadata_lag: float = _option(
        _seconds,
        10.0,
        "Seconds after a change of its own in which a connection that moved waits for the other "
        "coordinator to hear of it, when that says that a table does not exist.",
    )
    sync_ddl: bool = _option(
        _flag, False, "Set SYNC_DDL on statements that change something, and on those alone."
    )
    statement_tag: str = _option(
        _tag,
        "client_identifier",
        "How a write is marked, so that its outcome can be found out when its coordinator is lost: "
        "`client_identifier` by the query option CLIENT_IDENTIFIER, where the session has none, "
        "`comment` by a comment before its text as well, `none` not at all.",
    )
    zone: str = _option(
        _text, "", "Where this client stands: coordinators with the same `?zone=` come first."
    )
    eject_for: float = _option(
        _seconds, 5.0, "Seconds that a failed coordinator is left alone; doubles each time."
    )
    eject_most: float = _option(
        _seconds, 300.0, "The most seconds that a failed coordinator is left alone."
    )

    def __repr__(self) -> str:
        """Without secrets, and without what is as it is by default."""
        told = []
        for option in fields(self):
            value = getattr(self, option.name)
            if value != option.default:
                shown = "***" if option.metadata["secret"] else repr(value)
                told.append(f"{option.name}={shown}")
        return f"Options({', '.join(told)})"
