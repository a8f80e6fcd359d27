"""
Files of options, in the form of impala-shell's ``~/.impalarc``.

Two sections: ``[impala]`` has long options without their hyphens, ``[impala.query_options]`` query
options of the session.  As in impala-shell ``/etc/impalarc`` (or what
`IMPALA_SHELL_GLOBAL_CONFIG_FILE` names) is read first, then ``~/.impalarc`` or the file of
``--config_file``.  What our own file has (`impala_ha.options.profiles`) goes before both.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any

import click

from impala_ha.cli.connect.bad_input import BadInput

_OPTIONS, _QUERY_OPTIONS = "impala", "impala.query_options"
_GLOBAL, _VARIABLE = "/etc/impalarc", "IMPALA_SHELL_GLOBAL_CONFIG_FILE"
_USERS = "~/.impalarc"
_OTHER_NAMES = {
    "default_db": "database",
    "write_delimited": "delimited",
    "use_kerberos": "kerberos",
    "use_ldap": "ldap",
    "use_jwt": "jwt",
    "use_oauth": "oauth",
    "creds_ok_in_clear": "auth_creds_ok_in_clear",
    "keyval": "var",
    "query_options": "query_option",
}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
#: What an option of ``connect()`` in our own file silences, where the names are not the same.
_SILENCED = {
    "auth_mechanism": ("kerberos", "ldap", "jwt", "oauth"),
    "use_http_transport": ("protocol",),
    "connect_timeout": ("client_connect_timeout_ms",),
    "password_cmd": ("ldap_password_cmd",),
    "password": ("ldap_password_cmd",),
    "jwt_cmd": ("oauth_cmd",),
}


def read_files(
    named: str | None, params: Sequence[click.Parameter], ours: frozenset[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """
    The options and the query options of the files that there are.

    Args:
        named: The file of ``--config_file``; None: ``~/.impalarc``, if there is one.
        params: What the command takes.
        ours: The options of ``connect()`` that our own file has.

    Returns:
        Options by the name of their parameter, and query options in upper case.

    Raises:
        BadInput: A file that was named is not there, or one that is there is no such file, or has
            a flag that is neither true nor false.
    """
    options: dict[str, Any] = {}
    query: dict[str, str] = {}
    variable = os.environ.get(_VARIABLE)
    for path, must_be in ((variable or _GLOBAL, bool(variable)), (named or _USERS, bool(named))):
        file = Path(path).expanduser()
        if must_be or file.is_file():
            more, settings = _read(file)
            options |= _by_parameter(more, file, params)
            query |= settings
    silenced = {each.name for each in params if getattr(each, "option", "") in ours}
    silenced |= {name for option in ours for name in _SILENCED.get(option, ())}
    return {name: value for name, value in options.items() if name not in silenced}, query


def _read(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # -v is not -V
    try:
        with path.open(encoding="utf-8-sig") as file:
            parser.read_file(file)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except (ValueError, Error) as error:
        first = str(error).splitlines()[0]
        raise BadInput(f"{path} cannot be read: {first}") from None
    options = dict(parser[_OPTIONS]) if parser.has_section(_OPTIONS) else {}
    query = dict(parser[_QUERY_OPTIONS]) if parser.has_section(_QUERY_OPTIONS) else {}
    return options, {name.upper(): value for name, value in query.items()}


def _by_parameter(
    options: Mapping[str, str], path: Path, params: Sequence[click.Parameter]
) -> dict[str, Any]:
    """The options, under the names that click has for them; a value of ``none`` is not given."""
    known = {name.lstrip("-"): param for param in params for name in param.opts}
    found: dict[str, Any] = {}
    for name, value in options.items():
        param = known.get(_OTHER_NAMES.get(name, name))
        if name == "config_file":
            _warn(path, "Option 'config_file' can be only set from shell.")
        elif param is None or param.name is None:
            _warn(
                path,
                "Unable to read configuration file correctly. "
                f"Ignoring unrecognized config option: '{name}'",
            )
        elif isinstance(param, click.Option) and param.is_flag:
            found |= _flag(param.name, value, path)
        elif param.multiple:  # under each of its names
            found.setdefault(param.name, []).extend(value.split(f",{name}="))
        elif value.lower() != "none":
            found[param.name] = value
    return found


def _flag(name: str, value: str, path: Path) -> dict[str, bool]:
    if value.lower() not in _FLAGS:
        raise BadInput(
            f"{path}: Unexpected value in configuration file. "
            f"'{value}' is not a valid value for a boolean option. ({name})"
        )
    wanted = _FLAGS[value.lower()]
    return {"quiet": True} if name == "verbose" and not wanted else {name: wanted}


def _warn(path: Path, text: str) -> None:
    warnings.warn(f"{path}: WARNING: {text}", UserWarning, stacklevel=2)
