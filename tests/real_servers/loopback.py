"""A server that would listen on every address of the machine is made to listen on loopback.

Spark's HTTP mode has no setting for its address: it binds 0.0.0.0, and then whoever reaches the
machine reaches the server.  A small library, loaded ahead of the C library, replaces that address
in ``bind``; it needs no rights and changes nothing for other processes.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: What the library reads: the address to bind instead of 0.0.0.0.
ADDRESS = "IMPALA_HA_TEST_BIND"
_BUILD_WITHIN = 60.0

_SOURCE = """
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    const char *wanted = getenv("IMPALA_HA_TEST_BIND");
    struct sockaddr_in ours;

    if (wanted && address->sa_family == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (wanted && address->sa_family == AF_INET && size >= sizeof ours) {
        memcpy(&ours, address, sizeof ours);
        if (ours.sin_addr.s_addr == htonl(INADDR_ANY))
            inet_pton(AF_INET, wanted, &ours.sin_addr);
        return real(fd, (struct sockaddr *)&ours, sizeof ours);
    }
    return real(fd, address, size);
}
"""


def build_loopback(directory: Path) -> Path:
    """Build the library, for ``LD_PRELOAD``.

    Args:
        directory: Where it and its source are written.

    Returns:
        The library.

    Raises:
        OSError: There is no C compiler, or it fails; the text says which.
    """
    source, library = directory / "loopback.c", directory / "loopback.so"
    source.write_text(_SOURCE, encoding="ascii")
    done = subprocess.run(  # every word of the command is ours
        [
            "cc",
            "-shared",
            "-fPIC",
            "-O1",
            "-o",
            str(library),
            str(source),
            "-ldl",
        ],  # the system's compiler
        capture_output=True,
        text=True,
        timeout=_BUILD_WITHIN,
        check=False,
    )
    if done.returncode:
        raise OSError(f"cc cannot build {source.name}: {done.stderr.strip()}")
    return library
