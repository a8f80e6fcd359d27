"""
Would an INSERT OVERWRITE or UPSERT do no harm if it ran again?  What EXPLAIN says of it.

The plan names the table that is written and each that is read, however many views lie between.
It does not show all that a view computes: constant expressions, ``now()`` among them, are folded
into literals, and the operands of a UNION are left out.  So where it matters what is computed,
every table that the text names must be read as itself, with no view between.
"""

from __future__ import annotations

import re

from ._scanner import Token, scan
from ._statement import Statement

LEVEL = {"EXPLAIN_LEVEL": "0"}  # the nodes alone: no expression, which could look like a node

_SINK = (
    r"(?m)^\W*(?:WRITE TO|INSERT INTO|UPSERT INTO) (\w+) "
    r"\[([^\s,\]]+)(?:, OVERWRITE=(\w+))?(?:, PARTITION-KEYS=\((.*)\))?\]\s*$"
)
_SINKS = r"(?m)^\W*(?:WRITE TO|INSERT INTO|UPSERT INTO|UPDATE|DELETE FROM|MERGE SINK|MULTI)\b"
_SCANS = r"(?m)^\W*\d+:.*SCAN\b(.*)"
_SCANNED = r"[\w ]* \[([^\s,\]]+)"
_LITERALS = r"(?:-?[\d.]+|'[^']*'|NULL|TRUE|FALSE|DATE '[^']*')"


def may_run_again(plan: str, sql: str, statement: Statement, database: str) -> bool:
    """
    Does *plan* show that running *sql* again changes nothing more?  In doubt it does not.

    Args:
        plan: What EXPLAIN says at `LEVEL`.
        sql: The statement, an INSERT OVERWRITE or UPSERT.
        statement: What is known of it.
        database: In which names without a database are looked for.
    """
    sinks = re.findall(_SINK, plan)
    read = [re.match(_SCANNED, scan) for scan in re.findall(_SCANS, plan)]
    if len(sinks) != 1 or len(re.findall(_SINKS, plan)) != 1 or not all(read):
        return False
    (_, written, overwrite, keys) = sinks[0]
    tables = {found[1].lower().replace("`", "") for found in read if found}
    if written.lower().replace("`", "") in tables:
        return False
    wholly = statement.static and overwrite == "true" and _are_literals(keys)
    if wholly:
        return True
    named = named_tables(sql, database)
    return statement.deterministic and named is not None and named <= tables


def _are_literals(keys: str) -> bool:
    """Are the partition keys all literals, so that one partition is written, or the table?"""
    return not keys or re.fullmatch(rf"{_LITERALS}(?:,\s?{_LITERALS})*", keys) is not None


_ENDS = frozenset(
    """
    select where group having order limit union except intersect minus values insert set
    """.split()  # noqa: SIM905 - nobody could read it with quotes around each word
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
    """Words (names with their dots, quoted or not), and single characters; a text is a ``?``."""
    bare = []
    for piece in scan(sql):
        part = sql[piece.start : piece.end]
        if piece.token is Token.NAME:
            name = part[1:-1].lower()
            plain = re.fullmatch(r"[a-z_]\w*", name) and name not in _RESERVED
            bare.append(name if plain else "?")
        elif piece.token is Token.CODE:
            bare.append(part.lower())
        else:
            bare.append("?" if piece.token is Token.STRING else " ")
    return re.findall(r"[\w.?]+|[^\s\w]", "".join(bare))


_RESERVED = _ENDS | {"from", "join"}  # a table of such a name is not worth the trouble
