"""
Types have two spellings: Impala's (``decimal(10,2)``, ``array<int>``) and DuckDB's.

Impala's spelling is the one that columns carry everywhere; DuckDB's is made of it when SQL is
written, and read back when DuckDB says what a query returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TO_DUCK = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "real": "DOUBLE",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "binary": "BLOB",
}
_FROM_DUCK = {
    "INTEGER": "int",
    "HUGEINT": "bigint",
    "UHUGEINT": "bigint",
    "UBIGINT": "bigint",
    "UINTEGER": "bigint",
    "USMALLINT": "int",
    "UTINYINT": "smallint",
    "BLOB": "binary",
    "VARCHAR": "string",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    '"NULL"': "boolean",
    **{name: name.lower() for name in ("BOOLEAN", "TINYINT", "SMALLINT", "BIGINT", "FLOAT")},
    **{name: name.lower() for name in ("DOUBLE", "DATE")},
    **{f"TIMESTAMP{unit}": "timestamp" for unit in ("", "_S", "_MS", "_NS")},
}
_SPELLED_TWICE = {"integer": "int", "real": "double", "dec": "decimal", "numeric": "decimal"}
COMPLEX = ("array<", "map<", "struct<")
INTEGERS = ("tinyint", "smallint", "int", "bigint")


def split(text: str, separator: str = ",") -> Iterator[str]:
    """The parts of *text* between separators that stand in no bracket and no quotes."""
    depth, start, quoted = 0, 0, False
    for place, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in "(<[":
            depth += 1
        elif char in ")>]":
            depth -= 1
        elif char == separator and depth == 0:
            yield text[start:place].strip()
            start = place + 1
    yield text[start:].strip()


def to_duck(impala: str) -> str:
    """DuckDB's name of an Impala type.  Raises ValueError when it is no Impala type."""
    plain = impala.strip().lower()
    if plain in _TO_DUCK:
        return _TO_DUCK[plain]
    if plain.startswith("decimal"):
        return plain.upper() if "(" in plain else "DECIMAL(9,0)"
    if re.fullmatch(r"(var)?char\(\d+\)", plain):
        return "VARCHAR"
    inner = impala[impala.find("<") + 1 : impala.rfind(">")]
    if plain.startswith("array<"):
        return f"{to_duck(inner)}[]"
    if plain.startswith("map<"):
        key, value = split(inner)
        return f"MAP({to_duck(key)}, {to_duck(value)})"
    if plain.startswith("struct<"):
        fields = (field.split(":", 1) for field in split(inner))
        return f"STRUCT({', '.join(f'{quote(name)} {to_duck(kind)}' for name, kind in fields)})"
    raise ValueError(f"Unsupported type: {impala}")


def from_duck(duck: str) -> str:
    """Impala's name of a DuckDB type; what Impala has no type for is a string."""
    plain = duck.strip()
    if plain in _FROM_DUCK:
        return _FROM_DUCK[plain]
    if plain.endswith("]"):
        return f"array<{from_duck(plain[: plain.rindex('[')])}>"
    inner = plain[plain.find("(") + 1 : -1]
    if plain.startswith("DECIMAL("):
        return plain.lower().replace(" ", "")
    if plain.startswith("MAP("):
        key, value = split(inner)
        return f"map<{from_duck(key)},{from_duck(value)}>"
    if plain.startswith("STRUCT("):
        fields = (
            field.rsplit(" ", 1) if "(" not in field else field.split(" ", 1)
            for field in split(inner)
        )
        return f"struct<{','.join(f'{unquote(n)}:{from_duck(kind)}' for n, kind in fields)}>"
    return "string"


def normal(impala: str) -> str:
    """The one spelling of an Impala type that columns carry."""
    plain = re.sub(r"\s+", "", impala).lower()
    if plain == "decimal":
        return "decimal(9,0)"
    if match := re.fullmatch(r"decimal\((\d+)\)", plain):
        return f"decimal({match[1]},0)"
    return _SPELLED_TWICE.get(plain, plain)


def quote(name: str) -> str:
    """*name* as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def unquote(name: str) -> str:
    """The name in a DuckDB identifier."""
    return name[1:-1].replace('""', '"').lower() if name.startswith('"') else name.lower()


def cast_cell(cell: str, impala: str) -> str:
    """The SQL that makes *cell* a value of a column of an Impala type."""
    width = impala[impala.find("(") + 1 : -1]
    if impala.startswith("varchar("):
        return f"left(CAST({cell} AS VARCHAR), {width})"
    if impala.startswith("char("):
        return f"impala_padded(left(CAST({cell} AS VARCHAR), {width}), {width})"
    return f"CAST({cell} AS {to_duck(impala)})"


def column_cell(name: str, impala: str) -> str:
    """The SQL of a column that keeps its name and has an Impala type."""
    return f"{cast_cell(quote(name), impala)} AS {quote(name)}"


def literal(text: str) -> str:
    """*text* as a DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"
