"""
Is an INSERT OVERWRITE or UPSERT idempotent?  What its plan shows.

The plan names the table that is written and each that is read, however many views lie between.
It does not show everything that a view computes: constant expressions, ``now()`` among them,
are folded into literals, and the operands of a UNION are left out.  So where it matters what is
computed, every table that the text names must be read as itself, with no view between.  Nor does
it show a table whose metadata are enough (``count(*)`` of an Iceberg table is a constant):
where there are constants and perhaps a view between, nothing is known.
"""

from __future__ import annotations

import re

from .scanner import TokenType, scan
from .statement import Statement

LEVEL = {"EXPLAIN_LEVEL": "0"}  # only the nodes; an expression might look like one

_SINK = (
    r"(?m)^\W*(WRITE TO|INSERT INTO|UPSERT INTO) \w+ "
    r"\[([^\s,\]]+)(?:, OVERWRITE=(\w+))?(?:, PARTITION-KEYS=\((.*)\))?\]\s*$"
)
_SINKS = r"(?m)^\W*(?:WRITE TO|INSERT INTO|UPSERT INTO|UPDATE|DELETE FROM|MERGE SINK|MULTI)\b"
_SCANS = r"(?m)^\W*\d+:.*SCAN\b(.*)"
_SCANNED = r"[\w ]* \[([^\s,\]]+)"
_FOLDED = r"(?m)^\W*(?:constant-operands=|\d+:EMPTYSET)"
_SHOWN = r"predicates: |-exprs="  # of UNION, UNPIVOT, data sources and system tables, at any level
_LITERAL = r"(?:-?[\d.]+|'[^']*'|NULL|TRUE|FALSE|DATE '[^']*')"


def may_run_again(plan: str, sql: str, statement: Statement, database: str) -> bool:
    """
    Does *plan* show that *sql* is idempotent?  False in doubt.

    Args:
        plan: The plan of EXPLAIN at `LEVEL`.
        sql: The statement, an INSERT OVERWRITE or UPSERT.
        statement: The same, parsed.
        database: The current database.
    """
    sinks = re.findall(_SINK, plan)
    read = [re.match(_SCANNED, node) for node in re.findall(_SCANS, plan)]
    if len(sinks) != 1 or len(re.findall(_SINKS, plan)) != 1 or not all(read):
        return False
    if re.search(_SHOWN, plan):
        return False
    (verb, written, overwrite, keys) = sinks[0]
    tables = {found[1].lower().replace("`", "") for found in read if found}
    named = named_tables(sql, database)
    plain = named is not None and named <= tables
    if written.lower().replace("`", "") in tables | (named or set()):
        return False
    if not plain and re.search(_FOLDED, plan):
        return False
    if overwrite == "true" and _count(keys) == statement.static:
        return True
    return statement.deterministic and plain and (overwrite == "true" or verb == "UPSERT INTO")


def _count(keys: str) -> int:
    """
    How many partition keys: 0 of a table without partitions, -1 if one is no literal.

    One that the text does not give may be a literal too: a ``now()`` in a view was one by then.
    """
    if keys and not re.fullmatch(rf"{_LITERAL}(?:,\s?{_LITERAL})*", keys):
        return -1
    return len(re.findall(_LITERAL, keys))


_ENDS = frozenset(
    """
    select where group having order limit union except intersect minus values insert set
    """.split()
)


def named_tables(sql: str, database: str) -> frozenset[str] | None:
    """
    The tables and views that *sql* names behind FROM and JOIN, in lower case with their database.

    Returns:
        None where that is not sure.
    """
    found: set[str] = set()
    clauses = [False]  # for each open bracket: are we in a FROM clause there?
    expected = False
    for word in _words(sql):
        if expected and word == "(":
            clauses.append(True)
        elif expected and word in {"select", "with", "values"} and len(clauses) > 1:
            clauses[-1] = expected = False
        elif expected and not re.fullmatch(r"[a-z_][\w.]*", word):
            return None
        elif expected:
            found.add(word if "." in word else f"{database.lower()}.{word}")
            expected = False
        elif word in {"from", "join"} or (word == "," and clauses[-1]):
            clauses[-1] = expected = True
        elif word == "(":
            clauses.append(False)
        elif word == ")" and len(clauses) > 1:
            clauses.pop()
        elif word in _ENDS:
            clauses[-1] = False
    return None if expected or not found else frozenset(found)


def _words(sql: str) -> list[str]:
    """Numbers, names with their dots (quoted or not), and single characters; a string is ``?``."""
    bare = []
    for kind, text, _ in scan(sql):
        if kind is TokenType.NAME:
            name = text[1:-1].lower()
            plain = re.fullmatch(r"[a-z_]\w*", name) and name not in _RESERVED
            bare.append(f" {name} " if plain else " ? ")
        elif kind is TokenType.CODE:
            bare.append(text.lower())
        else:
            bare.append(" ? " if kind is TokenType.STRING else " ")
    return [re.sub(r"\s", "", word) for word in re.findall(_WORDS_OF_SQL, "".join(bare))]


# As Impala's scanner: ``1.from`` is a number and a word.
_WORDS_OF_SQL = r"(?:\d+\.\d*|\.\d+)(?:e[+-]?\d+)?|[\w?$]+(?:\s*\.\s*[\w?$]+)*|[^\s\w]"
_RESERVED = _ENDS | {"from", "join"}  # not supported as names of tables
