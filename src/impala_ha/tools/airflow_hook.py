"""Airflow's hook for connections of the type `impala_ha`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.apache.impala.hooks.impala import ImpalaHook

from impala_ha import Connection, connect
from impala_ha.options.settings import SECRET

from .airflow_provider import CONNECTION_TYPE, HOOK_NAME

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine


class ImpalaHAHook(ImpalaHook):  # type: ignore[misc]  # Airflow is not installed everywhere
    """
    Airflow's `ImpalaHook`, whose connections are ours.

    The host of the Airflow connection is a list of coordinators, or empty, and then
    ``IMPALA_HA_HOSTS`` counts; what stands in its extra are options of `impala_ha.connect`.
    """

    conn_type = CONNECTION_TYPE
    hook_name = HOOK_NAME
    default_conn_name = "impala_ha_default"

    def get_conn(self) -> Connection:
        """A connection, as `impala_ha.connect` makes it, with its errors."""
        connection = self.get_connection(self.get_conn_id())
        return connect(
            host=connection.host or None,
            port=connection.port,
            user=connection.login,
            password=connection.password,
            database=connection.schema,
            **connection.extra_dejson,
        )

    @property
    def sqlalchemy_url(self) -> URL:
        """The same as a URL, for `get_uri`, without what may not stand in one, such as a token."""
        from sqlalchemy.engine import URL  # noqa: PLC0415 - workers may lack it

        connection = self.get_connection(self.get_conn_id())
        named = {"host": connection.host, "port": connection.port, **connection.extra_dejson}
        return URL.create(
            "impala_ha",
            username=connection.login,
            password=connection.password,
            database=connection.schema,
            query={n: str(v) for n, v in named.items() if v not in (None, "") and n not in SECRET},
        )

    def get_sqlalchemy_engine(self, engine_kwargs: dict[str, object] | None = None) -> Engine:
        """An engine, whose pool is filled by `get_conn`."""
        from sqlalchemy import create_engine  # noqa: PLC0415 - workers may lack it

        return create_engine("impala_ha://", creator=self.get_conn, **(engine_kwargs or {}))
