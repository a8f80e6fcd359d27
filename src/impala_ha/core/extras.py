"""
Optional dependencies: the extras of the distribution.

The core needs four packages; the command line, Kerberos, pandas and the local cluster need more.
They are imported here, when they are used, and where one is missing the error is one line with
the command that installs it::

    pandas = import_extra("pandas", "pandas")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .forks import importing

if TYPE_CHECKING:
    from types import ModuleType

#: What `pip` cannot install, for extras whose packages are compiled.
_HEADERS = (
    "; its build needs `apt install gcc python3-dev libkrb5-dev`"
    " or `dnf install gcc python3-devel krb5-devel`"
)
_BUILT_WITH = {"kerberos": _HEADERS, "gssapi": _HEADERS}


class MissingExtra(ImportError):
    """
    An optional package is not installed, or it or a library of the system does not load.

    The text is one line and ends with the command that installs it.
    """


def import_extra(module: str, extra: str) -> ModuleType:
    """
    Import an optional module.

    Args:
        module: Its dotted name, as ``import`` takes it.
        extra: The extra of ``impala-ha`` that installs it.

    Returns:
        The module.  Of a dotted name the last part, as `importlib.import_module` does.

    Raises:
        MissingExtra: It cannot be imported.  The text says whether it is not installed or broken
            (a shared library is missing, say).
    """
    try:
        with importing():
            return import_module(module)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        state = "is not installed" if absent else f"does not load ({_first_line(error)})"
        remedy = f"pip install 'impala-ha[{extra}]'{_BUILT_WITH.get(extra, '')}"
        raise MissingExtra(f"{module} {state}: {remedy}", name=module) from error


def _first_line(error: ImportError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
