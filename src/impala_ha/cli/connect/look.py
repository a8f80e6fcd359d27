"""
The options of the shell that ``SET`` changes, as impala-shell has them: how results look, where
they go, and what is shown while a statement runs.

They are a mapping of the program's options, as click gives it, so that the command line and
``SET`` are one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from impala_ha.cli.connect.bad_input import BadInput

Look = Mapping[str, Any]

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
FORMATS = ("table", "delimited", "vertical", "json", "markdown")
PROFILE_FORMATS = ("string", "base64", "json")


def _flag(value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return value.lower() in _TRUE


def _path(value: str) -> str | None:
    return value or None


def _delimiter(value: str) -> str:
    return " " if value == "\\s" else value


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def convert(value: str) -> str:
        if value.lower() not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return value.lower()

    return convert


#: By the name in ``SET``: the option of the program, and how its value is read.
SHELL_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "LIVE_PROGRESS": ("live_progress", _flag),
    "LIVE_SUMMARY": ("live_summary", _flag),
    "WRITE_DELIMITED": ("delimited", _flag),
    "VERBOSE": ("verbose", _flag),
    "DELIMITER": ("output_delimiter", _delimiter),
    "OUTPUT_FILE": ("output_file", _path),
    "OUTPUT_FORMAT": ("output_format", _one_of(FORMATS)),
    "PAGER": ("pager", _flag),
    "PROFILE_OUTPUT": ("profile_output", _path),
    "VERTICAL": ("vertical", _flag),
    "PROFILE_FORMAT": ("profile_format", _one_of(PROFILE_FORMATS)),
}


def changed(look: Look, name: str, value: str) -> dict[str, Any]:
    """
    *look* after ``SET name=value``.

    Raises:
        BadInput: No such value.
    """
    option, convert = SHELL_OPTIONS[name]
    try:
        return {**look, option: convert(value)}
    except ValueError as error:
        raise BadInput(f"{name} must be {error}, not {value!r}") from None


def shown(look: Look) -> str:
    """All of them, as impala-shell prints them."""
    values = ((name, look.get(option)) for name, (option, _) in SHELL_OPTIONS.items())
    return "\n".join(f"\t{name}: {value}" for name, value in values)
