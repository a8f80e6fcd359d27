"""
Where literals, quoted names and comments stand in a SQL text, under Impala's rules of quoting.

The one scanner of the package: `_statement` classifies with it, `_binding` binds parameters with
it, and ``impala-connect`` cuts scripts with it.  Impala's rules (``sql-scanner.flex``): strings in
single or double quotes and names in backquotes know the backslash, ``--`` runs to the end of the
line, ``/* */`` does not nest.  Time is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple


class Token(enum.Enum):
    """What a piece of SQL text is."""

    CODE = "keywords, names, numbers, operators, blanks"
    STRING = "a string literal with its quotes"
    NAME = "a name in backquotes, with them"
    COMMENT = "a comment, without the line break that ends it"
    UNCLOSED = "a literal, name or comment that is not closed before the end of the text"


class Piece(NamedTuple):
    """A piece of a SQL text: what it is, and where it starts and ends."""

    token: Token
    start: int
    end: int


def scan(sql: str) -> Iterator[Piece]:
    """
    The pieces of *sql*, in order and without gaps; a piece is never empty.

    An UNCLOSED piece is the last one: it runs to the end of the text.
    """
    opening, code = _pattern(r"['\"`]|--|/\*"), 0
    while found := opening.search(sql, code):
        start = found.start()
        if start > code:
            yield Piece(Token.CODE, code, start)
        token, end = _quoted(sql, start) if found[0] in _TOKENS else _comment(sql, start)
        yield Piece(token, start, end)
        code = end
    if code < len(sql):
        yield Piece(Token.CODE, code, len(sql))


_TOKENS = {"'": Token.STRING, '"': Token.STRING, "`": Token.NAME}
_ESCAPES = 500  # matched at once: `re` keeps a few hundred bytes for each until the match is over


def _quoted(sql: str, start: int) -> tuple[Token, int]:
    quote = sql[start]
    inside = _pattern(rf"[^{quote}\\]*(?:\\[\s\S][^{quote}\\]*){{0,{_ESCAPES}}}")
    end = start + 1
    while True:
        match = inside.match(sql, end)
        assert match is not None  # it matches nothing, if need be
        if match.end() == len(sql) or (match.end() == end and sql[end] == "\\"):
            return Token.UNCLOSED, len(sql)
        end = match.end()
        if sql[end] == quote:
            return _TOKENS[quote], end + 1


def _comment(sql: str, start: int) -> tuple[Token, int]:
    if sql[start] == "-":
        end = _pattern(r"[\r\n]").search(sql, start)
        return Token.COMMENT, len(sql) if end is None else end.start()
    closing = sql.find("*/", start + 2)
    return (Token.COMMENT, closing + 2) if closing >= 0 else (Token.UNCLOSED, len(sql))


@lru_cache(maxsize=8)
def _pattern(text: str) -> re.Pattern[str]:
    """Compiled at its first use, and not at each import."""
    return re.compile(text)
