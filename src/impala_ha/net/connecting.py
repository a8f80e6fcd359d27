"""From a host's name to a connected socket, with TLS or without, within a deadline."""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TTransportException

from impala_ha.core.clock import Clock
from impala_ha.core.coroutine import Coroutine, Got, run
from impala_ha.core.forks import GATE
from impala_ha.core.interruption import from_signal_handler, from_socket, poll
from impala_ha.core.timeouts import in_thread
from impala_ha.core.trace import Step, trace

_LONGEST = 2**31 - 1  # milliseconds that poll() takes
Address: TypeAlias = tuple[int, int, int, str, tuple[object, ...]]  # as getaddrinfo has it


class ConnectingSocket(TSocket):  # type: ignore[misc]  # thrift is not typed
    """
    A socket that connects, and can be left while it does.

    Attributes:
        deadline: When all must be done, in seconds of the clock; None: a read's time-out counts.
        peer: The address that it was connected to last, as ``getaddrinfo`` has it; None before.
        pinned: The one address that it may be connected to, in the same form; None: any.
    """

    def __init__(
        self,
        host: str,
        port: int,
        clock: Clock,
        context: ssl.SSLContext | None = None,
        name: str | None = None,
    ):
        super().__init__(host, port)
        self.handle: Any = None
        self._name = name or host
        self._clock = clock
        self._context = context
        self.peer: Address | None = None
        self.pinned: Address | None = None
        self.deadline: float | None = None

    def isOpen(self) -> bool:
        """Say yes, always: impyla re-opens a transport that says no."""
        return True

    def open(self) -> None:
        """Connect to the first address that answers; they share the deadline."""
        run(self.opening())

    def opening(self) -> Coroutine[None]:
        """`open`, which can be left while it waits."""
        try:
            addresses = yield from self._addresses()
        except (OSError, UnicodeError) as error:  # the latter for a name that cannot be one
            if from_signal_handler(error):
                raise
            text = f"failed to resolve sockaddr for {self.host}:{self.port}: {error}"
            raise TTransportException(TTransportException.NOT_OPEN, text, error) from error
        trace(Step.RESOLVED, addresses)
        last: OSError | None = None
        self._reached = False  # did one of them take the connection?
        for position, entry in enumerate(addresses):
            family, kind, _, _, address = entry
            handle = _unconnected(family, kind, self._context, self._name)
            try:
                yield from self._connect(handle, address, shares=len(addresses) - position)
            except BaseException as error:
                handle.close()
                if not isinstance(error, OSError) or not from_socket(error, handle):
                    raise
                last = error
            else:
                self.peer = entry
                return
        tried = [address for *_, address in addresses]
        text = f"Could not connect to any of {tried}: {last}"
        failed = TTransportException(TTransportException.NOT_OPEN, text, last)
        failed.reached = self._reached
        raise failed from last

    def _addresses(self) -> Coroutine[list[Address]]:
        """The addresses of the host, within the deadline; only `pinned` where that is set."""
        if self.pinned is not None:
            return [self.pinned]
        if (family := _family(self.host)) is not None:
            rest = () if family is socket.AF_INET else (0, 0)
            address = (self.host, self.port, *rest)
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]
        if self.deadline is None:
            return self._look_up()
        late = "the name service did not answer in time"
        name = f"look up {self.host}"
        return (yield from in_thread(self._look_up, self._remaining(), name, late))

    def _look_up(self) -> list[Address]:
        with GATE.passing():  # the resolver has locks, and its first call imports an encoding
            return self._resolveAddr()  # type: ignore[no-any-return]  # thrift is not typed

    def _connect(
        self, handle: socket.socket, address: tuple[object, ...], shares: int
    ) -> Coroutine[None]:
        remaining = self._remaining()
        handle.settimeout(0)
        trace(Step.TRYING, address)
        try:
            handle.connect(address)
        except BlockingIOError:
            yield from ready(handle, select.POLLOUT, remaining and remaining / shares)
            if code := handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code)) from None
            if self._context is not None:
                _tell_connected(handle, address)
        self._reached = True
        trace(Step.CONNECTED, address)
        _keep_alive(handle)
        self._pass(handle)
        if isinstance(handle, ssl.SSLSocket):
            handle.settimeout(0)
            while events := _shake_hands(handle):
                yield from ready(handle, events, self._remaining())
            trace(Step.SECURED, handle)
        self.handle = handle

    def _pass(self, handle: socket.socket) -> None:
        """Say what must be said before TLS begins: nothing."""

    def _remaining(self) -> float | None:
        """Seconds that the next step may take."""
        if self.deadline is None:
            return self._timeout  # type: ignore[no-any-return]  # thrift is not typed
        left = self.deadline - self._clock.now()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def is_ready(handle: socket.socket, events: int, seconds: float | None) -> bool:
    """Is *handle* ready for *events*, or has it failed, within *seconds* (None: without limit)?"""
    if (number := handle.fileno()) < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # another thread closed it
    poller = select.poll()
    poller.register(number, events)
    if seconds is None or seconds == math.inf:
        return poll(poller, None)
    return poll(poller, min(_LONGEST, math.ceil(max(0.0, seconds) * 1000)))


