"""Between a client and a real server: what passes, how often somebody connects, and a cut."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path

_ESTABLISHED = "01"
_END_WITHIN = 10.0


def links(server):
    """How many TCP connections to *server* are open, seen from the kernel."""
    table = Path("/proc/net/tcp").read_text(encoding="ascii")
    lines = [line.split() for line in table.splitlines()[1:]]
    address = "".join(f"{byte:02X}" for byte in reversed(socket.inet_aton(server.host)))
    wanted = f"{address}:{server.port:04X}"
    return sum(line[2] == wanted and line[3] == _ESTABLISHED for line in lines)


class WireTap:
    """
    A relay on 127.0.0.1 that keeps every byte: ``heard``, and counts ``connections``.

    With the *certificate* of 127.0.0.1 it ends TLS, hears what was said in it, and speaks TLS to
    the server.
    """

    def __init__(self, server, certificate=None):
        self._certificate = certificate
        self.host = "127.0.0.1"
        self.heard = bytearray()
        self.connections = 0
        self._behind = (server.host, server.port)
        self._gate = socket.create_server((self.host, 0))
        self.port = self._gate.getsockname()[1]
        self._ends = []
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        # A close alone does not wake who waits in accept().
        self._gate.shutdown(socket.SHUT_RDWR)
        self._gate.close()
        self._threads[0].join(_END_WITHIN)
        self.cut()
        for thread in self._threads[1:]:
            thread.join(_END_WITHIN)
        for end in self._ends:
            end.close()

    def cut(self):
        """End every connection that is open."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._gate.accept()
                self.connections += 1
                behind = socket.create_connection(self._behind)
                if self._certificate:
                    client, behind = self._in_tls(client, behind)
                self._ends += [client, behind]
                pump = self._pump_tls if self._certificate else self._pump
                ways = ((client, behind), (behind, client))
                for ends in ways[:1] if self._certificate else ways:
                    self._threads.append(threading.Thread(target=pump, args=ends))
                    self._threads[-1].start()

    def _in_tls(self, client, behind):
        front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        front.load_cert_chain(self._certificate)
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        return front.wrap_socket(client, server_side=True), anybody.wrap_socket(behind)

    def _pump_tls(self, client, behind):
        """Both ways in one thread: two may not use one connection of OpenSSL."""
        ways = {client: behind, behind: client}
        with contextlib.suppress(OSError, ValueError):
            while True:
                for source in [e for e in ways if e.pending()] or select.select([*ways], [], [])[0]:
                    source.settimeout(0)
                    try:
                        data = source.recv(65536)
                    except ssl.SSLWantReadError:
                        continue  # it was about TLS itself: a session ticket
                    finally:
                        source.settimeout(None)
                    if not data:
                        raise ConnectionAbortedError
                    self.heard.extend(data)
                    ways[source].sendall(data)
        for end in ways:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _pump(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.heard.extend(data)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
