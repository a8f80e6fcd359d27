"""
What the last calls of ``connect()`` came to, for the next ones that say the same.

Reading some forty options anew costs more than opening a session.  Nothing is remembered of a call
with a secret, an object of the caller's, or a name that makes a warning.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from . import profiles
from .settings import HOST_VARIABLES, INSTEAD_OF, OPTIONS, OTHERS_PORT, PREFIX, Settings

_MOST = 100
_RECENT: dict[object, Settings] = {}
_PLAIN = {"host", "port"} | {name for name, each in OPTIONS.items() if not each.metadata["secret"]}
_PREFIX = b"IMPALA_"
_HARMLESS = {
    name.encode()
    for name in (
        *(PREFIX + name.upper() for name in ("hosts", *_PLAIN)),
        *(*HOST_VARIABLES, OTHERS_PORT, INSTEAD_OF),
    )
}


def read(arguments: Mapping[str, object], *, hosts_known: bool) -> Settings:
    """`Settings.read`, with the environment of the process and a profile in it."""
    if (environment := profiles.environment(arguments)) is not os.environ:
        return Settings.read(arguments, environment, hosts_known=hosts_known)
    key = tuple(_given(arguments)), tuple(_variables()), hosts_known
    if None in key[0] or None in key[1]:
        return Settings.read(arguments, os.environ, hosts_known=hosts_known)
    found = _RECENT.get(key)
    if found is None:
        found = Settings.read(arguments, os.environ, hosts_known=hosts_known)
        if len(_RECENT) >= _MOST:
            _RECENT.clear()
        _RECENT[key] = found
    return found


def _given(arguments: Mapping[str, object]) -> Iterator[object]:
    """What was given, with its types, for 1 is True; None: it is not to be remembered."""
    for name, value in arguments.items():
        if value is None:
            continue
        texts = isinstance(value, list | tuple) and all(type(each) is str for each in value)
        if name in _PLAIN and (texts or type(value) in (str, bool, int, float)):
            yield name, type(value), tuple(value) if texts else value  # type: ignore[arg-type]
        else:
            yield None


def _variables() -> Iterator[object]:
    for name in os.environb:  # not `os.environ`, which decodes all that it is asked for
        if name.startswith(_PREFIX) or name == b"KRB5CCNAME":  # on which `Options.key` depends
            unknown = name.startswith(_PREFIX + b"HA_") and name not in _HARMLESS
            yield None if unknown else (name, os.environb[name])
