"""
SQLAlchemy on many coordinators: ``create_engine("impala+ha://a,b,c/database")``.

`ImpalaDialect` is what ``impala+ha://`` names, and `ImpalaHADialect` what ``impala_ha://`` does.
The types are those that SQLAlchemy has no class for.
"""

from __future__ import annotations

from impala_ha.core.extras import import_extra

import_extra("sqlalchemy", "sqlalchemy")

from .dialect import ImpalaDialect, ImpalaHADialect  # noqa: E402 - with the hint above if it lacks
from .types import ARRAY, BINARY, DOUBLE, MAP, STRING, STRUCT, TINYINT  # noqa: E402

__all__ = [
    "ARRAY",
    "BINARY",
    "DOUBLE",
    "MAP",
    "STRING",
    "STRUCT",
    "TINYINT",
    "ImpalaDialect",
    "ImpalaHADialect",
]
