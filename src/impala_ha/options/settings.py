"""
From the arguments of a call and the environment to values: `Settings.read`.

Precedence: argument, environment, default.  All mistakes of one call are in one error, which is
raised before anything is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

from impala_ha import errors
from impala_ha.core import logs
from impala_ha.core.callers import warn
from impala_ha.core.model import DEFAULT_PORT, Coordinator

from .converters import port as read_port
from .host_urls import HostFunction, HostURL, is_url, parse_url
from .hosts import parse_hosts
from .options import HostOptions, Options

PREFIX = "IMPALA_HA_"
HOST_VARIABLES = ("IMPALA_HA_HOSTS", "IMPALA_HOSTS", "IMPALA_HOST")
OTHERS_PORT = "IMPALA_PORT"  # counts beside IMPALA_HOSTS and IMPALA_HOST
INSTEAD_OF = "IMPALA_HA_INSTEAD_OF"  # hosts for which those of IMPALA_HA_HOSTS stand, with `patch`
_LINK = re.compile(r"(?:tcp|udp|sctp)://")  # what Kubernetes and Docker set for each service
_LINKED = re.compile(r"_SERVICE_(?:HOST|PORT)|_PORT_\d+_(?:TCP|UDP|SCTP)")
_RENAMED = {
    "ldap_user": "user",
    "ldap_password": "password",
    "auth_cookie_names": "http_cookie_names",
}
_MECHANISMS = {"use_ldap": "LDAP", "use_kerberos": "GSSAPI"}
#: What impyla deprecates, and what to use.
DEPRECATED = {
    **_RENAMED,
    **{old: f"auth_mechanism={mechanism!r}" for old, mechanism in _MECHANISMS.items()},
    "protocol": "nothing: HiveServer2 is the only one",
}
OPTIONS = {option.name: option for option in fields(Options)}
NAMES = frozenset({*(option.name for option in fields(HostOptions)), *OPTIONS, *DEPRECATED})
SECRET = frozenset({n for n, o in OPTIONS.items() if o.metadata["secret"]} | {"ldap_password"})


@dataclass(frozen=True)
class Settings:
    """
    What one ``connect()`` is to do.

    Attributes:
        coordinators: Whom to connect to; empty when the caller brought a Cluster, or a source.
        options: The rest.
        source: Where the coordinators come from; None: they are given.
    """

    coordinators: tuple[Coordinator, ...]
    options: Options
    source: HostURL | HostFunction | None = None

    @classmethod
    def read(
        cls,
        arguments: Mapping[str, object],
        environment: Mapping[str, str],
        *,
        hosts_known: bool = False,
    ) -> Settings:
        """
        Args:
            arguments: By name; None means "not given".
            environment: Environment variables by name.
            hosts_known: Whether the caller brought a Cluster, so that no hosts are looked for.

        Raises:
            ConfigurationError: With every mistake there is.
        """
        explicit = {
            n: v for n, v in arguments.items() if v is not None and not _is_empty_text(n, v)
        }
        # os.environ decodes what it is asked for, each time.
        environment = {n: environment[n] for n in environment if n.startswith("IMPALA_")}
        given = _Given(explicit, environment, _unknown(arguments))
        _translate_old(given)
        values = _values(given)
        _one_of_each(values, given)
        port = _port(given)
        coordinators, source = ((), None) if hosts_known else _hosts(given, port)
        options = Options(**values)
        _contradictions(options, given)
        if given.problems:
            raise errors.ConfigurationError(given.problems)
        _warn_of_strangers(environment)
        return cls(coordinators, options, source)


class _Given(NamedTuple):
    """What was given, and what is wrong with it so far."""

    explicit: dict[str, object]
    environment: Mapping[str, str]
    problems: list[str]

    def lookup(self, name: str) -> tuple[str, object]:
        """Where a value comes from, for messages, and the value."""
        if name in self.explicit:
            return name, self.explicit[name]
        variable = PREFIX + name.upper()
        source = f"{name} (environment variable {variable})"
        return source, self.environment.get(variable) or None


def read_texts(texts: Mapping[str, str]) -> dict[str, object]:
    """
    Options that were given as texts, as in a URL, with the types that ``connect()`` takes.

    Raises:
        ConfigurationError: With every mistake in them.
    """
    given = _Given(dict(texts), {}, _unknown(texts))
    typed = _values(given)
    if "port" in texts:
        typed["port"] = _port(given)
    if "host" in texts:
        _hosts(given, typed.get("port"))
    if given.problems:
        raise errors.ConfigurationError(given.problems)
    # None is "not given" there, and not the 0 that says "never".
    return {n: text if typed.get(n) is None else typed[n] for n, text in texts.items()}


def _unknown(arguments: Mapping[str, object]) -> list[str]:
    problems = []
    for name in arguments:
        if name not in NAMES:
            meant = near(name, NAMES, 3)
            hint = f"did you mean {' or '.join(meant)}?" if meant else "see help(impala_ha.connect)"
            problems.append(f"{name} is not an option of connect(): {hint}")
    return problems


def _is_empty_text(name: str, value: object) -> bool:
    """Is it an empty text where none can be meant?  ``os.getenv("SSL", "")`` is no for impyla."""
    spec = OPTIONS.get(name)
    if not isinstance(value, str) or value or spec is None or spec.default:
        return False
    try:
        spec.metadata["convert"](value)
    except ValueError:
        return True
    return False


def near(word: str, known: Iterable[str], most: int) -> list[str]:
    """Those of *known*, at most so many, that *word* may be a misspelling of."""
    return get_close_matches(word, sorted(known), most)


def _translate_old(given: _Given) -> None:
    """Impyla's deprecated names, in place of which the new ones are used."""
    for old, new in _RENAMED.items():
        if old not in given.explicit:
            continue
        _deprecated(old)
        value = given.explicit.pop(old)
        if new in given.explicit and given.explicit[new] != value:
            given.problems.append(f"{old} and {new} contradict each other: give {new} alone")
        given.explicit.setdefault(new, value)
    for old, mechanism in _MECHANISMS.items():
        if old not in given.explicit:
            continue
        _deprecated(old)
        if str(given.explicit.pop(old)).lower() in ("true", "1", "yes"):
            other = str(given.explicit.get("auth_mechanism", mechanism)).upper()
            if other not in (mechanism, "NOSASL"):
                given.problems.append(f"{old} and auth_mechanism={other!r} contradict each other")
            given.explicit["auth_mechanism"] = mechanism
    protocol = given.explicit.pop("protocol", None)
    if protocol is not None:
        _deprecated("protocol")
        if str(protocol).lower() != "hiveserver2":
            given.problems.append(f"protocol must be 'hiveserver2', not {protocol!r}")


