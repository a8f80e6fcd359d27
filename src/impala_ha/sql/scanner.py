r"""
Where literals, quoted names and comments stand in a SQL text, under Impala's rules of quoting.

The only scanner: `sql.statement` classifies with it, `sql.parameters` binds parameters with it,
and ``impala-connect`` splits scripts with it.  Impala's rules (``sql-scanner.flex``): in strings
in single or double quotes and in names in backquotes a backslash escapes, ``--`` runs to the end
of the line, ``/* */`` does not nest.  It takes time linear in the length of the text.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple


class TokenType(enum.Enum):
    """The types of tokens."""

    CODE = "keywords, names, numbers, operators, white space"
    STRING = "a string literal with its quotes"
    NAME = "a name in backquotes, with them"
    COMMENT = "a comment, without the line break that ends it"
    UNCLOSED = "a literal, name or comment that is not closed before the end of the text"


class Token(NamedTuple):
    """A part of a SQL text: its type, the text itself, and where it starts."""

    type: TokenType
    text: str
    start: int


def scan(sql: str) -> Iterator[Token]:
    """
    The tokens of *sql*, in order and without gaps; CODE never follows CODE.

    An UNCLOSED token is the last one: it runs to the end of the text.
    """
    code = end = 0
    for text in split(sql):
        start, end = end, end + len(text)
        kind = type_of(text)
        if kind is not TokenType.CODE:
            if code < start:
                yield Token(TokenType.CODE, sql[code:start], code)
            yield Token(kind, text, start)
            code = end
    if code < end:
        yield Token(TokenType.CODE, sql[code:end], code)


def split(sql: str) -> list[str]:
    """The texts of the tokens of *sql*, where CODE may follow CODE; see `type_of`."""
    if sql.count("\\") <= _ESCAPES:
        return _pattern(_TOKEN).findall(sql)
    return list(_split_slowly(sql))


def type_of(text: str) -> TokenType:
    """The type of the token with that *text*, one of those of `split`."""
    first = text[0]
    if first in _QUOTES:
        closed = len(text) > 1 and text[-1] == first
        # A backslash before the last quote may be escaped itself.
        if closed and text[-2] == "\\":
            closed = _pattern(_QUOTED.format(first)).fullmatch(text) is not None
        return _QUOTES[first] if closed else TokenType.UNCLOSED
    if text.startswith("--"):
        return TokenType.COMMENT
    if text.startswith("/*"):
        closed = len(text) >= len("/**/") and text.endswith("*/")
        return TokenType.COMMENT if closed else TokenType.UNCLOSED
    return TokenType.CODE


def identifiers(sql: str) -> frozenset[str]:
    """Keywords and names in the first 20,000 characters of *sql*, in lower case."""
    named = [text for text in split(sql[:_HEAD]) if type_of(text) in _NAMING]
    return frozenset(word for text in named for word in re.findall(_IDENTIFIER, text.lower()))


_IDENTIFIER = r"\b\d*[^\W\d]\w*"  # Impala takes digits in front
_HEAD = 20_000  # characters; who sends more sends rows
_NAMING = frozenset({TokenType.CODE, TokenType.NAME})
_QUOTES = {"'": TokenType.STRING, '"': TokenType.STRING, "`": TokenType.NAME}
_QUOTED = r"{0}[^{0}\\]*(?:\\[\s\S][^{0}\\]*)*{0}"
_TOKEN = "|".join(
    [
        r"[^'\"`/\-]+",
        *(_QUOTED.format(quote) for quote in _QUOTES),
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
        if found[0] in _QUOTES:
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
