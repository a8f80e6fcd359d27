"""ZooKeeper on a loopback port, from the jars of Spark::

with ZooKeeperServer("127.26.0.2") as server:
    client = KazooClient(server.address)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .daemon import Daemon
from .jars import spark_jars
from .ports import free_port
from .private_files import PrivateFiles
from .requirements import find_program

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_UP_WITHIN = 60.0
_JARS = "zookeeper-*.jar slf4j-api-*.jar log4j-*.jar netty-*.jar metrics-core-*.jar snappy-*.jar"
_JAVA = (
    *("-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
    *("-Djava.net.preferIPv4Stack=true", "-Dzookeeper.admin.enableServer=false"),
)
_MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
_CONFIGURATION = """
tickTime=500
dataDir={directory}/data
clientPort={port}
clientPortAddress={host}
"""


class ZooKeeperServer(PrivateFiles):
    """One ZooKeeper that runs as long as this object.

    Args:
        host: Where it listens: an address of loopback.

    Attributes:
        address: Its host and port.

    Raises:
        OSError: There is no Java, there are no jars, or it does not start.
    """

    def __init__(self, host: str) -> None:
        super().__init__()
        port = free_port(host)
        self.address = f"{host}:{port}"
        configuration = self.directory / "zoo.cfg"
        configuration.write_text(
            _CONFIGURATION.format(directory=self.directory, host=host, port=port), encoding="ascii"
        )
        jars = [str(jar) for name in _JARS.split() for jar in sorted(spark_jars().glob(name))]
        command = [find_program("java"), *_JAVA, "-cp", ":".join(jars), _MAIN, str(configuration)]
        environment = {"PATH": os.environ.get("PATH", "")}
        self._daemon = Daemon(command, environment, self.directory, (host, port), _UP_WITHIN)
        self._daemon.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._daemon.kill()
        self.close()

    def stop(self) -> None:
        """Kill it."""
        self._daemon.kill()
