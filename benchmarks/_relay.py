"""
A relay that makes a network far away: what is sent arrives half a round trip later.

    with Relay(server.port, 0.1) as relay:      # a process of its own
        connect(relay.host, relay.port)

It counts round trips as the client has them: each connection is one, by its handshake, and so is
each time that the client sends something after it was sent something.  Calls that go out without
waiting for an answer are one together.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time

from _shared import Program, parser, serve


class Relay(Program):
    """The relay, in a process of its own."""

    def __init__(self, port: int, round_trip: float):
        """
        Args:
            port: Of the server, on the same host.
            round_trip: Seconds.
        """
        super().__init__(__file__, port, round_trip)

    def round_trips(self) -> int:
        """How many there were since it was asked last."""
        return int(self.ask())


class _Relay:
    def __init__(self, port: int, round_trip: float):
        self.port = port
        self.half = round_trip / 2
        self.trips = 0

    def count(self) -> int:
        """How many round trips there were since the last time."""
        trips, self.trips = self.trips, 0
        return trips

    def serve(self, client: socket.socket) -> None:
        server = socket.create_connection((Relay.host, self.port))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(self, client)
        for pump in ((client, server), (server, client)):
            late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            threading.Thread(target=line.read, args=[pump[0], late], daemon=True).start()
            threading.Thread(target=line.write, args=[pump[1], late], daemon=True).start()


class _Line:
    """One connection; its handshake takes a round trip, before anything is on its way."""

    def __init__(self, relay: _Relay, client: socket.socket):
        self.relay = relay
        self.client = client
        self.opened = time.monotonic() + 2 * relay.half
        self.clients_turn = True
        relay.trips += 1

    def read(self, source: socket.socket, late: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(2**16)
            except OSError:
                data = b""
            if data and source is self.client and self.clients_turn:
                self.clients_turn = False
                self.relay.trips += 1
            late.put((max(time.monotonic(), self.opened) + self.relay.half, data))

    def write(self, target: socket.socket, late: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = late.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                if target is self.client:
                    self.clients_turn = True
                target.sendall(data)


def main() -> None:
    """Relay until standard input ends; each line there asks for the count of round trips."""
    arguments = parser(__doc__)
    arguments.add_argument("port", type=int)
    arguments.add_argument("round_trip", type=float)
    given = arguments.parse_args()
    relay = _Relay(given.port, given.round_trip)
    serve(relay.serve, relay.count)


if __name__ == "__main__":
    main()
