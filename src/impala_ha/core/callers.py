"""A warning is about a line of the caller's, however many frames of ours are in between."""

from __future__ import annotations

import sys
import warnings

_OURS = __name__.partition(".")[0]


def warn(text: str, category: type[Warning]) -> None:
    """
    Warn, at the line by which the program came into this package.

    Python shows a `DeprecationWarning` only if it is about a line of the program itself.
    """
    level, frame = 1, sys._getframe(0)  # noqa: SLF001 - what `stacklevel` counts
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(text, category, stacklevel=level)
