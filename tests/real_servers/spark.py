"""A real HiveServer2 on a loopback address: the Thrift Server of Apache Spark, a process of Java.

    with SparkServer("127.0.0.2", auth="GSSAPI", realm=realm) as server:
        connection = impala_ha.connect(server.hosts, **server.options)

It speaks the protocol that Impala speaks, in every mode in which it can be secured, and was written
by others.  Where it differs from Impala: a session dies with its connection (binary mode), there
is no profile, and the SQL is Spark's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal

from impala_ha import Coordinator

from .daemon import Daemon
from .jars import spark_jars
from .loopback import ADDRESS, build_loopback
from .ports import free_port
from .private_files import PrivateFiles
from .spark_command import command, environment
from .spark_plan import Identity, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from .directory import Directory
    from .realm import Realm

_UP_WITHIN = 120.0
_WARM_WITHIN = 120.0


class SparkServer(PrivateFiles):
    """A Spark Thrift Server (HiveServer2) on a loopback address.

    It needs Java 17, 0.6 GiB of memory, 10 to 20 seconds to start, and once a machine the download
    of 318 MB (see `spark_jars`).

    Args:
        host: An address of 127.0.0.0/8.
        port: None for any that is free.
        auth: ``"NOSASL"``, ``"PLAIN"`` (any user and password), ``"LDAP"``, or ``"GSSAPI"``.
        qop: What SASL protects with ``"GSSAPI"``: ``"auth"``, ``"auth-int"`` or ``"auth-conf"``.
        http: Whether it speaks HTTP (path ``cliservice``); needs a C compiler.
        tls: A PEM file with key and certificates, as `Certificates.of` makes it; None for no TLS.
        ca: A file with the CA that signed *tls*, for clients: it is then in `options`.
        realm: Where its keys come from, for ``"GSSAPI"``.
        name: The host name in its service principals; one of the hosts of *realm*.
        ldap: Who knows its users and passwords, for ``"LDAP"``.
        settings: More settings of Hive, as ``--hiveconf`` takes them.
        memory: The heap of the JVM; 512m is the least that Spark takes.

    Attributes:
        host: Its address.
        port: Its port.
        principal: Its service principal; None without Kerberos.

    Raises:
        ValueError: ``"GSSAPI"`` without a realm, or ``"LDAP"`` without a directory.
        OSError: The jars cannot be fetched, or the C compiler is missing.
    """

    def __init__(
        self,
        host: str = "127.0.0.2",
        port: int | None = None,
        *,
        auth: Literal["NOSASL", "PLAIN", "LDAP", "GSSAPI"] = "NOSASL",
        qop: Literal["auth", "auth-int", "auth-conf"] = "auth",
        http: bool = False,
        tls: str | None = None,
        ca: str | None = None,
        realm: Realm | None = None,
        name: str = "coord1.test",
        ldap: Directory | None = None,
        settings: Mapping[str, str] | None = None,
        memory: str = "512m",
    ) -> None:
        if auth == "GSSAPI" and realm is None:
            raise ValueError("auth='GSSAPI' needs a realm")
        super().__init__()
        self.host = host
        self.port = port or free_port(host)
        self._realm = realm if auth == "GSSAPI" else None
        self._ldap = ldap
        self._plan = Plan(
            directory=self.directory,
            host=host,
            port=self.port,
            auth=auth,
            qop=qop,
            http=http,
            tls=tls,
            ca=ca,
            identity=_identity(self._realm, name),
            memory=memory,
            settings={**_passwords(auth, ldap), **(settings or {})},
        )
        program = command(self._plan, spark_jars())
        around = _surroundings(self._plan)
        self._daemon = Daemon(program, around, self.directory, (host, self.port), _UP_WITHIN)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __repr__(self) -> str:
        return f"<SparkServer {self._plan} {f'pid={self.pid}' if self.pid else 'not running'}>"

    @property
    def principal(self) -> str | None:
        """The service principal that a client asks a ticket for; None without Kerberos."""
        identity = self._plan.identity
        return identity.principal(self._plan.service) if identity else None

    @property
    def hosts(self) -> str:
        """What `impala_ha.connect` takes as its first argument; join several with a comma."""
        return self._plan.hosts

    @property
    def coordinator(self) -> Coordinator:
        """The same as a value, for `impala_ha.Cluster`."""
        identity = self._plan.identity
        return Coordinator(self.host, self.port, krb_host=identity.host if identity else "")

    @property
    def options(self) -> dict[str, Any]:
        """What `impala_ha.connect` needs besides; ``ca_cert`` is in it if *ca* was said.

        With ``"LDAP"`` user and password come from the caller.
        """
        return self._plan.options

    @property
    def pid(self) -> int | None:
        """The process; None when it does not run."""
        return self._daemon.pid

    def start(self, *, warm: bool = True) -> None:
        """Start the server, and wait until its own process listens; nothing if it runs.

        Args:
            warm: Whether to open, use and close one session: the first takes it several seconds.
                With ``"GSSAPI"`` over HTTP only where there is *ca*: by Kerberos alone it does not
                prove who it is.

        Raises:
            OSError: It did not come up within two minutes, or ended; the text shows its log.
        """
        self._daemon.start()
        if warm and (self._plan.ca or not (self._plan.http and self._realm)):
            self._warm()

    def stop(self) -> None:
        """Let the server end in order (SIGTERM): it closes what is open."""
        self._daemon.stop()

    def kill(self) -> None:
        """Kill the server (SIGKILL), as ``kill -9`` does; `start` starts it anew, empty."""
        self._daemon.kill()

    def hang(self) -> None:
        """Stop the process with SIGSTOP: it takes connections and says nothing."""
        self._daemon.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a server that hangs go on."""
        self._daemon.signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server and remove its files."""
        self._daemon.kill()
        super().close()

    def log(self, lines: int = 25) -> str:
        """Return the last *lines* lines that the server logged."""
        return self._daemon.last_words(lines)

    def _warm(self) -> None:
        """In a process of its own: the ticket of the warming is nobody else's."""
        ticket = {}
        if self._realm is not None:
            cache = str(self.directory / "cache")
            ticket = self._realm.environment
            ticket["KRB5CCNAME"] = self._realm.kinit(self._realm.users[0], cache)
        options = self.options
        if self._plan.auth == "LDAP" and self._ldap:
            options["user"], options["password"] = next(iter(self._ldap.users.items()))
        path = os.pathsep.join(filter(None, sys.path))
        said = subprocess.run(  # every word of the command is ours
            [sys.executable, "-c", _WARMING, json.dumps([self.hosts, options])],
            env={**environment(self._plan), "PYTHONPATH": path, **ticket},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_WARM_WITHIN,
            check=False,
        )
        if said.returncode:
            raise OSError(f"Spark started and does not work: {said.stdout.strip()[-2000:]}")


def _surroundings(plan: Plan) -> dict[str, str]:
    """The environment of the server, which over HTTP is kept to its address."""
    if not plan.http:
        return environment(plan)
    library = build_loopback(plan.directory)
    return environment(plan) | {"LD_PRELOAD": str(library), ADDRESS: plan.host}


def _passwords(auth: str, ldap: Directory | None) -> dict[str, str]:
    """The settings of Hive that say who knows the users."""
    if auth != "LDAP":
        return {}
    if ldap is None:
        raise ValueError("auth='LDAP' needs a directory in ldap=")
    prefix = "hive.server2.authentication.ldap"
    return {f"{prefix}.url": ldap.url, f"{prefix}.baseDN": ldap.base}


def _identity(realm: Realm | None, name: str) -> Identity | None:
    return Identity(name, realm.name, realm.config, realm.server_keytab) if realm else None


_WARMING = """
import json, sys
import impala_ha
hosts, options = json.loads(sys.argv[1])
try:
    with impala_ha.connect(hosts, connect_timeout=100, **options) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()
except impala_ha.Error as error:
    sys.exit(str(error))
"""
