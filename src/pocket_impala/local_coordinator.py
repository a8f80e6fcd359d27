"""One coordinator of a local cluster, as a test holds it: what it is, what it did, how to hurt it.

Nothing is remembered here.  Every question and every order goes to the process itself, or to the
supervisor when it is about the process, so two test processes that hold the same coordinator agree.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pocket_impala.coordinator import control
from pocket_impala.coordinator.journal import Event, read
from pocket_impala.local_faults import Breakable
from pocket_impala.sql.catalog import FILE, is_free

if TYPE_CHECKING:
    from pocket_impala.coordinator.layout import Layout

# A start on a machine that is busy with other things.
_START_WITHIN = 60.0
_HANG_TRIES = 100

Mode = Literal["received", "accepted", "started", "finished"]


class LocalCoordinator(Breakable):
    """One coordinator of a `LocalCluster`: ``cluster[i]``.

    Args:
        layout: The cluster.
        index: Which coordinator.

    Attributes:
        index: Its place in the cluster, from 0.
        host: Its loopback address.
        port: Its HiveServer2 port.
        http_port: Its port for HiveServer2 over HTTP; None when it has none.
        kerberos_host: The host in the name of its service, which clients call ``krb_host``.
        web_address: ``"host:port"`` of its web page, which serves ``/queries?json``,
            ``/sessions?json``, ``/backends?json``, ``/varz?json``, ``/?json`` and ``/healthz``.
    """

    def __init__(self, layout: Layout, index: int) -> None:
        self.index = index
        self.host, self.port = layout.addresses[index]
        self.kerberos_host = layout.security.kerberos_host(index)
        self.http_port = layout.http_addresses[index][1] if layout.http else None
        self.web_address = layout.web_address(index)
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
        pid: int | None = self._ask_supervisor("pids")[self.index]
        return pid

    @property
    def hangs(self) -> bool:
        """Whether its process is stopped, as by `hang`."""
        return bool(self._ask_supervisor("stopped", index=self.index))

    @property
    def sessions(self) -> list[str]:
        """The ids of its open sessions."""
        return list(self._command("sessions"))

    @property
    def queries(self) -> list[str]:
        """The ids of its queries that nobody has closed."""
        return list(self._command("queries"))

    @property
    def connections(self) -> int:
        """How many clients are connected, served or waiting to be."""
        return int(self._command("connections"))

    @property
    def cut_count(self) -> int:
        """How many of the ordered cuts have happened since it started."""
        return int(self._command("cut_count"))

    def http_connections(self) -> int:
        """Return how many connections its HTTP port had since it started, open ones included."""
        return int(self._command("http_connections"))

    def http_logins(self) -> int:
        """Return how often a password, ticket or token let in, and no cookie, since it started."""
        return int(self._command("http_logins"))

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
        self._ask_supervisor("kill", index=self.index)

    def restart(self) -> None:
        """Kill it if it lives, and start it again at its address; return when it is ready."""
        self._ask_supervisor("start", index=self.index, within=_START_WITHIN)

    def hang(self) -> None:
        """Stop it with SIGSTOP: the kernel accepts connections, the process does nothing.

        It is not stopped in the middle of a change of the catalog, which all coordinators share:
        the others would wait for it, as no Impala does.

        Raises:
            RuntimeError: It was always in the middle of a change.
        """
        catalog = Path(self._layout.warehouse, FILE)
        for _ in range(_HANG_TRIES):
            self._ask_supervisor("signal", index=self.index, number=int(signal.SIGSTOP))
            if is_free(catalog):
                return
            self.resume()
        raise RuntimeError(f"{self!r} cannot be stopped: it never lets go of the catalog")

    def resume(self) -> None:
        """Let it go on after `hang`."""
        self._ask_supervisor("signal", index=self.index, number=int(signal.SIGCONT))

    def heal(self) -> None:
        """Undo everything: start it if it is dead, let it go on if it hangs, call off the rest.

        Sessions that were lost stay lost.
        """
        if self.pid is None:
            self.restart()
        self.resume()
        self._command("heal")

    def _command(self, command: str, **arguments: Any) -> Any:
        try:
            return control.ask(self._layout.control(self.index), command, **arguments)
        except OSError as error:
            raise ConnectionError(
                f"{self!r} does not answer: it is dead, or it hangs ({error})"
            ) from error

    def _ask_supervisor(self, command: str, *, within: float = 10.0, **arguments: Any) -> Any:
        return control.ask(self._layout.supervisor, command, within=within, **arguments)
