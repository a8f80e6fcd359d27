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
_SOURCES = frozenset({"from", "with"})
_LOTS = frozenset(
    {"uuid", "rand", "random", "tablesample", "now", "utc_timestamp", "unix_timestamp"}
    | {"current_timestamp", "current_date", "sysdate", "timeofday"}
)  # what gives other rows at another moment
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
        replaces: Whether running it again would do no harm if it does not read what it writes:
            an ``INSERT OVERWRITE`` or ``UPSERT`` of rows from tables or views, which only the
            coordinator can look through (see `reads_what_it_writes`).
    """

    effect: Effect
    setting: tuple[str, str] | None = None
    early: bool = False
    replaces: bool = False

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
        effect = _effect(words, head)
        replaces = effect is Effect.WRITE and _replaces(words) and _LOTS.isdisjoint(words)
        return cls(effect, early=_creates_as_select(words), replaces=replaces)


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
    if _replaces(words) and (_SOURCES | _LOTS).isdisjoint(words):
        return Effect.HARMLESS  # the rows stand in the text
    if first in {"create", "drop"} and _guarded(words) and not _creates_as_select(words):
        return Effect.HARMLESS
    return Effect.WRITE


def _replaces(words: list[str]) -> bool:
    """
    ``INSERT OVERWRITE`` and ``UPSERT``: their rows take the place of others.

    A key or partition that is drawn by lot is another one the second time.
    """
    over = words[:2] == ["insert", "overwrite"] or words[:1] == ["upsert"]
    return over and not _ROWS.isdisjoint(words)


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


def reads_what_it_writes(plan: str) -> bool:
    """
    Does a write read the table that it writes?

    Args:
        plan: What EXPLAIN says of it: its sink names the table that is written, and each scan one
            that is read, however many views are between.  In doubt it does.
    """
    written = re.findall(r"(?m)^\W*(?:WRITE TO|INSERT INTO|UPSERT INTO) \w+ \[([^\s,\]]+)", plan)
    scans = re.findall(r"(?m)^\W*\d+:.*SCAN\b(.*)", plan)
    read = [re.match(r"[\w ]* \[([^\s,\]]+)", scan) for scan in scans]
    if len(written) != 1 or not all(read):
        return True
    return written[0].lower() in {found[1].lower() for found in read if found}


def literals(sql: str) -> list[tuple[int, int]]:
    """Where quoted text and comments stand in *sql*, as (start, end)."""
    return [piece.span() for piece in re.finditer(_PIECES, sql)]
