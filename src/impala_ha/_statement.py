"""
What a SQL text does, as far as failover needs to know.

One pass takes out comments and quoted text (so that ``'--'`` in a literal does not eat the rest,
and ``insert`` in one is no write); the words that are left decide.  In doubt a statement is a
write: it is then never run twice.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

# Texts, not compiled: `re` compiles and keeps them at their first use, and not at each import.
_PIECES = (
    r"""(?s)(?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`)"""
    r"""|(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<open>['"`]|/\*)"""
)
_WORD = r"(?i)[a-z_]+"
_SET = r"(?is)set\s+([\w.:]+)\s*=\s*(.*?)[\s;]*$"
_USE = r"(?i)use\s+(?:`([^`]+)`|(\w+))[\s;]*$"
_WRITE = r"\b(insert|upsert|update|delete|create|merge|load|alter|drop)\b"

_READS = frozenset({"select", "values", "show", "describe", "desc", "explain", "use", "set"})
_ROWS = frozenset({"select", "values"})  # what gives a new table its rows
_DEPENDS = frozenset(
    {"from", "with", "uuid", "rand", "random", "now", "utc_timestamp", "unix_timestamp"}
    | {"current_timestamp", "current_date", "sysdate", "timeofday"}
)  # ... on what is there, or on the moment
_REFRESHES = ("refresh", "invalidate metadata", "compute stats", "compute incremental stats")


class Effect(enum.Enum):
    """What running a statement once more would do."""

    READ = "reads only"
    HARMLESS = "changes nothing more when it runs again"
    WRITE = "must not run twice"


@dataclass(frozen=True, slots=True)
class Statement:
    """
    What one text does.

    Attributes:
        effect: What running it again would do.
        setting: ``(option, value)`` if it changes the session (``USE`` is ``use:database``).
        early: Whether part of it is done before admission: a ``CREATE TABLE AS SELECT`` that is
            turned away by the queue has already made its table.
    """

    effect: Effect
    setting: tuple[str, str] | None = None
    early: bool = False

    @property
    def repeatable(self) -> bool:
        """Is running it twice the same as running it once?"""
        return self.effect is not Effect.WRITE

    @classmethod
    def parse(cls, sql: str) -> Statement:
        """Read *sql*; when in doubt it is a write."""
        text = re.sub(_PIECES, lambda m: m["quoted"] or ("\0" if m["open"] else " "), sql)
        text = text.lstrip("\ufeff").strip()
        bare = re.sub(_PIECES, " ? ", text).lower()
        head, _, more = bare.partition(";")
        if more.strip("; \t\r\n") or "\0" in bare:
            return cls(Effect.WRITE)  # several statements, or something left open
        if use := re.match(_USE, text):
            return cls(Effect.READ, ("use:database", use[1] or use[2]))
        if option := re.match(_SET, text):
            return cls(Effect.READ, (option[1], _unquoted(option[2])))
        words = re.findall(_WORD, head.lstrip("( \t\r\n"))
        return cls(_effect(words, head), early=_creates_as_select(words))


def _effect(words: list[str], text: str) -> Effect:
    if words[:2] == ["explain", "analyze"]:  # Hive runs what it explains so
        words = words[2:]
    first = words[0] if words else ""
    if not re.match(r"[\s(]*[a-z]", text):
        return Effect.WRITE
    if first in _READS or (first == "with" and not re.search(_WRITE, text)):
        return Effect.READ
    if " ".join(words[:3]).startswith(_REFRESHES):
        return Effect.HARMLESS
    if _replaces(words):
        return Effect.HARMLESS
    if first in {"create", "drop"} and _guarded(words) and not _creates_as_select(words):
        return Effect.HARMLESS
    return Effect.WRITE


def _replaces(words: list[str]) -> bool:
    """
    ``INSERT OVERWRITE`` and ``UPSERT`` of rows that stand in the text.

    With a FROM they may read what they write, through a view if not by name, and twice would not
    be the same as once.  A key that is drawn by lot is another one the second time.
    """
    if words[:2] != ["insert", "overwrite"] and words[:1] != ["upsert"]:
        return False
    return not _ROWS.isdisjoint(words) and _DEPENDS.isdisjoint(words)


def _guarded(words: list[str]) -> bool:
    """``IF [NOT] EXISTS`` near the head, where it belongs."""
    opening = " ".join(words[:6])
    return "if exists" in opening or "if not exists" in opening


def _creates_as_select(words: list[str]) -> bool:
    return words[:1] == ["create"] and "table" in words[:3] and not _ROWS.isdisjoint(words)


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def literals(sql: str) -> list[tuple[int, int]]:
    """Where quoted text and comments stand in *sql*, as (start, end)."""
    return [piece.span() for piece in re.finditer(_PIECES, sql)]
