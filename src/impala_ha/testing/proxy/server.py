"""The thread of a proxy: it accepts clients, moves their bytes, and takes orders.

Nothing else touches the rules and the connections, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from impala_ha.testing.proxy.connection import Message, ProxyConnection
from impala_ha.testing.proxy.rules import Rules
from pocket_impala.coordinator.stream import cut

Address = tuple[str, int]
Got = TypeVar("Got")

_REMEMBERED = 10_000
_BACKLOG = 128


class ProxyServer:
    """A listening socket and the thread that serves it, from construction to `stop`.

    Args:
        upstream: Where connections lead.
        listen: Where they come from.
        rules: What happens to them.
        tls: If TLS is to be ended here.

    Raises:
        OSError: The address is taken.

    Attributes:
        address: Where it listens.
        open: The connections that are open now.
        counts: The bytes of each connection there was, in order.
        messages: The last messages that passed whole.
    """

    def __init__(
        self, upstream: Address, listen: Address, rules: Rules, tls: ssl.SSLContext | None
    ) -> None:
        family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        self._listener = socket.create_server(listen, family=family, backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.address: Address = self._listener.getsockname()[:2]
        self.open: set[ProxyConnection] = set()
        self.counts: list[dict[str, int]] = []
        self.messages: deque[Message] = deque(maxlen=_REMEMBERED)
        self._upstream = upstream
        self._rules = rules
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(
            target=self._serve, name=f"fault proxy at port {self.address[1]}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End all connections; the thread is gone when this returns."""
        self.do(self._stopped.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def do(self, order: Callable[[], Got]) -> Got:
        """Let the thread do *order*; return what comes of it."""

        async def done() -> Got:
            return order()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result()

    def end_all(self, how: str) -> int:
        """End all connections by ``"fin"`` or ``"rst"``; return how many."""
        for connection in self.open:
            connection.end(how)
        return len(self.open)

    def _serve(self) -> None:
        with contextlib.closing(self._loop), self._listener:
            self._loop.run_until_complete(self._accept_until_stopped())

    async def _accept_until_stopped(self) -> None:
        accepting = asyncio.create_task(self._accept())
        await self._stopped.wait()
        accepting.cancel()
        self.end_all("fin")
        await asyncio.gather(accepting, *self._tasks, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            sock, _ = await self._loop.sock_accept(self._listener)
            if self._rules.refusing:
                cut(sock, "rst")
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = len(self.counts) + 1
            connection = ProxyConnection(number, sock, self._rules, self._tls, self.messages.append)
            self.counts.append(connection.bytes)
            self.open.add(connection)
            task = self._loop.create_task(connection.run(self._upstream))
            self._tasks.add(task)
            task.add_done_callback(functools.partial(self._ended, connection))

    def _ended(self, connection: ProxyConnection, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.open.discard(connection)
        self._failure = self._failure or task.exception()
