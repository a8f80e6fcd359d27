"""
From the options to a request: everything that is to be done, checked, with nothing opened.

The order is that of the user's patience: what the command line alone shows, then the script and
the output file, then what the library says to hosts and options, and only then a password is
asked for.
"""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impala_ha.auth import kerberos
from impala_ha.cli._options import SAME
from impala_ha.cli.connect import results
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.credentials import Printed, secret, user_name
from impala_ha.cli.connect.script import ScriptStatement, assignments, decoded, statements
from impala_ha.net import tls
from impala_ha.options.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from impala_ha.cli.connect.destination import Destination, WholeFile
    from impala_ha.cli.connect.output import Form
    from impala_ha.options.options import Options

_HTTP_PORT, _HTTP_PATH = "28000", "cliservice"
_KERBEROS, _LDAP, _JWT = "GSSAPI", "LDAP", "JWT"
_NEED = {
    "ldap_password_cmd": "-l",
    "jwt_cmd": "-j",
    "oauth_cmd": "-a",
    "principal": "-k",
    "keytab": "-k",
}
_OF_OAUTH_SERVERS = (
    "oauth_server",
    "oauth_endpoint",
    "oauth_client_id",
    "oauth_client_secret_cmd",
)
_PENDING = "not yet asked for"
_FETCH_SIZE = 8192
_NO_LIMIT = 86400.0  # seconds; what ends sooner is up to the deadline
_PATHS = frozenset(
    [
        "query_file",
        "output_file",
        "profile_output",
        "config_file",
        "keytab",
        "ca_cert",
        "client_cert",
        "client_key",
        "history_file",
        "rpc_file",
    ]
)


class Verbosity(Enum):
    """What goes to standard error."""

    QUIET = "errors"
    NORMAL = "errors, failovers, counts and times"
    VERBOSE = "statements and attempts as well"


@dataclass(frozen=True, slots=True)
class Profile:
    """
    What is wanted of the profiles of statements.

    Attributes:
        path: The file that they are written to, None for standard error.
        form: One of Impala's: STRING, BASE64, JSON.
    """

    path: Path | None
    form: str


@dataclass(frozen=True, slots=True)
class Request:
    """
    What one run is to do.

    Attributes:
        script: The statements, in order.
        origin: Where they come from, for messages.
        connect: Arguments of ``impala_ha.connect()``; among them the password.
        query_options: Of the session, by name in upper case.
        form: Makes the form of a result from the names of its columns.
        destination: Where results go.
        fetch_size: Rows of one batch.
        database: The one that is to be there; "" if none was named.
        profile: Whether and where the profiles of statements go.
        keep_going: Go on after a failed statement?
        verbosity: What goes to standard error.
    """

    script: tuple[ScriptStatement, ...]
    origin: str
    connect: Mapping[str, Any] = field(repr=False)
    query_options: Mapping[str, str]
    form: Callable[[Sequence[str]], Form]
    destination: Destination | WholeFile
    fetch_size: int
    keep_going: bool
    verbosity: Verbosity
    database: str = ""
    profile: Profile | None = None


def request(**given: Any) -> Request:
    """
    Check what was given on the command line.

    Args:
        given: Every option by name, as `_options` declares them.

    Raises:
        BadInput: The first mistake found.
        impala_ha.errors.ConfigurationError: What the library has to say to hosts and options.
        MissingExtra: Kerberos or Parquet without its extra.
    """
    _check_texts(given)
    form, verbosity = results.form(given), _verbosity(given)
    arguments = _arguments(given)
    variables = assignments("--var", given["var"])
    query_options = given["config_file"] or {}
    query_options = {**query_options, **assignments("--query_option", given["query_option"])}
    text, origin, file = _script_text(given)
    script = statements(text, variables, origin)
    destination = results.destination(given, script, file)
    options = _checked(given, arguments)
    if options.auth_mechanism == _KERBEROS:
        kerberos.check(options)
    return Request(
        script=script,
        origin=origin,
        connect=arguments | _secrets(given, options),
        query_options=query_options,
        form=form,
        destination=destination,
        fetch_size=given["fetch_size"] or _FETCH_SIZE,
        database=options.database or "",
        profile=_profile(given),
        keep_going=given["ignore_query_failure"],
        verbosity=verbosity,
    )