def wait(handle: socket.socket, events: int, seconds: float | None) -> None:
    """
    Wait until *handle* is ready for *events*, or has failed.

    Raises:
        TimeoutError: It took more than *seconds* (None: without limit).
    """
    if not is_ready(handle, events, seconds):
        raise TimeoutError("timed out")


def when_ready(
    handle: socket.socket, step: Callable[[Any], Got], what: object, limit: float | None
) -> Got:
    """
    What *step* of *handle*, ``recv`` or ``send``, makes of *what*, once it need not wait.

    Raises:
        TimeoutError: It had to wait for more than *limit* seconds (None: without limit).
    """
    end: float | None = None
    while True:
        try:
            return step(what)
        except ssl.SSLWantReadError:
            events = select.POLLIN
        except ssl.SSLWantWriteError:
            events = select.POLLOUT
        except BlockingIOError:
            events = select.POLLIN if step == handle.recv else select.POLLOUT
        end = time.monotonic() + (math.inf if limit is None else limit) if end is None else end
        wait(handle, events, end - time.monotonic())


def ready(handle: socket.socket, events: int, seconds: float | None) -> Coroutine[None]:
    """As `wait`, and can be left meanwhile."""
    end = math.inf if seconds is None else time.monotonic() + seconds
    late = False

    def wait_for(patience: float | None) -> bool:
        nonlocal late
        left = end - time.monotonic()
        most = left if patience is None else min(left, patience)
        found = is_ready(handle, events, most)
        late = not found and most == left
        return found or late

    yield wait_for
    if late:
        raise TimeoutError("timed out")


def _shake_hands(handle: ssl.SSLSocket) -> int:
    """Go on with the handshake; what it must wait for, 0 at its end."""
    try:
        handle.do_handshake()
    except ssl.SSLWantReadError:
        return select.POLLIN
    except ssl.SSLWantWriteError:
        return select.POLLOUT
    return 0


def _tell_connected(handle: socket.socket, address: tuple[object, ...]) -> None:
    """Have TLS know that *handle* is connected, or a reset would hide the alert before it."""
    try:
        handle.connect(address)
    except OSError as error:
        if error.errno != errno.EISCONN:
            raise


def _family(host: str) -> socket.AddressFamily | None:
    """That of an address; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return family
    return None


def _unconnected(family: int, kind: int, tls: ssl.SSLContext | None, host: str) -> socket.socket:
    """Wrapped before it is connected: wrapping one that was reset meanwhile would leak it."""
    handle = socket.socket(family, kind)
    if tls is None:
        return handle
    name = host.rstrip(".")  # which keeps the resolver from adding a domain, and no certificate has
    return tls.wrap_socket(handle, server_hostname=name, do_handshake_on_connect=False)


def _keep_alive(handle: socket.socket) -> None:
    """Notice a host that vanished: after a minute of silence, probes 15 s apart, four of them."""
    for level, option, value in _KEEP_ALIVE:
        handle.setsockopt(level, option, value)


_KEEP_ALIVE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
_KEEP_ALIVE += [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
_KEEP_ALIVE += [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (
        *(("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)),
        ("TCP_USER_TIMEOUT", (60 + 4 * 15) * 1000),
    )
    if hasattr(socket, name)
]
