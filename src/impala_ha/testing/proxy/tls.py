"""The server's half of TLS, without a socket: bytes in, bytes out."""

from __future__ import annotations

import contextlib
import ssl

_CHUNK = 1 << 16


class Terminator:
    """Ends TLS for one connection.

    Args:
        context: The server's certificate and rules.

    Attributes:
        over: Whether the client said goodbye, or the handshake failed.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.over = False
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._greeted = False

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what the client sent; return what it means, and what to send back.

        What is to be sent back may be an alert: then `over` is set.
        """
        self._in.write(data)
        clear = []
        try:
            if not self._greeted:
                self._tls.do_handshake()
                self._greeted = True
            while part := self._tls.read(_CHUNK):
                clear.append(part)
            self.over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.over = True
        return b"".join(clear), self._out.read()

    def send(self, clear: bytes) -> bytes:
        """Encrypt *clear* for the client."""
        self._tls.write(clear)
        return self._out.read()

    def goodbye(self) -> bytes:
        """Return TLS's own end, which tells an end of file from a cut."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        return self._out.read()
