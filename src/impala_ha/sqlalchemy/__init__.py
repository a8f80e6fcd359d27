"""
SQLAlchemy on many coordinators: ``create_engine("impala+ha://a,b,c/database")``.

`ImpalaDialect` is what ``impala+ha://`` names, and `ImpalaHADialect` what ``impala_ha://`` does.
The types are those that SQLAlchemy has no class for.
"""

from __future__ import annotations

from .dialect import ImpalaDialect, ImpalaHADialect
from .types import ARRAY, BINARY, DOUBLE, MAP, STRING, STRUCT, TINYINT

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
