"""
What Airflow asks for by the entry point `apache_airflow_provider`: a type of connections.

Airflow asks each of its processes; nothing is imported before a connection of the type is used.
"""

from __future__ import annotations

from impala_ha.balancing.policies import POLICIES
from impala_ha.options.converters import MECHANISMS

CONNECTION_TYPE = "impala_ha"
HOOK_NAME = "Impala (several coordinators)"

_TEXT = {"type": ["string", "null"]}
_FLAG = {"type": ["boolean", "null"], "default": False}


_PROVIDER: dict[str, object] = {
    "package-name": "impala-ha",
    "name": HOOK_NAME,
    "description": "Apache Impala over several coordinators, with failover.",
    "connection-types": [
        {
            "connection-type": CONNECTION_TYPE,
            "hook-name": HOOK_NAME,
            "hook-class-name": "impala_ha.tools.airflow_hook.ImpalaHAHook",
            "ui-field-behaviour": {
                "hidden-fields": [],
                "relabeling": {
                    "host": "Coordinators",
                    "port": "Port of those that name none",
                    "schema": "Database",
                    "login": "User",
                },
                "placeholders": {
                    "host": "coord1,coord2,coord3:21051 (empty: IMPALA_HA_HOSTS)",
                    "port": "21050",
                    "extra": '{"deadline": 300}',
                },
            },
            "conn-fields": {
                "auth_mechanism": {
                    "label": "Authentication",
                    "schema": {**_TEXT, "enum": list(MECHANISMS)},
                },
                "use_ssl": {"label": "TLS", "schema": _FLAG},
                "ca_cert": {"label": "File with the CA", "schema": _TEXT},
                "use_http_transport": {"label": "HTTP", "schema": _FLAG},
                "http_path": {"label": "HTTP path", "schema": _TEXT},
                "policy": {
                    "label": "Policy",
                    "description": f"One of {', '.join(POLICIES)}.",
                    "schema": _TEXT,
                },
            },
        }
    ],
}


def provider_info() -> dict[str, object]:
    """The provider as Airflow's schema `provider_info` has it, with the form of a connection."""
    return _PROVIDER
