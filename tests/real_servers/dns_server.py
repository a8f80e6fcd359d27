"""A name server with names of a test's own: dnsmasq on a loopback address, port 53::

    with NameServer("127.26.0.53") as server:
        server.serve({"impala.example.test": ["127.0.0.1", "127.0.0.2"]})
        subprocess.run(server.seen_by([sys.executable, "program.py"]))

The C library asks nobody but port 53 of whom ``/etc/resolv.conf`` names; so the programs that ask
run in a mount namespace of their own, where that file is another one.  Both take root.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from .daemon import Daemon
from .private_files import PrivateFiles
from .requirements import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

_PORT = 53
_UP_WITHIN = 10.0

_CONFIGURATION = """
keep-in-foreground
no-resolv
no-hosts
bind-interfaces
user=root
log-facility=-
listen-address={address}
local=/test/
local-ttl={ttl}
"""


class NameServer(PrivateFiles):
    """A name server that knows names below ``test`` alone.

    Args:
        address: Where it listens: an address of loopback.

    Raises:
        OSError: dnsmasq is not installed, or does not start.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._configuration = self.directory / "dnsmasq.conf"
        self._resolver = self.directory / "resolv.conf"
        self._resolver.write_text(f"nameserver {address}\noptions timeout:1 attempts:1\n")
        command = [find_program("dnsmasq"), f"--conf-file={self._configuration}", "--pid-file"]
        self._daemon = Daemon(command, {}, self.directory, (address, _PORT), _UP_WITHIN)

    def serve(
        self,
        addresses: Mapping[str, Sequence[str]] | None = None,
        services: Mapping[str, Sequence[tuple[str, int, int, int]]] | None = None,
        ttl: int = 1,
    ) -> None:
        """Serve these names, and no other ones, from now on.

        Args:
            addresses: By name.
            services: SRV records by name: target, port, priority and weight.
            ttl: Seconds that an answer may be kept.
        """
        lines = [_CONFIGURATION.format(address=self._address, ttl=ttl)]
        for name, found in (addresses or {}).items():
            lines += [f"host-record={name},{address}" for address in found]
        for name, records in (services or {}).items():
            for target, port, priority, weight in records:
                lines.append(f"srv-host={name},{target},{port},{priority},{weight}")
        self._configuration.write_text("\n".join(lines) + "\n", encoding="ascii")
        self.stop()
        self._daemon.start()

    def stop(self) -> None:
        """Answer nobody."""
        self._daemon.kill()

    def hang(self) -> None:
        """Take questions, and say nothing, until `serve` or `stop`."""
        self._daemon.signal(signal.SIGSTOP)

    def seen_by(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs *command* so that it asks this server."""
        mount = f'mount --bind "{self._resolver}" /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, "sh", *command]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()
        self.close()

    def __enter__(self) -> Self:
        return self
