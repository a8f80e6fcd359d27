"""Accepting connections, as Impala's ``hiveserver2-frontend`` does.

The kernel accepts, two setup threads shake hands, and each connection then holds one service
thread (`fe_service_threads`) until it ends.  When all are taken, a new client has its TCP
connection, perhaps even its SASL handshake, and then hears nothing until a thread is free or
`accepted_client_cnxn_timeout` has passed; then the socket is closed without a word.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from thrift.transport.TTransport import TTransportException

from pocket_impala.coordinator.impalad import Connection
from pocket_impala.coordinator.wire import Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from pocket_impala.coordinator.faults import Faults
    from pocket_impala.coordinator.flags import Flags

_SETUP_THREADS = 2


class Frontend:
    """The listening half of a coordinator.

    Args:
        flags: The coordinator's start-up flags.
        faults: What is wrong with it.
        numbers: A number for each connection, unlike all others here.
        admit: Lets a client in and says who it is; None: nobody asked.
        tls: The certificate and the rules of TLS; None: none.
        serve: Serves one connection until it ends.
    """

    def __init__(
        self,
        flags: Flags,
        faults: Faults,
        numbers: Iterator[int],
        *,
        admit: Callable[[Wire], str | None],
        tls: ssl.SSLContext | None,
        serve: Callable[[Connection], None],
    ) -> None:
        self._flags = flags
        self._faults = faults
        self._admit = admit
        self._tls = tls
        self._serve = serve
        self._numbers = numbers
        self._setup = threading.BoundedSemaphore(_SETUP_THREADS)
        self._changed = threading.Condition()
        self._serving = 0
        self._accepted = 0
        self._open: dict[int, Wire] = {}

    def run(self, listener: socket.socket) -> None:
        """Accept connections from *listener* for ever."""
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number, wire = next(self._numbers), Wire(sock)
            with self._changed:
                self._open[number] = wire
                self._accepted += 1
            threading.Thread(
                target=self._attend, args=(number, wire), name=f"hs2-{number}", daemon=True
            ).start()

    @property
    def accepted(self) -> int:
        """How many connections there were, counting those that are."""
        with self._changed:
            return self._accepted

    def count(self) -> int:
        """Return how many connections are open, served or waiting."""
        with self._changed:
            return len(self._open)

    def counts(self) -> tuple[int, int]:
        """Return how many connections have a service thread, and how many wait for one."""
        with self._changed:
            taken = self._flags.fe_service_threads if self._faults.saturated else self._serving
            return taken, len(self._open) - self._serving

    def saturate(self, on: bool) -> None:
        """Take all service threads, or give them back."""
        self._faults.saturate(on)
        self.wake()

    def wake(self) -> None:
        """Let those who wait for a service thread look again."""
        with self._changed:
            self._changed.notify_all()

    def disconnect(self) -> int:
        """Close every open connection from our side; return how many."""
        with self._changed:
            wires = list(self._open.values())
        for wire in wires:
            wire.hang_up()
        return len(wires)

    def _attend(self, number: int, wire: Wire) -> None:
        try:
            ordered = self._faults.take_cut("connect")
            if ordered is not None:
                wire.receive_exactly(ordered.byte)
                wire.end(ordered.how)
            with self._setup:
                self._faults.wait_while_mute()
                if self._tls is not None:
                    wire.secure(self._tls)
                user = self._admit(wire)
                admitted = self._take_service_thread()
            if admitted:
                try:
                    self._serve(Connection(number, wire, user))
                finally:
                    self._give_service_thread_back()
        except (TTransportException, EOFError):
            # The client was not let in, or hung up before it was.
            pass
        finally:
            with self._changed:
                del self._open[number]
            with contextlib.suppress(OSError):
                wire.close()

    def _take_service_thread(self) -> bool:
        def free() -> bool:
            return not self._faults.saturated and self._serving < self._flags.fe_service_threads

        with self._changed:
            if self._changed.wait_for(free, self._flags.accepted_client_cnxn_timeout / 1000):
                self._serving += 1
                return True
        return False

    def _give_service_thread_back(self) -> None:
        with self._changed:
            self._serving -= 1
            self._changed.notify_all()
