r"""
Where literals, quoted names and comments stand in a SQL text, under Impala's rules of quoting.

The one scanner of the package: `sql.statement` classifies with it, `sql.parameters` binds
parameters with it, and ``impala-connect`` cuts scripts with it.  Impala's rules
(``sql-scanner.flex``): strings in single or double quotes and names in backquotes know the
backslash, ``--`` runs to the end of the line, ``/* */`` does not nest.  Time is linear in the
length of the text, whatever it holds.
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
    The pieces of *sql*, in order and without gaps; two of code never follow each other.

    An UNCLOSED piece is the last one: it runs to the end of the text.
    """
    code = end = 0
    for part in split(sql):
        start, end = end, end + len(part)
        token = token_of(part)
        if token is not Token.CODE:
            if code < start:
                yield Piece(Token.CODE, code, start)
            yield Piece(token, start, end)
            code = end
    if code < end:
        yield Piece(Token.CODE, code, end)


def split(sql: str) -> list[str]:
    """*sql* cut into pieces, of which several of code may follow each other; see `token_of`."""
    if sql.count("\\") <= _ESCAPES:
        return _pattern(_PIECE).findall(sql)
    return list(_split_slowly(sql))


def token_of(piece: str) -> Token:
    """What a piece of `split` is."""
    first = piece[0]
    if first in _TOKENS:
        closed = len(piece) > 1 and piece[-1] == first
        # A backslash before the last quote may be escaped itself.
        if closed and piece[-2] == "\\":
            closed = _pattern(_QUOTED.format(first)).fullmatch(piece) is not None
        return _TOKENS[first] if closed else Token.UNCLOSED
    if piece.startswith("--"):
        return Token.COMMENT
    if piece.startswith("/*"):
        closed = len(piece) >= len("/**/") and piece.endswith("*/")
        return Token.COMMENT if closed else Token.UNCLOSED
    return Token.CODE


def names_of(sql: str) -> frozenset[str]:
    """The words and names in the head of *sql*, in lower case; what was quoted as text is none."""
    pieces = split(sql[:_HEAD])
    named = [piece for piece in pieces if token_of(piece) in _NAMING]
    return frozenset(word for piece in named for word in re.findall(_IDENTIFIER, piece.lower()))


_IDENTIFIER = r"\b\d*[^\W\d]\w*"  # Impala takes digits in front
_HEAD = 20_000  # characters; who sends more sends rows
_NAMING = frozenset({Token.CODE, Token.NAME})
_TOKENS = {"'": Token.STRING, '"': Token.STRING, "`": Token.NAME}
_QUOTED = r"{0}[^{0}\\]*(?:\\[\s\S][^{0}\\]*)*{0}"
_PIECE = "|".join(
    [
        r"[^'\"`/\-]+",
        *(_QUOTED.format(quote) for quote in _TOKENS),
        r"--[^\r\n]*",
        r"/\*[\s\S]*?\*/",
        r"(?:['\"`]|/\*)[\s\S]*",
        r"[/\-]",
    ]
)
_ESCAPES = 100_000  # `re` keeps about a hundred bytes for each while it matches


def _split_slowly(sql: str) -> Iterator[str]:
    """As `split`, for a text with so many backslashes that they are matched a part at a time."""
    opening, at = _pattern(r"['\"`]|--|/\*"), 0
    while found := opening.search(sql, at):
        if found.start() > at:
            yield sql[at : found.start()]
        if found[0] in _TOKENS:
            end = _end_of_quoted(sql, found.start())
        elif found[0] == "--":
            line = _pattern(r"[\r\n]").search(sql, found.start())
            end = len(sql) if line is None else line.start()
        else:
            closing = sql.find("*/", found.end())
            end = len(sql) if closing < 0 else closing + 2
        yield sql[found.start() : end]
        at = end
    if at < len(sql):
        yield sql[at:]


def _end_of_quoted(sql: str, start: int) -> int:
    quote = sql[start]
    inside = _pattern(rf"[^{quote}\\]*(?:\\[\s\S][^{quote}\\]*){{0,1000}}")
    end = start + 1
    while True:
        match = inside.match(sql, end)
        assert match is not None  # it matches nothing, if need be
        if match.end() == len(sql) or (match.end() == end and sql[end] == "\\"):
            return len(sql)
        end = match.end()
        if sql[end] == quote:
            return end + 1


@lru_cache(maxsize=16)
def _pattern(text: str) -> re.Pattern[str]:
    """Compiled at its first use, and not at each import."""
    return re.compile(text)
