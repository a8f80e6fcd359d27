"""
What is installed only on request.

The core needs four packages; the command line, Kerberos, pandas and the local cluster need more
and are extras of the distribution.  A room that wants one asks for it here, at the moment of use,
and who lacks it reads one line that says what to type, not a traceback that names a module::

    pandas = import_extra("pandas", "pandas")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

#: What `pip` cannot bring, for extras whose packages are built on the spot.
_HEADERS = (
    "; its build needs `apt install gcc python3-dev libkrb5-dev`"
    " or `dnf install gcc python3-devel krb5-devel`"
)
_BUILT_WITH = {"kerberos": _HEADERS, "gssapi": _HEADERS}


class MissingExtra(ImportError):
    """
    An optional package is not there, or does not load.

    The text is one line and ends with what to type.
    """


def import_extra(module: str, extra: str) -> ModuleType:
    """
    Import an optional module.

    Args:
        module: Its dotted name, as ``import`` takes it.
        extra: The extra of ``impala-ha`` that brings it.

    Returns:
        The module.  Of a dotted name the last part, as `importlib.import_module` does.

    Raises:
        MissingExtra: When it cannot be imported.  A package that is there but broken (a shared
            library gone, say) is told from one that is not there.
    """
    try:
        return import_module(module)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        state = "is not installed" if absent else f"does not load ({_first_line(error)})"
        remedy = f"pip install 'impala-ha[{extra}]'{_BUILT_WITH.get(extra, '')}"
        raise MissingExtra(f"{module} {state}: {remedy}", name=module) from error


def _first_line(error: ImportError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
