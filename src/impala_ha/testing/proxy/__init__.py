"""A proxy that breaks connections where a test wants them broken.

    with FaultProxy(cluster[0].address) as proxy:
        connection = impala_ha.connect([proxy.address, cluster[1].address])
        proxy.cut("FetchResults:response", 100, how="rst")

It stands before one server, any that speaks TCP, and passes on what it gets.  All bytes are moved
by one thread, to which orders are handed over: an order holds as soon as its call returns, and the
thread ends with the proxy.

A place is a direction (``"to_server"``, ``"to_client"``), whose bytes are counted from the start of
a connection, or a phase (``"ExecuteStatement:request"``, ``"FetchResults:response"`` and so on, any
RPC; ``"SASL:request"`` in the negotiation; ``"HTTP:response"`` for an answer of HTTP without one),
whose bytes are counted from the start of each message, over HTTP from that of its head.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from impala_ha.testing.proxy.orders import Orders
from impala_ha.testing.proxy.rules import DIRECTIONS, ProxyFault, Rules
from impala_ha.testing.proxy.server import Address, ProxyServer

if TYPE_CHECKING:
    from typing_extensions import Self

    from impala_ha.testing.proxy.connection import Message

_LAST_PORT = 65535


class FaultProxy(Orders):
    """A TCP proxy before one coordinator, with faults to order.  A context manager.

    Messages are recognised over HTTP and in the binary protocol, plain or with SASL PLAIN, and also
    under TLS if the proxy ends it (*tls*).  TLS that goes through to the server and Kerberos with
    encryption can only be broken by bytes; an order for a phase never happens there.

    Args:
        upstream: Where the server is, ``"host:port"``.
        listen: Where clients connect, ``"host:port"``; port 0 is any that is free.
        tls: Certificate and rules of a TLS server: clients speak TLS with the proxy, and the
            server need not know any.  None passes on whatever comes.

    Raises:
        ValueError: *upstream* or *listen* is no address.
    """

    def __init__(
        self, upstream: str, *, listen: str = "127.0.0.1:0", tls: ssl.SSLContext | None = None
    ) -> None:
        self._upstream = _address("upstream", upstream, lowest=1)
        self._listen = _address("listen", listen, lowest=0)
        self._tls = tls
        self._server: ProxyServer | None = None

    def __repr__(self) -> str:
        where = self.address if self._server is not None else "not running"
        return f"<FaultProxy {where}, before {_text(self._upstream)}>"

    def __enter__(self) -> Self:
        return self if self._server is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Listen; clients can connect when this returns.

        Raises:
            OSError: The address is taken.
            RuntimeError: It runs already.
        """
        if self._server is not None:
            raise RuntimeError(f"{self!r} runs already")
        self._rules = Rules()
        self._server = ProxyServer(self._upstream, self._listen, self._rules, self._tls)
        return self

    def stop(self) -> None:
        """Close all connections and stop listening.  May be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    # -- what passed -----------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where clients connect, such as ``"127.0.0.1:40000"``."""
        return _text(self._running().address)

    @property
    def connections(self) -> int:
        """How many clients have connected, those that were refused left out."""
        return len(self._running().counts)

    @property
    def open(self) -> int:
        """How many are connected now."""
        return len(self._running().open)

    def bytes(self, direction: str, connection: int | None = None) -> int:
        """Count the bytes that have passed, as the client sees them.

        Args:
            direction: ``"to_server"`` or ``"to_client"``.
            connection: Which connection, from 1; None for all together.
        """
        if direction not in DIRECTIONS:
            raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}, not {direction!r}")
        counts = self._running().counts
        if connection is not None:
            return counts[connection - 1][direction]
        return sum(count[direction] for count in list(counts))

    @property
    def messages(self) -> list[Message]:
        """The messages that passed whole, oldest first; of many, the last 10,000."""
        server = self._running()
        return server.do(lambda: list(server.messages))

    @property
    def faults_fired(self) -> list[ProxyFault]:
        """The cuts and corruptions that have happened, oldest first."""
        return self._running().do(lambda: list(self._rules.fired))

    def _running(self) -> ProxyServer:
        if self._server is None:
            raise RuntimeError("the proxy is not running")
        return self._server


def _address(name: str, text: str, *, lowest: int) -> Address:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and lowest <= int(port) <= _LAST_PORT):
        raise ValueError(f"{name} must be 'host:port' with a port from {lowest}, not {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _text(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
