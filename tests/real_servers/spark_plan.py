"""What one Spark Thrift Server shall be, and what its clients have to say to reach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a kerberized server is: a host of a realm.

    Attributes:
        host: Its name in the service principals.
        realm: The name of the realm.
        config: The ``krb5.conf`` of the realm.
        keytab: The keys of the services.
    """

    host: str
    realm: str
    config: str
    keytab: str

    def principal(self, service: str) -> str:
        """Return the principal of *service*."""
        return f"{service}/{self.host}@{self.realm}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One server.

    Attributes:
        directory: Where its files lie.
        host: The address where it listens.
        port: The port where it listens.
        auth: As impyla's ``auth_mechanism``: NOSASL, PLAIN, LDAP or GSSAPI.
        qop: What SASL protects: auth, auth-int or auth-conf.
        http: Whether it speaks HTTP.
        tls: A PEM file with its key and certificates; None for no TLS.
        ca: A file with the CA that signed them; None: clients need not know.
        identity: Who it is for Kerberos; None without.
        memory: The heap of the JVM.
        settings: More settings of Hive.
    """

    directory: Path
    host: str
    port: int
    auth: str
    qop: str
    http: bool
    tls: str | None
    ca: str | None
    identity: Identity | None
    memory: str
    settings: Mapping[str, str]

    def __str__(self) -> str:
        kind = f"{self.auth}{' http' if self.http else ''}{' tls' if self.tls else ''}"
        return f"{self.host}:{self.port} {kind}"

    @property
    def service(self) -> str:
        """The service in the principal that a client asks a ticket for."""
        return "HTTP" if self.http else "impala"

    @property
    def hosts(self) -> str:
        """The server in a host list of `impala_ha.connect`."""
        name = f"?krb_host={self.identity.host}" if self.identity else ""
        return f"{self.host}:{self.port}{name}"

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `impala_ha.connect` besides the hosts and what to trust."""
        options: dict[str, Any] = {"auth_mechanism": self.auth}
        if self.auth == "PLAIN" or (self.http and self.auth == "NOSASL"):
            # Its HTTP mode wants a user's name in any case.
            options = {"auth_mechanism": "PLAIN", "user": "etl", "password": "any"}
        if self.http:
            options |= {"use_http_transport": True, "http_path": "cliservice"}
        if self.http and self.identity:
            options["kerberos_service_name"] = self.service
        if self.tls:
            options["use_ssl"] = True
        if self.ca:
            options["ca_cert"] = self.ca
        return options
