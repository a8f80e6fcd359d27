"""The client's side of a connection through a proxy: where bytes are counted, and TLS ends.

Orders that count bytes are met here, orders for phases where messages can be seen; both are looked
up in the same way.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from impala_ha.testing.proxy.rules import CORRUPT, TO_CLIENT, TO_SERVER, ProxyFault, Rules
from impala_ha.testing.proxy.tls import Terminator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_CHUNK = 1 << 16


class End(Exception):
    """The connection ends now."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class ClientSide:
    """The socket of one client of a proxy.

    Args:
        number: Which client, from 1.
        client: Its socket.
        rules: The faults of the proxy.
        tls: If TLS is to be ended here.

    Attributes:
        bytes: How many bytes have passed in each direction, as the client counts.
    """

    def __init__(
        self, number: int, client: socket.socket, rules: Rules, tls: ssl.SSLContext | None
    ) -> None:
        self.bytes = {TO_SERVER: 0, TO_CLIENT: 0}
        self._number = number
        self._client = client
        self._rules = rules
        self._tls = None if tls is None else Terminator(tls)
        self._writing = asyncio.Lock()

    async def _decrypted(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        clear, answer = self._tls.receive(data)
        if answer:
            self._stop((await self._to_client(answer))[1])
        return clear

    async def _arriving(self, sock: socket.socket, direction: str) -> AsyncGenerator[bytes, None]:
        """What comes from *sock*, as fast as the rules permit."""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, _CHUNK):
            while data:
                await self._rules.permit(direction)
                size = self._rules.portion(direction, len(data))
                yield data[:size]
                await self._rules.pace(direction, size)
                data = data[size:]

    async def _encrypted(self, data: bytes) -> tuple[bool, ProxyFault | None]:
        return await self._to_client(data, encrypt=self._tls is not None)

    async def _to_client(
        self, data: bytes, *, encrypt: bool = False
    ) -> tuple[bool, ProxyFault | None]:
        """Send the client's own bytes; say whether all have passed, and what happens next."""
        async with self._writing:  # records of TLS must leave in the order in which they were made
            if encrypt and self._tls is not None:
                data = self._tls.send(data)
            passed, order = self._meet(TO_CLIENT, self.bytes[TO_CLIENT], data)
            self.bytes[TO_CLIENT] += len(passed)
            await asyncio.get_running_loop().sock_sendall(self._client, passed)
        return len(passed) == len(data), order

    def _meet(
        self, where: str, start: int, data: bytes, *, last: bool = False
    ) -> tuple[bytes, ProxyFault | None]:
        """Return what may pass of *data*, and the order that ends it there."""
        end = start + len(data)
        while order := self._rules.take(where, self._number, start, end, last=last):
            at = order.byte - start
            if order.how != CORRUPT:
                return data[:at], order
            data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        return data, None

    @staticmethod
    def _stop(order: ProxyFault | None) -> None:
        if order is not None:
            raise End(order.how)
