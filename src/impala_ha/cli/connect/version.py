"""The version of the program, and of what it stands on."""

from __future__ import annotations

import platform
from importlib.metadata import version

from impala_ha import __version__


def program_version() -> str:
    """In one line, as ``--version`` shows it."""
    stands_on = f"impyla {version('impyla')}, Python {platform.python_version()}"
    return f"impala-connect {__version__} ({stands_on})"
