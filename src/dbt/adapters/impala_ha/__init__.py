"""
dbt's adapter of the type `impala_ha`: that of dbt-impala, on connections of impala-ha.

dbt finds it by the name of this package, and dbt-impala's macros by the dependency.  A profile of
dbt-impala does, with another `type` and a list for `host`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dbt.adapters.base import AdapterPlugin
from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.exceptions import FailedToConnectError
from dbt.adapters.impala.connections import (
    ImpalaConnectionManager,
    ImpalaConnectionWrapper,
    ImpalaCredentials,
)
from dbt.adapters.impala.impl import ImpalaAdapter

import impala_ha
from dbt.include.impala_ha import PACKAGE_PATH

_TYPE = "impala_ha"
_MECHANISMS = {"ldap": "LDAP", "plain": "PLAIN", "gssapi": "GSSAPI", "kerberos": "GSSAPI"}


@dataclass
class ImpalaHACredentials(ImpalaCredentials):  # type: ignore[misc]  # dbt is not installed everywhere
    """
    What a profile may have: all that dbt-impala has, and more.

    Attributes:
        host: Coordinators, as in `impala_ha.connect`; empty: those of ``IMPALA_HA_HOSTS``.
        port: Of those that name none.
        options: More options of `impala_ha.connect`, which go before the others.
    """

    host: str = ""
    port: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The name in profiles."""
        return _TYPE

    def arguments(self) -> dict[str, Any]:
        """The arguments of `impala_ha.connect`: those that dbt-impala passes, by `auth_type`."""
        mechanism = _MECHANISMS.get((self.auth_type or "").lower(), "NOSASL")
        arguments = {"host": self.host or None, "port": self.port, "auth_mechanism": mechanism}
        if mechanism != "NOSASL":
            arguments["use_ssl"] = self.use_ssl
        if mechanism in {"LDAP", "PLAIN"}:
            arguments.update(user=self.username, password=self.password)
        if mechanism in {"LDAP", "GSSAPI"}:
            arguments.update(use_http_transport=self.use_http_transport, http_path=self.http_path)
        if mechanism == "GSSAPI":
            arguments["kerberos_service_name"] = self.kerberos_service_name
        return {**arguments, **self.options}


class ImpalaHAConnectionManager(ImpalaConnectionManager):  # type: ignore[misc]
    """dbt-impala's, which opens connections of ours."""

    TYPE = _TYPE

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        """
        Open *connection*, if it is not open.

        Raises:
            FailedToConnectError: No coordinator answered, or the profile is wrong.
        """
        if connection.state == ConnectionState.OPEN:
            return connection
        try:
            handle = impala_ha.connect(**connection.credentials.arguments())
        except impala_ha.Error as error:
            connection.state, connection.handle = ConnectionState.FAIL, None
            raise FailedToConnectError(str(error)) from error
        connection.handle = ImpalaConnectionWrapper(handle)
        connection.state = ConnectionState.OPEN
        cls.fetch_impala_version(connection.handle)
        return connection


class Impala_HAAdapter(ImpalaAdapter):  # type: ignore[misc]  # noqa: N801 - dbt makes `impala_ha` of it
    """dbt-impala's adapter."""

    ConnectionManager = ImpalaHAConnectionManager


Plugin = AdapterPlugin(
    adapter=Impala_HAAdapter,
    credentials=ImpalaHACredentials,
    include_path=PACKAGE_PATH,
    dependencies=["impala"],
)
