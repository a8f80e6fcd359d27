"""The faults that a coordinator of a local cluster can be told to have.

A fault that is over by itself (a cut, a refusal) is ordered for the next time and happens once;
one that lasts has an order that ends it.  `heal` ends them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUEUE_FULL = "queue full, limit=1, num_queued=1."


class Breakable(Protocol):
    """What can be told to misbehave, by commands to its process."""

    def mute(self) -> None:
        """Let it take connections and requests and answer none, until `unmute`."""
        self._command("mute", on=True)

    def unmute(self) -> None:
        """Let it answer again, also what it was asked meanwhile."""
        self._command("mute", on=False)

    def saturate(self) -> None:
        """Take all its service threads: new clients are connected, and hear nothing."""
        self._command("saturate", on=True)

    def unsaturate(self) -> None:
        """Give the service threads back; who has waited is served."""
        self._command("saturate", on=False)

    def drain(self) -> None:
        """Begin a graceful shutdown: no new session, no new statement; the rest goes on."""
        self._command("drain", on=True)

    def undrain(self) -> None:
        """Take new work again."""
        self._command("drain", on=False)

    def lose_sessions(self) -> None:
        """Forget all sessions and queries, as a restart would, but keep the connections."""
        self._command("lose_sessions")

    def disconnect(self) -> int:
        """Close all client connections from the server's side; return how many there were."""
        return int(self._command("disconnect"))

    def forget_cookies(self) -> None:
        """Know none of the cookies any more that its HTTP clients have; they must log in again."""
        self._command("forget_cookies")

    def answer_http(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        call: str | None = None,
        *,
        body: str = "",
        ran: bool = False,
    ) -> None:
        """Let a gateway before its HTTP port answer the next requests in its place.

        Args:
            status: Such as 503.
            headers: What the answer says besides, such as ``{"Retry-After": "2"}``.
            times: How many requests get this answer.
            call: Only requests of this RPC get it, such as ``"ExecuteStatement"``; None: any.
            body: What a person would read.
            ran: Whether the coordinator does the call all the same, as when a gateway's time
                ends before the coordinator is done (504).

        Raises:
            ValueError: There is no such status or RPC, or *times* is not positive.
        """
        self._command(
            "answer_http",
            status=status,
            headers=dict(headers or {}),
            body=body,
            times=times,
            call=call,
            ran=ran,
        )

    def delay(self, seconds: float, rpc: str | None = None) -> None:
        """Let calls wait before they are done.

        Args:
            seconds: How long; 0 ends it.
            rpc: Which call, such as ``"FetchResults"``; None for all.
        """
        self._command("delay", seconds=seconds, rpc=rpc)

    def lag(self, seconds: float) -> None:
        """Let it hear late of what the other coordinators do to databases and tables.

        What it does itself it knows at once.  ``REFRESH`` and ``INVALIDATE METADATA`` on any
        coordinator, and a statement with ``SYNC_DDL``, let all know.  It forgets to lag when it
        is restarted.

        Args:
            seconds: How late, counted from each change; 0 ends it.

        Raises:
            ValueError: *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError(f"seconds must not be negative, not {seconds}")
        self._command("lag", seconds=seconds)

    def cut(self, phase: str, byte: int = 0, how: Literal["fin", "rst"] = "fin") -> None:
        """Cut the connection the next time that *phase* comes; once.

        Args:
            phase: ``"connect"``, or an RPC and a direction: ``"ExecuteStatement:request"`` (what
                is cut is not done) or ``"ExecuteStatement:response"`` (it has been done).
            byte: How many bytes of that message get through (for ``"connect"``: of all that
                the client sends); a number behind its end cuts after the last.
            how: ``"fin"``: the client reads an end of file; ``"rst"``: a reset.

        Raises:
            ValueError: There is no such phase, or *byte* is negative.
        """
        self._command("cut", phase=phase, byte=byte, how=how)

    def fail_next(
        self, text: str, at: str = "execute", *, ran: bool = False, exact: bool = True
    ) -> None:
        """Let the next call be refused with *text*; once.

        Args:
            text: What the client reads.
            at: ``"open"``, ``"execute"``, ``"fetch"`` or any RPC: that call is refused and not
                done.  ``"status"``: the next statement is accepted and fails afterwards.
            ran: For ``"status"`` and ``"execute"``: whether the statement does its work before it
                fails.
            exact: For ``"status"``: False puts the query id in front, as Impala 4.5 does.
        """
        self._command("fail_next", text=text, at=at, ran=ran, exact=exact)

    def reject(self, reason: str) -> None:
        """Let admission control reject the next statement, for *reason*; it does not run."""
        self.fail_next(f"Rejected query from pool default-pool: {reason}", at="status", exact=False)

    def queue_full(self) -> None:
        """Let the next statement find the admission queue full."""
        self.reject(_QUEUE_FULL)

    def _command(self, command: str, **arguments: Any) -> Any: ...
