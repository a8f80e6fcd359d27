"""What ``connect()`` takes: its arguments as one mapping, and its docstring, from the options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from functools import cache, wraps
from itertools import chain, repeat
from typing import ParamSpec, TypeVar

from impala_ha import errors
from impala_ha.core.secret import masked

from .options import HostOptions, Options
from .settings import DEPRECATED, NAMES, SECRET

P = ParamSpec("P")
T = TypeVar("T")
_WIDTH = 88


@cache
def _parameters(declared: Callable[..., object]) -> tuple[tuple[str, ...], int]:
    """The names of all, each of which has a default, and how many may be given by position."""
    parameters = inspect.signature(declared).parameters.values()
    kinds = [each.kind for each in parameters]
    return tuple(each.name for each in parameters), kinds.count(_POSITIONAL)


_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def implemented_by(
    run: Callable[[dict[str, object]], T],
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """
    Have *run* do what a function declares, whose signature and docstring are all that there is.

    It is given the arguments by name, with the secrets masked.  One that is not declared is among
    them without its value, which may be a secret under a misspelled name.
    """

    def decorate(declared: Callable[P, T]) -> Callable[P, T]:
        @wraps(declared)
        def call(*args: object, **kwargs: object) -> T:
            names, most = _parameters(declared)
            # Reports of errors show the variables of each frame.
            args = tuple(map(_masked, chain(names, repeat("")), args))
            kwargs = {name: _masked(name, value) for name, value in kwargs.items()}
            known = {name: value for name, value in kwargs.items() if name in names}
            try:
                given = dict(zip(names, args, strict=False))
                if len(args) > most or not given.keys().isdisjoint(known):
                    inspect.signature(declared).bind(*args, **known)  # says why not
                return run(kwargs | given | known)
            except errors.ConfigurationError as error:
                errors.shorten(error)
                raise

        call.__doc__ = _described(declared.__doc__ or "")
        return call

    return decorate


def _masked(name: str, value: object) -> object:
    if name in SECRET:
        return masked(value)
    return value if name in NAMES else None


def _described(docstring: str) -> str:
    """*docstring* with a section of arguments before that of what is returned."""
    head, returns, rest = docstring.partition("    Returns:")
    return "".join([head, "    Args:\n", *_entries(), "\n", returns, rest])


def _entries() -> Iterator[str]:
    """Each option with its help text, and then impyla's old ones."""
    for known in (*fields(HostOptions), *fields(Options)):
        yield from _wrapped(f"{known.name}: {known.metadata['help']} {default(known)}")
    yield from _wrapped(f"{', '.join(DEPRECATED)}: Deprecated in impyla; taken with a warning.")


def default(option: Field[object]) -> str:
    """The default of *option* as a sentence; empty if it is nothing."""
    value = option.default
    shown = f"{value:g}" if isinstance(value, float) else value
    return "" if value in (None, "") else f"Default: {shown}."


def _wrapped(entry: str) -> Iterator[str]:
    """As textwrap would do it, in a tenth of the time: each import of the library does it."""
    line = "       "
    for word in entry.split():
        if len(line) + len(word) >= _WIDTH:
            yield f"{line}\n"
            line = " " * 11
        line = f"{line} {word}"
    yield f"{line}\n"
