"""
`impala.dbapi.connect` made ours, for programs that cannot be changed.

The function stays the object that it is, and is given other code: so it is ours also where it was
imported before, stands in a table, or is wrapped by a tracer.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, MutableMapping
from types import FunctionType
from typing import Any

from impala import dbapi as impylas  # `import impala.dbapi` binds it only when it is all there

import impala_ha
from impala_ha.balancing.cluster import Cluster
from impala_ha.core.model import DEFAULT_PORT
from impala_ha.core.secret import Secret
from impala_ha.options.host_urls import is_url, parse_url
from impala_ha.options.hosts import parse_hosts
from impala_ha.options.settings import HOST_VARIABLES, INSTEAD_OF, SECRET

_HOSTS = HOST_VARIABLES[0]
#: Its `sitecustomize` patches each Python that is started with this folder in PYTHONPATH.
_CHILDREN = os.path.join(os.path.dirname(os.path.dirname(__file__)), "tools", "children")
_original: FunctionType | None = None  # a copy of what was patched


def patch(*, children: bool = True) -> None:
    """
    Make `impala.dbapi.connect` that of this library where there are several coordinators.

    It is ours in this process, wherever it was imported, if the host that it is called with is a
    list (or another form of `host` that impyla does not have), or if ``IMPALA_HA_HOSTS`` is set and
    the call names no host, or one of that list, or one of ``IMPALA_HA_INSTEAD_OF``.  Any other call
    is impyla's, as before.  The arguments of a call go before the environment; its port counts for
    coordinators that name none.  A second call does nothing; `unpatch` undoes it.

    Args:
        children: Whether programs in Python that this process starts are patched as well, by a
            folder in front of ``PYTHONPATH``.  Forked processes are in any case.

    Raises:
        TypeError: Something else than a function stands for `impala.dbapi.connect`.
    """
    global _original  # noqa: PLW0603 - there is one function of that name in a process
    function = inspect.unwrap(impylas.connect)
    if not isinstance(function, FunctionType) or function.__closure__:
        raise TypeError(f"impala.dbapi.connect cannot be patched: it is {function!r}")
    if function.__code__ is not _stand_in.__code__:
        _original = FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__
        )
        _original.__kwdefaults__ = function.__kwdefaults__
        function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        function.__code__, function.__defaults__ = _stand_in.__code__, None
    if children:
        for_children(os.environ)


def unpatch() -> None:
    """Undo `patch`, for this process and for what it starts from now on."""
    function = inspect.unwrap(impylas.connect)
    if _original is not None and getattr(function, "__code__", None) is _stand_in.__code__:
        function.__defaults__, function.__code__ = _original.__defaults__, _original.__code__
        del function.__signature__
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if _CHILDREN in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(each for each in paths if each != _CHILDREN)
        if not os.environ["PYTHONPATH"]:
            del os.environ["PYTHONPATH"]


def for_children(environment: MutableMapping[str, str]) -> None:
    """Change *environment* so that programs in Python that run in it are patched."""
    paths = environment.get("PYTHONPATH", "")
    if _CHILDREN not in paths.split(os.pathsep):
        # An empty entry would be the working directory.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (_CHILDREN, paths)))


def _stand_in(*args: object, **kwargs: object) -> Any:
    """The code that `impala.dbapi.connect` is given, which runs with the globals of that module."""
    import sys  # noqa: PLC0415

    patching: Any = sys.modules["impala_ha.dbapi.patching"]
    args, kwargs = patching.masked_call(args, kwargs)
    return patching.connect(args, kwargs)


def masked_call(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    """The same arguments, with passwords that reports of errors do not show."""
    assert _original is not None
    names = [*inspect.signature(_original).parameters, *("" for _ in args)]
    return (
        tuple(map(_masked, names, args)),
        {name: _masked(name, value) for name, value in kwargs.items()},
    )


def _masked(name: str, value: object) -> object:
    return Secret(value) if name in SECRET and isinstance(value, str) else value


def connect(args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
    """Ours or impyla's connection, as `patch` says."""
    assert _original is not None
    names = tuple(inspect.signature(_original).parameters)
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if len(args) > len(names) or len(given) < len(args) + len(kwargs):
        return _original(*args, **kwargs)  # which says what is wrong with them
    if not _is_list(given.get("host")):
        if not _is_replaced(given, os.environ):
            return _original(*args, **kwargs)
        given["host"] = os.environ[_HOSTS]
    if given.get("port") is not None and _names_ports(given["host"], given["port"]):
        del given["port"]
    return impala_ha.connect(**given)  # type: ignore[arg-type]  # it reads them itself


def _is_list(host: object) -> bool:
    """Is it none of the hosts that impyla takes?"""
    if host is None or not isinstance(host, str):
        return host is not None
    return is_url(host) or sum(map(len, parse_hosts(host))) > 1


def _is_replaced(given: Mapping[str, object], environment: Mapping[str, str]) -> bool:
    """Do the hosts of the environment stand for the one that was given?"""
    hosts = environment.get(_HOSTS, "")
    if not hosts.strip():
        return False
    if given.get("host") in (None, ""):
        return True
    port = _number(given.get("port"))
    called, _ = parse_hosts(str(given["host"]).lower(), port)
    named = "" if is_url(hosts) else hosts
    known, _ = parse_hosts(f"{named},{environment.get(INSTEAD_OF, '')}".lower(), port)
    return not set(called).isdisjoint(known)


def _number(port: object) -> int:
    try:
        return int(str(port))
    except ValueError:
        return DEFAULT_PORT


def _names_ports(host: object, port: object) -> bool:
    """Does each of the coordinators name its port, so that there is none left for the call's?"""
    if isinstance(host, Cluster):
        return True
    if callable(host):
        return False
    if is_url(host):
        try:
            return parse_url(str(host), None).names_ports(_number(port))
        except ValueError:
            return False  # `connect` says what is wrong with it
    return parse_hosts(host, 1) == parse_hosts(host, 2)
