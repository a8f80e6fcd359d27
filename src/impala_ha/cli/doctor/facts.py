"""
What can be read from a certificate, of a ticket and of a coordinator's web page.

All of this is for the eyes: nothing here decides whether a connection is healthy, which only a
connection can show.  So whatever cannot be found out is left out.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from impala_ha.auth.gss_context import ContextParameters
from impala_ha.auth.gss_library import StatusError
from impala_ha.auth.gss_system import own_tickets, seconds_to_name
from impala_ha.core.extras import MissingExtra
from impala_ha.core.timeouts import run_with_timeout
from impala_ha.options.options import Options

_DAY = 86_400.0
_KLIST_WITHIN = 5.0  # seconds; it reads a file, or asks a daemon of this machine
_LARGEST_PAGE = 2**20  # bytes
_NO_DNS = "[libdefaults]\ndns_canonicalize_hostname = false\nrdns = false\n"
_TO_NAME = (
    "import sys; from impala_ha.auth.gss_system import seconds_to_name as took;"
    "print(took(*sys.argv[1:]))"
)
_SUBJECT = ("commonName", "organizationName")


def certificate(handle: ssl.SSLSocket) -> dict[str, Any]:
    """
    What a TLS connection is like.

    Returns:
        ``protocol``, ``cipher``, ``verified``; and of the server's certificate ``subject``,
        ``issuer``, ``names``, ``expires`` (ISO 8601) and ``days_left``.
    """
    cipher = handle.cipher()
    facts: dict[str, Any] = {
        "protocol": handle.version(),
        "cipher": cipher[0] if cipher else None,
        "verified": handle.context.verify_mode is ssl.CERT_REQUIRED,
    }
    shown: dict[str, Any] = dict(handle.getpeercert() or {}) or _read(
        handle.getpeercert(binary_form=True)
    )
    if not shown:
        return facts
    expires = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    return facts | {
        "subject": _named(shown.get("subject")),
        "issuer": _named(shown.get("issuer")),
        "names": [name[1] for name in shown.get("subjectAltName", ())],
        "expires": _stamp(expires),
        "days_left": round((expires - time.time()) / _DAY, 1),
    }


def _read(der: bytes | None) -> dict[str, Any]:
    """
    A certificate that nobody verified, which Python's public functions do not read.

    Its own tests have the same need, and the function for it has been there since 2.6.
    """
    reader = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    if der is None or reader is None:
        return {}
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(ssl.DER_cert_to_PEM_cert(der))
        file.flush()
        with suppress(ssl.SSLError, OSError, ValueError):
            return dict(reader(file.name))
    return {}


def _named(name: Any) -> str:
    """The most specific part of a distinguished name."""
    parts = {key: value for group in name or () for key, value in group}
    for key in _SUBJECT:
        if key in parts:
            return str(parts[key])
    return ", ".join(map(str, parts.values()))


def ticket(options: Options) -> dict[str, Any]:
    """
    Whose tickets these are and how long they live.

    Returns:
        ``principal`` and ``seconds_left``, as far as they are known; ``keytab`` if there is one.
    """
    facts: dict[str, Any] = {"keytab": options.keytab} if options.keytab else {}
    found = _by_library(options)
    if not found and not options.keytab:
        found = _by_klist()
    return facts | found


def _by_library(options: Options) -> dict[str, Any]:
    try:
        whose, left = own_tickets(ContextParameters("", "", options.principal, options.keytab))
    except (MissingExtra, StatusError):
        return {}
    return {"principal": whose, "seconds_left": left}


def _by_klist() -> dict[str, Any]:
    """What ``klist`` says, also of tickets that have ended, which are none for the library."""
    try:
        done = subprocess.run(
            ["klist"],  # noqa: S607 - as the user would
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_KLIST_WITHIN,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return {}
    return read_klist(done.stdout, time.time())


def read_klist(text: str, now: float) -> dict[str, Any]:
    """Principal and life left, as MIT's ``klist`` prints them in the C locale."""
    whose = re.search(r"^Default principal: (\S+)$", text, re.MULTILINE)
    if not whose:
        return {}
    facts: dict[str, Any] = {"principal": whose[1]}
    ends = re.search(r"^\S+ \S+ +(\S+ \S+) +krbtgt/", text, re.MULTILINE)
    if ends:
        with suppress(ValueError):
            end = datetime.strptime(ends[1], "%m/%d/%y %H:%M:%S").astimezone().timestamp()
            facts["seconds_left"] = int(end - now)
    return facts


def dns_seconds(service: str, host: str, limit: float) -> float:
    """
    Seconds of each login that libkrb5 looks *host* up in the DNS for, where it need not.

    Args:
        service: First part of the service principal.
        host: Second part.
        limit: That they may take; then they count as so many.

    Returns:
        By how much `_NO_DNS` in krb5.conf makes it faster; 0 where that cannot be found out.
    """
    try:
        took = run_with_timeout(lambda: seconds_to_name(service, host), limit, "naming", "")
    except TimeoutError:
        took = limit
    except (MissingExtra, StatusError):
        return 0.0
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(_NO_DNS)
        file.flush()
        files = f"{file.name}:{os.environ.get('KRB5_CONFIG', '/etc/krb5.conf')}"
        done = subprocess.run(  # noqa: S603 - Python, and what stands here
            [sys.executable, "-c", _TO_NAME, service, host],
            env={**os.environ, "KRB5_CONFIG": files},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    return took - float(done.stdout) if not done.returncode else 0.0


def web_page(address: str, seconds: float) -> dict[str, Any] | str:
    """
    What the web page of an impalad says of it.

    Args:
        address: ``host:port``.
        seconds: That it may take.

    Returns:
        Impala's ``/?json``; or why there is none, in words.
    """
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/?json", timeout=seconds) as answer:
            page = json.loads(answer.read(_LARGEST_PAGE))
    except HTTPError as error:
        with error:  # it is an answer as well, and open
            return str(error.reason)
    except OSError as error:
        return str(getattr(error, "reason", None) or error)
    except Exception as error:  # noqa: BLE001 - whatever listens there, and however it answers
        return f"it is no page of Impala's ({type(error).__name__})"
    if not isinstance(page, dict) or "is_coordinator" not in page:
        return "it is no page of an impalad"
    return page


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def days(left: float) -> str:
    """How long a certificate lives, or since when it does not."""
    whole = int(abs(left))
    many = "day" if whole == 1 else "days"
    return f"{whole} {many} left" if left >= 0 else f"ended {whole} {many} ago"


def duration(seconds: float) -> str:
    """*seconds*, of which there may be many, in the words of people."""
    hours, rest = divmod(int(seconds), 3600)
    if hours:
        return f"{hours} h {rest // 60} min"
    return f"{rest // 60} min" if rest >= 60 else f"{rest} s"  # noqa: PLR2004 - a minute's
