"""
Superset's engine spec for URLs of `impala_ha://`, which it finds by the entry point.

It is Superset's spec of Impala, but for what goes by the host of the URL, which is a list here:
a query is cancelled through the coordinator that runs it, also when that was changed meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from typing import Any

from cryptography.fernet import Fernet
from flask import current_app
from sqlalchemy.engine import URL
from superset import db
from superset.constants import QUERY_CANCEL_KEY, QUERY_EARLY_CANCEL_KEY
from superset.db_engine_specs.impala import ImpalaEngineSpec
from superset.sql.parse import SQLGLOT_DIALECTS

from impala_ha import Error

_ENGINE = "impala_ha"
_PROGRESS = re.compile(r"Query.*: (?P<percent>\d+)%")
_POLL = 5  # seconds, Superset's own for engines that DB_POLL_INTERVAL_SECONDS does not name

if "impala" in SQLGLOT_DIALECTS:  # by which Superset reads the SQL of an engine
    SQLGLOT_DIALECTS.setdefault(_ENGINE, SQLGLOT_DIALECTS["impala"])


class ImpalaHAEngineSpec(ImpalaEngineSpec):  # type: ignore[misc]  # Superset is not installed everywhere
    """Impala on several coordinators."""

    engine = _ENGINE
    engine_name = "Apache Impala (several coordinators)"
    default_driver = "ha"
    sqlalchemy_uri_placeholder = "impala_ha://user:password@coord1,coord2,coord3/database"
    metadata = {  # noqa: RUF012 - Superset's form
        **ImpalaEngineSpec.metadata,
        "pypi_packages": ["impala-ha"],
        "connection_string": "impala_ha://{username}:{password}@{hostnames}/{database}",
    }

    supports_dynamic_schema = True  # or what is chosen in SQL Lab would not count

    @classmethod
    def adjust_engine_params(
        cls,
        uri: URL,
        connect_args: dict[str, Any],
        catalog: str | None = None,  # noqa: ARG003 - Impala has none
        schema: str | None = None,
    ) -> tuple[URL, dict[str, Any]]:
        """Connect to the database that was chosen, in place of the URL's."""
        if schema:
            uri = uri.difference_update_query(["database"]).set(database=schema)
            connect_args.pop("database", None)  # Superset goes on with its own dictionary
        return uri, connect_args

    @classmethod
    def get_schema_from_engine_params(
        cls, sqlalchemy_uri: URL, connect_args: dict[str, Any]
    ) -> str | None:
        """The database that connections begin with."""
        given = connect_args.get("database"), sqlalchemy_uri.database
        named = next(filter(None, given), sqlalchemy_uri.query.get("database"))
        return str(named) if named else None

    @classmethod
    def get_schema_names(cls, inspector: Any) -> set[str]:
        """The databases, but for Impala's own."""
        return {name for name in inspector.get_schema_names() if not name.startswith("_")}

    @classmethod
    def handle_cursor(cls, cursor: Any, query: Any) -> None:
        """Wait for the query, with its progress, until it has ended or is to be stopped."""
        interval = current_app.config["DB_POLL_INTERVAL_SECONDS"].get(_ENGINE, _POLL)
        token = cursor.cancel_token  # which Superset has just kept
        while cursor.is_executing():
            db.session.refresh(query)
            if query.extra.get(QUERY_EARLY_CANCEL_KEY):
                cursor.cancel_operation()
                cursor.close_operation()
                cursor.close()
                return
            if cursor.cancel_token != token:  # it may run on another coordinator now
                token = cursor.cancel_token
                query.set_extra_json_key(QUERY_CANCEL_KEY, cls.get_cancel_query_id(cursor, query))
            progress = _PROGRESS.match(cursor.get_log())
            query.progress = max(query.progress, int(progress["percent"]) if progress else 0)
            db.session.commit()
            time.sleep(interval)

    @classmethod
    def get_cancel_query_id(cls, cursor: Any, query: Any) -> str | None:  # noqa: ARG003
        """
        Where the query runs and what names it there.

        It is encrypted: Superset keeps it in its database and shows it to the browser, and with
        the secret in it others could use the session.
        """
        token = cursor.cancel_token
        return _cipher().encrypt(token.encode()).decode() if token else None

    @classmethod
    def cancel_query(cls, cursor: Any, query: Any, cancel_query_id: str) -> bool:  # noqa: ARG003
        """Cancel the query, by a connection to its own coordinator; was that possible?"""
        token = _cipher().decrypt(cancel_query_id.encode()).decode()
        try:
            cursor.cancel(token)
        except Error:
            return False
        return True


def _cipher() -> Fernet:
    digest = hashlib.sha256(str(current_app.config["SECRET_KEY"]).encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
