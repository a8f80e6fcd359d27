"""
A value that an object works out once, without a lock.

`functools.cached_property` of Python 3.10 and 3.11 holds a lock while it does, one for all objects
of the class.  A child that is forked meanwhile waits for it for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from typing_extensions import Self

Got = TypeVar("Got")


class cached_property(Generic[Got]):  # noqa: N801 - named as that one
    """As that one; two threads that come at once may both work it out, and get the same object."""

    def __init__(self, work_out: Callable[[Any], Got]):
        self._work_out = work_out
        self.__doc__ = work_out.__doc__

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, of: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, of: object, owner: type[object]) -> Got: ...

    def __get__(self, of: object | None, owner: type[object]) -> Self | Got:
        if of is None:
            return self
        found: Got = of.__dict__.setdefault(self._name, self._work_out(of))
        return found
