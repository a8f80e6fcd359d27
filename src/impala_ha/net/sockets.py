"""
A socket that keeps a deadline.

Thrift's time-outs count per ``recv``, so a server that drips a byte now and then holds a client
for ever; here a deadline covers all that happens until it is lifted.  impyla re-opens a transport
that says it is closed, behind the caller's back; this socket is opened once and never again.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Callable

from thrift.transport.TTransport import TTransportException

from impala_ha.core.coroutine import Coroutine
from impala_ha.core.interruption import from_signal_handler, from_socket, suppress
from impala_ha.core.trace import tracing

from .connecting import ConnectingSocket, is_ready, ready, wait, when_ready

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_UNASKED = "a reply that nobody waits for"
_AHEAD = 2**16  # bytes; as thrift asks for
_PIECE = 2**22  # bytes; no room is made for more than that before it has come
_NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 seconds
_PROBES = 2  # that fail in a row before a silent coordinator is given up
_STALL = 60.0  # seconds, where nobody probes
_BRIEFLY, _MOMENT = 1.0, 0.25  # seconds for finding out whether a port is open, and stays so
_SLOWEST = 2**10  # bytes in `Socket.stall_timeout` seconds: one segment of TCP on a bad link


class Socket(ConnectingSocket):
    """
    A TCP or TLS socket for one connection.

    Attributes:
        written: Whether anything was handed to the system for the call that is under way.
        probe: Called after each `probe_after` seconds without an answer; returns what is wrong
            with the coordinator, empty if nothing is.
        stall_timeout: Seconds in which some of an answer must come, once its first byte has: who
            has begun to answer does not compute any more, whatever a probe says.
        small: Whether all of it must come in that time: a head of HTTP.
        hung_up: Whether another thread ended what waited here.

    Args:
        host: Where to connect.
        port: At that host.
        clock: For deadlines.
        context: TLS; None for none.
        name: Whose certificate is to be shown; that of *host* by default.
    """

    written = False
    probe: Callable[[], str] | None = None
    probe_after = 0.0
    stall_timeout = _STALL
    small = False
    _since: float | None = None  # when the answer began, or enough of it had come; None: not yet
    _came = 0  # bytes since then
    hung_up = False
    _ahead = b""  # of an answer, which `arriving` has read

    def read(self, size: int) -> bytes:
        """Up to *size* bytes; the coordinator is looked after while it says nothing."""
        if self.deadline is None and self._since is not None:
            got = self._more(size, self._since)
        elif self.deadline is None and self.probe is not None:
            got = self._first(size, self.probe)
        else:
            got = self._receive(size, self._limit(self._timeout))
        self._came += len(got)
        if self._since is None or (self._came >= _SLOWEST and not self.small):
            self._since, self._came = self._clock.now(), 0
        return got

    def arriving(self) -> Coroutine[None]:
        """Until an answer begins, or `read` would say that none did in time."""
        with suppress(TimeoutError):
            while not self._ahead:
                yield from ready(self.handle, select.POLLIN, self._remaining())
                if self._context is None:
                    return
                try:  # what came may be of TLS itself
                    self._ahead = self._receive(_AHEAD, limit=0)
                except TTransportException as error:
                    if error.type != TTransportException.TIMED_OUT:
                        raise

    def await_answer(self) -> None:
        """From here on another answer is waited for, which may take its time."""
        self._since, self._came = None, 0

    def _first(self, size: int, probe: Callable[[], str]) -> bytes:
        """What an answer begins with."""
        start = self._clock.now()
        wrong: list[str] = []
        while len(wrong) < _PROBES:
            left = float("inf")
            if self._timeout is not None:
                left = self._timeout - (self._clock.now() - start)
            try:
                return self._receive(size, self._limit(max(0.001, min(left, self.probe_after))))
            except TTransportException as error:
                if error.type != TTransportException.TIMED_OUT or left <= self.probe_after:
                    raise
            why = probe()
            wrong = [*wrong, why] if why else []
        silent = self._clock.now() - start
        text = f"read timeout: no answer for {silent:.0f} s, nor to {_PROBES} probes: {wrong[-1]}"
        raise TTransportException(TTransportException.TIMED_OUT, text)

    def _more(self, size: int, since: float) -> bytes:
        """What follows in an answer that has begun."""
        left = since + self.stall_timeout - self._clock.now()
        if self._timeout is not None and self._timeout < left:
            return self._receive(size, self._limit(self._timeout))
        try:
            return self._receive(size, self._limit(max(0.001, left)))
        except TTransportException as error:
            if error.type != TTransportException.TIMED_OUT:
                raise
            text = f"the answer broke off: {self._came} more bytes came in {self.stall_timeout:g} s"
            raise TTransportException(message=text, inner=error.inner) from error

    def _receive(self, size: int, limit: float | None) -> bytes:
        """Up to *size* bytes, within *limit* seconds."""
        got: bytes
        handle = self.handle
        if self._ahead:
            got, self._ahead = self._ahead[:size], self._ahead[size:]
            return got
        try:
            if self._context is None:
                wait(handle, select.POLLIN, limit)  # hardly ever is it there already
            got = when_ready(handle, handle.recv, size, limit)
        except Exception as error:
            if not from_socket(error, handle) or not isinstance(error, OSError):
                raise
            late = isinstance(error, TimeoutError)
            raise _failed(error, "read timeout" if late else "unexpected exception") from error
        if not got:
            raise TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes")
        return got

    def readAll(self, size: int) -> bytes:
        """Exactly *size* bytes; thrift's own copies what it has with each piece that comes."""
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self.read(min(size, _PIECE)))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def write(self, buffer: bytes) -> None:
        """All of *buffer*."""
        usual = (
            self.stall_timeout if self._timeout is None else min(self._timeout, self.stall_timeout)
        )
        limit = self._limit(usual)
        self.written = True
        self.await_answer()
        handle, left = self.handle, memoryview(buffer)
        try:
            with contextlib.suppress(*_WOULD_BLOCK):  # nearly always all of it is taken at once
                left = left[handle.send(left) :]
            while left:
                left = left[when_ready(handle, handle.send, left, limit) :]
        except Exception as error:
            if not from_socket(error, handle) or not isinstance(error, OSError):
                raise
            if isinstance(error, TimeoutError):
                text = f"write timeout: nothing was taken for {limit:g} s"
                raise _failed(error, text) from error
            why = self._tls_alert() or error
            raise _failed(why, "unexpected exception") from why

    def _tls_alert(self) -> ssl.SSLError | None:
        """
        Why the other side hung up, if it said so.

        In TLS 1.3 a client's certificate is refused after the handshake has ended for the client,
        which may be writing then, and finds the connection closed before it has read why.
        """
        if self._context is None:
            return None
        try:
            self.handle.recv(1)
        except ssl.SSLError as error:
            if "ALERT" in str(error):
                return error
        except OSError as error:
            if not from_socket(error, self.handle):
                raise
        return None

    def _limit(self, usual: float | None) -> float | None:
        """How long the next step may take: as the deadline says, or *usual* seconds without one."""
        if self.handle is None or self.hung_up:
            raise TTransportException(TTransportException.NOT_OPEN, "the connection is closed")
        if self.deadline is None:
            return usual
        try:
            return self._remaining()
        except TimeoutError as error:
            raise TTransportException(
                TTransportException.TIMED_OUT, "read timeout", error
            ) from error

    def name_requests(self, request_id: str) -> None:
        """Do nothing: only requests over HTTP have a name."""

    def set_deadline(self, seconds: float) -> None:
        """Let all that happens from now on take *seconds* together, until `clear_deadline`."""
        self.deadline = self._clock.now() + seconds

    @property
    def left(self) -> float:
        """Seconds of the limit that are left."""
        end = self._clock.now() if self.deadline is None else self.deadline
        return max(0.001, end - self._clock.now())

    def clear_deadline(self) -> None:
        """End the deadline: from here on the time-out of a single read counts again."""
        self.deadline = None

    def readable(self) -> bool:
        """Has something come, or has the other side hung up?"""
        if self._ahead or (self._context and self.handle.pending()):
            return True
        return is_ready(self.handle, select.POLLIN, 0)

    def dropped(self) -> str:
        """What is wrong with a connection on which no call is under way; empty if it is well."""
        if self.handle is None:
            return "the connection is closed"
        if self._ahead:
            return _UNASKED
        try:
            # Nothing is owed to us, so a byte is as wrong as an end of file.  TLS cannot peek.
            peeked = self.handle.recv(1, 0 if self._context else socket.MSG_PEEK)
        except _WOULD_BLOCK:
            return ""
        except OSError as error:
            if not from_socket(error, self.handle):
                raise
            return f"unexpected exception: {error}"
        return _UNASKED if peeked else "TSocket read 0 bytes"

    def is_gone(self) -> bool:
        """
        Does nobody listen any more where this was connected to?

        A process that dies may take connections for a moment yet, and resets them then.
        """
        again = ConnectingSocket(self.host, self.port, self._clock)
        again.pinned = self.peer
        again.deadline = self._clock.now() + _BRIEFLY
        try:
            with tracing(lambda *_: None):
                again.open()
            again.handle.settimeout(_MOMENT)
            return not again.handle.recv(1)
        except (OSError, TTransportException) as error:
            if from_signal_handler(error):
                raise
            return not isinstance(error, TimeoutError)
        finally:
            again.close()

    def hang_up(self) -> None:
        """End what another thread waits for here; that thread closes the socket then."""
        self.hung_up = True
        with suppress(OSError, TypeError):  # not the method of TLS, which ends TLS first
            socket.socket.shutdown(self.handle, socket.SHUT_RDWR)
        getattr(self.probe, "cancel", lambda: None)()

    def abort(self) -> None:
        """Close with a reset: what the other side has not been given yet is never delivered."""
        if self.handle is not None:
            with suppress(OSError):
                self.handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close()

    def close(self) -> None:
        """Close without TLS's close_notify, which could block."""
        handle, self.handle = self.handle, None
        if handle is not None:
            with suppress(OSError):
                handle.close()


def _failed(error: OSError, text: str) -> TTransportException:
    """As thrift's own socket tells it."""
    kind = TTransportException.UNKNOWN
    if isinstance(error, TimeoutError):
        kind = TTransportException.TIMED_OUT
    return TTransportException(kind, text, error)
