"""
From a text and parameters to a statement, as impyla binds them.

With one difference: ``:word`` inside a string literal or a comment is text and not a parameter.
impyla takes ``'10:am'`` for one and raises KeyError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from impala.interface import _bind_parameters

from . import errors
from ._statement import literals


class BindingError(
    errors.ProgrammingError,  # type: ignore[misc]  # impyla is not typed
    KeyError,
    TypeError,
    ValueError,
):
    """Markers and parameters do not fit; impyla lets Python's own error through."""

    def __str__(self) -> str:
        return str(self.args[0])


def bind(
    operation: str, parameters: Any, configuration: Mapping[str, Any] | None
) -> tuple[str, dict[str, Any] | None]:
    """
    The statement to send and the configuration to send with it.

    Args:
        operation: SQL, with markers in any of PEP 249's styles.
        parameters: A list, tuple or dict; nothing is bound when it is empty.
        configuration: Query options for this statement; ``paramstyle`` among them is for binding.

    Raises:
        ProgrammingError: *operation* is no text, or markers and parameters do not fit (then it is
            also the KeyError, TypeError or ValueError that impyla would raise).
    """
    if not isinstance(operation, str):
        raise errors.ProgrammingError(
            f"operation must be a str of SQL, not {type(operation).__name__}"
        )
    overlay = dict(configuration) if configuration else None
    style = overlay.pop("paramstyle", None) if overlay else None
    if not parameters:
        return operation, overlay
    try:
        return _bound(operation, parameters, style), overlay
    except errors.Error:
        raise
    except (LookupError, TypeError, ValueError) as error:
        raise BindingError(
            f"the parameters do not fit the statement: {type(error).__name__} {error}"
        ) from error


def _bound(operation: str, parameters: Any, style: str | None) -> Any:
    if not isinstance(parameters, dict):
        return _bind_parameters(operation, parameters, style)
    stand_in = _unused(operation, parameters)
    masked = operation
    for start, end in literals(operation):
        masked = masked[:start] + operation[start:end].replace(":", stand_in) + masked[end:]
    return _bind_parameters(masked, parameters, style).replace(stand_in, ":")


def _unused(operation: str, parameters: Mapping[str, Any]) -> str:
    """A character that occurs neither in the text nor in a value."""
    used = set(operation).union(*(str(value) for value in parameters.values()))
    return next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in used)
