"""A directory that knows users and passwords: OpenLDAP's slapd on a loopback port, which counts::

    with Directory({"etl": "s3cret"}) as directory:
        with SparkServer("127.0.0.2", auth="LDAP", ldap=directory) as server:
            ...
        assert 1 == directory.refused()

No file of the machine is touched: its configuration, its database and its log lie in a private
directory.
"""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .daemon import Daemon
from .ports import free_port
from .private_files import PrivateFiles
from .requirements import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE = "dc=impala-ha,dc=test"
_MANAGER = f"cn=manager,{_BASE}"
_WITHIN = 30.0
_LOOK = 0.01
_BOUND, _INVALID_CREDENTIALS = 0, 49

_CONFIGURATION = """
modulepath /usr/lib/ldap
moduleload back_mdb
include /etc/ldap/schema/core.schema
database mdb
maxsize 16777216
suffix "{base}"
directory {directory}/database
rootdn "{manager}"
rootpw {password}
"""
_ENTRIES = """dn: {base}
objectClass: dcObject
objectClass: organization
dc: impala-ha
o: tests
"""
_USER = """
dn: {name}
objectClass: person
objectClass: uidObject
uid: {user}
cn: {user}
sn: {user}
userPassword: {password}
"""
_BIND = re.compile(r'(conn=\d+ op=\d+) BIND dn="([^"]*)" method=')
_RESULT = re.compile(r"(conn=\d+ op=\d+) RESULT tag=97 err=(\d+)")


class Directory(PrivateFiles):
    """A directory (OpenLDAP's slapd) that runs as long as this object.

    Args:
        users: The passwords by user.

    Attributes:
        users: The passwords of now, by user.
        base: The users are ``uid=USER`` under this name.
        url: Where it listens, for ``hive.server2.authentication.ldap.url`` or Impala's
            ``--ldap_uri``.

    Raises:
        OSError: A program of OpenLDAP is not installed, or does not start.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        super().__init__()
        self.users = dict(users)
        self.base = _BASE
        host = "127.0.0.1"
        port = free_port(host)
        self.url = f"ldap://{host}:{port}"
        self._password = secrets.token_hex(16)
        # A copy: AppArmor lets the one in /usr/sbin read nothing here.
        self._program = str(self.directory / "slapd")
        shutil.copy(find_program("slapd"), self._program)
        command = [self._program, "-h", self.url, "-f", self._write(), "-d", "stats"]
        self._daemon = Daemon(command, {}, self.directory, (host, port), _WITHIN)
        self._daemon.start()

    def __repr__(self) -> str:
        return f"<Directory {self.url}>"

    def close(self) -> None:
        """End it and remove all files."""
        self._daemon.kill()
        super().close()

    def hang(self) -> None:
        """Stop it with SIGSTOP: it takes connections and says nothing."""
        self._daemon.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, if it hangs, with what has come meanwhile."""
        self._daemon.signal(signal.SIGCONT)

    def change_password(self, user: str, password: str) -> None:
        """Give *user* another *password*; the old one is refused from now on."""
        self._as_manager("ldappasswd", "-s", password, self._name(user))
        self.users[user] = password

    def refused(self, user: str | None = None) -> int:
        """Count the wrong passwords that have arrived.

        Args:
            user: Whose; None: anybody's.

        Raises:
            OSError: It does not answer.
        """
        return self._count(_INVALID_CREDENTIALS, user)

    def accepted(self, user: str | None = None) -> int:
        """Count the right passwords that have arrived; arguments and errors as `refused`."""
        return self._count(_BOUND, user)

    def _count(self, result: int, user: str | None) -> int:
        names = {self._name(name) for name in (self.users if user is None else [user])}
        return sum(1 for name, ended in self._binds() if name in names and ended == result)

    def _binds(self) -> list[tuple[str, int]]:
        """Whose passwords came before this call, and what became of each."""
        # What came earlier is taken up earlier; its results may still be on their way to the log.
        self._as_manager("ldapwhoami")
        end = time.monotonic() + _WITHIN
        while True:
            log = self._daemon.last_words(lines=0)
            begun, ended = dict(_BIND.findall(log)), dict(_RESULT.findall(log))
            if begun.keys() <= ended.keys():
                return [(begun[one], int(ended[one])) for one in begun]
            if time.monotonic() > end:
                raise OSError(f"{self!r} does not answer")
            time.sleep(_LOOK)

    def _name(self, user: str) -> str:
        return f"uid={user},{self.base}"

    def _write(self) -> str:
        """Write the configuration and the users."""
        (self.directory / "database").mkdir()
        file = self.directory / "slapd.conf"
        file.write_text(
            _CONFIGURATION.format(
                base=self.base,
                directory=self.directory,
                manager=_MANAGER,
                password=self._password,
            ),
            encoding="ascii",
        )
        entries = _ENTRIES.format(base=self.base) + "".join(
            _USER.format(name=self._name(user), user=user, password=password)
            for user, password in self.users.items()
        )
        _run([self._program, "-T", "add", "-f", str(file)], entries)
        return str(file)

    def _as_manager(self, program: str, *words: str) -> None:
        login = ["-x", "-H", self.url, "-D", _MANAGER, "-w", self._password]
        _run([find_program(program), "-o", f"nettimeout={_WITHIN:.0f}", *login, *words])


def _run(command: list[str], text: str = "") -> None:
    try:
        done = subprocess.run(  # programs of OpenLDAP
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{Path(command[0]).name} had no answer in {_WITHIN:.0f} s") from error
    if done.returncode:
        raise OSError(f"{Path(command[0]).name} said: {done.stdout.strip()}")
