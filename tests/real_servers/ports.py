"""Ports for servers: which are free, and whose process it is that listens.

A port that answers says nothing about who answers; a server is up when *its own process* listens.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path
from random import Random

# Below what the kernel gives to outgoing connections, so that a server which is stopped for a
# moment finds its port still free.
_LOWEST, _HIGHEST = 20000, 32000
_TRIES = 100
_LISTENS = "0A"


def free_port(*hosts: str) -> int:
    """Find a port that is free for TCP and UDP on every one of *hosts* (IPv4 addresses).

    Raises:
        OSError: None was found in a hundred tries.
    """
    chance = Random()  # nothing here is secret
    for _ in range(_TRIES):
        port = chance.randint(_LOWEST, _HIGHEST)
        if all(_is_free(host, port) for host in hosts):
            return port
    raise OSError(f"no free port between {_LOWEST} and {_HIGHEST} on {', '.join(hosts)}")


def _is_free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def listening(pid: int) -> set[tuple[str, int]]:
    """Return the addresses where process *pid* itself listens with TCP over IPv4 (Linux)."""
    inodes = set()
    # The process may end, or close a file, between two looks.
    with contextlib.suppress(OSError):
        for entry in list(Path(f"/proc/{pid}/fd").iterdir()):
            inodes.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, state, *_, inode = line.split()[:10]
        if state == _LISTENS and inode in inodes:
            address, _, port = local.partition(":")
            # Written in the byte order of the machine.
            found.add((socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)))
    return found
