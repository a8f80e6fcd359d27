"""A private Kerberos realm: MIT's KDC on a loopback port, with principals and keytabs, by k5test::

    with Realm() as realm:
        os.environ.update(realm.environment)
        realm.kinit("etl")

No file of the machine is touched: the realm has a configuration, a database and keytabs of its own
in a private directory, and clients find them through the environment.
"""

from __future__ import annotations

import re
import signal
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import k5test

from .daemon import Daemon
from .ports import free_port
from .private_files import PrivateFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ADDRESS = "127.0.0.1"
_UP_WITHIN = 30.0
_CACHE_VERSION = b"\x05\x04"
_TIME_OFFSET = 1


class Realm(PrivateFiles):
    """A realm of Kerberos with a KDC (MIT's) that runs as long as this object.

    Args:
        hosts: Host names; each gets the service principals ``impala/HOST`` and ``HTTP/HOST``.
        users: User names; each gets a keytab.
        services: The services of each host.
        name: The name of the realm.
        ticket_life: Seconds that a ticket lives at most.
        clock_skew: Seconds by which clocks may differ; a server takes a ticket that long after
            its end.

    Attributes:
        name: The name of the realm.
        users: The names of its users.
        directory: Where its files lie.
        config: Its ``krb5.conf``, for ``KRB5_CONFIG`` or Java's ``java.security.krb5.conf``.
        server_keytab: The keys of all services.
        port: The port of the KDC on 127.0.0.1.

    Raises:
        OSError: A program of Kerberos is not installed, or does not start.
    """

    def __init__(
        self,
        hosts: Iterable[str] = ("coord1.test", "coord2.test"),
        users: Iterable[str] = ("etl",),
        *,
        services: Iterable[str] = ("impala", "HTTP"),
        name: str = "IMPALA-HA.TEST",
        ticket_life: float = 36_000.0,
        clock_skew: float = 300.0,
    ) -> None:
        self.name = name
        self.port = free_port(_ADDRESS)
        self._realm = k5test.K5Realm(
            realm=name,
            portbase=self.port,
            krb5_conf=_client_side(clock_skew, ticket_life),
            kdc_conf=_server_side(ticket_life),
            create_user=False,
            create_host=False,
            get_creds=False,
            # k5test's own would outlive a killed test run.
            start_kdc=False,
        )
        super().__init__(self._realm.tmpdir)
        self.config: str = self._realm.env["KRB5_CONFIG"]
        self.server_keytab = str(self.directory / "server.keytab")
        kdc = [self._realm.krb5kdc, "-n"]
        address = (_ADDRESS, self.port)
        self._kdc = Daemon(kdc, self._realm.env, self.directory, address, _UP_WITHIN)
        self.users = tuple(users)
        self._add({user: self.keytab(user) for user in self.users})
        self._services = [f"{s}/{host}" for host in hosts for s in services]
        self._add(dict.fromkeys(self._services, self.server_keytab))
        self._kdc.start()

    def __repr__(self) -> str:
        return f"<Realm {self.name} config={self.config!r}>"

    def close(self) -> None:
        """End the KDC and remove all files."""
        self.stop_kdc()
        super().close()

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this realm has in its environment; the cache is that of `kinit`."""
        return {"KRB5_CONFIG": self.config, "KRB5CCNAME": f"FILE:{self._realm.ccache}"}

    def keytab(self, user: str) -> str:
        """Return the file with the key of *user*."""
        return str(self.directory / f"{user.replace('/', '_')}.keytab")

    def kinit(
        self,
        user: str,
        cache: str | None = None,
        lifetime: float | None = None,
        *,
        password: str | None = None,
    ) -> str:
        """Fetch a ticket for *user* with the user's keytab, or with a password.

        Args:
            user: One of the users.
            cache: A file for the ticket; None for the one that `environment` names.
            lifetime: Seconds that the ticket shall live; None for what the realm allows.
            password: As `set_password` has set it; None for the keytab.

        Returns:
            The name of the cache, for ``KRB5CCNAME``.

        Raises:
            OSError: The KDC did not give one; the text says what ``kinit`` says.
        """
        cache = cache or self._realm.ccache
        flags = ["-k", "-t", self.keytab(user)] if password is None else []
        flags += ["-c", cache]
        if lifetime is not None:
            flags += ["-l", f"{lifetime:.0f}s"]
        program = self._realm._kinit  # k5test's own kinit swallows what it says
        _run([program, *flags, f"{user}@{self.name}"], self._realm.env, f"{password or ''}\n")
        return cache if ":" in cache else f"FILE:{cache}"

    def set_clock(self, ahead: float, cache: str | None = None) -> None:
        """Let whoever uses *cache* believe that the KDC's clock is *ahead* seconds ahead.

        The KDC and the servers refuse what such a client sends, as they refuse a machine whose
        clock is wrong.

        Args:
            ahead: Seconds; negative for a clock that is slow.
            cache: The file that `kinit` filled; None for the one that `environment` names.
        """
        path = Path((cache or self._realm.ccache).removeprefix("FILE:"))
        path.write_bytes(_with_clock(path.read_bytes(), ahead))

    def change_keys(self) -> None:
        """Give all services new keys, in a new keytab: nobody can read the tickets of before."""
        self._change_keys(self.server_keytab, self._services)

    def change_key(self, user: str) -> None:
        """Give *user* a new key, in a new keytab: those of before are refused by the KDC."""
        self._change_keys(self.keytab(user), [user])

    def set_password(self, user: str, password: str) -> None:
        """Let *user* log in with *password*, and no more with the keytab or another password."""
        _run([self._realm.kadmin_local], self._realm.env, f"cpw -pw {password} {user}\n")

    def start_kdc(self) -> None:
        """Start the KDC, and wait until it answers; nothing happens when it runs."""
        self._kdc.start()

    def stop_kdc(self) -> None:
        """End the KDC: its port is closed.  Nothing happens when it does not run."""
        self._kdc.kill()

    def hang_kdc(self) -> None:
        """Stop the KDC with SIGSTOP: it takes connections and says nothing."""
        self._kdc.signal(signal.SIGSTOP)

    def resume_kdc(self) -> None:
        """Let a KDC that hangs go on."""
        self._kdc.signal(signal.SIGCONT)

    def _change_keys(self, keytab: str, principals: Iterable[str]) -> None:
        fresh = f"{keytab}.new"
        orders = "".join(f"ktadd -k {fresh} {principal}\n" for principal in principals)
        _run([self._realm.kadmin_local], self._realm.env, orders)
        Path(fresh).replace(keytab)

    def _add(self, keytabs: dict[str, str]) -> None:
        """Make principals with random keys, and write each key into a keytab."""
        orders = "".join(
            f"addprinc -randkey {principal}\nktadd -norandkey -k {keytab} {principal}\n"
            for principal, keytab in keytabs.items()
        )
        # One process for all; it ends with 0 whatever happened.
        said = _run([self._realm.kadmin_local], self._realm.env, orders)
        added = set(re.findall(r"Entry for principal (\S+) with", said))
        if added != set(keytabs):
            raise OSError(f"the principals of {self.name} were not all made: {said}")


def _run(command: list[str], environment: Mapping[str, str], text: str = "") -> str:
    done = subprocess.run(  # programs that k5test found
        command,
        env=environment,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_UP_WITHIN,
        check=False,
    )
    if done.returncode:
        raise OSError(f"{Path(command[0]).name} said: {done.stdout.strip()}")
    return done.stdout


def _with_clock(cache: bytes, ahead: float) -> bytes:
    """Return a credential cache (file format 4) with another offset of the KDC's clock."""
    (length,) = struct.unpack_from(">H", cache, len(_CACHE_VERSION))
    tag = struct.pack(">HHii", _TIME_OFFSET, 8, int(ahead), 0)
    rest = cache[len(_CACHE_VERSION) + 2 + length :]
    return _CACHE_VERSION + struct.pack(">H", len(tag)) + tag + rest


def _client_side(clock_skew: float, ticket_life: float) -> dict[str, Any]:
    """What differs in krb5.conf from what k5test writes."""
    return {
        "libdefaults": {
            # Names are what the caller says: no DNS, forward or backward.
            "dns_lookup_realm": "false",
            "dns_canonicalize_hostname": "false",
            "rdns": "false",
            "udp_preference_limit": "1",
            "clockskew": f"{clock_skew:.0f}",
            "ticket_lifetime": f"{ticket_life:.0f}s",
            "default_ccache_name": "FILE:$tmpdir/ccache",
        },
        "realms": {
            "$realm": {"kdc": f"{_ADDRESS}:$port0", "admin_server": None, "kpasswd_server": None}
        },
        "domain_realm": {".test": "$realm", "test": "$realm"},
    }


def _server_side(ticket_life: float) -> dict[str, Any]:
    """What differs in kdc.conf: loopback only, and the life of tickets."""
    return {
        "realms": {
            "$realm": {
                "kdc_ports": None,
                "kdc_tcp_ports": None,
                "kdc_listen": f"{_ADDRESS}:$port0",
                "kdc_tcp_listen": f"{_ADDRESS}:$port0",
                "max_life": f"{ticket_life:.0f}s",
            }
        }
    }
