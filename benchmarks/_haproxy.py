"""
HAProxy before the coordinators of a local cluster, where it is installed.

    with HAProxy(cluster, DOCUMENTED) as proxy:     # a process of its own
        impala.dbapi.connect(proxy.host, proxy.port)

It inherits a socket that listens already, so no port is guessed, and ends with the context.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from typing import Any

from impala._thrift_gen.TCLIService import TCLIService
from impala._thrift_gen.TCLIService import ttypes as hs2
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.transport.TTransport import TMemoryBuffer

WANTED = "HAProxy, which is not installed: apt-get install haproxy"


def found() -> str | None:
    """Where it is; Debian puts it where only root looks."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def installed() -> str:
    """Its version; empty where there is none."""
    program = found()
    if program is None:
        return ""
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stdout
    return re.search(r"\d+\.\d+\.\d+", told)[0]  # type: ignore[index]


def question() -> str:
    """
    GetInfo for a session that does not exist, in hexadecimal: a check that leaves nothing behind.

    A coordinator that is well says "Invalid session id"; one that drains refuses before it looks.
    """
    nobody = hs2.THandleIdentifier(guid=b"\0" * 16, secret=b"\0" * 16)
    request = hs2.TGetInfoReq(hs2.TSessionHandle(nobody), hs2.TGetInfoType.CLI_DBMS_NAME)
    buffer = TMemoryBuffer()
    TCLIService.Client(TBinaryProtocolAccelerated(buffer)).send_GetInfo(request)
    return bytes(buffer.getvalue()).hex()


#: The settings of Impala's documentation, "Using Impala through a Proxy for High Availability";
#: a check is a TCP connection each 2 s, and three that fail are enough.
DOCUMENTED = """
defaults
    mode tcp
    option redispatch
    retries 3
    timeout connect 5000
    timeout client 3600s
    timeout server 3600s
    balance leastconn
    default-server check
"""
#: What can be had: a check that is a call of HiveServer2, twice a second; connections that end when
#: it has failed twice; another server at once where one does not take a connection.
TUNED = f"""
defaults
    mode tcp
    option redispatch 1
    retries 3
    timeout connect 500
    timeout check 500
    timeout client 3600s
    timeout server 3600s
    balance leastconn
    option tcp-check
    tcp-check connect
    tcp-check send-binary {question()}
    tcp-check expect string Invalid\\ session\\ id
    default-server check inter 500 fall 2 rise 2 on-marked-down shutdown-sessions
"""


class HAProxy:
    """One that runs.

    Args:
        cluster: The coordinators.
        settings: `DOCUMENTED` or `TUNED`.

    Attributes:
        host: 127.0.0.1.
        port: Where it listens.
    """

    def __init__(self, cluster: Any, settings: str):
        servers = "\n".join(
            f"    server coordinator{one.index} {one.host}:{one.port}" for one in cluster
        )
        self._settings = f"{settings}listen impala\n    bind fd@{{socket}}\n{servers}\n"

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.host, self.port = self._listener.getsockname()
        number = self._listener.fileno()
        command = [found(), "-q", "-db", "-f", "/dev/stdin"]
        self._process = subprocess.Popen(
            command, pass_fds=[number], stdin=subprocess.PIPE, text=True
        )
        self._process.stdin.write(self._settings.format(socket=number))
        self._process.stdin.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.close()
