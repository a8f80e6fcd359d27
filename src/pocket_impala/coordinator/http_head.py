"""The head of an HTTP request, as Impala's server reads it: little is needed or checked.

Only POST carries a call, and any path will do: what counts in it is ``?doAs=``.  What is not
understood ends the connection without an answer, as in Impala; a header that is not known is
passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Headers: TypeAlias = "Sequence[tuple[str, str]]"

_PARTS = 3


class BadHead(Exception):
    """It is no request that Impala would answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one request.

    Attributes:
        method: ``"POST"`` or ``"OPTIONS"``.
        path: What the client asks for, without its query.
        do_as: For whom the client wants to speak; None when it does not say.
        headers: By name in lower case; of one that came twice, the last.
    """

    method: str
    path: str
    do_as: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def waits_for_a_word(self) -> bool:
        """Whether the client wants to hear ``100 Continue`` before it sends the body."""
        return "100-continue" in self.headers.get("expect", "").lower()

    def length(self) -> int:
        """Return how many bytes the body has, if it is not chunked.

        Raises:
            BadHead: The client wrote something else.
        """
        text = self.headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            raise BadHead(f"Content-Length {text!r}")
        return int(text)

    def credentials(self, scheme: str) -> str:
        """Return what the client says in the way of *scheme*; nothing when it says nothing so."""
        given, _, rest = self.headers.get("authorization", "").partition(" ")
        # Beeline writes "Negotiate: TOKEN".
        return rest.strip() if given.rstrip(":").lower() == scheme.lower() else ""


def parse_head(lines: Sequence[bytes]) -> Head:
    """Read a head from its lines, without the empty one.

    Raises:
        BadHead: It is none that Impala takes.
    """
    status, *rest = [line.decode("latin-1") for line in lines]
    parts = status.split()
    if len(parts) != _PARTS or parts[0] not in {"POST", "OPTIONS"}:
        raise BadHead(status)
    address = urlsplit(parts[1])
    named = (line.partition(":") for line in rest)
    headers = {name.strip().lower(): value.strip() for name, colon, value in named if colon}
    do_as = parse_qs(address.query, keep_blank_values=True).get("doAs")
    return Head(parts[0], address.path, do_as[-1] if do_as else None, headers)


def write_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write the head of an answer."""
    known = {each.value: each.phrase for each in HTTPStatus}
    lines = [f"HTTP/1.1 {status} {known.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in [("Date", formatdate(usegmt=True)), *headers]]
    # Users may be called anything, and a cookie names them.
    return "\r\n".join([*lines, "", ""]).encode()
