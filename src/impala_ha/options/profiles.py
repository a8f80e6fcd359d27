"""
Named sets of options in a file: ``connect(profile="prod")``.

The file is ``~/.config/impala-ha/config.toml`` (`XDG_CONFIG_HOME` in place of ``~/.config``), and
each table in it is a profile, whose keys are options of ``connect()``.  As with libpq's services,
an argument of the call goes before the profile, and the profile before the environment; so
a profile is an environment in which its options are set.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from impala_ha import errors
from impala_ha.core.extras import import_extra

from .options import HostOptions
from .settings import HOST_VARIABLES, NAMES, OPTIONS, PREFIX, SECRET, near

_PARSER = "tomllib" if sys.version_info >= (3, 11) else "tomli"
_VARIABLE = PREFIX + "PROFILE"
_KNOWN = {option.name: option for option in fields(HostOptions)} | OPTIONS
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def path() -> str:
    """Where the file is, whether there is one or not."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "impala-ha", "config.toml")


def environment(arguments: Mapping[str, object]) -> Mapping[str, str]:
    """
    The environment of this process, with the profile that *arguments* or it names laid over it.

    Raises:
        ConfigurationError: No such file or profile, or something in it that is no option, has no
            such value, or is a password that others may read.
        MissingExtra: Python is older than 3.11, and tomli is not installed.
    """
    name = arguments.get("profile") or os.environ.get(_VARIABLE)
    if not name:
        return os.environ
    return {**os.environ, **_variables(read(str(name)))}


def read(name: str) -> dict[str, str]:
    """
    The options of the profile *name*, as the environment would have them.

    Raises:
        ConfigurationError, MissingExtra: As of `environment`.
    """
    text, profiles = _file()
    if not isinstance(found := profiles.get(name), dict):
        tables = [f"{key!r}" for key, value in profiles.items() if isinstance(value, dict)]
        has = f"has {', '.join(tables) or 'none'}" if text else "is not there"
        raise errors.ConfigurationError([f"there is no profile {name!r}: {path()} {has}"])
    problems: list[str] = []
    values = {}
    for key, value in found.items():
        where = f"{path()}, line {_line(text, name, key)}"
        values[key] = _text(key, value, where, problems)
    problems += _open_secrets(values)
    if problems:
        raise errors.ConfigurationError(problems)
    return values


def names() -> frozenset[str]:
    """The profiles that there are."""
    return frozenset(key for key, value in _file()[1].items() if isinstance(value, dict))


def _file() -> tuple[str, dict[str, Any]]:
    try:
        with open(path(), encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return "", {}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.ConfigurationError([f"{path()}: {reason}"]) from None
    parser = import_extra(_PARSER, "cli")
    try:
        return text, parser.loads(text)
    except parser.TOMLDecodeError as error:
        raise errors.ConfigurationError([f"{path()}: {error}"]) from None


def _text(key: str, value: object, where: str, problems: list[str]) -> str:
    """*value* as a text; what is wrong with it is added to *problems*."""
    try:
        return _checked(key, value)
    except ValueError as error:
        shown = f", not {value!r}" if key in NAMES - SECRET else ""
        problems.append(f"{where}: {key} {error}{shown}")
        return ""


def _checked(key: str, value: object) -> str:
    if key not in _KNOWN or key == "profile":
        meant = near(key, _KNOWN, 1)
        raise ValueError(f"is no option{f': did you mean {meant[0]}?' if meant else ''}")
    if isinstance(value, dict):
        value = [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, list):
        text = ",".join(map(str, value))
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, (str, int, float)):
        text = str(value)
    else:
        raise ValueError("must be a text, a number, true or false, or a list of texts")
    _KNOWN[key].metadata["convert"](text)
    return text


def _open_secrets(values: Mapping[str, str]) -> list[str]:
    """What is wrong with the file's rights: as ``~/.pgpass``, it is to be its owner's alone."""
    secrets = [key for key in values if key in SECRET and not key.endswith("_cmd")]
    if not secrets or not os.stat(path()).st_mode & _OTHERS:
        return []
    return [f"{path()} holds a {secrets[0]} and may be read by others: chmod 600 it"]


def _line(text: str, table: str, key: str) -> int:
    """Where *key* stands in its table, from 1; the parser does not tell."""
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[([^\[\]]+)\]", line):
            here = head[1].strip().strip("\"'")
        elif here == table and re.match(rf"\s*[\"']?{re.escape(key)}\b", line):
            return number
    return 1


def _variables(values: Mapping[str, str]) -> dict[str, str]:
    renamed = {"host": HOST_VARIABLES[0]}
    return {renamed.get(key, PREFIX + key.upper()): value for key, value in values.items()}
