"""One connection through a proxy: two sockets, two streams, and the end.

    client -- bytes -- [TLS] -- messages -- server

Orders that count bytes are met where the client's bytes pass, encrypted or not; orders that name
a phase are met behind the TLS, where messages can be seen.  Each stream is moved by a task of its
own.  The first that has to end the connection says how, the other is cancelled, and only then are
the sockets closed: both in the same way, as if the line between them had broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impala_ha.testing.proxy.client import ClientSide, End
from impala_ha.testing.proxy.messages import Piece, Reader, Talk
from impala_ha.testing.proxy.rules import TO_CLIENT, TO_SERVER, ProxyFault, Rules
from pocket_impala.coordinator.stream import cut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True, slots=True)
class Message:
    """A message that passed a `FaultProxy` whole.

    Attributes:
        connection: Which connection, from 1.
        phase: ``"ExecuteStatement:request"`` and so on; ``"SASL:request"`` and
            ``"SASL:response"`` in the negotiation.
        end: How many bytes had passed in its direction when it was through, as the client counts.
    """

    connection: int
    phase: str
    end: int


class ProxyConnection(ClientSide):
    """One connection through a proxy.

    Args:
        number: Which, from 1.
        client: The accepted socket.
        rules: The faults of the proxy.
        tls: If TLS is to be ended here.
        note: Is told of each message that passed whole.
    """

    def __init__(
        self,
        number: int,
        client: socket.socket,
        rules: Rules,
        tls: ssl.SSLContext | None,
        note: Callable[[Message], None],
    ) -> None:
        super().__init__(number, client, rules, tls)
        self._note = note
        self._server: socket.socket | None = None
        talk = Talk()
        self._requests = Reader(talk, "request")
        self._responses = Reader(talk, "response")
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, how: str) -> None:
        """End it from outside, by ``"fin"`` or ``"rst"``."""
        if not self._over.done():
            self._over.set_result(how)

    async def run(self, upstream: tuple[str, int]) -> None:
        """Pass bytes until the connection ends."""
        how = "rst"  # also where the server cannot be reached: nobody else says so to the client
        try:
            with contextlib.suppress(OSError):
                how = await self._run(upstream)
            if how == "silence":
                how = await self._over
        finally:
            for sock in (self._client, self._server):
                if sock is not None:
                    with contextlib.suppress(OSError):
                        cut(sock, how)

    async def _run(self, upstream: tuple[str, int]) -> str:
        if order := self._meet("connect", 0, b"", last=True)[1]:
            return order.how
        self._server = await _connected(upstream)
        tasks = [
            asyncio.create_task(pump)
            for pump in (self._pump_to_server(self._server), self._pump_to_client(self._server))
        ]
        try:
            return await self._until_over(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_over(self, tasks: list[asyncio.Task[None]]) -> str:
        pending: set[asyncio.Future[str] | asyncio.Task[None]] = {*tasks, self._over}
        while pending - {self._over}:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if self._over.done():
                return self._over.result()
            for task in done:
                if how := _how(task):
                    return how
        return "fin"

    # -- the two streams -------------------------------------------------------------------------

    async def _pump_to_server(self, server: socket.socket) -> None:
        send = _sender(server)
        self._stop(self._meet(TO_SERVER, 0, b"")[1])
        async with contextlib.aclosing(self._arriving(self._client, TO_SERVER)) as arriving:
            async for data in arriving:
                passed, order = self._meet(TO_SERVER, self.bytes[TO_SERVER], data)
                self.bytes[TO_SERVER] += len(passed)
                await self._relay(self._requests.feed(await self._decrypted(passed)), send)
                if order is not None:
                    await self._relay(self._requests.rest(), send)
                    raise End(order.how)
                if self._tls is not None and self._tls.over:
                    break
        await self._relay(self._requests.rest(), send)
        server.shutdown(socket.SHUT_WR)

    async def _pump_to_client(self, server: socket.socket) -> None:
        self._stop(self._meet(TO_CLIENT, 0, b"")[1])
        async for data in self._arriving(server, TO_CLIENT):
            await self._relay(self._responses.feed(data), self._encrypted)
        await self._relay(self._responses.rest(), self._encrypted)
        if self._tls is not None:
            await self._to_client(self._tls.goodbye())
        self._client.shutdown(socket.SHUT_WR)

    async def _relay(
        self,
        pieces: list[Piece],
        send: Callable[[bytes], Awaitable[tuple[bool, ProxyFault | None]]],
    ) -> None:
        """Send *pieces* on, with what was ordered for their phases."""
        for piece in pieces:
            if piece.phase and piece.at == 0:
                await self._rules.permit(piece.phase)
            data, order = self._meet(piece.phase, piece.at, piece.data, last=piece.last)
            through, byte_order = True, None
            if data or not order:
                through, byte_order = await send(piece.front + data)
            if piece.last and through and len(data) == len(piece.data):
                direction = TO_SERVER if piece.phase.endswith("request") else TO_CLIENT
                self._note(Message(self._number, piece.phase, self.bytes[direction]))
            self._stop(order or byte_order)


async def _connected(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _sender(sock: socket.socket) -> Callable[[bytes], Awaitable[tuple[bool, ProxyFault | None]]]:
    async def send(data: bytes) -> tuple[bool, ProxyFault | None]:
        await asyncio.get_running_loop().sock_sendall(sock, data)
        return True, None

    return send


def _how(task: asyncio.Future[str] | asyncio.Task[None]) -> str:
    """How *task* wants the connection to end; ``""`` if it only has nothing more to pass."""
    error = task.exception()
    if error is None:
        return ""
    if isinstance(error, End):
        return error.how
    if isinstance(error, OSError):
        return "rst"
    raise error
