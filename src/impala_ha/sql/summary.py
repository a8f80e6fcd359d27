"""
A statement in a few words, for people and for telemetry: without the values in it.

By OpenTelemetry's conventions for databases: its summary is the operation with the tables that it
names, and its text has ``?`` in the place of each literal.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .scanner import TokenType, split, type_of

_HEAD = 4096  # characters of a text that are looked at
_LONGEST = 255  # characters of a summary, as the conventions have it
_NAME = r"(?:`[^`]*`|[^\W\d][\w$]*)"
_QUALIFIED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_TARGET = re.compile(
    r"\b(?:from|join|into|overwrite|table|view|update|refresh|stats|metadata|describe|database|"
    r"schema|use|in)\b(?:\s+(?:table|if|not|exists|formatted|extended|stats))*"
    rf"\s+({_QUALIFIED})",
    re.IGNORECASE,
)
_NO_SOURCE = re.compile(
    r"\b(?:extract|trim)\s*\([^()]*?\bfrom\b|\bdistinct\s+from\b", re.IGNORECASE
)
_NO_NAMES = frozenset(
    """
    select values table view if not exists into where set on using as by formatted extended stats
    database schema partition unnest lateral
    """.split()
)
_CTE = re.compile(rf"(?:\bwith|,)\s+({_NAME})\s*(?:\([^()]*\)\s*)?as\s*\(", re.IGNORECASE)
_NUMBER = re.compile(  # in Hive and Spark with the letters of its type: 10L, 1.5BD
    r"(?<![\w.`])[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?:[lsyfd]|bd)?(?!\w)", re.IGNORECASE
)
_LIST = re.compile(r"\?(?:\s*,\s*\?)+")
_ROWS = re.compile(r"\(\?\)(?:\s*,\s*\(\?\))+")
_VERB = re.compile(r"[a-z]+", re.IGNORECASE)


class Summary(NamedTuple):
    """
    A statement in a few words.

    Attributes:
        operation: Its first keyword, in upper case; empty: none.
        targets: The tables, views and databases that it names, each once.
        text: The statement with ``?`` for each literal, and without comments; the beginning of a
            long one.
    """

    operation: str
    targets: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        """The operation and its targets, as many as go into 255 characters."""
        found = self.operation
        for each in self.targets:
            if len(found) + 1 + len(each) > _LONGEST:
                break
            found = f"{found} {each}"
        return found


def summarize(sql: str) -> Summary:
    """*sql* in a few words; what cannot be read is left out."""
    cut = len(sql) > _HEAD
    text = "".join(map(_without_value, split(sql[:_HEAD])))
    text = re.sub(r"\s+", " ", _NUMBER.sub("?", text)).strip(" ;")
    text = _ROWS.sub("(?)", _LIST.sub("?", text))
    verb = _VERB.search(text)
    named = {each.strip("`").lower() for each in _CTE.findall(text)}
    found = [
        re.sub(r"\s*\.\s*", ".", each).replace("`", "")
        for each in _TARGET.findall(_NO_SOURCE.sub("", text))
    ]
    targets = [each for each in found if each.lower() not in named | _NO_NAMES]
    operation = verb[0].upper() if verb else ""
    if operation == "SET":  # a value without quotes may be a secret of Hive's or Spark's
        text = re.sub(r"=.*", "= ?", text)
    return Summary(operation, tuple(dict.fromkeys(targets)), f"{text}..." if cut else text)


def _without_value(token: str) -> str:
    kind = type_of(token)
    if kind is TokenType.COMMENT:
        return " "
    return "?" if kind in {TokenType.STRING, TokenType.UNCLOSED} else token
