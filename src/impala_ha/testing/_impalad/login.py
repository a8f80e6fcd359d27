"""Who asks, over HTTP: every request says it, and every answer may say it was believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from impala_ha.testing._impalad.http_head import Head, Headers


class Admission(Protocol):
    """Lets a request in."""

    def __call__(self, head: Head) -> Headers:
        """Let a request in and note who asks.

        Args:
            head: The request.

        Returns:
            The headers that its answer gets.

        Raises:
            NotLetIn: It is to be refused.
        """


class NotLetIn(Exception):
    """A request whose answer is 401.

    Args:
        headers: What the answer says besides.
    """

    def __init__(self, headers: Headers) -> None:
        super().__init__("not let in")
        self.headers = headers