def _deprecated(old: str) -> None:
    warn(f"{old} is deprecated; use {DEPRECATED[old]}", DeprecationWarning)


def _values(given: _Given) -> dict[str, Any]:
    values = {}
    for name, spec in OPTIONS.items():
        source, value = given.lookup(name)
        if value is None:
            continue
        try:
            values[name] = spec.metadata["convert"](value)
        except ValueError as error:
            shown = "***" if spec.metadata["secret"] else repr(value)
            given.problems.append(f"{source} {error}, not {shown}")
    return values


_TWINS = (("password", "password_cmd"), ("jwt", "jwt_cmd"))


def _one_of_each(values: dict[str, Any], given: _Given) -> None:
    """Of two ways to say the same, the one of the call goes before that of the environment."""
    for one, other in _TWINS:
        if one not in values or other not in values:
            continue
        if (one in given.explicit) is (other in given.explicit):
            given.problems.append(f"{one} and {other} contradict each other: give one")
        else:
            del values[other if one in given.explicit else one]


def _port(given: _Given) -> int | None:
    source, value = given.lookup("port")
    if "port" not in given.explicit and _LINK.match(str(value)):
        _ignored(PREFIX + "PORT")
        return None
    if value is None:
        return None
    try:
        return read_port(value)
    except ValueError as error:
        given.problems.append(f"{source} {error}, not {value!r}")
        return None


def _others_port(environment: Mapping[str, str]) -> int | None:
    """The port beside IMPALA_HOST, a variable that others set for reasons of their own, too."""
    value = environment.get(OTHERS_PORT, "").strip()
    try:
        return read_port(value) if value else None
    except ValueError:
        _ignored(OTHERS_PORT)
        return None


@cache
def _ignored(variable: str) -> None:
    """Say, once in a process, that *variable* is not taken."""
    logs.warning(
        "the environment variable %s holds none of impala-ha's values, and is ignored: perhaps "
        "Kubernetes set it for a service of that name (enableServiceLinks)",
        variable,
    )


