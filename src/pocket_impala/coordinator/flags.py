"""The start-up flags of the pocket Impala that a test may set, named as impalad names them.

Units are Impala's own, which are not the same for all: session timeouts are seconds, the timeout
of an accepted connection is milliseconds.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Flags:
    """Start-up flags of one coordinator.

    Attributes:
        fe_service_threads: How many connections are served at a time.
        accepted_client_cnxn_timeout: How long, in milliseconds, an accepted connection waits for
            a service thread.
        disconnected_session_timeout: How long, in seconds, a session outlives its last connection.
        idle_session_timeout: After how many idle seconds a session expires; 0: never.
        max_hs2_sessions_per_user: Sessions one user may have here; below 1: any number.
        authorized_proxy_user_config: Who may speak for whom: ``"hue=*"``, ``"etl=a,b;hue=*"``.
        webserver_port: Where its web page is; unless it is asked for, any port that is free when
            somebody else has it.
        hs2_http_port: Where HiveServer2 over HTTP is, likewise.
        cookie_secret_file: A file whose content signs cookies; coordinators with the same one know
            each other's (Impala 5.0). Without it each has a key of its own.
        max_cookie_lifetime_s: For how many seconds a cookie is good that HTTP clients get; 0: they
            get none.
        jwt_custom_claim_username: Which claim of a bearer token names the user.
        redaction_rules_file: What web pages and profiles must not show, in JSON as Impala has it.
        impala_version: The version whose manners it has: ``"4.5"`` puts the query id before
            an error, ``"4.0"`` does not, ``"3.2"`` closes sessions with their connection.
        allowed_origins: Web pages that may ask it over HTTP, as ``"http://localhost:8888"``, with
            commas between, or ``"*"``; impalad has no such flag, and lets all of them.
        allowed_hosts: Names by which it may be asked over HTTP besides ``localhost`` and its
            addresses, likewise.
    """

    fe_service_threads: int = 64
    accepted_client_cnxn_timeout: int = 300_000
    disconnected_session_timeout: int = 900
    idle_session_timeout: int = 0
    max_hs2_sessions_per_user: int = -1
    authorized_proxy_user_config: str = ""
    webserver_port: int = 25000
    hs2_http_port: int = 28000
    cookie_secret_file: str = ""
    max_cookie_lifetime_s: int = 86_400
    jwt_custom_claim_username: str = "username"
    redaction_rules_file: str = ""
    impala_version: str = "4.5"
    allowed_origins: str = ""
    allowed_hosts: str = ""

    def __post_init__(self) -> None:
        if self.fe_service_threads < 1:
            raise ValueError(
                f"fe_service_threads must be at least 1, not {self.fe_service_threads}"
            )
        if self.cookie_secret_file and not self.cookie_secret():
            file = self.cookie_secret_file
            raise ValueError(f"cookie_secret_file must be a file that is not empty, not {file!r}")
        self.version()

    def cookie_secret(self) -> bytes:
        """Return what all coordinators sign cookies with; nothing where each has its own."""
        try:
            return Path(self.cookie_secret_file).read_bytes() if self.cookie_secret_file else b""
        except OSError:
            return b""

    def version(self) -> tuple[int, int]:
        """Return major and minor number of the version whose manners are asked for."""
        try:
            major, minor = self.impala_version.split(".")[:2]
            return int(major), int(minor)
        except ValueError:
            raise ValueError(
                f"impala_version must look like '4.5', not {self.impala_version!r}"
            ) from None


def parse_flags(given: Mapping[str, object]) -> Flags:
    """Make flags of the words of a caller.

    Raises:
        ValueError: A flag is unknown or its value is of the wrong kind.
    """
    known = {field.name: field for field in fields(Flags)}
    values: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or sorted(known)
            raise ValueError(f"unknown flag {name!r}; did you mean {', '.join(near)}?")
        if isinstance(known[name].default, str):
            values[name] = str(value)
            continue
        try:
            values[name] = int(str(value))
        except ValueError:
            raise ValueError(f"flag {name} must be a whole number, not {value!r}") from None
    return Flags(**values)  # type: ignore[arg-type]  # each value was made by its field's type
