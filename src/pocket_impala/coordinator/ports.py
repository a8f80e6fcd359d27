"""One port on many loopback addresses.

The supervisor binds every address of the cluster and never listens: so nobody else can take the
address of a coordinator that is down, and a client that calls there is refused, as by a host
whose impalad is dead.  A coordinator binds the same address beside it, and listens.
"""

from __future__ import annotations

import contextlib
import errno
import socket

_TRIES = 50
_LAST_PORT = 65535


def reserve(size: int, port: int | None) -> list[socket.socket]:
    """Reserve addresses for *size* coordinators.

    Args:
        size: How many.
        port: One port for 127.0.0.1, 127.0.0.2, ...; None for any that is free on all.  Where
            the system has no loopback address but 127.0.0.1: *port*, *port* + 1, ...

    Returns:
        One bound socket for each, which does not listen.

    Raises:
        OSError: An address is taken.
    """
    if not _has_many_addresses():
        ports = [0] * size if port is None else range(port, port + size)
        return _reserve_all([("127.0.0.1", each) for each in ports])
    hosts = [f"127.0.0.{number}" for number in range(1, size + 1)]
    if port is not None:
        return _reserve_all([(host, port) for host in hosts])
    for _ in range(_TRIES):
        first = _reserve(hosts[0], 0)
        try:
            rest = _reserve_all([(host, first.getsockname()[1]) for host in hosts[1:]])
        except OSError:
            first.close()
        else:
            return [first, *rest]
    raise OSError(errno.EADDRINUSE, f"found no port that is free on {hosts[0]} to {hosts[-1]}")


def reserve_usual(size: int, port: int | None, usual: int) -> list[socket.socket]:
    """Reserve addresses for a second port of *size* coordinators.

    Args:
        size: How many.
        port: The port that was asked for; None for any.
        usual: The port to take when any will do and nobody has it.

    Returns:
        One bound socket for each, which does not listen.

    Raises:
        OSError: The port that was asked for is taken.
    """
    if port is None and _has_many_addresses():
        # Strict: to share a port with the coordinator of another cluster, which may be down just
        # now, would give the one's answers to those who ask the other.
        hosts = [f"127.0.0.{number}" for number in range(1, size + 1)]
        with contextlib.suppress(OSError):
            return _reserve_all([(host, usual) for host in hosts], strict=True)
    return reserve(size, port)


def bind(host: str, port: int) -> socket.socket:
    """Bind an address that the supervisor has reserved."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    return sock


def _reserve_all(addresses: list[tuple[str, int]], *, strict: bool = False) -> list[socket.socket]:
    reserved: list[socket.socket] = []
    try:
        for host, port in addresses:
            reserved.append(_reserve(host, port, strict=strict))
    except BaseException:
        for sock in reserved:
            sock.close()
        raise
    return reserved


def _reserve(host: str, port: int, *, strict: bool = False) -> socket.socket:
    if port > _LAST_PORT:
        raise OSError(errno.EADDRNOTAVAIL, f"there is no port {port}")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, not strict)
        sock.bind((host, port))
        # Only now: set before, it would let us share the port of another cluster.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot use {host}:{port}: {error.strerror}") from error
    return sock


def _has_many_addresses() -> bool:
    """Whether 127.0.0.2 can be bound: on Linux all of 127.0.0.0/8 can, elsewhere by setup only."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.bind(("127.0.0.2", 0))
    except OSError:
        return False
    return True
