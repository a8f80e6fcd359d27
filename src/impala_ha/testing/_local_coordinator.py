"""One coordinator of a local cluster, as a test holds it: what it is, what it did, how to hurt it.

Nothing is remembered here.  Every question and every order goes to the process itself, or to the
keeper when it is about the process, so two test processes that hold the same coordinator agree.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Literal

from impala_ha.testing._impalad import control
from impala_ha.testing._impalad.journal import Event, read

if TYPE_CHECKING:
    from impala_ha.testing._impalad.layout import Layout

_QUEUE_FULL = "queue full, limit=1, num_queued=1."
# A start on a machine that is busy with other things.
_START_WITHIN = 60.0

Mode = Literal["received", "accepted", "started", "finished"]


class LocalCoordinator:
    """One coordinator of a `LocalCluster`: ``cluster[i]``.

    Args:
        layout: The cluster.
        index: Which coordinator.

    Attributes:
        index: Its place in the cluster, from 0.
        host: Its loopback address.
        port: Its HiveServer2 port.
    """

    def __init__(self, layout: Layout, index: int) -> None:
        self.index = index
        self.host, self.port = layout.addresses[index]
        self._layout = layout

    def __repr__(self) -> str:
        return f"<LocalCoordinator {self.index} at {self.address}>"

    @property
    def address(self) -> str:
        """``"host:port"``."""
        return f"{self.host}:{self.port}"

    # -- what it is and what it did --------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        """Its process; None when it is dead."""
        pid: int | None = self._keep("pids")[self.index]
        return pid

    @property
    def hangs(self) -> bool:
        """Whether its process is stopped, as by `hang`."""
        return bool(self._keep("stopped", index=self.index))

    @property
    def sessions(self) -> list[str]:
        """The ids of its open sessions."""
        return list(self._order("sessions"))

    @property
    def queries(self) -> list[str]:
        """The ids of its queries that nobody has closed."""
        return list(self._order("queries"))

    @property
    def connections(self) -> int:
        """How many clients are connected, served or waiting to be."""
        return int(self._order("connections"))

    @property
    def cut_count(self) -> int:
        """How many of the ordered cuts have happened since it started."""
        return int(self._order("cut_count"))

    def journal(self) -> list[Event]:
        """Return what it wrote down, in all its lives, oldest first."""
        return read(self._layout.journal(self.index))

    def executions(self, sql: str, *, mode: Mode = "started") -> int:
        """Count how often a statement ran here.

        Args:
            sql: Its exact text; white space around it does not count.
            mode: ``"started"`` counts those whose work began, ``"received"`` and ``"accepted"``
                also those before that, ``"finished"`` only those that were done.
        """
        text = sql.strip()
        return sum(event.event == mode and event.sql == text for event in self.journal())

    # -- its process -----------------------------------------------------------------------------

    def kill(self) -> None:
        """Kill it with SIGKILL; return when it is gone.  Does nothing when it is dead."""
        self._keep("kill", index=self.index)

    def restart(self) -> None:
        """Kill it if it lives, and start it again at its address; return when it is ready."""
        self._keep("start", index=self.index, within=_START_WITHIN)

    def hang(self) -> None:
        """Stop it with SIGSTOP: the kernel accepts connections, the process does nothing."""
        self._keep("signal", index=self.index, number=int(signal.SIGSTOP))

    def resume(self) -> None:
        """Let it go on after `hang`."""
        self._keep("signal", index=self.index, number=int(signal.SIGCONT))

    # -- its manners -----------------------------------------------------------------------------

    def mute(self) -> None:
        """Let it take connections and requests and answer none, until `unmute`."""
        self._order("mute", on=True)

    def unmute(self) -> None:
        """Let it answer again, also what it was asked meanwhile."""
        self._order("mute", on=False)

    def saturate(self) -> None:
        """Take all its service threads: new clients are connected, and hear nothing."""
        self._order("saturate", on=True)

    def unsaturate(self) -> None:
        """Give the service threads back; who has waited is served."""
        self._order("saturate", on=False)

    def drain(self) -> None:
        """Begin a graceful shutdown: no new session, no new statement; the rest goes on."""
        self._order("drain", on=True)

    def undrain(self) -> None:
        """Take new work again."""
        self._order("drain", on=False)

    def lose_sessions(self) -> None:
        """Forget all sessions and queries, as a restart would, but keep the connections."""
        self._order("lose_sessions")

    def disconnect(self) -> int:
        """Close all client connections from the server's side; return how many there were."""
        return int(self._order("disconnect"))

    def delay(self, seconds: float, rpc: str | None = None) -> None:
        """Let calls wait before they are done.

        Args:
            seconds: How long; 0 ends it.
            rpc: Which call, such as ``"FetchResults"``; None for all.
        """
        self._order("delay", seconds=seconds, rpc=rpc)

    def cut(self, phase: str, byte: int = 0, how: Literal["fin", "rst"] = "fin") -> None:
        """Cut the connection the next time that *phase* comes; once.

        Args:
            phase: ``"connect"``, or an RPC and a direction: ``"ExecuteStatement:request"`` (what
                is cut is not done) or ``"ExecuteStatement:response"`` (it has been done).
            byte: How many bytes of that message get through; a number behind its end cuts
                after the last.
            how: ``"fin"``: the client reads an end of file; ``"rst"``: a reset.

        Raises:
            ValueError: There is no such phase, or *byte* is negative.
        """
        self._order("cut", phase=phase, byte=byte, how=how)

    def fail_next(
        self, text: str, at: str = "execute", *, ran: bool = False, exact: bool = True
    ) -> None:
        """Let the next call be refused with *text*; once.

        Args:
            text: What the client reads.
            at: ``"open"``, ``"execute"``, ``"fetch"`` or any RPC: that call is refused and not
                done.  ``"status"``: the next statement is accepted and fails afterwards.
            ran: For ``"status"``: whether the statement does its work before it fails.
            exact: For ``"status"``: False puts the query id in front, as Impala 4.5 does.
        """
        self._order("fail_next", text=text, at=at, ran=ran, exact=exact)

    def reject(self, reason: str) -> None:
        """Let admission control reject the next statement, for *reason*; it does not run."""
        self.fail_next(f"Rejected query from pool default-pool: {reason}", at="status", exact=False)

    def queue_full(self) -> None:
        """Let the next statement find the admission queue full."""
        self.reject(_QUEUE_FULL)

    def heal(self) -> None:
        """Undo everything: start it if it is dead, let it go on if it hangs, call off the rest.

        Sessions that were lost stay lost.
        """
        if self.pid is None:
            self.restart()
        self.resume()
        self._order("heal")

    def _order(self, verb: str, **arguments: Any) -> Any:
        return control.ask(self._layout.control(self.index), verb, **arguments)

    def _keep(self, verb: str, *, within: float = 10.0, **arguments: Any) -> Any:
        return control.ask(self._layout.keeper, verb, within=within, **arguments)
