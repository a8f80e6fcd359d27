"""What a TCP connection is made of."""

from __future__ import annotations

import socket
import ssl

from impala_ha.core.interruption import suppress


def numeric(host: str) -> bool:
    """Is *host* an address, and no name?"""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return True
    return False


def unconnected(family: int, kind: int, tls: ssl.SSLContext | None, host: str) -> socket.socket:
    """Wrapped before it is connected: wrapping one that was reset meanwhile would leak it."""
    handle = socket.socket(family, kind)
    if tls is None:
        return handle
    name = host.rstrip(".")  # which keeps the resolver from adding a domain, and no certificate has
    return tls.wrap_socket(handle, server_hostname=name, do_handshake_on_connect=False)


def keep_alive(handle: socket.socket) -> None:
    """Notice a host that vanished: after a minute of silence, probes 15 s apart, four of them."""
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = (60 + 4 * 15) * 1000
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