def _hosts(
    given: _Given, port: int | None
) -> tuple[tuple[Coordinator, ...], HostURL | HostFunction | None]:
    """The coordinators, or where they come from."""
    source, hosts = "", given.explicit.get("host")
    if hosts is None:
        for variable in HOST_VARIABLES:
            if given.environment.get(variable, "").strip():
                source, hosts = f" (environment variable {variable})", given.environment[variable]
                if port is None and variable != HOST_VARIABLES[0]:
                    port = _others_port(given.environment)
                break
        else:
            hosts = "localhost"
    if callable(hosts):
        return (), HostFunction(hosts, port)
    if is_url(hosts):
        try:
            url = parse_url(str(hosts), port)
        except ValueError as error:
            given.problems.append(f"{error}{source}")
            return (), None
        if "port" in given.explicit and port is not None and url.names_ports(port):
            given.problems.append(f"port={port} contradicts host={url.text!r}, which names ports")
        return (), url
    coordinators, wrong = parse_hosts(hosts, port or DEFAULT_PORT)
    given.problems.extend(line + source for line in wrong)
    ports = {coordinator.port for coordinator in coordinators}
    if "port" in given.explicit and port is not None and not wrong and port not in ports:
        given.problems.append(
            f"port={port} contradicts host, which names the port of every coordinator: "
            f"{', '.join(map(str, coordinators))}"
        )
    return coordinators, None


def _contradictions(options: Options, given: _Given) -> None:
    """Options that do not go together."""
    given.problems.extend(_half_secured(options, given))
    given.problems.extend(_token_rules(options, given))
    given.problems.extend(_ldap_rules(options, given))
    if options.eject_for > options.eject_most:
        given.problems.append(
            f"eject_for must be at most eject_most ({options.eject_most:g}), "
            f"not {options.eject_for:g}"
        )
    given.problems.extend(
        f"{name} needs auth_mechanism='GSSAPI'"
        for name in ("principal", "keytab")
        if name in given.explicit and options.auth_mechanism != "GSSAPI"
    )
    if options.keytab and options.kerberos_backend == "kerberos":
        given.problems.append(
            "keytab needs another kerberos_backend, or 'auto': the package kerberos cannot acquire "
            "tickets"
        )


def _token_rules(options: Options, given: _Given) -> Iterable[str]:
    """What goes with JWT; rules and messages are impyla's."""
    tokens = [name for name in ("jwt", "jwt_cmd") if getattr(options, name) is not None]
    if options.auth_mechanism != "JWT":
        for name in tokens:
            yield (
                f"'{name}' argument cannot be specified with '{options.auth_mechanism}' "
                "authentication: it goes with auth_mechanism='JWT'"
            )
        return
    if not tokens:
        yield "JWT authentication requires specifying the 'jwt' argument, or 'jwt_cmd'"
    if not options.use_http_transport:
        yield "JWT authentication is only supported for HTTP transport: use_http_transport=True"
    for name in ("user", "password", "password_cmd"):
        if given.lookup(name)[1] is not None:
            yield f"'{name}' argument cannot be specified with 'JWT' authentication"


def _ldap_rules(options: Options, given: _Given) -> Iterable[str]:
    """A directory lets nobody in without a password; PLAIN has one by default, as in impyla."""
    if options.auth_mechanism != "LDAP":
        return
    names = {
        name
        for name in ("user", "password", "password_cmd")
        if given.lookup(name)[1] not in (None, "")
    }
    if "user" not in names:
        yield "LDAP authentication requires specifying the 'user' argument"
    if not names & {"password", "password_cmd"}:
        yield "LDAP authentication requires specifying the 'password' argument, or 'password_cmd'"


def _half_secured(options: Options, given: _Given) -> Iterable[str]:
    """What would be taken for safer than it is, or not be used at all."""
    if options.client_key and not options.client_cert:
        yield "client_key needs client_cert: a key without its certificate cannot be shown"
    if options.web_password is not None and options.web_user is None:
        yield "web_password needs web_user"
    # impyla takes them without use_ssl as well, and then sends passwords in the clear.
    if given.lookup("use_ssl")[1] is None and not options.web_ssl:
        for name in ("ca_cert", "verify_cert", "client_cert"):
            if getattr(options, name):
                yield f"{name} needs use_ssl=True (or use_ssl=False, if no TLS is meant)"
    if "password_cmd" in given.explicit and options.auth_mechanism in ("NOSASL", "GSSAPI"):
        yield (
            "password_cmd needs auth_mechanism='LDAP' or 'PLAIN': "
            f"{options.auth_mechanism} has no password"
        )
    if options.doas_user and "doas=" in options.http_path.lower():
        yield "doas_user and the doAs in http_path contradict each other: give one"


_VARIABLES = frozenset(
    {INSTEAD_OF, *(PREFIX + name.upper() for name in ("hosts", "port", "profile", *OPTIONS))}
)


def _warn_of_strangers(environment: Mapping[str, str]) -> None:
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in _VARIABLES:
            continue
        if _LINK.match(environment[variable]) or _LINKED.search(variable):
            _ignored(variable)
        else:
            meant = near(variable, _VARIABLES, 1)
            hint = f"; did you mean {meant[0]}?" if meant else ""
            warn(
                f"the environment variable {variable} is not one of impala-ha's{hint}", UserWarning
            )
