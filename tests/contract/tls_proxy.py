"""TLS in front of a coordinator, as a proxy of its own: it can hang up on its clients."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from contextlib import suppress

import trustme

_CHUNK = 65536


def server_context():
    """A certificate for localhost that nobody trusts; the clients here do not look at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


class TlsProxy:
    """
    Takes TLS from clients and passes on what is in it.

    Attributes:
        host, port: Where it listens.
        accepted: How many clients came.
    """

    def __init__(self, coordinator, context):
        self._upstream = (coordinator.host, coordinator.port)
        self._context = context
        self._clients = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self.accepted = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.refuse()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def refuse(self):
        """Listen no more: the coordinator has died."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def hang_up(self, *, reset=False):
        """Close all connections, by an end of file or by a reset."""
        clients, self._clients = self._clients, []
        for client in clients:
            with suppress(OSError):
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                else:
                    client.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain):
        with suppress(OSError, ValueError), plain:
            with self._context.wrap_socket(plain, server_side=True) as client:
                with socket.create_connection(self._upstream) as upstream:
                    self._clients.append(client)
                    self._pump(client, upstream)

    def _pump(self, client, upstream):
        while True:
            ready = [client] if client.pending() else select.select([client, upstream], [], [])[0]
            for source in ready:
                data = source.recv(_CHUNK)
                if not data:
                    return
                (upstream if source is client else client).sendall(data)
