"""
The arguments of ``connect()``, from the options: where to go, and as whom.

What the library says to hosts and options comes before a password is asked for.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from impala_ha.cli._options import SAME, chosen_profile
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.credentials import Printed, secret, user_name
from impala_ha.net import tls
from impala_ha.options import profiles
from impala_ha.options.options import Options
from impala_ha.options.settings import Settings

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
_NO_LIMIT = 86400.0  # seconds; what ends sooner is up to the deadline


def connecting(given: Mapping[str, Any]) -> tuple[dict[str, Any], Options]:
    """
    The arguments of connect() that say where to go and as whom, secrets among them.

    With them what the library makes of them.

    Args:
        given: The options of `_options.connecting`, by name.

    Raises:
        BadInput: The first mistake found.
        impala_ha.errors.ConfigurationError: What the library has to say to hosts and options.
    """
    arguments = _arguments(given)
    environment = profiles.environment(arguments)
    options = _checked(given, arguments, environment)
    return arguments | _secrets(given, options), options


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of connect(): only what was given, the rest is up to the environment."""
    http = {"hs2": False, "beeswax": False, "hs2-http": True, None: None}[given["protocol"]]
    flags = {option: given.get(name) for option, name in SAME.items()}
    arguments = {
        **{option: value for option, value in flags.items() if value is not False},
        "profile": chosen_profile(given) or None,
        "host": _hosts(given["impalad"]),
        "auth_mechanism": _mechanism(given),
        "use_http_transport": http,
        "http_path": given["http_path"] or (_HTTP_PATH if http else None),
        "connect_timeout": _connect_timeout(given),
        "get_user_custom_headers_func": _headers(given),
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


def _headers(given: Mapping[str, Any]) -> Callable[[], list[tuple[str, str]]] | None:
    origin = given.get("hs2_x_forward")
    return None if origin is None else lambda: [("X-Forwarded-For", origin)]


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


def _checked(
    given: Mapping[str, Any], arguments: Mapping[str, Any], environment: Mapping[str, str]
) -> Options:
    """What the library makes of it, and its complaints, before a password is asked for."""
    if arguments.get("use_http_transport"):
        # Weaker than any port that was given; as an argument it would contradict hosts with ports.
        os.environ.setdefault("IMPALA_HA_PORT", _HTTP_PORT)
        environment = {**os.environ, **environment}
    if _tls_flags(given) and not (given["ssl"] or environment.get("IMPALA_HA_USE_SSL")):
        raise BadInput(_NO_TLS)
    pending = _pending(given, arguments, environment)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # connect() says them again
        options = Settings.read({**arguments, **pending}, environment).options
    if options.use_ssl:
        tls.context(options)
    elif _tls_flags(given):
        raise BadInput(_NO_TLS)
    elif _sends_secret(options) and not given["auth_creds_ok_in_clear"]:
        raise BadInput(
            f"{options.auth_mechanism} credentials may not be sent over insecure connections. "
            "Enable SSL or set --auth_creds_ok_in_clear"
        )
    return options


def _pending(
    given: Mapping[str, Any], arguments: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, str]:
    """Stands for what is asked for, of the user or of the system, once the rest is right."""
    variable = environment.get
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