def connecting(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    The arguments of connect() that say where to go and as whom, secrets among them.

    Args:
        given: The options of `_options.connecting`, by name.

    Raises:
        BadInput: The first mistake found.
        impala_ha.errors.ConfigurationError: What the library has to say to hosts and options.
    """
    arguments = _arguments(given)
    return arguments | _secrets(given, _checked(given, arguments))


def _check_texts(given: Mapping[str, Any]) -> None:
    """Refuse what is not UTF-8; the name of a file may be anything."""
    for name, value in given.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and name not in _PATHS:
                decoded(os.fsencode(text), _SHORT.get(name, f"--{name}"))


_SHORT = {"execute": "-e", "query": "-q", "stdin": "argument"}


def _profile(given: Mapping[str, Any]) -> Profile | None:
    if not given["show_profiles"]:
        return None
    path = given["profile_output"]
    return Profile(Path(path) if path else None, (given["profile_format"] or "string").upper())


def _verbosity(given: Mapping[str, Any]) -> Verbosity:
    if given["quiet"] and given["verbose"]:
        raise BadInput("--quiet and --verbose contradict each other")
    if given["quiet"]:
        return Verbosity.QUIET
    return Verbosity.VERBOSE if given["verbose"] else Verbosity.NORMAL


def _script_text(given: Mapping[str, Any]) -> tuple[str, str, Path | None]:
    """The SQL, its name for messages, and its file if it has one."""
    sources = {
        "-e": given["execute"],
        "-q": given["query"],
        "-f": given["query_file"],
        "-": given["stdin"],
    }
    chosen = [name for name, value in sources.items() if value is not None]
    if given["stdin"] not in {None, "-"}:
        raise BadInput(
            f"unexpected {given['stdin']!r}: SQL is given with -e, a file with -f, several hosts"
            " with commas (-i a,b)"
        )
    if len(chosen) > 1:
        raise BadInput(f"{' and '.join(chosen)} contradict each other: give the SQL once")
    if chosen and chosen[0] in {"-e", "-q"}:
        return sources[chosen[0]], chosen[0], None
    if not chosen and (sys.stdin is None or sys.stdin.isatty()):
        raise BadInput("nothing to run: give -e SQL, -f FILE, or SQL on standard input")
    if given["query_file"] in {None, "-"}:
        if sys.stdin is None:
            raise BadInput("standard input is closed")
        return decoded(sys.stdin.buffer.read(), "standard input"), "standard input", None
    file = Path(given["query_file"])
    try:
        raw = file.read_bytes()
    except (OSError, ValueError) as error:
        raise BadInput(f"-f {file}: {getattr(error, 'strerror', None) or error}") from None
    return decoded(raw, str(file)), str(file), file


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of connect(): only what was given, the rest is up to the environment."""
    http = {"hs2": False, "beeswax": False, "hs2-http": True, None: None}[given["protocol"]]
    flags = {option: given.get(name) for option, name in SAME.items()}
    arguments = {
        **{option: value for option, value in flags.items() if value is not False},
        "host": _hosts(given["impalad"]),
        "auth_mechanism": _mechanism(given),
        "use_http_transport": http,
        "http_path": given["http_path"] or (_HTTP_PATH if http else None),
        "connect_timeout": _connect_timeout(given),
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _hosts(given: str | None) -> str | None:
    for scheme in ("http://", "https://"):
        if given and scheme in given:
            tls = " and --ssl" if scheme == "https://" else ""
            raise BadInput(
                f"-i takes host:port, not a URL ({given}): leave {scheme} out; HTTP is spoken with"
                f" --protocol=hs2-http{tls}"
            )
    return given or None


def _mechanism(given: Mapping[str, Any]) -> str | None:
    """How to log in; with what the options say about each other."""
    # An OAuth token travels as a JSON Web Token does.
    flags = {"-k": _KERBEROS, "-l": _LDAP, "-j": _JWT, "-a": _JWT}
    values = {
        "-k": given["kerberos"],
        "-l": given["ldap"],
        "-j": given["jwt"],
        "-a": given["oauth"],
    }
    chosen = [flag for flag, wanted in values.items() if wanted]
    if len(chosen) > 1:
        raise BadInput(f"{' and '.join(chosen)} contradict each other: give at most one")
    for option in _OF_OAUTH_SERVERS:
        if given[option] is not None:
            raise BadInput(f"--{option}: no token is fetched here; --oauth_cmd COMMAND prints it")
    for option, needed in _NEED.items():
        if given[option] is not None and needed not in chosen:
            raise BadInput(f"--{option} needs {needed}")
    if chosen in (["-j"], ["-a"]) and given["protocol"] != "hs2-http":
        raise BadInput(f"{chosen[0]} needs --protocol hs2-http")
    return flags[chosen[0]] if chosen else None


def _connect_timeout(given: Mapping[str, Any]) -> float | None:
    seconds: float | None = given["connect_timeout"]
    milliseconds: float | None = given["client_connect_timeout_ms"]
    if milliseconds is None:
        return seconds
    if seconds is not None:
        raise BadInput("--connect_timeout and -t contradict each other: give one")
    return milliseconds / 1000 or _NO_LIMIT


def _checked(given: Mapping[str, Any], arguments: Mapping[str, Any]) -> Options:
    """What the library makes of it, and its complaints, before a password is asked for."""
    if arguments.get("use_http_transport"):
        # Weaker than any port that was given; as an argument it would contradict hosts with ports.
        os.environ.setdefault("IMPALA_HA_PORT", _HTTP_PORT)
    if _tls_flags(given) and not (given["ssl"] or os.environ.get("IMPALA_HA_USE_SSL")):
        raise BadInput(_NO_TLS)
    pending = _pending(given, arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # connect() says them again
        options = Settings.read({**arguments, **pending}, os.environ).options
    if options.use_ssl:
        tls.context(options)
    elif _tls_flags(given):
        raise BadInput(_NO_TLS)
    elif _sends_secret(options) and not given["auth_creds_ok_in_clear"]:
        consent = "give --ssl, or --auth_creds_ok_in_clear"
        raise BadInput(f"{options.auth_mechanism} would send secrets in the clear: {consent}")
    return options


def _pending(given: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Stands for what is asked for, of the user or of the system, once the rest is right."""
    variable = os.environ.get
    pending = {}
    token = variable("IMPALA_HA_JWT") or variable("IMPALA_HA_JWT_CMD")
    if (given["jwt"] or given["oauth"]) and not token:
        pending["jwt"] = _PENDING
    mechanism = arguments.get("auth_mechanism") or variable("IMPALA_HA_AUTH_MECHANISM", "")
    if mechanism.upper() == _LDAP and not (given["user"] or variable("IMPALA_HA_USER")):
        pending["user"] = _PENDING
    if given["ldap"] and not (variable("IMPALA_HA_PASSWORD") or variable("IMPALA_HA_PASSWORD_CMD")):
        pending["password"] = _PENDING
    return pending


_NO_TLS = (
    "--ca_cert, --verify_cert, --client_cert and --client_key need --ssl: "
    "nothing would be encrypted"
)


def _tls_flags(given: Mapping[str, Any]) -> bool:
    return any(given[name] for name in ("ca_cert", "verify_cert", "client_cert", "client_key"))


def _sends_secret(options: Options) -> bool:
    """PLAIN without a password is asked of servers that let everybody in."""
    with_password = options.password is not None or options.password_cmd is not None
    plain = options.auth_mechanism == "PLAIN" and with_password
    return plain or options.auth_mechanism in {_LDAP, _JWT}


def _secrets(given: Mapping[str, Any], options: Options) -> dict[str, str | Printed]:
    """What no option and no environment variable holds."""
    if options.auth_mechanism == _LDAP:
        user = user_name(None if options.user == _PENDING else options.user)
        if given["use_ldap_test_password"]:
            return {"user": user, "password": "password"}  # as it is there
        if given["ldap_password_cmd"] is None and options.password != _PENDING:
            return {"user": user}
        what = f"LDAP password of {user}"
        password = secret(what, given["ldap_password_cmd"], "--ldap_password_cmd")
        return {"user": user, "password": password}
    if given["oauth"] and (given["oauth_cmd"] is not None or options.jwt == _PENDING):
        return {"jwt": secret("OAuth token", given["oauth_cmd"], "--oauth_cmd")}
    if given["jwt"] and (given["jwt_cmd"] is not None or options.jwt == _PENDING):
        return {"jwt": secret("JSON Web Token", given["jwt_cmd"], "--jwt_cmd")}
    return {}
