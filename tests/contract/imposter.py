"""Servers that say what a test wants, in SASL or over HTTP, to clients that come with a ticket."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from contextlib import suppress

from impala_ha import Coordinator

ADDRESS = "127.85.0.1"
LIMIT = 10.0


class Imposter:
    """
    Listens, and lets `talk(imposter, connection)` answer each client.

    Attributes:
        after: What came once `talk` had returned, of all clients.
        heard: What `talk` put there.
    """

    def __init__(self, talk, context=None, address=ADDRESS):
        self._talk = talk
        self._context = context
        self._listener = socket.create_server((address, 0))
        self.where = Coordinator(address, self._listener.getsockname()[1], krb_host="coord1.test")
        self.after = self.heard = b""
        self.clients = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(LIMIT)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.clients += 1
            client.settimeout(LIMIT)
            with suppress(OSError, EOFError), client:
                if self._context:
                    client = self._context.wrap_socket(client, server_side=True)
                with client:
                    self._talk(self, client)
                    while more := client.recv(65536):
                        self.after += more


def exactly(client, size):
    got = b""
    while len(got) < size:
        more = client.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def receive(client):
    """Status and payload of one message of SASL."""
    status, size = struct.unpack(">BI", exactly(client, 5))
    return status, exactly(client, size)


def send(client, status, payload=b""):
    """One message of SASL."""
    client.sendall(struct.pack(">BI", status, len(payload)) + payload)


def request(client):
    """Head and body of one HTTP request."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(client, 1)
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return head, exactly(client, int(lines[b"Content-Length"]))


def answered(client, *headers, status="200 OK"):
    """An HTTP answer without a body."""
    lines = [f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]
    client.sendall("\r\n".join(lines).encode())


def negotiate(token):
    """The header in which a server shows a token of its own."""
    return f"WWW-Authenticate: Negotiate {base64.b64encode(token).decode()}"


def end(client):
    """End of file."""
    client.shutdown(socket.SHUT_RDWR)


def reset(client):
    """RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class Relay:
    """Passes on to a genuine coordinator until it is told to answer by itself."""

    def __init__(self, behind):
        self.behind = behind
        self.turned = False

    def __call__(self, imposter, client):
        with socket.create_connection(self.behind) as server:
            while True:
                head, body = request(client)
                if self.turned:
                    imposter.heard += head + body
                    answered(client, status="401 Unauthorized")
                    continue
                server.sendall(head + body)
                client.sendall(server.recv(65536))
