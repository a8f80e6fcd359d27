"""The socket under a connection: bytes in, bytes out, in clear or under TLS, and how it ends.

It ends in order, with TLS's close_notify; or with a bare FIN or RST, as when a process dies, a
firewall forgets or somebody pulls the cable.  Whatever happens to it is a Thrift exception, because
Thrift's processor lets these through and would answer any other.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING, NoReturn

from thrift.transport.TTransport import TTransportException

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 16
# Seconds for which a client is heard out that got its last answer.
_LINGER = 1.0
_MOST_AT_ONCE = 1 << 20


class SocketStream:
    """An accepted socket.

    Args:
        sock: The socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._hung_up = False

    @property
    def is_open(self) -> bool:
        """Whether the socket is open on our side."""
        return self._sock.fileno() >= 0

    def secure(self, context: ssl.SSLContext) -> None:
        """Shake hands for TLS, which is below everything from then on."""
        with _as_thrift_errors():
            # In two steps, so that `hang_up` reaches a handshake that waits.
            self._sock = secured = context.wrap_socket(
                self._sock, server_side=True, do_handshake_on_connect=False
            )
            if self._hung_up:
                # Perhaps on the socket that was, a moment ago.
                raise ConnectionAbortedError("hung up")
            secured.do_handshake()

    def receive(self, most: int) -> bytes:
        """Receive what there is, at least one byte and at most *most*."""
        with _as_thrift_errors():
            data = self._sock.recv(most)
        if not data:
            raise TTransportException(TTransportException.END_OF_FILE, "the client hung up")
        return data

    def receive_exactly(self, size: int) -> bytes:
        """Receive *size* bytes."""
        chunks = []
        while size > 0:
            chunks.append(self.receive(min(size, _MOST_AT_ONCE)))
            size -= len(chunks[-1])
        return b"".join(chunks)

    def send(self, data: bytes) -> None:
        """Send *data*."""
        with _as_thrift_errors():
            self._sock.sendall(data)

    def hang_up(self) -> None:
        """End the connection from another thread: the one that reads it wakes up and closes it."""
        self._hung_up = True
        with contextlib.suppress(OSError):
            # Not TLS's own, which forgets the keys: the other thread would go on in clear.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, with a close_notify where there is TLS.  May be called twice."""
        if isinstance(self._sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                # The client's own close_notify is not waited for.
                self._sock.setblocking(False)
                self._sock.unwrap()
        self._sock.close()

    def finish(self) -> NoReturn:
        """End the connection behind the last answer, so that the client reads it.

        Bytes of the client that come to a closed socket would turn the end into a reset, which may
        overtake the answer: they are read for a while.
        """
        with contextlib.suppress(OSError, ValueError):
            self._sock.settimeout(_LINGER)
            if isinstance(self._sock, ssl.SSLSocket):
                self._sock = self._sock.unwrap()
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(_CHUNK):
                pass
        raise TTransportException(TTransportException.END_OF_FILE, "the last answer was given")

    def end(self, how: str) -> NoReturn:
        """Cut the connection: *how* is ``"fin"`` (end of file) or ``"rst"`` (reset)."""
        # Past TLS, which would send close_notify.
        cut(socket.socket(fileno=self._sock.detach()), how)
        raise TTransportException(TTransportException.END_OF_FILE, "cut on request")


def cut(sock: socket.socket, how: str) -> None:
    """End *sock* at once: with an end of file (``"fin"``) or a reset (``"rst"``)."""
    if how == "rst":
        # A linger of zero makes close() send a reset and drop what was not sent.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            # Unread bytes at close() would turn the FIN into a reset.
            sock.setblocking(False)
            while sock.recv(_CHUNK):
                pass
    sock.close()


@contextlib.contextmanager
def _as_thrift_errors() -> Iterator[None]:
    """Raise what Thrift's processor lets through: it would answer any other exception."""
    try:
        yield
    except OSError as error:
        raise TTransportException(TTransportException.END_OF_FILE, str(error)) from error
